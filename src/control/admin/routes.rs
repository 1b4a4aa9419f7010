//! The paths of the admin API, and what they answer with.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::access::{Access, guard};
use super::{Operations, Refusal, Report};
use crate::wire::bgp::Prefix;

/// Nothing that an operator has to say is longer.
const BODY_MAX: usize = 16 * 1024;
/// Questions at a time that wait for another thread.
const WAITING_MAX: usize = 16;

/// What every handler has.
#[derive(Clone)]
pub(super) struct Admin {
    operations: Arc<dyn Operations>,
    room: Arc<Semaphore>,
}

/// What the bodies of `POST /v1/bgp/announce` and `/v1/bgp/withdraw` say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Selection {
    /// One prefix; all of them if left out.
    prefix: Option<String>,
    /// To announce what the relay would not.
    force: bool,
}

pub(super) fn router(access: Access, operations: Arc<dyn Operations>) -> Router {
    let admin = Admin { operations, room: Arc::new(Semaphore::new(WAITING_MAX)) };
    let routes = Router::new()
        .route("/v1/health", get(health))
        .route("/v1/bgp", get(bgp))
        .route("/v1/bgp/why", get(bgp).post(why_now))
        .route("/v1/bgp/announce", post(announce))
        .route("/v1/bgp/withdraw", post(withdraw))
        .route("/v1/bfd", get(bfd))
        .route("/v1/drain", post(drain))
        .route("/v1/undrain", post(undrain));
    #[cfg(any(test, debug_assertions))]
    let routes = super::debug::add(routes);
    routes
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "GET reads, POST changes")
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(access, guard))
        .with_state(admin)
}

async fn health(State(admin): State<Admin>) -> Response {
    admin.answer(|operations| Ok(operations.report()?.health)).await
}

async fn bgp(State(admin): State<Admin>) -> Response {
    admin.report_after(|_| Ok(())).await
}

async fn bfd(State(admin): State<Admin>) -> Response {
    admin.answer(|operations| Ok(operations.report()?.bfd())).await
}

async fn why_now(State(admin): State<Admin>) -> Response {
    admin.report_after(|operations| operations.check_now()).await
}

async fn drain(State(admin): State<Admin>) -> Response {
    admin.report_after(|operations| operations.drain(true)).await
}

async fn undrain(State(admin): State<Admin>) -> Response {
    admin.report_after(|operations| operations.drain(false)).await
}

async fn announce(State(admin): State<Admin>, body: String) -> Response {
    match select(&body) {
        Ok((prefix, force)) => admin.report_after(move |operations| operations.announce(prefix, force)).await,
        Err(text) => refuse(StatusCode::BAD_REQUEST, "bad_request", &text),
    }
}

async fn withdraw(State(admin): State<Admin>, body: String) -> Response {
    match select(&body) {
        Ok((prefix, _)) => admin.report_after(move |operations| operations.withdraw(prefix)).await,
        Err(text) => refuse(StatusCode::BAD_REQUEST, "bad_request", &text),
    }
}

/// The prefix that a body names, if it names one, and whether it insists.
fn select(body: &str) -> Result<(Option<Prefix>, bool), String> {
    let selection: Selection = read_body(body)?;
    let parse =
        |text: String| text.parse().map_err(|_| format!("{text:?} is no prefix such as \"10.99.0.1/32\""));
    Ok((selection.prefix.map(parse).transpose()?, selection.force))
}

/// An empty body says nothing in particular.
pub(super) fn read_body<T: Default + for<'de> Deserialize<'de>>(body: &str) -> Result<T, String> {
    if body.trim().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(body).map_err(|error| format!("the body is not what is expected here: {error}"))
}

impl Admin {
    /// Does `change`, then says how the relay stands.
    async fn report_after(
        &self,
        change: impl FnOnce(&dyn Operations) -> Result<(), Refusal> + Send + 'static,
    ) -> Response {
        let report = move |operations: &dyn Operations| -> Result<Report, Refusal> {
            change(operations)?;
            operations.report()
        };
        self.answer(report).await
    }

    /// Asks on a thread that may wait.
    pub(super) async fn answer<T: Serialize + Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Operations) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        let Ok(_place) = self.room.acquire().await else {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "the relay stops");
        };
        let operations = Arc::clone(&self.operations);
        match tokio::task::spawn_blocking(move || ask(&*operations)).await {
            Ok(Ok(value)) => json_response(StatusCode::OK, &value),
            Ok(Err(refusal)) => refusal.into_response(),
            Err(_) => {
                let text = "a defect in the relay: the answer could not be made; its log says more";
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "defect", text)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Pointless(_) => (StatusCode::CONFLICT, "pointless"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        };
        refuse(status, code, &self.to_string())
    }
}

/// An answer that says no: a word for programs, a sentence for people.
pub(super) fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    json_response(status, &json!({ "error": { "code": code, "text": text } }))
}

fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match serde_json::to_string(value) {
        Ok(text) => (status, headers, text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a defect in the relay: an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
