# The route server hears the relays' announcements and writes the winner into route tables: one next hop, no sharing of load. Two ends
# in each zone, and each relay speaks to both of its own zone.
resource "aws_vpc_route_server" "this" {
  count           = var.anycast == null ? 0 : 1
  region          = var.region
  amazon_side_asn = var.anycast.route_server_asn
  # A dead relay's routes go with it.
  persist_routes = "disable"
  tags           = merge(local.tags, { Name = local.name })
}

resource "aws_vpc_route_server_vpc_association" "this" {
  count           = var.anycast == null ? 0 : 1
  region          = var.region
  route_server_id = aws_vpc_route_server.this[0].route_server_id
  vpc_id          = aws_vpc.this.id
}

locals {
  ends = var.anycast == null ? {} : merge([for zone in local.zones : { for end in ["a", "b"] : "${zone}-${end}" => { zone = zone, end = end } }]...)
  sessions = var.anycast == null ? {} : merge([
    for key, relay in local.relays : { for end in ["a", "b"] : "${key}-${end}" => { relay = key, zone = relay.zone, end = end, address = relay.address } }
  ]...)
  # What learns of announcements. What enters by the transit gateway must, or another region could not reach a relay here.
  propagations = var.anycast == null ? {} : merge(
    { relays = aws_route_table.relays.id, transit = aws_route_table.transit.id },
    { for name, table in var.client_route_tables : "client-${name}" => table },
  )
}

resource "aws_vpc_route_server_endpoint" "this" {
  for_each        = local.ends
  region          = var.region
  route_server_id = aws_vpc_route_server.this[0].route_server_id
  subnet_id       = aws_subnet.relays[each.value.zone].id
  tags            = merge(local.tags, { Name = "${local.name}-${each.key}" })
  # It must not be given an address that is a relay's.
  depends_on = [aws_vpc_route_server_vpc_association.this, aws_ec2_subnet_cidr_reservation.relays]
}

resource "aws_vpc_route_server_peer" "this" {
  for_each                 = local.sessions
  region                   = var.region
  route_server_endpoint_id = aws_vpc_route_server_endpoint.this["${each.value.zone}-${each.value.end}"].route_server_endpoint_id
  peer_address             = each.value.address
  bgp_options {
    peer_asn                = var.anycast.asn
    peer_liveness_detection = "bfd"
  }
  tags = merge(local.tags, { Name = "${local.name}-${each.key}" })
}

resource "aws_vpc_route_server_propagation" "this" {
  for_each        = local.propagations
  region          = var.region
  route_server_id = aws_vpc_route_server.this[0].route_server_id
  route_table_id  = each.value
  depends_on      = [aws_vpc_route_server_vpc_association.this]
}
