//! Two connections between two neighbours that open towards each other (RFC 4271 section 6.8).

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::link::Link;
use super::{A, B, settings};
use crate::announce::bgp::{Input, SessionState};
use crate::announce::io::ConnectionId;
use crate::wire::bgp::RouterId;

const SECOND: Duration = Duration::from_secs(1);
const SECOND_ACCEPTED: ConnectionId = ConnectionId(3);

/// A has opened a connection and B another, and both OPENs of A are out.
fn crossing(id: u32) -> (Hand, ConnectionId) {
    let mut settings = settings(A);
    settings.router_id = RouterId(id);
    let mut hand = Hand::new(&settings);
    hand.handle(Input::Tick);
    let ours = hand.asked[0];
    hand.accept(FIRST);
    hand.connect(ours);
    assert_eq!(hand.take(), ["1 OPEN 64512", "0 OPEN 64512"]);
    (hand, ours)
}

#[test]
fn the_connection_of_the_higher_identifier_stays_whichever_open_comes_first() {
    // The neighbour is 0.0.0.2.
    for (id, ours_stays) in [(1, false), (3, true)] {
        for ours_first in [true, false] {
            let (mut hand, ours) = crossing(id);
            let (first, second) = if ours_first { (ours, FIRST) } else { (FIRST, ours) };
            let (winner, loser) = if ours_stays { (ours, FIRST) } else { (FIRST, ours) };
            hand.feed(first, &open(|_| {}));
            assert_eq!(hand.take(), [format!("{} KEEPALIVE", first.0)]);
            hand.feed(second, &open(|_| {}));
            let mut said = hand.take();
            if winner == second {
                assert_eq!(said.pop().unwrap(), format!("{} KEEPALIVE", second.0));
            }
            let notice = format!("{} Cease: Connection Collision Resolution", loser.0);
            assert_eq!(said, [notice, format!("{} close", loser.0)]);
            hand.feed(winner, &keepalive());
            assert_eq!(hand.view().state, SessionState::Established);
            assert_eq!(hand.view().last_failure, None, "a collision is no failure");
        }
    }
}

#[test]
fn with_equal_identifiers_the_higher_number_decides() {
    // RFC 6286 section 2.3: the neighbour's is higher.
    let (mut hand, ours) = crossing(2);
    hand.feed(ours, &open(|_| {}));
    hand.feed(FIRST, &open(|_| {}));
    assert_eq!(
        hand.take(),
        ["0 KEEPALIVE", "0 Cease: Connection Collision Resolution", "0 close", "1 KEEPALIVE"]
    );
}

#[test]
fn a_session_stays_and_the_connection_beside_it_goes() {
    let (mut hand, ours) = crossing(1);
    hand.feed(ours, &open(|_| {}));
    hand.feed(ours, &keepalive());
    assert_eq!(
        hand.take(),
        ["0 KEEPALIVE", "1 Cease: Connection Collision Resolution", "1 close", "0 END IPv4"]
    );
    // Though the other one would have won before.
    hand.feed(FIRST, &open(|_| {}));
    assert_eq!((hand.take(), hand.view().state), (vec![], SessionState::Established));
}

#[test]
fn an_attempt_of_ours_is_dropped_when_the_neighbours_leads_to_a_session() {
    let mut hand = Hand::new(&settings(A));
    hand.handle(Input::Tick);
    hand.accept(FIRST);
    hand.feed(FIRST, &open(|_| {}));
    hand.feed(FIRST, &keepalive());
    assert_eq!(hand.take(), ["1 OPEN 64512", "1 KEEPALIVE", "0 abort", "1 END IPv4"]);
    // The kernel had it already: nobody wants it any more.
    hand.connect(hand.asked[0]);
    assert_eq!(hand.take(), [""; 0]);
}

#[test]
fn of_two_connections_of_the_neighbour_the_later_one_counts_until_the_first_is_all_but_a_session() {
    let mut hand = Hand::accepted(&settings(A));
    hand.accept(SECOND_ACCEPTED);
    assert_eq!(hand.take(), ["1 abort", "3 OPEN 64512"]);
    hand.feed(SECOND_ACCEPTED, &open(|_| {}));
    hand.accept(ConnectionId(5));
    assert_eq!(hand.take(), ["3 KEEPALIVE", "5 Cease: Connection Collision Resolution", "5 close"]);
}

#[test]
fn a_connection_beside_a_session_waits_for_its_end_and_is_refused_if_that_does_not_come() {
    let mut hand = Hand::established(&settings(A));
    hand.accept(SECOND_ACCEPTED);
    // A neighbour that has started anew answers this with a reset.
    assert_eq!(hand.take(), ["1 KEEPALIVE"]);
    hand.feed(SECOND_ACCEPTED, &open(|_| {}));
    hand.pass(Duration::from_millis(4999));
    let first = hand.take();
    assert!(first.iter().all(|said| said == "1 KEEPALIVE"), "{first:?}");
    hand.feed(FIRST, &keepalive());
    hand.pass(Duration::from_millis(1));
    let said = hand.take();
    assert!(said.ends_with(&["3 Cease: Connection Collision Resolution".to_owned(), "3 close".to_owned()]));
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn the_connection_that_waited_becomes_the_session_after_the_pause() {
    let mut hand = Hand::established(&settings(A));
    hand.accept(SECOND_ACCEPTED);
    hand.feed(SECOND_ACCEPTED, &open(|_| {}));
    hand.take();
    hand.handle(Input::Closed { connection: FIRST, reason: "reset by the other side" });
    assert_eq!((hand.take(), hand.view().state), (vec![], SessionState::Idle));
    hand.pass(SECOND);
    assert_eq!(hand.take(), ["3 OPEN 64512", "3 KEEPALIVE"]);
    hand.feed(SECOND_ACCEPTED, &keepalive());
    assert_eq!((hand.view().state, hand.view().established), (SessionState::Established, 2));
}

#[test]
fn who_waits_may_say_no_more_than_an_open() {
    let mut hand = Hand::established(&settings(A));
    hand.accept(SECOND_ACCEPTED);
    hand.take();
    hand.feed(SECOND_ACCEPTED, &[0xFF; 4096]);
    assert_eq!(hand.take(), [""; 0]);
    hand.feed(SECOND_ACCEPTED, &[0xFF]);
    assert_eq!((hand.take(), hand.view().state), (vec!["3 abort".to_owned()], SessionState::Established));
}

#[test]
fn neighbours_that_connect_at_the_same_time_end_with_one_session() {
    for id in [1, 100] {
        for latency in [1, 7, 40, 300] {
            let mut both = [settings(A), settings(B)];
            both[A].router_id = RouterId(id);
            let mut link = Link::new(both);
            link.latency = Duration::from_millis(latency);
            link.run(20 * SECOND);
            link.assert_established();
            assert_eq!((link.view(A).established, link.view(A).lost), (1, 0), "{latency} ms");
            assert_eq!(link.connections(), 1);
        }
    }
}
