mock_provider "google" {
  mock_resource "google_compute_address" {
    defaults = { address = "198.51.100.7" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "voice-relay@voice-prod.iam.gserviceaccount.com" }
  }
  mock_data "google_secret_manager_secret_version" {
    defaults = { secret_data = "a-password-for-tests\n" }
  }
}

variables {
  fleet   = "voice"
  project = "voice-prod"
  regions = {
    us-east4 = { cidr = "10.40.0.0/24", relay_id_base = 300 }
    us-west1 = { cidr = "10.41.0.0/24", relay_id_base = 310 }
  }
  anycast = { prefixes = ["10.99.0.1/32"], covering = "10.99.0.0/24" }
  realm   = "example.org"
  secrets = {
    shared     = [{ id = "2026-07", secret = "projects/voice-prod/secrets/rest-2026-07" }]
    nonce_keys = [{ id = "a", secret = "projects/voice-prod/secrets/nonce-a" }]
  }
}

run "each_relay_has_two_sessions_with_its_regions_router" {
  assert {
    condition     = length(google_compute_instance.relay) == 4 && length(google_compute_router_peer.relay) == 8
    error_message = "two relays in each region, two sessions each"
  }
  assert {
    condition = (google_compute_router_interface.b["us-east4"].redundant_interface == "a"
    && google_compute_router_interface.a["us-east4"].redundant_interface == null)
    error_message = "the second interface backs the first"
  }
  assert {
    condition = alltrue([for name, peer in google_compute_router_peer.relay :
    peer.peer_asn == 64512 && peer.interface == (endswith(name, "-a") ? "a" : "b") && length(peer.bfd) == 0])
    error_message = "in one AS, without BFD, which Google does not have there"
  }
  assert {
    condition     = google_compute_router_peer.relay["voice-us-east4-1-a"].peer_ip_address == "10.40.0.10"
    error_message = "by its own address"
  }
}

run "relays_are_router_appliances_of_the_hub" {
  assert {
    condition = alltrue([for key, spoke in google_network_connectivity_spoke.relays :
    length(spoke.linked_router_appliance_instances[0].instances) == 2 && spoke.location == key && spoke.linked_router_appliance_instances[0].site_to_site_data_transfer])
    error_message = "a spoke in each region, and the hub passes routes on"
  }
  assert {
    condition     = alltrue([for relay in google_compute_instance.relay : relay.can_ip_forward])
    error_message = "packets to announced addresses must reach them"
  }
  assert {
    condition     = google_compute_network.this.routing_mode == "GLOBAL"
    error_message = "both regions know either's announcements"
  }
}

run "without_passwords_there_is_no_md5" {
  assert {
    condition     = alltrue([for peer in google_compute_router_peer.relay : length(peer.md5_authentication_key) == 0])
    error_message = "none on the router"
  }
  assert {
    condition     = !strcontains(output.configs["voice-us-east4-1"], "password_file")
    error_message = "and none on the relay"
  }
}

run "both_ends_have_the_password" {
  variables {
    bgp_passwords = {
      voice-us-east4-1 = "projects/voice-prod/secrets/bgp-1"
      voice-us-east4-2 = "projects/voice-prod/secrets/bgp-2"
      voice-us-west1-1 = "projects/voice-prod/secrets/bgp-3"
      voice-us-west1-2 = "projects/voice-prod/secrets/bgp-4"
    }
  }
  assert {
    condition     = alltrue([for peer in google_compute_router_peer.relay : peer.md5_authentication_key[0].key == "a-password-for-tests"])
    error_message = "without its line's end"
  }
  assert {
    condition     = strcontains(google_compute_instance.relay["voice-us-west1-2"].metadata["tern-secrets"], "bgp-router.password projects/voice-prod/secrets/bgp-4\n")
    error_message = "the relay fetches its own"
  }
  assert {
    condition     = !strcontains(jsonencode([for relay in google_compute_instance.relay : relay.metadata]), "a-password-for-tests")
    error_message = "it stands in no metadata"
  }
  assert {
    condition     = length(google_secret_manager_secret_iam_member.relay) == 6
    error_message = "and may read each by name"
  }
}

run "the_ladder_is_wider_than_the_way_between_regions" {
  assert {
    condition = alltrue([for config in output.configs : alltrue([for state in ["healthy]\nmed = 10200", "degraded]\nmed = 20400", "draining]\nmed = 40800", "takeover]\nmed = 0"] :
    strcontains(config, state)])])
    error_message = "so that a state weighs more than distance (201 to 9999)"
  }
}

run "machines_are_closed_but_for_the_service" {
  assert {
    condition     = alltrue([for relay in google_compute_instance.relay : relay.metadata["enable-oslogin"] == "TRUE" && relay.metadata["block-project-ssh-keys"] == "true"])
    error_message = "no keys of the project"
  }
  assert {
    condition     = !contains(flatten([for rule in google_compute_firewall.this : [for allow in rule.allow : allow.ports == null ? [] : allow.ports]]), "22")
    error_message = "no SSH from anywhere"
  }
  assert {
    condition     = !contains(keys(google_compute_firewall.this), "metrics") && !contains(keys(google_compute_firewall.this), "admin")
    error_message = "operators come from their ranges or not at all"
  }
}

run "private_relays_have_no_external_address" {
  variables {
    public = false
  }
  assert {
    condition     = length(google_compute_address.external) == 0 && length(google_compute_router_nat.nat) == 2
    error_message = "and go out by NAT"
  }
  assert {
    condition     = !strcontains(output.configs["voice-us-east4-1"], "external")
    error_message = "clients are told the private address"
  }
}

run "interconnect_attachments_join_the_hub" {
  variables {
    regions = {
      us-east4 = {
        cidr          = "10.40.0.0/24", relay_id_base = 300
        interconnects = ["projects/voice-prod/regions/us-east4/interconnectAttachments/east"]
      }
    }
  }
  assert {
    condition     = length(google_network_connectivity_spoke.interconnect["us-east4"].linked_interconnect_attachments[0].uris) == 1
    error_message = "as a spoke"
  }
}

run "a_prefix_inside_a_subnet_is_refused" {
  command = plan
  variables {
    anycast = { prefixes = ["10.40.0.200/32"], covering = "10.99.0.0/24" }
  }
  expect_failures = [var.anycast]
}

run "a_public_as_is_refused" {
  command = plan
  variables {
    anycast = { prefixes = ["10.99.0.1/32"], covering = "10.99.0.0/24", asn = 3320 }
  }
  expect_failures = [var.anycast]
}

run "overlapping_numbers_are_refused" {
  command = plan
  variables {
    regions = {
      us-east4 = { cidr = "10.40.0.0/24", relay_id_base = 300 }
      us-west1 = { cidr = "10.41.0.0/24", relay_id_base = 301 }
    }
  }
  expect_failures = [var.regions]
}

run "a_password_for_some_relays_only_is_refused" {
  command = plan
  variables {
    bgp_passwords = { voice-us-east4-1 = "projects/voice-prod/secrets/bgp-1" }
  }
  expect_failures = [var.bgp_passwords]
}
