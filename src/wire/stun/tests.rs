//! Known answers (RFC 5769; RFC 8489 appendix B.1 as corrected by erratum 6268), the rules on attributes, and what is
//! written reads back.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

/// RFC 5769 section 2.1.
const SAMPLE_REQUEST: &str = "\
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 \
    00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 \
    9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf";

/// RFC 5769 section 2.2.
const SAMPLE_IPV4_RESPONSE: &str = "\
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 \
    0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96";

/// RFC 5769 section 2.3.
const SAMPLE_IPV6_RESPONSE: &str = "\
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014 \
    0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 \
    bfe3ed41 80280004 c8fb0b4c";

/// RFC 5769 section 2.4.
const LONG_TERM_REQUEST: &str = "\
    00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383 aae38383 e382afe3 \
    82b90000 0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 0014000b \
    6578616d 706c652e 6f726700 00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// RFC 8489 appendix B.1, erratum 6268.
const SHA256_REQUEST: &str = "\
    00010090 2112a442 78ad3433 c6ad72c0 29da412e 001e0020 4a3cf38f ef6992bd a952c678 0417da0f \
    24819415 569e60b2 05c46e41 407f1704 00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b \
    39353464 364f4c33 346f4c39 46535476 79363473 41000000 0014000b 6578616d 706c652e 6f726700 \
    001d0004 00020000 001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c \
    c6518e65";

const ID: TransactionId = TransactionId(*b"transaction!");

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn write(class: Class, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, class, method, ID);
    fill(&mut writer);
    writer.finish().unwrap();
    out
}

/// One request with one attribute of this value.
fn with_value(kind: AttributeType, value: &[u8]) -> Vec<u8> {
    write(Class::Request, Method::ALLOCATE, |w| {
        w.attribute(kind, value);
    })
}

#[test]
fn rfc_5769_sample_request_is_read_and_verified() {
    let bytes = unhex(SAMPLE_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.transaction_id().0[..], bytes[8..20]);
    assert_eq!(message.find(AttributeType::SOFTWARE), Some(&b"STUN test client"[..]));
    assert_eq!(message.username(), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBt"), Integrity::Good);
    assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBT"), Integrity::Bad);
    assert_eq!(message.check_integrity_sha256(b"VOkJxbRl1RmTxUk/WvJxBt"), Integrity::Absent);
    assert_eq!(message.fingerprint(), Fingerprint::Good);
    // PRIORITY is of ICE, which no relay speaks.
    let unknown = message.unknown_required(AttributeType::is_known);
    assert_eq!(unknown.as_slice(), [AttributeType(0x0024)]);
}

#[test]
fn rfc_5769_sample_responses_are_read_and_verified() {
    for (hex, addr) in [
        (SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853"),
        (SAMPLE_IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = unhex(hex);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
        assert_eq!(message.find(AttributeType::SOFTWARE), Some(&b"test vector"[..]));
        assert_eq!(message.xor_address(AttributeType::XOR_MAPPED_ADDRESS), Ok(Some(addr.parse().unwrap())));
        assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBt"), Integrity::Good);
        assert_eq!(message.fingerprint(), Fingerprint::Good);
    }
}

#[test]
fn rfc_5769_long_term_request_is_verified_and_written_the_same() {
    let bytes = unhex(LONG_TERM_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    let user = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}".as_bytes();
    assert_eq!(message.username(), Some(user));
    assert_eq!(message.realm(), Some(&b"example.org"[..]));
    assert_eq!(message.nonce(), Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    // What SASLprep makes of the password.
    let key = long_term_key_md5(user, b"example.org", b"TheMatrIX");
    assert_eq!(message.check_integrity(&key), Integrity::Good);

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Request, Method::BINDING, message.transaction_id());
    writer
        .attribute(AttributeType::USERNAME, user)
        .attribute(AttributeType::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, b"example.org")
        .integrity(&key);
    assert_eq!(writer.bytes(), bytes);
}

#[test]
fn rfc_8489_sha256_request_is_verified_and_written_the_same() {
    let bytes = unhex(SHA256_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    let user = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}".as_bytes();
    assert_eq!(message.userhash(), Ok(Some(userhash(user, b"example.org"))));
    assert_eq!(message.nonce(), Some(&b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"[..]));
    let algorithm = message.password_algorithm().unwrap().unwrap();
    assert_eq!(algorithm, PasswordAlgorithm { number: PasswordAlgorithm::SHA256, parameters: &[] });
    let key = long_term_key_sha256(user, b"example.org", b"TheMatrIX");
    assert_eq!(message.check_integrity_sha256(&key), Integrity::Good);
    assert_eq!(message.check_integrity(&key), Integrity::Absent);

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Request, Method::BINDING, message.transaction_id());
    writer
        .attribute(AttributeType::USERHASH, &userhash(user, b"example.org"))
        .attribute(AttributeType::NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, b"example.org")
        .password_algorithm(PasswordAlgorithm::SHA256)
        .integrity_sha256(&key);
    assert_eq!(writer.bytes(), bytes);
}

#[test]
fn a_key_is_over_the_bytes_joined_by_colons() {
    // RFC 8489 section 9.2.2.
    assert_eq!(long_term_key_md5(b"user", b"realm", b"pass")[..], unhex("8493fbc53ba582fb4c044c456bdc40eb"));
}

#[test]
fn every_prefix_of_a_message_is_refused() {
    let bytes = unhex(SAMPLE_REQUEST);
    for length in 0..bytes.len() {
        let expected = if length < HEADER_LEN { ParseError::TooShort } else { ParseError::Length };
        assert_eq!(Message::parse(&bytes[..length]).unwrap_err(), expected);
    }
    let longer = [&bytes[..], &[0; 4]].concat();
    assert_eq!(Message::parse(&longer).unwrap_err(), ParseError::Length);
}

#[test]
fn each_fault_of_the_header_has_its_name() {
    let good = unhex(SAMPLE_REQUEST);
    let changed = |offset: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[offset] = value;
        Message::parse(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 0x40), ParseError::NotStun);
    assert_eq!(changed(0, 0x80), ParseError::NotStun);
    for offset in 4..8 {
        assert_eq!(changed(offset, 0xFF), ParseError::Cookie);
    }
    assert_eq!(changed(3, 0x59), ParseError::Length);
    assert_eq!(changed(3, 0x54), ParseError::Length);
    // SOFTWARE longer than the message.
    assert_eq!(changed(22, 0xFF), ParseError::Attribute);
}

#[test]
fn a_length_that_is_no_multiple_of_four_is_refused() {
    let mut bytes = with_value(AttributeType::DATA, b"");
    bytes.extend([0; 2]);
    bytes[3] = 6;
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Length);
}

#[test]
fn only_the_first_of_equal_attributes_counts() {
    let bytes = write(Class::Request, Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, 600).u32(AttributeType::LIFETIME, 0);
    });
    assert_eq!(Message::parse(&bytes).unwrap().lifetime(), Ok(Some(600)));
}

#[test]
fn what_follows_a_signature_does_not_count() {
    let bytes = write(Class::Request, Method::REFRESH, |w| {
        w.attribute(AttributeType::USERNAME, b"user").integrity(b"key");
        w.u32(AttributeType::LIFETIME, 0).attribute(AttributeType(0x7001), b"unknown");
        w.integrity(b"other").integrity_sha256(b"key");
        w.attribute(AttributeType::REALM, b"late").integrity(b"key").fingerprint();
    });
    let message = Message::parse(&bytes).unwrap();
    let kinds: Vec<_> = message.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(
        kinds,
        [
            AttributeType::USERNAME,
            AttributeType::MESSAGE_INTEGRITY,
            AttributeType::MESSAGE_INTEGRITY_SHA256,
            AttributeType::FINGERPRINT
        ]
    );
    assert_eq!(message.lifetime(), Ok(None));
    assert_eq!(message.realm(), None);
    assert!(message.unknown_required(AttributeType::is_known).is_empty());
    assert_eq!(message.check_integrity(b"key"), Integrity::Good);
    assert_eq!(message.check_integrity_sha256(b"key"), Integrity::Good);
    assert_eq!(message.fingerprint(), Fingerprint::Good);
}

#[test]
fn a_fingerprint_that_is_not_last_is_bad_and_hides_the_rest() {
    let bytes = write(Class::Request, Method::BINDING, |w| {
        w.fingerprint().attribute(AttributeType::USERNAME, b"user").integrity(b"key");
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.fingerprint(), Fingerprint::Bad);
    assert_eq!(message.username(), None);
    assert_eq!(message.check_integrity(b"key"), Integrity::Absent);
}

#[test]
fn signatures_of_wrong_length_are_bad() {
    for length in [0, 4, 16, 19, 21, 24, 32] {
        let bytes = with_value(AttributeType::MESSAGE_INTEGRITY, &[0; 40][..length]);
        assert_eq!(Message::parse(&bytes).unwrap().check_integrity(b"key"), Integrity::Bad);
    }
    for length in [0, 3, 5, 8] {
        let bytes = with_value(AttributeType::FINGERPRINT, &[0; 8][..length]);
        assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Bad);
    }
}

/// A request with MESSAGE-INTEGRITY-SHA256 cut to `length`, computed as RFC 8489 section 14.6 says: the length field
/// counts the attribute as it is sent.
fn truncated(length: usize) -> Vec<u8> {
    let mut bytes = with_value(AttributeType::USERNAME, b"user");
    let mut value = [0; 40];
    let body = u16::try_from(bytes.len() - HEADER_LEN + 4 + length.next_multiple_of(4)).unwrap();
    value[..32].copy_from_slice(&integrity::hmac_sha256(b"key", &bytes, body));
    bytes.extend([0x00, 0x1C, 0x00, u8::try_from(length).unwrap()]);
    bytes.extend(&value[..length.next_multiple_of(4)]);
    bytes[2..4].copy_from_slice(&body.to_be_bytes());
    bytes
}

#[test]
fn a_truncated_sha256_counts_only_where_a_usage_allows_it() {
    for length in 0..40 {
        let bytes = truncated(length);
        let message = Message::parse(&bytes).unwrap();
        let full = if length == 32 { Integrity::Good } else { Integrity::Bad };
        assert_eq!(message.check_integrity_sha256(b"key"), full, "{length}");
        let from_20 = [20, 24, 28, 32].contains(&length);
        let expected = if from_20 { Integrity::Good } else { Integrity::Bad };
        assert_eq!(message.check_integrity_sha256_truncated(b"key", 20), expected, "{length}");
        let from_16 = from_20 || length == 16;
        let expected = if from_16 { Integrity::Good } else { Integrity::Bad };
        assert_eq!(message.check_integrity_sha256_truncated(b"key", 0), expected, "{length}");
        assert_eq!(message.check_integrity_sha256_truncated(b"kex", 0), Integrity::Bad);
    }
}

#[test]
fn unknown_attributes_are_reported_once_and_never_too_many() {
    let bytes = write(Class::Request, Method::BINDING, |w| {
        for kind in (0x7000..0x7100).flat_map(|kind| [kind, kind]) {
            w.flag(AttributeType(kind));
        }
        w.flag(AttributeType(0x8FFF));
    });
    let unknown = Message::parse(&bytes).unwrap().unknown_required(AttributeType::is_known);
    let expected: Vec<_> = (0x7000..0x7010).map(AttributeType).collect();
    assert_eq!(unknown.as_slice(), expected);

    let answer = write(Class::Error, Method::BINDING, |w| {
        w.error_code(420, "").unknown_attributes(&unknown.as_slice()[..3]);
    });
    let answer = Message::parse(&answer).unwrap();
    assert!(answer.unknown_attributes().eq(expected[..3].iter().copied()));
}

#[test]
fn readers_of_fixed_size_accept_that_size_only() {
    type Reader = fn(&Message<'_>) -> Result<bool, AttributeError>;
    let readers: [(AttributeType, &[usize], Reader); 15] = [
        (AttributeType::CHANNEL_NUMBER, &[4], |m| m.channel_number().map(|v| v.is_some())),
        (AttributeType::LIFETIME, &[4], |m| m.lifetime().map(|v| v.is_some())),
        (AttributeType::REQUESTED_TRANSPORT, &[4], |m| m.requested_transport().map(|v| v.is_some())),
        (AttributeType::EVEN_PORT, &[1], |m| m.even_port().map(|v| v.is_some())),
        (AttributeType::RESERVATION_TOKEN, &[8], |m| m.reservation_token().map(|v| v.is_some())),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[4], |m| m.requested_family().map(|v| v.is_some())),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[4], |m| m.additional_family().map(|v| v.is_some())),
        (AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY, &[4], |m| {
            m.additional_family().map(|v| v.is_some())
        }),
        (AttributeType::DONT_FRAGMENT, &[0], |m| m.dont_fragment()),
        (AttributeType::USERHASH, &[32], |m| m.userhash().map(|v| v.is_some())),
        (AttributeType::CONNECTION_ID, &[4], |m| m.connection_id().map(|v| v.is_some())),
        (AttributeType::CHANGE_REQUEST, &[4], |m| m.change_request().map(|v| v.is_some())),
        (AttributeType::RESPONSE_PORT, &[2, 4], |m| m.response_port().map(|v| v.is_some())),
        (AttributeType::ICMP, &[8], |m| m.icmp().map(|v| v.is_some())),
        (AttributeType::XOR_PEER_ADDRESS, &[8], |m| m.xor_peer_address().map(|v| v.is_some())),
    ];
    let absent = with_value(AttributeType::SOFTWARE, b"");
    // Begins like an IPv4 address, an IPv4 family and a zero ICMP code.
    let mut value = [0; 40];
    value[..2].copy_from_slice(&[1, 1]);
    for (kind, lengths, read) in readers {
        assert_eq!(read(&Message::parse(&absent).unwrap()), Ok(false), "{kind:?}");
        for length in 0..value.len() {
            let mut value = value;
            if kind == AttributeType::ICMP {
                value = [0; 40];
            }
            let bytes = with_value(kind, &value[..length]);
            let expected = if lengths.contains(&length) {
                Ok(true)
            } else {
                Err(AttributeError { kind, fault: AttributeFault::Length })
            };
            assert_eq!(read(&Message::parse(&bytes).unwrap()), expected, "{kind:?} of {length} bytes");
        }
    }
}

#[test]
fn an_address_that_cannot_be_read_is_an_error_not_an_absence() {
    let kind = AttributeType::XOR_PEER_ADDRESS;
    for (value, fault) in [
        (&[][..], AttributeFault::Length),
        (&[0, 1, 0][..], AttributeFault::Length),
        (&[0, 1, 0, 1][..], AttributeFault::Length),
        (&[0, 1, 0, 1, 1, 2, 3][..], AttributeFault::Length),
        (&[0, 1, 0, 1, 1, 2, 3, 4, 5][..], AttributeFault::Length),
        (&[0, 2, 0, 1, 1, 2, 3, 4][..], AttributeFault::Length),
        (&[0, 3, 0, 1, 1, 2, 3, 4][..], AttributeFault::Family),
        (&[0, 0, 0, 1, 1, 2, 3, 4][..], AttributeFault::Family),
    ] {
        let bytes = with_value(kind, value);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.xor_address(kind), Err(AttributeError { kind, fault }));
        assert_eq!(message.xor_peer_addresses().collect::<Vec<_>>(), [Err(AttributeError { kind, fault })]);
    }
}

#[test]
fn families_unknown_to_stun_are_told_from_wrong_lengths() {
    let kind = AttributeType::REQUESTED_ADDRESS_FAMILY;
    let bytes = with_value(kind, &[3, 0, 0, 0]);
    let error = AttributeError { kind, fault: AttributeFault::Family };
    assert_eq!(Message::parse(&bytes).unwrap().requested_family(), Err(error));
}

#[test]
fn error_codes_out_of_range_are_refused() {
    let kind = AttributeType::ERROR_CODE;
    for (value, fault) in [
        (&[0, 0, 4][..], AttributeFault::Length),
        (&[0, 0, 2, 0][..], AttributeFault::Value),
        (&[0, 0, 7, 0][..], AttributeFault::Value),
        (&[0, 0, 4, 100][..], AttributeFault::Value),
    ] {
        let bytes = with_value(kind, value);
        assert_eq!(Message::parse(&bytes).unwrap().error_code(), Err(AttributeError { kind, fault }));
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let reason = "\u{1F980}".repeat(200);
    let bytes = write(Class::Error, Method::ALLOCATE, |w| {
        w.error_code(486, &reason).address_error_code(AddressFamily::V6, 440, "no IPv6");
    });
    let message = Message::parse(&bytes).unwrap();
    let error = message.error_code().unwrap().unwrap();
    assert_eq!((error.code, error.reason), (486, "\u{1F980}".repeat(127).as_bytes()));
    let (family, error) = message.address_error_code().unwrap().unwrap();
    assert_eq!((family, error.code, error.reason), (AddressFamily::V6, 440, &b"no IPv6"[..]));
}

#[test]
fn password_algorithms_are_listed_in_order() {
    let bytes = write(Class::Error, Method::ALLOCATE, |w| {
        w.password_algorithms();
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.password_algorithms_raw(), Some(&PasswordAlgorithm::OFFER[..]));
    let numbers: Vec<_> = message.password_algorithms().map(|algorithm| algorithm.number).collect();
    assert_eq!(numbers, [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5]);

    // Parameters with padding in between, then an entry that is cut off.
    let value = [0, 9, 0, 1, 0xAA, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9];
    let bytes = with_value(AttributeType::PASSWORD_ALGORITHMS, &value);
    let found: Vec<_> = Message::parse(&bytes).unwrap().password_algorithms().collect();
    let expected = [
        PasswordAlgorithm { number: 9, parameters: &[0xAA] },
        PasswordAlgorithm { number: 1, parameters: &[] },
    ];
    assert_eq!(found, expected);
}

#[test]
fn small_attributes_read_as_written() {
    let bytes = write(Class::Request, Method::ALLOCATE, |w| {
        w.requested_transport(17).even_port(true).flag(AttributeType::DONT_FRAGMENT);
        w.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
        w.attribute(AttributeType::MOBILITY_TICKET, b"").attribute(AttributeType::ACCESS_TOKEN, b"token");
        w.u32(AttributeType::CONNECTION_ID, 7).channel_number(0x4001).icmp(3, 4, 1500);
        w.u32(AttributeType::CHANGE_REQUEST, 0b110).attribute(AttributeType::RESPONSE_PORT, &[0x12, 0x34]);
        w.attribute(AttributeType::PADDING, &[0; 1000]);
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.requested_transport(), Ok(Some(17)));
    assert_eq!(message.even_port(), Ok(Some(true)));
    assert_eq!(message.dont_fragment(), Ok(true));
    assert_eq!(message.additional_family(), Ok(Some(AddressFamily::V6)));
    assert_eq!(message.mobility_ticket(), Some(&[][..]));
    assert_eq!(message.access_token(), Some(&b"token"[..]));
    assert_eq!(message.connection_id(), Ok(Some(7)));
    assert_eq!(message.channel_number(), Ok(Some(0x4001)));
    assert_eq!(message.icmp(), Ok(Some(IcmpError { kind: 3, code: 4, data: 1500 })));
    assert_eq!(message.find(AttributeType::ICMP), Some(&[0, 0, 6, 4, 0, 0, 5, 0xDC][..]));
    assert_eq!(message.change_request(), Ok(Some(ChangeRequest { address: true, port: true })));
    assert_eq!(message.response_port(), Ok(Some(0x1234)));
    assert_eq!(message.padding_len(), Some(1000));
}

#[test]
fn an_attribute_too_long_for_the_message_is_left_out_and_told() {
    let mut out = b"before".to_vec();
    let mut writer = Writer::new(&mut out, Class::Request, Method::BINDING, ID);
    writer.attribute(AttributeType::DATA, &[0; 65_000]).attribute(AttributeType::PADDING, &[0; 600]);
    writer.attribute(AttributeType::SOFTWARE, b"fits").attribute(AttributeType::PADDING, &[0; 70_000]);
    let bytes = writer.bytes().to_vec();
    assert_eq!(writer.finish(), Err(TooLong));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.attributes().count(), 2);

    // The longest there is: 65,532 bytes behind the header.
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Request, Method::BINDING, ID);
    writer.attribute(AttributeType::DATA, &[0; 65_528]).flag(AttributeType::DONT_FRAGMENT);
    assert_eq!(writer.finish(), Err(TooLong));
    assert_eq!(Message::parse(&out).unwrap().data().map(<[u8]>::len), Some(65_528));
}

#[test]
fn a_message_is_whole_after_every_attribute() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Class::Success, Method::ALLOCATE, ID);
    for length in 0..9 {
        assert_eq!(Message::parse(writer.bytes()).unwrap().attributes().count(), length);
        writer.attribute(AttributeType::SOFTWARE, &[b'x'; 9][..length]);
    }
}

mod send {
    use super::*;

    fn peer() -> SocketAddr {
        "192.0.2.7:5000".parse().unwrap()
    }

    fn indication(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        write(Class::Indication, Method::SEND, fill)
    }

    #[test]
    fn attributes_may_come_in_any_order_with_or_without_fingerprint() {
        for data_first in [false, true] {
            for fingerprint in [false, true] {
                let bytes = indication(|w| {
                    if data_first {
                        w.attribute(AttributeType::DATA, b"hello");
                    }
                    w.attribute(AttributeType::SOFTWARE, b"x")
                        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer());
                    if !data_first {
                        w.attribute(AttributeType::DATA, b"hello");
                    }
                    if fingerprint {
                        w.fingerprint();
                    }
                });
                let found = send_indication(&bytes).unwrap();
                assert_eq!(
                    (found.peer, &bytes[found.data], found.dont_fragment),
                    (peer(), &b"hello"[..], false)
                );
            }
        }
    }

    #[test]
    fn empty_data_and_dont_fragment_are_allowed() {
        let bytes = indication(|w| {
            w.flag(AttributeType::DONT_FRAGMENT).flag(AttributeType::DATA);
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, "[2001:db8::7]:5000".parse().unwrap());
        });
        let found = send_indication(&bytes).unwrap();
        assert!(found.data.is_empty() && found.dont_fragment);
    }

    #[test]
    fn anything_off_makes_it_nothing() {
        let both = |w: &mut Writer<'_>| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer()).attribute(AttributeType::DATA, b"x");
        };
        assert!(send_indication(&indication(both)).is_some());
        assert_eq!(send_indication(&write(Class::Request, Method::SEND, both)), None);
        assert_eq!(send_indication(&write(Class::Indication, Method::DATA, both)), None);
        let without_data = indication(|w| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer());
        });
        assert_eq!(send_indication(&without_data), None);
        let without_peer = indication(|w| {
            w.attribute(AttributeType::DATA, b"x");
        });
        assert_eq!(send_indication(&without_peer), None);
        let empty_peer = indication(|w| {
            w.flag(AttributeType::XOR_PEER_ADDRESS);
            both(w);
        });
        assert_eq!(send_indication(&empty_peer), None);
        let unknown = indication(|w| {
            both(w);
            w.flag(AttributeType(0x7001));
        });
        assert_eq!(send_indication(&unknown), None);
        let mut wrong_fingerprint = indication(|w| {
            both(w);
            w.fingerprint();
        });
        *wrong_fingerprint.last_mut().unwrap() ^= 1;
        assert_eq!(send_indication(&wrong_fingerprint), None);
    }
}

#[test]
fn a_data_indication_is_written_up_to_the_payload() {
    for (peer, expected) in [("192.0.2.7:5000", 36), ("[2001:db8::7]:5000", DATA_INDICATION_HEADER_MAX)] {
        for payload in [&b""[..], b"a", b"ab", b"abc", b"abcd"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let mut buffer = [0xEE; 64];
            let length = write_data_indication_header(&mut buffer, ID, peer, payload.len()).unwrap();
            assert_eq!(length, expected);
            assert!(buffer[..64 - length].iter().all(|byte| *byte == 0xEE));
            let generic = write(Class::Indication, Method::DATA, |w| {
                w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, payload);
            });
            let whole = [&buffer[64 - length..], payload, &[0; 3][..padding(payload.len())]].concat();
            assert_eq!(whole, generic);
        }
    }
}

#[test]
fn a_data_indication_without_room_is_not_written() {
    let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
    assert_eq!(write_data_indication_header(&mut [0; 35], ID, peer, 1), None);
    assert_eq!(write_data_indication_header(&mut [0; 64], ID, peer, 65_516), Some(36));
    assert_eq!(write_data_indication_header(&mut [0; 64], ID, peer, 65_517), None);
    assert_eq!(write_data_indication_header(&mut [0; 64], ID, peer, usize::MAX), None);
}

fn classes() -> impl Strategy<Value = Class> {
    prop::sample::select(vec![Class::Request, Class::Indication, Class::Success, Class::Error])
}

/// Neither a signature nor a checksum: these change what counts behind them.
fn kinds() -> impl Strategy<Value = AttributeType> {
    any::<u16>().prop_map(AttributeType).prop_filter("ends the message", |kind| {
        !matches!(
            *kind,
            AttributeType::MESSAGE_INTEGRITY
                | AttributeType::MESSAGE_INTEGRITY_SHA256
                | AttributeType::FINGERPRINT
        )
    })
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        class in classes(),
        method in 0_u16..0x1000,
        id in any::<[u8; 12]>(),
        attributes in prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..50)), 0..12),
        key in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let (method, id) = (Method::new(method).unwrap(), TransactionId(id));
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, class, method, id);
        for (kind, value) in &attributes {
            writer.attribute(*kind, value);
        }
        writer.integrity(&key).integrity_sha256(&key).fingerprint();
        prop_assert_eq!(writer.finish(), Ok(()));
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!((message.class(), message.method(), message.transaction_id()), (class, method, id));
        let found: Vec<_> = message.attributes().map(|a| (a.kind, a.value.to_vec())).collect();
        prop_assert_eq!(&found[..attributes.len()], &attributes[..]);
        prop_assert_eq!(found.len(), attributes.len() + 3);
        prop_assert_eq!(message.check_integrity(&key), Integrity::Good);
        prop_assert_eq!(message.check_integrity_sha256(&key), Integrity::Good);
        prop_assert_eq!(message.fingerprint(), Fingerprint::Good);
    }

    #[test]
    fn addresses_read_back(ip in any::<std::net::IpAddr>(), port in any::<u16>(), id in any::<[u8; 12]>()) {
        let addr = SocketAddr::new(ip, port);
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Class::Success, Method::ALLOCATE, TransactionId(id));
        writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, addr).address(AttributeType::OTHER_ADDRESS, addr);
        prop_assert_eq!(writer.finish(), Ok(()));
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!(message.xor_address(AttributeType::XOR_RELAYED_ADDRESS), Ok(Some(addr)));
        prop_assert_eq!(message.address(AttributeType::OTHER_ADDRESS), Ok(Some(addr)));
    }

    #[test]
    fn any_changed_bit_breaks_a_signed_message(
        username in prop::collection::vec(any::<u8>(), 0..40),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write(Class::Request, Method::ALLOCATE, |w| {
            w.attribute(AttributeType::USERNAME, &username).integrity(b"key").fingerprint();
        });
        let signed = bytes.len() - 8;
        let bit = bit.index(signed * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_ne!(message.fingerprint(), Fingerprint::Good);
            // Padding in front of the signature is covered too; a changed type makes it another message altogether.
            prop_assert_ne!(message.check_integrity(b"key"), Integrity::Good);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&bytes);
        prop_assert_eq!(send_indication(&bytes), None);
    }
}
