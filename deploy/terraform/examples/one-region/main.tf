# One region, two relays with elastic addresses in two zones, nothing announced: the least for clients on the internet. Browsers get
# both relays in iceServers and take whichever answers.
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
  region = var.region
}

variable "account_id" {
  type = string
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "image_id" {
  description = "Debian 12 or later, with Tern or with `package`."
  type        = string
}

variable "package" {
  type    = object({ url = string, sha256 = string })
  default = null
}

variable "realm" {
  type    = string
  default = "example.org"
}

variable "hostnames" {
  description = "Names for TLS, in the relays' order."
  type        = list(string)
  default     = []
}

variable "secrets" {
  description = "ARNs: see modules/relay."
  type        = any
}

variable "alarm_topics" {
  type    = list(string)
  default = []
}

module "region" {
  source        = "../../modules/aws-region"
  fleet         = "voice"
  region        = var.region
  account_id    = var.account_id
  cidr          = "10.10.0.0/22"
  relays        = 2
  relay_id_base = 100
  image_id      = var.image_id
  package       = var.package
  realm         = var.realm
  hostnames     = var.hostnames
  secrets       = var.secrets
  alarm_topics  = var.alarm_topics
}

output "ice_servers" {
  value = module.region.ice_servers
}

output "dns_records" {
  value = module.region.dns_records
}

output "admin_addresses" {
  value = module.region.admin_addresses
}

output "configs" {
  value = module.region.configs
}
