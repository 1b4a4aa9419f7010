//! What neighbours are told, and the chain of rules that led to it; their sessions; what the relay thinks of itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Viewer};
use super::figures::{NOTHING, count, duration, maybe};
use super::frame::{Frame, state_class, time};
use crate::control::admin::{Attributes, BfdSession, Health, Neighbor, Report, Route, RpkiCache};

pub(super) async fn show(State(api): State<Api>, viewer: Viewer) -> Response {
    let frame = Frame::new(&api, viewer, "/announcements").await;
    let report = api.get::<Report>(frame.viewer(), "/v1/bgp").await;
    frame.page(match report {
        Ok(report) => Ok(announcements(&report, frame.is_operator())),
        // No mistake: a relay need not announce anything.
        Err(trouble) if trouble.status == StatusCode::CONFLICT => Ok(html! {
            section #prefixes data-part aria-label="Prefixes" { p { "No prefix." } p.hint { (trouble) "." } }
        }),
        Err(trouble) => Err(trouble),
    })
}

fn announcements(report: &Report, is_operator: bool) -> Markup {
    let rows: Vec<_> = report
        .neighbors
        .iter()
        .flat_map(|neighbor| neighbor.routes.iter().map(move |route| (neighbor, route)))
        .collect();
    html! {
        @if is_operator {
            p.buttons { button type="button" data-action="why" hidden { "Run all checks now" } }
        }
        section #prefixes data-part aria-labelledby="prefixes-title" {
            h2 #prefixes-title { "Prefixes" }
            @if rows.is_empty() { p.quiet { "No prefix and neighbour are configured: nothing is announced." } }
            @for (neighbor, route) in rows { (prefix(neighbor, route, is_operator)) }
        }
        section #neighbors data-part aria-labelledby="neighbors-title" {
            h2 #neighbors-title { "Neighbours" }
            @if report.neighbors.is_empty() { p.quiet { "None is configured." } } @else { (neighbors(report)) }
        }
        section #health data-part aria-labelledby="health-title" {
            h2 #health-title { "Health" }
            (health(&report.health))
        }
        @if !report.rpki.is_empty() {
            section #rpki data-part aria-labelledby="rpki-title" {
                h2 #rpki-title { "RPKI caches" }
                (rpki(&report.rpki))
            }
        }
        @if is_operator { (withdraw_dialog()) }
    }
}

/// The script says which prefix.
fn withdraw_dialog() -> Markup {
    html! {
        dialog #withdraw aria-labelledby="withdraw-title" {
            form method="dialog" data-action="withdraw" {
                h2 #withdraw-title { "Withdraw " code data-fill {} "?" }
                p { "Every neighbour is told that it is not here any more. New calls go to another relay, if one announces it; calls that are here and came by it are cut off." }
                p { "It stays withdrawn, whatever is reloaded, until somebody announces it again." }
                p.error role="alert" {}
                div.buttons {
                    button type="button" data-close { "Cancel" }
                    button.danger type="submit" { "Withdraw" }
                }
            }
        }
    }
}

/// One prefix towards one neighbour, with the reasons in the order that they were asked.
fn prefix(neighbor: &Neighbor, route: &Route, is_operator: bool) -> Markup {
    let (class, word) = match (route.announced, &route.attributes) {
        (true, _) => ("good", "announced"),
        (false, Some(_)) => ("fair", "not announced yet"),
        (false, None) => ("bad", "withheld"),
    };
    html! {
        article.card {
            h3 { code { (route.prefix) } " to " (neighbor.name) " " span.state.(class) { (word) } }
            dl.facts {
                @if let Some(attributes) = &route.attributes { (carried(attributes)) }
                div { dt { "Session" } dd { span.state.(state_class(&neighbor.state)) { (neighbor.state) } " " (maybe(neighbor.for_seconds, duration)) } }
                div { dt { "BFD" } dd { @match &neighbor.bfd { Some(bfd) => (bfd_state(bfd)), None => "none" } } }
                div { dt { "Flaps" } dd { (count(neighbor.flaps)) } }
            }
            @if let Some(withheld) = &route.withheld { p.error { "The session cannot carry it: " (withheld) } }
            h4 { "Why" }
            ol.why { @for reason in &route.why { li { (reason) } } }
            @if is_operator {
                p.buttons {
                    button.plain type="button" data-action="announce" data-prefix=(route.prefix) hidden { "Announce again" }
                    button.plain.danger type="button" data-open="withdraw" data-prefix=(route.prefix) hidden { "Withdraw…" }
                }
            }
        }
    }
}

fn carried(attributes: &Attributes) -> Markup {
    let list = |texts: &[String]| if texts.is_empty() { NOTHING.to_owned() } else { texts.join(" ") };
    html! {
        div { dt { "MED" } dd { (maybe(attributes.med, |med| med.to_string())) } }
        div { dt { "Prepended" } dd { (attributes.prepend) "×" } }
        div { dt { "Communities" } dd { (list(&attributes.communities)) } }
        @if !attributes.large_communities.is_empty() {
            div { dt { "Large communities" } dd { (list(&attributes.large_communities)) } }
        }
        div { dt { "Next hop" } dd { (attributes.next_hop) } }
    }
}

fn bfd_state(bfd: &BfdSession) -> Markup {
    html! {
        span.state.(state_class(&bfd.state)) { (bfd.state) } " " (duration(bfd.for_seconds))
        @if bfd.flaps > 0 { ", " (count(bfd.flaps)) " flaps" }
        @if bfd.state != "up" { @if let Some(reason) = &bfd.last_down_reason { " – " (reason) } }
        @if let Some(problem) = &bfd.problem { " – " (problem) }
    }
}

fn neighbors(report: &Report) -> Markup {
    html! {
        p.hint { "We are AS " (report.asn) ", " (report.router_id) "." }
        table.stack {
            thead { tr {
                th scope="col" { "Neighbour" } th scope="col" { "Address" } th scope="col" { "AS" } th scope="col" { "BGP" }
                th scope="col" { "BFD" } th scope="col" { "Announced" } th scope="col" { "Flaps" } th scope="col" { "Last trouble" }
            } }
            tbody {
                @for neighbor in &report.neighbors {
                    tr {
                        th scope="row" { (neighbor.name) }
                        td data-label="Address" { (neighbor.address) }
                        td data-label="AS" { (neighbor.asn) }
                        td data-label="BGP" { span.state.(state_class(&neighbor.state)) { (neighbor.state) } " " (maybe(neighbor.for_seconds, duration)) }
                        td data-label="BFD" { @match &neighbor.bfd { Some(bfd) => (bfd_state(bfd)), None => "none" } }
                        td data-label="Announced" { (count(neighbor.announced)) }
                        td data-label="Flaps" { (count(neighbor.flaps)) }
                        td.wide data-label="Last trouble" { (trouble(neighbor)) }
                    }
                }
            }
        }
    }
}

fn trouble(neighbor: &Neighbor) -> Markup {
    html! {
        @if let Some(halted) = &neighbor.halted { strong { (halted) } " " }
        @match &neighbor.last_failure {
            Some(failure) => {
                (failure)
                @if let Some(seconds) = neighbor.last_failure_seconds { ", " (duration(seconds)) " ago" }
                @if let Some(cause) = &neighbor.failure_cause { " (" (cause) ")" }
            },
            None => (NOTHING),
        }
    }
}

fn health(health: &Health) -> Markup {
    html! {
        p {
            span.state.(state_class(&health.state)) { (health.state) } " since " (time(&health.since))
            ", score " (health.score) " (degraded from " (health.degraded_at) ", down from " (health.down_at) ")"
        }
        @if !health.reasons.is_empty() { ol.why { @for reason in &health.reasons { li { (reason) } } } }
        table.stack {
            thead { tr {
                th scope="col" { "Check" } th scope="col" { "Counts as" } th scope="col" { "Last" } th scope="col" { "Weight" }
                th scope="col" { "Detail" }
            } }
            tbody {
                @for check in &health.checks {
                    tr {
                        th scope="row" { (check.name) }
                        td data-label="Counts as" { span.state.(state_class(&check.status)) { (check.status) } }
                        td data-label="Last" { (check.last.as_deref().unwrap_or(NOTHING)) }
                        td data-label="Weight" { (check.weight) }
                        td.wide data-label="Detail" { (check.detail) }
                    }
                }
            }
        }
        @if !health.transitions.is_empty() {
            details #transitions {
                summary { "Last changes" }
                ul { @for change in &health.transitions {
                    li { (time(&change.at)) ": " (change.from) " → " (change.to) @if let Some(reason) = change.reasons.first() { " – " (reason) } }
                } }
            }
        }
    }
}

fn rpki(caches: &[RpkiCache]) -> Markup {
    html! {
        table.stack {
            thead { tr { th scope="col" { "Cache" } th scope="col" { "State" } th scope="col" { "Records" } th scope="col" { "Updated" } th scope="col" { "Last failure" } } }
            tbody {
                @for cache in caches {
                    tr {
                        th scope="row" { (cache.address) }
                        td data-label="State" { (cache.state) }
                        td data-label="Records" { (count(cache.records)) }
                        td data-label="Updated" { @match &cache.updated { Some(at) => (time(at)), None => (NOTHING) } }
                        td.wide data-label="Last failure" { (cache.last_failure.as_deref().unwrap_or(NOTHING)) }
                    }
                }
            }
        }
    }
}
