//! What is worth an alert: one rule each, from figures and thresholds to what is wrong and what to do about it.
//!
//! Pure: [`Facts`] in, [`Finding`]s out. How long something has to be so is for the board to say.

use std::time::Duration;

use super::sample::{float, rounded};
use super::sessions::{SessionKind, SessionState};
use super::settings::Thresholds;
use crate::control::admin::{AlertSeverity, Basis, Capacity, LegQuality, QualitySummary, Resource};
use crate::quality::Legs;

/// An alert that is no better than this share of its threshold is not over.
const NEAR: f64 = 0.8;
/// Beyond so many times its threshold a figure hurts.
const MUCH: f64 = 2.0;
/// A certificate with fewer days left than this will fail while nobody looks.
const FEW_DAYS: i64 = 3;

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) capacity: Capacity,
    /// Of the last minute.
    pub(super) quality: QualitySummary,
    pub(super) rated_seconds: Legs<f64>,
    /// Of the last minute.
    pub(super) opened: u64,
    pub(super) refused: u64,
    /// Of those, what the relay had no room for.
    pub(super) lacking: u64,
    pub(super) failed_logins: u64,
    pub(super) dead_workers: Vec<usize>,
    pub(super) certificates: Vec<CertificateFact>,
    /// Sessions with neighbours, of BGP and of BFD.
    pub(super) sessions: Vec<SessionState>,
    pub(super) announcer: Option<AnnouncerFacts>,
    pub(super) is_draining: bool,
}

/// A certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct CertificateFact {
    pub(super) name: String,
    pub(super) days_left: i64,
    pub(super) is_valid: bool,
}

/// How the announcer stands.
#[derive(Clone, Debug, Default)]
pub(super) struct AnnouncerFacts {
    /// Why nothing is known of it.
    pub(super) silence: Option<String>,
    /// Whether it has looked for long enough to say how the relay is. Until then nothing is wrong with it.
    pub(super) is_known: bool,
    /// The relay's state.
    pub(super) state: &'static str,
    pub(super) reasons: Vec<String>,
    /// How many other relays are healthy, where somebody knows.
    pub(super) others: Option<u16>,
    pub(super) configured: usize,
    pub(super) announced: usize,
}

/// One thing that a rule has found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) subject: Option<String>,
    pub(super) level: Level,
    /// It needs no time to be believed.
    pub(super) is_fact: bool,
    pub(super) text: String,
    pub(super) remedy: &'static str,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Not bad, and not well either.
    Near,
    /// Bad.
    Bad(AlertSeverity),
}

const WARNING: Level = Level::Bad(AlertSeverity::Warning);
const CRITICAL: Level = Level::Bad(AlertSeverity::Critical);

impl Finding {
    pub(super) const fn new(name: &'static str, level: Level, text: String, remedy: &'static str) -> Self {
        Self { name, subject: None, level, is_fact: false, text, remedy, value: None, threshold: None }
    }

    fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    fn measured(self, value: f64, threshold: f64) -> Self {
        Self { value: Some(rounded(value)), threshold: Some(threshold), ..self }
    }

    fn fact(self) -> Self {
        Self { is_fact: true, ..self }
    }
}

/// Everything that is wrong.
pub(super) fn judge(facts: &Facts, limits: &Thresholds) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(Resource::ALL.into_iter().filter_map(|resource| headroom(facts, limits, resource)));
    for (leg, name) in [(&facts.quality.client, "client"), (&facts.quality.peer, "peer")] {
        let seconds = if name == "client" { facts.rated_seconds.client } else { facts.rated_seconds.peer };
        if seconds >= limits.least_rated_seconds {
            found.extend(poor_calls(leg, name, limits));
            found.extend(path(leg, name, limits));
        }
    }
    found.extend(refused(facts, limits));
    found.extend(failed_logins(facts, limits));
    found.extend(facts.dead_workers.iter().map(|worker| dead_worker(*worker)));
    found.extend(facts.certificates.iter().filter_map(|one| certificate(one, limits)));
    found.extend(facts.sessions.iter().flat_map(|session| neighbour(facts, session, limits)).flatten());
    found.extend(facts.announcer.iter().flat_map(|announcer| announced(facts, announcer)));
    found
}

/// How bad `value` is that should be less than `threshold`.
fn level_above(value: f64, threshold: f64) -> Option<Level> {
    match value {
        _ if value >= threshold * MUCH => Some(CRITICAL),
        _ if value >= threshold => Some(WARNING),
        _ if value >= threshold * NEAR => Some(Level::Near),
        _ => None,
    }
}

fn headroom(facts: &Facts, limits: &Thresholds, resource: Resource) -> Option<Finding> {
    let room = facts.capacity.room(resource);
    let free = room.free_share? * 100.0;
    let is_measured = room.basis == Basis::Measured;
    let level = match free {
        // One busy worker makes an estimate for all of them: it is no reason to wake anybody.
        _ if free <= limits.headroom_critical && !is_measured => CRITICAL,
        _ if free <= limits.headroom => WARNING,
        _ if free * NEAR <= limits.headroom => Level::Near,
        _ => return None,
    };
    let (used, limit) = (room.used, room.limit.unwrap_or_default());
    let basis = if is_measured { "it seems to have" } else { "there are" };
    let what = match resource {
        Resource::Sessions => "sessions",
        Resource::Bandwidth => "bit/s",
        Resource::Packets => "packets per second",
        Resource::Ports => "relayed ports",
    };
    let text = format!("{free:.0} % of the {what} are free: {used:.0} of {limit:.0} that {basis} are used");
    let remedy = match resource {
        Resource::Sessions | Resource::Bandwidth | Resource::Packets => {
            "give the region another relay, or this one more cores; [capacity] and limits.max_allocations say what it may carry"
        }
        Resource::Ports => "give relay.addresses another address, or relay.ports a wider range",
    };
    let finding = Finding::new("capacity", level, text, remedy).about(resource.name());
    Some(finding.measured(rounded(free), limits.headroom))
}

fn poor_calls(leg: &LegQuality, name: &'static str, limits: &Thresholds) -> Option<Finding> {
    let percent = leg.poor_share? * 100.0;
    let level = level_above(percent, limits.poor_calls)?;
    let text = format!(
        "voices from the {name}s' side were poor (MOS 3.1 and below) for {percent:.0} % of their time"
    );
    let remedy = if name == "client" {
        "the quality page shows which client networks it is; if it is all of them, look at this relay's access line"
    } else {
        "look at the way to the peers: other relays, media servers and their lines; the sessions page shows which"
    };
    Some(Finding::new("quality", level, text, remedy).about(name).measured(percent, limits.poor_calls))
}

fn path(leg: &LegQuality, name: &'static str, limits: &Thresholds) -> Option<Finding> {
    let worst = |value: Option<f64>, limit: Duration| {
        let limit = limit.as_secs_f64() * 1e3;
        Some((value? / limit, value?, limit))
    };
    let rtt = worst(leg.rtt_ms, limits.rtt).map(|figures| ("round trip", figures));
    let jitter = worst(leg.jitter_ms, limits.jitter).map(|figures| ("jitter", figures));
    let (what, (share, value, limit)) =
        rtt.into_iter().chain(jitter).max_by(|(_, one), (_, other)| one.0.total_cmp(&other.0))?;
    let text = format!("the mean {what} on the {name}s' side is {value:.0} ms");
    let remedy =
        "a path has become longer or congested: compare the regions, and look at the carrier's status";
    Some(Finding::new("path", level_above(share, 1.0)?, text, remedy).about(name).measured(value, limit))
}

fn refused(facts: &Facts, limits: &Thresholds) -> Option<Finding> {
    let all = facts.opened.saturating_add(facts.refused);
    if all < limits.least_attempts {
        return None;
    }
    let percent = float(facts.refused) / float(all) * 100.0;
    let text = format!("{} of {all} allocations were refused in the last minute", facts.refused);
    let remedy = "tern_allocations_refused_total says with which code: 486 is a user's or prefix's limit, 508 is no port or overload";
    let lacking = float(facts.lacking) / float(all) * 100.0;
    // What one client's limits or mistakes can bring about shall not wake anybody; that the relay has no room for them does.
    let level = level_above(percent, limits.refused)?;
    let is_ours = level_above(lacking, limits.refused) == Some(CRITICAL);
    let level = if level == CRITICAL && !is_ours { WARNING } else { level };
    Some(Finding::new("connect", level, text, remedy).about("refused").measured(percent, limits.refused))
}

fn failed_logins(facts: &Facts, limits: &Thresholds) -> Option<Finding> {
    let all = facts.opened.saturating_add(facts.failed_logins);
    if all < limits.least_attempts {
        return None;
    }
    let percent = float(facts.failed_logins) / float(all) * 100.0;
    let text = format!("{} of {all} logins of new calls failed in the last minute", facts.failed_logins);
    let remedy = "tern_allocation_logins_failed_total says why: expired ones point at the clock or at credentials that are too short-lived, \
                  unknown keys at a secret that only one side has changed; else somebody guesses";
    // Whoever guesses shall not wake anybody: it never becomes critical.
    let level = match level_above(percent, limits.failed_logins)? {
        Level::Bad(_) => WARNING,
        Level::Near => Level::Near,
    };
    Some(
        Finding::new("connect", level, text, remedy)
            .about("authentication")
            .measured(percent, limits.failed_logins),
    )
}

fn dead_worker(worker: usize) -> Finding {
    let text = format!("worker {worker} has died and its calls are lost");
    let remedy = "drain the relay and start it again; the log says what the worker died of";
    Finding::new("worker", CRITICAL, text, remedy).about(worker.to_string()).fact()
}

fn certificate(certificate: &CertificateFact, limits: &Thresholds) -> Option<Finding> {
    let CertificateFact { name, days_left, is_valid } = certificate;
    let text = match days_left {
        ..0 => format!("{name} has expired"),
        _ if !is_valid => format!("{name} is not valid yet"),
        days => format!("{name} expires in {days} days"),
    };
    let level = match days_left {
        _ if !is_valid || *days_left < FEW_DAYS => CRITICAL,
        days if *days < i64::from(limits.certificate_days) => WARNING,
        _ => return None,
    };
    let remedy = "renew it and put the files in place: they are read within ten seconds, or at once by `tern reload`; if it has just \
                  been renewed, look at the clock";
    let finding = Finding::new("certificate", level, text, remedy).about(name.as_str()).fact();
    let days = i32::try_from(*days_left).map_or(f64::MAX, f64::from);
    Some(finding.measured(days, limits.certificate_days.into()))
}

fn neighbour(facts: &Facts, session: &SessionState, limits: &Thresholds) -> [Option<Finding>; 2] {
    let SessionState { kind, neighbor, is_up, is_wanted, down_for, flaps, why } = session;
    let (name, what, remedy) = match kind {
        SessionKind::Bgp => (
            "bgp",
            "BGP",
            "`tern bgp show` says what happened last; look at the router, its BGP configuration and the way to it",
        ),
        SessionKind::Bfd => (
            "bfd",
            "BFD",
            "`tern bfd show` says what happened last; packets of UDP port 3784 or 4784 are lost, or a side is too slow",
        ),
    };
    let flapping = (*flaps >= limits.flaps).then(|| {
        let text = format!("the {what} session with {neighbor} has ended {flaps} times within ten minutes");
        let finding = Finding::new(name, WARNING, text, remedy).about(format!("{neighbor} flaps"));
        finding.measured(float(*flaps), float(limits.flaps)).fact()
    });
    let is_down = !is_up && *is_wanted && *down_for >= limits.session_down;
    let down = is_down.then(|| {
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let text = format!("there is no {what} session with {neighbor} for {} s{why}", down_for.as_secs());
        let same = |other: &&SessionState| other.kind == *kind && other.is_wanted;
        let none_left = !facts.sessions.iter().filter(same).any(|other| other.is_up);
        let level = if none_left && *kind == SessionKind::Bgp { CRITICAL } else { WARNING };
        Finding::new(name, level, text, remedy).about(neighbor.as_str()).fact()
    });
    [flapping, down]
}

fn announced(facts: &Facts, announcer: &AnnouncerFacts) -> Vec<Finding> {
    let AnnouncerFacts { silence, is_known, state, reasons, others, configured, announced } = announcer;
    if let Some(silence) = silence {
        let remedy = "the log says why; start the relay again";
        let text = format!("nothing is known of the announcer: {silence}");
        return vec![Finding::new("announced", CRITICAL, text, remedy)];
    }
    let mut found = Vec::new();
    if !is_known {
        return found;
    }
    let reason = reasons.first().map(|reason| format!(": {reason}")).unwrap_or_default();
    if *configured > 0 && *announced == 0 && !facts.is_draining {
        let text =
            format!("none of {configured} prefixes is announced to anybody; the relay is {state}{reason}");
        let remedy = "`tern bgp why` says which rule led to it";
        found.push(Finding::new("announced", CRITICAL, text, remedy));
    }
    let alone = *others == Some(0);
    let level = match *state {
        "down" => CRITICAL,
        "degraded" if alone => CRITICAL,
        "degraded" => WARNING,
        _ => return found,
    };
    let rest = if alone { ", and no other relay is healthy" } else { "" };
    let text = format!("the relay is {state}{rest}{reason}");
    let remedy = "`tern bgp why` shows the checks; mend what has failed, or take the relay out of service with `tern drain`";
    found.push(Finding::new("health", level, text, remedy).fact());
    found
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
