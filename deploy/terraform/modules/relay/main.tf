locals {
  # /etc/tern/FILE and where it comes from.
  secret_files = merge(
    { for secret in var.secrets.shared : "rest-${secret.id}.secret" => secret.secret },
    { for key in var.secrets.nonce_keys : "nonce-${key.id}.key" => key.secret },
    var.secrets.tls == null ? {} : { "tls-cert.pem" = var.secrets.tls.certificate, "tls-key.pem" = var.secrets.tls.key },
    var.secrets.admin == null ? {} : merge(
      { "admin-cert.pem" = var.secrets.admin.certificate, "admin-key.pem" = var.secrets.admin.key },
      { for token in var.secrets.admin.tokens : "admin-${token.id}.token" => token.secret },
    ),
    { for name, secret in var.secrets.bgp : "bgp-${name}.password" => secret },
  )

  config = templatefile("${path.module}/tern.toml.tftpl", {
    name             = var.name
    relay_id         = var.relay_id
    address          = var.address
    external         = var.external_address
    anycast_prefixes = var.anycast_prefixes
    asn              = var.asn
    neighbors        = var.neighbors
    ladder           = var.ladder
    on_down          = var.on_down
    realm            = var.realm
    secrets          = var.secrets
    ports            = var.ports
    listener         = var.listener
    admin_port       = var.admin_port
    admin_names      = var.admin_names
    metrics_port     = var.metrics_port
    peers            = var.peers
    limits           = var.limits
    capacity         = var.capacity
    extra_config     = var.extra_config
  })

  settings = {
    TERN_CLOUD          = var.cloud
    TERN_LOCATION       = var.location
    TERN_FLEET          = var.fleet
    TERN_PARAMETERS     = var.parameters
    TERN_GROUP          = var.group == null ? "" : var.group.name
    TERN_GROUP_TAG      = var.group == null ? "" : var.group.tag
    TERN_GROUP_HOOK     = var.group == null ? "" : var.group.hook
    TERN_DRAIN_DEADLINE = var.group == null ? "" : var.group.drain_deadline
    TERN_ENA_EXPRESS    = var.group == null ? "" : tostring(var.group.ena_express)
  }

  scripts = concat(["common", "fetch", "network"], var.cloud == "aws" ? ["report"] : [], var.group == null ? [] : ["claim", "leave"])
  units = concat(
    ["tern-fetch.service", "tern-fetch.timer", "tern-network.service"],
    var.cloud == "aws" ? ["tern-report.service", "tern-report.timer"] : [],
    var.group == null ? [] : ["tern-claim.service", "tern-leave.service"],
  )
}

output "config" {
  description = "tern.toml."
  value       = local.config
}

output "secret_files" {
  description = "The files in /etc/tern that come from the secret store, and where each comes from."
  value       = local.secret_files
}

output "secrets_list" {
  description = "The same as the relay reads it: a line each, the file and its secret."
  value       = join("", [for file, secret in local.secret_files : "${file} ${secret}\n"])
}

output "network" {
  description = "The relay's own address, then those that it answers to besides: what the relay puts on its interfaces."
  value       = "${var.address}\n${join("", [for prefix in var.anycast_prefixes : "${prefix}\n"])}"
}

output "boot" {
  description = "The script that makes a relay of a machine at its first start. It holds no secret and nothing that changes."
  value = templatefile("${path.module}/boot.sh.tftpl", {
    package  = var.package
    settings = join("", [for name, value in local.settings : "${name}='${value}'\n"])
    files = merge(
      { for name in local.scripts : "/usr/local/lib/tern/${name}" => {
        mode = "0755", content = file("${path.module}/files/${name}.sh")
      } },
      { for name in local.units : "/etc/systemd/system/${name}" => {
        mode = "0644", content = file("${path.module}/files/${name}")
      } },
      { "/etc/systemd/system/tern.service.d/10-cloud.conf" = {
        mode = "0644", content = file("${path.module}/files/10-cloud.conf")
      } },
    )
    packages = var.cloud == "aws" ? ["awscli", "curl", "ethtool", "iproute2", "jq"] : ["curl", "iproute2", "jq"]
    timers = concat(["tern-fetch.timer", "tern-network.service"], var.cloud == "aws" ? ["tern-report.timer"] : [],
    var.group == null ? [] : ["tern-leave.service"])
  })
}
