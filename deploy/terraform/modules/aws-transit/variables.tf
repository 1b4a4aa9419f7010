variable "fleet" {
  type = string
}

variable "regions" {
  description = <<-TEXT
    A transit gateway for each: `transit` is that output of modules/aws-region. `fallback` is the region whose relays serve
    when none here announces; null where only a GCP core, or nobody, does.
  TEXT
  type = map(object({
    asn      = number
    fallback = optional(string)
    transit = object({
      region       = string
      vpc_id       = string
      cidr         = string
      subnet_ids   = list(string)
      route_tables = map(string)
      announced    = list(string)
    })
  }))
  validation {
    condition     = alltrue([for key, one in var.regions : one.fallback == null ? true : one.fallback != key && contains(keys(var.regions), one.fallback)])
    error_message = "regions: a fallback is another region of this map."
  }
  validation {
    condition     = length(distinct([for one in var.regions : one.asn])) == length(var.regions)
    error_message = "regions: each transit gateway has an AS of its own."
  }
  validation {
    condition     = length(distinct([for one in var.regions : one.transit.cidr])) == length(var.regions)
    error_message = "regions: each VPC has a range of its own."
  }
}

variable "covering" {
  description = "A range around all announced addresses, outside of every VPC: the way to other regions, and less specific than what relays announce."
  type        = string
  validation {
    condition     = can(cidrhost(var.covering, 0))
    error_message = "covering: an IPv4 range, such as 10.99.0.0/24."
  }
  validation {
    # As in modules/aws-region: two ranges overlap if they begin alike over the shorter mask.
    condition = alltrue([for one in var.regions :
      cidrhost("${split("/", var.covering)[0]}/${min(tonumber(split("/", var.covering)[1]), tonumber(split("/", one.transit.cidr)[1]))}", 0)
      != cidrhost("${split("/", one.transit.cidr)[0]}/${min(tonumber(split("/", var.covering)[1]), tonumber(split("/", one.transit.cidr)[1]))}", 0)
    ])
    error_message = "covering: outside of every VPC."
  }
  validation {
    condition = alltrue(flatten([for one in var.regions : [for prefix in one.transit.announced :
      tonumber(split("/", prefix)[1]) > tonumber(split("/", var.covering)[1])
      && cidrhost("${split("/", prefix)[0]}/${split("/", var.covering)[1]}", 0) == cidrhost(var.covering, 0)
    ]]))
    error_message = "covering: holds every announced prefix, and is wider than each."
  }
}

variable "gcp_cidrs" {
  description = "Ranges of the GCP core, which VPCs reach by modules/cloud-link."
  type        = list(string)
  default     = []
}

variable "tags" {
  type    = map(string)
  default = {}
}
