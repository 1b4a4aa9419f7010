# What a relay is told, by slot. Nothing of it is secret, and a change replaces no machine: relays look every ten minutes.
module "relay" {
  source           = "../relay"
  for_each         = local.relays
  fleet            = var.fleet
  name             = each.value.name
  relay_id         = each.value.relay_id
  cloud            = "aws"
  location         = var.region
  parameters       = var.group == null ? "${local.parameters}/${each.key}" : "${local.parameters}/%s"
  address          = each.value.address
  external_address = aws_eip.relay[each.key].public_ip
  anycast_prefixes = local.anycast
  asn              = var.anycast == null ? 64512 : var.anycast.asn
  ladder           = var.anycast == null ? {} : var.anycast.ladder
  on_down          = var.anycast == null ? "withdraw" : var.anycast.on_down
  neighbors = [for end in var.anycast == null ? [] : ["a", "b"] : {
    name    = "route-server-${end}"
    address = aws_vpc_route_server_endpoint.this["${each.value.zone}-${end}"].eni_address
    asn     = var.anycast.route_server_asn
    bfd     = true
  }]
  realm        = var.realm
  secrets      = var.secrets
  ports        = var.ports
  listener     = var.listener
  admin_port   = var.admin_port
  admin_names  = each.value.hostname == null ? [] : [each.value.hostname]
  metrics_port = var.metrics_port
  peers        = var.peers
  limits       = var.limits
  capacity     = var.capacity
  extra_config = var.extra_config
  package      = var.package
  group = var.group == null ? null : {
    name           = local.name
    tag            = local.name
    hook           = "drain"
    drain_deadline = "${var.group.drain_deadline}s"
    ena_express    = var.group.ena_express
  }
}

locals {
  parameter_values = merge([for key, relay in local.relays : {
    "${key}/config"  = module.relay[key].config
    "${key}/secrets" = module.relay[key].secrets_list
    "${key}/network" = module.relay[key].network
  }]...)
}

resource "aws_ssm_parameter" "relay" {
  #checkov:skip=CKV2_AWS_34:It names secrets and holds none; a plan may show every change of it
  for_each = toset(flatten([for key in keys(local.relays) : [for what in ["config", "secrets", "network"] : "${key}/${what}"]]))
  region   = var.region
  name     = "${local.parameters}/${each.key}"
  # References to secrets, never secrets: a plan may show every change.
  type = "String"
  # A standard one takes 4,096 characters.
  tier        = "Intelligent-Tiering"
  description = "Tern: ${each.key}"
  value       = local.parameter_values[each.key]
  tags        = local.tags
}

resource "aws_eip" "relay" {
  #checkov:skip=CKV2_AWS_19:Its association is a resource of its own, to an instance or to a slot's interface
  for_each = local.relays
  region   = var.region
  domain   = "vpc"
  tags     = merge(local.tags, { Name = each.value.name })
}

# A fixed set: one template for each, as each has its own address.
resource "aws_launch_template" "relay" {
  for_each               = var.group == null ? local.relays : {}
  region                 = var.region
  name                   = each.value.name
  description            = "Tern relay"
  image_id               = var.image_id
  instance_type          = var.instance_type
  update_default_version = true
  ebs_optimized          = true
  # Compressed, as AWS takes 16 KiB; cloud-init unpacks it.
  user_data = base64gzip(module.relay[each.key].boot)
  tags      = local.tags

  iam_instance_profile {
    arn = aws_iam_instance_profile.relay.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  monitoring {
    enabled = true
  }

  network_interfaces {
    device_index                = 0
    subnet_id                   = aws_subnet.relays[each.value.zone].id
    private_ip_address          = each.value.address
    security_groups             = [aws_security_group.relay.id]
    associate_public_ip_address = false
    delete_on_termination       = true
    # Where AWS tracks at all (see security.tf), flows that are gone go as late as they may: media that pauses goes on.
    connection_tracking_specification {
      tcp_established_timeout = 432000
      udp_stream_timeout      = 180
      udp_timeout             = 60
    }
    dynamic "ena_srd_specification" {
      for_each = var.ena_express ? [1] : []
      content {
        ena_srd_enabled = true
        ena_srd_udp_specification {
          ena_srd_udp_enabled = true
        }
      }
    }
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 16
      volume_type           = "gp3"
      encrypted             = true
      kms_key_id            = var.kms_key_arn
      delete_on_termination = true
    }
  }

  maintenance_options {
    auto_recovery = "default"
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = each.value.name })
    }
  }
}

resource "aws_instance" "relay" {
  #checkov:skip=CKV_AWS_8:The launch template encrypts the disk
  #checkov:skip=CKV_AWS_79:The launch template demands IMDSv2
  #checkov:skip=CKV_AWS_126:The launch template turns monitoring on
  #checkov:skip=CKV_AWS_135:The launch template optimises for EBS
  #checkov:skip=CKV2_AWS_41:The launch template has the instance profile
  for_each = var.group == null ? local.relays : {}
  region   = var.region
  # Packets to announced addresses are for nobody that AWS knows here.
  source_dest_check = var.anycast == null
  tags              = merge(local.tags, { Name = each.value.name })

  launch_template {
    id      = aws_launch_template.relay[each.key].id
    version = aws_launch_template.relay[each.key].latest_version
  }

  # An apply ends no call: a new image or a new template comes with `terraform apply -replace`, one relay at a time, after its drain.
  lifecycle {
    ignore_changes = [launch_template, ami, instance_type, user_data, user_data_base64]
  }

  depends_on = [
    aws_ssm_parameter.relay, aws_iam_role_policy.relay, aws_route.internet, aws_ec2_subnet_cidr_reservation.relays,
    aws_vpc_security_group_egress_rule.relay,
  ]
}

resource "aws_eip_association" "relay" {
  for_each           = var.group == null ? local.relays : {}
  region             = var.region
  allocation_id      = aws_eip.relay[each.key].allocation_id
  instance_id        = aws_instance.relay[each.key].id
  private_ip_address = each.value.address
}
