//! The development page: three embedded files and the iceServers, for GET alone.
//!
//! Whoever can open it gets credentials for the relay, so it exists in the development mode only. The Host
//! header must name this machine: a web site elsewhere cannot have its own name point here and read along. The policy
//! forbids every other source of script, style and data.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tokio::task::JoinSet;

use super::hosts::Hosts;

/// Scripts, styles and requests only from here; nothing else at all.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// What the page shows, and under which names it may be asked for.
#[derive(Clone)]
pub struct Page {
    /// What this machine is called.
    pub hosts: Hosts,
    /// Makes the iceServers, with a fresh credential each time.
    pub ice_servers: Arc<dyn Fn() -> Value + Send + Sync>,
}

impl Page {
    fn router(self) -> Router {
        let page = Arc::new(self);
        Router::new()
            .route("/", get(|| text("text/html; charset=utf-8", HTML)))
            .route("/page.js", get(|| text("text/javascript; charset=utf-8", SCRIPT)))
            .route("/page.css", get(|| text("text/css; charset=utf-8", STYLE)))
            .route("/ice-servers.json", get(ice_servers))
            .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
            .layer(from_fn_with_state(Arc::clone(&page), guard))
            .with_state(page)
    }
}

/// Takes the listeners into the current runtime. The future serves the page until it is dropped.
///
/// # Errors
///
/// A listener that cannot be used.
pub fn serve(listeners: Vec<TcpListener>, page: Page) -> io::Result<impl Future<Output = ()> + Send> {
    let router = page.router();
    let mut servers = Vec::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        servers.push(axum::serve(tokio::net::TcpListener::from_std(listener)?, router.clone()));
    }
    Ok(async move {
        let mut tasks = JoinSet::new();
        for server in servers {
            tasks.spawn(server.into_future());
        }
        while tasks.join_next().await.is_some() {}
    })
}

async fn guard(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let mut response = if host.is_some_and(|host| page.hosts.know(host)) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "This page answers to the addresses of its own machine only.\n")
            .into_response()
    };
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    const RULES: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in RULES {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

async fn text(kind: &'static str, body: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind)], body)
}

async fn ice_servers(State(page): State<Arc<Page>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], (page.ice_servers)().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use serde_json::json;

    use super::*;

    fn page() -> Page {
        Page {
            hosts: Hosts { names: Vec::new(), addresses: vec!["192.0.2.7".parse().unwrap()] },
            ice_servers: Arc::new(|| json!([{ "urls": ["stun:192.0.2.7:3478"] }])),
        }
    }

    #[test]
    fn nothing_of_the_page_comes_from_elsewhere_or_stands_inline() {
        for file in [HTML, SCRIPT, STYLE] {
            assert!(!file.contains("http://") && !file.contains("https://"));
        }
        for inline in ["<script>", "<style", " style=", " onclick", " onload", "javascript:"] {
            assert!(!HTML.contains(inline), "{inline}");
        }
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_page_is_served_to_its_own_hosts_for_get_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async { serve(vec![listener], page()).unwrap().await });
        });
        let ask_for = |method: &str, path: &str, host: &str| {
            ask(address, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
        };
        let answer = ask_for("GET", "/", "localhost");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("<!doctype html>"), "{answer}");
        assert!(answer.to_lowercase().contains("content-security-policy: default-src 'none'"), "{answer}");
        let answer = ask_for("GET", "/ice-servers.json", "192.0.2.7:1");
        assert!(answer.ends_with(r#"[{"urls":["stun:192.0.2.7:3478"]}]"#), "{answer}");
        assert!(ask_for("GET", "/page.js", "localhost").contains("text/javascript"));
        assert!(ask_for("GET", "/page.css", "localhost").contains("text/css"));
        assert!(ask_for("POST", "/", "localhost").starts_with("HTTP/1.1 405"));
        assert!(ask_for("GET", "/../secret", "localhost").starts_with("HTTP/1.1 404"));
        let refused = ask_for("GET", "/ice-servers.json", "evil.example");
        assert!(refused.starts_with("HTTP/1.1 421") && !refused.contains("stun:"), "{refused}");
    }
}
