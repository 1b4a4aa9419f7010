//! What has happened, the newest first.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Viewer, query};
use super::figures::count;
use super::frame::{Frame, time};
use crate::control::admin::{Event, EventKind, EventPage, EventSeverity};

/// Events that are shown.
const SHOWN: usize = 200;

const SEVERITIES: [(&str, &str, EventSeverity); 3] = [
    ("", "Everything", EventSeverity::Info),
    ("warning", "Warnings and worse", EventSeverity::Warning),
    ("critical", "Critical", EventSeverity::Critical),
];

pub(super) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let frame = Frame::new(&api, viewer, "/timeline").await;
    let wanted = asked.get("severity").map_or("", String::as_str);
    let (word, _, least) = SEVERITIES.iter().find(|(word, ..)| *word == wanted).copied().unwrap_or((
        "",
        "",
        EventSeverity::Info,
    ));
    let events = api.get::<EventPage>(frame.viewer(), "/v1/events?after=0&limit=1000").await;
    frame.page(events.map(|page| timeline(&page, word, least)))
}

fn timeline(page: &EventPage, word: &str, least: EventSeverity) -> Markup {
    let found: Vec<_> = page.events.iter().rev().filter(|event| event.severity >= least).collect();
    html! {
        nav.choices aria-label="Severity" { ul { @for (value, name, _) in SEVERITIES {
            li { a href=(query("/timeline", &[("severity", value)])) aria-current=[(value == word).then_some("true")] { (name) } }
        } } }
        section #events data-part aria-label="Events" {
            @if found.is_empty() { p.quiet { "Nothing has happened." } } @else { (list(&found)) }
            @if found.len() > SHOWN { p.hint { "The last " (SHOWN) " of " (count(u64::try_from(found.len()).unwrap_or_default())) "." } }
        }
    }
}

fn list(found: &[&Event]) -> Markup {
    html! {
        ol.events { @for event in found.iter().take(SHOWN) { (row(event)) } }
    }
}

pub(super) fn row(event: &Event) -> Markup {
    let (class, word) = match event.severity {
        EventSeverity::Info => ("unknown", "info"),
        EventSeverity::Warning => ("fair", "warning"),
        EventSeverity::Critical => ("bad", "critical"),
    };
    html! {
        li {
            (time(&event.at)) " "
            span.state.(class) { (word) } " "
            span.kind { (kind(event.kind)) } " "
            strong { (event.text) }
            @if !event.fields.is_empty() {
                dl.fields { @for (name, value) in &event.fields { div { dt { (name) } dd { (value) } } } }
            }
        }
    }
}

const fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Relay => "relay",
        EventKind::Health => "health",
        EventKind::Bgp => "BGP",
        EventKind::Bfd => "BFD",
        EventKind::Rpki => "RPKI",
        EventKind::Route => "route",
        EventKind::Reload => "reload",
        EventKind::Drain => "drain",
        EventKind::Operator => "operator",
        EventKind::Worker => "worker",
        EventKind::Certificate => "certificate",
        EventKind::Alert => "alert",
    }
}
