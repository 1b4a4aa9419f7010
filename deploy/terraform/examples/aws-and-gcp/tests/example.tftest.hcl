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

mock_provider "google" {
  mock_resource "google_compute_address" {
    defaults = { address = "198.51.100.7" }
  }
  mock_resource "google_service_account" {
    defaults = { email = "voice-relay@voice-prod.iam.gserviceaccount.com" }
  }
  mock_resource "google_compute_ha_vpn_gateway" {
    defaults = { vpn_interfaces = [{ id = 0, ip_address = "198.51.100.1" }, { id = 1, ip_address = "198.51.100.2" }] }
  }
  mock_data "google_secret_manager_secret_version" {
    defaults = { secret_data = "a-password-for-tests" }
  }
}

variables {
  account_id = "111122223333"
  project    = "voice-prod"
  aws_regions = {
    us-east-1 = {
      cidr          = "10.10.0.0/22"
      relay_id_base = 100
      image_id      = "ami-0123456789abcdef0"
      transit_asn   = 64701
      links         = [{ gcp_region = "us-east4", asn = 64801 }, { gcp_region = "us-west1", asn = 64802 }]
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
      transit_asn   = 64702
      links         = [{ gcp_region = "us-west1", asn = 64803 }, { gcp_region = "us-east4", asn = 64804 }]
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
  gcp_regions = {
    us-east4 = { cidr = "10.40.0.0/24", relay_id_base = 300 }
    us-west1 = { cidr = "10.41.0.0/24", relay_id_base = 310 }
  }
  gcp_secrets = {
    shared     = [{ id = "2026-07", secret = "projects/voice-prod/secrets/rest-2026-07" }]
    nonce_keys = [{ id = "a", secret = "projects/voice-prod/secrets/nonce-a" }]
    tls        = { certificate = "projects/voice-prod/secrets/cert", key = "projects/voice-prod/secrets/key" }
  }
  bgp_passwords = {
    voice-us-east4-1 = "projects/voice-prod/secrets/bgp-1"
    voice-us-east4-2 = "projects/voice-prod/secrets/bgp-2"
    voice-us-west1-1 = "projects/voice-prod/secrets/bgp-3"
    voice-us-west1-2 = "projects/voice-prod/secrets/bgp-4"
  }
}

run "edge_and_core_have_one_anycast_address" {
  assert {
    condition     = length(output.anycast_ice_servers) == 1 && length(output.relay_ids) == 8 && length(output.configs) == 8
    error_message = "eight relays in four regions"
  }
}

run "a_link_to_nowhere_is_refused" {
  command = plan
  variables {
    gcp_regions = { us-west1 = { cidr = "10.41.0.0/24", relay_id_base = 310 } }
  }
  expect_failures = [var.gcp_regions]
}
