//! ICMP errors reach the client as Data indications (RFC 8656 sections 11.5 and 18.13).

use std::time::Duration;

use tern::engine::{IcmpError, Input};
use tern::route::RelayId;
use tern::wire::stun::{AddressFamily, AttributeType, Class, Message, Method};

use crate::engine::{Caller, Rig, Setup, endpoint, udp};

const UNREACHABLE: IcmpError = IcmpError { kind: 3, code: 4, data: 1280 };

fn report(rig: &mut Rig, relay: RelayId, peer: &str) -> Vec<Vec<u8>> {
    rig.take_out();
    rig.tell(Input::PeerUnreachable { relay, peer: endpoint(peer), icmp: UNREACHABLE });
    let reply = |action| match action {
        tern::engine::Action::Reply { bytes, .. } => bytes,
        other => panic!("{other:?}"),
    };
    rig.take_out().into_iter().map(reply).collect()
}

#[test]
fn an_icmp_error_is_a_data_indication() {
    for (family, ip, peer) in [
        (AddressFamily::V4, "9.9.9.9:0", "9.9.9.9:77"),
        (AddressFamily::V6, "[2620:fe::fe]:0", "[2620:fe::fe]:77"),
    ] {
        let mut rig = Rig::new(&Setup::default());
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let relayed = caller
            .allocate(&mut rig, |w| {
                w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
            })
            .good()
            .relayed()[0];
        caller.permit(&mut rig, &[ip]).good();
        let relay = rig.relay_at(relayed).unwrap();
        let indications = report(&mut rig, relay, peer);
        let [bytes] = indications.as_slice() else { panic!() };
        let message = Message::parse(bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        assert_eq!(message.xor_peer_address(), Ok(Some(peer.parse().unwrap())));
        assert_eq!(message.icmp(), Ok(Some(IcmpError { kind: 3, code: 4, data: 1280 })));
        assert_eq!(message.data(), None);
    }
}

/// Section 11.5: only with a permission for that peer. Without, anybody could have it sent.
#[test]
fn an_icmp_error_needs_a_permission() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let relayed = caller.allocate(&mut rig, |_| {}).good().relayed()[0];
    let relay = rig.relay_at(relayed).unwrap();
    assert!(report(&mut rig, relay, "9.9.9.9:77").is_empty());
    caller.permit(&mut rig, &["9.9.9.9:1"]).good();
    assert!(report(&mut rig, relay, "9.9.9.10:77").is_empty());
    rig.pass_almost(Duration::from_secs(300));
    assert_eq!(report(&mut rig, relay, "9.9.9.9:77").len(), 1);
    rig.pass_tick();
    assert!(report(&mut rig, relay, "9.9.9.9:77").is_empty());
    caller.refresh(&mut rig, 0).good();
    assert!(report(&mut rig, relay, "9.9.9.9:77").is_empty());
    assert!(report(&mut rig, RelayId(u64::MAX), "9.9.9.9:77").is_empty());
}
