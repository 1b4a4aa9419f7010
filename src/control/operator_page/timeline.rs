//! What has happened, the newest first.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Trouble, Viewer, query};
use super::frame::{Frame, time};
use crate::control::admin::{Event, EventKind, EventPage, EventSeverity};

/// Events that are shown.
const SHOWN: usize = 200;
/// Events that the API tells at a time.
const PAGE: u64 = 1000;

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
    let found = newest(&api, frame.viewer(), least).await;
    frame.page(found.map(|found| timeline(&found, word)))
}

/// The newest events that are at least so bad, the newest first; more than are shown only to say that there are more.
/// The API tells the oldest after a number, so they are looked for page by page from the end; it keeps a few pages.
async fn newest(api: &Api, viewer: &Viewer, least: EventSeverity) -> Result<Vec<Event>, Trouble> {
    let end = api.get::<EventPage>(viewer, &format!("/v1/events?after={}&limit=1", u64::MAX)).await?;
    let mut found = Vec::new();
    let mut last = end.newest;
    while last >= end.oldest.max(1) && found.len() <= SHOWN {
        let after = last.saturating_sub(PAGE);
        let page = api.get::<EventPage>(viewer, &format!("/v1/events?after={after}&limit={PAGE}")).await?;
        let wanted = page.events.into_iter().rev().filter(|event| event.number <= last);
        found.extend(wanted.filter(|event| event.severity >= least));
        last = after;
    }
    Ok(found)
}

fn timeline(found: &[Event], word: &str) -> Markup {
    html! {
        nav.choices aria-label="Severity" { ul { @for (value, name, _) in SEVERITIES {
            li { a href=(query("/timeline", &[("severity", value)])) aria-current=[(value == word).then_some("true")] { (name) } }
        } } }
        section #events data-part aria-label="Events" {
            @if found.is_empty() { p.quiet { "Nothing has happened." } } @else {
                ol.events { @for event in found.iter().take(SHOWN) { (row(event)) } }
            }
            @if found.len() > SHOWN { p.hint { "The last " (SHOWN) ": there were more before them." } }
        }
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
