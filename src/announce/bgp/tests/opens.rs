//! OPENs that do not fit: the neighbour gets the RFC's NOTIFICATION, the operator words that tell what to change.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::link::Link;
use super::{A, B, settings};
use crate::announce::bgp::{SessionState, Settings};
use crate::wire::bgp::write::OpenSettings;
use crate::wire::bgp::{Asn, Families, GracefulRestart, Role};

const SECOND: Duration = Duration::from_secs(1);

/// What is said, and why, to an OPEN of B under `settings` of A.
fn refusal(settings: &Settings, change: impl FnOnce(&mut OpenSettings)) -> (String, String) {
    let mut hand = Hand::accepted(settings);
    hand.feed(FIRST, &open(change));
    assert_eq!(hand.view().state, SessionState::Idle);
    let said = hand.take();
    assert_eq!((said.len(), said[1].as_str()), (2, "1 close"), "{said:?}");
    (said[0].clone(), hand.failure())
}

#[test]
fn another_number_is_named_with_the_one_that_is_expected() {
    let (said, words) = refusal(&settings(A), |open| open.asn = Asn(65001));
    assert_eq!(said, "1 OPEN Message Error: Bad Peer AS (AS 65001)");
    assert_eq!(
        words,
        "the neighbour says it is AS 65001; `asn` of this neighbour is 4200000000: one of both is wrong"
    );
    let (said, _) = refusal(&settings(A), |open| open.asn = Asn(4_200_000_001));
    assert_eq!(said, "1 OPEN Message Error: Bad Peer AS (AS 4200000001)");
}

#[test]
fn an_old_speaker_that_stands_for_a_large_number_is_named_so() {
    let mut hand = Hand::accepted(&settings(A));
    // Without capabilities, AS 23456.
    hand.feed(FIRST, &raw_open(4, 23456, 90, 2));
    assert!(hand.failure().contains("stands for a number of four octets"), "{}", hand.failure());
}

#[test]
fn a_hold_time_that_is_too_short_is_refused_and_none_at_all_is_not() {
    let (said, words) = refusal(&settings(A), |open| open.hold = 2);
    assert_eq!(said, "1 OPEN Message Error: Unacceptable Hold Time (2 s)");
    assert!(words.starts_with("the neighbour's hold time must be 0 or at least 3 s"), "{words}");
    let mut hand = Hand::accepted(&settings(A));
    hand.feed(FIRST, &open(|open| open.hold = 0));
    hand.feed(FIRST, &keepalive());
    let session = hand.view().session.unwrap();
    assert_eq!((session.hold, session.hold_left), (Duration::ZERO, None));
    assert_eq!(hand.speaker.deadline(), None, "neither holds nor keeps alive");
}

#[test]
fn the_lower_hold_time_counts() {
    for (theirs, agreed) in [(3, 3), (8, 8), (9, 9), (10, 9), (65535, 9)] {
        let mut hand = Hand::accepted(&settings(A));
        hand.feed(FIRST, &open(|open| open.hold = theirs));
        hand.feed(FIRST, &keepalive());
        assert_eq!(hand.view().session.unwrap().hold.as_secs(), agreed);
    }
}

#[test]
fn an_identifier_of_zero_and_another_version_are_refused() {
    let (said, words) = refusal(&settings(A), |open| open.id.0 = 0);
    assert!(said.starts_with("1 OPEN Message Error: Bad BGP Identifier"), "{said}");
    assert!(words.starts_with("the neighbour's router ID must not be zero"), "{words}");
    let mut hand = Hand::accepted(&settings(A));
    hand.feed(FIRST, &raw_open(3, 64512, 90, 2));
    assert_eq!(
        hand.take(),
        ["1 OPEN Message Error: Unsupported Version Number (version 4 is supported)", "1 close"]
    );
}

#[test]
fn our_own_identifier_is_no_fault_of_a_neighbour_in_another_system() {
    // RFC 6286 section 2.2.
    let mut hand = Hand::accepted(&settings(A));
    hand.feed(FIRST, &open(|open| open.id.0 = 1));
    hand.feed(FIRST, &keepalive());
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn no_family_in_common_is_named_with_both_lists() {
    let (said, words) = refusal(&settings(A), |open| open.families = Families::IPV6);
    assert_eq!(said, "1 OPEN Message Error: Unsupported Capability (IPv4 unicast)");
    assert_eq!(
        words,
        "no address family in common: `families` of this neighbour has IPv4, the neighbour offers IPv6"
    );
    // Without any capability a speaker means IPv4.
    let mut old = settings(A);
    old.neighbors[0].asn = Asn(64999);
    old.neighbors[0].families = Families::IPV6;
    let mut hand = Hand::accepted(&old);
    hand.feed(FIRST, &raw_open(4, 64999, 90, 2));
    assert_eq!(hand.take(), ["1 OPEN Message Error: Unsupported Capability (IPv6 unicast)", "1 close"]);
}

#[test]
fn a_family_that_only_one_side_has_does_not_stand_in_the_way() {
    let mut both = settings(A);
    both.neighbors[0].families = Families::BOTH;
    let hand = Hand::established(&both);
    assert_eq!(hand.view().session.unwrap().families, [crate::wire::bgp::Family::Ipv4]);
}

#[test]
fn roles_must_be_each_others_counterparts() {
    use Role::{Customer, Peer, Provider, RouteServer, RouteServerClient};
    let all = [Provider, RouteServer, RouteServerClient, Customer, Peer];
    let good = [
        (Provider, Customer),
        (Customer, Provider),
        (RouteServer, RouteServerClient),
        (RouteServerClient, RouteServer),
        (Peer, Peer),
    ];
    for ours in all {
        for theirs in all {
            let mut with_role = settings(A);
            with_role.neighbors[0].role = Some(ours);
            if good.contains(&(ours, theirs)) {
                let mut hand = Hand::accepted(&with_role);
                hand.feed(FIRST, &open(|open| open.role = Some(theirs)));
                assert_eq!(hand.view().state, SessionState::OpenConfirm, "{ours} {theirs}");
                continue;
            }
            let (said, words) = refusal(&with_role, |open| open.role = Some(theirs));
            assert_eq!(said, "1 OPEN Message Error: Role Mismatch");
            assert_eq!(
                words,
                format!(
                    "our role is {ours}, so the neighbour's must be {}; it says {theirs}",
                    ours.counterpart()
                )
            );
        }
    }
}

#[test]
fn a_neighbour_without_a_role_is_refused_only_if_that_is_wanted() {
    let mut with_role = settings(A);
    with_role.neighbors[0].role = Some(Role::Customer);
    Hand::established(&with_role);
    with_role.neighbors[0].role_strict = true;
    let (said, words) = refusal(&with_role, |_| {});
    assert_eq!(said, "1 OPEN Message Error: Role Mismatch");
    assert_eq!(words, "our role is customer and `role_strict` is set; the neighbour names no role");
    // Without a role of ours theirs says nothing to us.
    let mut hand = Hand::accepted(&settings(A));
    hand.feed(FIRST, &open(|open| open.role = Some(Role::Peer)));
    assert_eq!(hand.view().state, SessionState::OpenConfirm);
}

#[test]
fn both_sides_name_what_is_wrong_between_them() {
    type Case = (fn(&mut Settings), &'static str, &'static str);
    let cases: [Case; 3] = [
        (|b| b.neighbors[0].asn = Asn(1), "Bad Peer AS (AS 64512)", "`asn` of this neighbour is 1"),
        (
            |b| b.neighbors[0].families = Families::IPV6,
            "Unsupported Capability",
            "no address family in common",
        ),
        (|b| b.neighbors[0].role = Some(Role::Peer), "Role Mismatch", "our role is peer"),
    ];
    for (change, notification, words) in cases {
        let mut both = [settings(A), settings(B)];
        both[A].neighbors[0].role = Some(Role::Provider);
        both[B].neighbors[0].passive = true;
        change(&mut both[B]);
        let mut link = Link::new(both);
        link.run(SECOND / 2);
        let notices = [link.notification(A), link.notification(B)];
        assert!(notices.iter().all(|notice| notice.contains(notification)), "{notices:?}");
        let failures = [link.failure(A), link.failure(B)];
        assert!(failures.iter().any(|failure| failure.contains(words)), "{failures:?}");
        assert!(failures.iter().all(|failure| !failure.is_empty()), "{failures:?}");
        // Worth one alert on each side, however often it is tried again.
        link.run(600 * SECOND);
        for side in [A, B] {
            let alerts = link.sides[side]
                .log
                .iter()
                .filter(|line| line.starts_with("BGP session cannot be established"));
            assert!((1..=2).contains(&alerts.count()), "{:#?}", link.sides[side].log);
        }
        assert!(link.attempts(A) < 30, "{}", link.attempts(A));
    }
}

#[test]
fn graceful_restart_is_offered_only_if_it_is_wanted_and_first_as_a_restart() {
    let offers = |settings: &Settings| {
        let mut link = Link::new([settings.clone(), super::settings(B)]);
        let mut found = Vec::new();
        for _ in 0..2 {
            link.run(60 * SECOND);
            link.assert_established();
            found.push(link.view(B).session.unwrap().capabilities);
            link.kill_connections();
        }
        found
    };
    let plain = offers(&settings(A));
    assert!(plain.iter().flatten().all(|capability| !capability.contains("graceful")), "{plain:?}");
    let mut graceful = settings(A);
    graceful.neighbors[0].graceful_restart = Some(120);
    for capabilities in offers(&graceful) {
        assert!(capabilities.contains(&"graceful restart 120 s".to_owned()), "{capabilities:?}");
    }
    let local = super::super::context::Local::of(&graceful);
    for restarting in [true, false] {
        let offer = super::super::opening::offer(&local, &graceful.neighbors[0], restarting);
        let families = Families::IPV4;
        let expected =
            GracefulRestart { restarting, notification: false, time: 120, families, preserved: families };
        assert_eq!(offer.graceful_restart, Some(expected));
    }
}

/// An OPEN without optional parameters.
fn raw_open(version: u8, asn: u16, hold: u16, id: u32) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend([0, 29, 1, version]);
    bytes.extend(asn.to_be_bytes());
    bytes.extend(hold.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.push(0);
    bytes
}
