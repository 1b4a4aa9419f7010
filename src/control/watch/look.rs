//! One look: what has been counted since the last one, how the announcer stands, and what that means.

use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::capacity::capacity;
use super::history::{self, History};
use super::rules::{self, AnnouncerFacts, CertificateFact, Facts};
use super::sample::{Minute, Sample, summary};
use super::sessions::{Tracker, announced};
use super::{Happening, Seen, Standing, Watch, WatchSettings, certificate_name, lock};
use crate::announce::health::State;
use crate::control::admin::{self, Basis, Capacity, EventKind, EventSeverity, Point, Resource};
use crate::quality::Legs;
use crate::speaker::View;
use crate::time::{Now, UnixTime};

/// What "now" is: long enough for a figure to stand still.
const RATES_OVER: Duration = Duration::from_secs(5);
/// What rules and capacity go by.
const MINUTE: Duration = Duration::from_secs(60);
/// So often an announcer may miss a look until it counts as silent.
const SILENCES: u32 = 3;
/// A relay that was short of room is ready again with so many times the room that it was short at.
const READY_AGAIN: f64 = 1.5;

/// What a look remembers for the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    minute: Minute,
    tracker: Tracker,
    board: Board,
    /// Where there is no announcer to say since when.
    state: Option<(&'static str, UnixTime)>,
    is_short: bool,
    /// Looks in a row at which the announcer did not answer.
    silences: u32,
    history: History,
    alive: Vec<bool>,
    expiries: Vec<UnixTime>,
}

impl Watch {
    /// Looks, and keeps what it has found for whoever asks. May wait for the announcer.
    pub(super) fn look(&self, now: Now) {
        let heard = (self.sources.announcer)();
        let room = (self.sources.room)();
        let settings = self.settings.load_full();
        let mut memory = lock(&self.memory);
        let standing = memory.believe(heard, &self.seen().standing);
        memory.minute.push(Sample::take(now.time, &self.sources.workers));
        let Some(sample) = memory.minute.newest().cloned() else { return };
        let minute = memory.minute.back(MINUTE).cloned().unwrap_or_default();
        let recent = memory.minute.back(RATES_OVER).cloned().unwrap_or_default();
        let capacity = capacity(&settings.limits, room, &sample.rates_since(&minute), sample.sessions.total);
        let quality = sample.quality_since(&minute);
        self.note_deaths(&mut memory, &sample);
        self.note_certificates(now, &mut memory);
        let mut facts = Facts {
            capacity: capacity.clone(),
            quality: summary(&quality),
            rated_seconds: Legs::from_fn(|leg| quality.legs[leg].rated_seconds()),
            opened: sample.opened.saturating_sub(minute.opened),
            refused: sample.refused.saturating_sub(minute.refused),
            lacking: sample.lacking.saturating_sub(minute.lacking),
            failed_logins: sample.failed_logins.saturating_sub(minute.failed_logins),
            dead_workers: dead(&sample),
            certificates: self.certificate_facts(now),
            is_draining: self.drain_order().is_some() || drains(&standing),
            ..Facts::default()
        };
        self.add_announcer(now, &mut memory, &standing, &mut facts);
        for happening in memory.board.take(now, rules::judge(&facts, &settings.thresholds)) {
            self.note(happening);
        }
        let (state, since) = memory.state(now, &facts, &standing);
        let not_ready = memory.not_ready(&settings, &facts, &capacity);
        let alerts = memory.board.alerts();
        let is_ready = not_ready.is_empty() && !facts.is_draining;
        self.remember(now, &mut memory.history, &sample, &facts, is_ready);
        let is_draining = drains(&standing);
        self.seen.store(Arc::new(Seen {
            sessions: sample.sessions,
            rates: sample.rates_since(&recent),
            quality: facts.quality,
            capacity,
            alerts,
            state,
            since,
            is_draining,
            not_ready,
            standing,
        }));
        self.looks.send_modify(|looks| *looks = looks.wrapping_add(1));
    }

    /// A point for the charts of the last hour, when it is time for one.
    fn remember(&self, now: Now, history: &mut History, sample: &Sample, facts: &Facts, ready: bool) {
        if !history.is_due(now.time) {
            return;
        }
        let last = history.replace_last(sample);
        let (rates, capacity) = (sample.rates_since(&last), &facts.capacity);
        let point = Point {
            at: now.unix.to_string(),
            sessions: sample.sessions.total,
            packets_per_second: rates.packets_per_second,
            bits_per_second: rates.bits_per_second,
            allocations_per_second: rates.allocations_per_second,
            refused_per_second: rates.refused_per_second,
            worker_busy: capacity.worker_busy,
            free_share: capacity.binds.and_then(|resource| capacity.room(resource).free_share),
            client_poor_share: facts.quality.client.poor_share,
            peer_poor_share: facts.quality.peer.poor_share,
            ready,
        };
        history.push(now.time, point);
        let step_seconds = history::STEP.as_secs();
        self.history.store(Arc::new(admin::History { step_seconds, points: history.points() }));
    }

    fn note_deaths(&self, memory: &mut Memory, sample: &Sample) {
        for (worker, _) in sample.alive.iter().enumerate().filter(|(_, alive)| !**alive) {
            if memory.alive.get(worker) != Some(&false) {
                let text = "a worker has died and its calls are lost";
                let death = Happening::new(EventKind::Worker, EventSeverity::Critical, text);
                self.note(death.with("worker", worker));
            }
        }
        memory.alive.clone_from(&sample.alive);
    }

    fn note_certificates(&self, now: Now, memory: &mut Memory) {
        let expiries: Vec<_> = self.certificates().iter().map(|store| store.expires()).collect();
        for ((store, is), was) in self.certificates().iter().zip(&expiries).zip(&memory.expiries) {
            if is != was {
                let text = "a certificate was replaced";
                let changed = Happening::new(EventKind::Certificate, EventSeverity::Info, text);
                let changed = changed.with("file", certificate_name(store)).with("expires", is);
                self.note(changed.with("days_left", store.days_left(now.unix)));
            }
        }
        memory.expiries = expiries;
    }

    fn certificate_facts(&self, now: Now) -> Vec<CertificateFact> {
        let fact = |store: &Arc<crate::net::certs::CertStore>| CertificateFact {
            name: certificate_name(store),
            days_left: store.days_left(now.unix),
            is_valid: store.is_valid_at(now.unix),
        };
        self.certificates().iter().map(fact).collect()
    }

    fn add_announcer(&self, now: Now, memory: &mut Memory, standing: &Standing, facts: &mut Facts) {
        match standing {
            Standing::Absent => {}
            Standing::Awaited => facts.announcer = Some(AnnouncerFacts::default()),
            Standing::Silent(why) => {
                facts.announcer =
                    Some(AnnouncerFacts { silence: Some(why.clone()), ..AnnouncerFacts::default() });
            }
            Standing::Seen { settings, view } => {
                for happening in memory.tracker.look(now, view) {
                    self.note(happening);
                }
                facts.sessions = memory.tracker.sessions(now, settings, view);
                facts.announcer = Some(announcer_facts(settings, view));
            }
        }
    }
}

impl Memory {
    /// An announcer that is busy for a moment stands as it did.
    fn believe(&mut self, heard: Standing, last: &Standing) -> Standing {
        match (&heard, last) {
            (Standing::Silent(_), Standing::Seen { .. } | Standing::Awaited) if self.silences < SILENCES => {
                self.silences += 1;
                last.clone()
            }
            _ => {
                self.silences = 0;
                heard
            }
        }
    }

    fn state(&mut self, now: Now, facts: &Facts, standing: &Standing) -> (&'static str, UnixTime) {
        let state = match standing {
            Standing::Seen { view, .. } => {
                let health = &view.announce.health;
                return (health.state.name(), health.since.unix);
            }
            // Its connections are closed, so the neighbours have forgotten the relay, or have never heard of it.
            Standing::Silent(_) | Standing::Awaited => State::Down,
            Standing::Absent if facts.is_draining => State::Draining,
            Standing::Absent if !facts.dead_workers.is_empty() => State::Degraded,
            Standing::Absent => State::Healthy,
        };
        let since = self.state.filter(|(last, _)| *last == state.name()).map_or(now.unix, |(_, since)| since);
        self.state = Some((state.name(), since));
        (state.name(), since)
    }

    /// Draining apart, which is known without a look.
    fn not_ready(&mut self, settings: &WatchSettings, facts: &Facts, capacity: &Capacity) -> Vec<String> {
        let mut reasons = Vec::new();
        let most = settings.thresholds.headroom_critical / 100.0;
        let most = if self.is_short { most * READY_AGAIN } else { most };
        // What was measured is an estimate, made by the busiest worker alone: it warns, and turns no call away.
        let free = |resource: Resource| {
            let room = capacity.room(resource);
            Some((resource, room.free_share.filter(|_| room.basis == Basis::Configured)?))
        };
        let short: Vec<_> =
            Resource::ALL.into_iter().filter_map(free).filter(|(_, free)| *free <= most).collect();
        self.is_short = !short.is_empty();
        for (resource, free) in short {
            reasons.push(format!("{:.0} % of its {} are free", free * 100.0, resource.name()));
        }
        for certificate in facts.certificates.iter().filter(|certificate| !certificate.is_valid) {
            reasons.push(format!("{} is not valid now", certificate.name));
        }
        for worker in &facts.dead_workers {
            reasons.push(format!("worker {worker} has died"));
        }
        if let Some(announcer) = &facts.announcer {
            if let Some(silence) = &announcer.silence {
                reasons.push(format!("nothing is known of its health: {silence}"));
            } else if !announcer.is_known {
                reasons.push("its health is not known yet".to_owned());
            } else if announcer.state == State::Down.name() {
                let reason = announcer.reasons.first().map(|reason| format!(": {reason}"));
                reasons.push(format!("it is down{}", reason.unwrap_or_default()));
            }
        }
        reasons
    }
}

fn dead(sample: &Sample) -> Vec<usize> {
    sample.alive.iter().enumerate().filter(|(_, alive)| !**alive).map(|(worker, _)| worker).collect()
}

fn drains(standing: &Standing) -> bool {
    match standing {
        Standing::Seen { view, .. } => view.announce.health.draining,
        Standing::Absent | Standing::Awaited | Standing::Silent(_) => false,
    }
}

fn announcer_facts(settings: &crate::announce::Settings, view: &View) -> AnnouncerFacts {
    let health = &view.announce.health;
    let mut configured: Vec<_> = settings
        .bgp
        .neighbors
        .iter()
        .filter(|neighbor| !neighbor.shutdown)
        .flat_map(|neighbor| neighbor.exports.iter().map(|export| export.prefix))
        .collect();
    configured.sort_unstable();
    configured.dedup();
    AnnouncerFacts {
        silence: None,
        is_known: health.is_known,
        state: health.state.name(),
        reasons: health.reasons.clone(),
        others: health.others,
        configured: configured.len(),
        announced: announced(view).len(),
    }
}
