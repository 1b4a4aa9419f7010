//! Whatever a neighbour does, there is a way back to a session, and no deadline that nothing comes of.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::settings;
use crate::announce::bgp::{Input, SessionState};
use crate::announce::io::{ConnectionId, NeighborId};
use crate::time::Time;
use crate::wire::bgp::{Family, Reason, write};

const SECOND: Duration = Duration::from_secs(1);
const BESIDE: ConnectionId = ConnectionId(3);

fn notification(reason: Reason) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::notification(&mut bytes, reason, &[]);
    bytes
}

/// A session on [`FIRST`], with a speaker that would also connect by itself.
fn established() -> Hand {
    let mut hand = Hand::new(&settings(super::A));
    hand.accept(FIRST);
    hand.feed(FIRST, &open(|_| {}));
    hand.feed(FIRST, &keepalive());
    assert_eq!(hand.view().state, SessionState::Established);
    hand.take();
    hand
}

/// Ticks at every deadline for so long, and fails if one comes at once again and again.
fn run(hand: &mut Hand, duration: Duration) {
    let end = hand.now.time + duration;
    let (mut rounds, mut last) = (0, Time::ZERO);
    while let Some(next) = hand.speaker.deadline().filter(|next| *next <= end) {
        rounds = if next > last { 0 } else { rounds + 1 };
        assert!(rounds < 20, "a deadline that does not pass");
        last = last.max(next);
        hand.pass(next.since(hand.now.time));
    }
    hand.pass(end.since(hand.now.time));
}

#[test]
fn a_neighbour_may_end_its_session_in_favour_of_the_connection_beside_it() {
    // RFC 4271 section 6.8 lets it, by CollisionDetectEstablishedState.
    let mut hand = established();
    hand.accept(BESIDE);
    hand.feed(BESIDE, &open(|_| {}));
    hand.feed(FIRST, &notification(Reason::COLLISION_RESOLUTION));
    run(&mut hand, 5 * SECOND);
    hand.feed(BESIDE, &keepalive());
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn a_session_that_ends_in_favour_of_another_connection_that_ends_as_well_is_tried_again() {
    let mut hand = established();
    hand.accept(BESIDE);
    hand.feed(FIRST, &notification(Reason::COLLISION_RESOLUTION));
    hand.handle(Input::Closed { connection: BESIDE, reason: "reset" });
    run(&mut hand, 5 * SECOND);
    assert_eq!(hand.asked.len(), 1);
}

#[test]
fn a_neighbour_that_confirms_nothing_is_given_up_without_a_hold_time_as_well() {
    let mut hand = Hand::new(&settings(super::A));
    hand.accept(FIRST);
    hand.feed(FIRST, &open(|open| open.hold = 0));
    assert_eq!(hand.view().state, SessionState::OpenConfirm);
    run(&mut hand, 120 * SECOND);
    assert_ne!(hand.view().state, SessionState::OpenConfirm);
    // With a session there is no such limit.
    let mut hand = Hand::new(&settings(super::A));
    hand.accept(FIRST);
    hand.feed(FIRST, &open(|open| open.hold = 0));
    hand.feed(FIRST, &keepalive());
    run(&mut hand, 3600 * SECOND);
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn a_request_for_routes_that_were_never_said_leads_to_no_deadline() {
    let mut settings = settings(super::A);
    settings.neighbors[0].graceful_restart = Some(120);
    let mut hand = Hand::established(&settings);
    let mut bytes = Vec::new();
    write::route_refresh(&mut bytes, Family::Ipv4);
    hand.feed(FIRST, &bytes);
    run(&mut hand, SECOND);
    assert_eq!(hand.take(), Vec::<String>::new());
    // Once they are known, they are said once.
    hand.speaker.set_routes(hand.now, NeighborId(0), Vec::new());
    hand.collect();
    assert_eq!(hand.take(), ["1 END IPv4"]);
    run(&mut hand, SECOND);
    assert_eq!(hand.take(), Vec::<String>::new());
}
