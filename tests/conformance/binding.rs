//! Binding (RFC 8489 section 12) and NAT behaviour discovery (RFC 5780).

use tern::engine::{Action, NatDiscovery};
use tern::route::{Client, LinkId, ListenerId, Transport};
use tern::wire::stun::{AttributeType, Class, Fingerprint, Message, Method, TransactionId, Writer};

use crate::engine::{Answer, Rig, Setup, client, udp};

const FROM: &str = "84.1.2.3:5000";

fn request(body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    body(&mut Writer::new(&mut bytes, Class::Request, Method::BINDING, TransactionId([5; 12])));
    bytes
}

fn ask(rig: &mut Rig, client: Client, body: impl FnOnce(&mut Writer<'_>)) -> Answer {
    let replies = rig.send(client, &request(body));
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].0, client);
    Answer::new(replies[0].1.clone())
}

fn discovery() -> Rig {
    let id = |n| ListenerId(n);
    let addresses = [
        ["5.9.0.1:3478".parse().unwrap(), "5.9.0.1:3479".parse().unwrap()],
        ["5.9.0.2:3478".parse().unwrap(), "5.9.0.2:3479".parse().unwrap()],
    ];
    let nat_discovery = NatDiscovery { sockets: [[id(0), id(1)], [id(2), id(3)]], addresses };
    Rig::new(&Setup { listeners: 5, nat_discovery: Some(nat_discovery), ..Setup::default() })
}

fn through(listener: u16) -> Client {
    Client { listener: ListenerId(listener), ..udp(FROM) }
}

fn change(flags: u32) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.u32(AttributeType::CHANGE_REQUEST, flags);
    }
}

/// RFC 8489 section 12: the answer is the address and nothing else, whatever the transport.
#[test]
fn binding_tells_the_clients_address() {
    for (addr, transport, link) in [
        (FROM, Transport::Udp, None),
        ("[2a02::9]:5000", Transport::Udp, None),
        (FROM, Transport::Tcp, Some(LinkId(1))),
        (FROM, Transport::Tls, Some(LinkId(1))),
        ("[2a02::9]:5000", Transport::Dtls, Some(LinkId(1))),
    ] {
        let mut rig = Rig::new(&Setup { software: Some("Tern"), ..Setup::default() });
        let answer = ask(&mut rig, client(addr, transport, link), |_| {});
        let message = answer.message();
        let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!((answer.code, mapped), (0, Some(addr.parse().unwrap())));
        assert_eq!(message.attributes().count(), 1);
        assert_eq!(message.transaction_id(), TransactionId([5; 12]));
        rig.assert_empty();
    }
}

/// RFC 8489 section 7.3: FINGERPRINT if the request had it.
#[test]
fn binding_answers_a_fingerprint_with_one() {
    let mut rig = Rig::new(&Setup::default());
    let answer = ask(&mut rig, udp(FROM), |writer| {
        writer.fingerprint();
    });
    assert_eq!(answer.message().fingerprint(), Fingerprint::Good);
}

/// ICE agents sign their checks with keys of their own (RFC 8445); a server without such keys just answers.
#[test]
fn binding_ignores_credentials() {
    let mut rig = Rig::new(&Setup::default());
    let answer = ask(&mut rig, udp(FROM), |writer| {
        writer.attribute(AttributeType::USERNAME, b"a:b");
        writer.integrity(b"key");
    });
    assert!(answer.code == 0 && !answer.is_signed());
}

/// RFC 8489 section 6.3.1.
#[test]
fn binding_refuses_unknown_required_attributes() {
    let mut rig = Rig::new(&Setup::default());
    let answer = ask(&mut rig, udp(FROM), |writer| {
        writer.u32(AttributeType(0x0024), 1);
    });
    let listed: Vec<_> = answer.message().unknown_attributes().collect();
    assert_eq!((answer.code, listed), (420, vec![AttributeType(0x0024)]));
}

/// A server that cannot change its address must not let the client believe that it did: what it does not serve is
/// unknown to it (RFC 8489 section 6.3.1). A CHANGE-REQUEST that asks for nothing is harmless.
#[test]
fn discovery_attributes_are_unknown_where_there_is_no_discovery() {
    let mut plain = Rig::new(&Setup::default());
    let tcp = client(FROM, Transport::Tcp, Some(LinkId(1)));
    for flags in [2, 4, 6] {
        for (mut rig, from) in
            [(Rig::new(&Setup::default()), udp(FROM)), (discovery(), tcp), (discovery(), through(4))]
        {
            let answer = ask(&mut rig, from, change(flags));
            let listed: Vec<_> = answer.message().unknown_attributes().collect();
            assert_eq!((answer.code, listed), (420, vec![AttributeType::CHANGE_REQUEST]));
        }
    }
    let answer = ask(&mut plain, udp(FROM), |writer| {
        writer.attribute(AttributeType::RESPONSE_PORT, &[0x20, 0, 0, 0]);
    });
    assert_eq!(answer.code, 420);
    assert_eq!(ask(&mut plain, udp(FROM), change(0)).code, 0);
}

/// RFC 5780 section 6.1: RESPONSE-ORIGIN is where the answer comes from, OTHER-ADDRESS the opposite corner.
#[test]
fn each_socket_names_itself_and_the_opposite_one() {
    for (listener, origin, other) in [
        (0, "5.9.0.1:3478", "5.9.0.2:3479"),
        (1, "5.9.0.1:3479", "5.9.0.2:3478"),
        (2, "5.9.0.2:3478", "5.9.0.1:3479"),
        (3, "5.9.0.2:3479", "5.9.0.1:3478"),
    ] {
        let answer = ask(&mut discovery(), through(listener), |_| {});
        let message = answer.message();
        let address = |kind| message.address(kind).unwrap();
        assert_eq!(address(AttributeType::RESPONSE_ORIGIN), Some(origin.parse().unwrap()));
        assert_eq!(address(AttributeType::OTHER_ADDRESS), Some(other.parse().unwrap()));
        assert_eq!(address(AttributeType::MAPPED_ADDRESS), Some(FROM.parse().unwrap()));
        let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(mapped, Some(FROM.parse().unwrap()));
    }
}

/// RFC 5780 section 7.2: every flag from every socket.
#[test]
fn change_request_moves_the_answer() {
    for at in 0..4_u16 {
        for flags in 1..4_u16 {
            let mut rig = discovery();
            // Bit 0 of `flags` is the port, bit 1 the address, as in a listener's number here.
            rig.send(through(at), &request(change(u32::from(flags) << 1)));
            let [Action::ReplyFrom { source, to, bytes }] = &rig.take_out()[..] else { panic!() };
            assert_eq!((source.0, *to), (at ^ flags, FROM.parse().unwrap()));
            let origin = Message::parse(bytes).unwrap().address(AttributeType::RESPONSE_ORIGIN).unwrap();
            let (ip, port) = (1 + ((at ^ flags) >> 1), 3478 + ((at ^ flags) & 1));
            assert_eq!(origin, Some(format!("5.9.0.{ip}:{port}").parse().unwrap()));
        }
    }
}

/// RFC 5780 section 7.5.
#[test]
fn response_port_moves_the_answers_target() {
    let mut rig = discovery();
    rig.send(
        through(1),
        &request(|writer| {
            writer.attribute(AttributeType::RESPONSE_PORT, &[0x20, 0, 0, 0]);
        }),
    );
    let [Action::ReplyFrom { source, to, .. }] = &rig.take_out()[..] else { panic!() };
    assert_eq!((source.0, *to), (1, "84.1.2.3:8192".parse().unwrap()));
    // Nobody listens at port 0.
    let answer = ask(&mut rig, through(1), |writer| {
        writer.attribute(AttributeType::RESPONSE_PORT, &[0, 0]);
    });
    assert_eq!(answer.code, 400);
}

/// RFC 5780 section 7.6: padding for padding, never together with RESPONSE-PORT, never more than came.
#[test]
fn padding_is_answered_with_no_more() {
    for length in [0, 1, 4, 1000, 1400, 5000] {
        let mut rig = discovery();
        let value = vec![0; length];
        let answer = ask(&mut rig, through(0), |writer| {
            writer.attribute(AttributeType::PADDING, &value);
        });
        let padded = answer.message().padding_len().unwrap();
        assert!(padded <= length && padded <= 1400 && padded + 4 > length.min(1400));
    }
    let answer = ask(&mut discovery(), through(0), |writer| {
        writer.attribute(AttributeType::PADDING, &[0; 100]);
        writer.attribute(AttributeType::RESPONSE_PORT, &[0x20, 0]);
    });
    assert_eq!(answer.code, 400);
}

#[test]
fn malformed_discovery_attributes_are_bad_requests() {
    for (kind, value) in [
        (AttributeType::CHANGE_REQUEST, &[0, 0, 2][..]),
        (AttributeType::CHANGE_REQUEST, &[]),
        (AttributeType::RESPONSE_PORT, &[1]),
        (AttributeType::RESPONSE_PORT, &[1, 2, 3]),
    ] {
        let answer = ask(&mut discovery(), through(0), |writer| {
            writer.attribute(kind, value);
        });
        assert_eq!(answer.code, 400);
    }
}
