//! Every path of the router, as somebody meets it who may not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use tower_service::Service;

use super::Stub;
use super::remote::{OPERATOR, VIEWER, access};
use crate::control::admin::{Desk, Operations, Parts, Peer, RemotePeer, Shown, routes};
use crate::control::operator_page;

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What anybody may ask. Whoever opens another path says so here, too.
fn is_open(method: &Method, path: &str) -> bool {
    let reads = method.is_safe();
    match path {
        "/livez" | "/readyz" => reads,
        "/login" => reads || *method == Method::POST,
        path => reads && path.starts_with("/assets/"),
    }
}

/// Whoever may read may do that to himself.
fn is_own(method: &Method, path: &str) -> bool {
    !method.is_safe() && path == "/logout"
}

/// The paths that stand in calls of `route` in the sources of the API and of the page, and in its tables.
fn all_paths() -> BTreeSet<String> {
    let mut found: BTreeSet<_> = routes::TABLE.iter().map(|(_, path)| (*path).to_owned()).collect();
    found.extend(operator_page::files().map(ToOwned::to_owned));
    let control = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control");
    let mut folders = vec![control.join("admin"), control.join("operator_page")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("tests")).then_some(path));
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let calls = text.split(".route(").skip(1);
                found.extend(
                    calls.filter_map(|call| Some(call.strip_prefix('"')?.split('"').next()?.to_owned())),
                );
            }
        }
    }
    found
}

struct House {
    router: Router,
    desk: Desk,
}

impl House {
    fn new() -> Self {
        let operations: Arc<dyn Operations> = Arc::<Stub>::default();
        let desk = Desk::new(Parts::new(access(), operations));
        Self { router: desk.router(), desk }
    }

    fn peer() -> RemotePeer {
        RemotePeer { address: "192.0.2.1:1".parse().unwrap(), is_tls: false, shown: Shown::default() }
    }

    async fn ask(&self, method: &Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path.replace("{id}", "0-1"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.extension(ConnectInfo(Peer::Remote(Self::peer())));
        self.router.clone().call(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// A browser of an operator: its cookie, and what its page knows.
    async fn log_in(&self) -> (String, String) {
        let headers = axum::http::HeaderMap::new();
        let (_, cookie) = self.desk.gate.log_in(&Self::peer(), &headers, OPERATOR.as_bytes()).unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let me = self.ask(&Method::GET, "/v1/me", &[HOST, ("cookie", &cookie)]).await;
        let me: Value = serde_json::from_slice(&to_bytes(me.into_body(), 9999).await.unwrap()).unwrap();
        (cookie, me["csrf"].as_str().unwrap().to_owned())
    }
}

const HOST: (&str, &str) = ("host", "localhost");
const ORIGIN: (&str, &str) = ("origin", "http://localhost");

fn turns_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 421 | 429) || status == StatusCode::SEE_OTHER
}

#[test]
fn no_path_is_left_out() {
    let paths = all_paths();
    for known in [
        "/",
        "/sessions/{id}",
        "/livez",
        "/login",
        "/logout",
        "/v1/drain",
        "/v1/debug/hang",
        "/assets/page.js",
    ] {
        assert!(paths.contains(known), "{known}: {paths:?}");
    }
    assert!(paths.len() > 45, "{}", paths.len());
}

#[tokio::test]
async fn nobody_gets_anything_but_what_is_open() {
    let house = House::new();
    for path in all_paths() {
        for method in &METHODS {
            let asked = format!("{method} {path}");
            let status = house.ask(method, &path, &[HOST]).await.status();
            let expected: &[u16] = if method.is_safe() { &[401, 303] } else { &[401] };
            assert_eq!(is_open(method, &path), !turns_away(status), "{asked}: {status}");
            assert!(is_open(method, &path) || expected.contains(&status.as_u16()), "{asked}: {status}");
            for wrong in ["Bearer wrong", "Bearer ", "Basic eDp5"] {
                let status = house.ask(method, &path, &[HOST, ("authorization", wrong)]).await.status();
                assert_eq!(is_open(method, &path), !turns_away(status), "{asked} {wrong}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_reads_everything_and_changes_nothing() {
    let house = House::new();
    let bearer = format!("Bearer {VIEWER}");
    for path in all_paths() {
        for method in &METHODS {
            let status = house.ask(method, &path, &[HOST, ("authorization", &bearer)]).await.status();
            let may = method.is_safe() || is_open(method, &path) || is_own(method, &path);
            let expected = if may { None } else { Some(StatusCode::FORBIDDEN) };
            assert_eq!(turns_away(status).then_some(status), expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn another_machines_name_gets_nothing_at_all() {
    let house = House::new();
    let bearer = format!("Bearer {OPERATOR}");
    for path in all_paths() {
        for method in &METHODS {
            let headers = [("host", "evil.example"), ("authorization", bearer.as_str())];
            let status = house.ask(method, &path, &headers).await.status();
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_change_can_be_forged_and_the_page_can_ask_for_each() {
    let house = House::new();
    let bearer = format!("Bearer {OPERATOR}");
    let elsewhere = ("origin", "http://evil.example");
    for path in all_paths() {
        for method in METHODS.iter().filter(|method| !method.is_safe()) {
            if is_open(method, &path) {
                assert_eq!(
                    house.ask(method, &path, &[HOST, elsewhere]).await.status(),
                    400,
                    "there is no token"
                );
                continue;
            }
            let (cookie, csrf) = house.log_in().await;
            let (by, right) = (("cookie", cookie.as_str()), ("x-tern-csrf", csrf.as_str()));
            for headers in [
                &[HOST, by][..],
                &[HOST, by, ORIGIN],
                &[HOST, by, right],
                &[HOST, by, right, elsewhere],
                &[HOST, by, right, ORIGIN, ("sec-fetch-site", "cross-site")],
                &[HOST, ("authorization", &bearer), elsewhere],
            ] {
                let status = house.ask(method, &path, headers).await.status();
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {headers:?}");
            }
            let status = house.ask(method, &path, &[HOST, by, right, ORIGIN]).await.status();
            assert!(!turns_away(status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_route_that_is_added_is_closed() {
    let mut house = House::new();
    let added = Router::new().route("/v1/forgotten", get(|| async {}).post(|| async {}));
    house.router = house.desk.guard(added);
    for method in [Method::GET, Method::POST] {
        assert_eq!(house.ask(&method, "/v1/forgotten", &[HOST]).await.status(), 401);
    }
}
