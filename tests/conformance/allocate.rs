//! Allocate (RFC 8656 section 7).

use std::time::Duration;

use tern::engine::{Event, Lifetimes, RelayKind};
use tern::wire::stun::{AttributeType, Method};

use crate::engine::{Caller, Plan, Rig, Setup, Style, client, tcp, udp};

fn rig() -> Rig {
    Rig::new(&Setup::default())
}

/// RFC 8656 section 7.2: relayed address, lifetime, mapped address; a route and a socket.
#[test]
fn an_allocation_is_what_a_browser_asks_for() {
    for style in [Style::Sha1, Style::Sha256, Style::Userhash] {
        let mut rig = rig();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice").style(style);
        let answer = caller.allocate(&mut rig, |_| {}).good();
        let relayed = answer.relayed();
        assert_eq!(relayed.len(), 1);
        assert!((50_000..=50_999).contains(&relayed[0].port()));
        assert_eq!(answer.lifetime(), Some(600));
        let mapped = answer.message().xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(mapped, Some("84.1.2.3:5000".parse().unwrap()));
        assert_eq!((answer.token(), answer.ticket(), answer.address_error()), (None, None, None));

        let relay = rig.relay_at(relayed[0]).unwrap();
        assert_eq!(rig.sockets[&relay].1, RelayKind::Udp);
        assert_eq!(rig.table.client(relay), Some(&caller.client));
        assert!(rig.events.iter().any(|event| matches!(event, Event::Allocated { .. })));
        rig.check();
    }
}

/// RFC 8489 section 7.3: FINGERPRINT if the request had it, behind the integrity. The caller checks both.
#[test]
fn a_fingerprint_is_answered_with_one() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.fingerprint = true;
    caller.allocate(&mut rig, |_| {}).good();
    caller.refresh(&mut rig, 600).good();
    assert_eq!(caller.bind(&mut rig, 1, "9.9.9.9:1").code, 400);
}

/// SOFTWARE goes to those who have proven who they are, if at all.
#[test]
fn software_is_for_authenticated_clients() {
    let mut rig = Rig::new(&Setup { software: Some("Tern"), ..Setup::default() });
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let answer = caller.allocate(&mut rig, |_| {}).good();
    assert_eq!(answer.find(AttributeType::SOFTWARE), Some(&b"Tern"[..]));
}

/// RFC 8656 section 7.2: missing is 400, unknown is 442.
#[test]
fn requested_transport_is_needed_and_must_be_served() {
    let mut rig = rig();
    let mut caller = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    assert_eq!(caller.request(&mut rig, Method::ALLOCATE, |_| {}).code, 400);
    for protocol in [0, 1, 50, 255] {
        let answer = caller.request(&mut rig, Method::ALLOCATE, |w| {
            w.requested_transport(protocol);
        });
        assert_eq!(answer.code, 442);
    }
    let mut no_tcp = Rig::new(&Setup { tcp: false, ..Setup::default() });
    caller.nonce = None;
    assert_eq!(caller.allocate_tcp(&mut no_tcp).code, 442);
    rig.assert_empty();
}

/// Malformed attributes are 400, whatever they are; nothing is taken for missing.
#[test]
fn malformed_attributes_are_bad_requests() {
    for (kind, value) in [
        (AttributeType::LIFETIME, &[0, 0, 1][..]),
        (AttributeType::EVEN_PORT, &[]),
        (AttributeType::EVEN_PORT, &[0, 0]),
        (AttributeType::RESERVATION_TOKEN, &[0, 0, 0, 0]),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[1]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[3, 0, 0, 0]),
        (AttributeType::DONT_FRAGMENT, &[0]),
        (AttributeType::MOBILITY_TICKET, &[0, 1, 2]),
    ] {
        let mut rig = rig();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let answer = caller.allocate(&mut rig, |w| {
            w.attribute(kind, value);
        });
        assert_eq!(answer.code, 400, "{kind:?} {value:?}");
        rig.assert_empty();
    }
}

/// RFC 8656 section 7.2: the first attribute of a kind counts (RFC 8489 section 14).
#[test]
fn repeated_attributes_count_once() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let answer = caller.allocate(&mut rig, |w| {
        w.u32(AttributeType::LIFETIME, 700).u32(AttributeType::LIFETIME, 900);
    });
    assert_eq!(answer.good().lifetime(), Some(700));
}

/// RFC 8656 section 7.2: between the default and the maximum.
#[test]
fn lifetimes_are_clamped() {
    let lifetimes = Lifetimes { default: Duration::from_secs(300), max: Duration::from_secs(1000) };
    for (asked, granted) in [
        (None, 300),
        (Some(0), 300),
        (Some(1), 300),
        (Some(300), 300),
        (Some(999), 999),
        (Some(1001), 1000),
        (Some(u32::MAX), 1000),
    ] {
        let mut rig = Rig::new(&Setup { lifetimes, ..Setup::default() });
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let answer = caller.allocate(&mut rig, |w| {
            if let Some(asked) = asked {
                w.u32(AttributeType::LIFETIME, asked);
            }
        });
        assert_eq!(answer.good().lifetime(), Some(granted));
        // And it is what is kept.
        rig.pass_almost(Duration::from_secs(u64::from(granted)));
        assert_eq!(rig.engine.allocations(), 1);
        rig.pass_tick();
        assert_eq!(rig.engine.allocations(), 0);
    }
}

/// RFC 8656 section 7.2: DONT-FRAGMENT in Allocate asks whether the server can.
#[test]
fn dont_fragment_is_served() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller
        .allocate(&mut rig, |w| {
            w.flag(AttributeType::DONT_FRAGMENT);
        })
        .good();
}

/// RFC 8656 section 7.2: EVEN-PORT with R = 0.
#[test]
fn even_port_is_even() {
    for seed in 0..8 {
        let mut rig = Rig::new(&Setup { seed, ..Setup::default() });
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let answer = caller
            .allocate(&mut rig, |w| {
                w.even_port(false);
            })
            .good();
        assert_eq!(answer.relayed()[0].port() % 2, 0);
        assert_eq!((answer.token(), rig.sockets.len()), (None, 1));
    }
}

#[test]
fn even_port_fails_when_only_odd_ones_are_left() {
    let mut rig = Rig::new(&Setup { ports: 50_001..=50_001, ..Setup::default() });
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let answer = caller.allocate(&mut rig, |w| {
        w.even_port(false);
    });
    assert_eq!(answer.code, 508);
    rig.assert_empty();
    caller.allocate(&mut rig, |_| {}).good();
}

#[test]
fn ports_end_and_come_back() {
    let mut rig = Rig::new(&Setup { ports: 50_000..=50_003, ..Setup::default() });
    let mut callers: Vec<Caller> =
        (0..5).map(|n| Caller::new(udp(&format!("84.1.2.3:{}", 5000 + n)), "alice")).collect();
    for caller in &mut callers[..4] {
        caller.allocate(&mut rig, |_| {}).good();
    }
    assert_eq!(callers[4].allocate(&mut rig, |_| {}).code, 508);
    callers[2].refresh(&mut rig, 0).good();
    callers[4].allocate(&mut rig, |_| {}).good();
    rig.check();
}

/// 1:1 NAT: bound inside, seen outside.
#[test]
fn a_mapped_address_is_told_as_seen_from_outside() {
    let setup = Setup { addresses: vec![], mapped: vec![("10.0.0.5", "54.3.2.1")], ..Setup::default() };
    let mut rig = Rig::new(&setup);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let relayed = caller.allocate(&mut rig, |_| {}).good().relayed()[0];
    assert_eq!(relayed.ip().to_string(), "54.3.2.1");
    let bind = std::net::SocketAddr::new("10.0.0.5".parse().unwrap(), relayed.port());
    assert!(rig.relay_at(bind).is_some());
    // Relay to relay on one's own external address.
    caller.permit(&mut rig, &["54.3.2.1:50001"]).good();
    assert_eq!(caller.permit(&mut rig, &["10.9.9.9:50001"]).code, 403);
}

/// Every transport carries UDP allocations.
#[test]
fn every_client_transport_can_allocate() {
    use tern::route::{LinkId, Transport};
    let mut rig = rig();
    for (n, transport) in
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls].into_iter().enumerate()
    {
        let link = (transport != Transport::Udp).then_some(LinkId(n as u64));
        let mut caller = Caller::new(client("84.1.2.3:5000", transport, link), "alice");
        caller.allocate(&mut rig, |_| {}).good();
    }
    assert_eq!(rig.engine.allocations(), 4, "the transport is part of the five-tuple");
}

/// While its sockets open, an allocation is there for nobody; the answer comes when the last has reported.
#[test]
fn the_answer_waits_for_the_socket() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    rig.plan.push_back(Plan::Hold);
    let bytes = caller.sign(Method::ALLOCATE, |w| {
        w.requested_transport(17);
    });
    assert_eq!(caller.exchange(&mut rig, &bytes), None);
    // A retransmission changes nothing and draws no 437, which would end the attempt.
    assert_eq!(caller.exchange(&mut rig, &bytes), None);
    assert_eq!(caller.refresh(&mut rig, 600).code, 437);
    rig.take_out();
    rig.answer_open(Plan::Open);
    assert_eq!(rig.take_out().len(), 1);
    caller.refresh(&mut rig, 600).good();
    rig.check();
}

/// What ends while it opens leaves nothing, whenever the socket reports.
#[test]
fn an_allocation_may_end_while_it_opens() {
    for even in [false, true] {
        let mut rig = rig();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        caller.greet(&mut rig);
        rig.plan.extend([Plan::Open, Plan::Hold]);
        if !even {
            rig.plan.pop_front();
        }
        let bytes = caller.sign(Method::ALLOCATE, |w| {
            w.requested_transport(17);
            if even {
                w.even_port(true);
            }
        });
        assert_eq!(caller.exchange(&mut rig, &bytes), None);
        rig.close();
        rig.assert_empty();
    }
}
