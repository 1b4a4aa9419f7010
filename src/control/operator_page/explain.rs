//! "Explain a call": all that has happened to a user or to a session.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Trouble, Viewer, query};
use super::figures::{count, duration, maybe, millis, mos, percent, whole};
use super::frame::{Frame, cannot, time};
use super::sessions::{History, plain_columns, row};
use super::timeline;
use crate::control::admin::{EndedLeg, EndedSession, Explanation, JournalEntry, QualityHistory};

pub(super) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let frame = Frame::new(&api, viewer, "/explain").await;
    let value = |name: &str| asked.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
    let (user, session) = (value("user"), value("session"));
    let found = if user.is_empty() && session.is_empty() {
        None
    } else {
        let (user, session) = if session.is_empty() { (user.as_str(), "") } else { ("", session.as_str()) };
        let path = query("/v1/explain", &[("user", user), ("session", session)]);
        Some(api.get::<Explanation>(frame.viewer(), &path).await)
    };
    frame.page(Ok(html! { (form(&user, &session)) (answer(found)) }))
}

fn form(user: &str, session: &str) -> Markup {
    html! {
        p.hint { "By whom, or by which session. A user is given in clear, as the user name of a time-limited credential or its part after the colon, or as the hash that logs have." }
        form.search method="get" action="/explain" role="search" {
            div.grow { label for="user" { "User" } input #user name="user" type="search" value=(user) autocomplete="off" spellcheck="false"; }
            div { label for="session" { "or session" } input #session name="session" type="search" value=(session) autocomplete="off" spellcheck="false"; }
            button type="submit" { "Explain" }
        }
    }
}

fn answer(found: Option<Result<Explanation, Trouble>>) -> Markup {
    match found {
        None => html! {},
        Some(Err(trouble)) => cannot(&trouble),
        Some(Ok(explanation)) => html! { div #explanation data-part { (explain(&explanation)) } },
    }
}

fn explain(explanation: &Explanation) -> Markup {
    let Explanation { user, sessions, incomplete, records, entries, route_changes, quality, suppressed } =
        explanation;
    html! {
        @if let Some(user) = user { p { "User " code { (user) } } }
        section aria-labelledby="live-title" {
            h2 #live-title { "Sessions now" }
            @if sessions.is_empty() { p.quiet { "None." } } @else {
                div.scroll tabindex="0" role="region" aria-label="Table of sessions now" {
                    table.sessions { (plain_columns()) tbody { @for session in sessions { (row(session, None)) } } }
                }
            }
            @if *incomplete { p.hint { "A worker of the relay is too slow to tell of all its sessions." } }
        }
        section aria-labelledby="entries-title" {
            h2 #entries-title { "What has happened" }
            @if entries.is_empty() { p.quiet { "Nothing is remembered." } }
            ol.events { @for entry in entries.iter().rev() { (line(entry)) } }
            @if *suppressed > 0 { p.hint { (count(*suppressed)) " failed logins and refused requests, of all clients, were not kept: there were too many of them." } }
        }
        section aria-labelledby="ended-title" {
            h2 #ended-title { "Sessions that have ended" }
            @if records.is_empty() { p.quiet { "None with media is remembered." } } @else { (ended(records)) }
        }
        @for history in quality { (course(history)) }
        section aria-labelledby="routes-title" {
            h2 #routes-title { "Changes of routes meanwhile" }
            @if route_changes.is_empty() { p.quiet { "None." } }
            ol.events { @for event in route_changes.iter().rev() { (timeline::row(event)) } }
        }
    }
}

fn line(entry: &JournalEntry) -> Markup {
    html! {
        li {
            (time(&entry.at)) " " strong { (entry.text) }
            " – " (entry.client) " over " (entry.transport.to_uppercase())
            @if let Some(session) = &entry.session { ", session " code { (session) } }
            @if !entry.is_proven { " " span.tag { "says so, has not proven it" } }
        }
    }
}

fn ended(records: &[EndedSession]) -> Markup {
    let columns = ["mean MOS", "worst MOS", "loss", "jitter", "RTT"];
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of sessions that have ended" {
            table.sessions {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Client" } th scope="col" { "Over" } th scope="col" { "Ended" } th scope="col" { "Lasted" }
                    @for leg in ["Client's", "Peer's"] { @for column in columns { th scope="col" { (leg) " " (column) } } }
                } }
                tbody { @for record in records { tr {
                    th scope="row" { (record.id) }
                    td { (record.client) }
                    td { (record.transport.to_uppercase()) }
                    td { (time(&record.ended)) }
                    td { (duration(whole(record.seconds))) }
                    @for EndedLeg { mean_mos, worst_mos, loss_percent, max_jitter_ms, rtt_ms } in [record.client_leg, record.peer_leg] {
                        td.edge { (maybe(mean_mos, mos)) }
                        td { (maybe(worst_mos, mos)) }
                        td { (maybe(loss_percent, percent)) }
                        td { (maybe(max_jitter_ms, millis)) }
                        td { (maybe(rtt_ms, millis)) }
                    }
                } } }
            }
        }
    }
}

fn course(history: &QualityHistory) -> Markup {
    html! {
        section aria-label={ "Quality of session " (history.session) } {
            h2 { "Quality of session " code { (history.session) } }
            (History::of_points(&history.points).charts())
        }
    }
}
