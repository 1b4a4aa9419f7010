//! The form of what is answered.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
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
