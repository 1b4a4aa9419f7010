# The hub, and in each region a spoke of relays and a router with two ends, each with a session to every relay.
resource "google_network_connectivity_hub" "this" {
  project     = var.project
  name        = var.fleet
  description = "Tern relays and their ways to other clouds"
  labels      = local.labels
}

resource "google_network_connectivity_spoke" "relays" {
  for_each    = var.regions
  project     = var.project
  name        = "${var.fleet}-${each.key}-relays"
  location    = each.key
  hub         = google_network_connectivity_hub.this.id
  description = "Relays of ${each.key}"
  labels      = local.labels
  linked_router_appliance_instances {
    site_to_site_data_transfer = var.site_to_site
    dynamic "instances" {
      for_each = { for name, relay in local.relays : name => relay if relay.region == each.key }
      content {
        virtual_machine = google_compute_instance.relay[instances.key].self_link
        ip_address      = instances.value.address
      }
    }
  }
}

resource "google_network_connectivity_spoke" "interconnect" {
  for_each    = { for key, one in var.regions : key => one.interconnects if length(one.interconnects) > 0 }
  project     = var.project
  name        = "${var.fleet}-${each.key}-interconnect"
  location    = each.key
  hub         = google_network_connectivity_hub.this.id
  description = "Interconnect attachments of ${each.key}"
  labels      = local.labels
  linked_interconnect_attachments {
    site_to_site_data_transfer = var.site_to_site
    uris                       = each.value
  }
}

locals {
  ends = merge([for key, one in var.regions : {
    "${key}-a" = { region = key, address = cidrhost(one.cidr, 2) }
    "${key}-b" = { region = key, address = cidrhost(one.cidr, 3) }
  }]...)
  sessions = merge([for name, relay in local.relays : { for end in ["a", "b"] : "${name}-${end}" => merge(relay, { relay = name, end = end }) }]...)
}

resource "google_compute_address" "router" {
  for_each     = local.ends
  project      = var.project
  name         = "${var.fleet}-router-${each.key}"
  region       = each.value.region
  address_type = "INTERNAL"
  subnetwork   = google_compute_subnetwork.this[each.value.region].id
  address      = each.value.address
}

resource "google_compute_router" "relays" {
  for_each = var.regions
  project  = var.project
  name     = "${var.fleet}-${each.key}-relays"
  region   = each.key
  network  = google_compute_network.this.id
  bgp {
    asn               = var.anycast.router_asn
    advertise_mode    = "CUSTOM"
    advertised_groups = []
    # Holds of three times this: a relay that hangs is believed for a minute at most.
    keepalive_interval = 20
  }
}

resource "google_compute_router_interface" "a" {
  for_each           = var.regions
  project            = var.project
  name               = "a"
  region             = each.key
  router             = google_compute_router.relays[each.key].name
  subnetwork         = google_compute_subnetwork.this[each.key].self_link
  private_ip_address = google_compute_address.router["${each.key}-a"].address
}

resource "google_compute_router_interface" "b" {
  for_each            = var.regions
  project             = var.project
  name                = "b"
  region              = each.key
  router              = google_compute_router.relays[each.key].name
  subnetwork          = google_compute_subnetwork.this[each.key].self_link
  private_ip_address  = google_compute_address.router["${each.key}-b"].address
  redundant_interface = google_compute_router_interface.a[each.key].name
}

# In Terraform's state, as the router must be told: see bgp_passwords.
data "google_secret_manager_secret_version" "bgp" {
  for_each = var.bgp_passwords
  project  = split("/", each.value)[1]
  secret   = split("/", each.value)[3]
}

resource "google_compute_router_peer" "relay" {
  for_each = local.sessions
  project  = var.project
  name     = each.key
  region   = each.value.region
  router   = google_compute_router.relays[each.value.region].name
  interface = (each.value.end == "a" ? google_compute_router_interface.a[each.value.region].name
  : google_compute_router_interface.b[each.value.region].name)
  peer_asn                  = var.anycast.asn
  peer_ip_address           = each.value.address
  router_appliance_instance = google_compute_instance.relay[each.value.relay].self_link
  # A relay wants to hear of nothing.
  advertise_mode            = "CUSTOM"
  advertised_groups         = []
  advertised_route_priority = 100
  dynamic "md5_authentication_key" {
    for_each = length(var.bgp_passwords) == 0 ? [] : [1]
    content {
      name = "${each.key}-md5"
      # The relay cuts the line's end off its file, so it does not belong to the password.
      key = trimspace(data.google_secret_manager_secret_version.bgp[each.value.relay].secret_data)
    }
  }
  # A machine is an appliance only once its spoke is there.
  depends_on = [google_network_connectivity_spoke.relays, google_compute_router_interface.b]
}

# Without external addresses, the way to packages and to Secret Manager's public name.
resource "google_compute_router" "nat" {
  for_each = var.public ? {} : var.regions
  project  = var.project
  name     = "${var.fleet}-${each.key}-nat"
  region   = each.key
  network  = google_compute_network.this.id
}

resource "google_compute_router_nat" "nat" {
  for_each                           = var.public ? {} : var.regions
  project                            = var.project
  name                               = "${var.fleet}-${each.key}"
  region                             = each.key
  router                             = google_compute_router.nat[each.key].name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
}
