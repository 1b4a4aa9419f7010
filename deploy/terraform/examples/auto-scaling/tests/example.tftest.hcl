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
  regions = {
    us-east-1 = {
      cidr          = "10.10.0.0/22"
      relay_id_base = 100
      image_id      = "ami-0123456789abcdef0"

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
    us-west-2 = {
      cidr          = "10.20.0.0/22"
      relay_id_base = 200
      image_id      = "ami-0123456789abcdef0"

      secrets = {
        shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:rest-2026-07-AbCdEf" }]
        nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:nonce-a-AbCdEf" }]
        tls        = { certificate = "arn:aws:secretsmanager:us-west-2:111122223333:secret:cert-AbCdEf", key = "arn:aws:secretsmanager:us-west-2:111122223333:secret:key-AbCdEf" }
        admin = {
          certificate = "arn:aws:secretsmanager:us-west-2:111122223333:secret:cert-AbCdEf"
          key         = "arn:aws:secretsmanager:us-west-2:111122223333:secret:key-AbCdEf"
          tokens      = [{ id = "shift", role = "operator", secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:token-AbCdEf" }]
        }
      }
    }
  }
}

run "all_slots_are_offered" {
  assert {
    condition     = length(output.ice_servers["us-east-1"]) == 8 && length(output.configs) == 16
    error_message = "eight in each region"
  }
}
