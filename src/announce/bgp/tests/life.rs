//! Sessions from their beginning to their end, and what comes after.

use std::time::Duration;

use super::link::{Link, announced};
use super::{A, B, med, prefix, settings};
use crate::announce::bgp::SessionState;
use crate::wire::bgp::Reason;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_neighbours_find_each_other_whoever_connects() {
    for passive in [A, B] {
        let mut both = [settings(A), settings(B)];
        both[passive].neighbors[0].passive = true;
        let mut link = Link::new(both);
        link.run(SECOND);
        link.assert_established();
        assert_eq!(link.attempts(passive), 0);
        let view = link.view(A);
        assert_eq!((view.established, view.lost, view.last_failure), (1, 0, None));
        let session = view.session.unwrap();
        assert_eq!((session.hold.as_secs(), session.keepalive.as_secs()), (9, 3));
        assert_eq!(session.router_id.0, 2);
        assert!(session.capabilities.contains(&"four-octet AS number 4200000000".to_owned()));
        assert!(link.sides[A].log[0].starts_with("BGP session established router_id=0.0.0.2"));
    }
}

#[test]
fn a_session_lasts_while_both_sides_live() {
    let mut link = Link::established();
    link.run(3600 * SECOND);
    link.assert_established();
    assert_eq!((link.view(A).established, link.view(B).established), (1, 1));
}

#[test]
fn a_neighbour_that_is_not_there_is_tried_again_with_growing_pauses() {
    let mut link = Link::one_way();
    link.sides[B].listens = false;
    link.run(Duration::from_millis(10));
    assert_eq!((link.state(A), link.attempts(A)), (SessionState::Active, 1));
    assert_eq!(link.failure(A), "cannot connect: connection refused");
    // 1 s, 2 s, 4 s, 5 s, 5 s, each up to a quarter shorter.
    link.run(60 * SECOND);
    assert!((14..=19).contains(&link.attempts(A)), "{}", link.attempts(A));
    link.sides[B].listens = true;
    link.run(5 * SECOND);
    link.assert_established();
    // One line for all of it.
    let lines = link.sides[A].log.iter().filter(|line| line.contains("cannot be reached")).count();
    assert_eq!(lines, 1);
}

#[test]
fn a_neighbour_that_was_never_there_is_absent_since_the_speaker_began() {
    let mut link = Link::one_way();
    let began = link.now;
    link.sides[B].listens = false;
    link.run(60 * SECOND);
    assert_eq!(link.view(A).since, began);
}

#[test]
fn a_connection_that_nobody_answers_is_given_up_and_the_operator_told_what_to_look_at() {
    let mut link = Link::one_way();
    link.is_cut = true;
    link.run(10 * SECOND - Duration::from_nanos(1));
    assert_eq!(link.state(A), SessionState::Connect);
    link.run(Duration::from_nanos(1));
    assert_eq!(link.state(A), SessionState::Active);
    assert!(link.failure(A).contains("MD5"), "{}", link.failure(A));
}

#[test]
fn a_neighbour_that_starts_anew_is_back_at_once() {
    for (who, passive) in [(A, A), (A, B), (B, A), (B, B)] {
        let mut both = [settings(A), settings(B)];
        both[passive].neighbors[0].passive = true;
        let mut link = Link::new(both.clone());
        link.run(60 * SECOND);
        link.replace(who, &both[who]);
        link.run(3 * SECOND);
        link.assert_established();
        let view = link.view(1 - who);
        assert_eq!((view.established, view.lost), (2, 1));
        assert_eq!(
            view.last_failure.unwrap().words.split(':').next(),
            Some("the connection was closed without a NOTIFICATION")
        );
    }
}

#[test]
fn a_session_that_fails_again_and_again_is_tried_less_and_less() {
    let mut link = Link::established();
    for _ in 0..200 {
        link.kill_connections();
        link.run(SECOND);
    }
    // In 200 s: after 1, 2, 4, 8, 16, 32, 60, 60 seconds, up to a quarter less.
    let count = link.view(A).established;
    assert!((8..=11).contains(&count), "{count}");
}

#[test]
fn a_neighbour_that_is_lost_without_a_word_and_comes_back_is_noticed_by_its_new_connection() {
    // B reboots: its old connections are unknown to it, and answered with a reset.
    let mut link = Link::new([settings(A), settings(B)]);
    link.run(60 * SECOND);
    link.assert_established();
    link.is_cut = true;
    link.replace(B, &settings(B));
    link.is_cut = false;
    link.run(2 * SECOND);
    link.assert_established();
    assert_eq!(link.view(A).established, 2);
}

#[test]
fn an_operator_who_stops_tells_everybody_why() {
    let mut link = Link::established();
    link.set_routes(B, &[("198.51.100.0/24", med(1))]);
    link.run(SECOND);
    assert_eq!(link.view(A).session.unwrap().received[0].1, 1);
    link.stop(B);
    link.run(SECOND / 10);
    assert_eq!(link.notification(B), "sent: Cease: Administrative Shutdown: \"maintenance\"");
    assert_eq!(link.notification(A), "received: Cease: Administrative Shutdown: \"maintenance\"");
    assert_eq!(link.view(B).halted, Some("the relay stops"));
    assert_eq!(link.failure(A), "the neighbour says: Cease: Administrative Shutdown: \"maintenance\"");
    let lost: Vec<_> = link.sides[A].log.iter().filter(|line| line.starts_with("BGP session lost")).collect();
    assert_eq!(lost.len(), 1, "{:?}", link.sides[A].log);
    // Who has stopped does not begin again, nor take connections.
    let sides = (link.attempts(B), link.view(B).established);
    link.run(600 * SECOND);
    assert_eq!((link.attempts(B), link.view(B).established), sides);
    assert_eq!(link.view(A).last_notification.unwrap().reason, Reason::CONNECTION_REJECTED);
}

#[test]
fn routes_are_announced_in_the_first_breath_of_every_session() {
    let mut link = Link::one_way();
    link.set_routes(A, &[("198.51.100.0/24", med(7))]);
    for _ in 0..3 {
        link.run(60 * SECOND);
        link.assert_established();
        let sent = link.take_sent(A);
        assert_eq!(sent, ["OPEN 64512", "+198.51.100.0/24 med 7", "END IPv4"]);
        assert_eq!(announced(&link.view(A)), [prefix("198.51.100.0/24")]);
        link.kill_connections();
    }
}

#[test]
fn a_neighbour_that_bfd_calls_down_is_left_at_once_with_the_reason() {
    use crate::announce::bgp::Input;
    use crate::announce::io::NeighborId;
    let mut with_bfd = settings(A);
    with_bfd.neighbors[0].bfd = true;
    let mut link = Link::new([with_bfd, settings(B)]);
    link.run(60 * SECOND);
    let bfd = |up, reason| Input::Bfd { neighbor: NeighborId(0), up, reason };
    // It was never up: that says nothing of the way.
    link.handle(A, bfd(false, "no answer yet"));
    link.run(SECOND);
    link.assert_established();
    link.handle(A, bfd(true, ""));
    assert_eq!(link.view(A).bfd, Some(true));
    link.handle(A, bfd(false, "nothing came for 300 ms"));
    assert_eq!(link.state(A), SessionState::Idle);
    assert_eq!(link.notification(A), "sent: Cease: BFD Down");
    assert!(link.failure(A).ends_with("down: nothing came for 300 ms"), "{}", link.failure(A));
    // The other side comes back, and waits.
    link.run(30 * SECOND);
    assert_eq!((link.state(A), link.view(A).halted), (SessionState::Idle, Some("waits for BFD")));
    assert_eq!(link.view(A).established, 1);
    link.handle(A, bfd(true, ""));
    link.run(SECOND);
    link.assert_established();
}

#[test]
fn a_neighbour_whose_bfd_does_not_come_back_is_tried_again_after_a_minute() {
    let mut link = fallen_without_bfd_again(|_| {});
    link.run(59 * SECOND);
    assert_eq!((link.state(A), link.attempts(A)), (SessionState::Idle, 1));
    link.run(3 * SECOND);
    link.assert_established();
    assert_eq!(link.view(A).halted, None);
}

#[test]
fn a_passive_end_lets_in_whoever_waited_when_bfd_is_back() {
    use crate::announce::bgp::Input;
    use crate::announce::io::NeighborId;
    let mut link = fallen_without_bfd_again(|settings| settings[A].neighbors[0].passive = true);
    link.run(20 * SECOND);
    assert_eq!((link.state(A), link.attempts(A)), (SessionState::Idle, 0));
    link.handle(A, Input::Bfd { neighbor: NeighborId(0), up: true, reason: "" });
    link.run(SECOND);
    link.assert_established();
}

#[test]
fn a_neighbour_for_which_bfd_is_switched_off_is_waited_for_no_more() {
    let mut link = fallen_without_bfd_again(|_| {});
    link.run(10 * SECOND);
    assert_eq!(link.attempts(A), 1);
    link.reload(A, &settings(A));
    link.run(SECOND);
    link.assert_established();
    assert_eq!(link.view(A).bfd, None);
}

/// BFD has come, and gone with the session.
fn fallen_without_bfd_again(change: impl FnOnce(&mut [crate::announce::bgp::Settings; 2])) -> Link {
    use crate::announce::bgp::Input;
    use crate::announce::io::NeighborId;
    let mut both = [settings(A), settings(B)];
    both[A].neighbors[0].bfd = true;
    both[B].neighbors[0].passive = true;
    change(&mut both);
    if both[A].neighbors[0].passive {
        both[B].neighbors[0].passive = false;
    }
    let mut link = Link::new(both);
    link.run(SECOND);
    link.assert_established();
    for up in [true, false] {
        link.handle(A, Input::Bfd { neighbor: NeighborId(0), up, reason: "" });
    }
    link
}

#[test]
fn bfd_without_being_asked_for_ends_nothing() {
    use crate::announce::bgp::Input;
    use crate::announce::io::NeighborId;
    let mut link = Link::established();
    for up in [true, false] {
        link.handle(A, Input::Bfd { neighbor: NeighborId(0), up, reason: "" });
    }
    link.run(SECOND);
    link.assert_established();
    assert_eq!(link.view(A).bfd, None);
}
