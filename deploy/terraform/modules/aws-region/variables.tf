variable "fleet" {
  description = "What all relays of one service are called together; the first part of every name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.fleet))
    error_message = "fleet: 2 to 24 of a-z, 0-9 and -, beginning with a letter and not ending with -."
  }
}

variable "region" {
  type = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as us-east-1."
  }
}

variable "account_id" {
  description = "The account, for the ARNs of least privilege."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: twelve digits."
  }
}

variable "partition" {
  type    = string
  default = "aws"
}

variable "zones" {
  description = "Letters of the availability zones, one to three."
  type        = list(string)
  default     = ["a", "b"]
  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) <= 3 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones: one to three, each once."
  }
}

variable "cidr" {
  description = "The VPC's range: /16 to /22. The announced addresses lie outside."
  type        = string
  validation {
    condition = (can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]), 0) >= 16
    && try(tonumber(split("/", var.cidr)[1]), 99) <= 22)
    error_message = "cidr: an IPv4 range from /16 to /22."
  }
}

variable "relays" {
  description = "A fixed set: how many relays. Give this or `group`."
  type        = number
  default     = null
  validation {
    condition     = (var.relays == null) != (var.group == null)
    error_message = "Give either relays (a fixed set) or group (an auto-scaling group)."
  }
  validation {
    condition     = var.relays == null ? true : var.relays >= 1 && var.relays <= 24
    error_message = "relays: 1 to 24; one subnet of the smallest VPC has room for eight reserved addresses in each of three zones."
  }
}

variable "group" {
  description = "An auto-scaling group: at most `max` slots, each with an interface, an elastic address and sessions with the route server."
  type = object({
    min            = number
    max            = number
    target_used    = optional(number, 60)
    drain_deadline = optional(number, 3600)
    ena_express    = optional(bool, false)
  })
  default = null
  validation {
    condition     = var.group == null ? true : var.group.min >= 1 && var.group.min <= var.group.max && var.group.max <= 24
    error_message = "group: 1 <= min <= max <= 24."
  }
  validation {
    condition     = var.group == null ? true : var.group.target_used >= 10 && var.group.target_used <= 90
    error_message = "group.target_used: 10 to 90 percent of what runs out first."
  }
  validation {
    condition     = var.group == null ? true : var.group.drain_deadline >= 60 && var.group.drain_deadline <= 172800
    error_message = "group.drain_deadline: 60 seconds to two days, beyond which a lifecycle hook does not wait."
  }
}

variable "relay_id_base" {
  description = "The first relay's number; the others follow. Ranges of regions must not overlap."
  type        = number
  validation {
    condition     = var.relay_id_base >= 0 && var.relay_id_base <= 65500
    error_message = "relay_id_base: 0 to 65500."
  }
}

variable "image_id" {
  description = "The machine image: Debian 12 or later for the instance's architecture, with Tern or with `package`."
  type        = string
  validation {
    condition     = can(regex("^ami-[0-9a-f]{8,17}$", var.image_id))
    error_message = "image_id: ami-…"
  }
}

variable "instance_type" {
  description = "With network bandwidth that lasts: c7gn, c7i, c6in and so on. Not a burstable one."
  type        = string
  default     = "c7gn.large"
  validation {
    condition     = !startswith(var.instance_type, "t")
    error_message = "instance_type: burstable instances lose packets when their network credits are gone."
  }
}

variable "ena_express" {
  description = "ENA Express (SRD) between instances of one zone, for UDP as well; the instance type must have it."
  type        = bool
  default     = false
}

variable "package" {
  description = "A .deb of Tern to install at the first start; null where the image has it."
  type        = object({ url = string, sha256 = string })
  default     = null
}

variable "anycast" {
  description = "What the relays announce, and the route server that hears of it; null for relays with elastic addresses only."
  type = object({
    prefixes         = list(string)
    asn              = optional(number, 64512)
    route_server_asn = optional(number, 64600)
    ladder           = optional(map(number), {})
    on_down          = optional(string, "withdraw")
  })
  default = null
  validation {
    condition     = var.anycast == null ? true : length(var.anycast.prefixes) > 0 && alltrue([for prefix in var.anycast.prefixes : can(cidrhost(prefix, 0))])
    error_message = "anycast.prefixes: at least one range, such as 10.99.0.1/32."
  }
  validation {
    # Two ranges overlap if they begin alike over the length of the shorter mask.
    condition = var.anycast == null ? true : alltrue([
      for prefix in var.anycast.prefixes :
      cidrhost("${split("/", prefix)[0]}/${min(tonumber(split("/", prefix)[1]), tonumber(split("/", var.cidr)[1]))}", 0)
      != cidrhost("${split("/", var.cidr)[0]}/${min(tonumber(split("/", prefix)[1]), tonumber(split("/", var.cidr)[1]))}", 0)
    ])
    error_message = "anycast.prefixes: outside the VPC's range, or its local route wins over what the relays announce."
  }
  validation {
    condition     = var.anycast == null ? true : var.anycast.asn != var.anycast.route_server_asn
    error_message = "anycast: the route server has an AS of its own."
  }
}

variable "realm" {
  type = string
}

variable "secrets" {
  description = "ARNs in AWS Secrets Manager, in this region; see modules/relay."
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
      ) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:", secret))
    ])
    error_message = "secrets: ARNs of Secrets Manager. The secret itself never stands in a variable."
  }
}

variable "kms_key_arn" {
  description = "A key of yours for disks, logs and the secrets above; null for the keys that AWS manages. Its policy must admit CloudWatch Logs, and for a group the service-linked role of auto scaling."
  type        = string
  default     = null
}

variable "ports" {
  description = "Relayed ports (UDP)."
  type        = object({ first = number, last = number })
  default     = { first = 49152, last = 65535 }
}

variable "listener" {
  description = "Ports for clients. TLS and DTLS ports are opened only where secrets.tls is there."
  type = object({
    plain = optional(list(number), [3478])
    tls   = optional(list(number), [443, 5349])
  })
  default = {}
}

variable "hostnames" {
  description = "Names of the relays, in the order of their numbers, for the URLs of iceServers. TLS URLs need them."
  type        = list(string)
  default     = []
}

variable "client_cidrs" {
  description = "Who may reach the listeners."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "peer_cidrs" {
  description = "Who may send to relayed addresses: everybody that clients talk to."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "admin_cidrs" {
  description = "Who may reach the operator page and the API (TLS and a token besides)."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.admin_cidrs, "0.0.0.0/0")
    error_message = "admin_cidrs: not the whole internet."
  }
}

variable "monitoring_cidrs" {
  description = "Who may scrape /metrics, which asks nobody who they are."
  type        = list(string)
  default     = []
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
  description = "Private ranges that clients may reach through the relay, and ranges that they may not."
  type        = object({ allow = optional(list(string), []), deny = optional(list(string), []) })
  default     = {}
}

variable "limits" {
  description = "Keys of [limits] and their values."
  type        = any
  default     = {}
}

variable "capacity" {
  description = "What one relay carries, as tern-loadtest has found; scaling and alarms go by it."
  type        = object({ sessions = optional(number), bandwidth = optional(string), packets = optional(number) })
  default     = {}
}

variable "extra_config" {
  description = "TOML that is put at the end of each configuration."
  type        = string
  default     = ""
}

variable "client_route_tables" {
  description = "Route tables of subnets in this VPC whose machines use the announced addresses, by any name."
  type        = map(string)
  default     = {}
}

variable "alarm_topics" {
  description = "ARNs of SNS topics in this region that alarms are sent to."
  type        = list(string)
  default     = []
}

variable "headroom_alarm" {
  description = "Percent that is used of what runs out first, from which on there is an alarm."
  type        = number
  default     = 80
}

variable "flow_log_days" {
  description = "How long rejected packets are kept in the flow log; 0 for no flow log."
  type        = number
  default     = 365
}

variable "session_manager" {
  description = "Whether operators may log in by AWS Systems Manager. There is no other way in."
  type        = bool
  default     = false
}

variable "tags" {
  type    = map(string)
  default = {}
}
