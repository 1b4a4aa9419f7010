//! Any bytes as a stream, as a connection's beginning and as a datagram: no panic; the same frames however the stream is cut
//! into pieces; demultiplexing agrees with the parsers behind it.

use tern::wire::channel_data::{self, ChannelNumber};
use tern::wire::demux::{Kind, classify};
use tern::wire::framing::{FRAME_MAX, Frame, Framer};
use tern::wire::proxy::{self, Proxy};
use tern::wire::stun::{Message, ParseError};

/// Checks `data` behind its first byte; that byte says how the stream is cut.
pub fn check(data: &[u8]) {
    let Some((step, data)) = data.split_first() else { return };
    check_stream(data, usize::from(*step % 32) + 1);
    check_proxy(data);
    check_datagram(data);
}

fn check_stream(stream: &[u8], step: usize) {
    let (whole, end) = frames(stream, stream.len().max(1));
    let (pieces, end_of_pieces) = frames(stream, step);
    assert_eq!(whole, pieces);
    assert_eq!(end, end_of_pieces);

    let mut rest = stream;
    for frame in &whole {
        check_frame(frame, rest);
        // A limit only ever turns a frame into a refusal.
        assert_eq!(Framer::new(taken(frame) - 1).next_frame(rest), Frame::Invalid);
        rest = rest.get(taken(frame)..).unwrap_or_default();
    }
}

/// The frames of a stream that arrives `step` bytes at a time, and what stands behind the last.
fn frames(stream: &[u8], step: usize) -> (Vec<Frame>, Frame) {
    let framer = Framer::default();
    let (mut found, mut start, mut there, mut wanted) = (Vec::new(), 0, 0, 0);
    loop {
        let unread = stream.get(start..there).unwrap_or_default();
        let frame = framer.next_frame(unread);
        match frame {
            Frame::Need(total) => {
                assert!(total > unread.len() && total <= FRAME_MAX);
                assert!(total >= wanted, "a frame that shrinks");
                wanted = total;
                if there == stream.len() {
                    return (found, frame);
                }
                there = stream.len().min(there + step);
            }
            Frame::Invalid => return (found, Frame::Invalid),
            Frame::Stun(_) | Frame::ChannelData { .. } => {
                let length = taken(&frame);
                assert!(length >= wanted && length <= unread.len() && length > 0);
                found.push(frame);
                start += length;
                wanted = 0;
            }
        }
    }
}

fn taken(frame: &Frame) -> usize {
    match *frame {
        Frame::Stun(length) | Frame::ChannelData { padded: length, .. } => length,
        Frame::Need(_) | Frame::Invalid => usize::MAX,
    }
}

/// A frame is what its parser takes.
fn check_frame(frame: &Frame, bytes: &[u8]) {
    match *frame {
        Frame::Stun(length) => {
            let message = Message::parse(bytes.get(..length).unwrap_or_default());
            assert!(matches!(message, Ok(_) | Err(ParseError::Attribute)), "{message:?}");
        }
        Frame::ChannelData { len, padded } => {
            let parsed = channel_data::parse(bytes.get(..padded).unwrap_or_default());
            assert_eq!(parsed.map(|(_, payload)| payload), Ok(4..len));
            assert!(padded.is_multiple_of(4) && padded - len < 4);
        }
        Frame::Need(_) | Frame::Invalid => panic!("not a frame"),
    }
}

/// Any beginning of a header asks for more and never for more than the header has; nothing behind it matters.
fn check_proxy(data: &[u8]) {
    match proxy::parse(data) {
        Proxy::Need(total) => assert!(total > data.len() && total <= proxy::HEADER_MAX),
        header @ Proxy::Header { source, dest, length } => {
            assert!(length <= data.len());
            assert_eq!(source.is_some(), dest.is_some());
            assert_eq!(source.map(|addr| addr.is_ipv4()), dest.map(|addr| addr.is_ipv4()));
            assert_eq!(data.get(..length).map(proxy::parse), Some(header));
            for short in 0..length {
                let beginning = data.get(..short).map(proxy::parse);
                assert!(matches!(beginning, Some(Proxy::Need(total)) if total > short && total <= length));
            }
        }
        Proxy::Invalid => {}
    }
}

fn check_datagram(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        // The methods that share a port with other protocols are those below 0x100 (RFC 7983 section 7).
        assert_eq!(classify(data, true) == Kind::Stun, message.method().value() < 0x100);
    }
    match channel_data::parse(data) {
        Ok((number, payload)) => {
            assert_eq!(classify(data, true), Kind::ChannelData);
            assert_eq!(classify(data, false) == Kind::ChannelData, number.is_allowed(false));
            assert!(number.is_allowed(true));
            check_header(number, payload.len());
        }
        Err(channel_data::ParseError::NotChannelData) => assert_ne!(classify(data, true), Kind::ChannelData),
        Err(channel_data::ParseError::TooShort) => {}
    }
}

fn check_header(number: ChannelNumber, length: usize) {
    let mut bytes = vec![0; channel_data::HEADER_LEN + length];
    let Some(header) = bytes.first_chunk_mut() else { return };
    channel_data::write_header(header, number, u16::try_from(length).expect("a length from a 16-bit field"));
    assert_eq!(channel_data::parse(&bytes), Ok((number, 4..4 + length)));
}
