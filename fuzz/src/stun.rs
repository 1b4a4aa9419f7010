//! Any bytes as a STUN message: no panic; what was read is written back the same; signatures hold and break where they
//! should; the one-pass reader of Send indications agrees with the readers of single attributes.

use tern::wire::stun::{
    Attribute, AttributeType, Class, Fingerprint, Integrity, MAGIC_COOKIE, Message, Method, SendIndication,
    Writer, send_indication, write_data_indication_header,
};

/// Checks `data` as it is, and once more as the attributes behind a right header.
pub fn check(data: &[u8]) {
    check_message(data);
    if let Some((&[t0, t1], body)) = data.split_first_chunk() {
        check_message(&framed([t0 & 0x3F, t1], body));
    }
}

fn framed(message_type: [u8; 2], body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX) & !3;
    let mut message = Vec::from(message_type);
    message.extend(length.to_be_bytes());
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend(*b"transaction!");
    message.extend(body.iter().take(usize::from(length)));
    message
}

fn check_message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else {
        assert_eq!(send_indication(bytes), None);
        return;
    };
    assert_eq!(message.bytes(), bytes);
    check_attributes(&message);
    check_readers(&message);
    check_round_trip(&message);
    assert_eq!(send_indication(bytes), send_by_single_readers(&message));
}

/// The rules on signed messages, stated once more: each ending attribute closes the message for all but those of higher
/// rank.
fn check_attributes(message: &Message<'_>) {
    let rank = |kind| match kind {
        AttributeType::MESSAGE_INTEGRITY => 1,
        AttributeType::MESSAGE_INTEGRITY_SHA256 => 2,
        AttributeType::FINGERPRINT => 3,
        _ => 0,
    };
    let (mut expected, mut offset, mut closed) = (Vec::new(), 20, 0);
    while let Some((&[t0, t1, l0, l1], rest)) =
        message.bytes().get(offset..).and_then(<[u8]>::split_first_chunk)
    {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (kind, value) = (AttributeType(u16::from_be_bytes([t0, t1])), rest.get(..length));
        let value = value.expect("parse let an attribute reach beyond the end");
        if closed == 0 || rank(kind) > closed {
            expected.push(Attribute { kind, value, offset });
            closed = closed.max(rank(kind));
        }
        offset += 4 + length.div_ceil(4) * 4;
    }
    assert_eq!(offset, message.bytes().len());
    assert!(message.attributes().eq(expected.iter().copied()));

    for attribute in &expected {
        let first = expected.iter().find(|other| other.kind == attribute.kind).map(|first| first.value);
        assert_eq!(message.find(attribute.kind), first);
    }
    let unknown = message.unknown_required(AttributeType::is_known);
    for kind in &unknown {
        assert!(kind.is_comprehension_required() && !kind.is_known());
    }
    let any_unknown = expected.iter().any(|a| a.kind.is_comprehension_required() && !a.kind.is_known());
    assert_eq!(unknown.is_empty(), !any_unknown);
}

/// Every typed reader; what one accepts, the writer writes so that it reads the same.
fn check_readers(message: &Message<'_>) {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, message.class(), message.method(), message.transaction_id());
    let xor = [
        AttributeType::XOR_MAPPED_ADDRESS,
        AttributeType::XOR_PEER_ADDRESS,
        AttributeType::XOR_RELAYED_ADDRESS,
    ];
    let plain =
        [AttributeType::MAPPED_ADDRESS, AttributeType::ALTERNATE_SERVER, AttributeType::OTHER_ADDRESS];
    for kind in xor {
        if let Ok(Some(addr)) = message.xor_address(kind) {
            writer.xor_address(kind, addr);
        }
    }
    for kind in plain {
        if let Ok(Some(addr)) = message.address(kind) {
            writer.address(kind, addr);
        }
    }
    if let Ok(Some(number)) = message.channel_number() {
        writer.channel_number(number);
    }
    if let Ok(Some(seconds)) = message.lifetime() {
        writer.u32(AttributeType::LIFETIME, seconds);
    }
    if let Ok(Some(protocol)) = message.requested_transport() {
        writer.requested_transport(protocol);
    }
    if let Ok(Some(reserve)) = message.even_port() {
        writer.even_port(reserve);
    }
    if let Ok(Some(family)) = message.requested_family() {
        writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    }
    if let Ok(Some(icmp)) = message.icmp() {
        writer.icmp(icmp.kind, icmp.code, icmp.data);
    }
    let error = message.error_code();
    if let Ok(Some(error)) = error {
        writer.error_code(error.code, "");
    }
    let wrote_all = writer.finish().is_ok();

    let again = Message::parse(&out).expect("our own message");
    assert!(wrote_all);
    for kind in xor {
        assert_eq!(again.xor_address(kind).ok().flatten(), message.xor_address(kind).ok().flatten());
    }
    for kind in plain {
        assert_eq!(again.address(kind).ok().flatten(), message.address(kind).ok().flatten());
    }
    assert_eq!(again.channel_number().ok().flatten(), message.channel_number().ok().flatten());
    assert_eq!(again.lifetime().ok().flatten(), message.lifetime().ok().flatten());
    assert_eq!(again.requested_transport().ok().flatten(), message.requested_transport().ok().flatten());
    assert_eq!(again.even_port().ok().flatten(), message.even_port().ok().flatten());
    assert_eq!(again.requested_family().ok().flatten(), message.requested_family().ok().flatten());
    assert_eq!(again.icmp().ok().flatten(), message.icmp().ok().flatten());
    let code = |read: Result<Option<tern::wire::stun::ErrorCode<'_>>, _>| {
        read.ok().flatten().map(|error| error.code)
    };
    assert_eq!(code(again.error_code()), code(error));
    check_other_readers(message);
}

/// Readers without a writer of their own: bounded, and silent on what is not there.
fn check_other_readers(message: &Message<'_>) {
    let length = message.bytes().len();
    assert!(message.xor_peer_addresses().count() <= length / 4);
    assert!(message.password_algorithms().count() <= length / 4);
    assert!(message.unknown_attributes().count() <= length / 2);
    let present = |kind| message.find(kind).is_some();
    assert!(present(AttributeType::RESERVATION_TOKEN) || message.reservation_token() == Ok(None));
    assert!(present(AttributeType::ADDITIONAL_ADDRESS_FAMILY) || message.additional_family() == Ok(None));
    assert!(present(AttributeType::DONT_FRAGMENT) || message.dont_fragment() == Ok(false));
    assert!(present(AttributeType::USERHASH) || message.userhash() == Ok(None));
    assert!(present(AttributeType::PASSWORD_ALGORITHM) || message.password_algorithm() == Ok(None));
    assert!(present(AttributeType::ADDRESS_ERROR_CODE) || message.address_error_code() == Ok(None));
    assert!(present(AttributeType::CONNECTION_ID) || message.connection_id() == Ok(None));
    assert!(present(AttributeType::CHANGE_REQUEST) || message.change_request() == Ok(None));
    assert!(present(AttributeType::RESPONSE_PORT) || message.response_port() == Ok(None));
    assert_eq!(present(AttributeType::PADDING), message.padding_len().is_some());
}

/// The attributes that count, written again, signed three times: everything is found back and every signature holds, for
/// its own key only and for no other content.
fn check_round_trip(message: &Message<'_>) {
    let mut out = b"what the buffer held before".to_vec();
    let start = out.len();
    let mut writer = Writer::new(&mut out, message.class(), message.method(), message.transaction_id());
    let unsigned: Vec<_> = message
        .attributes()
        .filter(|a| {
            !matches!(
                a.kind,
                AttributeType::MESSAGE_INTEGRITY
                    | AttributeType::MESSAGE_INTEGRITY_SHA256
                    | AttributeType::FINGERPRINT
            )
        })
        .collect();
    for attribute in &unsigned {
        writer.attribute(attribute.kind, attribute.value);
    }
    writer.integrity(b"key").integrity_sha256(b"key").fingerprint();
    // Three signatures are longer than what may have been there.
    let complete = writer.finish().is_ok();
    let mut bytes = out.split_off(start);
    assert!(complete || bytes.len() > 65_000);

    let again = Message::parse(&bytes).expect("our own message");
    assert_eq!(again.class(), message.class());
    assert_eq!(again.method(), message.method());
    assert_eq!(again.transaction_id(), message.transaction_id());
    let found = again.attributes().map(|a| (a.kind, a.value)).take(unsigned.len());
    assert!(found.eq(unsigned.iter().map(|a| (a.kind, a.value))));
    if complete {
        assert_eq!(again.check_integrity(b"key"), Integrity::Good);
        assert_eq!(again.check_integrity(b"no key"), Integrity::Bad);
        assert_eq!(again.check_integrity_sha256(b"key"), Integrity::Good);
        assert_eq!(again.check_integrity_sha256(b"no key"), Integrity::Bad);
        assert_eq!(again.fingerprint(), Fingerprint::Good);
        if let Some(byte) = bytes.get_mut(10) {
            *byte ^= 1;
        }
        let changed = Message::parse(&bytes).expect("another transaction, no other shape");
        assert_eq!(changed.check_integrity(b"key"), Integrity::Bad);
        assert_eq!(changed.check_integrity_sha256(b"key"), Integrity::Bad);
        assert_eq!(changed.fingerprint(), Fingerprint::Bad);
    }
}

/// RFC 8656 section 11.2 by way of the typed readers.
fn send_by_single_readers(message: &Message<'_>) -> Option<SendIndication> {
    let send = message.class() == Class::Indication && message.method() == Method::SEND;
    let understood = message.unknown_required(AttributeType::is_known).is_empty();
    if !send || !understood || message.fingerprint() == Fingerprint::Bad {
        return None;
    }
    let peer = message.xor_peer_address().ok()??;
    let data = message.attributes().find(|attribute| attribute.kind == AttributeType::DATA)?;
    let start = data.offset + 4;
    let found = SendIndication {
        peer,
        data: start..start + data.value.len(),
        dont_fragment: message.dont_fragment().ok()?,
    };
    check_data_indication(message, &found);
    Some(found)
}

/// What a peer answers with the same payload, written before it: reads back by the generic reader.
fn check_data_indication(send: &Message<'_>, found: &SendIndication) {
    let Some(payload) = send.bytes().get(found.data.clone()) else { panic!("a range outside the message") };
    let mut headroom = [0xEE; 64];
    let Some(length) =
        write_data_indication_header(&mut headroom, send.transaction_id(), found.peer, payload.len())
    else {
        assert!(payload.len() > 65_000);
        return;
    };
    let (untouched, header) = headroom.split_at(64 - length);
    assert!(untouched.iter().all(|byte| *byte == 0xEE));
    let mut whole = [header, payload].concat();
    whole.resize(whole.len() + tern::wire::stun::padding(payload.len()), 0);
    let message = Message::parse(&whole).expect("our own message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.xor_peer_address(), Ok(Some(found.peer)));
    assert_eq!(message.data(), Some(payload));
}
