locals {
  hosts = { for name, relay in local.relays : name => coalesce(relay.hostname, var.public ? google_compute_address.external[name].address : relay.address) }
}

output "ice_servers" {
  description = "iceServers for browsers, without credentials: your backend makes those. TLS only where there are names for certificates."
  value = [for name, relay in local.relays : {
    urls = concat(
      flatten([for port in var.listener.plain : ["turn:${local.hosts[name]}:${port}?transport=udp", "turn:${local.hosts[name]}:${port}?transport=tcp"]]),
      relay.hostname == null ? [] : [for port in local.tls_ports : "turns:${relay.hostname}:${port}?transport=tcp"],
    )
  }]
}

output "anycast_ice_servers" {
  description = "The same for clients inside the private network, by the announced addresses."
  value = [for prefix in var.anycast.prefixes : {
    urls = flatten([for port in var.listener.plain : ["turn:${split("/", prefix)[0]}:${port}?transport=udp", "turn:${split("/", prefix)[0]}:${port}?transport=tcp"]])
  } if endswith(prefix, "/32")]
}

output "admin_addresses" {
  description = "The operator page and API of each relay, within the private network."
  value       = var.secrets.admin == null ? {} : { for name, relay in local.relays : name => "https://${coalesce(relay.hostname, relay.address)}:${var.admin_port}" }
}

output "metrics_targets" {
  description = "What Prometheus scrapes."
  value       = [for relay in local.relays : "${relay.address}:${var.metrics_port}"]
}

output "relay_ids" {
  description = "The numbers that these relays have: nobody else may use them."
  value       = [for relay in local.relays : relay.relay_id]
}

output "configs" {
  description = "tern.toml of each relay."
  value       = { for name in keys(local.relays) : name => module.relay[name].config }
}

output "cidrs" {
  description = "The core's subnets."
  value       = [for one in var.regions : one.cidr]
}

output "core" {
  description = "What modules/cloud-link needs."
  value = {
    project      = var.project
    fleet        = var.fleet
    network      = google_compute_network.this.id
    hub          = google_network_connectivity_hub.this.id
    covering     = var.anycast.covering
    site_to_site = var.site_to_site
  }
}
