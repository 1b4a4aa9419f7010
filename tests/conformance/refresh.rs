//! Refresh (RFC 8656 section 8).

use std::time::Duration;

use tern::engine::{Event, ReleaseCause};
use tern::wire::stun::{AddressFamily, AttributeType, Method, Writer};

use crate::engine::{Caller, Rig, Setup, udp};

fn allocated(body: impl Fn(&mut Writer<'_>)) -> (Rig, Caller) {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.allocate(&mut rig, body).good();
    (rig, caller)
}

fn dual(writer: &mut Writer<'_>) {
    writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
}

fn of(family: AddressFamily, lifetime: u32) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.u32(AttributeType::LIFETIME, lifetime);
        writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    }
}

/// Section 8.2: clamped as in Allocate, counted from now, also downwards.
#[test]
fn refresh_sets_the_lifetime_anew() {
    let (mut rig, mut caller) = allocated(|_| {});
    assert_eq!(caller.refresh(&mut rig, 3600).good().lifetime(), Some(3600));
    assert_eq!(caller.refresh(&mut rig, 4000).good().lifetime(), Some(3600));
    rig.pass(Duration::from_secs(100));
    assert_eq!(caller.refresh(&mut rig, 1).good().lifetime(), Some(600));
    rig.pass_almost(Duration::from_secs(600));
    assert_eq!(rig.engine.allocations(), 1);
    rig.pass_tick();
    assert_eq!(rig.engine.allocations(), 0);
    assert!(rig.events.iter().any(|e| matches!(e, Event::Released { cause: ReleaseCause::Expired, .. })));
}

#[test]
fn refresh_without_lifetime_grants_the_default() {
    let (mut rig, mut caller) = allocated(|_| {});
    assert_eq!(caller.request(&mut rig, Method::REFRESH, |_| {}).good().lifetime(), Some(600));
}

/// Section 8.2: at once, with everything; the five-tuple is free again.
#[test]
fn refresh_zero_ends_the_allocation() {
    let (mut rig, mut caller) = allocated(dual);
    caller.permit(&mut rig, &["9.9.9.9:1", "[2620:fe::fe]:1"]).good();
    caller.bind(&mut rig, 0x4000, "9.9.9.9:1").good();
    assert_eq!(caller.refresh(&mut rig, 0).good().lifetime(), Some(0));
    assert_eq!((rig.engine.allocations(), rig.sockets.len(), rig.table.len()), (0, 0, 0));
    assert!(rig.events.iter().any(|e| matches!(e, Event::Released { cause: ReleaseCause::Client, .. })));
    caller.allocate(&mut rig, |_| {}).good();
    rig.check();
}

#[test]
fn malformed_refreshes_change_nothing() {
    let (mut rig, mut caller) = allocated(|_| {});
    for (kind, value, code) in [
        (AttributeType::LIFETIME, &[0, 0][..], 400),
        (AttributeType::LIFETIME, &[0, 0, 0, 0, 0], 400),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[1], 400),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0], 443),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[9, 0, 0, 0], 443),
    ] {
        let answer = caller.request(&mut rig, Method::REFRESH, |w| {
            w.attribute(kind, value);
        });
        assert_eq!(answer.code, code);
    }
    rig.pass_almost(Duration::from_secs(600));
    assert_eq!(rig.engine.allocations(), 1);
    rig.pass_tick();
    assert_eq!(rig.engine.allocations(), 0);
}

/// Section 8.2: of two families one may end; its permissions and channels go with it, those of the other stay.
#[test]
fn one_family_of_two_may_end() {
    for (gone, kept, channel) in
        [(AddressFamily::V4, AddressFamily::V6, 0x4001), (AddressFamily::V6, AddressFamily::V4, 0x4000)]
    {
        let (mut rig, mut caller) = allocated(dual);
        caller.bind(&mut rig, 0x4000, "9.9.9.9:1").good();
        caller.bind(&mut rig, 0x4001, "[2620:fe::fe]:1").good();
        assert_eq!(caller.request(&mut rig, Method::REFRESH, of(gone, 0)).good().lifetime(), Some(0));
        rig.check();
        assert_eq!((rig.engine.allocations(), rig.table.len(), rig.sockets.len()), (1, 1, 1));
        assert!(rig.routes.channel(&caller.client.tuple, channel).is_some());
        // What has gone is not there to be refreshed, and what it held can be bound anew.
        assert_eq!(caller.request(&mut rig, Method::REFRESH, of(gone, 600)).code, 443);
        let peer = if gone == AddressFamily::V4 { "9.9.9.9:1" } else { "[2620:fe::fe]:1" };
        assert_eq!(caller.permit(&mut rig, &[peer]).code, 443);
        caller.request(&mut rig, Method::REFRESH, of(kept, 600)).good();
        caller.request(&mut rig, Method::REFRESH, of(kept, 0)).good();
        assert_eq!(rig.engine.allocations(), 0);
        rig.pass(Duration::from_secs(60));
        rig.assert_empty();
    }
}

#[test]
fn the_only_family_may_be_named() {
    let (mut rig, mut caller) = allocated(|_| {});
    caller.request(&mut rig, Method::REFRESH, of(AddressFamily::V4, 700)).good();
    caller.request(&mut rig, Method::REFRESH, of(AddressFamily::V4, 0)).good();
    assert_eq!(rig.engine.allocations(), 0);
}
