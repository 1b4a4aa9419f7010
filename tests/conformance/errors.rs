//! Every error code with what it must carry, and the order in which requests are checked.

use std::time::Duration;

use tern::engine::auth::PROBE_USER;
use tern::engine::limits::{Pace, Quotas};
use tern::engine::{Event, OpenError, Redirect};
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::engine::{Caller, Login, Plan, Rig, Setup, Style, client, udp};

const PEER: &str = "9.9.9.9:1000";

fn rig() -> Rig {
    Rig::new(&Setup::default())
}

fn bare(method: Method, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    body(&mut Writer::new(&mut bytes, Class::Request, method, TransactionId([9; 12])));
    bytes
}

/// RFC 8489 section 9.2.4: 401 carries REALM, NONCE and PASSWORD-ALGORITHMS, and is not signed.
#[test]
fn unsigned_requests_of_every_method_are_challenged() {
    for method in [
        Method::ALLOCATE,
        Method::REFRESH,
        Method::CREATE_PERMISSION,
        Method::CHANNEL_BIND,
        Method::CONNECT,
        Method::CONNECTION_BIND,
    ] {
        let mut rig = rig();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let answer = caller.exchange(&mut rig, &bare(method, |_| {})).unwrap();
        assert_eq!((answer.code, answer.is_signed()), (401, false));
        let has = |kind| answer.find(kind).is_some();
        assert!(
            has(AttributeType::REALM) && has(AttributeType::NONCE) && has(AttributeType::PASSWORD_ALGORITHMS)
        );
        let is_it = |event: &Event| matches!(event, Event::Refused { method: m, code: 401, .. } if *m == method.value());
        assert!(rig.events.iter().any(is_it));
        rig.assert_empty();
    }
}

/// RFC 8489 section 9.2.4: a wrong password and an unknown user look alike, and come with a fresh nonce.
#[test]
fn wrong_password_and_unknown_user_are_challenged_again() {
    let mut rig = rig();
    let mut wrong = Login::user("alice");
    wrong.secret = Login::user("bob").secret;
    for login in [wrong, Login::user("mallory"), Login::timed("late", 10)] {
        let mut caller = Caller::with(udp("84.1.2.3:5000"), login);
        let answer = caller.allocate(&mut rig, |_| {});
        assert_eq!((answer.code, answer.is_signed()), (401, false));
        assert!(answer.find(AttributeType::NONCE).is_some());
        rig.assert_empty();
    }
}

/// RFC 8489 section 9.2.4: signed without USERNAME, REALM or NONCE is 400, unsigned.
#[test]
fn signed_without_a_name_is_a_bad_request() {
    let mut rig = rig();
    let bytes = bare(Method::ALLOCATE, |writer| {
        writer.requested_transport(17);
        writer.integrity(b"anything");
    });
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let answer = caller.exchange(&mut rig, &bytes).unwrap();
    assert_eq!((answer.code, answer.is_signed()), (400, false));
    assert_eq!(answer.find(AttributeType::NONCE), None);
}

/// RFC 8489 section 9.2.4: 438 carries a nonce that works; it is signed, since some clients drop it otherwise.
#[test]
fn stale_nonce_is_signed_and_renewed() {
    for style in [Style::Sha1, Style::Sha256, Style::Userhash] {
        let mut rig = rig();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice").style(style);
        caller.nonce = Some(b"obMatJos2gAAAnonsense".to_vec());
        let answer = caller.request_once(&mut rig, Method::ALLOCATE, |w| {
            w.requested_transport(17);
        });
        assert_eq!((answer.code, answer.is_signed()), (438, true));
        assert!(answer.find(AttributeType::REALM).is_some());
        caller.allocate(&mut rig, |_| {}).good();
    }
}

/// RFC 8489 section 6.3.1 and 14.13: 420 lists the types, each once, and comes after authentication.
#[test]
fn unknown_required_attributes_are_listed() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let body = |writer: &mut Writer<'_>| {
        for kind in [0x7777, 0x7001, 0x7777, 0xC001] {
            writer.attribute(AttributeType(kind), &[1]);
        }
    };
    let answer = caller.exchange(&mut rig, &bare(Method::ALLOCATE, body)).unwrap();
    assert_eq!(answer.code, 401);
    let answer = caller.allocate(&mut rig, body);
    assert_eq!(answer.code, 420);
    let listed: Vec<_> = answer.message().unknown_attributes().collect();
    assert_eq!(listed, [AttributeType(0x7777), AttributeType(0x7001)]);
    // Many of them do not blow the answer up.
    let answer = caller.allocate(&mut rig, |writer| {
        for kind in 0x7000..0x7100 {
            writer.flag(AttributeType(kind));
        }
    });
    assert!(answer.code == 420 && answer.bytes.len() < 160);
    rig.assert_empty();
}

/// RFC 8489 section 10: 300 carries ALTERNATE-SERVER of the client's family, and over TLS its name.
#[test]
fn try_alternate_names_a_server_of_the_clients_family() {
    let setup = Setup {
        alternates: vec!["[2a01:4f8::2]:3478", "5.9.0.2:3478"],
        redirect: Redirect::Always,
        alternate_domain: Some("turn.example.org"),
        ..Setup::default()
    };
    let mut rig = Rig::new(&setup);
    let mut v4 = Caller::new(udp("84.1.2.3:5000"), "alice");
    let answer = v4.allocate(&mut rig, |_| {});
    let server = answer.message().address(AttributeType::ALTERNATE_SERVER).unwrap();
    assert_eq!((answer.code, server), (300, Some("5.9.0.2:3478".parse().unwrap())));
    assert_eq!(answer.find(AttributeType::ALTERNATE_DOMAIN), None);

    let link = Some(tern::route::LinkId(7));
    let mut tls = Caller::new(client("[2a02::9]:5000", tern::route::Transport::Tls, link), "alice");
    let answer = tls.allocate(&mut rig, |_| {});
    let server = answer.message().address(AttributeType::ALTERNATE_SERVER).unwrap();
    assert_eq!((answer.code, server), (300, Some("[2a01:4f8::2]:3478".parse().unwrap())));
    assert_eq!(answer.find(AttributeType::ALTERNATE_DOMAIN), Some(&b"turn.example.org"[..]));
    rig.assert_empty();
}

#[test]
fn a_full_relay_names_another_if_it_knows_one() {
    let setup = Setup {
        alternates: vec!["5.9.0.2:3478"],
        quotas: Quotas { per_user: None, total: Some(1) },
        ..Setup::default()
    };
    let mut rig = Rig::new(&setup);
    Caller::new(udp("84.1.2.3:5000"), "alice").allocate(&mut rig, |_| {}).good();
    assert_eq!(Caller::new(udp("84.1.2.3:5001"), "bob").allocate(&mut rig, |_| {}).code, 300);
    let v6 = Caller::new(udp("[2a02::9]:5001"), "bob").allocate(&mut rig, |_| {});
    assert_eq!(v6.code, 508, "no alternate of its family");
}

/// RFC 8656 section 7.2: 437, signed, so that a client which drops unsigned answers learns of it.
#[test]
fn a_used_five_tuple_is_a_mismatch_for_everybody() {
    let mut rig = rig();
    let mut alice = Caller::new(udp("84.1.2.3:5000"), "alice");
    alice.allocate(&mut rig, |_| {}).good();
    for user in ["alice", "bob"] {
        let mut caller = Caller { counter: 100, ..Caller::new(udp("84.1.2.3:5000"), user) };
        let answer = caller.allocate(&mut rig, |_| {});
        assert_eq!((answer.code, answer.is_signed()), (437, true));
    }
    assert_eq!(rig.engine.allocations(), 1);
    // The check comes before any look at the wishes.
    let answer = alice.request(&mut rig, Method::ALLOCATE, |_| {});
    assert_eq!(answer.code, 437);
}

/// RFC 8656 section 5: 437 without an allocation, for every method that needs one.
#[test]
fn methods_that_need_an_allocation_are_a_mismatch_without() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    assert_eq!(caller.refresh(&mut rig, 600).code, 437);
    assert_eq!(caller.permit(&mut rig, &[PEER]).code, 437);
    assert_eq!(caller.bind(&mut rig, 0x4000, PEER).code, 437);
    assert_eq!(caller.connect(&mut rig, PEER).unwrap().code, 437);
}

/// RFC 8656 section 5: 441 for a user who did not make the allocation.
#[test]
fn somebody_elses_allocation_is_wrong_credentials() {
    let mut rig = rig();
    Caller::new(udp("84.1.2.3:5000"), "alice").allocate(&mut rig, |_| {}).good();
    let mut bob = Caller::new(udp("84.1.2.3:5000"), "bob");
    assert_eq!(bob.refresh(&mut rig, 0).code, 441);
    assert_eq!(bob.permit(&mut rig, &[PEER]).code, 441);
    assert_eq!(bob.bind(&mut rig, 0x4000, PEER).code, 441);
    assert_eq!(bob.connect(&mut rig, PEER).unwrap().code, 441);
    assert_eq!(rig.engine.allocations(), 1);
    rig.check();
}

/// RFC 8656 section 7.2: 486 when the user has as many as it may have, 508 when the relay has.
#[test]
fn quotas_are_exact_and_given_back() {
    let setup = Setup { quotas: Quotas { per_user: Some(2), total: Some(3) }, ..Setup::default() };
    let mut rig = Rig::new(&setup);
    let mut callers: Vec<Caller> =
        (0..4).map(|n| Caller::new(udp(&format!("84.1.2.3:{}", 5000 + n)), "alice")).collect();
    callers[0].allocate(&mut rig, |_| {}).good();
    callers[1].allocate(&mut rig, |_| {}).good();
    assert_eq!(callers[2].allocate(&mut rig, |_| {}).code, 486);
    let mut bob = Caller::new(udp("84.1.2.4:5000"), "bob");
    bob.allocate(&mut rig, |_| {}).good();
    assert_eq!(Caller::new(udp("84.1.2.5:5000"), "carol").allocate(&mut rig, |_| {}).code, 508);
    callers[0].refresh(&mut rig, 0).good();
    callers[2].allocate(&mut rig, |_| {}).good();
    assert_eq!(callers[3].allocate(&mut rig, |_| {}).code, 486);
    assert_eq!(rig.shared.quotas.total(), 3);
}

/// A network that allocates too fast is told so, and may again later.
#[test]
fn allocations_are_limited_per_prefix() {
    let pace = Pace::new(1, Duration::from_secs(1), 2);
    let mut rig = Rig::new(&Setup { allocations: pace, ..Setup::default() });
    let allocate = |rig: &mut Rig, from: &str| Caller::new(udp(from), "alice").allocate(rig, |_| {}).code;
    assert_eq!(allocate(&mut rig, "84.1.2.3:1"), 0);
    assert_eq!(allocate(&mut rig, "84.1.2.3:2"), 0);
    assert_eq!(allocate(&mut rig, "84.1.2.3:3"), 486);
    assert_eq!(allocate(&mut rig, "84.1.2.4:3"), 0);
    rig.pass(Duration::from_secs(1));
    assert_eq!(allocate(&mut rig, "84.1.2.3:3"), 0);
}

/// RFC 8656 section 7.2: 508 when no socket can be had; nothing stays behind.
#[test]
fn no_socket_is_insufficient_capacity() {
    let mut rig = rig();
    rig.plan.push_back(Plan::Fail(OpenError::Exhausted));
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    assert_eq!(caller.allocate(&mut rig, |_| {}).code, 508);
    rig.assert_empty();
    caller.allocate(&mut rig, |_| {}).good();
}

/// A port that another program holds is not tried again: the last free one is found.
#[test]
fn taken_ports_are_tried_once_each() {
    for seed in 0..20 {
        let mut rig = Rig::new(&Setup { ports: 50_000..=50_015, seed, ..Setup::default() });
        rig.taken = (50_000..=50_014).map(|port| format!("5.9.0.1:{port}").parse().unwrap()).collect();
        let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
        let answer = caller.allocate(&mut rig, |_| {}).good();
        assert_eq!(answer.relayed()[0].port(), 50_015);
        // What was tried is free again for when the other program ends.
        rig.taken.clear();
        Caller::new(udp("84.1.2.3:5001"), "alice").allocate(&mut rig, |_| {}).good();
        rig.check();
    }
}

/// RFC 8489 section 9.2.4, then 6.3.1, then RFC 8656: the first fault decides.
#[test]
fn checks_come_in_the_order_of_the_rfcs() {
    let mut rig = rig();
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let everything = |writer: &mut Writer<'_>| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[99, 0, 0, 0]);
        writer.flag(AttributeType(0x7777));
    };
    caller.nonce = Some(b"old".to_vec());
    let answer = caller.request_once(&mut rig, Method::ALLOCATE, everything);
    assert_eq!(answer.code, 438, "authentication first");
    let answer = caller.request_once(&mut rig, Method::ALLOCATE, everything);
    assert_eq!(answer.code, 420, "then unknown attributes");
    let answer = caller.request_once(&mut rig, Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[99, 0, 0, 0]);
    });
    assert_eq!(answer.code, 442, "then the wishes");
}

/// Reason phrases are those of the RFCs; the codes that anybody can draw have none.
#[test]
fn reasons_are_those_of_the_rfc() {
    let setup = Setup { addresses: vec!["5.9.0.1"], ..Setup::default() };
    let mut rig = Rig::new(&setup);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    let reason = |answer: &crate::engine::Answer| {
        String::from_utf8(answer.message().error_code().unwrap().unwrap().reason.to_vec()).unwrap()
    };
    let answer = caller.allocate(&mut rig, |w| {
        w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, tern::wire::stun::AddressFamily::V6);
    });
    assert_eq!((answer.code, reason(&answer).as_str()), (440, "Address Family not Supported"));
    caller.allocate(&mut rig, |_| {}).good();
    let answer = caller.permit(&mut rig, &["[2620:fe::fe]:1"]);
    assert_eq!((answer.code, reason(&answer).as_str()), (443, "Peer Address Family Mismatch"));
    let bare = caller.exchange(&mut rig, &bare(Method::ALLOCATE, |_| {})).unwrap();
    assert_eq!((bare.code, reason(&bare).as_str()), (401, ""));
}

/// RFC 8489 section 6.3: what is no request is dropped in silence, with its reason counted.
#[test]
fn what_cannot_be_answered_is_dropped_in_silence() {
    use tern::engine::DropReason as Why;
    let message = |class, method| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, class, method, TransactionId([1; 12]));
        bytes
    };
    let mut broken = message(Class::Request, Method::BINDING);
    Writer::new(&mut broken, Class::Request, Method::BINDING, TransactionId([1; 12]));
    let mut sealed = bare(Method::BINDING, |writer| {
        writer.fingerprint();
    });
    *sealed.last_mut().unwrap() ^= 1;
    let (good, udp_client) = (message(Class::Request, Method::BINDING), udp("84.1.2.3:5000"));
    for (from, bytes, why) in [
        (udp_client, Vec::new(), Why::Malformed),
        (udp_client, broken, Why::Malformed),
        (udp_client, sealed, Why::Fingerprint),
        (udp_client, message(Class::Success, Method::BINDING), Why::Unexpected),
        (udp_client, message(Class::Error, Method::ALLOCATE), Why::Unexpected),
        (udp_client, message(Class::Indication, Method::BINDING), Why::Unexpected),
        (udp_client, message(Class::Indication, Method::DATA), Why::Unexpected),
        (udp_client, message(Class::Request, Method::SEND), Why::UnknownMethod),
        (udp_client, message(Class::Request, Method::new(0xABC).unwrap()), Why::UnknownMethod),
        (udp("84.1.2.3:0"), good.clone(), Why::Source),
        (udp("0.0.0.0:5"), good.clone(), Why::Source),
        (udp("224.0.0.1:5"), good.clone(), Why::Source),
        (udp("255.255.255.255:5"), good.clone(), Why::Source),
        (udp("[ff02::1]:5"), good.clone(), Why::Source),
    ] {
        let mut rig = rig();
        assert_eq!(rig.send(from, &bytes), []);
        assert_eq!(rig.events, [Event::Dropped(why)]);
        assert!(rig.take_out().is_empty());
        rig.assert_empty();
    }
    assert!(Message::parse(&good).is_ok());
}

/// One test call per listener, transport and worker takes nobody's share, and is refused when the relay itself is full.
#[test]
fn test_calls_meet_no_limit_of_a_user_but_that_of_the_relay() {
    let setup = Setup {
        probe: Some(b"north"),
        rest: false,
        quotas: Quotas { per_user: Some(1), total: Some(3) },
        allocations: Pace::new(1, Duration::from_secs(60), 1),
        ..Setup::default()
    };
    let mut rig = Rig::new(&setup);
    let mut call = |port: u16| {
        let login = Login::timed(PROBE_USER, 5000);
        let mut caller = Caller::with(udp(&format!("84.1.2.3:{port}")), login);
        caller.allocate(&mut rig, |_| {})
    };
    for port in 5000..5003 {
        call(port).good();
    }
    assert_eq!(call(5003).code, 508);
}
