//! What those get who have proven nothing: little, seldom, and no memory.

use std::time::Duration;

use tern::engine::limits::Pace;
use tern::engine::{DropReason, Event};
use tern::route::{LinkId, Transport};
use tern::wire::stun::{AttributeType, Class, Method, TransactionId, Writer};

use crate::engine::setup::REALM;
use crate::engine::{Caller, Rig, Setup, client, udp};

fn first_allocate() -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, Class::Request, Method::ALLOCATE, TransactionId([3; 12])).requested_transport(17);
    assert_eq!(bytes.len(), 28);
    bytes
}

fn slow(burst: u32) -> Setup {
    Setup { answers: Pace::new(1, Duration::from_secs(1), burst), ..Setup::default() }
}

/// A browser's first Allocate has 28 bytes. Its 401 has header, code, realm, nonce and algorithms, and nothing else.
#[test]
fn the_challenge_is_as_small_as_it_can_be() {
    let mut rig = Rig::new(&Setup { software: Some("Tern"), ..Setup::default() });
    let replies = rig.send(udp("84.1.2.3:5000"), &first_allocate());
    let realm = REALM.len().next_multiple_of(4);
    assert_eq!(replies[0].1.len(), 20 + (4 + 4) + (4 + realm) + (4 + 32) + (4 + 8));
    assert!(replies[0].1.len() <= 28 * 100 / 30);
}

/// RFC 8489 section 9.2: no state before authentication.
#[test]
fn nothing_is_kept_of_the_unauthenticated() {
    let mut rig = Rig::new(&Setup::default());
    for n in 0..10_000_u32 {
        let from = format!("84.{}.{}.3:{}", n >> 8 & 255, n & 255, 1024 + n % 50_000);
        assert_eq!(rig.send(udp(&from), &first_allocate()).len(), 1);
        rig.take_out();
    }
    assert_eq!(rig.opened, 0);
    rig.assert_empty();
}

/// Answers to one prefix are rate-limited; the silence is counted.
#[test]
fn answers_to_an_unproven_prefix_are_limited() {
    let mut rig = Rig::new(&slow(3));
    let mut binding = Vec::new();
    Writer::new(&mut binding, Class::Request, Method::BINDING, TransactionId([3; 12]));
    let (here, there) = (udp("84.1.2.3:5000"), udp("84.1.2.4:5000"));
    for bytes in [&first_allocate(), &binding, &first_allocate()] {
        assert_eq!(rig.send(here, bytes).len(), 1);
    }
    for bytes in [&first_allocate(), &binding] {
        assert_eq!(rig.send(here, bytes).len(), 0);
        assert_eq!(rig.events.last(), Some(&Event::Dropped(DropReason::AnswerRate)));
    }
    assert_eq!(rig.send(there, &first_allocate()).len(), 1);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.send(here, &first_allocate()).len(), 1);
    assert_eq!(rig.send(here, &first_allocate()).len(), 0);
}

/// A handshake proves the address.
#[test]
fn connections_are_not_limited() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let mut rig = Rig::new(&slow(1));
        for _ in 0..10 {
            let from = client("84.1.2.3:5000", transport, Some(LinkId(1)));
            assert_eq!(rig.send(from, &first_allocate()).len(), 1);
        }
    }
}

/// So does a nonce: whoever returns it with a signature is served while a flood in its name is not answered.
#[test]
fn authenticated_clients_are_served_throughout_a_flood() {
    let mut rig = Rig::new(&slow(1));
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    for _ in 0..100 {
        assert_eq!(rig.send(udp("84.1.2.3:6000"), &first_allocate()).len(), 0);
    }
    caller.allocate(&mut rig, |_| {}).good();
    caller.permit(&mut rig, &["9.9.9.9:1"]).good();
    assert_eq!(caller.permit(&mut rig, &["127.0.0.1:1"]).code, 403);
    caller.refresh(&mut rig, 0).good();
}

/// A signature alone does not: a recorded request may be sent from anywhere, and its nonce is another address's.
#[test]
fn a_replayed_request_draws_limited_answers() {
    let mut rig = Rig::new(&slow(3));
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    let recorded = caller.sign(Method::ALLOCATE, |w| {
        w.requested_transport(17);
    });
    let answers: usize = (0..50).map(|_| rig.send(udp("85.0.0.1:7"), &recorded).len()).sum();
    assert_eq!(answers, 3);
    rig.assert_empty();
}

/// 401, 400 and 420 to the unproven count alike.
#[test]
fn every_unsigned_answer_is_limited() {
    let unknown = |method| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Request, method, TransactionId([3; 12])).u32(AttributeType(0x7777), 1);
        bytes
    };
    let mut signed = Vec::new();
    Writer::new(&mut signed, Class::Request, Method::REFRESH, TransactionId([3; 12])).integrity(b"x");
    for bytes in [unknown(Method::BINDING), unknown(Method::ALLOCATE), signed] {
        let mut rig = Rig::new(&slow(2));
        let answers: usize = (0..9).map(|_| rig.send(udp("84.1.2.3:5000"), &bytes).len()).sum();
        assert_eq!(answers, 2);
    }
}
