//! What every change passes behind the gate: a key that has it done once (`Idempotency-Key`), and the audit log.
//!
//! A change is done to its end and noted even if whoever asked hangs up meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
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
    pub(super) audit: Arc<Audit>,
    replays: Mutex<Replays>,
    room: Arc<Semaphore>,
    watch: Arc<Watch>,
}

impl Changes {
    /// Which notes them among the events, too.
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let room = Arc::new(Semaphore::new(RUNNING_MAX));
        Self { audit: Arc::default(), replays: Mutex::default(), room, watch }
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
    let asked = Asked { method: parts.method.clone(), path: parts.uri.path().to_owned() };
    let running = match changes.begin(&caller, &parts, body).await {
        Ok(running) => running,
        Err(Early::Again(response)) => return response,
        Err(Early::Refused(response)) => return changes.tell(&caller, &asked, b"", response).await.0,
    };
    let request = Request::from_parts(parts, Body::from(running.body.clone()));
    // On a task of its own, which outlives the connection.
    match tokio::spawn(running.run(asked, request, next)).await {
        Ok(response) => response,
        Err(_) => defect(),
    }
}

/// What a change is called.
struct Asked {
    method: Method,
    path: String,
}

/// Answers of changes that are not made.
enum Early {
    /// It was made, or is being made.
    Again(Response),
    /// It cannot be.
    Refused(Response),
}

impl Changes {
    /// Reads what is asked for, and finds a place for it.
    async fn begin(self: &Arc<Self>, caller: &Caller, parts: &Parts, body: Body) -> Result<Running, Early> {
        let Ok(body) = to_bytes(body, BODY_MAX).await else {
            let text = "nothing that can be asked for is so long";
            return Err(Early::Refused(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)));
        };
        if str::from_utf8(&body).is_err() {
            return Err(Early::Refused(bad_request("the body is no text in UTF-8")));
        }
        let key = read_key(&parts.headers, caller).map_err(|text| Early::Refused(bad_request(text)))?;
        let place = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Early::Refused(too_many()))?;
        if let Some(key) = &key {
            let mut print = Sha256::new();
            for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
                print.update(part);
                print.update([0]);
            }
            let meaning = self.replays().begin(Clock::new().now().time, key, print.finalize().into());
            if let Some(early) = known(meaning) {
                return Err(early);
            }
        }
        let (changes, caller) = (Arc::clone(self), caller.clone());
        Ok(Running { changes, caller, key, body, _place: place })
    }

    /// Notes what was answered, and answers it.
    async fn tell(
        &self,
        caller: &Caller,
        asked: &Asked,
        body: &[u8],
        response: Response,
    ) -> (Response, Bytes) {
        let (parts, answer) = response.into_parts();
        let Ok(answer) = to_bytes(answer, ANSWER_MAX).await else { return (defect(), Bytes::new()) };
        let (status, outcome) = (parts.status.as_u16(), outcome(parts.status, &answer));
        self.audit.note(caller, &asked.method, &asked.path, body, status, &outcome);
        (Response::from_parts(parts, Body::from(answer.clone())), answer)
    }
}

impl Running {
    async fn run(mut self, asked: Asked, request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        let (response, answer) = self.changes.tell(&self.caller, &asked, &self.body, response).await;
        let status = response.status();
        if status.is_success() && !OTHERWISE_NOTED.contains(&asked.path.as_str()) {
            let text = "an operator has changed something";
            let happening = Happening::new(EventKind::Operator, EventSeverity::Info, text);
            let happening = happening
                .with("who", &self.caller.who)
                .with("request", format!("{} {}", asked.method, asked.path));
            self.changes.watch.note(happening.with("what", audit::describe(&asked.path, &self.body)));
        }
        // What could not be done now may be asked for again.
        if status != StatusCode::SERVICE_UNAVAILABLE
            && let Some(key) = self.key.take()
        {
            self.changes.replays().finish(&key, status, &answer);
        }
        response
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

/// The answer to what was asked for before.
fn known(meaning: Meaning) -> Option<Early> {
    Some(match meaning {
        Meaning::New => return None,
        Meaning::Answered(Answer { status, body: Some(body) }) => {
            let headers = [(CONTENT_TYPE, "application/json"), (REPLAYED, "true")]
                .map(|(name, value)| (name, HeaderValue::from_static(value)));
            Early::Again((status, headers, body).into_response())
        }
        Meaning::Answered(Answer { body: None, .. }) => {
            let text = "this was done under this key; its answer was too long to be kept";
            Early::Again(refuse(StatusCode::CONFLICT, "done", text))
        }
        Meaning::Running => {
            let text = "what was asked for under this key is not done yet";
            Early::Again(refuse(StatusCode::CONFLICT, "running", text))
        }
        Meaning::Other => {
            let text = "this Idempotency-Key was used for something else; take another";
            Early::Refused(refuse(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", text))
        }
        Meaning::Full => Early::Refused(too_many()),
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
