//! What the engine tells operators: who tried to log in and what came of it, what was refused and to whom, and what becomes
//! of an allocation; and what it does at their word.

use std::time::Duration;

use tern::engine::auth::{AuthMethod, AuthResult, owners};
use tern::engine::{Action, Event, Input, OwnerId, ReleaseCause, Who};
use tern::route::RelayId;
use tern::wire::stun::{AddressFamily, AttributeType, Method};

use crate::engine::setup::REALM;
use crate::engine::{Caller, Login, Rig, START, Setup, tcp, udp};

const HOME: &str = "84.1.2.3:5000";
const PEER: &str = "9.9.9.9:1000";
const PRIVATE: &str = "10.0.0.1:1000";

fn attempts(rig: &Rig) -> Vec<(AuthMethod, AuthResult)> {
    let attempt = |event: &Event| match event {
        Event::Authenticated { method, result } => Some((*method, *result)),
        _ => None,
    };
    rig.events.iter().filter_map(attempt).collect()
}

/// The last request that was refused: its code, who sent it, of which allocation, why, and the peer it named.
fn refusal(rig: &Rig) -> (u16, Who, Option<RelayId>, Option<AuthResult>, Option<String>) {
    let refused = |event: &Event| match event {
        Event::Refused { code, who, relay, fault, peer, .. } => {
            Some((*code, *who, *relay, *fault, peer.map(|peer| peer.to_string())))
        }
        _ => None,
    };
    rig.events.iter().rev().find_map(refused).unwrap()
}

fn is_one_of(who: Who, name: &str) -> bool {
    let is_his = |owner: OwnerId| owners(REALM, name).contains(&owner);
    match who {
        Who::Unknown => false,
        Who::Claims(owner) | Who::Is(owner) => is_his(owner),
    }
}

fn relay_of(rig: &Rig, caller: &Caller) -> RelayId {
    rig.table.relays(&caller.client.tuple).next().unwrap()
}

#[test]
fn attempts_to_log_in_are_told_with_their_method_and_result() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(udp(HOME), "alice");
    alice.allocate(&mut rig, |_| {}).good();
    assert_eq!(attempts(&rig), [(AuthMethod::LongTerm, AuthResult::Accepted)], "the challenge is no attempt");
    let mut timed = Caller::with(udp("84.1.2.4:1"), Login::timed("call-7", START + 100));
    timed.allocate(&mut rig, |_| {}).good();
    let mut late = Caller::with(udp("84.1.2.5:1"), Login::timed("call-7", START - 100));
    assert_eq!(late.allocate(&mut rig, |_| {}).code, 401);
    let (code, who, relay, fault, _) = refusal(&rig);
    assert_eq!((code, relay, fault), (401, None, Some(AuthResult::Expired)));
    assert!(matches!(who, Who::Claims(_)) && is_one_of(who, "call-7"), "{who:?}");
    let mut nobody = Caller::new(udp("84.1.2.6:1"), "mallory");
    assert_eq!(nobody.allocate(&mut rig, |_| {}).code, 401);
    assert!(is_one_of(refusal(&rig).1, "mallory"));
    assert_eq!(
        attempts(&rig)[1..],
        [
            (AuthMethod::Rest, AuthResult::Accepted),
            (AuthMethod::Rest, AuthResult::Expired),
            (AuthMethod::LongTerm, AuthResult::UnknownUser),
        ]
    );
}

#[test]
fn a_user_is_found_by_the_name_the_whole_credential_or_its_part() {
    let mut rig = Rig::new(&Setup::default());
    let mut timed = Caller::with(udp(HOME), Login::timed("call-7", START + 100));
    timed.allocate(&mut rig, |_| {}).good();
    let owner = rig.engine.allocation(relay_of(&rig, &timed)).unwrap().owner;
    for text in ["call-7", "1700001100:call-7", "1:call-7"] {
        assert!(owners(REALM, text).contains(&owner), "{text}");
    }
    assert!(!owners(REALM, "call-8").contains(&owner) && !owners("elsewhere", "call-7").contains(&owner));
}

#[test]
fn a_refused_peer_is_told_with_the_call_that_wanted_it() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(udp(HOME), "alice");
    alice.allocate(&mut rig, |_| {}).good();
    assert_eq!(alice.permit(&mut rig, &[PRIVATE]).code, 403);
    let (code, who, relay, fault, peer) = refusal(&rig);
    assert_eq!((code, fault, peer.as_deref()), (403, None, Some(PRIVATE)));
    assert_eq!(relay, Some(relay_of(&rig, &alice)));
    assert!(matches!(who, Who::Is(_)) && is_one_of(who, "alice"));
    assert_eq!(alice.bind(&mut rig, 0x4000, PRIVATE).code, 403);
    assert_eq!(refusal(&rig).4.as_deref(), Some(PRIVATE));
}

#[test]
fn a_refresh_is_late_when_little_is_left() {
    let late = |after: u64| {
        let mut rig = Rig::new(&Setup::default());
        let mut alice = Caller::new(udp(HOME), "alice");
        alice.allocate(&mut rig, |_| {}).good();
        rig.pass(Duration::from_secs(after));
        alice.refresh(&mut rig, 600).good();
        rig.events.iter().find_map(|event| match event {
            Event::RefreshedLate { left, .. } => Some(left.as_secs()),
            _ => None,
        })
    };
    assert_eq!([late(300), late(570), late(571), late(599)], [None, None, Some(29), Some(1)]);
}

#[test]
fn a_move_is_told_once_with_both_places() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(udp(HOME), "alice");
    let both = |writer: &mut tern::wire::stun::Writer<'_>| {
        writer.flag(AttributeType::MOBILITY_TICKET);
        writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
    };
    let ticket = alice.allocate(&mut rig, both).good().ticket().unwrap();
    let away = tcp("85.1.2.3:6000", 7);
    (alice.client, alice.nonce) = (away, None);
    let show = |writer: &mut tern::wire::stun::Writer<'_>| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    };
    alice.request(&mut rig, Method::REFRESH, show).good();
    let moves: Vec<_> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Moved { from, to, .. } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(moves, [(udp(HOME).tuple, away.tuple)]);
    alice.refresh(&mut rig, 0).good();
    let released = rig.events.iter().find_map(|event| match event {
        Event::Released { tuple, second, .. } => Some((*tuple, second.is_some())),
        _ => None,
    });
    assert_eq!(released, Some((away.tuple, true)));
}

#[test]
fn an_operator_ends_an_allocation_and_its_connection() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(tcp(HOME, 7), "alice");
    let mut bob = Caller::new(udp("84.1.2.4:1"), "bob");
    alice.allocate(&mut rig, |_| {}).good();
    bob.allocate(&mut rig, |_| {}).good();
    alice.permit(&mut rig, &[PEER]).good();
    alice.bind(&mut rig, 0x4000, PEER).good();
    let relay = relay_of(&rig, &alice);
    let view = rig.engine.allocation(relay).unwrap();
    assert_eq!((view.client, view.first, view.second), (alice.client, relay, None));
    assert_eq!((view.permissions, view.channels, view.is_tcp, view.is_probe), (1, 1, false, false));
    assert_eq!((view.began, view.expires.since(rig.now.time).as_secs()), (rig.now.unix, 600));
    rig.take_out();
    assert!(rig.engine.end_allocation(relay));
    rig.tell(Input::Timer);
    let closed =
        |action: &Action| matches!(action, Action::CloseClient { link } if Some(*link) == alice.client.link);
    assert!(rig.take_out().iter().any(closed));
    assert!(rig.events.iter().any(|e| matches!(e, Event::Released { cause: ReleaseCause::Operator, .. })));
    assert!(!rig.engine.end_allocation(relay) && rig.engine.allocation(relay).is_none());
    // The other call goes on.
    assert_eq!(rig.engine.allocations(), 1);
    bob.refresh(&mut rig, 600).good();
    rig.check();
}

#[test]
fn a_reserved_relay_is_no_allocation() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(udp(HOME), "alice");
    alice
        .allocate(&mut rig, |writer| {
            writer.even_port(true);
        })
        .good();
    let own = relay_of(&rig, &alice);
    let reserved = rig.sockets.keys().copied().find(|relay| *relay != own).unwrap();
    assert!(rig.engine.allocation(reserved).is_none() && !rig.engine.end_allocation(reserved));
    assert!(rig.engine.allocation(own).is_some());
}
