//! How the relay is and was: looked at once a second, kept for whoever asks.
//!
//! A look reads the workers' counters, asks the announcer for its view, and judges ([`rules`]) what that means. Everything
//! that the API, the operator page and `/metrics` say of the relay as a whole comes from the last look, so nobody who asks
//! waits, and no worker is asked anything. Calls are asked about less often, for the heat map alone. [`Timeline`] keeps what
//! has happened; others note what they do there.
//!
//! [`Watch::run`] lives on the control runtime; looks run on a thread that may wait.

mod board;
mod capacity;
mod dscp;
mod families;
mod heat;
mod history;
mod look;
mod process;
mod rules;
mod sample;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;
mod timeline;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{broadcast, watch};

pub use heat::{CallLook, Figures};
pub use settings::{CapacityLimits, Thresholds, WatchSettings};
pub use timeline::Happening;

use crate::announce;
use crate::clock::Clock;
use crate::control::admin::{
    self, Alert, AlertSeverity, Capacity, Drain, Event, EventKind, EventPage, EventSeverity, Health, HeatMap,
    QualityReport, QualitySummary, Rates, Role, SessionsByTransport, Status,
};
use crate::engine;
use crate::metrics::Source;
use crate::net::certs::CertStore;
use crate::speaker::View;
use crate::time::{Now, UnixTime};
use heat::Heat;
use look::Memory;
use timeline::Timeline;

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// From one look at the calls to the next, and how much longer than the look itself that has to be.
const LOOK_AT_CALLS: Duration = Duration::from_secs(10);
const CALLS_SHARE: u32 = 20;

const SEVERITIES: [(AlertSeverity, &str); 2] =
    [(AlertSeverity::Warning, "warning"), (AlertSeverity::Critical, "critical")];

/// How the announcer stands. Asked once a second on a thread that may wait.
pub type LookAtAnnouncer = Arc<dyn Fn() -> Standing + Send + Sync>;
/// How all calls are. Asked every ten seconds or less often on a thread that may wait.
pub type LookAtCalls = Arc<dyn Fn() -> Vec<CallLook> + Send + Sync>;
/// What relayed packets leave with that come with a DSCP; none where that is not one thing for all listeners.
pub type LeavingDscp = Arc<dyn Fn(u8) -> Option<u8> + Send + Sync>;

/// What is looked at.
#[derive(Clone)]
pub struct Sources {
    /// Every worker's counters, by number.
    pub workers: Vec<Source>,
    /// The certificates in use.
    pub certificates: Vec<Arc<CertStore>>,
    /// What is left of ports and allocations.
    pub room: Arc<dyn Fn() -> engine::Room + Send + Sync>,
    /// The announcer.
    pub announcer: LookAtAnnouncer,
    /// The calls.
    pub calls: LookAtCalls,
    /// What becomes of marks.
    pub leaving_dscp: LeavingDscp,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// How the announcer stands.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// There is none: this relay announces nothing.
    #[default]
    Absent,
    /// There will be one, and nothing is known of the relay's health until it has looked.
    Awaited,
    /// It does not answer, and why.
    Silent(String),
    /// It has answered.
    Seen {
        /// What it was told to do.
        settings: announce::Settings,
        /// How things are.
        view: Box<View>,
    },
}

/// That the relay is to be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOrder {
    /// Since when.
    pub since: UnixTime,
    /// Until when somebody waits for it.
    pub deadline: Option<UnixTime>,
    /// With how many sessions left it counts as empty.
    pub min_sessions: u64,
}

/// How the relay is and was. Whoever has something to tell or to ask has one.
#[derive(Debug)]
pub struct Watch {
    sources: Sources,
    clock: Clock,
    started: Now,
    settings: ArcSwap<WatchSettings>,
    drain: ArcSwapOption<DrainOrder>,
    timeline: Timeline,
    seen: ArcSwap<Seen>,
    /// Only looks hold these; they come one after another. What they make of them is kept beside for whoever asks.
    memory: Mutex<Memory>,
    heat: Mutex<Heat>,
    heat_map: ArcSwap<HeatMap>,
    history: ArcSwap<admin::History>,
    looks: watch::Sender<u64>,
}

/// What the last look has found.
#[derive(Clone, Debug, Default)]
struct Seen {
    sessions: SessionsByTransport,
    rates: Rates,
    quality: QualitySummary,
    capacity: Capacity,
    alerts: Vec<Alert>,
    state: &'static str,
    since: UnixTime,
    is_draining: bool,
    not_ready: Vec<String>,
    standing: Standing,
}

impl Watch {
    /// Over a relay that runs. It has been looked at once when this returns.
    #[must_use]
    pub fn new(sources: Sources, settings: WatchSettings) -> Arc<Self> {
        let clock = Clock::new();
        let watch = Arc::new(Self {
            sources,
            clock,
            started: clock.now(),
            settings: ArcSwap::from_pointee(settings),
            drain: ArcSwapOption::empty(),
            timeline: Timeline::new(),
            seen: ArcSwap::default(),
            memory: Mutex::default(),
            heat: Mutex::default(),
            heat_map: ArcSwap::default(),
            history: ArcSwap::from_pointee(admin::History {
                step_seconds: history::STEP.as_secs(),
                points: Vec::new(),
            }),
            looks: watch::Sender::new(0),
        });
        let version = env!("CARGO_PKG_VERSION");
        let started = Happening::new(EventKind::Relay, EventSeverity::Info, "the relay has started");
        watch.note(started.with("version", version));
        watch.look(clock.now());
        watch
    }

    /// Looks until it is dropped. On the control runtime.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(Arc::clone(&self).look_on(), self.look_at_calls());
    }

    async fn look_on(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let watch = Arc::clone(&self);
            // A look that panics is a defect; the next one is another try.
            if tokio::task::spawn_blocking(move || watch.look(watch.clock.now())).await.is_err() {
                tracing::error!("a defect in the relay: it could not be looked at");
            }
        }
    }

    async fn look_at_calls(self: Arc<Self>) {
        loop {
            let watch = Arc::clone(&self);
            let began = self.clock.now().time;
            let look = tokio::task::spawn_blocking(move || {
                let calls = (watch.sources.calls)();
                let mut heat = lock(&watch.heat);
                heat.look(watch.clock.now(), calls);
                watch.heat_map.store(Arc::new(heat.map()));
            });
            if look.await.is_err() {
                tracing::error!("a defect in the relay: its calls could not be looked at");
            }
            let took = self.clock.now().time.since(began);
            tokio::time::sleep(LOOK_AT_CALLS.max(took.saturating_mul(CALLS_SHARE))).await;
        }
    }

    /// Goes on with other settings.
    pub fn reload(&self, settings: WatchSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// That the relay is emptied from here on, or no longer. Who tells the announcer is another's concern, and has done so.
    /// Looks at once, so that whoever asks next hears it of all there is to ask for. May wait for the announcer.
    pub fn set_drain(&self, order: Option<DrainOrder>) {
        self.drain.store(order.map(Arc::new));
        self.look(self.clock.now());
    }

    /// That it is emptied, if it is.
    #[must_use]
    pub fn drain_order(&self) -> Option<DrainOrder> {
        self.drain.load().as_deref().copied()
    }

    /// Notes what has happened.
    pub fn note(&self, happening: Happening) {
        self.timeline.note(self.clock.now().unix, happening);
    }

    /// What has happened after the event with this number, at most `limit` of it.
    #[must_use]
    pub fn events(&self, after: u64, limit: usize) -> EventPage {
        EventPage { started: self.started.unix.to_string(), ..self.timeline.after(after, limit) }
    }

    /// What happens from here on. Whoever listens too slowly is told that he has missed some: [`Watch::events`] has them.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.timeline.listen()
    }

    /// Changes with every look.
    #[must_use]
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    /// Why the relay should not be given new calls; nothing if it should.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        self.reasons(&self.seen())
    }

    fn reasons(&self, seen: &Seen) -> Vec<String> {
        let draining = self.is_draining(seen).then(|| "it is being emptied".to_owned());
        draining.into_iter().chain(seen.not_ready.iter().cloned()).collect()
    }

    /// By an order, or by what the announcer was told.
    fn is_draining(&self, seen: &Seen) -> bool {
        self.drain.load().is_some() || seen.is_draining
    }

    /// What is wrong, the worst first.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        self.seen().alerts.clone()
    }

    /// How much more the relay can carry.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.seen().capacity.clone()
    }

    /// The relay at one glance, for somebody with this role.
    #[must_use]
    pub fn status(&self, role: Role) -> Status {
        let (seen, now) = (self.seen(), self.clock.now());
        let not_ready = self.reasons(&seen);
        let announced = match &seen.standing {
            Standing::Seen { view, .. } => sessions::announced(view),
            Standing::Absent | Standing::Awaited | Standing::Silent(_) => Vec::new(),
        };
        Status {
            name: self.settings.load().name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.unix.to_string(),
            uptime_seconds: now.time.since(self.started.time).as_secs(),
            state: seen.state.to_owned(),
            since: seen.since.to_string(),
            draining: self.draining(&seen),
            ready: not_ready.is_empty(),
            not_ready,
            announced: announced.iter().map(ToString::to_string).collect(),
            sessions: seen.sessions,
            rates: seen.rates.clone(),
            quality: seen.quality.clone(),
            capacity: seen.capacity.clone(),
            alerts: seen.alerts.clone(),
            role,
        }
    }

    /// Whether there is no announcer, and none to come.
    #[must_use]
    pub fn announces_nothing(&self) -> bool {
        matches!(self.seen().standing, Standing::Absent)
    }

    /// The health of a relay without an announcer, which nobody checks: what the last look has found.
    #[must_use]
    pub fn health(&self) -> Health {
        let (seen, now) = (self.seen(), self.clock.now());
        Health {
            state: seen.state.to_owned(),
            since: seen.since.to_string(),
            for_seconds: now.unix.0.saturating_sub(seen.since.0),
            reasons: self.reasons(&seen),
            draining: self.is_draining(&seen),
            ..Health::default()
        }
    }

    fn draining(&self, seen: &Seen) -> Option<Drain> {
        let order = self.drain_order();
        let order = order.or_else(|| {
            seen.is_draining.then_some(DrainOrder { since: seen.since, deadline: None, min_sessions: 0 })
        })?;
        let left = seen.sessions.total;
        Some(Drain {
            since: order.since.to_string(),
            deadline: order.deadline.map(|at| at.to_string()),
            min_sessions: order.min_sessions,
            sessions_left: left,
            done: left <= order.min_sessions,
        })
    }

    /// How the relay was in the last hour.
    #[must_use]
    pub fn history(&self) -> admin::History {
        self.history.load().as_ref().clone()
    }

    /// How good the calls are and were.
    #[must_use]
    pub fn quality(&self) -> QualityReport {
        QualityReport {
            heat_map: self.heat_map.load().as_ref().clone(),
            dscp: dscp::classes(&self.sources.workers, &self.sources.leaving_dscp),
        }
    }

    /// The certificates in use.
    fn certificates(&self) -> &[Arc<CertStore>] {
        &self.sources.certificates
    }

    fn seen(&self) -> Arc<Seen> {
        self.seen.load_full()
    }
}

/// What a certificate is called: the file it came from.
fn certificate_name(store: &CertStore) -> String {
    store.files().map_or_else(|| "in memory".to_owned(), |(chain, _)| chain.display().to_string())
}

/// Nothing that is locked here can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
