//! What operators do besides the announcements: empty the relay, read its configuration again, change its log, make and
//! try credentials.

use std::sync::PoisonError;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;

use super::answer::{bad_request, json_response, read_body};
use super::orders::{Order, ReloadOrder, Reply};
use super::report::{
    CredentialReport, DrainReport, EventKind, EventSeverity, LogReport, ReloadReport, ReloadState, Report,
    Role, VerifyReport,
};
use super::routes::Desk;
use super::{ErrorReport, Operations, Refusal};
use crate::clock::Clock;
use crate::control::watch::{DrainOrder, Happening};
use crate::engine::auth::{self, Credentials};
use crate::time::UnixTime;

/// Until a reload is undone.
const CONFIRM_MAX: u64 = 24 * 3600;
/// Of a credential.
const TTL_MAX: u64 = 366 * 24 * 3600;
/// Of a credential, if nobody says.
const TTL: u64 = 24 * 3600;

/// What the body of `POST /v1/drain` says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DrainWish {
    /// How long somebody waits for it; shown to others, and nothing ends with it.
    deadline_seconds: Option<u32>,
    /// With how many sessions left it counts as empty.
    min_sessions: u32,
    /// The relay's name, to be sure that it is this one.
    name: Option<String>,
    /// Even if no other relay is known to be healthy.
    force: bool,
}

/// What the body of `POST /v1/reload` says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadWish {
    /// Undone after so long, unless `POST /v1/reload/confirm` comes first.
    #[schema(minimum = 1, maximum = 86400)]
    confirm_within_seconds: Option<u64>,
    /// Only say what would change.
    dry_run: bool,
}

/// What the body of `PUT /v1/log` says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogWish {
    /// "error", "warn", "info", "debug" or "trace".
    level: String,
}

/// What the body of `POST /v1/credentials` says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialWish {
    /// For whom: quotas and bandwidth limits go by this name.
    #[schema(max_length = 400)]
    user: String,
    /// How long it is good for; a day if left out.
    #[schema(minimum = 1, maximum = 31622400)]
    ttl_seconds: Option<u64>,
}

/// What the body of `POST /v1/credentials/verify` says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyWish {
    /// As a client would send it.
    username: String,
    /// Whether the user is known at all, if left out.
    #[serde(default)]
    password: Option<String>,
}

/// Empties the relay: `/readyz` says no, neighbours hear of it, and calls that come all the same are served.
#[utoipa::path(post, path = "/v1/drain", tag = "operations", request_body(content = DrainWish, description = "May be left out."),
    responses((status = 200, body = DrainReport), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn drain(State(desk): State<Desk>, body: String) -> Response {
    let order: DrainWish = match read_body(&body) {
        Ok(order) => order,
        Err(text) => return bad_request(&text),
    };
    let name = desk.watch.status(Role::Viewer).name;
    if order.name.as_ref().is_some_and(|given| *given != name) {
        let text = format!("name: this relay is called {name:?}");
        return Refusal::Wrong(text).into_response();
    }
    let asked = desk.clone();
    desk.change(move |operations: &dyn Operations| {
        let _one_at_a_time = asked.draining.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known(operations.report())?;
        let others = before.as_ref().and_then(|report| report.health.others);
        if others == Some(0) && !order.force {
            let text = "no other relay is healthy: calls would go nowhere; force has it emptied all the same";
            return Err(Refusal::Pointless(text.to_owned()));
        }
        known(operations.drain(true))?;
        asked.begin_drain(&order);
        asked.drain_report(operations)
    })
    .await
}

/// Takes calls as before.
#[utoipa::path(post, path = "/v1/undrain", tag = "operations",
    responses((status = 200, body = DrainReport), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn undrain(State(desk): State<Desk>) -> Response {
    let asked = desk.clone();
    desk.change(move |operations: &dyn Operations| {
        let _one_at_a_time = asked.draining.lock().unwrap_or_else(PoisonError::into_inner);
        known(operations.drain(false))?;
        asked.watch.set_drain(None);
        asked.note(EventKind::Drain, "the relay takes calls as before");
        asked.drain_report(operations)
    })
    .await
}

impl Desk {
    fn drain_report(&self, operations: &dyn Operations) -> Result<DrainReport, Refusal> {
        let report: Option<Report> = known(operations.report())?;
        Ok(DrainReport { draining: self.watch.status(Role::Viewer).draining, report })
    }

    /// Said again, only what is waited for changes.
    fn begin_drain(&self, wish: &DrainWish) {
        let now = Clock::new().now().unix;
        let later = |seconds: u32| UnixTime(now.0.saturating_add(seconds.into()));
        let before = self.watch.drain_order();
        self.watch.set_drain(Some(DrainOrder {
            since: before.map_or(now, |before| before.since),
            deadline: wish.deadline_seconds.map(later),
            min_sessions: wish.min_sessions.into(),
        }));
        if before.is_none() {
            self.note(EventKind::Drain, "the relay is emptied");
        }
    }

    fn note(&self, kind: EventKind, text: &'static str) {
        tracing::info!("{text}, as an operator wants it");
        self.watch.note(Happening::new(kind, EventSeverity::Info, text));
    }

    async fn give<T: serde::Serialize>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Response {
        match self.orders.give(order).await {
            Ok(value) => json_response(StatusCode::OK, &value),
            Err(refusal) => refusal.into_response(),
        }
    }
}

/// A relay that announces nothing has no neighbours to be told, and is emptied all the same.
fn known<T>(answer: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Refusal::Pointless(_)) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Reads the configuration again.
#[utoipa::path(post, path = "/v1/reload", tag = "operations", request_body(content = ReloadWish, description = "May be left out."),
    responses((status = 200, body = ReloadReport), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn reload(State(desk): State<Desk>, body: String) -> Response {
    let wish: ReloadWish = match read_body(&body) {
        Ok(wish) => wish,
        Err(text) => return bad_request(&text),
    };
    if wish.confirm_within_seconds.is_some_and(|seconds| !(1..=CONFIRM_MAX).contains(&seconds)) {
        return bad_request("confirm_within_seconds: expected 1 to 86400");
    }
    let order = ReloadOrder {
        confirm_within: wish.confirm_within_seconds.map(Duration::from_secs),
        dry_run: wish.dry_run,
    };
    desk.give(|reply| Order::Reload(order, reply)).await
}

/// Where reloads stand.
#[utoipa::path(get, path = "/v1/reload", tag = "operations",
    responses((status = 200, body = ReloadState), (status = 503, body = ErrorReport)))]
pub(super) async fn reload_state(State(desk): State<Desk>) -> Response {
    desk.give(Order::ReloadState).await
}

/// Keeps what was reloaded.
#[utoipa::path(post, path = "/v1/reload/confirm", tag = "operations",
    responses((status = 200, body = ReloadState), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn confirm(State(desk): State<Desk>) -> Response {
    desk.give(Order::Confirm).await
}

/// Takes back what was reloaded.
#[utoipa::path(post, path = "/v1/reload/undo", tag = "operations",
    responses((status = 200, body = ReloadState), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn undo(State(desk): State<Desk>) -> Response {
    desk.give(Order::Undo).await
}

/// What the log lets through.
#[utoipa::path(get, path = "/v1/log", tag = "operations",
    responses((status = 200, body = LogReport), (status = 503, body = ErrorReport)))]
pub(super) async fn log(State(desk): State<Desk>) -> Response {
    desk.give(|reply| Order::Log(None, reply)).await
}

/// Lets more or less into the log, until the configuration says something new or the relay ends.
#[utoipa::path(put, path = "/v1/log", tag = "operations", request_body = LogWish,
    responses((status = 200, body = LogReport), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn set_log(State(desk): State<Desk>, body: String) -> Response {
    match read::<LogWish>(&body) {
        Ok(wish) => desk.give(|reply| Order::Log(Some(wish.level), reply)).await,
        Err(text) => bad_request(&text),
    }
}

/// Makes a time-limited credential under the first secret that is valid now.
#[utoipa::path(post, path = "/v1/credentials", tag = "operations", request_body = CredentialWish,
    responses((status = 200, body = CredentialReport), (status = "4XX", body = ErrorReport)))]
pub(super) async fn credentials(State(desk): State<Desk>, body: String) -> Response {
    let wish: CredentialWish = match read_body(&body) {
        Ok(wish) => wish,
        Err(text) => return bad_request(&text),
    };
    let ttl = wish.ttl_seconds.unwrap_or(TTL);
    if !(1..=TTL_MAX).contains(&ttl) {
        return bad_request("ttl_seconds: expected 1 to 31622400");
    }
    if wish.user.len() > 400 || wish.user.contains(char::is_control) {
        return bad_request("user: expected at most 400 bytes, and no control character");
    }
    let now = Clock::new().now().unix;
    let engine = desk.engine.load();
    let secrets = engine.as_ref().map(|engine| &engine.auth.credentials().secrets);
    let Some(secret) = secrets.and_then(|secrets| secrets.valid(now).next()) else {
        let text = "no shared secret is valid now: there is no [[auth.shared_secret]], or not_before and not_after exclude it";
        return Refusal::Pointless(text.to_owned()).into_response();
    };
    let expires = UnixTime(now.0.saturating_add(ttl));
    let made = auth::issue(secret, &wish.user, expires);
    let urls = desk.urls.load();
    let server = json!({ "urls": &**urls, "username": made.username, "credential": made.password });
    let report = CredentialReport {
        username: made.username,
        password: made.password,
        expires: expires.to_string(),
        ice_servers: vec![server],
    };
    json_response(StatusCode::OK, &report)
}

/// What the relay would say to whoever showed this.
#[utoipa::path(post, path = "/v1/credentials/verify", tag = "operations", request_body = VerifyWish,
    responses((status = 200, body = VerifyReport), (status = "4XX", body = ErrorReport)))]
pub(super) async fn verify(State(desk): State<Desk>, body: String) -> Response {
    let wish: VerifyWish = match read(&body) {
        Ok(wish) => wish,
        Err(text) => return bad_request(&text),
    };
    let engine = desk.engine.load_full();
    desk.change(move |_: &dyn Operations| {
        let Some(engine) = engine else { return Ok(VerifyReport::default()) };
        let realms: Vec<_> = engine.listeners.iter().map(|listener| listener.realm.to_string()).collect();
        Ok(judge(engine.auth.credentials(), &realms, &wish))
    })
    .await
}

fn judge(credentials: &Credentials, realms: &[String], wish: &VerifyWish) -> VerifyReport {
    let password = wish.password.as_deref().unwrap_or_default();
    for realm in realms {
        use auth::PasswordFault;
        match credentials.users.verify(realm, &wish.username, password) {
            Ok(()) => {
                return VerifyReport {
                    ok: true,
                    method: Some("users_file".to_owned()),
                    ..VerifyReport::default()
                };
            }
            Err(PasswordFault::Unknown { .. }) => {}
            Err(fault) => {
                return VerifyReport {
                    ok: false,
                    method: Some("users_file".to_owned()),
                    reason: Some(fault.to_string()),
                    ..VerifyReport::default()
                };
            }
        }
    }
    let method = (!credentials.secrets.is_empty()).then(|| "shared_secret".to_owned());
    match credentials.secrets.verify(Clock::new().now().unix, &wish.username, password) {
        Ok(id) => VerifyReport { ok: true, method, secret_id: Some(id.to_owned()), reason: None },
        Err(fault) => VerifyReport { ok: false, method, secret_id: None, reason: Some(fault.to_string()) },
    }
}

/// What has to be said cannot be left out.
fn read<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| format!("the body is not what is expected here: {error}"))
}
