# Two regions of AWS (or more: entries of the map), a pair each, and transit gateways between them: while no relay of a region announces,
# its clients reach the fallback region's by the same anycast address.
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "account_id" {
  type = string
}

variable "realm" {
  type    = string
  default = "example.org"
}

variable "regions" {
  type = map(object({
    cidr          = string
    relay_id_base = number
    image_id      = string
    secrets       = any
    transit_asn   = number
    fallback      = optional(string)
    hostnames     = optional(list(string), [])
    # Route tables of your own subnets in that VPC.
    client_route_tables = optional(map(string), {})
    alarm_topics        = optional(list(string), [])
  }))
}

variable "anycast" {
  type    = object({ prefix = string, covering = string })
  default = { prefix = "10.99.0.1/32", covering = "10.99.0.0/24" }
}

module "region" {
  source              = "../../modules/aws-region"
  for_each            = var.regions
  fleet               = "voice"
  region              = each.key
  account_id          = var.account_id
  cidr                = each.value.cidr
  relays              = 2
  relay_id_base       = each.value.relay_id_base
  image_id            = each.value.image_id
  realm               = var.realm
  hostnames           = each.value.hostnames
  secrets             = each.value.secrets
  client_route_tables = each.value.client_route_tables
  alarm_topics        = each.value.alarm_topics
  anycast             = { prefixes = [var.anycast.prefix] }
}

module "transit" {
  source   = "../../modules/aws-transit"
  fleet    = "voice"
  covering = var.anycast.covering
  regions = { for key, one in var.regions : key => {
    asn      = one.transit_asn
    fallback = one.fallback
    transit  = module.region[key].transit
  } }
}

output "ice_servers" {
  value = { for key, region in module.region : key => region.ice_servers }
}

output "anycast_ice_servers" {
  description = "The same for all regions: the network decides."
  value       = distinct(flatten([for region in module.region : region.anycast_ice_servers]))
}

output "admin_addresses" {
  value = merge([for region in module.region : region.admin_addresses]...)
}

output "configs" {
  value = merge([for region in module.region : region.configs]...)
}

output "relay_ids" {
  description = "The numbers of all relays."
  value       = flatten([for region in module.region : region.relay_ids])
  precondition {
    condition     = length(distinct(flatten([for region in module.region : region.relay_ids]))) == length(flatten([for region in module.region : region.relay_ids]))
    error_message = "relay_id_base: numbers of relays overlap; a nonce would be taken for another relay's."
  }
}
