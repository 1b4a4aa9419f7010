//! CreatePermission (RFC 8656 section 10).

use std::time::Duration;

use tern::engine::SessionLimits;
use tern::wire::stun::{AttributeType, Method};

use crate::engine::{Caller, Rig, Setup, udp};

fn allocated(setup: &Setup) -> (Rig, Caller) {
    let mut rig = Rig::new(setup);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.allocate(&mut rig, |_| {}).good();
    (rig, caller)
}

fn permits(rig: &Rig, caller: &Caller, ip: &str) -> bool {
    rig.routes.permits(&caller.client.tuple, ip.parse().unwrap())
}

#[test]
fn permissions_are_for_addresses_not_ports() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    caller.permit(&mut rig, &["9.9.9.9:1", "9.9.9.9:2", "9.9.9.10:0"]).good();
    assert!(permits(&rig, &caller, "9.9.9.9") && permits(&rig, &caller, "9.9.9.10"));
    assert!(!permits(&rig, &caller, "9.9.9.11"));
    assert_eq!(rig.table.flows().count(), 2);
    rig.check();
}

/// Section 10.2: one bad peer spoils the request, wherever it stands.
#[test]
fn all_peers_or_none() {
    for peers in [
        ["9.9.9.9:1", "9.9.9.10:1", "127.0.0.1:1"],
        ["127.0.0.1:1", "9.9.9.9:1", "9.9.9.10:1"],
        ["9.9.9.9:1", "[2620:fe::fe]:1", "9.9.9.10:1"],
    ] {
        let (mut rig, mut caller) = allocated(&Setup::default());
        assert!([403, 443].contains(&caller.permit(&mut rig, &peers).code));
        assert_eq!(rig.table.flows().count(), 0);
        rig.check();
    }
}

#[test]
fn malformed_peers_spoil_the_request() {
    for value in [&[][..], &[0, 1, 2], &[0, 3, 0, 1, 9, 9, 9, 9], &[0, 1, 0, 1, 9, 9, 9, 9, 9]] {
        let (mut rig, mut caller) = allocated(&Setup::default());
        let answer = caller.request(&mut rig, Method::CREATE_PERMISSION, |w| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, "9.9.9.9:1".parse().unwrap());
            w.attribute(AttributeType::XOR_PEER_ADDRESS, value);
        });
        assert_eq!((answer.code, rig.table.flows().count()), (400, 0));
    }
    let (mut rig, mut caller) = allocated(&Setup::default());
    assert_eq!(caller.request(&mut rig, Method::CREATE_PERMISSION, |_| {}).code, 400);
}

/// What an attacker would aim at, in some of its disguises; the peer policy's own tests have them all.
#[test]
fn denied_peers_are_forbidden() {
    let setup = Setup { protected: vec!["5.9.0.1:3478"], ..Setup::default() };
    let (mut rig, mut caller) = allocated(&setup);
    for peer in [
        "127.0.0.1:80",
        "0.0.0.0:80",
        "169.254.169.254:80",
        "10.0.0.1:80",
        "[::ffff:127.0.0.1]:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
    ] {
        assert_eq!(caller.permit(&mut rig, &[peer]).code, 403, "{peer}");
        assert_eq!(caller.bind(&mut rig, 0x4000, peer).code, 403, "{peer}");
    }
    // The relay's own address: its relay ports, but not its listener.
    caller.permit(&mut rig, &["5.9.0.1:50001"]).good();
    caller.bind(&mut rig, 0x4000, "5.9.0.1:50001").good();
    assert_eq!(caller.bind(&mut rig, 0x4001, "5.9.0.1:3478").code, 403);
    assert_eq!(caller.bind(&mut rig, 0x4001, "9.9.9.9:0").code, 403);
    rig.check();
}

#[test]
fn too_many_permissions_are_refused_and_known_ones_are_not() {
    let session = SessionLimits { permissions: 3, ..SessionLimits::default() };
    let (mut rig, mut caller) = allocated(&Setup { session, ..Setup::default() });
    caller.permit(&mut rig, &["9.9.9.1:1", "9.9.9.2:1"]).good();
    assert_eq!(caller.permit(&mut rig, &["9.9.9.3:1", "9.9.9.4:1"]).code, 508);
    assert_eq!(rig.table.flows().count(), 2);
    // A peer named twice takes one place.
    caller.permit(&mut rig, &["9.9.9.3:1", "9.9.9.3:2", "9.9.9.1:1"]).good();
    assert_eq!(caller.permit(&mut rig, &["9.9.9.4:1"]).code, 508);
    assert_eq!(caller.bind(&mut rig, 0x4000, "9.9.9.4:1").code, 508);
    caller.permit(&mut rig, &["9.9.9.1:1", "9.9.9.2:1", "9.9.9.3:1"]).good();
    caller.bind(&mut rig, 0x4000, "9.9.9.3:1").good();
    rig.pass(Duration::from_secs(300));
    caller.permit(&mut rig, &["9.9.9.4:1", "9.9.9.5:1"]).good();
    rig.check();
}

#[test]
fn a_request_names_a_bounded_number_of_peers() {
    let (mut rig, mut caller) = allocated(&Setup::default());
    let peers: Vec<String> = (0..65).map(|n| format!("9.9.9.{n}:1")).collect();
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    assert_eq!(caller.permit(&mut rig, &peers).code, 508);
    assert_eq!(rig.table.flows().count(), 0);
    caller.permit(&mut rig, &peers[..64]).good();
    assert_eq!(rig.table.flows().count(), 64);
}
