# Media is not tracked: AWS tracks no flow that an open rule admits in one direction and an open rule in the other, and what is not
# tracked cannot run out. So UDP is open both ways where client_cidrs and peer_cidrs are (as they are unless set); the relay itself
# decides whom it serves ([peers], credentials). Ranges of your own make AWS track, at up to TrackingExceeded.
resource "aws_security_group" "relay" {
  region      = var.region
  name        = "${local.name}-relay"
  description = "Tern relays: listeners, relayed ports, operators"
  vpc_id      = aws_vpc.this.id
  tags        = merge(local.tags, { Name = "${local.name}-relay" })
}

locals {
  client_rules = merge([
    for cidr in var.client_cidrs : merge(
      { for port in var.listener.plain : "udp-${port}-${cidr}" => { protocol = "udp", from = port, to = port, cidr = cidr, what = "STUN and TURN" } },
      { for port in var.listener.plain : "tcp-${port}-${cidr}" => { protocol = "tcp", from = port, to = port, cidr = cidr, what = "STUN and TURN" } },
      { for port in local.tls_ports : "dtls-${port}-${cidr}" => { protocol = "udp", from = port, to = port, cidr = cidr, what = "TURN over DTLS" } },
      { for port in local.tls_ports : "tls-${port}-${cidr}" => { protocol = "tcp", from = port, to = port, cidr = cidr, what = "TURN over TLS" } },
    )
  ]...)
  peer_rules = merge([
    for cidr in var.peer_cidrs : {
      "relayed-${cidr}" = { protocol = "udp", from = var.ports.first, to = var.ports.last, cidr = cidr, what = "Relayed addresses" }
      # Fragmentation needed, port unreachable: for path MTU, and to tell clients of (RFC 8656).
      "icmp-${cidr}" = { protocol = "icmp", from = 3, to = -1, cidr = cidr, what = "Destination unreachable" }
    }
  ]...)
  operator_rules = merge(
    { for cidr in var.secrets.admin == null ? [] : var.admin_cidrs : "admin-${cidr}" => { protocol = "tcp", from = var.admin_port, to = var.admin_port, cidr = cidr, what = "Operator page and API" } },
    { for cidr in var.monitoring_cidrs : "metrics-${cidr}" => { protocol = "tcp", from = var.metrics_port, to = var.metrics_port, cidr = cidr, what = "Prometheus" } },
  )
  # BGP is opened by the relay; BFD comes from both ends.
  router_rules = var.anycast == null ? {} : {
    for zone, subnet in local.subnets : "bfd-${zone}" => { protocol = "udp", from = 3784, to = 3784, cidr = subnet.relays, what = "BFD of the route server" }
  }
}

resource "aws_vpc_security_group_ingress_rule" "relay" {
  for_each          = merge(local.client_rules, local.peer_rules, local.operator_rules, local.router_rules)
  region            = var.region
  security_group_id = aws_security_group.relay.id
  description       = each.value.what
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = each.value.cidr
  tags              = local.tags
}

# Peers are anywhere, at any port.
resource "aws_vpc_security_group_egress_rule" "relay" {
  #checkov:skip=CKV_AWS_382:ICMP has no ports: -1 is all of its types. Peers are anywhere
  for_each          = { udp = 65535, tcp = 65535, icmp = -1 }
  region            = var.region
  security_group_id = aws_security_group.relay.id
  description       = "To clients and peers"
  ip_protocol       = each.key
  from_port         = each.key == "icmp" ? -1 : 0
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}

# The first interface of a member of a group, which it only asks AWS by.
resource "aws_security_group" "control" {
  count       = var.group == null ? 0 : 1
  region      = var.region
  name        = "${local.name}-control"
  description = "Nothing comes in; AWS and packages go out"
  vpc_id      = aws_vpc.this.id
  tags        = merge(local.tags, { Name = "${local.name}-control" })
}

resource "aws_vpc_security_group_egress_rule" "control" {
  for_each          = var.group == null ? {} : { https = 443, http = 80 }
  region            = var.region
  security_group_id = aws_security_group.control[0].id
  description       = "AWS and packages"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}
