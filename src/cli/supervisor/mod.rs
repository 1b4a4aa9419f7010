//! The service manager that has started the relay, if one has: what it is told, and when.
//!
//! It hears that the relay serves once the relay has shown it: where health is looked at, when the checks have found it well
//! enough to be announced; else when one call through each listener, transport and worker has come through. From then on it
//! hears that the relay lives while a worker turns and the control plane does, which is what `/livez` says. On the control
//! runtime; without a manager nothing happens here.

mod notice;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::exit::Failure;
use crate::announce::health::State;
use crate::config::Config;
use crate::control::admin::{AnnouncerOperations, Role, any_beats};
use crate::control::watch::{Standing, Watch};
use crate::metrics::Heart;
use crate::server::Server;
use crate::speaker::checks::EchoPeers;
use notice::Notices;
use trial::Trial;

/// Between two looks at an announcer whose first checks are under way.
const STEP: Duration = Duration::from_millis(100);
/// What a relay asks for whose checks are against it at its start.
const MORE_TIME: Duration = Duration::from_secs(60);
/// So often within the time that the manager waits at most.
const BEATS: u32 = 3;

/// The service manager, or nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Supervisor {
    notices: Option<Arc<Notices>>,
    /// How long it waits for a sign of life.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment tells of. One that cannot be told anything is as good as none.
    pub(super) fn from_environment() -> Self {
        let address = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty());
        let Some(address) = address else { return Self::default() };
        match Notices::open(&address) {
            Ok(notices) => Self {
                notices: Some(Arc::new(notices)),
                watchdog: watchdog(|name| std::env::var(name).ok(), std::process::id()),
            },
            Err(error) => {
                tracing::warn!(%error, ?address, "NOTIFY_SOCKET: the service manager does not hear of the relay");
                Self::default()
            }
        }
    }

    /// Whether it waits for calls that are no check's.
    pub(super) fn wants_calls(&self, config: &Config) -> bool {
        self.notices.is_some() && !config.start_tests().is_empty()
    }

    /// Tells of a relay that runs, from here on. `announcer` is one that has been started.
    pub(super) fn attend(
        &self,
        config: &Config,
        server: &Server,
        peers: Option<&Arc<EchoPeers>>,
        watch: &Arc<Watch>,
        announcer: Option<Arc<AnnouncerOperations>>,
    ) -> Result<(), Failure> {
        let Some(notices) = &self.notices else { return Ok(()) };
        let tests = config.start_tests();
        let trial = match peers {
            Some(peers) if !tests.is_empty() => {
                let trial = Trial::prepare(tests, server, Arc::clone(peers));
                Some(trial.context("cannot start the self-test")?)
            }
            _ => None,
        };
        if let Some(time) = self.watchdog {
            tokio::spawn(keep_alive(Arc::clone(notices), server.hearts(), time));
        }
        tokio::spawn(tell(Arc::clone(notices), trial, announcer, Arc::clone(watch)));
        Ok(())
    }

    /// The configuration is read again.
    pub(super) fn reloading(&self) {
        if let Some(notices) = &self.notices {
            notices.reloading();
        }
    }

    /// It has been read.
    pub(super) fn reloaded(&self) {
        if let Some(notices) = &self.notices {
            notices.reloaded();
        }
    }

    /// The relay ends.
    pub(super) fn stopping(&self) {
        if let Some(notices) = &self.notices {
            notices.stopping();
        }
    }
}

/// How long the manager waits, if it watches this process.
fn watchdog(variable: impl Fn(&str) -> Option<String>, process: u32) -> Option<Duration> {
    let is_other = variable("WATCHDOG_PID").is_some_and(|id| id.parse() != Ok(process));
    let micros = variable("WATCHDOG_USEC")?.parse().ok().filter(|micros| *micros > 0 && !is_other)?;
    Some(Duration::from_micros(micros))
}

/// A sign of life as long as a worker turns, and as this task does.
async fn keep_alive(notices: Arc<Notices>, hearts: Vec<Heart>, time: Duration) {
    let mut ticks = tokio::time::interval(time / BEATS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if any_beats(&hearts).await {
            notices.beat();
        } else {
            tracing::error!("no worker answers, and the service manager is not told that the relay lives");
        }
    }
}

/// That the relay serves, once it does; then how it is, whenever that changes.
async fn tell(
    notices: Arc<Notices>,
    trial: Option<Trial>,
    announcer: Option<Arc<AnnouncerOperations>>,
    watch: Arc<Watch>,
) {
    notices.status("the self-test runs");
    if let Some(trial) = trial {
        trial.pass(|trouble| notices.status(&format!("not ready: {trouble}"))).await;
    }
    if let Some(announcer) = announcer {
        wait_until_up(&notices, announcer).await;
    }
    notices.ready();
    let mut looks = watch.looks();
    let mut last = String::new();
    loop {
        let text = status(&watch);
        if text != last {
            notices.status(&text);
            last = text;
        }
        if looks.changed().await.is_err() {
            return;
        }
    }
}

/// Returns when the checks have found the relay well enough for anything but silence, or are gone by a reload. Meanwhile it
/// serves whoever comes by itself, so the manager is asked not to end it.
async fn wait_until_up(notices: &Notices, announcer: Arc<AnnouncerOperations>) {
    let mut last = String::new();
    let mut patience = tokio::time::interval(MORE_TIME / BEATS);
    loop {
        let asked = Arc::clone(&announcer);
        match tokio::task::spawn_blocking(move || asked.standing()).await {
            Ok(Standing::Absent) => return,
            Ok(Standing::Seen { view, .. }) => {
                let health = &view.announce.health;
                if health.state != State::Down {
                    return;
                }
                let text = format!("not ready: {}", health.reasons.join("; "));
                if text != last {
                    notices.status(&text);
                    last = text;
                }
            }
            Ok(Standing::Awaited | Standing::Silent(_)) | Err(_) => {}
        }
        tokio::select! {
            _ = patience.tick() => notices.needs(MORE_TIME),
            () = tokio::time::sleep(STEP) => {}
        }
    }
}

/// In a few words, so that a change is worth telling.
fn status(watch: &Watch) -> String {
    let status = watch.status(Role::Viewer);
    if status.ready {
        format!("{}, takes calls", status.state)
    } else {
        format!("{}, takes no calls: {}", status.state, status.not_ready.join("; "))
    }
}

#[cfg(test)]
mod tests;
