# An auto-scaling group per region: two to eight relays, as many as calls need. A machine takes a slot when it starts, with its addresses
# and its number, and is emptied before it goes.
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
    min           = optional(number, 2)
    max           = optional(number, 8)
    alarm_topics  = optional(list(string), [])
  }))
}

# What `tern-loadtest knee` and `idle` have found on such a machine: the group's size goes by it.
variable "capacity" {
  type    = object({ sessions = optional(number), bandwidth = optional(string), packets = optional(number) })
  default = { sessions = 10000, packets = 400000 }
}

module "region" {
  source        = "../../modules/aws-region"
  for_each      = var.regions
  fleet         = "voice"
  region        = each.key
  account_id    = var.account_id
  zones         = ["a", "b", "c"]
  cidr          = each.value.cidr
  group         = { min = each.value.min, max = each.value.max }
  relay_id_base = each.value.relay_id_base
  image_id      = each.value.image_id
  realm         = var.realm
  secrets       = each.value.secrets
  capacity      = var.capacity
  alarm_topics  = each.value.alarm_topics
  anycast       = { prefixes = ["10.99.0.1/32"] }
}

output "ice_servers" {
  description = "All slots: an empty one does not answer, and browsers go on to the next."
  value       = { for key, region in module.region : key => region.ice_servers }
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
