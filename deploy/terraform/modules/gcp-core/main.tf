locals {
  labels = merge(var.labels, { tern-fleet = var.fleet })
  relays = merge([for key, one in var.regions : { for index in range(one.relays) : "${var.fleet}-${key}-${index + 1}" => {
    region   = key
    zone     = "${key}-${one.zones[index % length(one.zones)]}"
    relay_id = one.relay_id_base + index
    # Behind those that Google keeps and the router's two.
    address  = cidrhost(one.cidr, 10 + index)
    hostname = try(one.hostnames[index], null)
  } }]...)
  tls_ports = var.secrets.tls == null ? [] : var.listener.tls
  all_secrets = toset(concat(
    var.secrets.shared[*].secret, var.secrets.nonce_keys[*].secret, values(var.bgp_passwords),
    var.secrets.tls == null ? [] : [var.secrets.tls.certificate, var.secrets.tls.key],
    var.secrets.admin == null ? [] : concat([var.secrets.admin.certificate, var.secrets.admin.key], var.secrets.admin.tokens[*].secret),
  ))
}

# Routing is global: what a router in one region learns, the other knows as well, at the MED plus the cost of the way between them
# (201 to 9999). The ladder's steps are wider than that.
resource "google_compute_network" "this" {
  project                         = var.project
  name                            = var.fleet
  auto_create_subnetworks         = false
  routing_mode                    = "GLOBAL"
  delete_default_routes_on_create = false
}

resource "google_compute_subnetwork" "this" {
  for_each                 = var.regions
  project                  = var.project
  name                     = "${var.fleet}-${each.key}"
  region                   = each.key
  network                  = google_compute_network.this.id
  ip_cidr_range            = each.value.cidr
  private_ip_google_access = true
  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.05
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

resource "google_service_account" "relay" {
  project      = var.project
  account_id   = "${var.fleet}-relay"
  display_name = "Tern relays of ${var.fleet}"
}

resource "google_secret_manager_secret_iam_member" "relay" {
  for_each  = local.all_secrets
  project   = split("/", each.value)[1]
  secret_id = split("/", each.value)[3]
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.relay.email}"
}

locals {
  service = [
    { protocol = "udp", ports = concat(var.listener.plain, local.tls_ports) },
    { protocol = "tcp", ports = concat(var.listener.plain, local.tls_ports) },
  ]
  rules = {
    clients = { ranges = var.client_cidrs, allow = local.service }
    peers   = { ranges = var.peer_cidrs, allow = [{ protocol = "udp", ports = ["${var.ports.first}-${var.ports.last}"] }] }
    # Destination unreachable and the like: for path MTU, and to tell clients of.
    icmp    = { ranges = var.peer_cidrs, allow = [{ protocol = "icmp", ports = null }] }
    admin   = { ranges = var.secrets.admin == null ? [] : var.admin_cidrs, allow = [{ protocol = "tcp", ports = [var.admin_port] }] }
    metrics = { ranges = var.monitoring_cidrs, allow = [{ protocol = "tcp", ports = [var.metrics_port] }] }
  }
}

# BGP needs none: the relays open it, and answers come back by themselves.
resource "google_compute_firewall" "this" {
  for_each                = { for name, rule in local.rules : name => rule if length(rule.ranges) > 0 }
  project                 = var.project
  name                    = "${var.fleet}-${each.key}"
  network                 = google_compute_network.this.id
  direction               = "INGRESS"
  source_ranges           = each.value.ranges
  target_service_accounts = [google_service_account.relay.email]
  dynamic "allow" {
    for_each = each.value.allow
    content {
      protocol = allow.value.protocol
      ports    = allow.value.ports
    }
  }
}
