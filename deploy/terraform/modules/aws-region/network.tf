resource "aws_vpc" "this" {
  region               = var.region
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = local.name })
}

# Whatever is started here without a group of its own reaches nothing.
resource "aws_default_security_group" "closed" {
  region = var.region
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = "${local.name}-default-closed" })
}

resource "aws_internet_gateway" "this" {
  region = var.region
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = local.name })
}

resource "aws_subnet" "relays" {
  for_each                = local.subnets
  region                  = var.region
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value.relays
  map_public_ip_on_launch = false
  tags                    = merge(local.tags, { Name = "${local.name}-relays-${each.key}" })
}

# Nobody else is given a relay's address.
resource "aws_ec2_subnet_cidr_reservation" "relays" {
  for_each         = local.subnets
  region           = var.region
  subnet_id        = aws_subnet.relays[each.key].id
  cidr_block       = each.value.reserved
  reservation_type = "explicit"
  description      = "Addresses of relays"
}

# Where a transit gateway enters the VPC. What comes in is routed by a table of its own: see routing.tf.
resource "aws_subnet" "transit" {
  for_each                = local.subnets
  region                  = var.region
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value.transit
  map_public_ip_on_launch = false
  tags                    = merge(local.tags, { Name = "${local.name}-transit-${each.key}" })
}

resource "aws_route_table" "relays" {
  region = var.region
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = "${local.name}-relays" })
}

resource "aws_route" "internet" {
  region                 = var.region
  route_table_id         = aws_route_table.relays.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "relays" {
  for_each       = local.subnets
  region         = var.region
  subnet_id      = aws_subnet.relays[each.key].id
  route_table_id = aws_route_table.relays.id
}

resource "aws_route_table" "transit" {
  region = var.region
  vpc_id = aws_vpc.this.id
  tags   = merge(local.tags, { Name = "${local.name}-transit" })
}

resource "aws_route_table_association" "transit" {
  for_each       = local.subnets
  region         = var.region
  subnet_id      = aws_subnet.transit[each.key].id
  route_table_id = aws_route_table.transit.id
}

resource "aws_cloudwatch_log_group" "flow" {
  count             = var.flow_log_days > 0 ? 1 : 0
  region            = var.region
  name              = "${local.parameters}/flow"
  retention_in_days = var.flow_log_days
  kms_key_id        = var.kms_key_arn
  tags              = local.tags
}

# Only what was rejected: relayed media would fill it.
resource "aws_flow_log" "rejected" {
  count                    = var.flow_log_days > 0 ? 1 : 0
  region                   = var.region
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "REJECT"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn             = aws_iam_role.flow[0].arn
  max_aggregation_interval = 600
  tags                     = local.tags
}
