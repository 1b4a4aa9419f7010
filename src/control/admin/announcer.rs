//! The announcer's thread as operators are shown it: its views put into the words of [`Report`], its answers into
//! [`Refusal`]s.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::report::{
    Attributes, BfdSession, Check, Health, Neighbor, Notification, Received, Report, Route, RpkiCache,
    Transition,
};
use super::{Operations, Refusal};
use crate::announce::bgp::{Announced, NeighborView, Notice, SessionView, Withheld};
use crate::announce::health::{CheckView, HealthView, Report as CheckReport, Verdict};
use crate::announce::policy::{self, NextHop};
use crate::announce::rpki::CacheView;
use crate::announce::{RouteView, Settings};
use crate::clock::Clock;
use crate::control::watch::Standing;
use crate::speaker::{Handle, Silence, View, bfd};
use crate::time::{Now, UnixTime};
use crate::wire::bgp::{Family, Prefix};

/// Packets of BFD without any answer that are no coincidence: some seconds' worth.
const UNANSWERED: u64 = 3;

/// Makes a worker hang; false if there is no such worker.
pub type Hang = Box<dyn Fn(u8, Duration) -> bool + Send + Sync>;

/// Asks the announcer's thread, while there is one.
pub struct AnnouncerOperations {
    announcer: ArcSwapOption<Announcer>,
    /// The relay has one to start.
    is_awaited: AtomicBool,
    clock: Clock,
    #[cfg_attr(
        not(any(test, debug_assertions)),
        expect(dead_code, reason = "for tests of hung workers only")
    )]
    hang: Hang,
}

/// The thread, and what it runs with.
struct Announcer {
    handle: Handle,
    settings: Settings,
}

impl AnnouncerOperations {
    /// Of no announcer yet.
    #[must_use]
    pub fn new(hang: Hang) -> Self {
        Self {
            announcer: ArcSwapOption::empty(),
            is_awaited: AtomicBool::new(false),
            clock: Clock::new(),
            hang,
        }
    }

    /// There will be an announcer: until [`Self::set`] says which, nobody may take the relay for one that has none.
    pub fn expect(&self) {
        self.is_awaited.store(true, Ordering::Release);
    }

    /// From here on the announcer is the one behind `handle`, which runs with `settings`; or there is none.
    pub fn set(&self, announcer: Option<(Handle, Settings)>) {
        self.announcer.store(announcer.map(|(handle, settings)| Arc::new(Announcer { handle, settings })));
        self.is_awaited.store(false, Ordering::Release);
    }

    /// How the announcer stands, for the watch. Waits as long as every question to it may.
    #[must_use]
    pub fn standing(&self) -> Standing {
        // Before the other: what is set meanwhile must not look like none.
        let is_awaited = self.is_awaited.load(Ordering::Acquire);
        let Some(announcer) = self.announcer.load_full() else {
            return if is_awaited { Standing::Awaited } else { Standing::Absent };
        };
        match announcer.handle.view() {
            Ok(view) => Standing::Seen { settings: announcer.settings.clone(), view: Box::new(view) },
            Err(silence) => Standing::Silent(silence.to_string()),
        }
    }

    fn announcer(&self) -> Result<Arc<Announcer>, Refusal> {
        self.announcer.load_full().ok_or_else(|| {
            let text = "this relay announces nothing: there is no [[bgp.neighbor]] in its configuration";
            Refusal::Pointless(text.to_owned())
        })
    }
}

impl Announcer {
    /// A prefix that the relay does not know would be held for nothing, and nobody would notice.
    fn know(&self, prefix: Option<Prefix>) -> Result<&Handle, Refusal> {
        let neighbors = &self.settings.bgp.neighbors;
        let mut known: Vec<_> =
            neighbors.iter().flat_map(|one| &one.exports).map(|export| export.prefix).collect();
        if prefix.is_none_or(|prefix| known.contains(&prefix)) {
            return Ok(&self.handle);
        }
        known.sort_unstable();
        known.dedup();
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        let list = if known.is_empty() {
            "it has none".to_owned()
        } else {
            format!("they are {}", known.join(", "))
        };
        let prefix = prefix.map(|prefix| prefix.to_string()).unwrap_or_default();
        Err(Refusal::Unknown(format!("{prefix} is none of the relay's prefixes; {list}")))
    }
}

impl From<Silence> for Refusal {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Ended => Self::Pointless(format!("{silence}: the relay stops, or its log says why")),
            Silence::Busy => Self::Busy(silence.to_string()),
        }
    }
}

impl Operations for AnnouncerOperations {
    fn report(&self) -> Result<Report, Refusal> {
        let announcer = self.announcer()?;
        let view = announcer.handle.view()?;
        Ok(report(self.clock.now(), &announcer.settings, &view))
    }

    fn drain(&self, on: bool) -> Result<(), Refusal> {
        Ok(self.announcer()?.handle.drain(on)?)
    }

    fn announce(&self, prefix: Option<Prefix>, force: bool) -> Result<(), Refusal> {
        Ok(self.announcer()?.know(prefix)?.announce(prefix, force)?)
    }

    fn withdraw(&self, prefix: Option<Prefix>) -> Result<(), Refusal> {
        Ok(self.announcer()?.know(prefix)?.withdraw(prefix)?)
    }

    fn check_now(&self) -> Result<(), Refusal> {
        Ok(self.announcer()?.handle.check_now()?)
    }

    #[cfg(any(test, debug_assertions))]
    fn hang(&self, worker: u8, time: Duration) -> Result<(), Refusal> {
        let heard = (self.hang)(worker, time);
        if heard {
            Ok(())
        } else {
            Err(Refusal::Unknown(format!("there is no worker {worker} that listens")))
        }
    }
}

fn report(now: Now, settings: &Settings, view: &View) -> Report {
    let View { announce, bfd, refused_connections, badly_signed } = view;
    let neighbors = announce.neighbors.iter().map(|neighbor| {
        let routes = announce.routes.iter().filter(|route| route.neighbor == neighbor.id);
        let bfd = bfd.get(usize::from(neighbor.id.0)).and_then(Option::as_ref);
        Neighbor { bfd: bfd.map(|view| session(now, view)), ..self::neighbor(now, neighbor, routes) }
    });
    Report {
        health: health(now, settings, &announce.health),
        asn: settings.bgp.asn.0,
        router_id: settings.bgp.router_id.to_string(),
        neighbors: neighbors.collect(),
        rpki: announce.caches.iter().map(cache).collect(),
        refused_connections: *refused_connections,
        badly_signed_segments: *badly_signed,
    }
}

fn health(now: Now, settings: &Settings, view: &HealthView) -> Health {
    Health {
        state: view.state.name().to_owned(),
        since: view.since.unix.to_string(),
        for_seconds: seconds(now, view.since),
        reasons: view.reasons.clone(),
        draining: view.draining,
        score: view.score.into(),
        degraded_at: settings.health.degraded_at.into(),
        down_at: settings.health.down_at.into(),
        others: view.others,
        checks: view.checks.iter().map(|one| check(now, one)).collect(),
        transitions: view.transitions.iter().rev().map(transition).collect(),
    }
}

fn transition(transition: &crate::announce::health::Transition) -> Transition {
    Transition {
        at: transition.at.unix.to_string(),
        from: transition.from.name().to_owned(),
        to: transition.to.name().to_owned(),
        reasons: transition.reasons.clone(),
    }
}

fn check(now: Now, view: &CheckView) -> Check {
    let word = |verdict: Verdict| {
        match verdict {
            Verdict::Good => "good",
            Verdict::Poor => "poor",
            Verdict::Bad => "bad",
        }
        .to_owned()
    };
    let CheckReport { verdict, detail } = match &view.last {
        Some(last) => last.clone(),
        None => CheckReport::new(Verdict::Bad, ""),
    };
    Check {
        name: view.name.to_string(),
        status: view.counts_as.map_or_else(|| "pending".to_owned(), word),
        last: view.last.is_some().then(|| word(verdict)),
        detail: detail.into(),
        weight: view.weight.into(),
        streak: view.streak,
        age_milliseconds: view.at.map(|at| millis(now.time.since(at.time))),
    }
}

fn neighbor<'v>(now: Now, view: &NeighborView, routes: impl Iterator<Item = &'v RouteView>) -> Neighbor {
    let session = view.session.as_ref();
    // A neighbour that was never reached has no date to show.
    let since = (view.since != Now::default()).then_some(view.since);
    let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
    Neighbor {
        name: view.name.to_string(),
        address: view.address.to_string(),
        port: view.port,
        asn: view.asn.0,
        state: snake(view.state.name()),
        halted: view.halted.map(ToOwned::to_owned),
        next_attempt_milliseconds: view.next_attempt.map(millis),
        since: since.map(|since| since.unix.to_string()),
        for_seconds: since.map(|since| seconds(now, since)),
        local: text(view.local.as_ref().map(|end| end as _)),
        remote: text(view.remote.as_ref().map(|end| end as _)),
        router_id: text(session.map(|session| &session.router_id as _)),
        hold_time_seconds: session.map(|session| session.hold.as_secs()),
        keepalive_seconds: session.map(|session| session.keepalive.as_secs()),
        hold_left_milliseconds: session.and_then(|session| session.hold_left).map(millis),
        families: session.map(|session| session.families.iter().map(family).collect()).unwrap_or_default(),
        capabilities: session.map(|session| session.capabilities.clone()).unwrap_or_default(),
        received: session.map(received).unwrap_or_default(),
        announced: session.map_or(0, |session| count(session.announced.len())),
        established: view.established,
        flaps: view.lost,
        treated_as_withdraw: view.treated_as_withdraw,
        discarded_attributes: view.discarded,
        last_notification: view.last_notification.as_ref().map(|last| notification(now, last)),
        last_failure: view.last_failure.as_ref().map(|last| last.words.clone()),
        last_failure_seconds: view.last_failure.as_ref().map(|last| seconds(now, last.at)),
        failure_cause: view.failure_cause.as_ref().map(|cause| cause.words.clone()),
        failure_cause_seconds: view.failure_cause.as_ref().map(|cause| seconds(now, cause.at)),
        routes: routes.map(|wanted| route(wanted, session)).collect(),
        bfd: None,
    }
}

fn notification(now: Now, last: &Notice) -> Notification {
    Notification {
        direction: if last.is_sent { "sent" } else { "received" }.to_owned(),
        at: last.at.unix.to_string(),
        age_seconds: seconds(now, last.at),
        code: last.reason.code,
        subcode: last.reason.subcode,
        words: last.words.clone(),
    }
}

fn received(session: &SessionView) -> Received {
    let of = |wanted| {
        session.received.iter().filter(|(family, _)| *family == wanted).map(|(_, n)| count(*n)).sum()
    };
    Received { ipv4: of(Family::Ipv4), ipv6: of(Family::Ipv6) }
}

/// What the neighbour has been told stands above what it is to be told: it has the address that the session gave.
fn route(wanted: &RouteView, session: Option<&SessionView>) -> Route {
    let told: Option<&Announced> =
        session.and_then(|session| session.announced.iter().find(|told| told.prefix == wanted.prefix));
    let withheld: Option<&Withheld> =
        session.and_then(|session| session.withheld.iter().find(|kept| kept.prefix == wanted.prefix));
    let attributes = told.map(|told| &told.attributes).or(wanted.attributes.as_ref());
    Route {
        prefix: wanted.prefix.to_string(),
        announced: told.is_some(),
        attributes: attributes.map(describe),
        withheld: withheld.map(|kept| kept.reason.clone()),
        why: wanted.why.clone(),
    }
}

fn describe(attributes: &policy::Attributes) -> Attributes {
    Attributes {
        med: attributes.med,
        prepend: attributes.prepend,
        communities: attributes.communities.iter().map(ToString::to_string).collect(),
        large_communities: attributes.large_communities.iter().map(ToString::to_string).collect(),
        next_hop: match attributes.next_hop {
            NextHop::Own => "self".to_owned(),
            NextHop::Address(address) => address.to_string(),
        },
    }
}

fn session(now: Now, view: &bfd::View) -> BfdSession {
    let bfd::View { session, multihop, refused, problem } = view;
    BfdSession {
        state: snake(session.state.name()),
        since: session.since.to_string(),
        for_seconds: now.unix.0.saturating_sub(session.since.0),
        remote_state: snake(session.remote_state.name()),
        healthy: session.healthy,
        multihop: *multihop,
        local_discriminator: session.discriminator,
        remote_discriminator: session.remote_discriminator,
        transmit_microseconds: session.interval.map(micros),
        remote_transmit_microseconds: micros(session.remote_transmit),
        detection_microseconds: session.detection.map(micros),
        multiplier: session.settings.multiplier,
        remote_multiplier: session.remote_multiplier,
        last_down: session.last_down.map(|(at, _)| at.to_string()),
        last_down_reason: session.last_down.map(|(_, reason)| reason.to_string()),
        diagnostic: session.diagnostic.to_string(),
        remote_diagnostic: session.remote_diagnostic.to_string(),
        sent: session.counts.sent,
        received: session.counts.received,
        refused: *refused,
        flaps: session.counts.downs,
        problem: problem.clone().or_else(|| silence(view)),
    }
}

/// Why a session was never heard of. At the beginning nothing is wrong with that.
fn silence(view: &bfd::View) -> Option<String> {
    let bfd::View { session, refused, .. } = view;
    if session.counts.received > 0 || session.counts.sent < UNANSWERED {
        return None;
    }
    let words = if *refused == 0 && session.counts.ignored == 0 {
        "the neighbour has never sent BFD: turn it on there"
    } else {
        "what the neighbour sends is not taken: compare multihop, authentication and the hops between"
    };
    Some(words.to_owned())
}

fn cache(view: &CacheView) -> RpkiCache {
    RpkiCache {
        address: view.name.clone(),
        state: view.phase.to_owned(),
        records: count(view.records),
        updated: view.updated.map(|at: UnixTime| at.to_string()),
        expires_seconds: view.expires.map(|left| left.as_secs()),
        last_failure: view.failure.as_ref().map(|(_, words)| words.clone()),
    }
}

fn family(family: &Family) -> String {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
    .to_owned()
}

/// "OpenSent" is "open_sent": JSON has words of one kind.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

const fn seconds(now: Now, since: Now) -> u64 {
    now.time.since(since.time).as_secs()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::bgp::{Export, NeighborSettings};
    use crate::wire::bgp::Asn;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        let mut neighbor = NeighborSettings::new("north", [10, 0, 0, 1].into(), Asn(64_600));
        let prefix = "10.99.0.1/32".parse().unwrap();
        neighbor.exports.push(Export { prefix, ladder: policy::Ladder::default() });
        settings.bgp.neighbors.push(neighbor);
        settings
    }

    #[test]
    fn without_an_announcer_nothing_makes_sense() {
        let operations = AnnouncerOperations::new(Box::new(|_, _| false));
        assert!(
            matches!(operations.report(), Err(Refusal::Pointless(text)) if text.contains("[[bgp.neighbor]]"))
        );
        assert!(matches!(operations.drain(true), Err(Refusal::Pointless(_))));
        assert!(matches!(operations.hang(0, Duration::ZERO), Err(Refusal::Unknown(_))));
    }

    #[test]
    fn a_prefix_that_the_relay_does_not_have_never_reaches_the_announcer() {
        let (handle, inbox) = Handle::new().unwrap();
        let operations = AnnouncerOperations::new(Box::new(|_, _| true));
        operations.set(Some((handle, settings())));
        let unknown = operations.withdraw(Some("10.99.0.2/32".parse().unwrap())).unwrap_err();
        let text = "10.99.0.2/32 is none of the relay's prefixes; they are 10.99.0.1/32";
        assert_eq!(unknown, Refusal::Unknown(text.to_owned()));
        assert!(inbox.next().is_none());
        drop(inbox);
        assert!(matches!(operations.withdraw(None), Err(Refusal::Pointless(_))), "the thread has ended");
    }

    #[test]
    fn a_session_of_bfd_that_was_never_heard_of_says_what_to_do() {
        let quiet = crate::announce::bfd::Session::new(Now::default(), Default::default(), 1, 1).view();
        let problem = |sent, received, refused| {
            let mut view = bfd::View { session: quiet, multihop: false, refused, problem: None };
            (view.session.counts.sent, view.session.counts.received) = (sent, received);
            session(Now::default(), &view).problem
        };
        assert_eq!(problem(2, 0, 0), None, "it has only begun");
        assert_eq!(problem(3, 0, 0).unwrap(), "the neighbour has never sent BFD: turn it on there");
        assert!(problem(3, 0, 1).unwrap().contains("is not taken"));
        assert_eq!(problem(3, 1, 0), None);
    }

    #[test]
    fn names_of_states_are_words_of_one_kind() {
        assert_eq!(["Idle", "OpenSent", "AdminDown"].map(snake), ["idle", "open_sent", "admin_down"]);
    }
}
