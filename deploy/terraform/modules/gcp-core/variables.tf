variable "fleet" {
  description = "What all relays of one service are called together; the first part of every name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.fleet))
    error_message = "fleet: 2 to 24 of a-z, 0-9 and -, beginning with a letter and not ending with -."
  }
}

variable "project" {
  type = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: a project's ID."
  }
}

variable "regions" {
  description = "Regions of the core, such as us-east4 and us-west1: a subnet, a Cloud Router and relays in each."
  type = map(object({
    cidr          = string
    zones         = optional(list(string), ["a", "b"])
    relays        = optional(number, 2)
    relay_id_base = number
    hostnames     = optional(list(string), [])
    # Interconnect attachments (VLANs) that belong to the hub besides.
    interconnects = optional(list(string), [])
  }))
  validation {
    condition     = length(var.regions) > 0 && alltrue([for key in keys(var.regions) : can(regex("^[a-z]+-[a-z]+[0-9]+$", key))])
    error_message = "regions: at least one, by the region's name, such as us-east4."
  }
  validation {
    condition     = alltrue([for one in var.regions : can(cidrhost(one.cidr, 0)) && try(tonumber(split("/", one.cidr)[1]), 99) <= 26])
    error_message = "regions: cidr is an IPv4 range, /26 or wider."
  }
  validation {
    condition     = alltrue([for one in var.regions : one.relays >= 1 && one.relays <= 8])
    error_message = "regions: 1 to 8 relays; a spoke takes no more router appliances."
  }
  validation {
    condition     = alltrue([for one in var.regions : length(one.zones) >= 1 && alltrue([for zone in one.zones : can(regex("^[a-f]$", zone))])])
    error_message = "regions: zones are letters."
  }
  validation {
    # Each number once.
    condition = length(flatten([for one in var.regions : range(one.relay_id_base, one.relay_id_base + one.relays)])) == length(distinct(
    flatten([for one in var.regions : range(one.relay_id_base, one.relay_id_base + one.relays)])))
    error_message = "regions: ranges of relay numbers overlap."
  }
}

variable "anycast" {
  description = "What the relays announce. `covering` is a wider range around it, which the other cloud is told of in any case."
  type = object({
    prefixes   = list(string)
    covering   = string
    asn        = optional(number, 64512)
    router_asn = optional(number, 64601)
    ladder     = optional(map(number), {})
    on_down    = optional(string, "withdraw")
  })
  validation {
    condition     = length(var.anycast.prefixes) > 0 && alltrue([for prefix in concat(var.anycast.prefixes, [var.anycast.covering]) : can(cidrhost(prefix, 0))])
    error_message = "anycast: at least one prefix, and a covering range."
  }
  validation {
    # A dynamic route that conflicts with a subnet's is suppressed.
    condition = alltrue(flatten([for one in var.regions : [for prefix in concat(var.anycast.prefixes, [var.anycast.covering]) :
      cidrhost("${split("/", prefix)[0]}/${min(tonumber(split("/", prefix)[1]), tonumber(split("/", one.cidr)[1]))}", 0)
      != cidrhost("${split("/", one.cidr)[0]}/${min(tonumber(split("/", prefix)[1]), tonumber(split("/", one.cidr)[1]))}", 0)
    ]]))
    error_message = "anycast: outside of every subnet; Google suppresses a route that conflicts with one."
  }
  validation {
    condition = (alltrue([for asn in [var.anycast.asn, var.anycast.router_asn] : (asn >= 64512 && asn <= 65534) || (asn >= 4200000000 && asn <= 4294967294)])
    && var.anycast.asn != var.anycast.router_asn)
    error_message = "anycast: two private AS numbers that differ (64512 to 65534, 4200000000 to 4294967294)."
  }
}

variable "image" {
  description = "The boot image: Debian 12 or later, with Tern or with `package`."
  type        = string
  default     = "projects/debian-cloud/global/images/family/debian-12"
}

variable "machine_type" {
  type    = string
  default = "c3-standard-4"
  validation {
    condition     = !can(regex("^(e2-(micro|small|medium)|f1|g1)", var.machine_type))
    error_message = "machine_type: shared cores lose packets."
  }
}

variable "package" {
  description = "A .deb of Tern to install at the first start; null where the image has it."
  type        = object({ url = string, sha256 = string })
  default     = null
}

variable "realm" {
  type = string
}

variable "secrets" {
  description = "Names in Secret Manager (projects/P/secrets/S); see modules/relay."
  type = object({
    shared     = list(object({ id = string, secret = string, not_before = optional(string), not_after = optional(string) }))
    nonce_keys = list(object({ id = string, secret = string }))
    tls        = optional(object({ certificate = string, key = string }))
    admin = optional(object({
      certificate = string
      key         = string
      tokens      = list(object({ id = string, role = string, secret = string }))
    }))
  })
  validation {
    condition = alltrue([
      for secret in concat(
        var.secrets.shared[*].secret, var.secrets.nonce_keys[*].secret,
        var.secrets.tls == null ? [] : [var.secrets.tls.certificate, var.secrets.tls.key],
        var.secrets.admin == null ? [] : concat([var.secrets.admin.certificate, var.secrets.admin.key], var.secrets.admin.tokens[*].secret),
      ) : can(regex("^projects/[^/]+/secrets/[A-Za-z0-9_-]+$", secret))
    ])
    error_message = "secrets: projects/PROJECT/secrets/NAME. The secret itself never stands in a variable."
  }
}

variable "bgp_passwords" {
  description = <<-TEXT
    The secret with the password (TCP MD5) of each relay's sessions, by the relay's name (FLEET-REGION-NUMBER). Empty: no passwords.
    Terraform has to hand them to the Cloud Router and keeps them in its state: encrypt that.
  TEXT
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for secret in values(var.bgp_passwords) : can(regex("^projects/[^/]+/secrets/[A-Za-z0-9_-]+$", secret))])
    error_message = "bgp_passwords: projects/PROJECT/secrets/NAME."
  }
  validation {
    condition = length(var.bgp_passwords) == 0 ? true : alltrue(flatten([for key, one in var.regions : [
      for index in range(one.relays) : contains(keys(var.bgp_passwords), "${var.fleet}-${key}-${index + 1}")
    ]]))
    error_message = "bgp_passwords: one for each relay, by its name, or none at all."
  }
}

variable "kms_key" {
  description = "A key of Cloud KMS for disks; null for Google's own."
  type        = string
  default     = null
}

variable "site_to_site" {
  description = <<-TEXT
    Whether the hub passes routes on between its spokes: what relays announce reaches the other cloud by itself then, and goes
    when they withdraw. Google offers it in some countries only. false: the other cloud knows the covering range alone.
  TEXT
  type        = bool
  default     = true
}

variable "ports" {
  type    = object({ first = number, last = number })
  default = { first = 49152, last = 65535 }
}

variable "listener" {
  type = object({
    plain = optional(list(number), [3478])
    tls   = optional(list(number), [443, 5349])
  })
  default = {}
}

variable "public" {
  description = "Whether relays have external addresses, for clients on the internet. Without, Cloud NAT brings them to their packages."
  type        = bool
  default     = true
}

variable "client_cidrs" {
  type    = list(string)
  default = ["0.0.0.0/0"]
}

variable "peer_cidrs" {
  type    = list(string)
  default = ["0.0.0.0/0"]
}

variable "admin_cidrs" {
  type    = list(string)
  default = []
  validation {
    condition     = !contains(var.admin_cidrs, "0.0.0.0/0")
    error_message = "admin_cidrs: not the whole internet."
  }
}

variable "monitoring_cidrs" {
  type    = list(string)
  default = []
  validation {
    condition     = !contains(var.monitoring_cidrs, "0.0.0.0/0")
    error_message = "monitoring_cidrs: not the whole internet."
  }
}

variable "admin_port" {
  type    = number
  default = 9480
}

variable "metrics_port" {
  type    = number
  default = 9478
}

variable "peers" {
  type    = object({ allow = optional(list(string), []), deny = optional(list(string), []) })
  default = {}
}

variable "limits" {
  type    = any
  default = {}
}

variable "capacity" {
  type    = object({ sessions = optional(number), bandwidth = optional(string), packets = optional(number) })
  default = {}
}

variable "extra_config" {
  type    = string
  default = ""
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that alerts are sent to."
  type        = list(string)
  default     = []
}

variable "labels" {
  type    = map(string)
  default = {}
}
