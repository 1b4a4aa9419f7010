//! Our STUN codec against two that others wrote, `stun` and `stun-types`, on messages that are generated, signed and
//! then damaged. Where the three differ on purpose, the difference is stated as a condition and asserted too.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed assertion is what this file is for"
)]

use std::net::SocketAddr;

use proptest::prelude::*;
use stun::attributes::AttrType;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity as TheirIntegrity;
use stun::message::{Message as StunMessage, Setter as _};
use stun::xoraddr::XorMappedAddress as TheirXorAddress;
use stun_types::attribute::{self as types, AttributeFromRaw, AttributeStaticType, RawAttribute};
use stun_types::message::{
    self as types_message, IntegrityAlgorithm, Message as TypesMessage, MessageWrite as _,
    MessageWriteExt as _, MessageWriteVec, ShortTermCredentials,
};
use stun_types::prelude::{Attribute as _, AttributeExt as _};
use tern::wire::stun::{
    Attribute, AttributeFault, AttributeType, Class, Fingerprint, Integrity, Message, Method, TransactionId,
    Writer,
};

/// What RFC 3489bis drafts called XOR-MAPPED-ADDRESS; `stun` reads it as the final one.
const DRAFT_XOR_MAPPED: u16 = 0x8020;
const KEY: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// One step of writing a message.
#[derive(Clone, Debug)]
enum Step {
    Raw(u16, Vec<u8>),
    XorAddress(AttributeType, SocketAddr),
    Error(u16, String),
    Sha1(bool),
    Sha256(bool),
    Checksum,
}

/// What happens to the message on its way.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Bytes(Vec<(prop::sample::Index, u8)>),
    Cut(prop::sample::Index),
    Longer(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kinds = prop_oneof![
        4 => prop::sample::select(vec![
            0x0001, 0x0006, 0x0009, 0x000A, 0x000C, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x001A, 0x001E, 0x0020,
            0x0022, 0x8002, 0x8022, DRAFT_XOR_MAPPED,
        ]),
        1 => prop::sample::select(vec![0x0008, 0x001C, 0x8028]),
        1 => any::<u16>(),
    ];
    let lengths = prop_oneof![Just(0_usize), Just(4), Just(8), Just(20), Just(32), 0_usize..40];
    let raw = (kinds, lengths).prop_flat_map(|(kind, length)| {
        prop::collection::vec(any::<u8>(), length).prop_map(move |value| Step::Raw(kind, value))
    });
    let address = (prop::bool::ANY, any::<SocketAddr>()).prop_map(|(mapped, addr)| {
        let kind = if mapped { AttributeType::XOR_MAPPED_ADDRESS } else { AttributeType::XOR_PEER_ADDRESS };
        Step::XorAddress(kind, SocketAddr::new(addr.ip(), addr.port()))
    });
    let step = prop_oneof![
        6 => raw,
        2 => address,
        1 => (300_u16..700, "[a-z ]{0,30}").prop_map(|(code, reason)| Step::Error(code, reason)),
        2 => prop::bool::weighted(0.8).prop_map(Step::Sha1),
        2 => prop::bool::weighted(0.8).prop_map(Step::Sha256),
        2 => Just(Step::Checksum),
    ];
    prop::collection::vec(step, 0..10)
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => Just(Damage::None),
        3 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4).prop_map(Damage::Bytes),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..9).prop_map(Damage::Longer),
    ]
}

fn write(message_type: (Class, u16), id: [u8; 12], steps: &[Step]) -> Vec<u8> {
    let mut out = Vec::new();
    let method = Method::new(message_type.1).unwrap();
    let mut writer = Writer::new(&mut out, message_type.0, method, TransactionId(id));
    let key = |right: bool| if right { KEY.as_bytes() } else { b"another" };
    for step in steps {
        match step {
            Step::Raw(kind, value) => writer.attribute(AttributeType(*kind), value),
            Step::XorAddress(kind, addr) => writer.xor_address(*kind, *addr),
            Step::Error(code, reason) => writer.error_code(*code, reason),
            Step::Sha1(right) => writer.integrity(key(*right)),
            Step::Sha256(right) => writer.integrity_sha256(key(*right)),
            Step::Checksum => writer.fingerprint(),
        };
    }
    writer.finish().unwrap();
    out
}

fn damage(mut bytes: Vec<u8>, damage: Damage) -> Vec<u8> {
    match damage {
        Damage::None => {}
        Damage::Bytes(changes) => {
            for (index, value) in changes {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
        }
        Damage::Cut(index) => bytes.truncate(index.index(bytes.len())),
        Damage::Longer(tail) => bytes.extend(tail),
    }
    bytes
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![Class::Request, Class::Indication, Class::Success, Class::Error]);
    ((class, 0_u16..0x1000), any::<[u8; 12]>(), steps(), damages())
        .prop_map(|(message_type, id, steps, how)| damage(write(message_type, id, &steps), how))
}

fn read_by_stun(bytes: &[u8]) -> Option<StunMessage> {
    let mut message = StunMessage::new();
    message.unmarshal_binary(bytes).ok().map(|()| message)
}

fn rank(kind: u16) -> u8 {
    match kind {
        0x0008 => 1,
        0x001C => 2,
        0x8028 => 3,
        _ => 0,
    }
}

/// The header says what it is and how long, and both are so. Of these `stun` checks the cookie and that enough came,
/// `stun-types` the first bits too; neither minds bytes behind the message.
fn exact(bytes: &[u8]) -> bool {
    bytes.len() >= 20
        && bytes[0] & 0xC0 == 0
        && usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 20 == bytes.len()
}

/// `stun-types` looks no further, not even at lengths, than the first attribute behind a signature that is no
/// signature, or one that is repeated.
fn types_stops_early(bytes: &[u8]) -> bool {
    let (mut offset, mut seen) = (20, Vec::new());
    while let Some(header) = bytes.get(offset..offset + 4) {
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let ends = rank(kind) > 0;
        if !seen.is_empty() && (!ends || seen.contains(&kind)) {
            return true;
        }
        if ends {
            seen.push(kind);
        }
        offset += 4 + usize::from(u16::from_be_bytes([header[2], header[3]])).next_multiple_of(4);
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn stun_accepts_the_same_messages(bytes in messages()) {
        let (ours, theirs) = (Message::parse(&bytes), read_by_stun(&bytes));
        prop_assert_eq!(ours.is_ok(), theirs.is_some() && exact(&bytes));
        let (Ok(ours), Some(theirs)) = (ours, theirs) else { return Ok(()) };
        prop_assert_eq!(&ours.transaction_id().0, &theirs.transaction_id.0);
        let mut expected_type = [0; 2];
        expected_type.copy_from_slice(&bytes[..2]);
        prop_assert_eq!(theirs.typ.value(), u16::from_be_bytes(expected_type));

        // `stun` lists everything; what counts of it is for its caller to know.
        let mut closed = 0;
        let counting = theirs.attributes.0.iter().filter(|attribute| {
            let rank = rank(attribute.typ.value());
            let counts = closed == 0 || rank > closed;
            closed = closed.max(rank);
            counts
        });
        let final_type = |kind| if kind == DRAFT_XOR_MAPPED { 0x0020 } else { kind };
        let counting: Vec<_> = counting.map(|a| (a.typ.value(), a.value.clone())).collect();
        let ours: Vec<_> = ours.attributes().map(|a| (final_type(a.kind.0), a.value.to_vec())).collect();
        prop_assert_eq!(ours, counting);
    }

    #[test]
    fn stun_types_accepts_the_same_messages(bytes in messages()) {
        let (ours, theirs) = (Message::parse(&bytes), TypesMessage::from_bytes(&bytes));
        match (&ours, &theirs) {
            // It takes a wrong FINGERPRINT for a malformed message; ours leaves that to the caller, who counts it.
            (Ok(ours), Err(_)) => prop_assert_eq!(ours.fingerprint(), Fingerprint::Bad),
            (Err(_), Ok(_)) => prop_assert!(!exact(&bytes) || types_stops_early(&bytes)),
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.method().value(), theirs.method().value());
                prop_assert_eq!(ours.class(), class_of(theirs));
                let id: u128 = theirs.transaction_id().into();
                prop_assert_eq!(&ours.transaction_id().0, &id.to_be_bytes()[4..]);
                let theirs: Vec<_> = theirs.iter_attributes().collect();
                let ours: Vec<_> = ours.attributes().collect();
                for (ours, (offset, theirs)) in ours.iter().zip(&theirs) {
                    prop_assert_eq!((ours.offset, ours.kind.0), (*offset, theirs.get_type().value()));
                    prop_assert_eq!(ours.value, &theirs.value[..]);
                }
                // It stops at the first attribute that does not count; a signature behind that is still ours to check.
                let end = theirs.last().map_or(20, |(offset, attribute)| offset + attribute.padded_len());
                let next = ours.get(theirs.len()).map(|attribute| attribute.offset);
                prop_assert!(theirs.len() <= ours.len() && next.is_none_or(|next| next > end));
            }
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn signatures_are_judged_the_same(bytes in messages()) {
        let Ok(ours) = Message::parse(&bytes) else { return Ok(()) };
        let mut by_stun = read_by_stun(&bytes).unwrap();
        // `stun` finds a signature wherever it stands.
        if ours.find(AttributeType::MESSAGE_INTEGRITY).is_some() {
            let good = TheirIntegrity::new_short_term_integrity(KEY.to_owned()).check(&mut by_stun).is_ok();
            prop_assert_eq!(ours.check_integrity(KEY.as_bytes()) == Integrity::Good, good);
        } else {
            prop_assert_eq!(ours.check_integrity(KEY.as_bytes()), Integrity::Absent);
        }
        // It takes the last eight bytes for FINGERPRINT, whatever they are.
        if ours.fingerprint() == Fingerprint::Good {
            prop_assert!(FINGERPRINT.check(&by_stun).is_ok());
        }
        let last = ours.attributes().last().filter(|a| a.kind == AttributeType::FINGERPRINT && a.end() == bytes.len());
        if last.is_some() {
            prop_assert_eq!(ours.fingerprint() == Fingerprint::Good, FINGERPRINT.check(&by_stun).is_ok());
        }
        if let Ok(by_types) = TypesMessage::from_bytes(&bytes) {
            same_by_stun_types(&ours, &by_types)?;
        }
    }

    #[test]
    fn values_are_read_the_same(bytes in messages()) {
        let Ok(ours) = Message::parse(&bytes) else { return Ok(()) };
        let by_stun = read_by_stun(&bytes).unwrap();
        let draft = by_stun.attributes.0.iter().any(|a| a.typ.value() == 0x0020)
            && ours.attributes().any(|a| a.kind.0 == DRAFT_XOR_MAPPED);
        for kind in [AttributeType::XOR_MAPPED_ADDRESS, AttributeType::XOR_PEER_ADDRESS] {
            if let Some(value) = ours.find(kind).filter(|_| !draft) {
                let mut theirs = TheirXorAddress::default();
                let read = theirs.get_from_as(&by_stun, AttrType(kind.0));
                match ours.xor_address(kind) {
                    // Its family field is sixteen bits wide, the reserved byte included.
                    Ok(Some(_)) if value[0] != 0 => prop_assert!(read.is_err()),
                    Ok(addr) => prop_assert_eq!(addr, Some(SocketAddr::new(theirs.ip, theirs.port))),
                    // It fills up addresses that are cut off.
                    Err(error) => {
                        let cut_off = error.fault == AttributeFault::Length && value.len() > 4;
                        prop_assert!(read.is_err() || cut_off);
                    }
                }
            }
        }
        for attribute in ours.attributes() {
            let raw = RawAttribute::new(attribute.kind.0.into(), attribute.value);
            if ours.find(attribute.kind) == Some(attribute.value) {
                same_value(&ours, &attribute, &raw)?;
            }
        }
    }

    #[test]
    fn what_the_others_write_is_read_and_verified(
        method in 0_u16..0x1000,
        id in any::<[u8; 12]>(),
        values in prop::collection::vec((0x0030_u16..0x8000, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        addr in any::<SocketAddr>(),
    ) {
        let addr = SocketAddr::new(addr.ip(), addr.port());
        let by_stun = written_by_stun(id, &values, addr);
        let ours = Message::parse(&by_stun).unwrap();
        prop_assert_eq!(ours.xor_peer_address(), Ok(Some(addr)));
        check_foreign(&ours, &values)?;
        prop_assert_eq!(ours.check_integrity(KEY.as_bytes()), Integrity::Good);

        let by_types = written_by_stun_types(method, id, &values, addr);
        let ours = Message::parse(&by_types).unwrap();
        prop_assert_eq!(ours.method().value(), method);
        prop_assert_eq!(ours.xor_address(AttributeType::XOR_MAPPED_ADDRESS), Ok(Some(addr)));
        check_foreign(&ours, &values)?;
        prop_assert_eq!(ours.check_integrity(KEY.as_bytes()), Integrity::Good);
        prop_assert_eq!(ours.check_integrity_sha256(KEY.as_bytes()), Integrity::Good);

        // Ours of the same content is theirs byte for byte.
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Class::Success, Method::new(method).unwrap(), TransactionId(id));
        for (kind, value) in &values {
            writer.attribute(AttributeType(*kind), value);
        }
        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, addr);
        writer.integrity(KEY.as_bytes()).integrity_sha256(KEY.as_bytes()).fingerprint();
        prop_assert_eq!(writer.finish(), Ok(()));
        prop_assert_eq!(out, by_types);
    }

    #[test]
    fn keys_and_hashes_are_the_same(user in ".{0,20}", realm in "[ -~]{0,20}", password in ".{0,20}") {
        use tern::wire::stun::{long_term_key_md5, long_term_key_sha256, userhash};
        let (u, r, p) = (user.as_bytes(), realm.as_bytes(), password.as_bytes());
        prop_assert_eq!(userhash(u, r), types::Userhash::compute(&user, &realm));
        let theirs = TheirIntegrity::new_long_term_integrity(user.clone(), realm.clone(), password.clone());
        prop_assert_eq!(&long_term_key_md5(u, r, p)[..], &theirs.0[..]);

        let credentials = types_message::LongTermKeyCredentials::new(user.clone(), password.clone(), realm.clone());
        let key = long_term_key_sha256(u, r, p);
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Class::Request, Method::ALLOCATE, TransactionId([7; 12]));
        writer.attribute(AttributeType::NONCE, b"nonce").integrity_sha256(&key);
        prop_assert_eq!(writer.finish(), Ok(()));
        let message = TypesMessage::from_bytes(&out).unwrap();
        prop_assert_eq!(message.validate_integrity(&credentials.into()).ok(), Some(IntegrityAlgorithm::Sha256));
    }
}

fn class_of(message: &TypesMessage<'_>) -> Class {
    match message.class() {
        types_message::MessageClass::Request => Class::Request,
        types_message::MessageClass::Indication => Class::Indication,
        types_message::MessageClass::Success => Class::Success,
        types_message::MessageClass::Error => Class::Error,
    }
}

/// `stun-types` judges the strongest signature that it has come to, and lets any usage truncate SHA-256.
fn same_by_stun_types(ours: &Message<'_>, theirs: &TypesMessage<'_>) -> Result<(), TestCaseError> {
    let has = |kind: types::AttributeType| theirs.iter_attributes().any(|(_, a)| a.get_type() == kind);
    let judged = theirs.validate_integrity_with_key(&ShortTermCredentials::new(KEY.to_owned()).make_key());
    let expected = if has(types::MessageIntegritySha256::TYPE) {
        ours.check_integrity_sha256_truncated(KEY.as_bytes(), 16)
    } else if has(types::MessageIntegrity::TYPE) {
        ours.check_integrity(KEY.as_bytes())
    } else {
        prop_assert!(judged.is_err());
        return Ok(());
    };
    prop_assert_ne!(expected, Integrity::Absent);
    prop_assert_eq!(expected == Integrity::Good, judged.is_ok());
    Ok(())
}

/// The value of an attribute that is the first of its type.
fn same_value(
    ours: &Message<'_>,
    attribute: &Attribute<'_>,
    raw: &RawAttribute<'_>,
) -> Result<(), TestCaseError> {
    let text = std::str::from_utf8(attribute.value).is_ok();
    match attribute.kind {
        AttributeType::XOR_MAPPED_ADDRESS => {
            let id =
                u128::from_be_bytes([&[0; 4], &ours.transaction_id().0[..]].concat().try_into().unwrap());
            let theirs = types::XorMappedAddress::from_raw_ref(raw).map(|a| a.addr(id.into()));
            prop_assert_eq!(ours.xor_address(attribute.kind).ok().flatten(), theirs.ok());
        }
        AttributeType::ERROR_CODE => {
            let theirs = types::ErrorCode::from_raw_ref(raw).ok();
            let ours = ours.error_code().ok().flatten();
            // It refuses reasons that are not UTF-8.
            let ours = ours.filter(|error| std::str::from_utf8(error.reason).is_ok());
            prop_assert_eq!(ours.map(|e| e.code), theirs.as_ref().map(types::ErrorCode::code));
            prop_assert_eq!(ours.map(|e| e.reason), theirs.as_ref().map(|e| e.reason().as_bytes()));
        }
        AttributeType::USERHASH => {
            let theirs = types::Userhash::from_raw_ref(raw).map(|hash| *hash.hash());
            prop_assert_eq!(ours.userhash().ok().flatten(), theirs.ok());
        }
        AttributeType::USERNAME if text => {
            let theirs = types::Username::from_raw_ref(raw).unwrap();
            prop_assert_eq!(ours.username(), Some(theirs.username().as_bytes()));
        }
        AttributeType::REALM if text => {
            let theirs = types::Realm::from_raw_ref(raw).unwrap();
            prop_assert_eq!(ours.realm(), Some(theirs.realm().as_bytes()));
        }
        AttributeType::NONCE if text => {
            let theirs = types::Nonce::from_raw_ref(raw).unwrap();
            prop_assert_eq!(ours.nonce(), Some(theirs.nonce().as_bytes()));
        }
        AttributeType::UNKNOWN_ATTRIBUTES => {
            if let Ok(theirs) = types::UnknownAttributes::from_raw_ref(raw) {
                prop_assert!(ours.unknown_attributes().all(|kind| theirs.has_attribute(kind.0.into())));
            }
        }
        AttributeType::PASSWORD_ALGORITHMS => {
            // It knows the two registered algorithms and refuses a list with any other.
            if let Ok(theirs) = types::PasswordAlgorithms::from_raw_ref(raw) {
                prop_assert_eq!(ours.password_algorithms().count(), theirs.algorithms().len());
            }
        }
        _ => {}
    }
    Ok(())
}

fn written_by_stun(id: [u8; 12], values: &[(u16, Vec<u8>)], addr: SocketAddr) -> Vec<u8> {
    let mut message = StunMessage::new();
    message.set_type(stun::message::BINDING_SUCCESS);
    message.transaction_id = stun::agent::TransactionId(id);
    message.write_header();
    for (kind, value) in values {
        message.add(AttrType(*kind), value);
    }
    let addr = TheirXorAddress { ip: addr.ip(), port: addr.port() };
    addr.add_to_as(&mut message, stun::attributes::ATTR_XOR_PEER_ADDRESS).unwrap();
    TheirIntegrity::new_short_term_integrity(KEY.to_owned()).add_to(&mut message).unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

fn written_by_stun_types(method: u16, id: [u8; 12], values: &[(u16, Vec<u8>)], addr: SocketAddr) -> Vec<u8> {
    let id = u128::from_be_bytes([&[0; 4], &id[..]].concat().try_into().unwrap()).into();
    let class = types_message::MessageClass::Success;
    let message_type =
        types_message::MessageType::from_class_method(class, types_message::Method::new(method));
    let mut message = TypesMessage::builder(message_type, id, MessageWriteVec::new());
    for (kind, value) in values {
        message.add_attribute(&RawAttribute::new((*kind).into(), value)).unwrap();
    }
    message.add_attribute(&types::XorMappedAddress::new(addr, id)).unwrap();
    let key = ShortTermCredentials::new(KEY.to_owned()).make_key();
    message.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
    message.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha256).unwrap();
    message.add_fingerprint().unwrap();
    message.finish()
}

fn check_foreign(ours: &Message<'_>, values: &[(u16, Vec<u8>)]) -> Result<(), TestCaseError> {
    let found = ours.attributes().take(values.len()).map(|a| (a.kind.0, a.value.to_vec()));
    prop_assert!(found.eq(values.iter().cloned()));
    prop_assert_eq!(ours.fingerprint(), Fingerprint::Good);
    Ok(())
}
