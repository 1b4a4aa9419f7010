//! Canned servers: Tern's order of attributes, and coturn's.

use tern::wire::stun::{Method, Writer};

use super::*;

const REALM: &str = "example.org";
const RELAYED: &str = "192.0.2.1:50000";

fn client(channel: bool, reliable: bool) -> Client {
    let credentials = Credentials { user: "ann".to_owned(), password: "opensesame".to_owned(), realm: None };
    Client::new(Arc::new(Wish { credentials, channel, relay_v6: None, reliable }), 1)
}

fn at(seconds: u64) -> Nanos {
    Nanos(seconds * 1_000_000_000)
}

fn peer() -> SocketAddr {
    "192.0.2.9:4000".parse().unwrap()
}

fn key() -> [u8; 16] {
    long_term_key_md5(b"ann", REALM.as_bytes(), b"opensesame")
}

fn answer(request: &[u8], class: Class, fill: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
    let request = Message::parse(request).unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, class, request.method(), request.transaction_id());
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

fn challenge(request: &[u8], code: u16, nonce: &str) -> Vec<u8> {
    answer(request, Class::Error, |writer| {
        writer.attribute(AttributeType::NONCE, nonce.as_bytes());
        writer.attribute(AttributeType::REALM, REALM.as_bytes());
        writer.error_code(code, "Unauthorized");
        writer.attribute(AttributeType::SOFTWARE, b"somebody's");
    })
}

fn success(request: &[u8]) -> Vec<u8> {
    answer(request, Class::Success, |writer| {
        if Message::parse(request).unwrap().method() == Method::ALLOCATE {
            writer.attribute(AttributeType::SOFTWARE, b"somebody's");
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, RELAYED.parse().unwrap());
            writer.u32(AttributeType::LIFETIME, 600);
        }
        writer.integrity(&key());
    })
}

fn error(request: &[u8], code: u16) -> Vec<u8> {
    answer(request, Class::Error, |writer| {
        writer.error_code(code, "No");
        writer.integrity(&key());
    })
}

/// A client with an allocation.
fn allocated(channel: bool) -> Client {
    let (mut client, mut out) = (client(channel, false), Vec::new());
    client.allocate(at(0), &mut out);
    let unsigned = out.clone();
    assert_eq!(client.receive(&challenge(&unsigned, 401, "nonce"), at(0), &mut out), Event::Nothing);
    let request = Message::parse(&out).unwrap();
    assert_eq!(request.check_integrity(&key()), Integrity::Good);
    assert_eq!((request.nonce(), request.username()), (Some(&b"nonce"[..]), Some(&b"ann"[..])));
    assert_eq!(request.requested_transport().unwrap(), Some(17));
    let signed = out.clone();
    let event = client.receive(&success(&signed), at(0), &mut out);
    assert_eq!(event, Event::Allocated(RELAYED.parse().unwrap()));
    assert_eq!(client.software.as_deref(), Some("somebody's"));
    client
}

fn ready(channel: bool) -> Client {
    let (mut client, mut out) = (allocated(channel), Vec::new());
    client.connect(peer(), at(0), &mut out);
    let request = Message::parse(&out).unwrap();
    assert_eq!(request.method(), if channel { Method::CHANNEL_BIND } else { Method::CREATE_PERMISSION });
    assert_eq!(request.channel_number().unwrap(), channel.then_some(CHANNEL));
    assert_eq!(request.xor_peer_address().unwrap(), Some(peer()));
    let bytes = out.clone();
    assert_eq!(client.receive(&success(&bytes), at(0), &mut out), Event::Ready);
    assert!(client.is_ready());
    client
}

#[test]
fn a_challenge_is_met_and_media_may_flow() {
    ready(true);
    ready(false);
}

#[test]
fn the_allocation_ends_with_a_lifetime_of_zero() {
    let (mut client, mut out) = (ready(true), Vec::new());
    client.delete(at(1), &mut out);
    let request = out.clone();
    assert_eq!(Message::parse(&request).unwrap().lifetime().unwrap(), Some(0));
    assert_eq!(client.receive(&success(&request), at(1), &mut out), Event::Deleted);
    assert_eq!(client.deadline(), Nanos(u64::MAX));
}

#[test]
fn what_the_server_has_forgotten_is_deleted() {
    let (mut client, mut out) = (ready(true), Vec::new());
    client.delete(at(1), &mut out);
    let request = out.clone();
    assert_eq!(client.receive(&error(&request, 437), at(1), &mut out), Event::Deleted);
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let (mut client, mut out) = (client(true, false), Vec::new());
    client.allocate(at(0), &mut out);
    let first = out.clone();
    client.receive(&challenge(&first, 401, "one"), at(0), &mut out);
    let second = out.clone();
    let event = client.receive(&challenge(&second, 401, "two"), at(0), &mut out);
    let Event::Failed(fault) = event else { panic!("{event:?}") };
    assert_eq!(fault.code(), 401);
    assert!(out.is_empty());
}

#[test]
fn stale_nonces_are_replaced_but_not_for_ever() {
    let (mut client, mut out) = (allocated(true), Vec::new());
    client.connect(peer(), at(0), &mut out);
    for number in 0..STALE_MAX {
        let request = out.clone();
        let nonce = format!("nonce {number}");
        assert_eq!(client.receive(&challenge(&request, 438, &nonce), at(0), &mut out), Event::Nothing);
        assert_eq!(Message::parse(&out).unwrap().nonce(), Some(nonce.as_bytes()));
    }
    let request = out.clone();
    assert!(matches!(client.receive(&challenge(&request, 438, "x"), at(0), &mut out), Event::Failed(_)));
}

#[test]
fn refusals_end_the_client_with_their_code() {
    for code in [403, 486, 508] {
        let (mut client, mut out) = (allocated(true), Vec::new());
        client.connect(peer(), at(0), &mut out);
        let request = out.clone();
        let Event::Failed(fault) = client.receive(&error(&request, code), at(0), &mut out) else { panic!() };
        assert_eq!(fault.code(), code);
    }
}

#[test]
fn silence_is_met_with_the_same_bytes_and_then_given_up() {
    let (mut client, mut out) = (client(true, false), Vec::new());
    client.allocate(at(0), &mut out);
    let first = out.clone();
    let mut times = Vec::new();
    let end = loop {
        let deadline = client.deadline();
        assert_eq!(client.tick(Nanos(deadline.0 - 1), &mut out), Event::Nothing);
        assert!(out.is_empty());
        match client.tick(deadline, &mut out) {
            Event::Nothing => assert_eq!(out, first),
            Event::Failed(fault) => break (deadline, fault),
            event @ (Event::Allocated(_) | Event::Ready | Event::Deleted) => panic!("{event:?}"),
        }
        times.push(deadline.0 / 1_000_000);
    };
    assert_eq!(times, [500, 1500, 3500]);
    assert_eq!(end, (Nanos(7_500_000_000), Fault::Silent(Step::Allocate)));
    assert_eq!((client.requests, client.retransmissions), (4, 3));
}

#[test]
fn nothing_is_sent_twice_over_a_stream() {
    let (mut client, mut out) = (client(true, true), Vec::new());
    client.allocate(at(0), &mut out);
    let deadline = client.deadline();
    assert_eq!(deadline, at(10));
    assert!(matches!(client.tick(deadline, &mut out), Event::Failed(Fault::Silent(_))));
}

#[test]
fn answers_to_others_and_forged_ones_are_passed_over() {
    let (mut client, mut out) = (allocated(true), Vec::new());
    client.connect(peer(), at(0), &mut out);
    let request = out.clone();
    let mut other = success(&request);
    other[19] ^= 1;
    assert_eq!(client.receive(&other, at(0), &mut out), Event::Nothing);
    let forged = answer(&request, Class::Success, |writer| {
        writer.integrity(&[0; 16]);
    });
    assert_eq!(client.receive(&forged, at(0), &mut out), Event::Nothing);
    assert_eq!(client.receive(b"no stun", at(0), &mut out), Event::Nothing);
    assert_eq!(client.receive(&success(&request), at(0), &mut out), Event::Ready);
}

#[test]
fn channel_and_allocation_are_renewed_before_they_end() {
    let (mut client, mut out) = (ready(true), Vec::new());
    let renewal = client.deadline();
    assert!(renewal >= at(200) && renewal <= at(220), "{renewal:?}");
    assert_eq!(client.tick(renewal, &mut out), Event::Nothing);
    let bind = out.clone();
    assert_eq!(Message::parse(&bind).unwrap().method(), Method::CHANNEL_BIND);
    assert_eq!(client.receive(&success(&bind), renewal, &mut out), Event::Nothing);
    let refresh = out.clone();
    let parsed = Message::parse(&refresh).unwrap();
    assert_eq!((parsed.method(), parsed.lifetime().unwrap()), (Method::REFRESH, None));
    assert_eq!(client.receive(&success(&refresh), renewal, &mut out), Event::Nothing);
    assert!(client.is_ready() && client.deadline() > at(400));
}

#[test]
fn a_server_that_asks_for_nothing_is_served_unsigned() {
    let (mut client, mut out) = (client(true, false), Vec::new());
    client.allocate(at(0), &mut out);
    let request = out.clone();
    let plain = answer(&request, Class::Success, |writer| {
        writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, RELAYED.parse().unwrap());
    });
    assert!(matches!(client.receive(&plain, at(0), &mut out), Event::Allocated(_)));
    client.connect(peer(), at(0), &mut out);
    assert_eq!(Message::parse(&out).unwrap().check_integrity(&key()), Integrity::Absent);
}

#[test]
fn an_allocation_that_comes_late_is_given_back() {
    let (mut client, mut out) = (client(true, false), Vec::new());
    client.allocate(at(0), &mut out);
    let first = out.clone();
    client.receive(&challenge(&first, 401, "nonce"), at(0), &mut out);
    let signed = out.clone();
    assert!(client.release(at(0), &mut out) && out.is_empty(), "the answer decides");
    assert_eq!(client.tick(client.deadline(), &mut out), Event::Nothing);
    assert_eq!(out, signed, "it is still asked for");
    assert_eq!(client.receive(&success(&signed), at(1), &mut out), Event::Nothing);
    let delete = out.clone();
    assert_eq!(Message::parse(&delete).unwrap().lifetime().unwrap(), Some(0));
    assert!(client.release(at(1), &mut out) && out.is_empty(), "that is on its way");
    assert_eq!(client.receive(&success(&delete), at(1), &mut out), Event::Deleted);
    assert!(!client.release(at(1), &mut out));
}

#[test]
fn who_leaves_does_not_answer_a_challenge_or_a_refusal() {
    for code in [401, 437, 486] {
        let (mut client, mut out) = (client(true, false), Vec::new());
        client.allocate(at(0), &mut out);
        let first = out.clone();
        assert!(client.release(at(0), &mut out));
        assert_eq!(client.receive(&challenge(&first, code, "nonce"), at(0), &mut out), Event::Deleted);
        assert!(out.is_empty() && !client.release(at(0), &mut out));
    }
}

#[test]
fn what_was_allocated_or_may_have_been_is_given_back_after_a_failure() {
    let (mut refused, mut out) = (allocated(true), Vec::new());
    refused.connect(peer(), at(0), &mut out);
    let request = out.clone();
    assert!(matches!(refused.receive(&error(&request, 403), at(0), &mut out), Event::Failed(_)));
    assert!(refused.release(at(0), &mut out));
    assert_eq!(Message::parse(&out).unwrap().lifetime().unwrap(), Some(0));

    let mut silent = client(true, true);
    silent.allocate(at(0), &mut out);
    let first = out.clone();
    silent.receive(&challenge(&first, 401, "nonce"), at(0), &mut out);
    assert!(matches!(silent.tick(silent.deadline(), &mut out), Event::Failed(_)));
    assert!(silent.release(at(0), &mut out));
    assert_eq!(Message::parse(&out).unwrap().lifetime().unwrap(), Some(0));
    assert!(matches!(silent.tick(silent.deadline(), &mut out), Event::Failed(_)));
    assert!(!silent.release(at(0), &mut out), "it was asked, and has not answered");
}
