//! A relay with too much to do takes no new calls, and keeps those it has.

use std::time::Duration;

use tern::engine::Event;
use tern::wire::stun::{AttributeType, Method};

use crate::engine::{Caller, Rig, Setup, udp};

const PEER: &str = "9.9.9.9:7";

fn overloaded(rig: &mut Rig) -> usize {
    rig.engine.set_overloaded(true);
    rig.events.iter().filter(|event| **event == Event::Shed).count()
}

#[test]
fn new_allocations_are_refused_and_everything_else_goes_on() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(udp("84.1.2.3:5000"), "alice");
    alice.allocate(&mut rig, |_| {}).good();
    assert_eq!(overloaded(&mut rig), 0);
    let mut bob = Caller::new(udp("84.1.2.3:5001"), "bob");
    let refused = bob.allocate(&mut rig, |_| {});
    assert_eq!((refused.code, refused.is_signed()), (508, true));
    assert_eq!(overloaded(&mut rig), 1);
    alice.bind(&mut rig, 0x4000, PEER).good();
    alice.permit(&mut rig, &[PEER]).good();
    rig.pass(Duration::from_secs(60));
    alice
        .request(&mut rig, Method::REFRESH, |w| {
            w.u32(AttributeType::LIFETIME, 600);
        })
        .good();
    rig.engine.set_overloaded(false);
    bob.allocate(&mut rig, |_| {}).good();
    rig.check();
}

/// Nobody learns of it without a password.
#[test]
fn the_unproven_are_challenged_as_ever() {
    let mut rig = Rig::new(&Setup::default());
    overloaded(&mut rig);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    assert_eq!(overloaded(&mut rig), 0);
    rig.assert_empty();
}

#[test]
fn a_relay_that_knows_another_names_it() {
    let mut rig = Rig::new(&Setup { alternates: vec!["5.9.0.2:3478"], ..Setup::default() });
    overloaded(&mut rig);
    let answer = Caller::new(udp("84.1.2.3:5000"), "alice").allocate(&mut rig, |_| {});
    let server = answer.message().address(AttributeType::ALTERNATE_SERVER).unwrap();
    assert_eq!((answer.code, server), (300, Some("5.9.0.2:3478".parse().unwrap())));
    let v6 = Caller::new(udp("[2a02::9]:5001"), "alice").allocate(&mut rig, |_| {});
    assert_eq!(v6.code, 508, "no alternate of its family");
    rig.assert_empty();
}

/// The second half of a call that is there.
#[test]
fn a_reserved_port_is_handed_out() {
    let mut rig = Rig::new(&Setup::default());
    let mut first = Caller::new(udp("84.1.2.3:5000"), "alice");
    let token = first
        .allocate(&mut rig, |w| {
            w.even_port(true);
        })
        .good()
        .token()
        .unwrap();
    overloaded(&mut rig);
    Caller::new(udp("84.1.2.3:5001"), "alice")
        .allocate(&mut rig, |w| {
            w.attribute(AttributeType::RESERVATION_TOKEN, &token);
        })
        .good();
    rig.check();
}
