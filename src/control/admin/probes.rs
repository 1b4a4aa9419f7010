//! What load balancers and supervisors ask without a login: whether the relay lives, and whether it wants calls.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::answer::{json_response, refuse};
use super::routes::Desk;
use crate::clock::Clock;
use crate::metrics::Heart;
use crate::time::Time;

/// A worker that turns answers in less.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at its answer.
const STEP: Duration = Duration::from_millis(5);
/// How long an answer serves whoever asks next: nobody has the relay work by asking.
const FRESH: Duration = Duration::from_millis(500);

/// What `/readyz` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether new calls are welcome.
    pub ready: bool,
    /// Why they are not.
    pub reasons: Vec<String>,
}

/// The last answers.
#[derive(Debug, Default)]
pub(super) struct Probes {
    live: Mutex<Option<(Time, bool)>>,
}

/// `GET /livez`: that it is answered says that the control plane turns.
pub(super) async fn live(State(desk): State<Desk>) -> Response {
    let mut last = desk.probes.live.lock().await;
    let lives = match *last {
        Some((at, lives)) if is_fresh(at) => lives,
        Some(_) | None => {
            let lives = any_beats(&desk.hearts).await;
            *last = Some((now(), lives));
            lives
        }
    };
    if lives {
        json_response(StatusCode::OK, &serde_json::json!({ "live": true }))
    } else {
        refuse(StatusCode::SERVICE_UNAVAILABLE, "dead", "no worker answers; start the relay again")
    }
}

/// `GET /readyz`.
pub(super) async fn ready(State(desk): State<Desk>) -> Response {
    let reasons = desk.watch.not_ready();
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, &Readiness { ready, reasons })
}

/// Whether any of them does. A test's relay without workers lives.
pub(crate) async fn any_beats(hearts: &[Heart]) -> bool {
    let asked: Vec<_> = hearts.iter().map(|heart| (heart, heart.ask())).collect();
    let mut waited = Duration::ZERO;
    while !asked.is_empty() && !asked.iter().any(|(heart, question)| heart.answered(*question)) {
        if waited >= PATIENCE {
            return false;
        }
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
    true
}

fn is_fresh(at: Time) -> bool {
    now().since(at) < FRESH
}

fn now() -> Time {
    Clock::new().now().time
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Pulse;
    use crate::net::poll::Waker;

    #[tokio::test]
    async fn the_relay_lives_while_one_worker_turns() {
        let (one, other) = (Arc::<Pulse>::default(), Arc::<Pulse>::default());
        let heart = |number, pulse: &Arc<Pulse>| Heart::new(number, Arc::clone(pulse), Waker::new().unwrap());
        let hearts = [heart(0, &one), heart(1, &other)];
        assert!(!any_beats(&hearts).await);
        let turning = async {
            tokio::time::sleep(STEP * 3).await;
            other.answer(other.question());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            beats = any_beats(&hearts) => assert!(beats),
            () = turning => {}
        }
    }
}
