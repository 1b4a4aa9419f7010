//! Several workers: what names one of them leads there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tern::engine::{Action, Input, Shared};
use tern::wire::stun::{AttributeType, Class, Method, TransactionId, Writer};

use crate::engine::{Caller, Rig, Setup, tcp, udp};

const WORKERS: u8 = 3;

fn workers() -> Vec<Rig> {
    let shared = Shared::new();
    let setup = Setup { workers: WORKERS, ..Setup::default() };
    (0..WORKERS).map(|index| Rig::worker(&setup, index, shared.clone())).collect()
}

fn forwarded(rig: &mut Rig, from: tern::route::Client, bytes: &[u8]) -> Option<u8> {
    rig.take_out();
    rig.tell(Input::Message { client: from, bytes });
    match &rig.take_out()[..] {
        [Action::Forward { worker }] => Some(*worker),
        _ => None,
    }
}

fn naming(method: Method, kind: AttributeType, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, Class::Request, method, TransactionId([8; 12])).attribute(kind, value);
    bytes
}

/// Tickets are text.
fn as_sent(kind: AttributeType, value: Vec<u8>) -> Vec<u8> {
    if kind == AttributeType::MOBILITY_TICKET { URL_SAFE_NO_PAD.encode(value).into_bytes() } else { value }
}

/// Before the password is looked at: the worker that made the name asks for it.
#[test]
fn names_lead_to_their_worker_and_to_no_other() {
    let mut rig = workers().remove(1);
    for (method, kind, length) in [
        (Method::ALLOCATE, AttributeType::RESERVATION_TOKEN, 8),
        (Method::REFRESH, AttributeType::MOBILITY_TICKET, 24),
        (Method::CONNECTION_BIND, AttributeType::CONNECTION_ID, 4),
    ] {
        for worker in 0..=255 {
            let mut value = vec![0; length];
            value[0] = worker;
            let bytes = naming(method, kind, &as_sent(kind, value));
            let expected = (worker < WORKERS && worker != 1).then_some(worker);
            assert_eq!(forwarded(&mut rig, udp("84.1.2.3:5000"), &bytes), expected);
        }
        assert_eq!(forwarded(&mut rig, udp("84.1.2.3:5000"), &naming(method, kind, &[])), None);
    }
    let other = naming(Method::CREATE_PERMISSION, AttributeType::MOBILITY_TICKET, &[0]);
    assert_eq!(forwarded(&mut rig, udp("84.1.2.3:5000"), &other), None);
    rig.assert_empty();
}

#[test]
fn a_reservation_is_claimed_through_any_worker() {
    let mut rigs = workers();
    let mut first = Caller::new(udp("84.1.2.3:5000"), "alice");
    let token = first
        .allocate(&mut rigs[2], |w| {
            w.even_port(true);
        })
        .good()
        .token()
        .unwrap();
    let mut second = Caller::new(udp("84.1.2.3:5001"), "alice");
    second.greet(&mut rigs[0]);
    let bytes = second.sign(Method::ALLOCATE, |w| {
        w.requested_transport(17);
        w.attribute(AttributeType::RESERVATION_TOKEN, &token);
    });
    assert_eq!(forwarded(&mut rigs[0], second.client, &bytes), Some(2));
    second.exchange(&mut rigs[2], &bytes).unwrap().good();
    rigs[2].check();
}

#[test]
fn a_ticket_is_shown_through_any_worker() {
    let mut rigs = workers();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let ticket = caller
        .allocate(&mut rigs[1], |w| {
            w.flag(AttributeType::MOBILITY_TICKET);
        })
        .good()
        .ticket()
        .unwrap();
    caller.client = udp("85.1.2.3:5000");
    caller.greet(&mut rigs[0]);
    let bytes = caller.sign(Method::REFRESH, |w| {
        w.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    });
    assert_eq!(forwarded(&mut rigs[0], caller.client, &bytes), Some(1));
    caller.exchange(&mut rigs[1], &bytes).unwrap().good();
    rigs[1].check();
}

#[test]
fn a_connection_is_bound_through_any_worker() {
    let mut rigs = workers();
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    alice.allocate_tcp(&mut rigs[2]).good();
    alice.connect(&mut rigs[2], "9.9.9.9:1");
    let connection = *rigs[2].pipes.iter().next().unwrap();
    rigs[2].tell(Input::PeerConnected { connection });
    let mut data = Caller { client: tcp("84.1.2.3:5001", 2), ..alice };
    let bytes = data.sign(Method::CONNECTION_BIND, |w| {
        w.u32(AttributeType::CONNECTION_ID, connection.0);
    });
    assert_eq!(forwarded(&mut rigs[0], data.client, &bytes), Some(2));
    data.exchange(&mut rigs[2], &bytes).unwrap().good();
}

/// One five-tuple has one allocation, over all workers: whoever has one here gets no second one there.
#[test]
fn a_client_with_an_allocation_here_is_not_sent_elsewhere() {
    let mut rigs = workers();
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    alice.allocate_tcp(&mut rigs[0]).good();
    for (method, kind, length) in [
        (Method::ALLOCATE, AttributeType::RESERVATION_TOKEN, 8),
        (Method::REFRESH, AttributeType::MOBILITY_TICKET, 24),
        (Method::CONNECTION_BIND, AttributeType::CONNECTION_ID, 4),
    ] {
        let mut value = vec![0; length];
        value[0] = 1;
        let value = as_sent(kind, value);
        let bytes = alice.sign(method, |w| {
            w.attribute(kind, &value);
        });
        let answer = alice.exchange(&mut rigs[0], &bytes).expect("forwarded");
        assert!([400, 437].contains(&answer.code));
    }
}

/// Quotas hold over all workers.
#[test]
fn workers_share_quotas_and_ports() {
    let shared = Shared::new();
    let quotas = tern::engine::limits::Quotas { per_user: Some(2), total: None };
    let setup = Setup { workers: 2, quotas, ports: 50_000..=50_002, ..Setup::default() };
    let mut rigs = [Rig::worker(&setup, 0, shared.clone()), Rig::worker(&setup, 1, shared)];
    let a = Caller::new(udp("84.1.2.3:5000"), "alice").allocate(&mut rigs[0], |_| {}).good();
    let b = Caller::new(udp("84.1.2.3:5001"), "alice").allocate(&mut rigs[1], |_| {}).good();
    assert_ne!(a.relayed(), b.relayed());
    assert_eq!(Caller::new(udp("84.1.2.3:5002"), "alice").allocate(&mut rigs[0], |_| {}).code, 486);
    Caller::new(udp("84.1.2.3:5003"), "bob").allocate(&mut rigs[0], |_| {}).good();
    assert_eq!(Caller::new(udp("84.1.2.3:5004"), "bob").allocate(&mut rigs[1], |_| {}).code, 508);
}
