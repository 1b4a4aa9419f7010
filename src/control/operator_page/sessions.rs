//! All allocations: found, put in order and paged by the API. The table here is one page of them; the script lets one
//! scroll through all, and asks for the pages that come into sight.

pub(super) mod detail;
mod history;

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

pub(super) use history::History;

use super::ask::{Api, Viewer, encode, query};
use super::figures::{NOTHING, bytes, count, duration, maybe, millis, mos, percent};
use super::frame::{Frame, time};
use crate::control::admin::{DscpChange, LegFigures, SessionPage, SessionRow};

/// Rows of a page.
const PAGE: u64 = 100;

/// Names of the API, and of the columns that it can order by.
const SORTS: [(&str, &str); 6] = [
    ("began", "Newest"),
    ("mos", "Worst MOS"),
    ("loss", "Loss"),
    ("jitter", "Jitter"),
    ("rtt", "Round trip"),
    ("bytes", "Traffic"),
];
const TRANSPORTS: [(&str, &str); 5] =
    [("", "Any"), ("udp", "UDP"), ("tcp", "TCP"), ("tls", "TLS"), ("dtls", "DTLS")];
const FAMILIES: [(&str, &str); 3] = [("", "Any"), ("ipv4", "IPv4"), ("ipv6", "IPv6")];

/// What was asked for, in words of the API.
#[derive(Debug, Default)]
struct Asked {
    search: String,
    transport: String,
    family: String,
    sort: String,
    order: String,
    page: u64,
}

impl Asked {
    fn read(values: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| values.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
        let page = values.get("page").and_then(|page| page.parse().ok()).filter(|page| *page > 0);
        Self {
            search: text("search"),
            transport: text("transport"),
            family: text("family"),
            sort: text("sort"),
            order: text("order"),
            page: page.unwrap_or(1),
        }
    }

    fn at(&self, path: &str, page: u64) -> String {
        let Self { search, transport, family, sort, order, .. } = self;
        let (page, size) = (page.to_string(), PAGE.to_string());
        let size = if path.starts_with("/v1") { size.as_str() } else { "" };
        let page = if page == "1" { "" } else { page.as_str() };
        query(
            path,
            &[
                ("search", search),
                ("transport", transport),
                ("family", family),
                ("sort", sort),
                ("order", order),
                ("page", page),
                ("page_size", size),
            ],
        )
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Query(values): Query<BTreeMap<String, String>>,
) -> Response {
    let frame = Frame::new(&api, viewer, "/sessions").await;
    let asked = Asked::read(&values);
    let page = api.get::<SessionPage>(frame.viewer(), &asked.at("/v1/sessions", asked.page)).await;
    let table = match page {
        Ok(page) => table(&page, &asked),
        Err(trouble) => super::frame::cannot(&trouble),
    };
    frame.page(Ok(html! { (form(&asked)) (table) }))
}

fn form(asked: &Asked) -> Markup {
    let select = |name: &str, label: &str, chosen: &str, choices: &[(&str, &str)]| {
        html! {
            div {
                label for={ "by-" (name) } { (label) }
                select id={ "by-" (name) } name=(name) {
                    @for (value, word) in choices { option value=(value) selected[*value == chosen] { (word) } }
                }
            }
        }
    };
    html! {
        form.search method="get" action="/sessions" role="search" {
            div.grow {
                label for="by-search" { "Search" }
                input #by-search name="search" type="search" value=(asked.search) autocomplete="off" spellcheck="false"
                    placeholder="user, address, prefix or session";
            }
            (select("transport", "Transport", &asked.transport, &TRANSPORTS))
            (select("family", "Family", &asked.family, &FAMILIES))
            (select("sort", "First", &asked.sort, &SORTS))
            button type="submit" { "Search" }
        }
    }
}

fn table(page: &SessionPage, asked: &Asked) -> Markup {
    let last = page.matched.div_ceil(PAGE).max(1);
    let first = (page.page.max(1) - 1) * PAGE;
    html! {
        p #matched data-part role="status" {
            strong { (count(page.matched)) } " of " (count(page.total)) " sessions, as of " (time(&page.taken_at))
            @if page.incomplete { "; some are missing, a worker of the relay is too slow to tell of them" }
        }
        p.quiet #none hidden[!page.sessions.is_empty()] { "No session is like that." }
        div #sessions.scroll.virtual tabindex="0" role="region" aria-label="Table of sessions"
            data-matched=(page.matched) data-page=(page.page.max(1)) data-page-size=(PAGE) hidden[page.sessions.is_empty()] {
            table.sessions aria-rowcount=(page.matched + 2) {
                (columns(asked))
                tbody {
                    @for (place, row) in (first + 3..).zip(&page.sessions) { (self::row(row, Some(place))) }
                }
            }
        }
        nav.pages #pages aria-label="Pages" {
            @if page.page > 1 { a rel="prev" href=(asked.at("/sessions", page.page - 1)) { "Previous" } }
            span { "Page " (count(page.page.max(1))) " of " (count(last)) }
            @if page.page < last { a rel="next" href=(asked.at("/sessions", page.page + 1)) { "Next" } }
        }
    }
}

fn columns(asked: &Asked) -> Markup {
    let column = |name: &str, sort: &str| {
        let sorted = if asked.sort.is_empty() { "began" } else { asked.sort.as_str() } == sort;
        let least_first = asked.order == "asc" || (asked.order.is_empty() && sort == "mos");
        let direction = if least_first { "ascending" } else { "descending" };
        let next = if sorted && !least_first {
            "asc"
        } else if sorted {
            "desc"
        } else {
            ""
        };
        let Asked { search, transport, family, .. } = asked;
        let values = [
            ("search", search.as_str()),
            ("transport", transport),
            ("family", family),
            ("sort", sort),
            ("order", next),
        ];
        html! {
            th scope="col" aria-sort=[sorted.then_some(direction)] {
                a href=(query("/sessions", &values)) { (name) @if sorted { span aria-hidden="true" { @if least_first { " ▲" } @else { " ▼" } } } }
            }
        }
    };
    html! {
        thead {
            tr {
                th colspan="5" scope="colgroup" { "Session" }
                th.edge colspan="4" scope="colgroup" { "Client's leg" }
                th.edge colspan="4" scope="colgroup" { "Peer's leg" }
                th.edge colspan="3" scope="colgroup" { "Both ways" }
            }
            tr {
                th scope="col" { "Name" } th scope="col" { "Client" } th scope="col" { "Over" } th scope="col" { "User" }
                (column("Age", "began"))
                @for _ in 0..2 {
                    (column("MOS", "mos")) (column("Loss", "loss")) (column("Jitter", "jitter")) (column("RTT", "rtt"))
                }
                th.edge scope="col" { "DSCP out" } th scope="col" { "DSCP back" }
                (column("Traffic", "bytes"))
            }
        }
    }
}

/// The same where nothing can be put in another order.
pub(super) fn plain_columns() -> Markup {
    html! {
        thead { tr {
            th scope="col" { "Name" } th scope="col" { "Client" } th scope="col" { "Over" } th scope="col" { "User" } th scope="col" { "Age" }
            @for leg in ["Client's", "Peer's"] {
                th.edge scope="col" { (leg) " MOS" } th scope="col" { (leg) " loss" } th scope="col" { (leg) " jitter" } th scope="col" { (leg) " RTT" }
            }
            th.edge scope="col" { "DSCP out" } th scope="col" { "DSCP back" } th scope="col" { "Traffic" }
        } }
    }
}

/// One of them. `place` is counted from the head of the table of all.
pub(super) fn row(row: &SessionRow, place: Option<u64>) -> Markup {
    let media = row.media.as_ref();
    html! {
        tr data-id=(row.id) aria-rowindex=[place] {
            th scope="row" { a href={ "/sessions/" (encode(&row.id)) } { (row.id) } @if row.is_self_test { " " span.tag { "self-test" } } }
            td { (row.client) }
            td { (row.transport.to_uppercase()) }
            td { a href=(query("/explain", &[("user", &row.user)])) title=(row.user) { (row.user.get(..8).unwrap_or(&row.user)) } }
            td { (duration(row.age_seconds)) }
            (leg(media.map(|media| &media.client)))
            (leg(media.map(|media| &media.peer)))
            td.edge { (dscp(media.map(|media| media.client_to_peer_dscp))) }
            td { (dscp(media.map(|media| media.peer_to_client_dscp))) }
            td { (bytes(row.client_to_peer.bytes.saturating_add(row.peer_to_client.bytes))) }
        }
    }
}

fn leg(figures: Option<&LegFigures>) -> Markup {
    let LegFigures { mos: score, loss_percent, jitter_ms, rtt_ms } = figures.copied().unwrap_or_default();
    let class = match score {
        Some(score) if score < 3.1 => "heat-3",
        Some(score) if score < 3.6 => "heat-2",
        Some(score) if score < 4.0 => "heat-1",
        Some(_) => "heat-0",
        None => "",
    };
    html! {
        td.edge { span.cell.(class) { (maybe(score, mos)) } }
        td { (maybe(loss_percent, percent)) }
        td { (maybe(jitter_ms, millis)) }
        td { (maybe(rtt_ms, millis)) }
    }
}

fn dscp(change: Option<DscpChange>) -> String {
    let Some(DscpChange { came, left }) = change else { return NOTHING.to_owned() };
    if came.is_none() && left.is_none() {
        return NOTHING.to_owned();
    }
    format!("{} → {}", class(came), class(left))
}

/// The names that people know (RFC 4594), else the number.
fn class(dscp: Option<u8>) -> String {
    match dscp {
        None => "?".to_owned(),
        Some(0) => "BE".to_owned(),
        Some(46) => "EF".to_owned(),
        Some(number @ (10 | 12 | 14 | 18 | 20 | 22 | 26 | 28 | 30 | 34 | 36 | 38)) => {
            format!("AF{}{}", number / 8, number % 8 / 2)
        }
        Some(number) if number % 8 == 0 => format!("CS{}", number / 8),
        Some(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_names_that_people_know() {
        let names = [None, Some(0), Some(46), Some(34), Some(10), Some(38), Some(40), Some(3)].map(class);
        assert_eq!(names, ["?", "BE", "EF", "AF41", "AF11", "AF43", "CS5", "3"]);
        assert_eq!(dscp(Some(DscpChange { came: Some(46), left: Some(0) })), "EF → BE");
        assert_eq!(dscp(Some(DscpChange::default())), NOTHING);
    }

    #[test]
    fn the_api_is_asked_for_a_page_of_what_was_typed() {
        let values = [("search", " 10.0.0.0/8 "), ("page", "3"), ("sort", "mos"), ("order", "")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let asked = Asked::read(&values);
        assert_eq!(
            asked.at("/v1/sessions", asked.page),
            "/v1/sessions?search=10.0.0.0%2F8&sort=mos&page=3&page_size=100"
        );
        assert_eq!(asked.at("/sessions", 1), "/sessions?search=10.0.0.0%2F8&sort=mos");
    }
}
