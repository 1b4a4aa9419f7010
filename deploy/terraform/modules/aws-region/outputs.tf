locals {
  hosts = { for key, relay in local.relays : key => coalesce(relay.hostname, aws_eip.relay[key].public_ip) }
}

output "ice_servers" {
  description = "iceServers for browsers, without credentials: your backend makes those. TLS only where there are names for certificates."
  value = [for key, relay in local.relays : {
    urls = concat(
      flatten([for port in var.listener.plain : ["turn:${local.hosts[key]}:${port}?transport=udp", "turn:${local.hosts[key]}:${port}?transport=tcp"]]),
      relay.hostname == null ? [] : [for port in local.tls_ports : "turns:${relay.hostname}:${port}?transport=tcp"],
    )
  }]
}

output "anycast_ice_servers" {
  description = "The same for clients inside the private network, by the announced addresses."
  value = [for prefix in local.anycast : {
    urls = flatten([for port in var.listener.plain : ["turn:${split("/", prefix)[0]}:${port}?transport=udp", "turn:${split("/", prefix)[0]}:${port}?transport=tcp"]])
  } if endswith(prefix, "/32")]
}

output "dns_records" {
  description = "Names that are to point at elastic addresses."
  value       = { for key, relay in local.relays : relay.hostname => aws_eip.relay[key].public_ip if relay.hostname != null }
}

output "admin_addresses" {
  description = "The operator page and API of each relay, within the private network."
  value       = var.secrets.admin == null ? {} : { for relay in local.relays : relay.name => "https://${coalesce(relay.hostname, relay.address)}:${var.admin_port}" }
}

output "metrics_targets" {
  description = "What Prometheus scrapes."
  value       = [for relay in local.relays : "${relay.address}:${var.metrics_port}"]
}

output "relays" {
  value = { for key, relay in local.relays : relay.name => {
    relay_id = relay.relay_id
    address  = relay.address
    external = aws_eip.relay[key].public_ip
    zone     = relay.zone
  } }
}

output "relay_ids" {
  description = "The numbers that this region's relays have: no other region may use them."
  value       = [for relay in local.relays : relay.relay_id]
}

output "configs" {
  description = "tern.toml of each relay."
  value       = { for key, relay in local.relays : relay.name => module.relay[key].config }
}

output "policy" {
  description = "What the relays' role may do."
  value       = local.policy
}

output "transit" {
  description = "What modules/aws-transit needs of this region."
  value = {
    region       = var.region
    vpc_id       = aws_vpc.this.id
    cidr         = var.cidr
    subnet_ids   = [for zone in local.zones : aws_subnet.transit[zone].id]
    route_tables = merge({ relays = aws_route_table.relays.id }, var.client_route_tables)
    # The gateway's routes lead here once announcements are propagated.
    announced = local.anycast
  }
}
