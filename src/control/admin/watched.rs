//! What the watch has found: status, capacity, alerts, the last hour, events, quality. None of it waits for anybody.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ErrorReport;
use super::answer::{bad_request, json_response};
use super::caller::Caller;
use super::report::{AlertList, Capacity, EventPage, History, QualityReport, Status};
use super::routes::Desk;

/// Events of one answer, at most and if nobody says.
const EVENTS_MAX: u64 = 1000;
const EVENTS: u64 = 200;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// Only what came after the event of this number.
    after: Option<u64>,
    /// How many at most, the oldest of them; up to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// The relay at one glance.
#[utoipa::path(get, path = "/v1/status", tag = "watch", responses((status = 200, body = Status), (status = "4XX", body = ErrorReport)))]
pub(super) async fn status(State(desk): State<Desk>, Extension(caller): Extension<Caller>) -> Response {
    json_response(StatusCode::OK, &desk.watch.status(caller.role))
}

/// How much more the relay can carry.
#[utoipa::path(get, path = "/v1/capacity", tag = "watch", responses((status = 200, body = Capacity), (status = "4XX", body = ErrorReport)))]
pub(super) async fn capacity(State(desk): State<Desk>) -> Response {
    json_response(StatusCode::OK, &desk.watch.capacity())
}

/// What somebody should look at now, the worst first.
#[utoipa::path(get, path = "/v1/alerts", tag = "watch", responses((status = 200, body = AlertList), (status = "4XX", body = ErrorReport)))]
pub(super) async fn alerts(State(desk): State<Desk>) -> Response {
    json_response(StatusCode::OK, &AlertList { alerts: desk.watch.alerts() })
}

/// How the relay was in the last hour, a point every ten seconds.
#[utoipa::path(get, path = "/v1/history", tag = "watch", responses((status = 200, body = History), (status = "4XX", body = ErrorReport)))]
pub(super) async fn history(State(desk): State<Desk>) -> Response {
    json_response(StatusCode::OK, &desk.watch.history())
}

/// How good the calls are and were: by network and time, and by DSCP.
#[utoipa::path(get, path = "/v1/quality", tag = "watch", responses((status = 200, body = QualityReport), (status = "4XX", body = ErrorReport)))]
pub(super) async fn quality(State(desk): State<Desk>) -> Response {
    json_response(StatusCode::OK, &desk.watch.quality())
}

/// What has happened.
#[utoipa::path(get, path = "/v1/events", tag = "watch", params(EventQuery),
    responses((status = 200, body = EventPage), (status = "4XX", body = ErrorReport)))]
pub(super) async fn events(State(desk): State<Desk>, uri: Uri) -> Response {
    let query = match Query::<EventQuery>::try_from_uri(&uri) {
        Ok(Query(query)) => query,
        Err(error) => return bad_request(&error.body_text()),
    };
    let limit = query.limit.unwrap_or(EVENTS);
    if !(1..=EVENTS_MAX).contains(&limit) {
        return bad_request("limit: expected 1 to 1000");
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    json_response(StatusCode::OK, &desk.watch.events(query.after.unwrap_or(0), limit))
}
