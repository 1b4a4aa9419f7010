//! The messages that a relay reads and writes most, and one function for each reading and writing.

use std::net::SocketAddr;

use tern::wire::channel_data::{self, ChannelNumber};
use tern::wire::stun::{
    AttributeType, Class, Fingerprint, Integrity, Message, Method, TransactionId, Writer, long_term_key_md5,
    send_indication, write_data_indication_header,
};

/// Of every message here.
pub(crate) const TRANSACTION: TransactionId = TransactionId(*b"twelve bytes");
/// Bytes of media in a message: 20 ms of a voice.
pub(crate) const PAYLOAD: usize = 160;
/// Room before a payload, as in a receive buffer.
pub(crate) const HEADROOM: usize = 64;

/// Messages as they come.
pub(crate) struct Samples {
    pub(crate) key: Vec<u8>,
    pub(crate) binding: Vec<u8>,
    pub(crate) allocate: Vec<u8>,
    pub(crate) channel_data: Vec<u8>,
    pub(crate) send: Vec<u8>,
    /// Headroom and payload.
    pub(crate) frame: Vec<u8>,
}

impl Samples {
    pub(crate) fn new() -> Self {
        let key = long_term_key_md5(b"ann", b"example.org", b"opensesame").to_vec();
        let mut binding = Vec::new();
        Writer::new(&mut binding, Class::Request, Method::BINDING, TRANSACTION).fingerprint();
        let mut allocate = Vec::new();
        write_allocate(&mut allocate, &key);
        let mut channel_data = vec![7; channel_data::HEADER_LEN + PAYLOAD];
        channel_data[..4].copy_from_slice(&[0x40, 0x01, 0, 160]);
        let mut send = Vec::new();
        Writer::new(&mut send, Class::Indication, Method::SEND, TRANSACTION)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer())
            .attribute(AttributeType::DATA, &[7; PAYLOAD]);
        Self { key, binding, allocate, channel_data, send, frame: vec![7; HEADROOM + PAYLOAD] }
    }
}

/// Somebody to talk to.
pub(crate) fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 40_000))
}

/// A request without credentials: its checksum and its unknown attributes.
pub(crate) fn read_binding(bytes: &[u8]) -> bool {
    let message = Message::parse(bytes).unwrap();
    message.fingerprint() == Fingerprint::Good && message.unknown_required(AttributeType::is_known).is_empty()
}

/// Its answer.
pub(crate) fn write_binding(out: &mut Vec<u8>) {
    out.clear();
    let mut writer = Writer::new(out, Class::Success, Method::BINDING, TRANSACTION);
    writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, peer()).fingerprint();
    writer.finish().unwrap();
}

/// A signed Allocate request, as browsers write it.
pub(crate) fn write_allocate(out: &mut Vec<u8>, key: &[u8]) {
    out.clear();
    let mut writer = Writer::new(out, Class::Request, Method::ALLOCATE, TRANSACTION);
    writer
        .requested_transport(17)
        .attribute(AttributeType::USERNAME, b"ann")
        .attribute(AttributeType::REALM, b"example.org")
        .attribute(AttributeType::NONCE, b"obMatJos2AAABacbd0f1a9b8c7d6e5f4")
        .integrity(key)
        .fingerprint();
    writer.finish().unwrap();
}

/// What is read of it: who signs, and whether that is so.
pub(crate) fn read_allocate(bytes: &[u8], key: &[u8]) -> bool {
    let message = Message::parse(bytes).unwrap();
    message.fingerprint() == Fingerprint::Good
        && message.username() == Some(b"ann")
        && message.realm().is_some()
        && message.nonce().is_some()
        && message.requested_transport() == Ok(Some(17))
        && message.check_integrity(key) == Integrity::Good
}

/// The channel and the length of its media.
pub(crate) fn read_channel_data(bytes: &[u8]) -> (ChannelNumber, usize) {
    let (channel, payload) = channel_data::parse(bytes).unwrap();
    (channel, payload.len())
}

/// A header before the payload of a frame.
pub(crate) fn write_channel_data(frame: &mut [u8]) {
    let header = frame[..HEADROOM].last_chunk_mut().unwrap();
    channel_data::write_header(header, ChannelNumber(0x4001), 160);
}

/// The peer, and the length of what it gets.
pub(crate) fn read_send(bytes: &[u8]) -> (SocketAddr, usize) {
    let send = send_indication(bytes).unwrap();
    (send.peer, send.data.len())
}

/// A Data indication's header before the payload of a frame.
pub(crate) fn write_data(frame: &mut [u8]) -> usize {
    write_data_indication_header(&mut frame[..HEADROOM], TRANSACTION, peer(), PAYLOAD).unwrap()
}
