module "relay" {
  source           = "../relay"
  for_each         = local.relays
  fleet            = var.fleet
  name             = each.key
  relay_id         = each.value.relay_id
  cloud            = "gcp"
  location         = each.value.region
  address          = each.value.address
  external_address = var.public ? google_compute_address.external[each.key].address : null
  anycast_prefixes = var.anycast.prefixes
  asn              = var.anycast.asn
  ladder           = var.anycast.ladder
  on_down          = var.anycast.on_down
  # No BFD: a Cloud Router has none for router appliances. A relay that hangs keeps its routes for the hold time.
  neighbors = [for end in ["a", "b"] : {
    name          = "router-${end}"
    address       = google_compute_address.router["${each.value.region}-${end}"].address
    asn           = var.anycast.router_asn
    password_file = length(var.bgp_passwords) == 0 ? null : "bgp-router.password"
  }]
  realm = var.realm
  secrets = merge(var.secrets, {
    bgp = length(var.bgp_passwords) == 0 ? {} : { router = var.bgp_passwords[each.key] }
  })
  ports        = var.ports
  listener     = var.listener
  admin_port   = var.admin_port
  admin_names  = each.value.hostname == null ? [] : [each.value.hostname]
  metrics_port = var.metrics_port
  peers        = var.peers
  limits       = var.limits
  capacity     = var.capacity
  extra_config = var.extra_config
  package      = var.package
}

resource "google_compute_address" "internal" {
  for_each     = local.relays
  project      = var.project
  name         = each.key
  region       = each.value.region
  address_type = "INTERNAL"
  subnetwork   = google_compute_subnetwork.this[each.value.region].id
  address      = each.value.address
}

resource "google_compute_address" "external" {
  for_each     = var.public ? local.relays : {}
  project      = var.project
  name         = "${each.key}-external"
  region       = each.value.region
  address_type = "EXTERNAL"
}

resource "google_compute_instance" "relay" {
  #checkov:skip=CKV_GCP_36:A router appliance takes packets that are for the announced addresses
  #checkov:skip=CKV_GCP_40:Clients and peers are on the internet; public = false for those that are not
  for_each     = local.relays
  project      = var.project
  name         = each.key
  zone         = each.value.zone
  machine_type = var.machine_type
  labels       = local.labels
  # A router appliance takes packets that are for the announced addresses.
  can_ip_forward            = true
  allow_stopping_for_update = true

  boot_disk {
    kms_key_self_link = var.kms_key
    initialize_params {
      image = var.image
      size  = 16
    }
  }

  network_interface {
    subnetwork = google_compute_subnetwork.this[each.value.region].id
    network_ip = google_compute_address.internal[each.key].address
    nic_type   = "GVNIC"
    dynamic "access_config" {
      for_each = var.public ? [google_compute_address.external[each.key].address] : []
      content {
        nat_ip       = access_config.value
        network_tier = "PREMIUM"
      }
    }
  }

  service_account {
    email  = google_service_account.relay.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  # A change of these replaces nothing: the relay looks every ten minutes.
  metadata = {
    block-project-ssh-keys = "true"
    enable-oslogin         = "TRUE"
    serial-port-enable     = "FALSE"
    startup-script         = module.relay[each.key].boot
    tern-config            = module.relay[each.key].config
    tern-secrets           = module.relay[each.key].secrets_list
    tern-network           = module.relay[each.key].network
  }

  scheduling {
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }

  # An apply ends no call: a new image comes with `terraform apply -replace`, one relay at a time, after its drain.
  lifecycle {
    ignore_changes = [boot_disk[0].initialize_params[0].image]
  }

  depends_on = [google_secret_manager_secret_iam_member.relay]
}
