# Between regions. In a VPC the relays' own announcement (/32, by the route server) wins while a relay there is well; without one the
# covering range leads to the transit gateway, and from there to the fallback region, whose route server knows where.
#
#   client ─► VPC table: 10.99.0.1/32 ─► relay here                          (while it announces)
#                        10.99.0.0/24 ─► gateway, table "outward": /24 ─► gateway there, table "inward": /24 ─► its VPC
#                                                                   ─► table of its transit subnets: /32 ─► relay there
#
# What comes from outside meets only "inward" and the transit subnets' table, and neither leads out again: if nobody announces, packets
# are dropped and do not circle.
locals {
  tags  = merge(var.tags, { tern-fleet = var.fleet })
  keys  = sort(keys(var.regions))
  pairs = merge([for i, a in local.keys : { for b in slice(local.keys, i + 1, length(local.keys)) : "${a}~${b}" => { a = a, b = b } }]...)
  # Both directions of each.
  ways = merge(
    { for pair, of in local.pairs : "${of.a}>${of.b}" => { pair = pair, from = of.a, to = of.b } },
    { for pair, of in local.pairs : "${of.b}>${of.a}" => { pair = pair, from = of.b, to = of.a } },
  )
  fallbacks = { for key, one in var.regions : key => one.fallback if one.fallback != null }
  # The routes of each VPC's tables towards its gateway.
  vpc_routes = merge(flatten([for key, one in var.regions : [for name, table in one.transit.route_tables : {
    for range in concat(
      [for other, its in var.regions : its.transit.cidr if other != key],
      var.gcp_cidrs,
      one.fallback != null || length(var.gcp_cidrs) > 0 ? [var.covering] : [],
    ) : "${key}/${name}/${range}" => { key = key, table = table, range = range }
  }]])...)
}

resource "aws_ec2_transit_gateway" "this" {
  for_each                        = var.regions
  region                          = each.value.transit.region
  description                     = "${var.fleet} ${each.key}"
  amazon_side_asn                 = each.value.asn
  auto_accept_shared_attachments  = "disable"
  default_route_table_association = "disable"
  default_route_table_propagation = "disable"
  vpn_ecmp_support                = "enable"
  tags                            = merge(local.tags, { Name = "${var.fleet}-${each.key}" })
}

resource "aws_ec2_transit_gateway_vpc_attachment" "this" {
  for_each                                        = var.regions
  region                                          = each.value.transit.region
  transit_gateway_id                              = aws_ec2_transit_gateway.this[each.key].id
  vpc_id                                          = each.value.transit.vpc_id
  subnet_ids                                      = each.value.transit.subnet_ids
  transit_gateway_default_route_table_association = false
  transit_gateway_default_route_table_propagation = false
  tags                                            = merge(local.tags, { Name = "${var.fleet}-${each.key}" })
}

resource "aws_ec2_transit_gateway_route_table" "outward" {
  for_each           = var.regions
  region             = each.value.transit.region
  transit_gateway_id = aws_ec2_transit_gateway.this[each.key].id
  tags               = merge(local.tags, { Name = "${var.fleet}-${each.key}-outward" })
}

resource "aws_ec2_transit_gateway_route_table" "inward" {
  for_each           = var.regions
  region             = each.value.transit.region
  transit_gateway_id = aws_ec2_transit_gateway.this[each.key].id
  tags               = merge(local.tags, { Name = "${var.fleet}-${each.key}-inward" })
}

resource "aws_ec2_transit_gateway_route_table_association" "vpc" {
  for_each                       = var.regions
  region                         = each.value.transit.region
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_vpc_attachment.this[each.key].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.outward[each.key].id
}

resource "aws_ec2_transit_gateway_route_table_propagation" "vpc" {
  for_each                       = var.regions
  region                         = each.value.transit.region
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_vpc_attachment.this[each.key].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.inward[each.key].id
}

resource "aws_ec2_transit_gateway_route" "covering_inward" {
  for_each                       = var.regions
  region                         = each.value.transit.region
  destination_cidr_block         = var.covering
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_vpc_attachment.this[each.key].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.inward[each.key].id
}

resource "aws_ec2_transit_gateway_peering_attachment" "this" {
  for_each                = local.pairs
  region                  = var.regions[each.value.a].transit.region
  transit_gateway_id      = aws_ec2_transit_gateway.this[each.value.a].id
  peer_region             = var.regions[each.value.b].transit.region
  peer_transit_gateway_id = aws_ec2_transit_gateway.this[each.value.b].id
  tags                    = merge(local.tags, { Name = "${var.fleet}-${each.key}" })
}

resource "aws_ec2_transit_gateway_peering_attachment_accepter" "this" {
  for_each                      = local.pairs
  region                        = var.regions[each.value.b].transit.region
  transit_gateway_attachment_id = aws_ec2_transit_gateway_peering_attachment.this[each.key].id
  tags                          = merge(local.tags, { Name = "${var.fleet}-${each.key}" })
}

resource "aws_ec2_transit_gateway_route_table_association" "peering" {
  for_each                       = local.ways
  region                         = var.regions[each.value.from].transit.region
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_peering_attachment_accepter.this[each.value.pair].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.inward[each.value.from].id
}

# Peerings carry static routes only.
resource "aws_ec2_transit_gateway_route" "other_vpc" {
  for_each                       = local.ways
  region                         = var.regions[each.value.from].transit.region
  destination_cidr_block         = var.regions[each.value.to].transit.cidr
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_peering_attachment_accepter.this[each.value.pair].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.outward[each.value.from].id
}

resource "aws_ec2_transit_gateway_route" "fallback" {
  for_each               = local.fallbacks
  region                 = var.regions[each.key].transit.region
  destination_cidr_block = var.covering
  transit_gateway_attachment_id = aws_ec2_transit_gateway_peering_attachment_accepter.this[
    join("~", sort([each.key, each.value]))
  ].id
  transit_gateway_route_table_id = aws_ec2_transit_gateway_route_table.outward[each.key].id
}

resource "aws_route" "this" {
  for_each               = local.vpc_routes
  region                 = var.regions[each.value.key].transit.region
  route_table_id         = each.value.table
  destination_cidr_block = each.value.range
  transit_gateway_id     = aws_ec2_transit_gateway.this[each.value.key].id
  depends_on             = [aws_ec2_transit_gateway_vpc_attachment.this]
}
