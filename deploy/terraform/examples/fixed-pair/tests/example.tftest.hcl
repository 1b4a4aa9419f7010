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
    eu-west-1 = {
      cidr          = "10.30.0.0/22"
      relay_id_base = 300
      image_id      = "ami-0123456789abcdef0"

      secrets = {
        shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:rest-2026-07-AbCdEf" }]
        nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:nonce-a-AbCdEf" }]
        tls        = { certificate = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:cert-AbCdEf", key = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf" }
        admin = {
          certificate = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:cert-AbCdEf"
          key         = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf"
          tokens      = [{ id = "shift", role = "operator", secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:token-AbCdEf" }]
        }
      }
    }
  }
}

run "a_region_is_an_entry_of_the_map" {
  assert {
    condition     = length(output.ice_servers) == 3 && length(output.relay_ids) == 6
    error_message = "three regions of two"
  }
  assert {
    condition     = length(distinct([for region in output.anycast_ice_servers : region[0].urls[0]])) == 1
    error_message = "with one anycast address"
  }
}

run "overlapping_numbers_are_refused" {
  command = plan
  variables {
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
        relay_id_base = 101
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
  expect_failures = [output.relay_ids]
}
