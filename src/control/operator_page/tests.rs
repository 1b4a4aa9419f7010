//! The views against an API that says hostile things.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tower_service::Service;

use super::*;
use crate::control::admin::{
    Alert, Attributes, Capacity, Cell, Check, Drain, DscpChange, DscpClass, EndedSession, Event, EventPage,
    EventSeverity, Explanation, Health, HeatMap, HeatRow, History, JournalEntry, Neighbor, Point,
    QualityHistory, QualityPoint, QualityReport, Report, Resource, Role, Room, Route, RpkiCache,
    SessionMedia, SessionPage, SessionReport, SessionRow, Status, Transition,
};

/// What somebody would write who wants to be more than text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1) style=x>&amp;";

const VIEWS: [&str; 12] = [
    "/",
    "/announcements",
    "/sessions",
    "/sessions?search=%3Cscript%3E%22&sort=mos&page=2",
    "/sessions/0-1",
    "/quality",
    "/quality?leg=peer&show=rtt",
    "/timeline",
    "/timeline?severity=warning",
    "/explain",
    "/explain?user=%3Cscript%3Ealert(1)%22",
    "/explain?session=0-1",
];

fn text() -> String {
    HOSTILE.to_owned()
}

fn status() -> Status {
    let room = Room { used: 50.0, limit: Some(100.0), free_share: Some(0.5), ..Room::default() };
    let alert = Alert {
        name: text(),
        subject: Some(text()),
        text: text(),
        remedy: text(),
        since: text(),
        ..Alert::default()
    };
    let mut status = Status {
        name: text(),
        version: text(),
        state: text(),
        since: text(),
        not_ready: vec![text()],
        announced: vec![text()],
        draining: Some(Drain {
            since: text(),
            deadline: Some(text()),
            sessions_left: 1_234,
            ..Drain::default()
        }),
        capacity: Capacity { sessions: room, binds: Some(Resource::Sessions), ..Capacity::default() },
        alerts: vec![alert],
        ..Status::default()
    };
    status.sessions.total = 1_234;
    status.rates.worker_busy = vec![0.5];
    status
}

fn report() -> Report {
    let attributes = Attributes {
        communities: vec![text()],
        large_communities: vec![text()],
        next_hop: text(),
        ..Attributes::default()
    };
    let route = Route {
        prefix: text(),
        announced: true,
        attributes: Some(attributes),
        withheld: Some(text()),
        why: vec![text()],
    };
    let neighbor = Neighbor {
        name: text(),
        address: text(),
        state: text(),
        halted: Some(text()),
        last_failure: Some(text()),
        failure_cause: Some(text()),
        routes: vec![route],
        ..Neighbor::default()
    };
    let check =
        Check { name: text(), status: text(), last: Some(text()), detail: text(), ..Check::default() };
    let transition = Transition { at: text(), from: text(), to: text(), reasons: vec![text()] };
    let health = Health {
        state: text(),
        reasons: vec![text()],
        checks: vec![check],
        transitions: vec![transition],
        ..Health::default()
    };
    let cache = RpkiCache {
        address: text(),
        state: text(),
        updated: Some(text()),
        last_failure: Some(text()),
        ..RpkiCache::default()
    };
    Report { health, router_id: text(), neighbors: vec![neighbor], rpki: vec![cache], ..Report::default() }
}

fn row() -> SessionRow {
    let dscp = DscpChange { came: Some(46), left: Some(0) };
    let media = SessionMedia { session: text(), client_to_peer_dscp: dscp, ..SessionMedia::default() };
    SessionRow {
        id: text(),
        user: text(),
        client: text(),
        server: text(),
        transport: text(),
        relayed: text(),
        media: Some(media),
        ..SessionRow::default()
    }
}

fn event() -> Event {
    Event { number: 1, at: text(), text: text(), fields: [(text(), text())].into(), ..Event::default() }
}

/// The API, as far as the page asks.
async fn api(uri: Uri) -> Response {
    let said = match uri.path() {
        "/v1/status" => serde_json::to_value(status()),
        "/v1/history" => {
            let point = Point { at: text(), sessions: 7, ..Point::default() };
            serde_json::to_value(History { step_seconds: 10, points: vec![point] })
        }
        "/v1/bgp" => serde_json::to_value(report()),
        "/v1/sessions" => {
            let page = 1 + u64::from(uri.query().is_some_and(|query| query.contains("page=2")));
            serde_json::to_value(SessionPage {
                taken_at: text(),
                total: 500,
                matched: 250,
                page,
                page_size: 100,
                incomplete: false,
                sessions: vec![row()],
            })
        }
        "/v1/sessions/0-1" => {
            let media =
                json!({ "history": [], "client_to_peer": { "streams": [{ "codec": HOSTILE, "ssrc": 7 }] } });
            serde_json::to_value(SessionReport {
                session: row(),
                drops: [(text(), 3)].into(),
                media: Some(media),
            })
        }
        "/v1/quality" => {
            let cell = Some(Cell { mos: Some(2.0), rtt_ms: Some(7.0), ..Cell::default() });
            let row = HeatRow { network: text(), sessions: 1, client: vec![cell], peer: vec![cell] };
            let heat_map = HeatMap { columns: vec![text()], rows: vec![row], ..HeatMap::default() };
            serde_json::to_value(QualityReport {
                heat_map,
                dscp: vec![DscpClass { class: text(), ..DscpClass::default() }],
            })
        }
        "/v1/events" => serde_json::to_value(EventPage {
            events: vec![event()],
            newest: 1,
            oldest: 1,
            ..EventPage::default()
        }),
        "/v1/explain" => {
            let entry = JournalEntry {
                at: text(),
                kind: text(),
                text: text(),
                client: text(),
                transport: text(),
                session: Some(text()),
                ..JournalEntry::default()
            };
            let ended = EndedSession {
                id: text(),
                client: text(),
                transport: text(),
                ended: text(),
                ..EndedSession::default()
            };
            let history = QualityHistory { session: text(), points: vec![QualityPoint::default()] };
            serde_json::to_value(Explanation {
                user: Some(text()),
                sessions: vec![row()],
                incomplete: true,
                records: vec![ended],
                entries: vec![entry],
                route_changes: vec![event()],
                quality: vec![history],
                suppressed: 3,
            })
        }
        _ => {
            return (StatusCode::NOT_FOUND, json!({ "error": { "code": "x", "text": HOSTILE } }).to_string())
                .into_response();
        }
    };
    said.unwrap().to_string().into_response()
}

/// The page, before a gate that lets everybody in with a role, and nobody without.
fn page(api: Router, role: Option<Role>) -> Router {
    let gate = from_fn(move |mut request: Request, next: Next| async move {
        let Some(role) = role else { return StatusCode::UNAUTHORIZED.into_response() };
        let csrf = Some("a secret of the page".into());
        let caller = Caller { who: text(), role, from: text(), csrf };
        request.extensions_mut().insert(caller);
        next.run(request).await
    });
    open::<()>().merge(guarded::<()>(api).layer(gate).layer(from_fn(send_to_login)))
}

async fn ask(mut page: Router, path: &str) -> (StatusCode, String, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (parts, body) = page.call(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let headers = json!({
        "policy": header("content-security-policy"), "location": header("location"), "kind": header("content-type"),
    });
    (parts.status, String::from_utf8(body.to_vec()).unwrap(), headers)
}

/// The tags of a page, with the values of their attributes left out.
fn tags(html: &str) -> Vec<String> {
    let (mut tags, mut open, mut quoted) = (Vec::new(), None::<String>, false);
    for character in html.chars() {
        match (&mut open, character) {
            (None, '<') => open = Some(String::new()),
            (Some(_), '"') => quoted = !quoted,
            (Some(_), '>') if !quoted => tags.extend(open.take()),
            (Some(tag), other) if !quoted => tag.push(other),
            _ => {}
        }
    }
    tags
}

fn is_harmless(html: &str) {
    let tags = tags(html);
    assert!(tags.len() > 10, "{html}");
    for tag in &tags {
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!["style", "img", "iframe", "base"].contains(&name), "{tag}");
        let names = attributes.split_whitespace().map(|attribute| attribute.split('=').next().unwrap());
        assert!(names.clone().all(|name| name != "style" && !name.starts_with("on")), "{tag}");
    }
    let scripts: Vec<_> = tags.iter().filter(|tag| tag.starts_with("script")).collect();
    assert_eq!(scripts, ["script type= src="]);
    assert!(html.contains(r#"<script type="module" src="/assets/page.js"></script>"#));
    assert!(
        !html.contains("http://") && !html.contains("https://") && !html.contains("javascript:"),
        "{html}"
    );
}

#[tokio::test]
async fn whatever_the_api_says_is_text() {
    let page = page(Router::new().fallback(api), Some(Role::Operator));
    for view in VIEWS {
        let (status, html, headers) = ask(page.clone(), view).await;
        assert_eq!(status, StatusCode::OK, "{view}: {html}");
        assert_eq!(headers["policy"], POLICY);
        is_harmless(&html);
        assert!(html.contains("&lt;script&gt;alert(1)"), "{view}: {html}");
        assert!(html.contains(r#"data-csrf="a secret of the page""#));
    }
}

#[tokio::test]
async fn a_view_whose_figures_cannot_be_had_says_why() {
    let page = page(
        Router::new().fallback(|| async { api(Uri::from_static("/nothing")).await }),
        Some(Role::Viewer),
    );
    for view in VIEWS.into_iter().filter(|view| *view != "/explain") {
        let (_, html, _) = ask(page.clone(), view).await;
        is_harmless(&html);
        assert!(html.contains("This cannot be shown: &lt;script&gt;"), "{view}: {html}");
    }
    let (status, ..) = ask(page, "/sessions/0-1").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_viewer_is_offered_no_change() {
    let changes =
        ["data-open=\"withdraw\"", "data-action=\"end\"", "data-action=\"drain\"", "data-open=\"undrain\""];
    let shown = async |role| {
        let page = page(Router::new().fallback(api), Some(role));
        let mut all = String::new();
        for view in VIEWS {
            all += &ask(page.clone(), view).await.1;
        }
        changes.map(|change| all.contains(change))
    };
    assert_eq!(shown(Role::Operator).await, [true; 4]);
    assert_eq!(shown(Role::Viewer).await, [false; 4]);
}

#[tokio::test]
async fn whoever_has_not_logged_in_is_shown_where_and_gets_the_files_of_the_form() {
    let page = page(Router::new().fallback(api), None);
    for view in VIEWS {
        let (status, body, headers) = ask(page.clone(), view).await;
        assert_eq!(
            (status, headers["location"].as_str()),
            (StatusCode::SEE_OTHER, Some(login_at("", Some(view)).as_str())),
            "{view}"
        );
        assert!(!body.contains("alert"));
    }
    for (path, said) in [
        ("/login", "Token"),
        ("/login?trouble=failed", "is not known"),
        ("/login?trouble=wait", "Wait a minute"),
    ] {
        let (status, html, headers) = ask(page.clone(), path).await;
        assert_eq!((status, headers["policy"].as_str()), (StatusCode::OK, Some(POLICY)));
        is_harmless(&html);
        assert!(html.contains(said) && html.contains(r#"method="post" action="/login""#), "{html}");
    }
    for (path, kind, content) in assets::FILES {
        let (status, body, headers) = ask(page.clone(), path).await;
        assert_eq!((status, headers["kind"].as_str(), body.as_str()), (StatusCode::OK, Some(kind), content));
        assert!(!content.contains("http://") || content.contains("http://www.w3.org/2000/svg"), "{path}");
        assert!(!content.contains("https://") && !content.contains("innerHTML ="), "{path}");
    }
}

/// Events 5 to 4100, as far as they are asked for; one in a thousand is critical.
async fn many_events(uri: Uri) -> Response {
    let query = Query::<BTreeMap<String, u64>>::try_from_uri(&uri).unwrap();
    let (after, limit) = (query["after"], usize::try_from(query["limit"]).unwrap());
    let event = |number: u64| {
        let severity =
            if number.is_multiple_of(1000) { EventSeverity::Critical } else { EventSeverity::Info };
        Event { number, severity, text: format!("event {number}"), ..Event::default() }
    };
    let events = (5..=4_100).filter(|number| *number > after).take(limit).map(event).collect();
    serde_json::to_string(&EventPage { events, newest: 4_100, oldest: 5, ..EventPage::default() })
        .unwrap()
        .into_response()
}

#[tokio::test]
async fn the_timeline_begins_with_what_happened_last() {
    let api = Router::new().route("/v1/events", axum::routing::get(many_events)).fallback(api);
    let page = page(api, Some(Role::Viewer));
    let shown = async |path: &str| {
        let (_, html, _) = ask(page.clone(), path).await;
        let texts = html.split("<strong>event ").skip(1);
        texts.map(|text| text.split('<').next().unwrap().parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!(shown("/timeline").await, (3_901..=4_100).rev().collect::<Vec<_>>());
    assert_eq!(shown("/timeline?severity=critical").await, [4_000, 3_000, 2_000, 1_000]);
}

#[tokio::test]
async fn figures_of_the_first_page_are_those_of_the_api() {
    let page = page(Router::new().fallback(api), Some(Role::Viewer));
    let (_, html, _) = ask(page.clone(), "/").await;
    assert!(html.contains(r#"data-path="sessions.total" data-form="count">1,234</span>"#), "{html}");
    assert!(html.contains(r#"id="headroom" data-part"#) && html.contains(r#"id="hour" data-part"#), "{html}");
    assert!(html.contains(": 7 to 7, 7 at the end"), "{html}");
    let (_, html, _) = ask(page, "/sessions?page=2").await;
    for said in [
        "<strong>250</strong> of 500 sessions",
        "Page 2 of 3",
        r#"aria-rowindex="103""#,
        r#"aria-rowcount="252""#,
    ] {
        assert!(html.contains(said), "{said}: {html}");
    }
}
