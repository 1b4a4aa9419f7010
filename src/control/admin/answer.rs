//! The form of what is answered.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;

/// An answer that says no.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorReport {
    /// What it says.
    pub error: ErrorText,
}

/// Why somebody does not get what he asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorText {
    /// A word for programs.
    pub code: String,
    /// A sentence for people, which says what to do.
    pub text: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Pointless(_) => (StatusCode::CONFLICT, "pointless"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Wrong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong"),
        };
        refuse(status, code, &self.to_string())
    }
}

/// An answer that says no: a word for programs, a sentence for people.
pub(super) fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    let error = ErrorText { code: code.to_owned(), text: text.to_owned() };
    json_response(status, &ErrorReport { error })
}

/// Bytes of a sentence that something else has written.
const TEXT_MAX: usize = 4 * 1024;

/// What was refused before a handler of ours saw it, a path that is no text or a query that cannot be read, is refused in
/// the same form as everything else.
pub(super) async fn say_in_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_written = [&b"application/json"[..], b"text/html"].iter().any(|ours| kind.starts_with(ours));
    if !(status.is_client_error() || status.is_server_error()) || is_written {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, TEXT_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let text =
        if said.trim().is_empty() { status.canonical_reason().unwrap_or_default() } else { said.trim() };
    let code = if status.is_server_error() { "defect" } else { "bad_request" };
    let mut answer = refuse(status, code, text);
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    answer.headers_mut().extend(parts.headers);
    answer
}

pub(super) fn bad_request(text: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, "bad_request", text)
}

/// What it looks like when something of ours broke.
pub(super) fn defect() -> Response {
    let text = "a defect in the relay: the answer could not be made; its log says more";
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "defect", text)
}

pub(super) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a defect in the relay: an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An empty body says nothing in particular.
pub(super) fn read_body<T: Default + for<'de> Deserialize<'de>>(body: &str) -> Result<T, String> {
    if body.trim().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(body).map_err(|error| format!("the body is not what is expected here: {error}"))
}
