//! How media travels between a client and its server: on a channel, or in indications.

use std::net::SocketAddr;

use crate::wire::channel_data::{self, ChannelNumber, HEADER_LEN};
use crate::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, padding};

/// The channel of every probe.
pub(super) const CHANNEL: ChannelNumber = ChannelNumber(0x4000);

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Channel,
    Indication,
}

impl Bearer {
    /// What is sent to the server, for `peer`.
    pub(super) fn wrap(self, peer: SocketAddr, payload: &[u8], is_stream: bool, number: u64) -> Vec<u8> {
        if self == Self::Indication {
            return indication(peer, payload, number);
        }
        let mut header = [0; HEADER_LEN];
        channel_data::write_header(&mut header, CHANNEL, u16::try_from(payload.len()).unwrap_or(u16::MAX));
        let mut frame = [&header, payload].concat();
        if is_stream {
            frame.resize(frame.len() + padding(payload.len()), 0);
        }
        frame
    }
}

fn indication(peer: SocketAddr, payload: &[u8], number: u64) -> Vec<u8> {
    let mut id = [0; 12];
    let (_, low) = id.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    let mut frame = Vec::with_capacity(256);
    let mut writer = Writer::new(&mut frame, Class::Indication, Method::SEND, TransactionId(id));
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, payload);
    frame
}

/// What a peer has sent, whichever way the server passes it on.
pub(super) fn unwrap(frame: &[u8]) -> Option<&[u8]> {
    if let Ok((CHANNEL, range)) = channel_data::parse(frame) {
        return frame.get(range);
    }
    let message = Message::parse(frame).ok()?;
    let is_data = message.class() == Class::Indication && message.method() == Method::DATA;
    message.data().filter(|_| is_data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::stun::send_indication;

    #[test]
    fn media_on_a_channel_is_padded_on_streams_only() {
        let peer = "192.0.2.1:5000".parse().unwrap();
        assert_eq!(Bearer::Channel.wrap(peer, b"media", false, 1), b"\x40\0\0\x05media");
        let padded = Bearer::Channel.wrap(peer, b"media", true, 1);
        assert_eq!(padded, b"\x40\0\0\x05media\0\0\0");
        assert_eq!(unwrap(&padded), Some(b"media".as_slice()));
        assert_eq!(unwrap(b"\x40\x01\0\x01a"), None, "another channel");
    }

    #[test]
    fn indications_name_the_peer_and_only_data_comes_back() {
        let peer = "[2001:db8::1]:5000".parse().unwrap();
        let frame = Bearer::Indication.wrap(peer, b"media", true, 7);
        let read = send_indication(&frame).unwrap();
        assert_eq!((read.peer, &frame[read.data.clone()]), (peer, b"media".as_slice()));
        assert_eq!(unwrap(&frame), None, "a Send indication is nothing that a server sends");
        let mut data = Vec::new();
        let mut writer = Writer::new(&mut data, Class::Indication, Method::DATA, TransactionId([1; 12]));
        writer.attribute(AttributeType::DATA, b"back");
        assert_eq!(unwrap(&data), Some(b"back".as_slice()));
    }
}
