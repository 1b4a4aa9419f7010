//! The same messages with the `stun` crate.

use std::net::SocketAddr;

use stun::attributes::{
    ATTR_DATA, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS,
};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{
    BINDING_SUCCESS, CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_DATA, Message, MessageType,
    Setter,
};
use stun::xoraddr::XorMappedAddress;

use crate::messages::{TRANSACTION, peer};

fn read(bytes: &[u8]) -> Message {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).unwrap();
    message
}

pub(crate) fn read_binding(bytes: &[u8]) -> bool {
    let message = read(bytes);
    FINGERPRINT.check(&message).is_ok()
}

pub(crate) fn read_allocate(bytes: &[u8], key: &[u8]) -> bool {
    let mut message = read(bytes);
    FINGERPRINT.check(&message).is_ok()
        && message.get(ATTR_USERNAME).unwrap() == b"ann"
        && message.contains(ATTR_REALM)
        && message.contains(ATTR_NONCE)
        && message.get(ATTR_REQUESTED_TRANSPORT).unwrap() == [17, 0, 0, 0]
        && MessageIntegrity(key.to_vec()).check(&mut message).is_ok()
}

pub(crate) fn read_send(bytes: &[u8]) -> (SocketAddr, usize) {
    let message = read(bytes);
    let mut peer = XorMappedAddress::default();
    peer.get_from_as(&message, ATTR_XOR_PEER_ADDRESS).unwrap();
    (SocketAddr::new(peer.ip, peer.port), message.get(ATTR_DATA).unwrap().len())
}

fn start(kind: MessageType) -> Message {
    let mut message = Message::new();
    message.set_type(kind);
    message.transaction_id.0 = TRANSACTION.0;
    message.write_header();
    message
}

pub(crate) fn write_binding() -> Message {
    let mut message = start(BINDING_SUCCESS);
    XorMappedAddress { ip: peer().ip(), port: peer().port() }.add_to(&mut message).unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    message
}

pub(crate) fn write_allocate(key: &[u8]) -> Message {
    let mut message = start(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST));
    message.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    message.add(ATTR_USERNAME, b"ann");
    message.add(ATTR_REALM, b"example.org");
    message.add(ATTR_NONCE, b"obMatJos2AAABacbd0f1a9b8c7d6e5f4");
    MessageIntegrity(key.to_vec()).add_to(&mut message).unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    message
}

pub(crate) fn write_data(payload: &[u8]) -> Message {
    let mut message = start(MessageType::new(METHOD_DATA, CLASS_INDICATION));
    let address = XorMappedAddress { ip: peer().ip(), port: peer().port() };
    address.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).unwrap();
    message.add(ATTR_DATA, payload);
    message
}
