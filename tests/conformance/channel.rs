//! ChannelBind (RFC 8656 section 12).

use std::time::Duration;

use tern::engine::SessionLimits;
use tern::route::ChannelValue;
use tern::wire::channel_data::ChannelNumber;
use tern::wire::stun::{AttributeType, Method};

use crate::engine::{Caller, Rig, Setup, endpoint, udp};

const PEER: &str = "9.9.9.9:1000";
const OTHER: &str = "9.9.9.9:1001";

fn allocated(setup: &Setup) -> (Rig, Caller) {
    let mut rig = Rig::new(setup);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller
        .allocate(&mut rig, |w| {
            w.u32(AttributeType::LIFETIME, 3600);
        })
        .good();
    (rig, caller)
}

/// Section 12.2: a channel brings its permission along, which ends before it.
#[test]
fn a_channel_stands_for_a_peer_while_permitted() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    caller.bind(&mut rig, 0x4000, PEER).good();
    let tuple = caller.client.tuple;
    let relay = rig.table.relays(&tuple).next().unwrap();
    let found = |rig: &Rig| rig.table.channel(&tuple, ChannelNumber(0x4000)).ok().map(ChannelValue::way);
    assert_eq!(found(&rig), Some((relay, endpoint(PEER))));
    rig.pass(Duration::from_secs(300));
    assert_eq!(found(&rig), None, "the permission has ended, the channel has not");
    caller.permit(&mut rig, &[PEER]).good();
    assert_eq!(found(&rig), Some((relay, endpoint(PEER))));
    rig.check();
}

/// Section 12: 0x4000 to 0x4FFF; an option admits what RFC 5766 had.
#[test]
fn numbers_outside_the_range_are_bad_requests() {
    for (legacy_channels, bad, good) in [
        (false, &[0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF][..], &[0x4000, 0x4FFF][..]),
        (true, &[0, 0x3FFF, 0x8000, 0xFFFF], &[0x4000, 0x5000, 0x7FFF]),
    ] {
        let (mut rig, mut caller) = allocated(&Setup { legacy_channels, ..Setup::default() });
        for number in bad {
            assert_eq!(caller.bind(&mut rig, *number, PEER).code, 400);
        }
        assert_eq!(rig.table.flows().count(), 0, "not even a permission");
        for (at, number) in good.iter().enumerate() {
            caller.bind(&mut rig, *number, &format!("9.9.9.9:{}", 1 + at)).good();
        }
    }
}

#[test]
fn number_and_peer_must_both_be_there_and_well_formed() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    let answer = caller.request(&mut rig, Method::CHANNEL_BIND, |w| {
        w.channel_number(0x4000);
    });
    assert_eq!(answer.code, 400);
    let answer = caller.request(&mut rig, Method::CHANNEL_BIND, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap());
    });
    assert_eq!(answer.code, 400);
    for (number, peer) in [(&[0x40, 0][..], &[0, 1, 0, 1, 9, 9, 9, 9][..]), (&[0x40, 0, 0, 0], &[])] {
        let answer = caller.request(&mut rig, Method::CHANNEL_BIND, |w| {
            w.attribute(AttributeType::CHANNEL_NUMBER, number);
            w.attribute(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        assert_eq!(answer.code, 400);
    }
    // In any order, with the reserved bits set.
    let peer = PEER.parse().unwrap();
    caller
        .request(&mut rig, Method::CHANNEL_BIND, |w| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            w.attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0xFF, 0xFF]);
        })
        .good();
}

/// Section 12.2: one number, one peer; the same pair is a refresh.
#[test]
fn a_pair_may_be_bound_again_and_nothing_else() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    caller.bind(&mut rig, 0x4000, PEER).good();
    caller.bind(&mut rig, 0x4001, OTHER).good();
    caller.bind(&mut rig, 0x4000, PEER).good();
    for (number, peer) in [(0x4000, OTHER), (0x4001, PEER), (0x4002, PEER), (0x4000, "9.9.9.8:1000")] {
        assert_eq!(caller.bind(&mut rig, number, peer).code, 400);
    }
    // The same peer in another spelling is the same peer.
    assert_eq!(caller.bind(&mut rig, 0x4002, "[::ffff:9.9.9.9]:1000").code, 400);
    caller.bind(&mut rig, 0x4000, "[::ffff:9.9.9.9]:1000").good();
    assert_eq!(rig.table.flows().count(), 3);
    rig.check();
}

/// Section 12: for five minutes after its end a number belongs to its old peer, and the peer to it.
#[test]
fn number_and_peer_cool_down_together() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    caller.bind(&mut rig, 0x4000, PEER).good();
    rig.pass_almost(Duration::from_secs(600));
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_some());
    rig.pass_tick();
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_none());
    rig.pass_almost(Duration::from_secs(300));
    assert_eq!(caller.bind(&mut rig, 0x4000, OTHER).code, 400);
    assert_eq!(caller.bind(&mut rig, 0x4001, PEER).code, 400);
    let mut again = Caller::clone(&caller);
    rig.pass_tick();
    caller.bind(&mut rig, 0x4000, OTHER).good();
    again.bind(&mut rig, 0x4001, PEER).good();
    rig.check();
}

#[test]
fn the_same_pair_may_be_bound_while_it_cools_down() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    caller.bind(&mut rig, 0x4000, PEER).good();
    rig.pass(Duration::from_secs(700));
    caller.bind(&mut rig, 0x4000, PEER).good();
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_some());
    // And lives its whole life again.
    rig.pass_almost(Duration::from_secs(600));
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_some());
    rig.pass_tick();
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_none());
    rig.check();
}

#[test]
fn channels_are_bounded_those_that_cool_down_included() {
    let session = SessionLimits { channels: 2, ..SessionLimits::default() };
    let (mut rig, mut caller) = allocated(&Setup { session, ..Setup::default() });
    caller.bind(&mut rig, 0x4000, "9.9.9.9:1").good();
    caller.bind(&mut rig, 0x4001, "9.9.9.9:2").good();
    assert_eq!(caller.bind(&mut rig, 0x4002, "9.9.9.9:3").code, 508);
    caller.bind(&mut rig, 0x4001, "9.9.9.9:2").good();
    rig.pass(Duration::from_secs(600));
    assert_eq!(caller.bind(&mut rig, 0x4002, "9.9.9.9:3").code, 508);
    rig.pass(Duration::from_secs(300));
    caller.bind(&mut rig, 0x4002, "9.9.9.9:3").good();
    rig.check();
}

/// Channels are each client's own.
#[test]
fn two_clients_may_use_one_number() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    let mut other = Caller::new(udp("84.1.2.3:5001"), "alice");
    other.allocate(&mut rig, |_| {}).good();
    caller.bind(&mut rig, 0x4000, PEER).good();
    other.bind(&mut rig, 0x4000, OTHER).good();
    rig.check();
}
