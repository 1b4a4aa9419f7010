//! RTP's fixed header (RFC 3550 section 5.1): what SRTP leaves in the clear of a media packet.

/// Length of the header without contributing sources and extension.
pub const HEADER_LEN: usize = 12;

const VERSION: u8 = 2;
const EXTENSION: u8 = 0x10;
const MARKER: u8 = 0x80;

/// The header of one media packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Begins a talkspurt, or ends a frame of video.
    pub marker: bool,
    /// What is in the packet; 0 to 127.
    pub payload_type: u8,
    /// One more with each packet.
    pub sequence: u16,
    /// When the first sample was taken, in ticks of the payload's clock.
    pub timestamp: u32,
    /// Whose packet it is.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Reads the header. `None` if this is not RTP: another version, a second byte that means RTCP (RFC 5761 section 4),
    /// or shorter than the contributing sources and the extension it announces. Padding is not looked at: SRTP
    /// encrypts its length.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3], rest) =
            bytes.split_first_chunk::<HEADER_LEN>()?;
        if first >> 6 != VERSION || super::rtcp::is_packet_type(second) {
            return None;
        }
        if first & !(VERSION << 6) != 0 && !fits(first, rest) {
            return None;
        }
        Some(Self {
            marker: second & MARKER != 0,
            payload_type: second & !MARKER,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Whether what the first byte announces is in `rest`: up to 15 contributing sources, then an extension whose second
/// half-word is its length in words.
fn fits(first: u8, rest: &[u8]) -> bool {
    let Some(extension) = rest.get(usize::from(first & 0x0F) * 4..) else { return false };
    if first & EXTENSION == 0 {
        return true;
    }
    match extension.split_first_chunk::<4>() {
        Some((&[_, _, l0, l1], body)) => usize::from(u16::from_be_bytes([l0, l1])) * 4 <= body.len(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: [u8; 12] = [0x80, 0xEF, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn every_field_is_read() {
        let header = RtpHeader::parse(&PACKET).unwrap();
        assert!(header.marker);
        assert_eq!((header.payload_type, header.sequence), (111, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (0x0102_0304, 0x0506_0708));
    }

    #[test]
    fn only_version_two_is_rtp() {
        for first in (0..=0x7F).chain(0xC0..=0xFF) {
            let mut bytes = [0; 2000];
            bytes[..12].copy_from_slice(&PACKET);
            bytes[0] = first;
            assert_eq!(RtpHeader::parse(&bytes), None);
        }
    }

    #[test]
    fn a_second_byte_of_rtcp_is_not_rtp() {
        for second in 0..=255 {
            let mut bytes = PACKET;
            bytes[1] = second;
            assert_eq!(RtpHeader::parse(&bytes).is_none(), (192..=223).contains(&second), "{second}");
        }
    }

    #[test]
    fn what_is_announced_must_fit() {
        for sources in 0..16 {
            let length = 12 + 4 * sources;
            let mut bytes = [0; 80];
            bytes[..12].copy_from_slice(&PACKET);
            bytes[0] = 0x80 | u8::try_from(sources).unwrap();
            assert!(RtpHeader::parse(&bytes[..length]).is_some());
            assert_eq!(RtpHeader::parse(&bytes[..length - 1]), None);
            bytes[0] |= EXTENSION;
            bytes[length + 3] = 1;
            assert!(RtpHeader::parse(&bytes[..length + 8]).is_some());
            assert_eq!(RtpHeader::parse(&bytes[..length + 7]), None);
            assert_eq!(RtpHeader::parse(&bytes[..length + 3]), None);
        }
    }

    #[test]
    fn padding_is_not_looked_at() {
        let mut bytes = PACKET;
        bytes[0] |= 0x20;
        assert!(RtpHeader::parse(&bytes).is_some());
    }
}
