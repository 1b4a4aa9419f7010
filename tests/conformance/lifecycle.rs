//! How allocations end from outside, and what a reload changes.

use std::time::Duration;

use tern::engine::{Event, Input, ReleaseCause};
use tern::route::{LinkId, Transport};
use tern::wire::stun::{AddressFamily, AttributeType};

use crate::engine::{Caller, Rig, Setup, client, udp};

fn causes(rig: &Rig) -> Vec<ReleaseCause> {
    let cause = |event: &Event| match event {
        Event::Released { cause, .. } => Some(*cause),
        _ => None,
    };
    rig.events.iter().filter_map(cause).collect()
}

/// RFC 8656 section 7.2: with the connection that carries it.
#[test]
fn an_allocation_ends_with_its_connection() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let mut rig = Rig::new(&Setup::default());
        let mut one = Caller::new(client("84.1.2.3:5000", transport, Some(LinkId(1))), "alice");
        let mut two = Caller::new(client("84.1.2.3:5001", transport, Some(LinkId(2))), "alice");
        one.allocate(&mut rig, |_| {}).good();
        two.allocate(&mut rig, |_| {}).good();
        one.permit(&mut rig, &["9.9.9.9:1"]).good();
        rig.tell(Input::ClientClosed { link: LinkId(1) });
        rig.tell(Input::ClientClosed { link: LinkId(99) });
        rig.check();
        assert_eq!((rig.engine.allocations(), causes(&rig)), (1, vec![ReleaseCause::Disconnected]));
        rig.tell(Input::ClientClosed { link: LinkId(1) });
        assert_eq!(rig.engine.allocations(), 1);
    }
}

#[test]
fn the_operator_ends_everything() {
    let mut rig = Rig::new(&Setup::default());
    for n in 0..20 {
        let mut caller = Caller::new(udp(&format!("84.1.2.3:{}", 5000 + n)), "alice");
        caller
            .allocate(&mut rig, |w| {
                if n % 2 == 0 {
                    w.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
                }
            })
            .good();
        caller.bind(&mut rig, 0x4000, "9.9.9.9:1").good();
    }
    rig.close();
    assert_eq!(causes(&rig), [ReleaseCause::Operator; 20]);
    assert!(rig.table.is_empty() && rig.sockets.is_empty());
    rig.pass(Duration::from_secs(40));
    rig.assert_empty();
    rig.close();
    rig.assert_empty();
}

/// What exists stays as it is; what is new follows the new settings.
#[test]
fn a_reload_moves_new_allocations_only() {
    let mut rig = Rig::new(&Setup::default());
    let mut old = Caller::new(udp("84.1.2.3:5000"), "alice");
    let before = old.allocate(&mut rig, |_| {}).good().relayed()[0];
    let other = Setup {
        addresses: vec!["5.9.0.7"],
        ports: 40_000..=40_003,
        legacy_channels: true,
        ..Setup::default()
    };
    rig.engine.reload(other.settings());
    old.refresh(&mut rig, 900).good();
    old.bind(&mut rig, 0x5000, "9.9.9.9:1").good();
    assert!(rig.relay_at(before).is_some());
    let mut new = Caller::new(udp("84.1.2.3:5001"), "alice");
    let after = new.allocate(&mut rig, |_| {}).good().relayed()[0];
    assert!(after.ip().to_string() == "5.9.0.7" && (40_000..=40_003).contains(&after.port()));
    old.refresh(&mut rig, 0).good();
    rig.engine.reload(Setup::default().settings());
    rig.check();
    new.refresh(&mut rig, 900).good();
    new.refresh(&mut rig, 0).good();
    rig.pass(Duration::from_secs(40));
    rig.assert_empty();
}

/// A lower quota ends nothing, and admits nobody until there is room.
#[test]
fn a_reload_may_lower_the_quota() {
    let mut rig = Rig::new(&Setup::default());
    let mut callers: Vec<Caller> =
        (0..3).map(|n| Caller::new(udp(&format!("84.1.2.3:{}", 5000 + n)), "alice")).collect();
    callers[0].allocate(&mut rig, |_| {}).good();
    callers[1].allocate(&mut rig, |_| {}).good();
    let quotas = tern::engine::limits::Quotas { per_user: Some(1), total: None };
    rig.engine.reload(Setup { quotas, ..Setup::default() }.settings());
    assert_eq!(callers[2].allocate(&mut rig, |_| {}).code, 486);
    callers[0].refresh(&mut rig, 0).good();
    assert_eq!(callers[2].allocate(&mut rig, |_| {}).code, 486);
    callers[1].refresh(&mut rig, 0).good();
    callers[2].allocate(&mut rig, |_| {}).good();
}
