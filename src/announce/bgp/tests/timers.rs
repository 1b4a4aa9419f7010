//! Timers, one tick before and after.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::link::Link;
use super::{A, B, settings};
use crate::announce::bgp::{Input, SessionState};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);

#[test]
fn a_silent_neighbour_is_given_up_after_the_hold_time_and_not_before() {
    let mut hand = Hand::established(&settings(A));
    hand.pass(9 * SECOND - TICK);
    assert_eq!(hand.view().state, SessionState::Established);
    assert_eq!(hand.view().session.unwrap().hold_left, Some(TICK));
    hand.take();
    hand.pass(TICK);
    assert_eq!(hand.take(), ["1 Hold Timer Expired", "1 close"]);
    assert_eq!(hand.failure(), "nothing came from the neighbour for the hold time of 9 s");
    assert_eq!(hand.view().lost, 1);
}

#[test]
fn any_message_is_a_sign_of_life_and_half_a_message_is_not() {
    let mut hand = Hand::established(&settings(A));
    for _ in 0..10 {
        hand.pass(8 * SECOND);
        hand.feed(FIRST, &keepalive());
    }
    assert_eq!(hand.view().state, SessionState::Established);
    hand.pass(8 * SECOND);
    hand.feed(FIRST, &keepalive()[..18]);
    hand.pass(SECOND);
    assert_eq!(hand.view().state, SessionState::Idle);
}

#[test]
fn what_arrived_in_time_is_heard_before_the_timer_is_asked() {
    // The process stood still for longer than the hold time; the neighbour's messages were in the kernel.
    let mut hand = Hand::established(&settings(A));
    hand.now = hand.now.after(60 * SECOND);
    hand.feed(FIRST, &keepalive());
    hand.handle(Input::Tick);
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn keepalives_are_sent_within_a_third_of_the_hold_time() {
    let mut hand = Hand::established(&settings(A));
    for _ in 0..100 {
        let due = hand.speaker.deadline().unwrap().since(hand.now.time);
        assert!(due > Duration::from_millis(2250) && due <= 3 * SECOND, "{due:?}");
        hand.pass(due - TICK);
        assert_eq!(hand.take(), [""; 0]);
        hand.pass(TICK);
        assert_eq!(hand.take(), ["1 KEEPALIVE"]);
        hand.feed(FIRST, &keepalive());
    }
}

#[test]
fn a_neighbour_that_confirms_nothing_is_held_to_the_hold_time_as_well() {
    let mut hand = Hand::accepted(&settings(A));
    hand.feed(FIRST, &open(|_| {}));
    hand.pass(9 * SECOND - TICK);
    assert_eq!(hand.view().state, SessionState::OpenConfirm);
    hand.take();
    hand.pass(TICK);
    assert_eq!(hand.take(), ["1 Hold Timer Expired", "1 close"]);
    assert_eq!(hand.view().lost, 0, "it never was a session");
}

#[test]
fn a_connection_on_which_no_open_comes_is_given_up_after_a_minute() {
    let mut hand = Hand::accepted(&settings(A));
    hand.pass(60 * SECOND - TICK);
    assert_eq!((hand.take(), hand.view().state), (vec![], SessionState::OpenSent));
    hand.pass(TICK);
    assert_eq!(hand.take(), ["1 Hold Timer Expired", "1 close"]);
}

#[test]
fn a_neighbour_that_takes_nothing_is_given_up_without_a_word_after_the_send_hold_time() {
    // RFC 9687: it still sends keepalives, so that the hold timer is no help.
    let mut hand = Hand::established(&settings(A));
    hand.is_read = false;
    let due = hand.speaker.deadline().unwrap().since(hand.now.time);
    hand.pass(due);
    assert_eq!(hand.take(), ["1 KEEPALIVE"]);
    let mut sent_so_far = 19;
    for _ in 1..10 {
        hand.pass(2 * SECOND);
        hand.feed(FIRST, &keepalive());
        sent_so_far += hand.take().len() * 19;
        hand.handle(Input::Sent { connection: FIRST, waiting: sent_so_far });
    }
    hand.pass(2 * SECOND - TICK);
    assert_eq!(hand.view().state, SessionState::Established);
    hand.take();
    hand.pass(TICK);
    assert_eq!(hand.take(), ["1 abort"]);
    assert_eq!(
        hand.failure(),
        "Send Hold Timer Expired: the neighbour has taken nothing of what we sent for 20 s"
    );
}

#[test]
fn a_neighbour_that_takes_a_little_now_and_then_is_not_given_up() {
    let mut hand = Hand::established(&settings(A));
    hand.is_read = false;
    hand.handle(Input::Sent { connection: FIRST, waiting: 1000 });
    for left in (900..1000).rev() {
        hand.pass(2 * SECOND);
        hand.feed(FIRST, &keepalive());
        hand.take();
        hand.handle(Input::Sent { connection: FIRST, waiting: left });
    }
    assert_eq!(hand.view().state, SessionState::Established);
}

#[test]
fn a_neighbour_that_does_not_read_is_not_sent_without_end() {
    let mut both = [settings(A), settings(B)];
    both[B].neighbors[0].passive = true;
    both[A].neighbors[0].send_hold = 3600 * SECOND;
    both[A].neighbors[0].hold = Duration::ZERO;
    let mut link = Link::new(both);
    link.run(SECOND);
    link.assert_established();
    link.sides[A].is_read = false;
    for value in 0..5000 {
        link.set_routes(A, &[("198.51.100.0/24", super::med(value))]);
        link.run(Duration::from_millis(1));
    }
    let waiting = link.waiting(A);
    assert!(waiting < 40 * 1024, "{waiting}");
    // What it learns at last is the last word.
    link.sides[A].is_read = true;
    link.take_sent(A);
    link.drain(A);
    assert_eq!(link.take_sent(A), ["+198.51.100.0/24 med 4999"]);
}

#[test]
fn a_path_that_breaks_without_a_word_ends_the_session_on_both_sides() {
    let mut link = Link::established();
    link.is_cut = true;
    link.run(10 * SECOND);
    for side in [A, B] {
        assert_eq!(link.notification(side), "sent: Hold Timer Expired");
    }
    link.is_cut = false;
    link.run(15 * SECOND);
    link.assert_established();
}
