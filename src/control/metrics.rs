//! The listener that Prometheus reads: `/metrics`, and nothing else.
//!
//! Runs on the control runtime. What it says holds no name and no address of a client, so it asks nobody who they are;
//! it belongs on an address that only operators reach all the same.

use std::io;
use std::net::TcpListener;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::connections::Bounded;
use crate::metrics::Exposition;

/// Takes the listener into the current runtime. The future serves `/metrics` until it is dropped.
///
/// # Errors
///
/// A listener that cannot be used.
pub fn serve_metrics(
    listener: TcpListener,
    exposition: Exposition,
) -> io::Result<impl Future<Output = ()> + Send> {
    listener.set_nonblocking(true)?;
    let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?);
    let router = Router::new().route("/metrics", get(scrape)).with_state(exposition);
    Ok(listener.serve(router, |_| ()))
}

async fn scrape(State(exposition): State<Exposition>) -> Response {
    let headers = [
        (CONTENT_TYPE, Exposition::CONTENT_TYPE),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match exposition.text() {
        Ok(text) => (headers, text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a defect in the relay: its metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::time::UnixTime;

    #[test]
    fn metrics_are_served_for_get_and_nothing_else_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            let exposition = Exposition::new(Vec::new(), UnixTime(7)).unwrap();
            runtime.block_on(async { serve_metrics(listener, exposition).unwrap().await });
        });
        let ask = |line: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let page = ask("GET /metrics");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains(Exposition::CONTENT_TYPE), "{page}");
        assert!(page.contains("\nprocess_start_time_seconds 7\n"), "{page}");
        assert!(ask("POST /metrics").starts_with("HTTP/1.1 405"));
        assert!(ask("GET /").starts_with("HTTP/1.1 404"));
    }
}
