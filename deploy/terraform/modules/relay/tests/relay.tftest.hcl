# What the relay is told: no provider is needed for this. `check` has the program itself read the configurations.

variables {
  fleet            = "voice"
  name             = "voice-us-east-1-1"
  relay_id         = 100
  cloud            = "aws"
  location         = "us-east-1"
  parameters       = "/tern/voice/us-east-1/1"
  address          = "10.10.0.40"
  external_address = "203.0.113.5"
  realm            = "example.org"
  secrets = {
    shared     = [{ id = "2026-07", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:rest-2026-07" }]
    nonce_keys = [{ id = "a", secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:nonce-a" }]
  }
}

run "a_public_relay_announces_nothing" {
  assert {
    condition     = !strcontains(output.config, "[announce]") && !strcontains(output.config, "[bgp]")
    error_message = "a relay without prefixes has nothing to announce"
  }
  assert {
    condition     = strcontains(output.config, "addresses = [{ bind = \"10.10.0.40\", external = \"203.0.113.5\" }]")
    error_message = "behind a 1:1 NAT clients are told of the elastic address"
  }
  assert {
    condition     = !strcontains(output.config, "\"tls\"") && !strcontains(output.config, "[[admin.token]]")
    error_message = "without certificates there is no TLS and no admin address"
  }
}

run "no_secret_is_in_what_is_rendered" {
  variables {
    secrets = {
      shared     = [{ id = "2026-07", secret = "WHERE-IT-IS-1" }]
      nonce_keys = [{ id = "a", secret = "WHERE-IT-IS-2" }]
      tls        = { certificate = "WHERE-IT-IS-3", key = "WHERE-IT-IS-4" }
      bgp        = { cloud-a = "WHERE-IT-IS-5" }
    }
  }
  assert {
    condition     = !strcontains(output.config, "WHERE-IT-IS") && !strcontains(output.boot, "WHERE-IT-IS")
    error_message = "the configuration names files, and the boot script nothing"
  }
  assert {
    condition     = length(output.secret_files) == 5 && output.secret_files["tls-key.pem"] == "WHERE-IT-IS-4"
    error_message = "each secret has a file"
  }
  assert {
    condition     = strcontains(output.secrets_list, "bgp-cloud-a.password WHERE-IT-IS-5\n")
    error_message = "the relay reads a line for each"
  }
}

run "the_ladder_and_the_neighbors_are_written" {
  variables {
    anycast_prefixes = ["10.99.0.1/32"]
    neighbors = [
      { name = "a", address = "10.10.0.7", asn = 65010, bfd = true },
      { name = "b", address = "10.10.0.8", asn = 65010, password_file = "bgp-b.password" },
    ]
    ladder = { healthy = 10000 }
  }
  assert {
    condition     = strcontains(output.config, "[announce.healthy]\nmed = 10000") && strcontains(output.config, "[announce.degraded]\nmed = 20400")
    error_message = "each state has its MED"
  }
  assert {
    condition     = length(regexall("\\[\\[bgp.neighbor\\]\\]", output.config)) == 2 && length(regexall("bfd = ", output.config)) == 1
    error_message = "BFD only where the router has it"
  }
  assert {
    condition     = output.network == "10.10.0.40\n10.99.0.1/32\n"
    error_message = "the announced address is put on the loopback interface"
  }
}

run "a_member_of_a_group_takes_a_slot" {
  variables {
    parameters = "/tern/voice/us-east-1/%s"
    group      = { name = "voice-us-east-1", tag = "voice-us-east-1", hook = "drain", drain_deadline = "3600s", ena_express = false }
  }
  assert {
    condition     = strcontains(output.boot, "put /usr/local/lib/tern/claim 0755") && strcontains(output.boot, "tern-leave.service")
    error_message = "it claims an interface and drains when it must go"
  }
}

run "a_machine_in_gcp_asks_no_cloudwatch" {
  variables {
    cloud    = "gcp"
    location = "us-east4"
  }
  assert {
    condition     = !strcontains(output.boot, "tern-report.timer") && strcontains(output.boot, "TERN_CLOUD='gcp'")
    error_message = "its figures are Prometheus' business"
  }
}

run "a_ladder_that_is_none_is_refused" {
  command = plan
  variables {
    ladder = { degraded = 100 }
  }
  expect_failures = [var.ladder]
}

run "a_relay_without_secrets_is_refused" {
  command = plan
  variables {
    secrets = { shared = [], nonce_keys = [] }
  }
  expect_failures = [var.secrets]
}

run "an_id_that_is_no_file_is_refused" {
  command = plan
  variables {
    secrets = { shared = [{ id = "../x", secret = "r" }], nonce_keys = [{ id = "a", secret = "r" }] }
  }
  expect_failures = [var.secrets]
}

run "a_role_that_is_none_is_refused" {
  command = plan
  variables {
    secrets = {
      shared     = [{ id = "a", secret = "r" }]
      nonce_keys = [{ id = "a", secret = "r" }]
      admin      = { certificate = "r", key = "r", tokens = [{ id = "t", role = "root", secret = "r" }] }
    }
  }
  expect_failures = [var.secrets]
}

run "a_package_by_http_is_refused" {
  command = plan
  variables {
    package = { url = "http://example.org/tern.deb", sha256 = "00" }
  }
  expect_failures = [var.package]
}
