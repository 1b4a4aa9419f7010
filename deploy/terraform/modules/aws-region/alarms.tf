locals {
  of_region = { Fleet = var.fleet, Region = var.region }
  # Figures of files/report.sh, per relay. In a group a slot may be empty, and then says nothing.
  figures = {
    not-ready = {
      metric  = "Ready", comparison = "LessThanThreshold", threshold = 1, statistic = "Minimum", periods = 3
      missing = var.group == null ? "breaching" : "notBreaching"
      text    = "takes no new calls: tern status says why"
    }
    full = {
      metric = "UsedPercent", comparison = "GreaterThanOrEqualToThreshold", threshold = var.headroom_alarm, statistic = "Maximum", periods = 5
      text   = "is getting full: tern status says of what"
    }
    tracking = {
      metric = "TrackingExceeded", comparison = "GreaterThanThreshold", threshold = 0, statistic = "Sum", periods = 1
      text   = "loses packets as AWS tracks too many flows: open the security group's UDP rules, or a larger instance"
    }
    packets = {
      metric = "PacketsExceeded", comparison = "GreaterThanThreshold", threshold = 0, statistic = "Sum", periods = 2
      text   = "loses packets beyond the instance's packets per second"
    }
    bandwidth = {
      metric = "BandwidthExceeded", comparison = "GreaterThanThreshold", threshold = 0, statistic = "Sum", periods = 2
      text   = "loses packets beyond the instance's bandwidth"
    }
  }
  relay_alarms = merge([for key, relay in local.relays : { for name, figure in local.figures : "${key}-${name}" => merge(
    { missing = "notBreaching" }, figure, { relay = relay.name, alarm = "${relay.name}-${name}" }
  ) }]...)
}

resource "aws_cloudwatch_metric_alarm" "relay" {
  for_each            = local.relay_alarms
  region              = var.region
  alarm_name          = each.value.alarm
  alarm_description   = "${each.value.relay} ${each.value.text}."
  namespace           = "Tern"
  metric_name         = each.value.metric
  dimensions          = merge(local.of_region, { Relay = each.value.relay })
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "region" {
  region              = var.region
  alarm_name          = "${local.name}-no-relay-ready"
  alarm_description   = "No relay of ${var.region} takes new calls."
  namespace           = "Tern"
  metric_name         = "Ready"
  dimensions          = local.of_region
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
  tags                = local.tags
}

# The host has failed: the machine is started on another, with all its addresses.
resource "aws_cloudwatch_metric_alarm" "host" {
  for_each            = var.group == null ? local.relays : {}
  region              = var.region
  alarm_name          = "${each.value.name}-host"
  alarm_description   = "The host of ${each.value.name} has failed; it is recovered by itself."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_System"
  dimensions          = { InstanceId = aws_instance.relay[each.key].id }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "missing"
  alarm_actions       = concat(["arn:${var.partition}:automate:${var.region}:ec2:recover"], var.alarm_topics)
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "machine" {
  for_each            = var.group == null ? local.relays : {}
  region              = var.region
  alarm_name          = "${each.value.name}-machine"
  alarm_description   = "${each.value.name} does not answer: its kernel or network hangs."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_Instance"
  dimensions          = { InstanceId = aws_instance.relay[each.key].id }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "missing"
  alarm_actions       = var.alarm_topics
  tags                = local.tags
}
