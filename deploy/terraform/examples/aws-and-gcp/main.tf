# Regions of AWS at the edge and a core in GCP, joined by HA VPN. Clients in AWS reach their own region's relays; while those do not
# announce, the core's; and those of the fallback region where there is one and the core is not to be had.
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0, < 8.0"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

provider "google" {
  project = var.project
}

variable "account_id" {
  type = string
}

variable "project" {
  type = string
}

variable "realm" {
  type    = string
  default = "example.org"
}

variable "aws_regions" {
  type = map(object({
    cidr          = string
    relay_id_base = number
    image_id      = string
    secrets       = any
    transit_asn   = number
    fallback      = optional(string)
    # Regions of the core that it is joined to, and the AS of the router at that end; the first is the nearest.
    links        = list(object({ gcp_region = string, asn = number }))
    hostnames    = optional(list(string), [])
    alarm_topics = optional(list(string), [])
  }))
}

variable "gcp_regions" {
  type = map(object({
    cidr          = string
    relay_id_base = number
    relays        = optional(number, 2)
    hostnames     = optional(list(string), [])
  }))
  validation {
    condition     = alltrue(flatten([for a in var.aws_regions : [for link in a.links : contains(keys(var.gcp_regions), link.gcp_region)]]))
    error_message = "links: a region of the core that is not in gcp_regions."
  }
}

variable "gcp_secrets" {
  type = any
}

variable "bgp_passwords" {
  type    = map(string)
  default = {}
}

variable "anycast" {
  type    = object({ prefix = string, covering = string })
  default = { prefix = "10.99.0.1/32", covering = "10.99.0.0/24" }
}

module "region" {
  source        = "../../modules/aws-region"
  for_each      = var.aws_regions
  fleet         = "voice"
  region        = each.key
  account_id    = var.account_id
  cidr          = each.value.cidr
  relays        = 2
  relay_id_base = each.value.relay_id_base
  image_id      = each.value.image_id
  realm         = var.realm
  hostnames     = each.value.hostnames
  secrets       = each.value.secrets
  alarm_topics  = each.value.alarm_topics
  anycast       = { prefixes = [var.anycast.prefix] }
}

module "transit" {
  source    = "../../modules/aws-transit"
  fleet     = "voice"
  covering  = var.anycast.covering
  gcp_cidrs = [for one in var.gcp_regions : one.cidr]
  regions = { for key, one in var.aws_regions : key => {
    asn      = one.transit_asn
    fallback = one.fallback
    transit  = module.region[key].transit
  } }
}

module "core" {
  source        = "../../modules/gcp-core"
  fleet         = "voice"
  project       = var.project
  regions       = var.gcp_regions
  realm         = var.realm
  secrets       = var.gcp_secrets
  bgp_passwords = var.bgp_passwords
  anycast       = { prefixes = [var.anycast.prefix], covering = var.anycast.covering }
}

module "link" {
  source = "../../modules/cloud-link"
  for_each = merge([for key, one in var.aws_regions : { for index, link in one.links : "${key}~${link.gcp_region}" => {
    aws_region = key
    gcp_region = link.gcp_region
    asn        = link.asn
    topics     = one.alarm_topics
    # The ladder's step between two regions of the core, as seen from AWS.
    priority = 100 + 1000 * index
  } }]...)
  core         = module.core.core
  gcp_region   = each.value.gcp_region
  gcp_asn      = each.value.asn
  gateway      = module.transit.gateways[each.value.aws_region]
  priority     = each.value.priority
  alarm_topics = each.value.topics
}

output "ice_servers" {
  value = merge({ for key, region in module.region : key => region.ice_servers }, { gcp = module.core.ice_servers })
}

output "anycast_ice_servers" {
  value = distinct(concat(flatten([for region in module.region : region.anycast_ice_servers]), module.core.anycast_ice_servers))
}

output "admin_addresses" {
  value = merge(concat([for region in module.region : region.admin_addresses], [module.core.admin_addresses])...)
}

output "configs" {
  value = merge(concat([for region in module.region : region.configs], [module.core.configs])...)
}

output "relay_ids" {
  description = "The numbers of all relays."
  value       = concat(flatten([for region in module.region : region.relay_ids]), module.core.relay_ids)
  precondition {
    condition     = length(distinct(concat(flatten([for region in module.region : region.relay_ids]), module.core.relay_ids))) == length(concat(flatten([for region in module.region : region.relay_ids]), module.core.relay_ids))
    error_message = "relay_id_base: numbers of relays overlap; a nonce would be taken for another relay's."
  }
}
