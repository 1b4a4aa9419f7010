//! What an operator hears of a neighbour that goes wrong: enough, and not too much.

use std::time::Duration;

use super::hand::{Hand, keepalive, open};
use super::{A, settings};
use crate::announce::bgp::{Input, SessionState};
use crate::announce::io::ConnectionId;

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
