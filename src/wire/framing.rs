//! Where messages end in a byte stream: TCP and TLS clients send STUN and ChannelData back to back (RFC 8656 sections 3.1
//! and 12.5, RFC 8489 section 6.2.2).
//!
//! Nothing is consumed here: the caller holds the bytes and takes off what [`Framer::next_frame`] counted. A stream
//! that goes wrong cannot be found back into and must be closed.

use crate::wire::stun::{HEADER_LEN as STUN_HEADER_LEN, MAGIC_COOKIE};
use crate::wire::{channel_data, stun::padding};

/// The longest frame there can be: a STUN message whose length field says 65,532, the last multiple of four. ChannelData
/// reaches 65,540.
pub const FRAME_MAX: usize = STUN_HEADER_LEN + 65_532;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(body: usize) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        bytes[2..4].copy_from_slice(&u16::try_from(body).unwrap().to_be_bytes());
        bytes.resize(STUN_HEADER_LEN + body, 0);
        bytes
    }

    #[test]
    fn a_stun_message_needs_its_header_then_its_body() {
        let framer = Framer::default();
        let bytes = stun(8);
        assert_eq!(framer.next_frame(&[]), Frame::Need(4));
        for there in 1..4 {
            assert_eq!(framer.next_frame(&bytes[..there]), Frame::Need(20));
        }
        for there in 4..28 {
            assert_eq!(framer.next_frame(&bytes[..there]), Frame::Need(28));
        }
        assert_eq!(framer.next_frame(&bytes), Frame::Stun(28));
        let followed = [&bytes[..], b"\xFFanything"].concat();
        assert_eq!(framer.next_frame(&followed), Frame::Stun(28));
    }

    #[test]
    fn channel_data_comes_with_its_padding() {
        let framer = Framer::default();
        let bytes = [0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        for there in 1..4 {
            assert_eq!(framer.next_frame(&bytes[..there]), Frame::Need(4));
        }
        for there in 4..12 {
            assert_eq!(framer.next_frame(&bytes[..there]), Frame::Need(12));
        }
        assert_eq!(framer.next_frame(&bytes), Frame::ChannelData { len: 9, padded: 12 });
        assert_eq!(framer.next_frame(&[0x4F, 0xFF, 0, 0]), Frame::ChannelData { len: 4, padded: 4 });
    }

    #[test]
    fn channels_that_nobody_may_bind_are_still_cut_off_the_stream() {
        let framer = Framer::default();
        assert_eq!(framer.next_frame(&[0x7F, 0, 0, 4, 1, 2, 3, 4]), Frame::ChannelData { len: 8, padded: 8 });
    }

    #[test]
    fn strangers_are_known_by_their_first_bytes() {
        let framer = Framer::default();
        for first in 0x80..=0xFF {
            assert_eq!(framer.next_frame(&[first]), Frame::Invalid);
        }
        // A ClientHello on a plain port; its type lies in STUN's range.
        assert_eq!(framer.next_frame(&[0x16, 3, 1, 2, 0]), Frame::Invalid);
        let mut bytes = stun(0);
        for offset in 4..8 {
            bytes[offset] ^= 1;
            assert_eq!(framer.next_frame(&bytes), Frame::Invalid);
            assert_eq!(framer.next_frame(&bytes[..=offset]), Frame::Invalid);
            bytes[offset] ^= 1;
        }
    }

    #[test]
    fn a_stun_length_that_is_no_multiple_of_four_ends_the_stream() {
        for body in [1, 2, 3, 5, 65_535] {
            assert_eq!(Framer::default().next_frame(&stun(body)), Frame::Invalid);
        }
    }

    #[test]
    fn the_longest_frames_fit_and_longer_than_allowed_ones_are_refused_at_their_header() {
        let mut channel = vec![0x40, 0, 0xFF, 0xFF];
        channel.resize(65_540, 0);
        assert_eq!(
            Framer::default().next_frame(&channel),
            Frame::ChannelData { len: 65_539, padded: 65_540 }
        );
        assert_eq!(Framer::new(65_539).next_frame(&channel[..4]), Frame::Invalid);
        assert_eq!(Framer::default().next_frame(&stun(65_532)), Frame::Stun(FRAME_MAX));
        let framer = Framer::new(1000);
        assert_eq!(framer.next_frame(&stun(980)), Frame::Stun(1000));
        assert_eq!(framer.next_frame(&stun(984)[..20]), Frame::Invalid);
    }
}
