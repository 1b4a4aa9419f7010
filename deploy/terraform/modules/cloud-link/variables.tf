variable "core" {
  description = "The output of that name of modules/gcp-core."
  type = object({
    project      = string
    fleet        = string
    network      = string
    hub          = string
    covering     = string
    site_to_site = bool
  })
}

variable "gcp_region" {
  type = string
}

variable "gcp_asn" {
  description = "The AS of the router at this link's end in GCP: private, and not that of the relays' routers."
  type        = number
  validation {
    condition     = (var.gcp_asn >= 64512 && var.gcp_asn <= 65534) || (var.gcp_asn >= 4200000000 && var.gcp_asn <= 4294967294)
    error_message = "gcp_asn: a private AS number."
  }
}

variable "gateway" {
  description = "One of the outputs `gateways` of modules/aws-transit."
  type = object({
    region      = string
    id          = string
    asn         = number
    inward      = string
    outward     = string
    covering    = string
    description = string
  })
  validation {
    condition     = var.gateway.asn != var.gcp_asn
    error_message = "gateway: its AS is not that of the GCP end."
  }
}

variable "priority" {
  description = "The MED that AWS is told routes of GCP with: lower for the nearer region of the core."
  type        = number
  default     = 100
  validation {
    condition     = var.priority >= 0 && var.priority <= 65535
    error_message = "priority: 0 to 65535."
  }
}

variable "alarm_topics" {
  type    = list(string)
  default = []
}

variable "tags" {
  type    = map(string)
  default = {}
}
