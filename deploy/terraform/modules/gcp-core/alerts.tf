# Figures of the relays themselves are Prometheus' business (deploy/prometheus).
resource "google_monitoring_alert_policy" "bgp" {
  project               = var.project
  display_name          = "${var.fleet}: a relay's BGP session is down"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = local.labels
  conditions {
    display_name = "session down for a minute"
    condition_threshold {
      filter          = "resource.type = \"gce_router\" AND metric.type = \"router.googleapis.com/bgp/session_up\" AND metric.labels.bgp_peer_name = starts_with(\"${var.fleet}-\")"
      comparison      = "COMPARISON_LT"
      threshold_value = 1
      duration        = "60s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MIN"
      }
    }
  }
  documentation {
    mime_type = "text/markdown"
    content   = "On the relay that the label bgp_peer_name tells: `tern bgp show` says what ended the session last."
  }
}

resource "google_monitoring_alert_policy" "routes" {
  project               = var.project
  display_name          = "${var.fleet}: a region's router hears no announcement"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = local.labels
  dynamic "conditions" {
    for_each = var.regions
    content {
      display_name = conditions.key
      condition_threshold {
        filter          = "resource.type = \"gce_router\" AND metric.type = \"router.googleapis.com/bgp/received_routes_count\" AND metric.labels.bgp_peer_name = starts_with(\"${var.fleet}-${conditions.key}-\")"
        comparison      = "COMPARISON_LT"
        threshold_value = 1
        duration        = "60s"
        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_MAX"
          cross_series_reducer = "REDUCE_MAX"
        }
      }
    }
  }
  documentation {
    mime_type = "text/markdown"
    content   = "No relay there announces: `tern bgp why` on each. Clients go to the other region meanwhile."
  }
}
