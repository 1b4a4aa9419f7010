mock_provider "google" {
  mock_resource "google_compute_ha_vpn_gateway" {
    defaults = { vpn_interfaces = [{ id = 0, ip_address = "198.51.100.1" }, { id = 1, ip_address = "198.51.100.2" }] }
  }
}

mock_provider "aws" {
  mock_resource "aws_vpn_connection" {
    defaults = {
      tunnel1_address            = "203.0.113.1"
      tunnel2_address            = "203.0.113.2"
      tunnel1_cgw_inside_address = "169.254.10.2"
      tunnel1_vgw_inside_address = "169.254.10.1"
      tunnel2_cgw_inside_address = "169.254.11.2"
      tunnel2_vgw_inside_address = "169.254.11.1"
      tunnel1_preshared_key      = "a-key-for-tests-1"
      tunnel2_preshared_key      = "a-key-for-tests-2"
    }
  }
}

variables {
  core = {
    project = "voice-prod", fleet = "voice", network = "projects/voice-prod/global/networks/voice"
    hub     = "projects/voice-prod/locations/global/hubs/voice", covering = "10.99.0.0/24", site_to_site = true
  }
  gcp_region = "us-east4"
  gcp_asn    = 64801
  gateway = {
    region   = "us-east-1", id = "tgw-1", asn = 64701, inward = "tgw-rtb-in", outward = "tgw-rtb-out"
    covering = "10.99.0.0/24", description = "voice-us-east-1"
  }
}

run "four_tunnels_between_four_addresses" {
  assert {
    condition     = length(google_compute_vpn_tunnel.this) == 4 && length(google_compute_router_peer.this) == 4 && length(aws_vpn_connection.this) == 2
    error_message = "two connections of two tunnels"
  }
  assert {
    condition     = jsonencode([for key in ["0", "1", "2", "3"] : google_compute_vpn_tunnel.this[key].vpn_gateway_interface]) == "[0,0,1,1]"
    error_message = "a connection at each interface"
  }
  assert {
    condition     = google_compute_router_interface.this["1"].ip_range == "169.254.11.2/30" && google_compute_router_peer.this["1"].peer_ip_address == "169.254.11.1"
    error_message = "each end by its address inside"
  }
  assert {
    condition     = google_compute_vpn_tunnel.this["3"].shared_secret == "a-key-for-tests-2" && google_compute_vpn_tunnel.this["3"].ike_version == 2
    error_message = "with the key that AWS has made"
  }
}

run "what_comes_by_the_tunnels_meets_the_inward_table" {
  assert {
    condition     = alltrue([for one in aws_ec2_transit_gateway_route_table_association.this : one.transit_gateway_route_table_id == "tgw-rtb-in"])
    error_message = "so that nothing circles"
  }
  assert {
    condition     = alltrue([for one in aws_ec2_transit_gateway_route_table_propagation.this : one.transit_gateway_route_table_id == "tgw-rtb-out"])
    error_message = "and what GCP announces is known to the VPC's"
  }
}

run "aws_is_told_of_the_covering_range" {
  assert {
    condition     = one(google_compute_router.this.bgp[0].advertised_ip_ranges).range == "10.99.0.0/24"
    error_message = "whatever the relays announce"
  }
  assert {
    condition     = length(google_network_connectivity_spoke.this) == 1
    error_message = "and of what they announce by the hub"
  }
}

run "where_the_hub_passes_nothing_on_there_is_no_spoke" {
  variables {
    core = {
      project = "voice-prod", fleet = "voice", network = "n", hub = "h", covering = "10.99.0.0/24", site_to_site = false
    }
  }
  assert {
    condition     = length(google_network_connectivity_spoke.this) == 0
    error_message = "tunnels belong to the hub for that only"
  }
}

run "an_as_for_both_ends_is_refused" {
  command = plan
  variables {
    gcp_asn = 64701
  }
  expect_failures = [var.gateway]
}
