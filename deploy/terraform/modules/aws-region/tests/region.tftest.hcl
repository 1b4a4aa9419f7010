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
  mock_resource "aws_instance" {
    defaults = { id = "i-0123456789abcdef0" }
  }
}

variables {
  fleet         = "voice"
  region        = "us-east-1"
  account_id    = "111122223333"
  cidr          = "10.10.0.0/22"
  relays        = 2
  relay_id_base = 100
  image_id      = "ami-0123456789abcdef0"
  realm         = "example.org"
  anycast       = { prefixes = ["10.99.0.1/32"] }
  secrets = {
    shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:rest-2026-07-AbCdEf" }]
    nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:nonce-a-AbCdEf" }]
    tls = {
      certificate = "arn:aws:secretsmanager:us-east-1:111122223333:secret:cert-AbCdEf"
      key         = "arn:aws:secretsmanager:us-east-1:111122223333:secret:key-AbCdEf"
    }
  }
}

run "a_pair_has_an_address_each_in_two_zones" {
  assert {
    condition     = length(aws_instance.relay) == 2 && length(aws_eip.relay) == 2 && length(aws_eip_association.relay) == 2
    error_message = "two relays, each with an elastic address"
  }
  assert {
    condition     = output.relays["voice-us-east-1-1"].zone == "us-east-1a" && output.relays["voice-us-east-1-2"].zone == "us-east-1b"
    error_message = "in two zones"
  }
  assert {
    condition     = output.relays["voice-us-east-1-1"].address == "10.10.0.36" && output.relays["voice-us-east-1-2"].address == "10.10.0.100"
    error_message = "in the reserved half of each subnet"
  }
  assert {
    condition     = jsonencode(output.relay_ids) == "[100,101]"
    error_message = "numbers follow the base"
  }
  assert {
    condition     = length(aws_autoscaling_group.relays) == 0 && length(aws_network_interface.slot) == 0
    error_message = "a fixed set has no group"
  }
}

run "machines_speak_to_metadata_by_tokens_only" {
  assert {
    condition = alltrue([for template in aws_launch_template.relay :
    template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1])
    error_message = "IMDSv2 only"
  }
  assert {
    condition     = alltrue([for template in aws_launch_template.relay : template.block_device_mappings[0].ebs[0].encrypted == "true"])
    error_message = "disks are encrypted"
  }
  assert {
    condition     = alltrue([for template in aws_launch_template.relay : template.network_interfaces[0].connection_tracking_specification[0].udp_stream_timeout == 180])
    error_message = "flows that pause are kept"
  }
  assert {
    condition     = alltrue([for template in aws_launch_template.relay : length(template.user_data) < 16384])
    error_message = "user data is bounded at 16 KiB"
  }
}

run "the_route_server_hears_each_relay_twice_and_keeps_nothing" {
  assert {
    condition     = length(aws_vpc_route_server_endpoint.this) == 4 && length(aws_vpc_route_server_peer.this) == 4
    error_message = "two ends in each zone, two sessions for each relay"
  }
  assert {
    condition     = alltrue([for peer in aws_vpc_route_server_peer.this : peer.bgp_options[0].peer_liveness_detection == "bfd" && peer.bgp_options[0].peer_asn == 64512])
    error_message = "with BFD, in one AS"
  }
  assert {
    condition     = aws_vpc_route_server.this[0].persist_routes == "disable"
    error_message = "a dead relay's routes go"
  }
  assert {
    condition     = length(aws_vpc_route_server_propagation.this) == 2
    error_message = "into the relays' table and that of the transit subnets"
  }
  assert {
    condition     = alltrue([for relay in aws_instance.relay : !relay.source_dest_check])
    error_message = "packets to the announced address must reach the relay"
  }
  assert {
    condition     = strcontains(output.configs["voice-us-east-1-1"], "bfd = ") && strcontains(output.configs["voice-us-east-1-1"], "address = \"10.10.0.9\"")
    error_message = "the relay is told of the ends"
  }
}

run "a_relay_without_prefixes_has_no_route_server" {
  variables {
    anycast = null
  }
  assert {
    condition     = length(aws_vpc_route_server.this) == 0 && length(aws_vpc_route_server_peer.this) == 0 && length(output.anycast_ice_servers) == 0
    error_message = "nothing is announced"
  }
  assert {
    condition     = alltrue([for relay in aws_instance.relay : relay.source_dest_check])
    error_message = "so addresses are checked"
  }
}

run "operators_are_let_in_by_range_only" {
  variables {
    monitoring_cidrs = ["10.0.0.0/8"]
    admin_cidrs      = ["10.1.0.0/16"]
  }
  assert {
    condition = alltrue([for rule in aws_vpc_security_group_ingress_rule.relay :
    rule.cidr_ipv4 != "0.0.0.0/0" || contains([3478, 443, 5349, 49152, 3], rule.from_port)])
    error_message = "the internet reaches listeners, relayed ports and ICMP"
  }
  assert {
    condition     = length([for rule in aws_vpc_security_group_ingress_rule.relay : rule if rule.from_port == 9478 && rule.cidr_ipv4 == "10.0.0.0/8"]) == 1
    error_message = "Prometheus comes from its range"
  }
  assert {
    condition     = length([for rule in aws_vpc_security_group_ingress_rule.relay : rule if rule.from_port == 9480]) == 0
    error_message = "without certificates there is no admin address to open"
  }
  assert {
    condition     = length([for rule in aws_vpc_security_group_ingress_rule.relay : rule if rule.from_port == 22]) == 0
    error_message = "there is no SSH"
  }
}

run "the_role_reads_its_own_and_nothing_else" {
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
    !contains(statement.Resource, "*") || statement.Sid == "Figures"])
    error_message = "only PutMetricData knows no resource"
  }
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      alltrue([for action in statement.Action : contains([
    "ssm:GetParameter", "secretsmanager:GetSecretValue", "cloudwatch:PutMetricData"], action)])])
    error_message = "three actions"
  }
  assert {
    condition     = length(one([for statement in jsondecode(output.policy).Statement : statement if statement.Sid == "Secrets"]).Resource) == 4
    error_message = "the four secrets of the configuration"
  }
}

run "ice_servers_have_tls_where_there_are_names" {
  variables {
    hostnames = ["turn-1.example.org"]
  }
  assert {
    condition     = contains(output.ice_servers[0].urls, "turns:turn-1.example.org:443?transport=tcp")
    error_message = "a name has TLS"
  }
  assert {
    condition     = contains(output.ice_servers[1].urls, "turn:203.0.113.5:3478?transport=udp") && !anytrue([for url in output.ice_servers[1].urls : startswith(url, "turns:")])
    error_message = "an address has none, as certificates are for names"
  }
  assert {
    condition     = output.anycast_ice_servers[0].urls[0] == "turn:10.99.0.1:3478?transport=udp"
    error_message = "private clients use the announced address"
  }
  assert {
    condition     = output.dns_records["turn-1.example.org"] == "203.0.113.5"
    error_message = "names are to point at elastic addresses"
  }
}

run "each_relay_has_alarms" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.relay) == 10 && length(aws_cloudwatch_metric_alarm.host) == 2
    error_message = "five figures each, and the host"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.relay["1-not-ready"].treat_missing_data == "breaching"
    error_message = "a relay of a fixed set that says nothing is not ready"
  }
}

run "no_secret_is_among_the_parameters" {
  assert {
    condition     = alltrue([for parameter in aws_ssm_parameter.relay : parameter.type == "String"]) && length(aws_ssm_parameter.relay) == 6
    error_message = "references only, three for each relay"
  }
}

run "neither_or_both_kinds_of_set_are_refused" {
  command = plan
  variables {
    relays = null
  }
  expect_failures = [var.relays]
}

run "a_prefix_inside_the_vpc_is_refused" {
  command = plan
  variables {
    anycast = { prefixes = ["10.10.3.1/32"] }
  }
  expect_failures = [var.anycast]
}

run "a_prefix_around_the_vpc_is_refused" {
  command = plan
  variables {
    anycast = { prefixes = ["10.0.0.0/8"] }
  }
  expect_failures = [var.anycast]
}

run "a_secret_in_a_variable_is_refused" {
  command = plan
  variables {
    secrets = { shared = [{ id = "a", secret = "hunter2hunter2hunter2" }], nonce_keys = [{ id = "a", secret = "x" }] }
  }
  expect_failures = [var.secrets]
}

run "burstable_machines_are_refused" {
  command = plan
  variables {
    instance_type = "t3.micro"
  }
  expect_failures = [var.instance_type]
}

run "an_admin_address_for_all_is_refused" {
  command = plan
  variables {
    admin_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.admin_cidrs]
}

run "a_small_range_is_refused" {
  command = plan
  variables {
    cidr = "10.10.0.0/24"
  }
  # What is made of it fails as well, and the range is what is named.
  expect_failures = [var.cidr]
}
