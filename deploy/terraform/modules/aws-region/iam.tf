locals {
  parameters_arn = "arn:${var.partition}:ssm:${var.region}:${var.account_id}:parameter${local.parameters}"
  statements = concat(
    [
      { Sid = "Configuration", Effect = "Allow", Action = ["ssm:GetParameter"], Resource = ["${local.parameters_arn}/*"] },
      { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = local.all_secrets },
      {
        # It knows no resources, so the namespace bounds it.
        Sid       = "Figures", Effect = "Allow", Action = ["cloudwatch:PutMetricData"], Resource = ["*"],
        Condition = { StringEquals = { "cloudwatch:namespace" = "Tern" } }
      },
    ],
    [for key in var.kms_key_arn == null ? [] : [var.kms_key_arn] : {
      Sid       = "Decrypt", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [key],
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
    }],
  )
  group_statements = [for statement in [
    { Sid = "FindSlots", Effect = "Allow", Action = ["ec2:DescribeNetworkInterfaces"], Resource = ["*"] },
    {
      Sid       = "TakeSlot", Effect = "Allow", Action = ["ec2:AttachNetworkInterface"],
      Resource  = ["arn:${var.partition}:ec2:${var.region}:${var.account_id}:instance/*", "arn:${var.partition}:ec2:${var.region}:${var.account_id}:network-interface/*"],
      Condition = { StringEquals = { "aws:ResourceTag/tern-group" = local.name } }
    },
    {
      Sid       = "TuneSlot", Effect = "Allow", Action = ["ec2:ModifyNetworkInterfaceAttribute"],
      Resource  = ["arn:${var.partition}:ec2:${var.region}:${var.account_id}:network-interface/*"],
      Condition = { StringEquals = { "aws:ResourceTag/tern-group" = local.name } }
    },
    {
      Sid      = "Leave", Effect = "Allow", Action = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"],
      Resource = ["arn:${var.partition}:autoscaling:${var.region}:${var.account_id}:autoScalingGroup:*:autoScalingGroupName/${local.name}"]
    },
  ] : statement if var.group != null]
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.statements, local.group_statements) })
}

# Roles belong to the account, not to a region: their names have the region in them.
resource "aws_iam_role" "relay" {
  name        = "${local.name}-relay"
  description = "Tern relays: their configuration and secrets, and nothing else"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "relay" {
  name   = "relay"
  role   = aws_iam_role.relay.id
  policy = local.policy
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  count      = var.session_manager ? 1 : 0
  role       = aws_iam_role.relay.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "relay" {
  name = "${local.name}-relay"
  role = aws_iam_role.relay.name
  tags = local.tags
}

resource "aws_iam_role" "flow" {
  count       = var.flow_log_days > 0 ? 1 : 0
  name        = "${local.name}-flow"
  description = "Flow log of the relays' VPC"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Principal = { Service = "vpc-flow-logs.amazonaws.com" }, Action = "sts:AssumeRole",
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "flow" {
  count = var.flow_log_days > 0 ? 1 : 0
  name  = "write"
  role  = aws_iam_role.flow[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
      Resource = ["${aws_cloudwatch_log_group.flow[0].arn}:*"]
    }]
  })
}
