# A fixed pair per region, in as many regions as the map has entries, each with an anycast address of its VPC. A region more is an entry
# more. Regions do not know one another here: examples/aws-only joins them.
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
  # Where accounts are asked; each resource names its own.
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
    hostnames     = optional(list(string), [])
    alarm_topics  = optional(list(string), [])
  }))
}

variable "package" {
  type    = object({ url = string, sha256 = string })
  default = null
}

variable "monitoring_cidrs" {
  type    = list(string)
  default = []
}

module "region" {
  source           = "../../modules/aws-region"
  for_each         = var.regions
  fleet            = "voice"
  region           = each.key
  account_id       = var.account_id
  cidr             = each.value.cidr
  relays           = 2
  relay_id_base    = each.value.relay_id_base
  image_id         = each.value.image_id
  package          = var.package
  realm            = var.realm
  hostnames        = each.value.hostnames
  secrets          = each.value.secrets
  alarm_topics     = each.value.alarm_topics
  monitoring_cidrs = var.monitoring_cidrs
  anycast          = { prefixes = ["10.99.0.1/32"] }
}

output "ice_servers" {
  description = "By region: put the nearest first, or all of them."
  value       = { for key, region in module.region : key => region.ice_servers }
}

output "anycast_ice_servers" {
  value = { for key, region in module.region : key => region.anycast_ice_servers }
}

output "admin_addresses" {
  value = merge([for region in module.region : region.admin_addresses]...)
}

output "metrics_targets" {
  value = { for key, region in module.region : key => region.metrics_targets }
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
