//! What has happened between two looks at the announcer: sessions that came and went, prefixes that were told and taken
//! back, changes of health.
//!
//! The announcer counts and remembers; nothing is asked of it but how it stands, so what came and went between two looks is
//! noticed too. Neighbours are known again by their names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::timeline::Happening;
use crate::announce::bgp::{NeighborView, SessionState as BgpState};
use crate::announce::health::State;
use crate::announce::rpki::CacheView;
use crate::announce::{Settings, bfd};
use crate::control::admin::{EventKind, EventSeverity};
use crate::speaker::View;
use crate::time::{Now, Time};
use crate::wire::bfd::State as BfdState;
use crate::wire::bgp::Prefix;

/// How far back ended sessions count as flaps.
const FLAPS_WITHIN: Duration = Duration::from_secs(600);
/// Flaps that are remembered, of all neighbours.
const FLAPS_KEPT: usize = 4096;
/// Events of one kind that one look tells of; a counter tells of the rest.
const TOLD: u64 = 3;

/// Of BGP or of BFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SessionKind {
    Bgp,
    Bfd,
}

/// A session with a neighbour, as the rules look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionState {
    pub(super) kind: SessionKind,
    pub(super) neighbor: String,
    pub(super) is_up: bool,
    /// Whether the operator wants it.
    pub(super) is_wanted: bool,
    pub(super) down_for: Duration,
    /// How often it has ended within ten minutes.
    pub(super) flaps: u64,
    pub(super) why: Option<String>,
}

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// When it began to look: what was before is told as well.
    seen: Option<Seen>,
    /// The last change of health that was told.
    last_change: Option<Time>,
    flaps: VecDeque<(Time, SessionKind, String)>,
    /// Since when a session that was never there is not.
    missing: BTreeMap<(SessionKind, String), Time>,
}

#[derive(Debug, Default)]
struct Seen {
    neighbors: BTreeMap<String, Counts>,
    told: BTreeSet<(String, Prefix)>,
    /// Whether there is anything of it to go by.
    caches: BTreeMap<String, bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    established: u64,
    lost: u64,
    is_established: bool,
    ups: u64,
    downs: u64,
}

impl Tracker {
    /// Looks, and tells what has happened since the last look.
    pub(super) fn look(&mut self, now: Now, view: &View) -> Vec<Happening> {
        let mut told = self.changes_of_health(view);
        let seen = Seen::of(view);
        let nothing = Seen::default();
        let before = self.seen.take().unwrap_or(nothing);
        for neighbor in &view.announce.neighbors {
            let counts = |seen: &Seen| seen.neighbors.get(&*neighbor.name).copied().unwrap_or_default();
            let (was, is) = (counts(&before), counts(&seen));
            self.bgp(now, neighbor, was, is, &mut told);
            self.bfd(now, neighbor, was, is, view, &mut told);
        }
        told.extend(changes_of_routes(view, &before, &seen));
        told.extend(changes_of_caches(view, &before));
        self.seen = Some(seen);
        told
    }

    fn changes_of_health(&mut self, view: &View) -> Vec<Happening> {
        let last = self.last_change;
        let news = view.announce.health.transitions.iter();
        let news: Vec<_> = news.filter(|change| last.is_none_or(|last| change.at.time > last)).collect();
        if let Some(newest) = news.last() {
            self.last_change = Some(newest.at.time);
        }
        let tell = |change: &crate::announce::health::Transition| {
            let severity = match change.to {
                State::Down => EventSeverity::Critical,
                State::Degraded | State::Takeover => EventSeverity::Warning,
                State::Healthy | State::Draining => EventSeverity::Info,
            };
            Happening::new(EventKind::Health, severity, "the relay's state has changed")
                .with("from", change.from)
                .with("to", change.to)
                .with("since", change.at.unix)
                .with("reasons", change.reasons.join("; "))
        };
        news.into_iter().map(tell).collect()
    }

    fn bgp(&mut self, now: Now, neighbor: &NeighborView, was: Counts, is: Counts, told: &mut Vec<Happening>) {
        let event =
            |severity, text| Happening::new(EventKind::Bgp, severity, text).with("neighbor", &neighbor.name);
        let lost = grown(was.lost, is.lost);
        for _ in 0..lost.min(TOLD) {
            let why = neighbor.last_failure.as_ref().map(|failure| &failure.words);
            told.push(event(EventSeverity::Warning, "a BGP session has ended").with_some("reason", why));
        }
        self.flap(now, SessionKind::Bgp, &neighbor.name, lost);
        for _ in 0..grown(was.established, is.established).min(TOLD) {
            told.push(event(EventSeverity::Info, "a BGP session is established"));
        }
        if was.is_established && !is.is_established && lost == 0 {
            told.push(event(EventSeverity::Info, "a BGP session was closed"));
        }
    }

    fn bfd(
        &mut self,
        now: Now,
        neighbor: &NeighborView,
        was: Counts,
        is: Counts,
        view: &View,
        told: &mut Vec<Happening>,
    ) {
        let event =
            |severity, text| Happening::new(EventKind::Bfd, severity, text).with("neighbor", &neighbor.name);
        let downs = grown(was.downs, is.downs);
        for _ in 0..downs.min(TOLD) {
            let why = bfd_of(view, neighbor).and_then(|session| session.last_down).map(|(_, why)| why);
            told.push(event(EventSeverity::Warning, "a BFD session went down").with_some("reason", why));
        }
        self.flap(now, SessionKind::Bfd, &neighbor.name, downs);
        for _ in 0..grown(was.ups, is.ups).min(TOLD) {
            told.push(event(EventSeverity::Info, "a BFD session is up"));
        }
    }

    fn flap(&mut self, now: Now, kind: SessionKind, neighbor: &str, times: u64) {
        for _ in 0..times.min(16) {
            if self.flaps.len() >= FLAPS_KEPT {
                self.flaps.pop_front();
            }
            self.flaps.push_back((now.time, kind, neighbor.to_owned()));
        }
    }

    /// How the sessions stand, for the rules.
    pub(super) fn sessions(&mut self, now: Now, settings: &Settings, view: &View) -> Vec<SessionState> {
        self.flaps.retain(|(at, _, _)| now.time.since(*at) <= FLAPS_WITHIN);
        let mut sessions = Vec::new();
        for neighbor in &view.announce.neighbors {
            let is_up = neighbor.state == BgpState::Established;
            sessions.push(SessionState {
                is_up,
                is_wanted: is_bgp_wanted(settings, &neighbor.name),
                why: neighbor.last_failure.as_ref().map(|failure| failure.words.clone()),
                ..self.state(SessionKind::Bgp, &neighbor.name)
            });
            if let Some(session) = bfd_of(view, neighbor) {
                sessions.push(SessionState {
                    is_up: session.state == BfdState::Up,
                    is_wanted: is_bfd_wanted(session),
                    why: session.last_down.map(|(_, why)| why.to_string()),
                    ..self.state(SessionKind::Bfd, &neighbor.name)
                });
            }
        }
        for session in &mut sessions {
            let key = (session.kind, session.neighbor.clone());
            if session.is_up || !session.is_wanted {
                self.missing.remove(&key);
            } else {
                session.down_for = now.time.since(*self.missing.entry(key).or_insert(now.time));
            }
        }
        let known = |key: &(SessionKind, String)| {
            sessions.iter().any(|session| session.kind == key.0 && session.neighbor == key.1)
        };
        self.missing.retain(|key, _| known(key));
        sessions
    }

    fn state(&self, kind: SessionKind, neighbor: &str) -> SessionState {
        let flaps = self.flaps.iter().filter(|(_, of, who)| *of == kind && who == neighbor).count();
        SessionState {
            kind,
            neighbor: neighbor.to_owned(),
            is_up: false,
            is_wanted: false,
            down_for: Duration::ZERO,
            flaps: u64::try_from(flaps).unwrap_or(u64::MAX),
            why: None,
        }
    }
}

impl Seen {
    fn of(view: &View) -> Self {
        let mut seen = Self::default();
        for neighbor in &view.announce.neighbors {
            let bfd = bfd_of(view, neighbor).map(|session| session.counts).unwrap_or_default();
            let counts = Counts {
                established: neighbor.established,
                lost: neighbor.lost,
                is_established: neighbor.state == BgpState::Established,
                ups: bfd.ups,
                downs: bfd.downs,
            };
            seen.neighbors.insert(neighbor.name.to_string(), counts);
            let announced = neighbor.session.iter().flat_map(|session| &session.announced);
            seen.told.extend(announced.map(|told| (neighbor.name.to_string(), told.prefix)));
        }
        seen.caches =
            view.announce.caches.iter().map(|cache| (cache.name.clone(), has_data(cache))).collect();
        seen
    }
}

/// The session of BFD with a neighbour, if there is one.
pub(super) fn bfd_of<'a>(view: &'a View, neighbor: &NeighborView) -> Option<&'a bfd::View> {
    view.bfd.get(usize::from(neighbor.id.0))?.as_ref().map(|view| &view.session)
}

/// Whether the configuration wants a session with this neighbour.
pub(super) fn is_bgp_wanted(settings: &Settings, neighbor: &str) -> bool {
    let known = settings.bgp.neighbors.iter().find(|settings| *settings.name == *neighbor);
    known.is_some_and(|settings| !settings.shutdown)
}

/// What an operator of either side has taken down shall be down.
pub(super) fn is_bfd_wanted(session: &bfd::View) -> bool {
    [session.state, session.remote_state].iter().all(|at| *at != BfdState::AdminDown)
}

/// The prefixes that at least one neighbour has been told of.
pub(super) fn announced(view: &View) -> Vec<Prefix> {
    let sessions = view.announce.neighbors.iter().filter_map(|neighbor| neighbor.session.as_ref());
    let all: BTreeSet<_> = sessions.flat_map(|session| &session.announced).map(|told| told.prefix).collect();
    all.into_iter().collect()
}

/// A counter that has begun anew has counted this much since.
const fn grown(was: u64, is: u64) -> u64 {
    if is >= was { is - was } else { is }
}

fn changes_of_routes(view: &View, before: &Seen, now: &Seen) -> Vec<Happening> {
    let why = |name: &str, prefix: Prefix| {
        let neighbor = view.announce.neighbors.iter().find(|neighbor| *neighbor.name == *name)?;
        let mut routes = view.announce.routes.iter();
        let route = routes.find(|route| route.neighbor == neighbor.id && route.prefix == prefix)?;
        route.why.first()
    };
    let tell = |severity, text, (name, prefix): &(String, Prefix)| {
        Happening::new(EventKind::Route, severity, text)
            .with("prefix", prefix)
            .with("neighbor", name)
            .with_some("reason", why(name, *prefix))
    };
    let gone = before.told.difference(&now.told);
    let gone = gone.map(|route| tell(EventSeverity::Warning, "a prefix is announced no more", route));
    let come = now.told.difference(&before.told);
    gone.chain(come.map(|route| tell(EventSeverity::Info, "a prefix is announced", route))).collect()
}

fn changes_of_caches(view: &View, before: &Seen) -> Vec<Happening> {
    let was = |cache: &CacheView| before.caches.get(&cache.name).copied().unwrap_or_default();
    let changed = view.announce.caches.iter().filter(|cache| was(cache) != has_data(cache));
    let tell = |cache: &CacheView| {
        let (severity, text) = if has_data(cache) {
            (EventSeverity::Info, "a cache of RPKI has answered")
        } else {
            (EventSeverity::Warning, "what a cache of RPKI has said is used no more")
        };
        Happening::new(EventKind::Rpki, severity, text)
            .with("cache", &cache.name)
            .with_some("reason", cache.failure.as_ref().map(|(_, words)| words))
    };
    changed.map(tell).collect()
}

/// Whether there is anything of it to go by.
pub(super) const fn has_data(cache: &CacheView) -> bool {
    cache.expires.is_some()
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
pub(super) mod tests;
