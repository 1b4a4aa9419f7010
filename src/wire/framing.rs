//! Where messages end in a byte stream: TCP and TLS clients send STUN and ChannelData back to back (RFC 8656 sections 3.1
//! and 12.5, RFC 8489 section 6.2.2).
//!
//! Nothing is consumed here: the caller holds the bytes and takes off what [`Framer::next_frame`] counted. A stream
//! that goes wrong cannot be found back into and must be closed.

use crate::wire::stun::{HEADER_LEN as STUN_HEADER_LEN, MAGIC_COOKIE};
use crate::wire::{channel_data, stun::padding};

/// The longest frame there can be: ChannelData of 65,535 bytes, header and padding.
pub const FRAME_MAX: usize = channel_data::HEADER_LEN + 65_536;

/// What stands at the beginning of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Not enough to tell: ask again when there are this many bytes in all. Never more than the frame has.
    Need(usize),
    /// A STUN message of this many bytes.
    Stun(usize),
    /// A ChannelData message.
    ChannelData {
        /// Header and payload.
        len: usize,
        /// What to take off the stream: `len` and up to three bytes of padding.
        padded: usize,
    },
    /// Neither, or longer than allowed: close the stream.
    Invalid,
}

/// Cuts a stream into messages no longer than a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framer {
    max: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(FRAME_MAX)
    }
}

impl Framer {
    /// A framer for messages of up to `max` bytes, padding included.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { max }
    }

    /// Tells what `bytes`, the unread part of the stream, begins with.
    #[must_use]
    pub fn next_frame(&self, bytes: &[u8]) -> Frame {
        let frame = match bytes.first() {
            None => Frame::Need(channel_data::HEADER_LEN),
            Some(first) if first & 0xC0 == 0x00 => stun_frame(bytes),
            Some(first) if first & 0xC0 == 0x40 => channel_frame(bytes),
            Some(_) => Frame::Invalid,
        };
        match frame {
            Frame::Need(len) | Frame::Stun(len) | Frame::ChannelData { padded: len, .. }
                if len <= self.max =>
            {
                frame
            }
            Frame::Need(_) | Frame::Stun(_) | Frame::ChannelData { .. } | Frame::Invalid => Frame::Invalid,
        }
    }
}

fn stun_frame(bytes: &[u8]) -> Frame {
    // What is there of the cookie must be right: a stranger (TLS, HTTP) is known by its first eight bytes.
    let cookie = bytes.get(4..).unwrap_or_default();
    if !cookie.iter().zip(MAGIC_COOKIE.to_be_bytes()).all(|(given, expected)| *given == expected) {
        return Frame::Invalid;
    }
    let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Frame::Need(STUN_HEADER_LEN) };
    let body = usize::from(u16::from_be_bytes([l0, l1]));
    if !body.is_multiple_of(4) {
        return Frame::Invalid;
    }
    let len = STUN_HEADER_LEN + body;
    if bytes.len() < len { Frame::Need(len) } else { Frame::Stun(len) }
}

fn channel_frame(bytes: &[u8]) -> Frame {
    let Some(&[_, _, l0, l1]) = bytes.first_chunk() else { return Frame::Need(channel_data::HEADER_LEN) };
    let len = channel_data::HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    let padded = len + padding(len);
    if bytes.len() < padded { Frame::Need(padded) } else { Frame::ChannelData { len, padded } }
}
