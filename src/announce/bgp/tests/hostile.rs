//! What a malformed or hostile neighbour gets: the RFC's NOTIFICATION or treat-as-withdraw, and nothing of the others'.

use std::time::Duration;

use super::hand::{FIRST, Hand, keepalive, open};
use super::link::Link;
use super::{A, B, med, neighbor, settings};
use crate::announce::bgp::{Input, NeighborSettings, SessionState};
use crate::announce::io::{ConnectionId, NeighborId};
use crate::wire::bgp::Reason;
use crate::wire::bgp::write;

const SECOND: Duration = Duration::from_secs(1);

/// ORIGIN, an AS_PATH of B's number, NEXT_HOP.
const GOOD: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0xFA, 0x56, 0xEA, 0, 0x40, 3, 4, 192, 0, 2, 2];

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; 16];
    bytes.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = |field: &[u8]| u16::try_from(field.len()).unwrap().to_be_bytes();
    message(2, &[&length(withdrawn), withdrawn, &length(attributes), attributes, nlri].concat())
}

fn received(hand: &Hand) -> usize {
    hand.view().session.unwrap().received[0].1
}

#[test]
fn routes_are_counted_and_forgotten() {
    let mut hand = Hand::established(&settings(A));
    hand.feed(FIRST, &update(&[], GOOD, &[8, 10, 8, 11, 8, 10]));
    assert_eq!(received(&hand), 2);
    hand.feed(FIRST, &update(&[8, 10, 8, 99], &[], &[]));
    assert_eq!(received(&hand), 1);
    assert_eq!(hand.take(), [""; 0]);
}

#[test]
fn messages_come_in_pieces_of_any_size() {
    let stream: Vec<u8> = [open(|_| {}), keepalive(), update(&[], GOOD, &[8, 10]), keepalive()].concat();
    for size in [1, 2, 7, 18, 19, 20, 1000] {
        let mut hand = Hand::accepted(&settings(A));
        for piece in stream.chunks(size) {
            hand.feed(FIRST, piece);
        }
        assert_eq!(received(&hand), 1, "in pieces of {size}");
    }
}

#[test]
fn a_message_that_may_not_come_now_is_named_by_state_and_type() {
    let refresh = message(5, &[0, 1, 0, 1]);
    type Case<'a> = (&'a [Vec<u8>], u8, Vec<u8>);
    let cases: [Case<'_>; 8] = [
        (&[], 1, keepalive()),
        (&[], 1, update(&[], &[], &[])),
        (&[], 1, refresh.clone()),
        (&[open(|_| {})], 2, open(|_| {})),
        (&[open(|_| {})], 2, update(&[], GOOD, &[8, 10])),
        (&[open(|_| {})], 2, refresh),
        (&[open(|_| {}), keepalive()], 3, open(|_| {})),
        // Nothing of it is read: what is malformed besides does not matter.
        (&[], 1, update(&[77], &[], &[])),
    ];
    for (before, subcode, last) in cases {
        let mut hand = Hand::accepted(&settings(A));
        before.iter().for_each(|bytes| hand.feed(FIRST, bytes));
        hand.take();
        hand.feed(FIRST, &last);
        let notice = hand.view().last_notification.unwrap();
        assert_eq!((notice.is_sent, notice.reason), (true, Reason { code: 5, subcode }));
        assert!(hand.take()[0].contains(&format!("(data {:02x})", last[18])));
    }
}

#[test]
fn what_is_no_message_ends_the_session_with_the_reason() {
    let mut bad_marker = keepalive();
    bad_marker[3] = 0;
    let mut too_long = keepalive();
    (too_long[16], too_long[17]) = (0x10, 0x01);
    let cases = [
        (bad_marker, Reason::NOT_SYNCHRONIZED),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Reason::NOT_SYNCHRONIZED),
        (too_long, Reason::BAD_MESSAGE_LENGTH),
        (message(4, &[0]), Reason::BAD_MESSAGE_LENGTH),
        (message(77, &[]), Reason::BAD_MESSAGE_TYPE),
        (update(&[], &[0x40, 9, 0], &[]), Reason::ATTRIBUTE_FLAGS),
        (update(&[33, 1, 2, 3, 4, 5], &[], &[]), Reason::INVALID_NETWORK_FIELD),
    ];
    for (bytes, reason) in cases {
        let mut hand = Hand::established(&settings(A));
        hand.feed(FIRST, &bytes);
        let notice = hand.view().last_notification.unwrap();
        if notice.reason.code == 3 {
            assert_eq!(notice.reason.code, reason.code);
        } else {
            assert_eq!(notice.reason, reason);
        }
        assert_eq!(hand.take().last().unwrap(), "1 close");
        // What comes behind it is not looked at.
        hand.feed(FIRST, &keepalive());
        assert_eq!(hand.take(), [""; 0]);
    }
}

#[test]
fn a_bad_route_is_taken_as_withdrawn_and_the_session_goes_on() {
    let mut hand = Hand::established(&settings(A));
    hand.feed(FIRST, &update(&[], GOOD, &[8, 10, 8, 11]));
    let mut bad_origin = GOOD.to_vec();
    bad_origin[3] = 3;
    hand.feed(FIRST, &update(&[], &bad_origin, &[8, 10]));
    assert_eq!((received(&hand), hand.view().treated_as_withdraw), (1, 1));
    assert_eq!(hand.view().state, SessionState::Established);
    assert_eq!(
        hand.log.last().unwrap(),
        "BGP neighbour sends malformed routes flaw=ORIGIN has an impossible value \
         handling=routes taken as withdrawn more_since_last=0 neighbor=b address=192.0.2.2"
    );
    // LOCAL_PREF of another system is ignored alone.
    let with_local_pref = [GOOD, &[0x40, 5, 4, 0, 0, 0, 1]].concat();
    hand.feed(FIRST, &update(&[], &with_local_pref, &[8, 12]));
    assert_eq!((received(&hand), hand.view().discarded), (2, 1));
}

#[test]
fn the_log_does_not_grow_with_the_malice_of_a_neighbour() {
    let mut hand = Hand::established(&settings(A));
    let mut bad_origin = GOOD.to_vec();
    bad_origin[3] = 3;
    let flood = update(&[], &bad_origin, &[8, 10]).repeat(100);
    let before = hand.log.len();
    for _ in 0..120 {
        hand.feed(FIRST, &flood);
        hand.pass(SECOND);
    }
    assert_eq!(hand.view().treated_as_withdraw, 12_000);
    assert_eq!(hand.log.len() - before, 2);
    assert!(hand.log.last().unwrap().contains("more_since_last=5999"), "{:?}", hand.log.last());
}

#[test]
fn more_prefixes_than_the_limit_end_the_session_for_as_long_as_is_set() {
    for restart in [None, Some(300 * SECOND)] {
        let mut limited = settings(A);
        limited.neighbors[0].max_prefixes = Some(2);
        limited.neighbors[0].max_prefixes_restart = restart;
        limited.neighbors[0].passive = true;
        let mut hand = Hand::established(&limited);
        hand.feed(FIRST, &update(&[], GOOD, &[8, 10, 8, 11, 8, 11]));
        assert_eq!(received(&hand), 2);
        // One goes and another comes in the same message.
        hand.feed(FIRST, &update(&[8, 10], GOOD, &[8, 12]));
        assert_eq!((received(&hand), hand.take()), (2, vec![]));
        hand.feed(FIRST, &update(&[], GOOD, &[8, 13]));
        assert_eq!(hand.take(), ["1 Cease: Maximum Number of Prefixes Reached (IPv4, limit 2)", "1 close"]);
        assert_eq!(hand.view().halted, Some("the neighbour sent more prefixes than `max_prefixes`"));
        assert!(hand.failure().ends_with("or raise `max_prefixes`"), "{}", hand.failure());
        assert_eq!(hand.view().next_attempt, restart);
        hand.pass(300 * SECOND - Duration::from_nanos(1));
        hand.accept(ConnectionId(3));
        assert_eq!(hand.take(), ["3 Cease: Connection Rejected", "3 close"]);
        hand.pass(Duration::from_nanos(1));
        hand.accept(ConnectionId(5));
        let refused = hand.take()[0] == "5 Cease: Connection Rejected";
        assert_eq!(refused, restart.is_none());
    }
}

#[test]
fn a_neighbour_that_floods_leaves_the_others_alone() {
    let mut two = settings(A);
    two.neighbors.push(NeighborSettings {
        name: "other".into(),
        address: [203, 0, 113, 1].into(),
        passive: true,
        ..neighbor(A)
    });
    let mut link = Link::new([two, settings(B)]);
    link.run(SECOND);
    link.set_routes(A, &[("198.51.100.0/24", med(1))]);
    let address = "203.0.113.1:4000".parse().unwrap();
    for n in 0..500 {
        let connection = ConnectionId(100_001 + 2 * n);
        let accepted =
            Input::Accepted { connection, neighbor: NeighborId(1), local: address, remote: address };
        link.handle(A, accepted);
        let mut junk = open(|_| {});
        junk.extend(message(77, &[0; 100]));
        link.handle(A, Input::Received { connection, bytes: &junk });
        link.run(Duration::from_millis(100));
    }
    let views = link.sides[A].speaker.view(link.now);
    assert_eq!((views[0].state, views[0].established), (SessionState::Established, 1));
    assert_eq!(views[1].established, 0);
    // Connections that come in a pause are not even answered.
    let answered = link.sides[A].sent.iter().filter(|sent| sent.contains("Bad Message Type")).count();
    assert!((1..10).contains(&answered), "{answered}");
}

#[test]
fn an_event_of_a_connection_that_is_gone_or_never_was_is_ignored() {
    let mut hand = Hand::established(&settings(A));
    hand.handle(Input::Closed { connection: FIRST, reason: "closed" });
    hand.take();
    for connection in [FIRST, ConnectionId(9), ConnectionId(0), ConnectionId(400)] {
        hand.feed(connection, &open(|_| {}));
        hand.connect(connection);
        hand.handle(Input::Sent { connection, waiting: 7 });
        hand.handle(Input::Failed { connection, reason: "" });
        hand.handle(Input::Closed { connection, reason: "" });
    }
    let address = "203.0.113.1:4000".parse().unwrap();
    let nobody = NeighborId(7);
    hand.handle(Input::Bfd { neighbor: nobody, up: false, reason: "" });
    hand.speaker.set_routes(hand.now, nobody, Vec::new());
    assert_eq!(hand.take(), [""; 0]);
    let connection = ConnectionId(11);
    hand.handle(Input::Accepted { connection, neighbor: nobody, local: address, remote: address });
    assert_eq!(hand.take(), ["11 abort"]);
}

#[test]
fn a_notification_is_shown_with_its_text_and_advice() {
    let cases: [(Reason, &[u8], &str); 4] = [
        (
            Reason::ADMINISTRATIVE_RESET,
            b"\x05hello",
            "the neighbour says: Cease: Administrative Reset: \"hello\"",
        ),
        (
            Reason::CONNECTION_REJECTED,
            b"",
            "the neighbour says: Cease: Connection Rejected; it may not know us as a neighbour, or holds us down",
        ),
        (
            Reason::UNACCEPTABLE_HOLD_TIME,
            b"",
            "the neighbour says: OPEN Message Error: Unacceptable Hold Time; it does not take our hold time of 9 s",
        ),
        (Reason { code: 99, subcode: 1 }, b"", "the neighbour says: code 99: subcode 1"),
    ];
    for (reason, data, words) in cases {
        let mut hand = Hand::accepted(&settings(A));
        let mut bytes = Vec::new();
        write::notification(&mut bytes, reason, data);
        hand.feed(FIRST, &bytes);
        assert_eq!(hand.failure(), words);
        assert_eq!(hand.take(), ["1 close"], "a NOTIFICATION is not answered");
        let notice = hand.view().last_notification.unwrap();
        assert!(!notice.is_sent);
    }
}

#[test]
fn a_neighbour_that_is_refused_waits_longer_each_time() {
    let mut link = Link::one_way();
    let mut wrong = settings(B);
    wrong.asn.0 = 64999;
    wrong.neighbors[0].passive = true;
    link.replace(B, &wrong);
    link.run(200 * SECOND);
    // After 1, 2, 4, 8, 16, 32, 60 and 60 seconds, up to a quarter less.
    assert!((8..=10).contains(&link.attempts(A)), "{}", link.attempts(A));
    link.replace(B, &{
        let mut right = settings(B);
        right.neighbors[0].passive = true;
        right
    });
    link.run(61 * SECOND);
    link.assert_established();
}

/// How many OPENs of ours a neighbour gets in 200 s that opens a connection every 100 ms and says `words` on it, while an
/// attempt of our own is never answered.
fn opens_while_we_connect(words: &[u8]) -> usize {
    let mut hand = Hand::new(&settings(A));
    hand.handle(Input::Tick);
    assert_eq!(hand.asked.len(), 1);
    for n in 0..2000 {
        let connection = ConnectionId(1 + 2 * n);
        hand.accept(connection);
        hand.feed(connection, words);
        hand.pass(SECOND / 10);
    }
    let tries = hand.asked.len();
    assert!(tries < 14, "{tries}");
    hand.take().iter().filter(|said| said.contains("OPEN 64512")).count()
}

#[test]
fn a_neighbour_whose_connections_fail_meets_the_growing_pause_though_we_are_connecting_ourselves() {
    // After 1, 2, 4, 8, 16, 32, 60 and 60 seconds, up to a quarter less; our own attempts count as well.
    let opens = opens_while_we_connect(&message(77, &[0; 100]));
    assert!((4..12).contains(&opens), "{opens}");
}

#[test]
fn a_neighbour_that_connects_again_and_again_without_a_word_meets_it_as_well() {
    let opens = opens_while_we_connect(&[]);
    assert!((4..12).contains(&opens), "{opens}");
}

#[test]
fn a_pause_for_the_neighbours_connection_does_not_hold_up_our_own_that_is_under_way() {
    let mut hand = Hand::new(&settings(A));
    hand.handle(Input::Tick);
    hand.accept(FIRST);
    hand.handle(Input::Closed { connection: FIRST, reason: "reset" });
    hand.take();
    hand.accept(ConnectionId(3));
    assert_eq!(hand.take(), [""; 0], "it waits");
    let ours = hand.asked[0];
    hand.connect(ours);
    hand.feed(ours, &open(|_| {}));
    hand.feed(ours, &keepalive());
    assert_eq!(hand.view().state, SessionState::Established);
}
