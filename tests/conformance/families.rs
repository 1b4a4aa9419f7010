//! IPv4 and IPv6 (RFC 8656 sections 7.2, 18.6, 18.11, 18.12).

use tern::engine::{DefaultFamily, OpenError};
use tern::wire::stun::{AddressFamily, AttributeType, Writer};

use crate::engine::{Answer, Caller, Plan, Rig, Setup, udp};

const V4: &str = "84.1.2.3:5000";
const V6: &str = "[2a02::9]:5000";

fn requested(family: AddressFamily) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    }
}

fn additional(family: AddressFamily) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, family);
    }
}

fn allocate(setup: &Setup, from: &str, body: impl Fn(&mut Writer<'_>)) -> (Rig, Answer) {
    let mut rig = Rig::new(setup);
    let answer = Caller::new(udp(from), "alice").allocate(&mut rig, body);
    rig.check();
    (rig, answer)
}

fn families(answer: &Answer) -> Vec<AddressFamily> {
    answer.relayed().iter().map(|relayed| AddressFamily::of(relayed.ip())).collect()
}

/// Browsers name no family: they get their own, or what there is.
#[test]
fn the_default_family_is_the_clients_or_what_is_there() {
    let (v4, v6) = (AddressFamily::V4, AddressFamily::V6);
    for (addresses, default_family, from, expected) in [
        (vec!["5.9.0.1", "2a01:4f8::1"], DefaultFamily::Client, V4, v4),
        (vec!["5.9.0.1", "2a01:4f8::1"], DefaultFamily::Client, V6, v6),
        (vec!["5.9.0.1", "2a01:4f8::1"], DefaultFamily::Ipv4, V6, v4),
        (vec!["2a01:4f8::1"], DefaultFamily::Client, V4, v6),
        (vec!["2a01:4f8::1"], DefaultFamily::Ipv4, V4, v6),
        (vec!["5.9.0.1"], DefaultFamily::Client, V6, v4),
    ] {
        let setup = Setup { addresses, default_family, ..Setup::default() };
        let (_, answer) = allocate(&setup, from, |_| {});
        assert_eq!(families(&answer.good()), [expected]);
    }
}

#[test]
fn a_requested_family_is_given_or_refused() {
    for family in [AddressFamily::V4, AddressFamily::V6] {
        for from in [V4, V6] {
            let (_, answer) = allocate(&Setup::default(), from, requested(family));
            assert_eq!(families(&answer.good()), [family]);
        }
    }
    let only_v4 = Setup { addresses: vec!["5.9.0.1"], ..Setup::default() };
    assert_eq!(allocate(&only_v4, V4, requested(AddressFamily::V6)).1.code, 440);
    let only_v6 = Setup { addresses: vec!["2a01:4f8::1"], ..Setup::default() };
    assert_eq!(allocate(&only_v6, V4, requested(AddressFamily::V4)).1.code, 440);
    // Section 7.2: a family that nobody has is not supported either.
    let (_, answer) = allocate(&Setup::default(), V4, |writer| {
        writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0]);
    });
    assert_eq!(answer.code, 440);
}

#[test]
fn an_additional_family_comes_with_its_own_address() {
    let (rig, answer) = allocate(&Setup::default(), V4, additional(AddressFamily::V6));
    let answer = answer.good();
    assert_eq!(families(&answer), [AddressFamily::V4, AddressFamily::V6]);
    assert_eq!((answer.address_error(), rig.sockets.len(), rig.engine.allocations()), (None, 2, 1));
    assert_eq!(rig.shared.quotas.total(), 1);
}

/// Section 7.2: only IPv6 can be additional, and it goes with no other wish for a family or a pair.
#[test]
fn an_additional_family_is_v6_and_goes_alone() {
    let (v4, v6) = (AddressFamily::V4, AddressFamily::V6);
    let code = |body: &dyn Fn(&mut Writer<'_>)| allocate(&Setup::default(), V4, body).1.code;
    assert_eq!(code(&additional(v4)), 400);
    assert_eq!(code(&|w: &mut Writer<'_>| (additional(v6)(w), requested(v4)(w)).0), 400);
    assert_eq!(code(&|w: &mut Writer<'_>| (additional(v6)(w), requested(v6)(w)).0), 400);
    let even = |reserve| {
        move |w: &mut Writer<'_>| {
            w.even_port(reserve);
            additional(v6)(w);
        }
    };
    assert_eq!(code(&even(true)), 400);
    let (_, answer) = allocate(&Setup::default(), V4, even(false));
    assert!(answer.good().relayed().iter().all(|relayed| relayed.port() % 2 == 0));
}

/// Section 18.12: 440 for a family that the relay has not, 508 for one that is used up.
#[test]
fn a_missing_family_is_named_with_its_reason() {
    let only = |address| Setup { addresses: vec![address], ..Setup::default() };
    let (_, answer) = allocate(&only("5.9.0.1"), V4, additional(AddressFamily::V6));
    assert_eq!(answer.address_error(), Some((AddressFamily::V6, 440)));
    assert_eq!(families(&answer.good()), [AddressFamily::V4]);
    let (_, answer) = allocate(&only("2a01:4f8::1"), V4, additional(AddressFamily::V6));
    assert_eq!(answer.address_error(), Some((AddressFamily::V4, 440)));
    assert_eq!(families(&answer.good()), [AddressFamily::V6]);

    for (failing, plan) in [
        (AddressFamily::V4, [Plan::Fail(OpenError::Exhausted), Plan::Open]),
        (AddressFamily::V6, [Plan::Open, Plan::Fail(OpenError::Exhausted)]),
    ] {
        let mut rig = Rig::new(&Setup::default());
        let mut caller = Caller::new(udp(V4), "alice");
        caller.greet(&mut rig);
        rig.plan.extend(plan);
        let answer = caller.allocate(&mut rig, additional(AddressFamily::V6));
        assert_eq!(answer.address_error(), Some((failing, 508)));
        assert!(!families(&answer.good()).contains(&failing));
        rig.check();
    }
}

#[test]
fn both_families_failing_is_a_refusal() {
    let mut rig = Rig::new(&Setup::default());
    rig.plan.extend([Plan::Fail(OpenError::Exhausted); 2]);
    let answer = Caller::new(udp(V4), "alice").allocate(&mut rig, additional(AddressFamily::V6));
    assert_eq!(answer.code, 508);
    rig.assert_empty();
    let (rig, answer) =
        allocate(&Setup { addresses: vec![], ..Setup::default() }, V4, additional(AddressFamily::V6));
    assert_eq!(answer.code, 440);
    rig.assert_empty();
}

/// Section 10.2 and 12.2: 443 for a peer of a family that the allocation has not; a mapped address is IPv4.
#[test]
fn peers_must_be_of_the_allocations_family() {
    let (v4, v6) = ("9.9.9.9:1000", "[2620:fe::fe]:1000");
    for (family, good, bad) in [(AddressFamily::V4, v4, v6), (AddressFamily::V6, v6, v4)] {
        let mut rig = Rig::new(&Setup::default());
        let mut caller = Caller::new(udp(V4), "alice");
        caller.allocate(&mut rig, requested(family)).good();
        assert_eq!(caller.permit(&mut rig, &[bad]).code, 443);
        assert_eq!(caller.permit(&mut rig, &[good, bad]).code, 443);
        assert_eq!(caller.bind(&mut rig, 0x4000, bad).code, 443);
        assert_eq!(rig.table.flows().count(), 0);
        caller.permit(&mut rig, &[good]).good();
        caller.bind(&mut rig, 0x4000, good).good();
        let mapped = caller.permit(&mut rig, &["[::ffff:9.9.9.9]:1000"]).code;
        assert_eq!(mapped, if family == AddressFamily::V4 { 0 } else { 443 });
        rig.check();
    }
}

/// An allocation of both families routes each peer through the relay of its own.
#[test]
fn each_family_has_its_own_relay() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp(V4), "alice");
    let relayed = caller.allocate(&mut rig, additional(AddressFamily::V6)).good().relayed();
    caller.permit(&mut rig, &["9.9.9.9:1", "[2620:fe::fe]:1"]).good();
    caller.bind(&mut rig, 0x4000, "[2620:fe::fe]:7").good();
    let tuple = caller.client.tuple;
    let relay = |index: usize| rig.relay_at(relayed[index]).unwrap();
    assert_eq!(rig.table.send(&tuple, "9.9.9.9".parse().unwrap()), Ok(relay(0)));
    assert_eq!(rig.table.send(&tuple, "2620:fe::fe".parse().unwrap()), Ok(relay(1)));
    let channel = rig.table.channel(&tuple, tern::wire::channel_data::ChannelNumber(0x4000));
    assert_eq!(channel.map(|value| value.relay), Ok(relay(1)));
    rig.check();
}
