//! EVEN-PORT with R = 1 and RESERVATION-TOKEN (RFC 8656 sections 7.2, 18.7, 18.10).

use std::time::Duration;

use tern::engine::OpenError;
use tern::wire::stun::{AddressFamily, AttributeType, Writer};

use crate::engine::{Answer, Caller, Plan, Rig, Setup, udp};

const HALF_MINUTE: Duration = Duration::from_secs(30);

fn caller(port: u16, user: &str) -> Caller {
    Caller::new(udp(&format!("84.1.2.3:{port}")), user)
}

fn even(writer: &mut Writer<'_>) {
    writer.even_port(true);
}

fn shown(token: [u8; 8]) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
    }
}

fn reserve(rig: &mut Rig) -> (Caller, Answer, [u8; 8]) {
    let mut first = caller(5000, "alice");
    let answer = first.allocate(rig, even).good();
    let token = answer.token().unwrap();
    (first, answer, token)
}

#[test]
fn the_next_port_is_kept_and_claimed() {
    for seed in 0..8 {
        let mut rig = Rig::new(&Setup { seed, ..Setup::default() });
        let (_, answer, token) = reserve(&mut rig);
        let rtp = answer.relayed()[0];
        assert_eq!((rtp.port() % 2, rig.sockets.len(), rig.table.len()), (0, 2, 1));
        let rtcp = caller(5001, "alice").allocate(&mut rig, shown(token)).good();
        assert_eq!(rtcp.relayed()[0].ip(), rtp.ip());
        assert_eq!(rtcp.relayed()[0].port(), rtp.port() + 1);
        assert_eq!((rtcp.token(), rig.sockets.len(), rig.table.len()), (None, 2, 2));
        rig.check();
    }
}

/// Section 7.2: a token is good once, for its user, for half a minute; else 508.
#[test]
fn a_token_is_good_once() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    caller(5001, "alice").allocate(&mut rig, shown(token)).good();
    assert_eq!(caller(5002, "alice").allocate(&mut rig, shown(token)).code, 508);
    rig.check();
}

#[test]
fn a_token_is_its_users_own() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    assert_eq!(caller(5001, "bob").allocate(&mut rig, shown(token)).code, 508);
    // The attempt spoils nothing.
    caller(5002, "alice").allocate(&mut rig, shown(token)).good();
    assert_eq!(rig.engine.allocations(), 2);
}

#[test]
fn an_unknown_token_is_refused() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    for byte in 0..8 {
        for bit in [1, 0x80] {
            let mut forged = token;
            forged[byte] ^= bit;
            assert_eq!(caller(5001, "alice").allocate(&mut rig, shown(forged)).code, 508);
        }
    }
    caller(5002, "alice").allocate(&mut rig, shown(token)).good();
}

#[test]
fn a_token_lives_thirty_seconds() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    rig.pass_almost(HALF_MINUTE);
    caller(5001, "alice").allocate(&mut rig, shown(token)).good();

    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    rig.pass(HALF_MINUTE);
    assert_eq!(rig.sockets.len(), 1);
    assert_eq!(caller(5001, "alice").allocate(&mut rig, shown(token)).code, 508);
}

/// A worker that wakes late does not stretch it.
#[test]
fn a_late_worker_honours_no_late_token() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    rig.oversleep(HALF_MINUTE);
    assert_eq!(caller(5001, "alice").allocate(&mut rig, shown(token)).code, 508);
    rig.check();
}

/// The reservation outlives the allocation that made it, and ends by itself.
#[test]
fn a_reservation_stands_alone() {
    let mut rig = Rig::new(&Setup::default());
    let (mut first, answer, token) = reserve(&mut rig);
    first.refresh(&mut rig, 0).good();
    assert_eq!((rig.sockets.len(), rig.table.len()), (1, 0));
    let second = first.allocate(&mut rig, shown(token)).good();
    assert_eq!(second.relayed()[0].port(), answer.relayed()[0].port() + 1);
    first.refresh(&mut rig, 0).good();
    rig.pass(Duration::from_secs(60));
    rig.assert_empty();
}

/// The kept port has the family of the first allocation, whatever the second client's default is.
#[test]
fn the_kept_port_keeps_its_family() {
    let mut rig = Rig::new(&Setup::default());
    let mut first = caller(5000, "alice");
    let answer = first
        .allocate(&mut rig, |writer| {
            even(writer);
            writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, AddressFamily::V6);
        })
        .good();
    let mut second = caller(5001, "alice");
    let claimed = second.allocate(&mut rig, shown(answer.token().unwrap())).good();
    assert!(claimed.relayed()[0].is_ipv6());
    second.permit(&mut rig, &["[2620:fe::fe]:1"]).good();
    assert_eq!(second.permit(&mut rig, &["9.9.9.9:1"]).code, 443);
    rig.check();
}

/// Section 7.2: a token goes with no wish for a port or a family.
#[test]
fn a_token_goes_alone() {
    let mut rig = Rig::new(&Setup::default());
    let (_, _, token) = reserve(&mut rig);
    let mut second = caller(5001, "alice");
    for reserve_next in [false, true] {
        let answer = second.allocate(&mut rig, |writer| {
            shown(token)(writer);
            writer.even_port(reserve_next);
        });
        assert_eq!(answer.code, 400);
    }
    for kind in [AttributeType::REQUESTED_ADDRESS_FAMILY, AttributeType::ADDITIONAL_ADDRESS_FAMILY] {
        let answer = second.allocate(&mut rig, |writer| {
            shown(token)(writer);
            writer.address_family(kind, AddressFamily::V6);
        });
        assert_eq!(answer.code, 400);
    }
    second.allocate(&mut rig, shown(token)).good();
}

/// Of a pair neither port is any good alone: another pair is tried, and nothing leaks.
#[test]
fn a_pair_opens_together_or_not_at_all() {
    let taken = Plan::Fail(OpenError::PortTaken);
    for plan in [vec![taken, Plan::Open], vec![Plan::Open, taken], vec![taken, taken]] {
        let mut rig = Rig::new(&Setup::default());
        let mut first = caller(5000, "alice");
        first.greet(&mut rig);
        rig.plan.extend(plan);
        let answer = first.allocate(&mut rig, even).good();
        assert!(answer.token().is_some());
        assert_eq!(rig.sockets.len(), 2);
        rig.check();
    }
    for plan in [
        vec![Plan::Fail(OpenError::Exhausted), Plan::Open],
        vec![Plan::Open, Plan::Fail(OpenError::Exhausted)],
    ] {
        let mut rig = Rig::new(&Setup::default());
        let mut first = caller(5000, "alice");
        first.greet(&mut rig);
        rig.plan.extend(plan);
        assert_eq!(first.allocate(&mut rig, even).code, 508);
        rig.assert_empty();
    }
    let mut rig = Rig::new(&Setup { ports: 50_001..=50_002, ..Setup::default() });
    assert_eq!(caller(5000, "alice").allocate(&mut rig, even).code, 508);
    rig.assert_empty();
}
