terraform {
  required_version = ">= 1.9"
  required_providers {
    # From 6.0 on each resource may name its region: so regions are entries of a map, not provider blocks.
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}
