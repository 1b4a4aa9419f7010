//! The paths of the admin API, and what they answer with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::answer::{bad_request, defect, json_response, read_body, refuse, say_in_json};
use super::audit::AuditEntry;
use super::caller::Caller;
use super::changes::{self, Changes};
use super::gate::{self, Gate};
use super::orders::Orders;
use super::probes::{self, Probes};
use super::sessions::{self, Calls, LastCopy};
use super::stream::{self, STREAMS};
use super::{BfdReport, ErrorReport, Health, Operations, Parts, Refusal, Report, login, openapi, operations};
use super::{explain, watched};
use crate::control::operator_page;
use crate::control::watch::Watch;
use crate::engine;
use crate::metrics::Heart;
use crate::wire::bgp::Prefix;

/// Questions at a time that wait for another thread.
const WAITING_MAX: usize = 16;
/// Changes at a time that do, besides: however many ask, an operator can act.
const CHANGING_MAX: usize = 8;

/// What every handler has.
#[derive(Clone)]
pub struct Desk {
    operations: Arc<dyn Operations>,
    /// For what is read.
    room: Arc<Semaphore>,
    /// For what is changed.
    changing: Arc<Semaphore>,
    pub(super) gate: Arc<Gate>,
    pub(super) changes: Arc<Changes>,
    pub(super) probes: Arc<Probes>,
    pub(super) hearts: Arc<[Heart]>,
    pub(super) calls: Arc<dyn Calls>,
    /// The last look at all of them.
    pub(super) copy: LastCopy,
    pub(super) orders: Orders,
    pub(super) watch: Arc<Watch>,
    pub(super) streams: Arc<Semaphore>,
    /// Held while the relay begins to be emptied, or ceases to be: what is told to the announcer and what is remembered
    /// here must not be of two orders.
    pub(super) draining: Arc<Mutex<()>>,
    /// What the engines run with, for credentials.
    pub(super) engine: Arc<ArcSwapOption<engine::Settings>>,
    /// Where clients find the relay.
    pub(super) urls: Arc<ArcSwap<Vec<String>>>,
}

/// What `/v1/audit` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    /// The oldest first.
    pub entries: Vec<AuditEntry>,
}

/// What `/v1/me` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// As the audit log has it.
    pub who: String,
    /// "viewer" or "operator".
    pub role: String,
    /// What a browser sends along with a change, as X-Tern-Csrf.
    pub csrf: Option<String>,
}

/// What the bodies of `POST /v1/bgp/announce` and `/v1/bgp/withdraw` say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Selection {
    /// One prefix; all of them if left out.
    prefix: Option<String>,
    /// To announce what the relay would not.
    force: bool,
}

/// A table of paths: the router, and a list for whoever compares it with the document.
macro_rules! routes {
    ($($method:ident $path:literal $handler:path;)*) => {
        fn api() -> Router<Desk> {
            Router::new()$(.route($path, $method($handler)))*
        }

        /// Every path behind the gate.
        #[cfg(test)]
        pub(super) const TABLE: &[(&str, &str)] = &[$((stringify!($method), $path)),*];
    };
}

routes! {
    get "/openapi.json" openapi::document;
    get "/v1/me" me;
    get "/v1/audit" audit;
    get "/v1/status" watched::status;
    get "/v1/capacity" watched::capacity;
    get "/v1/alerts" watched::alerts;
    get "/v1/history" watched::history;
    get "/v1/quality" watched::quality;
    get "/v1/events" watched::events;
    get "/v1/stream" stream::stream;
    get "/v1/explain" explain::explain;
    get "/v1/sessions" sessions::list;
    get "/v1/sessions/{id}" sessions::show;
    delete "/v1/sessions/{id}" sessions::end;
    get "/v1/health" health;
    get "/v1/bgp" bgp;
    get "/v1/bgp/why" why;
    post "/v1/bgp/why" why_now;
    post "/v1/bgp/announce" announce;
    post "/v1/bgp/withdraw" withdraw;
    get "/v1/bfd" bfd;
    post "/v1/drain" operations::drain;
    post "/v1/undrain" operations::undrain;
    get "/v1/reload" operations::reload_state;
    post "/v1/reload" operations::reload;
    post "/v1/reload/confirm" operations::confirm;
    post "/v1/reload/undo" operations::undo;
    get "/v1/log" operations::log;
    put "/v1/log" operations::set_log;
    post "/v1/credentials" operations::credentials;
    post "/v1/credentials/verify" operations::verify;
}

impl Desk {
    /// Of all its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let changes = Arc::new(Changes::new(Arc::clone(&parts.watch)));
        Self {
            operations: parts.operations,
            room: Arc::new(Semaphore::new(WAITING_MAX)),
            changing: Arc::new(Semaphore::new(CHANGING_MAX)),
            gate: Arc::new(Gate::new(parts.access, Arc::clone(&changes.audit))),
            changes,
            probes: Arc::default(),
            hearts: parts.hearts.into(),
            calls: parts.calls,
            copy: LastCopy::default(),
            orders: parts.orders,
            watch: parts.watch,
            streams: Arc::new(Semaphore::new(STREAMS)),
            draining: Arc::default(),
            engine: Arc::default(),
            urls: Arc::default(),
        }
    }

    /// From now on the engines run with `settings`, and clients find the relay at `urls`.
    pub fn set_engine(&self, settings: Arc<engine::Settings>, urls: Vec<String>) {
        self.engine.store(Some(settings));
        self.urls.store(Arc::new(urls));
    }

    /// From now on others are let in.
    pub fn set_access(&self, access: super::Access) {
        self.gate.set(access);
    }

    pub(super) fn router(&self) -> Router {
        self.guard(self.routes())
    }

    /// Every path, open to anybody.
    fn routes(&self) -> Router<Self> {
        let api = api();
        #[cfg(any(test, debug_assertions))]
        let api = super::debug::add(api);
        Router::new()
            .route("/livez", get(probes::live))
            .route("/readyz", get(probes::ready))
            .route("/login", post(login::log_in))
            // Whoever only reads may end his session, too: it is noted where it is done.
            .route("/logout", post(login::log_out))
            .merge(api.layer(from_fn_with_state(Arc::clone(&self.changes), changes::conduct)))
            .merge(operator_page::open())
            .merge(operator_page::guarded(self::api().with_state(self.clone())))
    }

    /// Puts the gate before all of `routes`.
    pub(super) fn guard(&self, routes: Router<Self>) -> Router {
        let not_allowed = || async {
            let text = "GET reads, POST, PUT and DELETE change";
            refuse(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        };
        let not_found =
            || async { refuse(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path") };
        routes
            .fallback(not_found)
            .method_not_allowed_fallback(not_allowed)
            .layer(from_fn_with_state(Arc::clone(&self.gate), gate::guard))
            .layer(from_fn(operator_page::send_to_login))
            .layer(from_fn(say_in_json))
            .layer(from_fn_with_state(Arc::clone(&self.gate), gate::check_host))
            .with_state(self.clone())
    }
}

/// Who asks, and what he may do.
#[utoipa::path(get, path = "/v1/me", tag = "callers", responses((status = 200, body = Me), (status = "4XX", body = ErrorReport)))]
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Response {
    let Caller { who, role, csrf, .. } = caller;
    let csrf = csrf.map(|csrf| csrf.to_string());
    json_response(StatusCode::OK, &Me { who, role: role.name().to_owned(), csrf })
}

/// Who has changed what: the last thousand changes.
#[utoipa::path(get, path = "/v1/audit", tag = "callers", params(("after" = Option<u64>, Query, description = "Only what came after the entry of this number.")), responses((status = 200, body = AuditLog), (status = "4XX", body = ErrorReport)))]
pub(super) async fn audit(
    State(desk): State<Desk>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    match query.get("after").map_or(Ok(0), |after| after.parse()) {
        Ok(after) => json_response(StatusCode::OK, &AuditLog { entries: desk.changes.audit.after(after) }),
        Err(_) => bad_request("after: expected the number of an entry"),
    }
}

/// What the relay thinks of itself, and why. One that announces nothing has no checks.
#[utoipa::path(get, path = "/v1/health", tag = "announcements", responses((status = 200, body = Health), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn health(State(desk): State<Desk>) -> Response {
    let watch = Arc::clone(&desk.watch);
    desk.answer(move |operations| match operations.report() {
        Ok(report) => Ok(report.health),
        Err(Refusal::Pointless(_)) if watch.announces_nothing() => Ok(watch.health()),
        Err(refusal) => Err(refusal),
    })
    .await
}

/// The neighbours, and what they are told.
#[utoipa::path(get, path = "/v1/bgp", tag = "announcements", responses((status = 200, body = Report), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn bgp(State(desk): State<Desk>) -> Response {
    desk.report().await
}

/// The sessions of BFD.
#[utoipa::path(get, path = "/v1/bfd", tag = "announcements", responses((status = 200, body = BfdReport), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn bfd(State(desk): State<Desk>) -> Response {
    desk.answer(|operations| Ok(operations.report()?.bfd())).await
}

/// The same, under the name of the command.
#[utoipa::path(get, path = "/v1/bgp/why", tag = "announcements", responses((status = 200, body = Report), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn why(State(desk): State<Desk>) -> Response {
    desk.report().await
}

/// Runs every check, then says the chain of rules behind each announcement.
#[utoipa::path(post, path = "/v1/bgp/why", tag = "announcements", responses((status = 200, body = Report), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn why_now(State(desk): State<Desk>) -> Response {
    desk.report_after(|operations| operations.check_now()).await
}

/// Lifts a withdrawal; with force announces what the relay would not.
#[utoipa::path(post, path = "/v1/bgp/announce", tag = "announcements", request_body(content = Selection, description = "May be left out."), responses((status = 200, body = Report), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn announce(State(desk): State<Desk>, body: String) -> Response {
    match select(&body) {
        Ok((prefix, force)) => desk.report_after(move |operations| operations.announce(prefix, force)).await,
        Err(text) => bad_request(&text),
    }
}

/// Withdraws one prefix or all, until somebody announces them again.
#[utoipa::path(post, path = "/v1/bgp/withdraw", tag = "announcements", request_body(content = Selection, description = "May be left out."), responses((status = 200, body = Report), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn withdraw(State(desk): State<Desk>, body: String) -> Response {
    match select(&body) {
        Ok((prefix, _)) => desk.report_after(move |operations| operations.withdraw(prefix)).await,
        Err(text) => bad_request(&text),
    }
}

/// The prefix that a body names, if it names one, and whether it insists.
fn select(body: &str) -> Result<(Option<Prefix>, bool), String> {
    let selection: Selection = read_body(body)?;
    let parse =
        |text: String| text.parse().map_err(|_| format!("{text:?} is no prefix such as \"10.99.0.1/32\""));
    Ok((selection.prefix.map(parse).transpose()?, selection.force))
}

impl Desk {
    /// How the relay stands.
    async fn report(&self) -> Response {
        self.answer(Operations::report).await
    }

    /// Does `change`, then says how the relay stands.
    async fn report_after(
        &self,
        change: impl FnOnce(&dyn Operations) -> Result<(), Refusal> + Send + 'static,
    ) -> Response {
        self.change(move |operations| {
            change(operations)?;
            operations.report()
        })
        .await
    }

    /// Asks on a thread that may wait.
    pub(super) async fn answer<T: Serialize + Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Operations) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        self.wait(&self.room, ask).await
    }

    /// The same for what changes something: it does not stand behind those who read.
    pub(super) async fn change<T: Serialize + Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Operations) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        self.wait(&self.changing, ask).await
    }

    /// The place is the thread's: it is taken for as long as the thread works, even if whoever asked has hung up.
    async fn wait<T: Serialize + Send + 'static>(
        &self,
        room: &Arc<Semaphore>,
        ask: impl FnOnce(&dyn Operations) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        let Ok(place) = Arc::clone(room).acquire_owned().await else {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "the relay stops");
        };
        let operations = Arc::clone(&self.operations);
        let working = tokio::task::spawn_blocking(move || {
            let answer = ask(&*operations);
            drop(place);
            answer
        });
        match working.await {
            Ok(Ok(value)) => json_response(StatusCode::OK, &value),
            Ok(Err(refusal)) => refusal.into_response(),
            Err(_) => defect(),
        }
    }
}
