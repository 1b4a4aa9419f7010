variable "fleet" {
  description = "What all relays of one service are called together; the first part of every name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.fleet))
    error_message = "fleet: 2 to 24 of a-z, 0-9 and -, beginning with a letter and not ending with -."
  }
}

variable "name" {
  description = "The relay's own name, which operators confirm a drain with."
  type        = string
}

variable "relay_id" {
  description = "server.relay_id: unique among all relays that share nonce keys."
  type        = number
  validation {
    condition     = var.relay_id >= 0 && var.relay_id <= 65535 && floor(var.relay_id) == var.relay_id
    error_message = "relay_id: a whole number from 0 to 65535."
  }
}

variable "cloud" {
  description = "Where the relay gets configuration and secrets from: \"aws\" or \"gcp\"."
  type        = string
  validation {
    condition     = contains(["aws", "gcp"], var.cloud)
    error_message = "cloud: \"aws\" or \"gcp\"."
  }
}

variable "address" {
  description = "The relay's own private IPv4 address: relayed addresses, router ID, admin, metrics."
  type        = string
  validation {
    condition     = can(cidrhost("${var.address}/32", 0))
    error_message = "address: an IPv4 address."
  }
}

variable "external_address" {
  description = "What the world sees instead (1:1 NAT); null where clients reach the private address."
  type        = string
  default     = null
}

variable "anycast_prefixes" {
  description = "What the relay announces while it can carry calls. Empty: it announces nothing."
  type        = list(string)
  default     = []
}

variable "asn" {
  description = "bgp.asn, one for all relays, so that routers share load between them."
  type        = number
  default     = 64512
}

variable "neighbors" {
  description = "The routers. `password_file` is the name of a file in /etc/tern."
  type = list(object({
    name          = string
    address       = string
    asn           = number
    bfd           = optional(bool, false)
    password_file = optional(string)
  }))
  default = []
}

variable "ladder" {
  description = "The MED of each state; the lower wins. Steps wider than what a cloud adds for the way between regions (201 to 9999)."
  type = object({
    takeover    = optional(number, 0)
    healthy     = optional(number, 10200)
    degraded    = optional(number, 20400)
    draining    = optional(number, 40800)
    last_resort = optional(number, 61200)
  })
  default = {}
  validation {
    condition = (var.ladder.takeover < var.ladder.healthy && var.ladder.healthy < var.ladder.degraded
    && var.ladder.degraded < var.ladder.draining && var.ladder.draining < var.ladder.last_resort)
    error_message = "ladder: takeover < healthy < degraded < draining < last_resort, or a better state loses to a worse one."
  }
}

variable "on_down" {
  description = "announce.on_down: \"withdraw\", or \"last-resort\" so that calls go somewhere if all relays are down."
  type        = string
  default     = "withdraw"
  validation {
    condition     = contains(["withdraw", "last-resort"], var.on_down)
    error_message = "on_down: \"withdraw\" or \"last-resort\"."
  }
}

variable "realm" {
  description = "auth.realm."
  type        = string
}

variable "secrets" {
  description = <<-TEXT
    Where secrets are, never what they are: ARNs of AWS Secrets Manager, or names of Google's Secret Manager
    (projects/P/secrets/S). The relay fetches them itself and keeps them in files.
  TEXT
  type = object({
    shared     = list(object({ id = string, secret = string, not_before = optional(string), not_after = optional(string) }))
    nonce_keys = list(object({ id = string, secret = string }))
    tls        = optional(object({ certificate = string, key = string }))
    admin = optional(object({
      certificate = string
      key         = string
      tokens      = list(object({ id = string, role = string, secret = string }))
    }))
    bgp = optional(map(string), {})
  })
  validation {
    condition     = length(var.secrets.shared) > 0
    error_message = "secrets.shared: at least one, or nobody can log in."
  }
  validation {
    condition     = length(var.secrets.nonce_keys) > 0
    error_message = "secrets.nonce_keys: at least one, shared by all relays, or a client that meets another relay has to begin anew."
  }
  validation {
    condition = alltrue([
      for id in concat(var.secrets.shared[*].id, var.secrets.nonce_keys[*].id, try(var.secrets.admin.tokens[*].id, [])) :
      can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]*$", id))
    ])
    error_message = "secrets: an id names a file: letters, digits, dot, dash and underscore."
  }
  validation {
    condition     = alltrue([for token in try(var.secrets.admin.tokens, []) : contains(["viewer", "operator"], token.role)])
    error_message = "secrets.admin.tokens: the role is \"viewer\" or \"operator\"."
  }
}

variable "ports" {
  description = "relay.ports."
  type        = object({ first = number, last = number })
  default     = { first = 49152, last = 65535 }
  validation {
    condition     = var.ports.first >= 1024 && var.ports.first <= var.ports.last && var.ports.last <= 65535
    error_message = "ports: 1024 <= first <= last <= 65535."
  }
}

variable "listener" {
  description = "Ports for clients. TLS and DTLS ports are opened only where secrets.tls is there."
  type = object({
    plain = optional(list(number), [3478])
    tls   = optional(list(number), [443, 5349])
  })
  default = {}
}

variable "admin_port" {
  type    = number
  default = 9480
}

variable "admin_names" {
  description = "What browsers may call the relay's admin address, besides its address."
  type        = list(string)
  default     = []
}

variable "metrics_port" {
  description = "Where Prometheus scrapes, on the private address; null for nowhere."
  type        = number
  default     = 9478
}

variable "peers" {
  description = "Private ranges that clients may reach through the relay, and ranges that they may not."
  type        = object({ allow = optional(list(string), []), deny = optional(list(string), []) })
  default     = {}
}

variable "limits" {
  description = "Keys of [limits] and their values, as in tern.example.toml."
  type        = any
  default     = {}
}

variable "capacity" {
  description = "What the machine carries, as tern-loadtest has found: keys of [capacity]. Headroom and scaling go by it."
  type        = object({ sessions = optional(number), bandwidth = optional(string), packets = optional(number) })
  default     = {}
}

variable "extra_config" {
  description = "TOML that is put at the end: sections that nothing here writes."
  type        = string
  default     = ""
}

variable "package" {
  description = "A .deb of Tern to install at the first start; null where the image has it."
  type        = object({ url = string, sha256 = string })
  default     = null
  validation {
    condition     = var.package == null ? true : can(regex("^https://", var.package.url)) && can(regex("^[0-9a-f]{64}$", var.package.sha256))
    error_message = "package: an https URL and the SHA-256 of what is there, in hexadecimal."
  }
}

variable "location" {
  description = "The cloud's region, which the relay asks."
  type        = string
}

variable "parameters" {
  description = "aws: the path in the Parameter Store below which config, secrets and network of this relay are; of all slots with their number as %s."
  type        = string
  default     = ""
}

variable "group" {
  description = "aws: the relay is one of an auto-scaling group and takes a free network interface with this tag at its start."
  type        = object({ name = string, tag = string, hook = string, drain_deadline = string, ena_express = bool })
  default     = null
}
