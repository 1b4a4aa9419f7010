//! "Can this relay take calls?": its state and what is wrong, how much more it can carry, how the calls sound.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Trouble, Viewer};
use super::chart::bar;
use super::figures::{bits, count, duration, maybe, millis, mos, percent, rate, share};
use super::frame::{Frame, time};
use super::hour::charts;
use crate::control::admin::{Alert, AlertSeverity, Basis, History, LegQuality, Resource, Status};

pub(super) async fn show(State(api): State<Api>, viewer: Viewer) -> Response {
    let frame = Frame::new(&api, viewer, "/").await;
    let hour = api.get::<History>(frame.viewer(), "/v1/history").await;
    let content = frame.status.as_ref().map(|status| overview(status, &hour)).map_err(Clone::clone);
    frame.page(content)
}

fn overview(status: &Status, hour: &Result<History, Trouble>) -> Markup {
    html! {
        section #answer data-part aria-label="Answer" { (answer(status)) }
        section aria-labelledby="alerts-title" {
            h2 #alerts-title { "Alerts" }
            div #alerts data-part { (alerts(&status.alerts)) }
        }
        section aria-labelledby="now-title" {
            h2 #now-title { "Now" }
            (now(status))
        }
        section aria-labelledby="room-title" {
            h2 #room-title { "Headroom" }
            div #headroom data-part { (headroom(status)) }
        }
        section aria-labelledby="quality-title" {
            h2 #quality-title { "Quality, over the last minute" }
            (quality(status))
        }
        section aria-labelledby="hour-title" {
            h2 #hour-title { "The last hour" }
            div #hour data-part { (charts(hour)) }
        }
        section aria-labelledby="regions-title" {
            h2 #regions-title { "Regions" }
            p.hint { "This relay belongs to no mesh of relays: there is no other region to show." }
        }
    }
}

fn answer(status: &Status) -> Markup {
    let (class, word) = if status.ready { ("good", "Yes") } else { ("bad", "No") };
    html! {
        p.answer.(class) { strong { (word) } " " @if status.ready { "– it takes calls." } @else { "– it should be given no new calls." } }
        @if !status.not_ready.is_empty() {
            ul.reasons { @for reason in &status.not_ready { li { (reason) } } }
        }
        @if let Some(drain) = &status.draining {
            p {
                "Draining since " (time(&drain.since)) ": "
                @if drain.done { "it is empty." } @else {
                    strong { (count(drain.sessions_left)) } " sessions are left"
                    @if drain.min_sessions > 0 { ", of which " (count(drain.min_sessions)) " may stay" }
                    @if let Some(deadline) = &drain.deadline { "; awaited until " (time(deadline)) }
                    "."
                }
            }
        }
        p.hint {
            "State " strong { (status.state) } " since " (time(&status.since)) ". Announced: "
            @if status.announced.is_empty() { "nothing" } @else { (status.announced.join(", ")) }
            ". Version " (status.version) ", up for "
            span data-path="uptime_seconds" data-form="duration" { (duration(status.uptime_seconds)) } "."
        }
    }
}

pub(super) fn alerts(alerts: &[Alert]) -> Markup {
    html! {
        @if alerts.is_empty() { p.quiet { "Nothing is wrong." } } @else {
            ul.alerts {
                @for alert in alerts {
                    @let (class, word) = match alert.severity {
                        AlertSeverity::Critical => ("bad", "Critical"),
                        AlertSeverity::Warning => ("fair", "Warning"),
                    };
                    li.alert.(class) {
                        p { strong { (word) ": " (alert.name) @if let Some(subject) = &alert.subject { " (" (subject) ")" } } " – " (alert.text) }
                        p { "What to do: " (alert.remedy) }
                        p.hint { "Since " (time(&alert.since)) }
                    }
                }
            }
        }
    }
}

/// A figure with its name, which the script keeps current.
fn tile(name: &str, path: &str, form: &str, value: &str, more: &Markup) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd { span.figure data-path=(path) data-form=(form) { (value) } (more) }
        }
    }
}

fn now(status: &Status) -> Markup {
    let (sessions, rates) = (&status.sessions, &status.rates);
    let kinds =
        [("udp", sessions.udp), ("tcp", sessions.tcp), ("tls", sessions.tls), ("dtls", sessions.dtls)];
    let families = [("ipv4", "IPv4", sessions.ipv4), ("ipv6", "IPv6", sessions.ipv6)];
    let split = html! {
        div.split {
            @for (name, number) in kinds {
                span { (name.to_uppercase()) " " b data-path={ "sessions." (name) } data-form="count" { (count(number)) } }
            }
            @for (name, word, number) in families {
                span { (word) " " b data-path={ "sessions." (name) } data-form="count" { (count(number)) } }
            }
        }
    };
    let per_second = html! { small { "per second" } };
    html! {
        dl.tiles {
            (tile("Sessions", "sessions.total", "count", &count(sessions.total), &split))
            (tile("Traffic", "rates.bits_per_second", "bits", &bits(rates.bits_per_second), &html! {}))
            (tile("Packets", "rates.packets_per_second", "rate", &rate(rates.packets_per_second), &per_second))
            (tile("New sessions", "rates.allocations_per_second", "rate", &rate(rates.allocations_per_second), &per_second))
            (tile("Refused", "rates.refused_per_second", "rate", &rate(rates.refused_per_second), &per_second))
            (tile("Dropped packets", "rates.dropped_per_second", "rate", &rate(rates.dropped_per_second), &per_second))
        }
    }
}

/// How the figures of a resource are called and written.
const fn shown(resource: Resource) -> (&'static str, &'static str, &'static str) {
    match resource {
        Resource::Sessions => ("Sessions", "sessions", "count"),
        Resource::Bandwidth => ("Bandwidth", "bits_per_second", "bits"),
        Resource::Packets => ("Packets per second", "packets_per_second", "rate"),
        Resource::Ports => ("Relayed ports", "ports", "count"),
    }
}

fn write(form: &str, value: f64) -> String {
    if form == "bits" { bits(value) } else { rate(value.round()) }
}

fn headroom(status: &Status) -> Markup {
    let capacity = &status.capacity;
    html! {
        ul.rooms #rooms {
            @for resource in Resource::ALL {
                @let (name, field, form) = shown(resource);
                @let room = capacity.room(resource);
                li.room {
                    p.name { (name) " " span.tag data-binds=(resource.name()) hidden[capacity.binds != Some(resource)] { "runs out first" } }
                    p {
                        strong data-path={ "capacity." (field) ".used" } data-form=(form) { (write(form, room.used)) }
                        @match room.limit {
                            Some(limit) => { " of " span data-path={ "capacity." (field) ".limit" } data-form=(form) { (write(form, limit)) } },
                            None => { " – the limit is unknown" },
                        }
                    }
                    @if let Some(free) = room.free_share {
                        (bar(1.0 - free, Some(&format!("capacity.{field}.free_share"))))
                        p.hint {
                            span data-path={ "capacity." (field) ".free_share" } data-form="share" { (share(free)) } " free"
                            @match room.basis {
                                Basis::Configured => ", as configured",
                                Basis::Measured => ", as measured by how busy the workers are",
                                Basis::Unknown => "",
                            }
                        }
                    } @else { p.hint { "Configure it, or wait until there is enough load to measure it." } }
                }
            }
        }
        ul.workers {
            @for (number, busy) in status.rates.worker_busy.iter().enumerate() {
                li {
                    "Worker " (count(u64::try_from(number).unwrap_or_default())) " busy "
                    span data-path={ "rates.worker_busy." (number) } data-form="share" { (share(*busy)) }
                    (bar(*busy, Some(&format!("rates.worker_busy.{number}"))))
                }
            }
        }
    }
}

fn quality(status: &Status) -> Markup {
    let legs =
        [("From clients", "client", &status.quality.client), ("From peers", "peer", &status.quality.peer)];
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Leg" } th scope="col" { "MOS, median" } th scope="col" { "Poor time" }
                th scope="col" { "Loss" } th scope="col" { "Jitter" } th scope="col" { "Round trip" }
            } }
            tbody {
                @for (name, path, leg) in legs {
                    tr {
                        th scope="row" { (name) }
                        @for (field, form, label, value) in measures(leg) {
                            td data-label=(label) { span data-path={ "quality." (path) "." (field) } data-form=(form) { (value) } }
                        }
                    }
                }
            }
        }
        p.hint { "Of " span data-path="quality.media_sessions" data-form="count" { (count(status.quality.media_sessions)) } " sessions with media. A relay hears each direction up to itself." }
    }
}

fn measures(leg: &LegQuality) -> [(&'static str, &'static str, &'static str, String); 5] {
    [
        ("mos_p50", "mos", "MOS, median", maybe(leg.mos_p50, mos)),
        ("poor_share", "share", "Poor time", maybe(leg.poor_share, share)),
        ("loss_percent", "percent", "Loss", maybe(leg.loss_percent, percent)),
        ("jitter_ms", "millis", "Jitter", maybe(leg.jitter_ms, millis)),
        ("rtt_ms", "millis", "Round trip", maybe(leg.rtt_ms, millis)),
    ]
}
