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
  account_id = "111122223333"
  image_id   = "ami-0123456789abcdef0"
  hostnames  = ["turn-1.example.org", "turn-2.example.org"]
  secrets = {
    shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:rest-2026-07-AbCdEf" }]
    nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:nonce-a-AbCdEf" }]
    tls        = { certificate = "arn:aws:secretsmanager:us-east-1:111122223333:secret:cert-AbCdEf", key = "arn:aws:secretsmanager:us-east-1:111122223333:secret:key-AbCdEf" }
    admin = {
      certificate = "arn:aws:secretsmanager:us-east-1:111122223333:secret:cert-AbCdEf"
      key         = "arn:aws:secretsmanager:us-east-1:111122223333:secret:key-AbCdEf"
      tokens      = [{ id = "shift", role = "operator", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:token-AbCdEf" }]
    }
  }
}

run "browsers_get_both_relays_with_tls" {
  assert {
    condition     = length(output.ice_servers) == 2 && contains(output.ice_servers[1].urls, "turns:turn-2.example.org:443?transport=tcp")
    error_message = "by their names"
  }
  assert {
    condition     = output.admin_addresses["voice-us-east-1-1"] == "https://turn-1.example.org:9480"
    error_message = "operators have an address"
  }
}
