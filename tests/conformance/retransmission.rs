//! A retransmitted request is answered the same (RFC 8489 section 6.3.1).

use std::time::Duration;

use tern::engine::Action;
use tern::wire::stun::{AttributeType, Method, Writer};

use crate::engine::{Caller, Login, Rig, Setup, tcp, udp};

const KEPT: Duration = Duration::from_secs(40);

fn rig() -> (Rig, Caller) {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.greet(&mut rig);
    (rig, caller)
}

fn request(writer: &mut Writer<'_>) {
    writer.requested_transport(17);
}

/// Also its RESERVATION-TOKEN and its ticket: there is one allocation, one pair of sockets.
#[test]
fn a_repeated_allocate_gets_the_same_bytes() {
    let (mut rig, mut caller) = rig();
    let bytes = caller.sign(Method::ALLOCATE, |w| {
        request(w);
        w.even_port(true);
        w.flag(AttributeType::MOBILITY_TICKET);
    });
    let first = caller.exchange(&mut rig, &bytes).unwrap().good();
    assert!(first.token().is_some() && first.ticket().is_some());
    rig.pass_almost(KEPT);
    assert_eq!(caller.exchange(&mut rig, &bytes).unwrap(), first);
    assert_eq!((rig.engine.allocations(), rig.opened), (1, 2));
    rig.pass_tick();
    assert_eq!(caller.exchange(&mut rig, &bytes).unwrap().code, 437);
}

#[test]
fn a_repeated_refresh_zero_gets_the_same_bytes() {
    let (mut rig, mut caller) = rig();
    caller.allocate(&mut rig, |_| {}).good();
    let bytes = caller.sign(Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, 0);
    });
    let first = caller.exchange(&mut rig, &bytes).unwrap().good();
    rig.pass_almost(KEPT);
    assert_eq!(caller.exchange(&mut rig, &bytes).unwrap(), first);
    rig.pass_tick();
    assert_eq!(caller.exchange(&mut rig, &bytes).unwrap().code, 437);
    rig.assert_empty();
}

/// It must not end the allocation that the same client has made since.
#[test]
fn a_repeated_refresh_zero_spares_the_next_allocation() {
    let (mut rig, mut caller) = rig();
    caller.allocate(&mut rig, |_| {}).good();
    let bytes = caller.sign(Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, 0);
    });
    caller.exchange(&mut rig, &bytes).unwrap().good();
    caller.allocate(&mut rig, |_| {}).good();
    caller.exchange(&mut rig, &bytes).unwrap().good();
    assert_eq!(rig.engine.allocations(), 1);
}

#[test]
fn a_repeated_mobility_refresh_gets_the_same_ticket() {
    let (mut rig, mut caller) = rig();
    let ticket = caller
        .allocate(&mut rig, |w| {
            w.flag(AttributeType::MOBILITY_TICKET);
        })
        .good()
        .ticket()
        .unwrap();
    caller.client = udp("85.1.2.3:6000");
    caller.greet(&mut rig);
    let bytes = caller.sign(Method::REFRESH, |w| {
        w.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    });
    let first = caller.exchange(&mut rig, &bytes).unwrap().good();
    assert_eq!(caller.exchange(&mut rig, &bytes).unwrap(), first);
}

/// CreatePermission and ChannelBind are simply served again, with the same answer.
#[test]
fn repeated_requests_of_other_kinds_get_the_same_bytes() {
    let (mut rig, mut caller) = rig();
    caller.allocate(&mut rig, |_| {}).good();
    for (method, channel) in
        [(Method::CREATE_PERMISSION, None), (Method::CHANNEL_BIND, Some(0x4000)), (Method::REFRESH, None)]
    {
        let bytes = caller.sign(method, |w| {
            if let Some(channel) = channel {
                w.channel_number(channel);
            }
            if method != Method::REFRESH {
                w.xor_address(AttributeType::XOR_PEER_ADDRESS, "9.9.9.9:1".parse().unwrap());
            }
        });
        let first = caller.exchange(&mut rig, &bytes).unwrap().good();
        rig.pass(Duration::from_secs(2));
        assert_eq!(caller.exchange(&mut rig, &bytes).unwrap(), first);
    }
    rig.check();
}

/// The cache is for those who have shown the password: a stranger who guesses a transaction gets a challenge.
#[test]
fn a_remembered_answer_is_no_secret_to_be_had() {
    let (mut rig, mut caller) = rig();
    let bytes = caller.sign(Method::ALLOCATE, request);
    caller.exchange(&mut rig, &bytes).unwrap().good();
    let mut stranger = caller.clone();
    let mut login = Login::user("alice");
    login.secret = Login::user("bob").secret;
    stranger.login = login;
    let id = tern::wire::stun::Message::parse(&bytes).unwrap().transaction_id();
    let forged = stranger.sign_as(id, Method::ALLOCATE, request);
    assert_eq!(stranger.exchange(&mut rig, &forged).unwrap().code, 401);
}

/// Neither is it for another method in the same transaction, nor for another user.
#[test]
fn a_remembered_answer_is_for_its_request_only() {
    let (mut rig, mut caller) = rig();
    let bytes = caller.sign(Method::ALLOCATE, request);
    caller.exchange(&mut rig, &bytes).unwrap().good();
    let id = tern::wire::stun::Message::parse(&bytes).unwrap().transaction_id();
    let refresh = caller.sign_as(id, Method::REFRESH, |_| {});
    let answer = caller.exchange(&mut rig, &refresh).unwrap();
    assert_eq!(answer.message().method(), Method::REFRESH);
    let mut bob = Caller { login: Login::user("bob"), ..caller };
    let theirs = bob.sign_as(id, Method::ALLOCATE, request);
    assert_eq!(bob.exchange(&mut rig, &theirs).unwrap().code, 437);
}

/// RFC 8489 section 6.2.2: nothing is retransmitted on a stream, so nothing is kept for it.
#[test]
fn streams_need_no_memory() {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    caller.allocate(&mut rig, |_| {}).good();
    caller.refresh(&mut rig, 0).good();
    rig.assert_empty();
}

/// Each repetition is one answer, no more.
#[test]
fn repetitions_are_answered_one_by_one() {
    let (mut rig, mut caller) = rig();
    let bytes = caller.sign(Method::ALLOCATE, request);
    rig.take_out();
    for _ in 0..5 {
        caller.exchange(&mut rig, &bytes).unwrap().good();
    }
    let replies = rig.take_out().into_iter().filter(|action| matches!(action, Action::Reply { .. })).count();
    assert_eq!(replies, 5);
}
