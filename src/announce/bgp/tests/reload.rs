//! A reload ends no session that it need not end.

use std::time::Duration;

use super::link::{Link, announced};
use super::{A, B, med, neighbor, prefix, settings};
use crate::announce::bgp::{NeighborSettings, SessionState, Settings};
use crate::announce::io::NeighborId;
use crate::wire::bgp::{Asn, Families, Role, RouterId};

const SECOND: Duration = Duration::from_secs(1);

/// A session, and A's settings changed.
fn changed(change: impl FnOnce(&mut Settings)) -> Link {
    let mut link = Link::established();
    link.set_routes(A, &[("198.51.100.0/24", med(1))]);
    link.run(SECOND);
    link.take_sent(A);
    let mut other = settings(A);
    change(&mut other);
    link.reload(A, &other);
    link
}

#[test]
fn the_same_settings_change_nothing() {
    let mut link = changed(|_| {});
    link.run(SECOND);
    assert_eq!(link.take_sent(A), [""; 0]);
    assert_eq!(announced(&link.view(A)), [prefix("198.51.100.0/24")]);
}

#[test]
fn what_is_not_in_the_open_changes_without_another_session() {
    let changes: [fn(&mut NeighborSettings); 7] = [
        |neighbor| neighbor.passive = true,
        |neighbor| neighbor.connect_retry = Duration::from_secs(1),
        |neighbor| neighbor.send_hold = Duration::from_secs(30),
        |neighbor| neighbor.max_prefixes = Some(3),
        |neighbor| neighbor.max_prefixes_restart = Some(SECOND),
        |neighbor| neighbor.bfd = true,
        |neighbor| neighbor.role_strict = false,
    ];
    for change in changes {
        let mut link = changed(|settings| change(&mut settings.neighbors[0]));
        link.run(20 * SECOND);
        link.assert_established();
        assert_eq!(link.view(A).established, 1);
        assert_eq!(link.take_sent(A), [""; 0]);
    }
}

#[test]
fn what_is_in_the_open_needs_another_session_and_the_neighbour_is_told() {
    let changes: [fn(&mut Settings); 6] = [
        |settings| settings.neighbors[0].sockets = 1,
        |settings| settings.router_id = RouterId(77),
        |settings| settings.neighbors[0].hold = Duration::from_secs(30),
        |settings| settings.neighbors[0].families = Families::BOTH,
        |settings| settings.neighbors[0].role = Some(Role::Peer),
        |settings| settings.neighbors[0].graceful_restart = Some(60),
    ];
    for change in changes {
        let mut link = changed(change);
        assert_eq!(link.notification(A), "sent: Cease: Other Configuration Change");
        link.run(2 * SECOND);
        link.assert_established();
        assert_eq!(link.view(A).established, 2);
        // Our own wish is no flap.
        assert_eq!(link.view(A).lost, 0);
    }
}

#[test]
fn another_number_of_ours_is_refused_by_a_neighbour_that_expects_the_old_one() {
    let mut link = changed(|settings| settings.asn = Asn(64999));
    link.run(2 * SECOND);
    assert_eq!(link.notification(A), "received: OPEN Message Error: Bad Peer AS (AS 64999)");
    let words = link.failure(A);
    assert!(words.ends_with("; we say AS 64999, it expects another: one of both is wrong"), "{words}");
}

#[test]
fn a_neighbour_that_is_no_longer_configured_is_told_so() {
    let mut link = changed(|settings| settings.neighbors.clear());
    link.run(SECOND);
    assert_eq!(link.notification(B), "received: Cease: Peer De-configured");
    assert_eq!(link.take_sent(A), ["Cease: Peer De-configured"]);
    assert_eq!(link.sides[A].speaker.deadline(), None);
}

#[test]
fn a_neighbour_that_is_shut_down_reads_the_text_and_comes_back_when_it_may() {
    let mut link = changed(|settings| settings.neighbors[0].shutdown = true);
    link.run(SECOND / 10);
    assert_eq!(link.notification(B), "received: Cease: Administrative Shutdown: \"maintenance\"");
    assert_eq!(link.view(A).halted, Some("shut down by configuration"));
    link.run(60 * SECOND);
    assert_eq!((link.state(A), link.attempts(A)), (SessionState::Idle, 1));
    link.reload(A, &settings(A));
    link.run(SECOND);
    link.assert_established();
}

#[test]
fn a_neighbour_keeps_its_session_when_its_place_changes() {
    let mut link = changed(|settings| {
        let other =
            NeighborSettings { name: "other".into(), address: [203, 0, 113, 1].into(), ..neighbor(A) };
        settings.neighbors.insert(0, other);
    });
    link.run(20 * SECOND);
    let views = link.sides[A].speaker.view(link.now);
    assert_eq!(views[0].id, NeighborId(0));
    assert_eq!((&*views[0].name, &*views[1].name), ("other", "b"));
    assert_eq!(
        (views[1].id, views[1].state, views[1].established),
        (NeighborId(1), SessionState::Established, 1)
    );
}

#[test]
fn a_reload_after_the_end_begins_nothing() {
    let mut link = Link::established();
    link.stop(A);
    let mut other = settings(A);
    other.router_id = RouterId(9);
    link.reload(A, &other);
    let before = link.attempts(A);
    link.run(600 * SECOND);
    assert_eq!((link.state(A), link.attempts(A)), (SessionState::Idle, before));
}
