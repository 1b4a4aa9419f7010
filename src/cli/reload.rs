//! The configuration read again while the relay runs: as a signal or an operator wants it, and taken back when an operator
//! wants that, or when nobody has confirmed it in time.
//!
//! On the main thread, between two other things. What held before is kept until a reload is confirmed, secrets included:
//! the files may say something else by then.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::run::Relay;
use super::warnings::log_problems;
use super::{announcing, descriptors, machine};
use crate::clock::Clock;
use crate::config::{self, Change, Config, Effect, Loaded, Problems, Process, Secrets};
use crate::control::admin::{
    EventKind, EventSeverity, LogReport, Order, Refusal, ReloadOrder, ReloadOutcome, ReloadReport,
    ReloadState,
};
use crate::control::watch::Happening;
use crate::time::UnixTime;

/// From one try to take a reload back to the next, where that cannot be done.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// Where reloads stand.
#[derive(Default)]
pub(super) struct Reloads {
    pending: Option<Pending>,
    last: Option<ReloadOutcome>,
}

/// One that waits to be confirmed, and what held before it.
struct Pending {
    report: ReloadReport,
    config: Config,
    secrets: Secrets,
    over: Pin<Box<Sleep>>,
}

impl Reloads {
    /// Returns when nobody has confirmed one in time.
    pub(super) async fn expired(&mut self) {
        match &mut self.pending {
            Some(pending) => pending.over.as_mut().await,
            None => std::future::pending().await,
        }
    }

    fn state(&self) -> ReloadState {
        let pending = self.pending.as_ref().map(|pending| pending.report.clone());
        ReloadState { pending, last: self.last.clone() }
    }

    fn note(&mut self, outcome: &str, text: impl Into<String>) {
        let at = Clock::new().now().unix.to_string();
        self.last = Some(ReloadOutcome { at, outcome: outcome.to_owned(), text: text.into() });
    }
}

impl Relay {
    /// Does what an operator wants of the process.
    pub(super) fn follow(&mut self, order: Order) {
        // Whoever asked may have gone.
        match order {
            Order::Reload(order, reply) => drop(reply.send(self.reload(order, "an operator"))),
            Order::Confirm(reply) => drop(reply.send(self.confirm())),
            Order::Undo(reply) => drop(reply.send(self.undo("an operator wanted it"))),
            Order::ReloadState(reply) => drop(reply.send(Ok(self.reloads.state()))),
            Order::Log(level, reply) => drop(reply.send(self.change_log(level.as_deref()))),
        }
    }

    /// What a signal wants cannot be refused in words; the log says why.
    pub(super) fn reload_as_signalled(&mut self) {
        if let Err(refusal) = self.reload(ReloadOrder::default(), "a signal") {
            tracing::error!(reason = %refusal, "the relay goes on with the configuration it has");
            if self.reloads.pending.is_some() {
                let text = "a signal wanted the configuration read again, and a reload waits to be confirmed";
                self.note_reload(
                    text,
                    EventSeverity::Warning,
                    "confirm it or undo it, then send the signal again",
                );
            }
            // Whoever rotates its files has moved them away all the same, or has put others in their place.
            self.reopen_records();
            self.look_at_certificates();
        }
    }

    /// Reads the configuration again. One that is wrong changes nothing.
    fn reload(&mut self, order: ReloadOrder, by: &str) -> Result<ReloadReport, Refusal> {
        self.supervisor.reloading();
        let outcome = self.read_again(order, by);
        self.supervisor.reloaded();
        outcome
    }

    fn read_again(&mut self, order: ReloadOrder, by: &str) -> Result<ReloadReport, Refusal> {
        if self.reloads.pending.is_some() && !order.dry_run {
            let text = "a reload waits to be confirmed: confirm it or undo it first";
            return Err(Refusal::Pointless(text.to_owned()));
        }
        let Loaded { config: new, secrets, warnings } = match config::load(&self.sources) {
            Ok(loaded) => loaded,
            // Nobody wanted it to hold.
            Err(problems) if order.dry_run => return Err(Refusal::Wrong(problems.to_string())),
            Err(problems) => return Err(self.refuse_reload(&problems)),
        };
        let changes = config::diff(&self.config, &new);
        let mut report = ReloadReport {
            applied: keys(&changes, Effect::AtOnce),
            needs_restart: keys(&changes, Effect::NeedsRestart),
            warnings: warnings.into_iter().map(ToString::to_string).collect(),
            confirm_by: None,
            dry_run: order.dry_run,
        };
        if order.dry_run {
            return Ok(report);
        }
        log_problems(&warnings);
        let next = self.config.with_changes(new);
        let (config, before) = (self.config.clone(), self.secrets.clone());
        if let Err(text) = self.apply(next, secrets) {
            self.reloads.note("refused", text.clone());
            self.note_reload(
                "the configuration cannot be had; the one of before holds",
                EventSeverity::Warning,
                &text,
            );
            return Err(Refusal::Wrong(text));
        }
        self.reloads.note("applied", format!("{by} wanted it"));
        self.note_reload("the configuration was read again", EventSeverity::Info, by);
        tell(&report);
        if let Some(time) = order.confirm_within {
            let by = UnixTime(Clock::new().now().unix.0.saturating_add(time.as_secs()));
            report.confirm_by = Some(by.to_string());
            tracing::warn!(confirm_by = %by, "the configuration is undone unless an operator confirms it");
            let over = Box::pin(sleep(time));
            self.reloads.pending = Some(Pending { report: report.clone(), config, secrets: before, over });
        }
        Ok(report)
    }

    fn refuse_reload(&mut self, problems: &Problems) -> Refusal {
        log_problems(problems);
        tracing::error!("the configuration is wrong; the relay goes on with the one it has");
        let text = problems.to_string();
        self.reloads.note("refused", text.clone());
        self.note_reload(
            "the configuration is wrong; the one of before holds",
            EventSeverity::Warning,
            &text,
        );
        Refusal::Wrong(text)
    }

    fn note_reload(&self, text: &'static str, severity: EventSeverity, why: &str) {
        self.watching.watch().note(Happening::new(EventKind::Reload, severity, text).with("why", why));
    }

    /// Goes on with another configuration, of which nothing needs a restart. What can be refused comes first, on copies: a
    /// reload that is refused has changed nothing.
    fn apply(&mut self, next: Config, secrets: Secrets) -> Result<(), String> {
        let peers = announcing::prepare(&next, self.peers.as_ref(), false).map_err(|failure| failure.text)?;
        let process =
            Process { addresses: machine::all_addresses(), probe: peers.probe(), ..self.process.clone() };
        let announced = next.speaker_settings(&secrets.passwords);
        let settings = next.settings(secrets.clone(), &process).map_err(|fault| fault.to_string())?;
        if self.sources.development.is_none() {
            descriptors::warn_if_short(self.descriptors, descriptors::needed(&settings));
        }
        let report = self.server.reload(settings);
        if !report.needs_restart.is_empty() {
            tracing::error!(parts = report.needs_restart.join(", "), "not everything could be reloaded");
        }
        // The announcer's checks would look for what is not there.
        if report.applied.is_empty() {
            return Err(format!("only a restart changes {}", report.needs_restart.join(", ")));
        }
        (self.process, self.peers) = (process, peers.take());
        self.look_at_certificates();
        // What an operator has set stays until the configuration says something new.
        if next.log.level != self.config.log.level {
            self.log.set_level(next.log.level);
        }
        let tokens = secrets.tokens.clone();
        self.operators.reload(&next, tokens, &self.process.addresses, &self.server);
        self.watching.reload(&next, &self.server);
        self.config = next;
        self.secrets = secrets;
        self.reload_announcing(announced);
        self.reopen_records();
        Ok(())
    }

    fn confirm(&mut self) -> Result<ReloadState, Refusal> {
        if self.reloads.pending.take().is_none() {
            return Err(nothing_pending());
        }
        tracing::info!("an operator has confirmed the configuration");
        self.reloads.note("confirmed", "an operator wanted it");
        self.note_reload("the configuration was confirmed", EventSeverity::Info, "an operator wanted it");
        Ok(self.reloads.state())
    }

    /// Goes back to what held before the reload that waits.
    pub(super) fn undo(&mut self, why: &str) -> Result<ReloadState, Refusal> {
        let Some(pending) = self.reloads.pending.take() else {
            return Err(nothing_pending());
        };
        if let Err(text) = self.apply(pending.config.clone(), pending.secrets.clone()) {
            tracing::error!(
                reason = text,
                "the configuration of before cannot be had again; it is tried again"
            );
            self.reloads.note("refused", format!("it could not be undone: {text}"));
            self.note_reload(
                "the configuration of before cannot be had again",
                EventSeverity::Critical,
                &text,
            );
            // It still waits: for an operator, or for the next try.
            let over = if pending.over.is_elapsed() { Box::pin(sleep(TRY_AGAIN)) } else { pending.over };
            self.reloads.pending = Some(Pending { over, ..pending });
            return Err(Refusal::Wrong(text));
        }
        tracing::warn!(why, "the configuration of before holds again; the file says something else");
        self.reloads.note("undone", format!("{why}; the file still says something else"));
        self.note_reload("the configuration of before holds again", EventSeverity::Warning, why);
        Ok(self.reloads.state())
    }

    fn change_log(&self, level: Option<&str>) -> Result<LogReport, Refusal> {
        if let Some(word) = level {
            let level = config::Level::ALL.into_iter().find(|level| level.as_str() == word);
            let level = level.ok_or_else(|| {
                Refusal::Wrong(
                    "level: expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned(),
                )
            })?;
            self.log.set_level(level);
            tracing::info!(level = word, "an operator has changed what the log lets through");
        }
        Ok(LogReport {
            level: self.log.level().as_str().to_owned(),
            configured: self.config.log.level.as_str().to_owned(),
        })
    }
}

fn nothing_pending() -> Refusal {
    Refusal::Pointless("no reload waits to be confirmed".to_owned())
}

fn keys(changes: &[Change], effect: Effect) -> Vec<String> {
    changes.iter().filter(|change| change.effect == effect).map(|change| change.key.clone()).collect()
}

fn tell(report: &ReloadReport) {
    let list = |keys: &[String]| (!keys.is_empty()).then(|| keys.join(", "));
    let (applied, restart) = (list(&report.applied), list(&report.needs_restart));
    if applied.is_none() && restart.is_none() {
        tracing::info!(
            "configuration reloaded: nothing changed; secrets, users and certificates are read again"
        );
    } else {
        tracing::info!(applied, "configuration reloaded; secrets, users and certificates are read again");
    }
    if let Some(restart) = restart {
        tracing::warn!(needs_restart = restart, "some changes take effect with the next start only");
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
