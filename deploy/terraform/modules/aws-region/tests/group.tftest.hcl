mock_provider "aws" {
  mock_resource "aws_eip" {
    defaults = { public_ip = "203.0.113.5", allocation_id = "eipalloc-0123456789abcdef0" }
  }
  mock_resource "aws_vpc_route_server_endpoint" {
    defaults = { eni_address = "10.10.0.9", route_server_endpoint_id = "rse-0123456789abcdef0" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/voice" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::111122223333:instance-profile/voice" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/tern/voice" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
}

variables {
  fleet         = "voice"
  region        = "us-east-1"
  account_id    = "111122223333"
  cidr          = "10.10.0.0/22"
  group         = { min = 2, max = 6 }
  relay_id_base = 100
  image_id      = "ami-0123456789abcdef0"
  realm         = "example.org"
  anycast       = { prefixes = ["10.99.0.1/32"] }
  secrets = {
    shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:rest-2026-07-AbCdEf" }]
    nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:nonce-a-AbCdEf" }]
  }
}

run "a_group_has_a_slot_for_each_machine_it_may_have" {
  assert {
    condition     = length(aws_network_interface.slot) == 6 && length(aws_eip_association.slot) == 6 && length(aws_vpc_route_server_peer.this) == 12
    error_message = "an interface, an elastic address and two sessions each"
  }
  assert {
    condition     = length(distinct([for slot in aws_network_interface.slot : one(slot.private_ips)])) == 6
    error_message = "with an address each"
  }
  assert {
    condition     = alltrue([for slot in aws_network_interface.slot : !slot.source_dest_check && slot.tags["tern-group"] == "voice-us-east-1"])
    error_message = "that machines find by its tag"
  }
  assert {
    condition     = length(aws_instance.relay) == 0
    error_message = "machines are the group's"
  }
}

run "a_machine_is_emptied_before_it_goes" {
  assert {
    condition     = one(aws_autoscaling_group.relays[0].initial_lifecycle_hook).lifecycle_transition == "autoscaling:EC2_INSTANCE_TERMINATING"
    error_message = "a hook holds it"
  }
  assert {
    condition     = one(aws_autoscaling_group.relays[0].initial_lifecycle_hook).heartbeat_timeout == 4200
    error_message = "for as long as the drain takes, and a little more"
  }
  assert {
    condition     = contains(aws_autoscaling_group.relays[0].suspended_processes, "AZRebalance")
    error_message = "no call is ended for balance"
  }
}

run "the_role_may_take_slots_of_its_own_group" {
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      try(statement.Condition.StringEquals["aws:ResourceTag/tern-group"], "") == "voice-us-east-1"
    if contains(["TakeSlot", "TuneSlot"], statement.Sid)])
    error_message = "by the tag of both ends"
  }
  assert {
    condition     = one([for statement in jsondecode(output.policy).Statement : statement if statement.Sid == "Leave"]).Resource[0] == "arn:aws:autoscaling:us-east-1:111122223333:autoScalingGroup:*:autoScalingGroupName/voice-us-east-1"
    error_message = "and let its own group go on"
  }
}

run "size_follows_what_runs_out_first" {
  assert {
    condition     = aws_autoscaling_policy.used[0].target_tracking_configuration[0].customized_metric_specification[0].metric_name == "UsedPercent"
    error_message = "whichever it is"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.relay["6-not-ready"].treat_missing_data == "notBreaching"
    error_message = "an empty slot is no alarm"
  }
}

run "machines_speak_to_metadata_by_tokens_only" {
  assert {
    condition     = aws_launch_template.group[0].metadata_options[0].http_tokens == "required" && length(aws_launch_template.group[0].user_data) < 16384
    error_message = "IMDSv2 only, and user data within its bound"
  }
}

run "a_group_that_is_none_is_refused" {
  command = plan
  variables {
    group = { min = 4, max = 2 }
  }
  expect_failures = [var.group]
}
