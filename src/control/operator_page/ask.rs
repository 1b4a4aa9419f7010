//! Asking the API without leaving the process, as the caller whose view it is for.

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::Caller;
use crate::control::admin::{ErrorReport, Peer};

pub(super) use crate::control::url::{encode, query};

/// Bytes of an answer: a report of thousands of routes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The API's routes.
#[derive(Clone, Debug)]
pub(super) struct Api(Router);

/// Whoever asks for a view.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) caller: Caller,
    peer: Option<ConnectInfo<Peer>>,
}

/// Why there is nothing to show, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) status: StatusCode,
    text: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = StatusCode;

    /// The gate has said who it is; without a gate there is no view.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Self { caller, peer: parts.extensions.get().cloned() })
    }
}

impl Api {
    pub(super) const fn new(router: Router) -> Self {
        Self(router)
    }

    /// What is at `path`, which must be encoded.
    pub(super) async fn get<T: DeserializeOwned>(&self, viewer: &Viewer, path: &str) -> Result<T, Trouble> {
        let Ok(mut request) = Request::get(path).body(Body::empty()) else {
            return Err(trouble(StatusCode::BAD_REQUEST, "this cannot be asked for"));
        };
        request.extensions_mut().insert(viewer.caller.clone());
        if let Some(peer) = &viewer.peer {
            request.extensions_mut().insert(peer.clone());
        }
        let answered: Result<Response, Infallible> = self.0.clone().call(request).await;
        let (parts, body) = answered.unwrap_or_else(|never| match never {}).into_parts();
        let Ok(body) = to_bytes(body, ANSWER_MAX).await else {
            return Err(trouble(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long to be shown"));
        };
        if !parts.status.is_success() {
            let said = serde_json::from_slice::<ErrorReport>(&body).unwrap_or_default().error.text;
            let text = if said.is_empty() { parts.status.to_string() } else { said };
            return Err(Trouble { status: parts.status, text });
        }
        serde_json::from_slice(&body).map_err(|error| {
            tracing::error!(%error, "a defect in the relay: the page cannot read the API's answer");
            trouble(StatusCode::INTERNAL_SERVER_ERROR, "a defect in the relay; its log says more")
        })
    }
}

fn trouble(status: StatusCode, text: &str) -> Trouble {
    Trouble { status, text: text.to_owned() }
}
