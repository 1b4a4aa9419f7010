# HA VPN between a region of the GCP core and a transit gateway: two connections with two tunnels each, BGP in all four.
locals {
  name = "${var.gateway.description}-${var.gcp_region}"
  tags = merge(var.tags, { tern-fleet = var.core.fleet, Name = local.name })
  # A tunnel by its number at the peer gateway.
  tunnels = merge([for connection in [0, 1] : { for tunnel in [1, 2] : tostring(connection * 2 + tunnel - 1) => {
    connection = connection
    tunnel     = tunnel
    outside    = tunnel == 1 ? aws_vpn_connection.this[connection].tunnel1_address : aws_vpn_connection.this[connection].tunnel2_address
    key        = tunnel == 1 ? aws_vpn_connection.this[connection].tunnel1_preshared_key : aws_vpn_connection.this[connection].tunnel2_preshared_key
    ours       = tunnel == 1 ? aws_vpn_connection.this[connection].tunnel1_cgw_inside_address : aws_vpn_connection.this[connection].tunnel2_cgw_inside_address
    theirs     = tunnel == 1 ? aws_vpn_connection.this[connection].tunnel1_vgw_inside_address : aws_vpn_connection.this[connection].tunnel2_vgw_inside_address
  } }]...)
}

resource "google_compute_ha_vpn_gateway" "this" {
  project = var.core.project
  name    = local.name
  region  = var.gcp_region
  network = var.core.network
}

resource "aws_customer_gateway" "this" {
  count      = 2
  region     = var.gateway.region
  bgp_asn    = var.gcp_asn
  ip_address = google_compute_ha_vpn_gateway.this.vpn_interfaces[count.index].ip_address
  type       = "ipsec.1"
  tags       = local.tags
}

# AWS makes the keys; they are in Terraform's state, as both ends must be told.
resource "aws_vpn_connection" "this" {
  count                                = 2
  region                               = var.gateway.region
  customer_gateway_id                  = aws_customer_gateway.this[count.index].id
  transit_gateway_id                   = var.gateway.id
  type                                 = "ipsec.1"
  static_routes_only                   = false
  tunnel1_ike_versions                 = ["ikev2"]
  tunnel2_ike_versions                 = ["ikev2"]
  tunnel1_phase1_encryption_algorithms = ["AES256-GCM-16"]
  tunnel2_phase1_encryption_algorithms = ["AES256-GCM-16"]
  tunnel1_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel2_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel1_phase1_integrity_algorithms  = ["SHA2-384"]
  tunnel2_phase1_integrity_algorithms  = ["SHA2-384"]
  tunnel1_phase2_integrity_algorithms  = ["SHA2-384"]
  tunnel2_phase2_integrity_algorithms  = ["SHA2-384"]
  tunnel1_phase1_dh_group_numbers      = [20]
  tunnel2_phase1_dh_group_numbers      = [20]
  tunnel1_phase2_dh_group_numbers      = [20]
  tunnel2_phase2_dh_group_numbers      = [20]
  # Google opens the tunnels; a dead one is restarted rather than waited for.
  tunnel1_dpd_timeout_action = "restart"
  tunnel2_dpd_timeout_action = "restart"
  tags                       = local.tags
}

resource "aws_ec2_transit_gateway_route_table_association" "this" {
  count                          = 2
  region                         = var.gateway.region
  transit_gateway_attachment_id  = aws_vpn_connection.this[count.index].transit_gateway_attachment_id
  transit_gateway_route_table_id = var.gateway.inward
}

resource "aws_ec2_transit_gateway_route_table_propagation" "this" {
  count                          = 2
  region                         = var.gateway.region
  transit_gateway_attachment_id  = aws_vpn_connection.this[count.index].transit_gateway_attachment_id
  transit_gateway_route_table_id = var.gateway.outward
}

resource "google_compute_external_vpn_gateway" "this" {
  project         = var.core.project
  name            = local.name
  redundancy_type = "FOUR_IPS_REDUNDANCY"
  dynamic "interface" {
    for_each = local.tunnels
    content {
      id         = tonumber(interface.key)
      ip_address = interface.value.outside
    }
  }
}

# Of its own, so that it advertises what the relays' router does not. It tells AWS of the subnets and of the covering range; of the announced
# addresses themselves it does when the hub passes routes on.
resource "google_compute_router" "this" {
  project = var.core.project
  name    = local.name
  region  = var.gcp_region
  network = var.core.network
  bgp {
    asn               = var.gcp_asn
    advertise_mode    = "CUSTOM"
    advertised_groups = ["ALL_SUBNETS"]
    advertised_ip_ranges {
      range       = var.core.covering
      description = "Around the announced addresses"
    }
  }
}

resource "google_compute_vpn_tunnel" "this" {
  for_each                        = local.tunnels
  project                         = var.core.project
  name                            = "${local.name}-${each.key}"
  region                          = var.gcp_region
  vpn_gateway                     = google_compute_ha_vpn_gateway.this.id
  vpn_gateway_interface           = each.value.connection
  peer_external_gateway           = google_compute_external_vpn_gateway.this.id
  peer_external_gateway_interface = tonumber(each.key)
  ike_version                     = 2
  shared_secret                   = each.value.key
  router                          = google_compute_router.this.id
}

resource "google_compute_router_interface" "this" {
  for_each   = local.tunnels
  project    = var.core.project
  name       = "tunnel-${each.key}"
  region     = var.gcp_region
  router     = google_compute_router.this.name
  ip_range   = "${each.value.ours}/30"
  vpn_tunnel = google_compute_vpn_tunnel.this[each.key].name
}

# No BFD: HA VPN has none.
resource "google_compute_router_peer" "this" {
  for_each                  = local.tunnels
  project                   = var.core.project
  name                      = "tunnel-${each.key}"
  region                    = var.gcp_region
  router                    = google_compute_router.this.name
  interface                 = google_compute_router_interface.this[each.key].name
  peer_ip_address           = each.value.theirs
  peer_asn                  = var.gateway.asn
  advertised_route_priority = var.priority
}

resource "google_network_connectivity_spoke" "this" {
  count    = var.core.site_to_site ? 1 : 0
  project  = var.core.project
  name     = local.name
  location = var.gcp_region
  hub      = var.core.hub
  linked_vpn_tunnels {
    site_to_site_data_transfer = true
    uris                       = [for tunnel in google_compute_vpn_tunnel.this : tunnel.self_link]
  }
}

resource "aws_cloudwatch_metric_alarm" "tunnels" {
  count               = 2
  region              = var.gateway.region
  alarm_name          = "${local.name}-${count.index}"
  alarm_description   = "A tunnel of ${local.name} is down: 1 is both up, 0 is both down."
  namespace           = "AWS/VPN"
  metric_name         = "TunnelState"
  dimensions          = { VpnId = aws_vpn_connection.this[count.index].id }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
  tags                = local.tags
}

output "tunnels" {
  description = "Names of the tunnels in GCP."
  value       = [for tunnel in google_compute_vpn_tunnel.this : tunnel.name]
}
