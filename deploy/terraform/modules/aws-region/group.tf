# A group has slots, not machines with names: whichever machine starts takes a free one (modules/relay/files/claim.sh), and with it
# the private address, the elastic address, the number of the relay and the sessions with the route server.
resource "aws_network_interface" "slot" {
  for_each          = var.group == null ? {} : local.relays
  region            = var.region
  description       = each.value.name
  subnet_id         = aws_subnet.relays[each.value.zone].id
  private_ips       = [each.value.address]
  security_groups   = [aws_security_group.relay.id]
  source_dest_check = var.anycast == null
  tags              = merge(local.tags, { Name = each.value.name, tern-group = local.name, tern-slot = each.key })
  depends_on        = [aws_ec2_subnet_cidr_reservation.relays]
}

resource "aws_eip_association" "slot" {
  for_each             = var.group == null ? {} : local.relays
  region               = var.region
  allocation_id        = aws_eip.relay[each.key].allocation_id
  network_interface_id = aws_network_interface.slot[each.key].id
}

resource "aws_launch_template" "group" {
  #checkov:skip=CKV_AWS_88:It asks AWS for its slot by this address; its security group lets nothing in
  count                  = var.group == null ? 0 : 1
  region                 = var.region
  name                   = local.name
  description            = "Tern relay of a group"
  image_id               = var.image_id
  instance_type          = var.instance_type
  update_default_version = true
  ebs_optimized          = true
  # Compressed, as AWS takes 16 KiB; cloud-init unpacks it.
  user_data = base64gzip(module.relay["1"].boot)
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

  # It asks AWS for a slot by this one, so it needs a way out; nothing comes in.
  network_interfaces {
    device_index                = 0
    security_groups             = [aws_security_group.control[0].id]
    associate_public_ip_address = true
    delete_on_termination       = true
    connection_tracking_specification {
      tcp_established_timeout = 3600
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

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = local.name, tern-group = local.name })
    }
  }
}

resource "aws_autoscaling_group" "relays" {
  count                     = var.group == null ? 0 : 1
  region                    = var.region
  name                      = local.name
  min_size                  = var.group.min
  max_size                  = var.group.max
  vpc_zone_identifier       = [for zone in local.zones : aws_subnet.relays[zone].id]
  health_check_type         = "EC2"
  health_check_grace_period = 300
  default_instance_warmup   = 180
  # Moving a machine for balance would end its calls, and go beyond the slots.
  suspended_processes = ["AZRebalance"]
  # The oldest image first, and not the one with the fewest minutes left to pay.
  termination_policies = ["OldestLaunchTemplate", "OldestInstance"]
  enabled_metrics      = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTerminatingInstances"]

  launch_template {
    id      = aws_launch_template.group[0].id
    version = aws_launch_template.group[0].latest_version
  }

  # A machine that shall go is emptied first: modules/relay/files/leave.sh.
  initial_lifecycle_hook {
    name                 = "drain"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = min(var.group.drain_deadline + 600, 7200)
    default_result       = "CONTINUE"
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = local.name, tern-group = local.name })
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }

  depends_on = [
    aws_ssm_parameter.relay, aws_iam_role_policy.relay, aws_route.internet, aws_network_interface.slot, aws_eip_association.slot,
    aws_vpc_security_group_egress_rule.control,
  ]
}

# By what runs out first, whichever it is: sessions, bandwidth, packets or ports.
resource "aws_autoscaling_policy" "used" {
  count                  = var.group == null ? 0 : 1
  region                 = var.region
  name                   = "used"
  autoscaling_group_name = aws_autoscaling_group.relays[0].name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.group.target_used
    customized_metric_specification {
      namespace   = "Tern"
      metric_name = "UsedPercent"
      statistic   = "Average"
      metric_dimension {
        name  = "Fleet"
        value = var.fleet
      }
      metric_dimension {
        name  = "Region"
        value = var.region
      }
    }
  }
}
