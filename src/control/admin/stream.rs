//! The relay as it changes, for pages and terminals that stay open (server-sent events): the whole status first, then
//! once a second what of it has changed; events as they happen; the list of alerts whenever it is another one.
//!
//! Few at a time. A reader that is slow gets later what it has missed of the events, as far as they are kept, and the
//! newest status; nothing waits for it. Who may no longer read, his stream ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::ErrorReport;
use super::answer::refuse;
use super::caller::{Caller, Peer};
use super::report::{Alert, AlertList, Event};
use super::routes::Desk;

/// Streams at a time.
pub(super) const STREAMS: usize = 16;
/// Messages that may wait for a reader.
const WAITING: usize = 8;
/// Events that are read at once.
const EVENTS: usize = 500;

/// `status` (whole, then what has changed), `event`, `alert` (the whole list); Last-Event-ID goes on with the events.
#[utoipa::path(get, path = "/v1/stream", tag = "watch",
    params(("last-event-id" = Option<u64>, Header, description = "Events after it come first.")),
    responses((status = 200, description = "Server-sent events.", content_type = "text/event-stream", body = String),
        (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn stream(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let Ok(place) = Arc::clone(&desk.streams).try_acquire_owned() else {
        let text = "too many read along already; close a page";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", text);
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let (sender, messages) = mpsc::channel(WAITING);
    let newest = desk.watch.events(u64::MAX, 0).newest;
    // A number that is yet to come is of the relay's life before this one: all that has happened since is new.
    let last = last.map_or(newest, |last: u64| if last > newest { 0 } else { last });
    let stream =
        Stream { desk, peer, caller, headers, sender, last, status: Map::new(), alerts: None, _place: place };
    tokio::spawn(stream.run());
    ([(CONTENT_TYPE, "text/event-stream")], Body::new(Messages(messages))).into_response()
}

struct Stream {
    desk: Desk,
    peer: Peer,
    caller: Caller,
    headers: HeaderMap,
    sender: mpsc::Sender<Bytes>,
    /// The number of the last event that was sent.
    last: u64,
    status: Map<String, Value>,
    alerts: Option<Vec<Alert>>,
    _place: OwnedSemaphorePermit,
}

/// What is sent, as a body without an end.
struct Messages(mpsc::Receiver<Bytes>);

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The reader has gone, or may no longer read.
struct Gone;

impl Stream {
    async fn run(mut self) {
        // It ends when nobody reads.
        let _ = self.tell_all().await;
    }

    async fn tell_all(&mut self) -> Result<(), Gone> {
        let watch = Arc::clone(&self.desk.watch);
        let (mut looks, mut events) = (watch.looks(), watch.listen());
        self.tell_status().await?;
        self.tell_missed().await?;
        loop {
            tokio::select! {
                () = self.sender.closed() => return Err(Gone),
                changed = looks.changed() => {
                    changed.map_err(|_| Gone)?;
                    self.tell_status().await?;
                }
                event = events.recv() => match event {
                    Ok(event) => self.tell_event(&event).await?,
                    Err(RecvError::Lagged(_)) => self.tell_missed().await?,
                    Err(RecvError::Closed) => return Err(Gone),
                },
            }
        }
    }

    async fn tell_status(&mut self) -> Result<(), Gone> {
        if !self.desk.gate.still_admits(&self.peer, &self.headers) {
            return Err(Gone);
        }
        let status = self.desk.watch.status(self.caller.role);
        let alerts = status.alerts.clone();
        let Ok(Value::Object(now)) = serde_json::to_value(status) else { return Err(Gone) };
        let is_new = |(key, value): &(&String, &Value)| self.status.get(*key) != Some(*value);
        let changed: Map<_, _> =
            now.iter().filter(is_new).map(|(key, value)| (key.clone(), value.clone())).collect();
        self.status = now;
        self.send("status", None, &changed).await?;
        if self.alerts.as_ref() != Some(&alerts) {
            self.alerts = Some(alerts.clone());
            self.send("alert", None, &AlertList { alerts }).await?;
        }
        Ok(())
    }

    async fn tell_missed(&mut self) -> Result<(), Gone> {
        loop {
            let page = self.desk.watch.events(self.last, EVENTS);
            if page.events.is_empty() {
                return Ok(());
            }
            for event in &page.events {
                self.tell_event(event).await?;
            }
        }
    }

    async fn tell_event(&mut self, event: &Event) -> Result<(), Gone> {
        if event.number <= self.last {
            return Ok(());
        }
        self.last = event.number;
        self.send("event", Some(event.number), event).await
    }

    async fn send(&mut self, name: &str, id: Option<u64>, value: &impl Serialize) -> Result<(), Gone> {
        let data = serde_json::to_string(value).map_err(|_| Gone)?;
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        let text = format!("event: {name}\n{id}data: {data}\n\n");
        self.sender.send(Bytes::from(text)).await.map_err(|_| Gone)
    }
}
