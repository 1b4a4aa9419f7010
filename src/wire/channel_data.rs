//! ChannelData: the four-byte header of media on a bound channel (RFC 8656 section 12.4).

use std::fmt;
use std::ops::Range;

/// Length of the header.
pub const HEADER_LEN: usize = 4;

/// A channel number (RFC 8656 section 12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(pub u16);

impl ChannelNumber {
    /// Whether a client may bind it: 0x4000 to 0x4FFF (RFC 8656 section 12), or with `legacy` all that RFC 5766 section
    /// 11 allowed, 0x4000 to 0x7FFF.
    #[must_use]
    pub const fn is_allowed(self, legacy: bool) -> bool {
        matches!(self.0, 0x4000..=0x4FFF) || (legacy && matches!(self.0, 0x5000..=0x7FFF))
    }
}

impl fmt::Debug for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Why bytes are not a ChannelData message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than the header, or than the length in it says (RFC 8656 section 12.6: discard).
    #[error("shorter than its header says")]
    TooShort,
    /// The first two bits are not `01`.
    #[error("not a channel number")]
    NotChannelData,
}

/// Reads one message: the channel and where its payload lies. What follows the payload is padding, which some clients
/// send over datagrams too; it is not part of the payload.
///
/// # Errors
/// See [`ParseError`].
pub fn parse(bytes: &[u8]) -> Result<(ChannelNumber, Range<usize>), ParseError> {
    let (&[n0, n1, l0, l1], rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(ParseError::TooShort)?;
    if n0 & 0xC0 != 0x40 {
        return Err(ParseError::NotChannelData);
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length > rest.len() {
        return Err(ParseError::TooShort);
    }
    Ok((ChannelNumber(u16::from_be_bytes([n0, n1])), HEADER_LEN..HEADER_LEN + length))
}

/// Writes the header of a message with `length` bytes of payload. Over a stream the payload is followed by zeros up
/// to a multiple of four; over datagrams by nothing (RFC 8656 section 12.5).
pub const fn write_header(header: &mut [u8; HEADER_LEN], number: ChannelNumber, length: u16) {
    let ([n0, n1], [l0, l1]) = (number.0.to_be_bytes(), length.to_be_bytes());
    *header = [n0, n1, l0, l1];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_the_round_trip() {
        let mut bytes = [0; 9];
        write_header(bytes.first_chunk_mut().unwrap(), ChannelNumber(0x4ABC), 5);
        assert_eq!(bytes[..4], [0x4A, 0xBC, 0, 5]);
        assert_eq!(parse(&bytes), Ok((ChannelNumber(0x4ABC), 4..9)));
    }

    #[test]
    fn only_length_bytes_are_payload() {
        let padded = [0x40, 0, 0, 1, 0xAA, 0, 0, 0];
        assert_eq!(parse(&padded), Ok((ChannelNumber(0x4000), 4..5)));
        assert_eq!(parse(&padded[..5]), Ok((ChannelNumber(0x4000), 4..5)));
        assert_eq!(parse(&[0x40, 0, 0, 0]), Ok((ChannelNumber(0x4000), 4..4)));
    }

    #[test]
    fn a_message_shorter_than_it_says_is_refused() {
        let whole = [0x40, 0, 0, 3, 1, 2, 3];
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), Err(ParseError::TooShort));
        }
    }

    #[test]
    fn other_first_bits_are_not_channel_data() {
        for first in (0..=0x3F).chain(0x80..=0xFF) {
            assert_eq!(parse(&[first, 0, 0, 0]), Err(ParseError::NotChannelData));
        }
    }

    #[test]
    fn allowed_numbers_are_those_of_the_rfc_in_force() {
        let allowed = |n, legacy| ChannelNumber(n).is_allowed(legacy);
        assert!(!allowed(0x3FFF, false) && !allowed(0x3FFF, true));
        assert!(allowed(0x4000, false) && allowed(0x4FFF, false));
        assert!(!allowed(0x5000, false) && allowed(0x5000, true));
        assert!(!allowed(0x7FFF, false) && allowed(0x7FFF, true));
        assert!(!allowed(0x8000, false) && !allowed(0x8000, true));
    }
}
