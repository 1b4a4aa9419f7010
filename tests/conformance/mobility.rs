//! Mobility (RFC 8016): an allocation goes along when its client gets another address.

use std::time::Duration;

use tern::engine::{Event, Input};
use tern::route::{Client, LinkId};
use tern::wire::stun::{AddressFamily, AttributeType, Method, Writer};

use crate::engine::{Answer, Caller, Login, Rig, Setup, tcp, udp};

const HOME: &str = "84.1.2.3:5000";
const AWAY: &str = "85.1.2.3:6000";
const PEER: &str = "9.9.9.9:1000";

fn empty(writer: &mut Writer<'_>) {
    writer.flag(AttributeType::MOBILITY_TICKET);
}

fn with(ticket: &[u8]) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, ticket);
    }
}

fn mobile(from: Client) -> (Rig, Caller, Vec<u8>) {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(from, "alice");
    let ticket = caller.allocate(&mut rig, empty).good().ticket().unwrap();
    (rig, caller, ticket)
}

fn show(rig: &mut Rig, caller: &mut Caller, from: Client, ticket: &[u8]) -> Answer {
    caller.client = from;
    caller.nonce = None;
    caller.request(rig, Method::REFRESH, with(ticket))
}

/// Section 3: everything the client had is where the client is.
#[test]
fn a_ticket_moves_the_allocation() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    caller.bind(&mut rig, 0x4000, PEER).good();
    let answer = show(&mut rig, &mut caller, udp(AWAY), &ticket).good();
    assert_eq!(answer.lifetime(), Some(600));
    assert!(answer.ticket().is_some_and(|renewed| renewed != ticket));
    rig.check();
    assert!(rig.table.relays(&udp(HOME).tuple).next().is_none());
    assert!(rig.routes.channel(&udp(AWAY).tuple, 0x4000).is_some());
    assert!(rig.events.iter().any(|event| matches!(event, Event::Moved { .. })));
    assert_eq!((rig.opened, rig.closed), (1, 0));
    caller.permit(&mut rig, &[PEER]).good();
    // The old address is anybody's again.
    Caller::new(udp(HOME), "bob").allocate(&mut rig, |_| {}).good();
    rig.check();
}

#[test]
fn both_families_move() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp(HOME), "alice");
    let ticket = caller
        .allocate(&mut rig, |w| {
            empty(w);
            w.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
        })
        .good()
        .ticket()
        .unwrap();
    show(&mut rig, &mut caller, udp("[2a02::9]:5000"), &ticket).good();
    assert_eq!(rig.routes.of(&caller.client.tuple).len(), 2);
    rig.check();
}

/// Section 3.5: 405 where it is switched off; a ticket in Allocate is a bad request.
#[test]
fn mobility_may_be_forbidden() {
    let mut rig = Rig::new(&Setup { mobility: false, ..Setup::default() });
    let mut caller = Caller::new(udp(HOME), "alice");
    assert_eq!(caller.allocate(&mut rig, empty).code, 405);
    let answer = caller.allocate(&mut rig, |_| {}).good();
    assert_eq!(answer.ticket(), None);
    assert_eq!(caller.request(&mut rig, Method::REFRESH, with(&[0; 28])).code, 405);

    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    rig.engine.reload(Setup { mobility: false, ..Setup::default() }.settings());
    assert_eq!(show(&mut rig, &mut caller, udp(AWAY), &ticket).code, 405);
    let mut other = Caller::new(udp(AWAY), "alice");
    rig.engine.reload(Setup::default().settings());
    assert_eq!(other.allocate(&mut rig, with(&ticket)).code, 400);
}

/// A ticket that somebody else found is worth nothing to them (RFC 8016 section 5).
#[test]
fn a_ticket_is_its_owners_alone() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    let mut bob = Caller::new(udp(AWAY), "bob");
    assert_eq!(bob.request(&mut rig, Method::REFRESH, with(&ticket)).code, 441);
    assert!(rig.table.serves(&udp(HOME).tuple) && !rig.table.serves(&udp(AWAY).tuple));
    show(&mut rig, &mut caller, udp(AWAY), &ticket).good();
}

/// Any bit of it, and any other length.
#[test]
fn forged_tickets_are_bad_requests() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    caller.client = udp(AWAY);
    caller.greet(&mut rig);
    for byte in 0..ticket.len() {
        for bit in 0..8 {
            let mut forged = ticket.clone();
            forged[byte] ^= 1 << bit;
            assert_eq!(caller.request(&mut rig, Method::REFRESH, with(&forged)).code, 400, "{byte} {bit}");
        }
    }
    for length in 0..ticket.len() {
        assert_eq!(caller.request(&mut rig, Method::REFRESH, with(&ticket[..length])).code, 400, "{length}");
    }
    let longer = [ticket.as_slice(), &[0]].concat();
    assert_eq!(caller.request(&mut rig, Method::REFRESH, with(&longer)).code, 400);
    assert!(rig.table.serves(&udp(HOME).tuple));
    show(&mut rig, &mut caller, udp(AWAY), &ticket).good();
}

/// The answer with its successor may have been lost: the last ticket but one is good, those before are not.
#[test]
fn the_previous_ticket_is_good_once_more() {
    let (mut rig, mut caller, first) = mobile(udp(HOME));
    let second = show(&mut rig, &mut caller, udp(AWAY), &first).good().ticket().unwrap();
    let third = show(&mut rig, &mut caller, udp("86.1.2.3:7000"), &first).good().ticket().unwrap();
    assert_eq!(show(&mut rig, &mut caller, udp(AWAY), &first).code, 400);
    assert!(rig.table.serves(&udp("86.1.2.3:7000").tuple));
    show(&mut rig, &mut caller, udp(AWAY), &second).good();
    assert_eq!(show(&mut rig, &mut caller, udp(HOME), &second).code, 400);
    show(&mut rig, &mut caller, udp(HOME), &third).good();
    rig.check();
}

/// A ticket may be shown without moving; it ends with its allocation.
#[test]
fn a_ticket_lives_as_long_as_its_allocation() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    let renewed = caller.request(&mut rig, Method::REFRESH, with(&ticket)).good().ticket().unwrap();
    caller
        .request(&mut rig, Method::REFRESH, |w| {
            with(&renewed)(w);
            w.u32(AttributeType::LIFETIME, 0);
        })
        .good();
    assert_eq!(rig.engine.allocations(), 0);
    assert_eq!(caller.request(&mut rig, Method::REFRESH, with(&renewed)).code, 437);
    // Nor does it open another allocation that took its place.
    Caller::new(udp(HOME), "alice").allocate(&mut rig, empty).good();
    assert_eq!(show(&mut rig, &mut caller, udp(AWAY), &renewed).code, 437);
}

/// A client cannot move to where another allocation is.
#[test]
fn a_taken_five_tuple_is_a_mismatch() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    Caller::new(udp(AWAY), "alice").allocate(&mut rig, |_| {}).good();
    assert_eq!(show(&mut rig, &mut caller, udp(AWAY), &ticket).code, 437);
    assert!(rig.table.serves(&udp(HOME).tuple));
    show(&mut rig, &mut caller, udp("86.1.2.3:7000"), &ticket).good();
    rig.check();
}

/// A refused request changes nothing: the client would not learn the new ticket, nor that it has moved.
#[test]
fn a_refused_refresh_moves_nothing() {
    for (kind, value, code) in [
        (AttributeType::LIFETIME, &[0, 0][..], 400),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0], 443),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0], 400),
    ] {
        let (mut rig, mut caller, ticket) = mobile(udp(HOME));
        caller.client = udp(AWAY);
        caller.greet(&mut rig);
        let answer = caller.request(&mut rig, Method::REFRESH, |w| {
            with(&ticket)(w);
            w.attribute(kind, value);
        });
        assert_eq!(answer.code, code);
        assert!(rig.table.serves(&udp(HOME).tuple) && !rig.table.serves(&udp(AWAY).tuple));
        rig.check();
    }
}

/// Section 3: a mobile allocation outlives its connection, until its lifetime ends; others do not.
#[test]
fn a_mobile_allocation_outlives_its_connection() {
    let (mut rig, mut caller, ticket) = mobile(tcp(HOME, 1));
    rig.tell(Input::ClientClosed { link: LinkId(1) });
    assert_eq!(rig.engine.allocations(), 1);
    rig.pass_almost(Duration::from_secs(600));
    show(&mut rig, &mut caller, tcp(AWAY, 2), &ticket).good();
    // The old connection's name means nothing any more; the new one's does.
    rig.tell(Input::ClientClosed { link: LinkId(1) });
    assert_eq!(rig.routes.of(&tcp(AWAY, 2).tuple).len(), 1);
    rig.tell(Input::ClientClosed { link: LinkId(2) });
    rig.pass_almost(Duration::from_secs(600));
    assert_eq!(rig.engine.allocations(), 1);
    rig.pass_tick();
    rig.assert_empty();
}

/// From UDP to TCP and back: a UDP allocation may be reached over anything.
#[test]
fn the_transport_may_change() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    let ticket = show(&mut rig, &mut caller, tcp(HOME, 4), &ticket).good().ticket().unwrap();
    let ticket = show(&mut rig, &mut caller, udp(AWAY), &ticket).good().ticket().unwrap();
    rig.tell(Input::ClientClosed { link: LinkId(4) });
    show(&mut rig, &mut caller, tcp(HOME, 5), &ticket).good();
    rig.check();
}

/// The same five-tuple over a new connection: the client's link changes.
#[test]
fn a_reconnected_client_is_found_over_its_new_connection() {
    let (mut rig, mut caller, ticket) = mobile(tcp(HOME, 1));
    rig.tell(Input::ClientClosed { link: LinkId(1) });
    show(&mut rig, &mut caller, tcp(HOME, 2), &ticket).good();
    let route = rig.routes.of(&tcp(HOME, 2).tuple)[0].clone();
    assert_eq!(route.client.link, Some(LinkId(2)));
    rig.check();
}

/// RFC 6062 relays over streams only, also after a move.
#[test]
fn a_tcp_allocation_moves_to_streams_only() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(tcp(HOME, 1), "alice");
    let ticket = caller
        .request(&mut rig, Method::ALLOCATE, |w| {
            w.requested_transport(6);
            empty(w);
        })
        .good()
        .ticket()
        .unwrap();
    assert_eq!(show(&mut rig, &mut caller, udp(AWAY), &ticket).code, 400);
    assert!(rig.table.serves(&tcp(HOME, 1).tuple) && !rig.table.serves(&udp(AWAY).tuple));
    show(&mut rig, &mut caller, tcp(AWAY, 2), &ticket).good();
    rig.check();
}

/// A credential that expired meanwhile still moves the call that it began.
#[test]
fn an_expired_credential_moves_its_call() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::with(udp(HOME), Login::timed("alice", crate::engine::START + 100));
    let ticket = caller.allocate(&mut rig, empty).good().ticket().unwrap();
    rig.pass(Duration::from_secs(300));
    show(&mut rig, &mut caller, udp(AWAY), &ticket).good();
}

/// A Refresh without a ticket renews none.
#[test]
fn a_plain_refresh_keeps_the_ticket() {
    let (mut rig, mut caller, ticket) = mobile(udp(HOME));
    assert_eq!(caller.refresh(&mut rig, 600).good().ticket(), None);
    show(&mut rig, &mut caller, udp(AWAY), &ticket).good();
}
