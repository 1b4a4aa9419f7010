locals {
  name  = "${var.fleet}-${var.region}"
  tags  = merge(var.tags, { tern-fleet = var.fleet })
  slots = var.group == null ? var.relays : var.group.max
  zones = [for letter in var.zones : "${var.region}${letter}"]
  # By a key that stays when a zone is added behind the others.
  subnets = { for index, zone in local.zones : zone => {
    relays = cidrsubnet(var.cidr, 4, index)
    # Its upper half is ours to number; AWS takes addresses for the route server's ends from the lower.
    reserved = cidrsubnet(cidrsubnet(var.cidr, 4, index), 1, 1)
    transit  = cidrsubnet(var.cidr, 6, 48 + index)
  } }

  # A slot is what a relay has that stays when its machine is replaced.
  relays = { for index in range(local.slots) : tostring(index + 1) => {
    name     = "${local.name}-${index + 1}"
    zone     = local.zones[index % length(local.zones)]
    relay_id = var.relay_id_base + index
    address  = cidrhost(local.subnets[local.zones[index % length(local.zones)]].reserved, 4 + floor(index / length(local.zones)))
    hostname = try(var.hostnames[index], null)
  } }

  parameters = "/tern/${var.fleet}/${var.region}"
  anycast    = var.anycast == null ? [] : var.anycast.prefixes

  all_secrets = distinct(concat(
    var.secrets.shared[*].secret, var.secrets.nonce_keys[*].secret,
    var.secrets.tls == null ? [] : [var.secrets.tls.certificate, var.secrets.tls.key],
    var.secrets.admin == null ? [] : concat([var.secrets.admin.certificate, var.secrets.admin.key], var.secrets.admin.tokens[*].secret),
  ))
  tls_ports = var.secrets.tls == null ? [] : var.listener.tls
}
