use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::announce::NeighborId;
use crate::announce::bgp::{Announced, Failure, NeighborSettings, SessionView};
use crate::announce::health::{HealthView, Transition};
use crate::announce::policy::Attributes;
use crate::announce::{self, RouteView};
use crate::time::UnixTime;
use crate::wire::bgp::{Asn, RouterId};

fn now(seconds: u64) -> Now {
    Now { time: Time::from_secs(seconds), unix: UnixTime(1_782_907_200 + seconds) }
}

fn prefix() -> Prefix {
    "10.99.0.1/32".parse().unwrap()
}

fn neighbor(state: BgpState, established: u64, lost: u64) -> NeighborView {
    let session = (state == BgpState::Established).then(|| SessionView {
        router_id: RouterId(1),
        hold: Duration::from_secs(60),
        keepalive: Duration::from_secs(20),
        hold_left: None,
        families: Vec::new(),
        capabilities: Vec::new(),
        received: Vec::new(),
        announced: vec![Announced { prefix: prefix(), attributes: Attributes::default() }],
        withheld: Vec::new(),
    });
    NeighborView {
        id: NeighborId(0),
        name: "north".into(),
        address: IpAddr::from([10, 0, 0, 1]),
        port: 179,
        asn: Asn(64_600),
        passive: false,
        state,
        since: now(0),
        halted: None,
        next_attempt: None,
        local: None,
        remote: None,
        session,
        established,
        lost,
        treated_as_withdraw: 0,
        discarded: 0,
        last_notification: None,
        last_failure: (lost > 0).then(|| Failure { words: "hold timer expired".to_owned(), at: now(0) }),
        failure_cause: None,
        bfd: None,
    }
}

pub(in super::super) fn view(state: BgpState, established: u64, lost: u64) -> View {
    let health = HealthView {
        state: State::Healthy,
        since: now(0),
        is_known: true,
        reasons: Vec::new(),
        score: 0,
        draining: false,
        takeover: false,
        others: None,
        checks: Vec::new(),
        transitions: Vec::new(),
    };
    let route = RouteView {
        neighbor: NeighborId(0),
        prefix: prefix(),
        attributes: Some(Attributes::default()),
        why: vec!["the state healthy is announced".to_owned()],
    };
    let announce = announce::View {
        health,
        routes: vec![route],
        neighbors: vec![neighbor(state, established, lost)],
        caches: Vec::new(),
    };
    View { announce, bfd: Arc::default(), refused_connections: 0, badly_signed: None }
}

fn texts(told: &[Happening]) -> Vec<&'static str> {
    told.iter().map(Happening::text).collect()
}

#[test]
fn a_session_and_its_prefix_are_told_when_they_come_and_when_they_go() {
    let mut tracker = Tracker::default();
    assert_eq!(texts(&tracker.look(now(1), &view(BgpState::Active, 0, 0))), [""; 0]);
    let told = tracker.look(now(2), &view(BgpState::Established, 1, 0));
    assert_eq!(texts(&told), ["a BGP session is established", "a prefix is announced"]);
    assert_eq!(told[1].field("reason"), Some("the state healthy is announced"));
    assert_eq!(texts(&tracker.look(now(3), &view(BgpState::Established, 1, 0))), [""; 0]);
    let told = tracker.look(now(4), &view(BgpState::Active, 1, 1));
    assert_eq!(texts(&told), ["a BGP session has ended", "a prefix is announced no more"]);
    assert_eq!(told[0].field("reason"), Some("hold timer expired"));
}

#[test]
fn a_session_that_went_and_came_between_two_looks_is_told_of_as_well() {
    let mut tracker = Tracker::default();
    tracker.look(now(1), &view(BgpState::Established, 1, 0));
    let told = tracker.look(now(2), &view(BgpState::Established, 2, 1));
    assert_eq!(texts(&told), ["a BGP session has ended", "a BGP session is established"]);
}

#[test]
fn a_session_that_was_closed_on_purpose_has_not_been_lost() {
    let mut tracker = Tracker::default();
    tracker.look(now(1), &view(BgpState::Established, 1, 0));
    let told = tracker.look(now(2), &view(BgpState::Idle, 1, 0));
    assert_eq!(texts(&told)[0], "a BGP session was closed");
}

#[test]
fn each_change_of_health_is_told_once() {
    let mut tracker = Tracker::default();
    let mut view = view(BgpState::Active, 0, 0);
    let change = |second, to| Transition {
        at: now(second),
        from: State::Down,
        to,
        reasons: vec!["ports is poor".to_owned()],
    };
    view.announce.health.transitions = vec![change(1, State::Healthy)];
    assert_eq!(tracker.look(now(2), &view).len(), 1);
    assert_eq!(tracker.look(now(3), &view).len(), 0);
    view.announce.health.transitions.extend([change(3, State::Degraded), change(4, State::Healthy)]);
    let told = tracker.look(now(5), &view);
    let states: Vec<_> = told.iter().filter_map(|told| told.field("to")).collect();
    assert_eq!(states, ["degraded", "healthy"]);
    assert_eq!(told[0].field("reasons"), Some("ports is poor"));
}

fn settings(shutdown: bool) -> Settings {
    let mut neighbor = NeighborSettings::new("north", [10, 0, 0, 1].into(), Asn(64_600));
    neighbor.shutdown = shutdown;
    let mut settings = Settings::default();
    settings.bgp.neighbors.push(neighbor);
    settings
}

#[test]
fn flaps_are_counted_for_ten_minutes() {
    let mut tracker = Tracker::default();
    for flap in 1..=3 {
        tracker.look(now(flap), &view(BgpState::Established, flap, flap - 1));
    }
    let up = view(BgpState::Established, 3, 2);
    let flaps = |tracker: &mut Tracker, second| tracker.sessions(now(second), &settings(false), &up)[0].flaps;
    assert_eq!(flaps(&mut tracker, 10), 2);
    assert_eq!(flaps(&mut tracker, 602), 2);
    assert_eq!(flaps(&mut tracker, 603), 1);
    assert_eq!(flaps(&mut tracker, 604), 0);
}

#[test]
fn how_long_a_session_is_missing_counts_from_when_that_was_seen() {
    let mut tracker = Tracker::default();
    let down = view(BgpState::Active, 1, 1);
    let state = |tracker: &mut Tracker, second, shutdown, view: &View| {
        let session = tracker.sessions(now(second), &settings(shutdown), view).remove(0);
        (session.is_up, session.is_wanted, session.down_for.as_secs())
    };
    assert_eq!(state(&mut tracker, 100, false, &down), (false, true, 0));
    assert_eq!(state(&mut tracker, 130, false, &down), (false, true, 30));
    assert_eq!(state(&mut tracker, 131, false, &view(BgpState::Established, 2, 1)), (true, true, 0));
    assert_eq!(state(&mut tracker, 140, false, &down), (false, true, 0));
    assert_eq!(state(&mut tracker, 150, true, &down), (false, false, 0));
}
