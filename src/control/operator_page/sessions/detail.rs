//! One allocation: what is known of it, how its media was, and the way to end it.

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{History, dscp, leg};
use crate::control::admin::{SessionReport, SessionRow, SessionTraffic};
use crate::control::operator_page::ask::{Api, Viewer, encode, query};
use crate::control::operator_page::figures::{NOTHING, bytes, count, duration};
use crate::control::operator_page::frame::{Frame, time};

pub(in crate::control::operator_page) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Response {
    let frame = Frame::new(&api, viewer, "/sessions").await;
    let path = format!("/v1/sessions/{}", encode(&id));
    let report = api.get::<SessionReport>(frame.viewer(), &path).await;
    frame.page(report.map(|report| detail(&report, frame.is_operator())))
}

fn detail(report: &SessionReport, is_operator: bool) -> Markup {
    let row = &report.session;
    let history = report.media.as_ref().and_then(|media| media.get("history"));
    html! {
        p { a href="/sessions" { "All sessions" } }
        section aria-labelledby="session-title" {
            h2 #session-title { "Session " code { (row.id) } }
            div #facts data-part { (facts(row)) }
            p.buttons {
                a.button href=(query("/explain", &[("session", &row.id)])) { "Explain this call" }
                @if is_operator { button.danger type="button" data-open="end" hidden { "End this call…" } }
            }
        }
        section aria-labelledby="legs-title" {
            h2 #legs-title { "Quality, last ten seconds" }
            div #legs data-part { (legs(row)) }
        }
        section aria-labelledby="course-title" {
            h2 #course-title { "Quality over time" }
            div #course data-part { (History::of_record(history).charts()) }
        }
        section aria-labelledby="streams-title" {
            h2 #streams-title { "Streams" }
            div #streams data-part { (streams(report.media.as_ref())) }
        }
        section aria-labelledby="drops-title" {
            h2 #drops-title { "Packets that went nowhere" }
            div #drops data-part {
                @if report.drops.is_empty() { p.quiet { "None." } } @else {
                    dl.facts { @for (reason, number) in &report.drops { div { dt { (reason) } dd { (count(*number)) } } } }
                }
            }
        }
        @if is_operator { (end_dialog(row)) }
    }
}

fn facts(row: &SessionRow) -> Markup {
    let traffic =
        |traffic: &SessionTraffic| format!("{} in {} packets", bytes(traffic.bytes), count(traffic.packets));
    html! {
        dl.facts {
            div { dt { "Client" } dd { (row.client) " over " (row.transport.to_uppercase()) } }
            div { dt { "Came to" } dd { (row.server) } }
            div { dt { "Relayed address" } dd { (row.relayed) @if let Some(second) = &row.second { " and " (second.relayed) } } }
            div { dt { "User" } dd { a href=(query("/explain", &[("user", &row.user)])) { (row.user) } } }
            div { dt { "Began" } dd { (time(&row.began)) ", " (duration(row.age_seconds)) " ago" } }
            div { dt { "Expires" } dd { "in " (duration(row.expires_in_seconds)) " unless it is refreshed" } }
            div { dt { "Permissions" } dd { (count(row.permissions)) " and " (count(row.channels)) " channels" } }
            div { dt { "Client to peer" } dd { (traffic(&row.client_to_peer)) } }
            div { dt { "Peer to client" } dd { (traffic(&row.peer_to_client)) } }
            div { dt { "Relays" } dd { @if row.is_tcp { "TCP" } @else { "UDP" } @if row.is_self_test { ", a test call of the relay itself" } } }
        }
    }
}

fn legs(row: &SessionRow) -> Markup {
    let Some(media) = &row.media else { return html! { p.quiet { "No media has passed yet." } } };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of quality by leg" {
            table {
                thead { tr { th scope="col" { "Leg" } th scope="col" { "MOS" } th scope="col" { "Loss" } th scope="col" { "Jitter" } th scope="col" { "Round trip" } th scope="col" { "DSCP in → out" } } }
                tbody {
                    tr { th scope="row" { "From the client" } (leg(Some(&media.client))) td { (dscp(Some(media.client_to_peer_dscp))) } }
                    tr { th scope="row" { "From the peer" } (leg(Some(&media.peer))) td { (dscp(Some(media.peer_to_client_dscp))) } }
                }
            }
        }
        @if media.idle_seconds > 5.0 { p.hint { "No packet has come for " (format!("{:.0}", media.idle_seconds)) " s." } }
    }
}

fn streams(media: Option<&Value>) -> Markup {
    let of = |direction: &'static str, name: &'static str| {
        let streams = media.and_then(|media| media.get(direction)?.get("streams")?.as_array());
        streams.into_iter().flatten().map(move |stream| (name, stream))
    };
    let all: Vec<_> = of("client_to_peer", "client").chain(of("peer_to_client", "peer")).collect();
    let text = |stream: &Value, key: &str| match stream.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => NOTHING.to_owned(),
    };
    let columns = [
        ("SSRC", "ssrc"),
        ("Codec", "codec"),
        ("Media", "media"),
        ("Packets", "packets"),
        ("Lost", "lost"),
        ("Loss %", "loss_percent"),
        ("Mean jitter, ms", "mean_jitter_ms"),
        ("DSCP", "dscp"),
    ];
    if all.is_empty() {
        return html! { p.quiet { "None has been heard." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of streams" {
            table {
                thead { tr { th scope="col" { "From" } @for (name, _) in columns { th scope="col" { (name) } } } }
                tbody { @for (from, stream) in all { tr { th scope="row" { (from) } @for (_, key) in columns { td { (text(stream, key)) } } } } }
            }
        }
    }
}

fn end_dialog(row: &SessionRow) -> Markup {
    html! {
        dialog #end aria-labelledby="end-title" {
            form method="dialog" data-action="end" data-session=(row.id) {
                h2 #end-title { "End this call?" }
                p { "The session of " strong { (row.client) } " is released at once: whoever speaks through it hears nothing more." }
                p.error role="alert" {}
                div.buttons {
                    button type="button" data-close { "Cancel" }
                    button.danger type="submit" { "End the call" }
                }
            }
        }
    }
}
