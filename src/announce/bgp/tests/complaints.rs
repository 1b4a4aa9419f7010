//! What an operator hears of a neighbour that goes wrong: enough, and not too much.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::{A, settings};
use crate::announce::bgp::{Input, SessionState};
use crate::announce::io::{ConnectionId, NeighborId};
use crate::wire::bgp::{Reason, write};

const SECOND: Duration = Duration::from_secs(1);

/// The warnings while a neighbour connects every second for ten minutes and does something there.
fn alerts_of(act: impl Fn(&mut Hand, ConnectionId, u32)) -> Vec<(u64, String)> {
    let mut passive = settings(A);
    passive.neighbors[0].passive = true;
    let mut hand = Hand::new(&passive);
    hand.handle(Input::Tick);
    let began = hand.now.time;
    for n in 0..600 {
        let connection = ConnectionId(1 + 2 * n);
        hand.accept(connection);
        act(&mut hand, connection, n);
        hand.handle(Input::Closed { connection, reason: "reset" });
        hand.pass(SECOND);
    }
    hand.alerts.into_iter().map(|(at, text)| (at.since(began).as_secs(), text)).collect()
}

fn assert_sparse(alerts: &[(u64, String)], text: &str) {
    assert!((3..=10).contains(&alerts.len()), "{alerts:#?}");
    assert!(alerts.iter().all(|(_, alert)| alert.starts_with(text)), "{alerts:#?}");
    assert!(alerts.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 60), "{alerts:#?}");
    assert!(
        !alerts[0].1.contains("more_since_last") && alerts[1].1.contains("more_since_last="),
        "{alerts:#?}"
    );
}

#[test]
fn whatever_a_neighbour_says_wrong_there_is_a_warning_a_minute_and_the_number_of_the_others() {
    // Each time something else is wrong.
    let alerts = alerts_of(|hand, connection, n| hand.feed(connection, &open(|open| open.asn.0 = 1 + n)));
    assert_sparse(&alerts, "BGP session cannot be established");
}

#[test]
fn however_often_a_neighbour_breaks_its_session_there_is_a_warning_a_minute() {
    let alerts = alerts_of(|hand, connection, n| {
        hand.feed(connection, &open(|_| {}));
        hand.feed(connection, &keepalive());
        // After half a minute it counts as one that lasted, and there is next to no pause.
        if hand.view().state == SessionState::Established && n % 2 == 0 {
            for _ in 0..31 {
                hand.feed(connection, &keepalive());
                hand.pass(SECOND);
            }
        }
    });
    assert!((3..=200).contains(&alerts.len()), "{alerts:#?}");
    assert!(alerts.iter().all(|(_, alert)| alert.starts_with("BGP session lost")), "{alerts:#?}");
    assert!(alerts.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 60), "{alerts:#?}");
    assert!(alerts[1].1.contains("more_since_last="), "{alerts:#?}");
}

#[test]
fn what_says_why_stands_beside_what_does_not() {
    let mut hand = Hand::new(&settings(A));
    let cause = |hand: &Hand| hand.view().failure_cause.map(|cause| (cause.words, cause.at));
    hand.handle(Input::Tick);
    hand.connect(hand.asked[0]);
    hand.feed(hand.asked[0], &open(|open| open.asn.0 = 65_002));
    let (told, at) = (hand.failure(), hand.now);
    assert!(told.contains("says it is AS 65002; `asn` of this neighbour is 4200000000"), "{told}");
    assert_eq!(cause(&hand), None, "it is the last one");
    // What comes after is less.
    for n in 1..4 {
        hand.pass(10 * SECOND);
        let connection = hand.asked[n];
        hand.handle(Input::Failed { connection, reason: "connection refused" });
        assert_eq!(hand.failure(), "cannot connect: connection refused");
        assert_eq!(cause(&hand), Some((told.clone(), at)));
    }
    // Another one that says why.
    hand.pass(10 * SECOND);
    hand.connect(hand.asked[4]);
    let mut bytes = Vec::new();
    write::notification(&mut bytes, Reason::ADMINISTRATIVE_SHUTDOWN, &[]);
    hand.feed(hand.asked[4], &bytes);
    assert_eq!(
        (hand.failure().as_str(), cause(&hand)),
        ("the neighbour says: Cease: Administrative Shutdown", None)
    );
    hand.pass(60 * SECOND);
    hand.handle(Input::Failed { connection: hand.asked[5], reason: "connection refused" });
    assert_eq!(cause(&hand).unwrap().0, "the neighbour says: Cease: Administrative Shutdown");
    // What ends the session after that has nothing to do with it.
    hand.accept(FIRST);
    hand.feed(FIRST, &open(|_| {}));
    hand.feed(FIRST, &keepalive());
    hand.handle(Input::Closed { connection: FIRST, reason: "reset" });
    assert_eq!(cause(&hand), None);
}

#[test]
fn bfd_is_in_the_log_both_ways_with_the_reason() {
    let mut with_bfd = settings(A);
    with_bfd.neighbors[0].bfd = true;
    let mut hand = Hand::new(&with_bfd);
    hand.handle(Input::Tick);
    let neighbor = NeighborId(0);
    let bfd = |up, reason| Input::Bfd { neighbor, up, reason };
    let lines = |hand: &mut Hand| {
        let lines = std::mem::take(&mut hand.log).into_iter().filter(|line| line.starts_with("BFD"));
        lines.collect::<Vec<_>>()
    };
    let whom = "neighbor=b address=192.0.2.2";
    // It was never up.
    hand.handle(bfd(false, "nothing was heard"));
    assert_eq!(lines(&mut hand), [""; 0]);
    hand.handle(bfd(true, "the neighbour is heard"));
    // After a reload it is said again.
    hand.handle(bfd(true, "the neighbour is heard"));
    assert_eq!(lines(&mut hand), [format!("BFD session up {whom} reason=the neighbour is heard")]);
    assert!(hand.alerts.is_empty());
    hand.handle(bfd(false, "nothing was heard for 300 ms"));
    let down = format!("BFD session down {whom} reason=nothing was heard for 300 ms");
    assert_eq!(lines(&mut hand), [down.as_str()]);
    assert!(hand.alerts.iter().any(|(_, alert)| *alert == down));
    // An operator's wish is no alert, and no reason to leave the session.
    hand.pass(60 * SECOND);
    hand.alerts.clear();
    hand.handle(bfd(true, "the neighbour is heard"));
    hand.handle(Input::BfdStopped { neighbor, reason: "its operator" });
    hand.handle(bfd(true, "the neighbour is heard"));
    let expected = [
        format!("BFD session up {whom} reason=the neighbour is heard"),
        format!("BFD session taken down {whom} reason=its operator"),
        format!("BFD session up {whom} reason=the neighbour is heard"),
    ];
    assert_eq!(lines(&mut hand), expected);
    assert_eq!((hand.alerts.len(), hand.view().bfd), (0, Some(true)));
}

#[test]
fn bfd_that_flaps_is_in_the_log_once_a_minute() {
    let mut with_bfd = settings(A);
    with_bfd.neighbors[0].bfd = true;
    with_bfd.neighbors[0].passive = true;
    let mut hand = Hand::new(&with_bfd);
    for n in 0..600 {
        hand.handle(Input::Bfd { neighbor: NeighborId(0), up: n % 2 == 0, reason: "so" });
        hand.pass(SECOND);
    }
    assert_eq!(hand.alerts.len(), 10, "{:#?}", hand.alerts);
    assert!(hand.alerts[1].1.contains("more_since_last=29"), "{:?}", hand.alerts[1]);
}
