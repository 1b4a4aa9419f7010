//! Two ways to make a relay ill on purpose, for tests of what happens then. Not there in a release.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use super::answer::{bad_request, read_body};
use super::routes::Desk;

/// Nobody forgets a relay that he has made ill for long.
const LONGEST: u64 = 60_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Illness {
    /// The worker that hangs.
    worker: u8,
    /// For how long.
    milliseconds: u64,
}

pub(super) fn add(routes: Router<Desk>) -> Router<Desk> {
    routes.route("/v1/debug/hang", post(hang)).route("/v1/debug/stall", post(stall))
}

async fn hang(State(desk): State<Desk>, body: String) -> Response {
    let illness: Illness = match read_body(&body) {
        Ok(illness) => illness,
        Err(text) => return bad_request(&text),
    };
    let time = Duration::from_millis(illness.milliseconds.min(LONGEST));
    desk.change(move |operations| operations.hang(illness.worker, time)).await
}

/// The control runtime does nothing else meanwhile. That is the point.
async fn stall(State(desk): State<Desk>, body: String) -> Response {
    match read_body::<Illness>(&body) {
        Ok(illness) => {
            std::thread::sleep(Duration::from_millis(illness.milliseconds.min(LONGEST)));
            desk.change(|_| Ok(())).await
        }
        Err(text) => bad_request(&text),
    }
}
