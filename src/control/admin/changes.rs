//! What every change passes behind the gate: a key that has it done once (`Idempotency-Key`), and the audit log.
//!
//! A change is done to its end and noted even if whoever asked hangs up meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::{ErrorReport, bad_request, defect, refuse};
use super::audit::{self, Audit};
use super::caller::Caller;
use super::replays::{Answer, Key, Meaning, Replays};
use super::report::{EventKind, EventSeverity};
use crate::clock::Clock;
use crate::control::watch::{Happening, Watch};

/// Nothing that an operator has to say is longer.
const BODY_MAX: usize = 16 * 1024;
/// Characters of a key.
const KEY_MAX: usize = 128;
/// Changes at a time, those included whose callers have hung up.
const RUNNING_MAX: usize = 32;
/// Bytes of what a change answers with: a report of thousands of routes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// What has events of its own, or changes nothing of the relay.
const OTHERWISE_NOTED: [&str; 8] = [
    "/v1/drain",
    "/v1/undrain",
    "/v1/reload",
    "/v1/reload/confirm",
    "/v1/reload/undo",
    "/v1/credentials",
    "/v1/credentials/verify",
    "/v1/bgp/why",
];

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What is remembered of changes.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) audit: Audit,
    replays: Mutex<Replays>,
    room: Arc<Semaphore>,
    watch: Arc<Watch>,
}

impl Changes {
    /// Which notes them among the events, too.
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let room = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { audit: Audit::default(), replays: Mutex::default(), room, watch }
    }
}

/// A change on its way.
struct Running {
    changes: Arc<Changes>,
    caller: Caller,
    key: Option<Key>,
    body: Bytes,
    _place: OwnedSemaphorePermit,
}

/// Lets reads through, and sees changes through to their end.
pub(super) async fn conduct(State(changes): State<Arc<Changes>>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return defect() };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "nothing that can be asked for is so long",
        );
    };
    if str::from_utf8(&body).is_err() {
        return bad_request("the body is no text in UTF-8");
    }
    let Ok(place) = Arc::clone(&changes.room).try_acquire_owned() else { return too_many() };
    let key = match read_key(&parts.headers, &caller) {
        Ok(key) => key,
        Err(text) => return bad_request(text),
    };
    if let Some(key) = &key {
        let mut print = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
            print.update(part);
            print.update([0]);
        }
        let meaning = changes.replays().begin(Clock::new().now().time, key, print.finalize().into());
        if let Some(answer) = known(meaning) {
            return answer;
        }
    }
    let running = Running { changes, caller, key, body: body.clone(), _place: place };
    let request = Request::from_parts(parts, Body::from(body));
    // On a task of its own, which outlives the connection.
    match tokio::spawn(running.run(request, next)).await {
        Ok(response) => response,
        Err(_) => defect(),
    }
}

impl Running {
    async fn run(mut self, request: Request, next: Next) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = next.run(request).await.into_parts();
        let Ok(body) = to_bytes(body, ANSWER_MAX).await else { return defect() };
        let outcome = outcome(parts.status, &body);
        self.changes.audit.note(&self.caller, &method, &path, &self.body, parts.status.as_u16(), &outcome);
        if parts.status.is_success() && !OTHERWISE_NOTED.contains(&path.as_str()) {
            let text = "an operator has changed something";
            let happening = Happening::new(EventKind::Operator, EventSeverity::Info, text);
            let happening =
                happening.with("who", &self.caller.who).with("request", format!("{method} {path}"));
            self.changes.watch.note(happening.with("what", audit::describe(&path, &self.body)));
        }
        // What could not be done now may be asked for again.
        if parts.status != StatusCode::SERVICE_UNAVAILABLE
            && let Some(key) = self.key.take()
        {
            self.changes.replays().finish(&key, parts.status, &body);
        }
        Response::from_parts(parts, Body::from(body))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.changes.replays().forget(key);
        }
    }
}

impl Changes {
    fn replays(&self) -> MutexGuard<'_, Replays> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_key(headers: &HeaderMap, caller: &Caller) -> Result<Option<Key>, &'static str> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let text = key.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()));
    let text = text.ok_or("Idempotency-Key: expected 1 to 128 printable characters")?;
    Ok(Some((caller.who.clone(), text.to_owned())))
}

fn known(meaning: Meaning) -> Option<Response> {
    Some(match meaning {
        Meaning::New => return None,
        Meaning::Answered(Answer { status, body: Some(body) }) => {
            let headers = [(CONTENT_TYPE, "application/json"), (REPLAYED, "true")]
                .map(|(name, value)| (name, HeaderValue::from_static(value)));
            (status, headers, body).into_response()
        }
        Meaning::Answered(Answer { body: None, .. }) => {
            let text = "this was done under this key; its answer was too long to be kept";
            refuse(StatusCode::CONFLICT, "done", text)
        }
        Meaning::Running => {
            refuse(StatusCode::CONFLICT, "running", "what was asked for under this key is not done yet")
        }
        Meaning::Other => {
            let text = "this Idempotency-Key was used for something else; take another";
            refuse(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", text)
        }
        Meaning::Full => too_many(),
    })
}

fn too_many() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many changes are on their way; try again")
}

fn outcome(status: StatusCode, body: &[u8]) -> String {
    if status.is_success() || status.is_redirection() {
        return "done".to_owned();
    }
    let error = serde_json::from_slice::<ErrorReport>(body).unwrap_or_default().error;
    if error.text.is_empty() { status.to_string() } else { error.text }
}
