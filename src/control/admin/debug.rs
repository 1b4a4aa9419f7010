//! Two ways to make a relay ill on purpose, for tests of what happens then. Not there in a release.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

use super::routes::{Admin, read_body, refuse};

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

pub(super) fn add(routes: Router<Admin>) -> Router<Admin> {
    routes.route("/v1/debug/hang", post(hang)).route("/v1/debug/stall", post(stall))
}

async fn hang(State(admin): State<Admin>, body: String) -> Response {
    let illness: Illness = match read_body(&body) {
        Ok(illness) => illness,
        Err(text) => return refuse(StatusCode::BAD_REQUEST, "bad_request", &text),
    };
    let time = Duration::from_millis(illness.milliseconds.min(LONGEST));
    admin.answer(move |operations| operations.hang(illness.worker, time)).await
}

/// The control runtime does nothing else meanwhile. That is the point.
async fn stall(State(admin): State<Admin>, body: String) -> Response {
    match read_body::<Illness>(&body) {
        Ok(illness) => {
            std::thread::sleep(Duration::from_millis(illness.milliseconds.min(LONGEST)));
            admin.answer(|_| Ok(())).await
        }
        Err(text) => refuse(StatusCode::BAD_REQUEST, "bad_request", &text),
    }
}
