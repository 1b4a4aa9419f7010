use super::*;
use crate::wire::stun::{Class, Message, Method, Writer, padding};

const RELAYED: &str = "203.0.113.1:50000";
const PEER: &str = "192.0.2.9:4000";

fn call(challenge: Option<Challenge>, is_stream: bool) -> Call {
    let caller = Caller {
        login: Login { username: "1800000000:tern-self-test".to_owned(), password: "secret".to_owned() },
        payload: b"?asked".to_vec(),
        echo: b"!asked".to_vec(),
        transaction: [7; 12],
    };
    Call::new(caller, challenge, is_stream)
}

fn known() -> Option<Challenge> {
    Some(Challenge { realm: b"realm".to_vec(), nonce: b"nonce".to_vec() })
}

/// What a relay answers to what waits. Success is signed if the request was.
fn answer(call: &Call, class: Class, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let request = Message::parse(call.waiting()).unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, class, request.method(), request.transaction_id());
    fill(&mut writer);
    if class == Class::Success {
        writer.integrity(&call.exchange.key().unwrap_or_default());
    }
    writer.finish().unwrap();
    bytes
}

fn refuse(call: &mut Call, code: u16) -> Result<Progress, Fault> {
    let bytes = answer(call, Class::Error, |writer| {
        writer.error_code(code, "");
        if matches!(code, 401 | 438) {
            writer.attribute(AttributeType::REALM, b"realm").attribute(AttributeType::NONCE, b"another");
        }
    });
    call.receive(&bytes)
}

fn accept(call: &mut Call) -> Result<Progress, Fault> {
    let relayed = RELAYED.parse().unwrap();
    let bytes = answer(call, Class::Success, |writer| {
        writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed);
    });
    call.receive(&bytes)
}

fn method(call: &Call) -> (Method, bool) {
    let message = Message::parse(call.waiting()).unwrap();
    (message.method(), message.find(AttributeType::MESSAGE_INTEGRITY).is_some())
}

#[test]
fn a_call_is_challenged_allocates_binds_speaks_and_ends() {
    let mut call = call(None, true);
    assert_eq!(method(&call), (Method::ALLOCATE, false));
    assert_eq!(refuse(&mut call, 401), Ok(Progress::Send));
    assert_eq!(method(&call), (Method::ALLOCATE, true));
    assert_eq!(accept(&mut call), Ok(Progress::Allocated(RELAYED.parse().unwrap())));
    assert_eq!(call.missing(), "no answer to Allocate");
    call.bind(PEER.parse().unwrap());
    assert_eq!(method(&call), (Method::CHANNEL_BIND, true));
    assert_eq!(accept(&mut call), Ok(Progress::Send));
    // A frame of a stream, padded.
    assert_eq!(call.waiting(), b"\x40\0\0\x06?asked\0\0");
    assert_eq!(call.waiting().len(), 4 + 6 + padding(6));
    assert_eq!(call.missing(), "the payload did not come back from the peer");
    for other in [
        b"\x40\0\0\x06?asked".as_slice(),
        b"\x40\x01\0\x06!asked",
        b"\x40\0\0\x05!aske",
        b"",
        b"\x40\0\0\x07!asked",
    ] {
        assert_eq!(call.receive(other), Ok(Progress::Waiting), "{other:?}");
    }
    assert_eq!(call.receive(b"\x40\0\0\x06!asked"), Ok(Progress::Send));
    assert_eq!(method(&call), (Method::REFRESH, true));
    assert_eq!(Message::parse(call.waiting()).unwrap().lifetime(), Ok(Some(0)));
    assert_eq!(accept(&mut call), Ok(Progress::Over));
}

#[test]
fn the_next_call_needs_no_challenge_and_a_stale_nonce_is_replaced() {
    let mut call = call(known(), false);
    assert_eq!(method(&call), (Method::ALLOCATE, true));
    assert_eq!(refuse(&mut call, 438), Ok(Progress::Send));
    assert_eq!(call.challenge().unwrap().nonce, b"another");
    assert!(matches!(accept(&mut call), Ok(Progress::Allocated(_))));
}

#[test]
fn what_an_earlier_call_has_left_is_ended_first() {
    for gone in [false, true] {
        let mut call = call(known(), false);
        assert_eq!(refuse(&mut call, 437), Ok(Progress::Send));
        assert_eq!(method(&call), (Method::REFRESH, true));
        let ended = if gone { refuse(&mut call, 437) } else { accept(&mut call) };
        assert_eq!(ended, Ok(Progress::Send));
        assert_eq!(method(&call), (Method::ALLOCATE, true));
        assert_eq!(refuse(&mut call, 437).unwrap_err().text, "Allocate answered 437", "once is enough");
    }
}

#[test]
fn a_full_relay_is_poor_and_everything_else_is_bad() {
    for (code, verdict) in [
        (300, Verdict::Poor),
        (486, Verdict::Poor),
        (508, Verdict::Poor),
        (400, Verdict::Bad),
        (500, Verdict::Bad),
    ] {
        let fault = refuse(&mut call(known(), false), code).unwrap_err();
        assert_eq!(fault.verdict, verdict, "{code}");
        assert!(fault.text.starts_with(&format!("Allocate answered {code}")), "{}", fault.text);
    }
    let mut twice = call(None, false);
    refuse(&mut twice, 401).unwrap();
    refuse(&mut twice, 401).unwrap();
    assert!(refuse(&mut twice, 401).unwrap_err().text.contains("does not know the self-test's credential"));
    let mut denied = call(known(), false);
    accept(&mut denied).unwrap();
    denied.bind(PEER.parse().unwrap());
    assert!(refuse(&mut denied, 403).unwrap_err().text.contains("own peer 192.0.2.9:4000 is denied"));
    // Full is what it says of new calls; later there is no excuse.
    let mut late = call(known(), false);
    accept(&mut late).unwrap();
    late.bind(PEER.parse().unwrap());
    assert_eq!(refuse(&mut late, 508).unwrap_err().verdict, Verdict::Bad);
}

#[test]
fn strangers_answers_are_none() {
    let mut call = call(known(), false);
    for bytes in [b"".as_slice(), b"\x40\0\0\0", &[0; 20]] {
        assert_eq!(call.receive(bytes), Ok(Progress::Waiting));
    }
    // Another transaction.
    let mut other = answer(&call, Class::Error, |writer| {
        writer.error_code(500, "");
    });
    other[19] ^= 1;
    assert_eq!(call.receive(&other), Ok(Progress::Waiting));
    // Signed with another key.
    let mut forged = answer(&call, Class::Success, |writer| {
        writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, RELAYED.parse().unwrap());
    });
    *forged.last_mut().unwrap() ^= 1;
    assert!(call.receive(&forged).unwrap_err().text.contains("not signed"));
}
