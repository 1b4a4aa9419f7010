//! The first eight bytes of RTCP (RFC 3550 section 6.4): what SRTCP leaves in the clear of a control packet. Of a compound
//! packet that is its first part only; the rest is encrypted.

use std::ops::RangeInclusive;

/// Length of what is read.
pub const HEAD_LEN: usize = 8;

/// The packet types that share a port with RTP (RFC 5761 section 4).
pub const PACKET_TYPES: RangeInclusive<u8> = 192..=223;

/// The head of one control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpHead {
    /// How many report blocks follow, or the format of a feedback message; 0 to 31.
    pub count: u8,
    /// What it is: 200 a sender's report, 205 and 206 feedback, …
    pub packet_type: u8,
    /// Who sends it.
    pub ssrc: u32,
}

impl RtcpHead {
    /// Reads the head. `None` if this is not RTCP, or too short.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[first, packet_type, _, _, s0, s1, s2, s3] = bytes.first_chunk::<HEAD_LEN>()?;
        let is_rtcp = first >> 6 == 2 && is_packet_type(packet_type);
        is_rtcp.then_some(Self {
            count: first & 0x1F,
            packet_type,
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

/// Whether the second byte of a packet with RTP's version means RTCP.
#[inline]
pub(super) const fn is_packet_type(second: u8) -> bool {
    *PACKET_TYPES.start() <= second && second <= *PACKET_TYPES.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: [u8; 8] = [0x81, 205, 0, 3, 1, 2, 3, 4];

    #[test]
    fn every_field_is_read() {
        let head = RtcpHead::parse(&PACKET);
        assert_eq!(head, Some(RtcpHead { count: 1, packet_type: 205, ssrc: 0x0102_0304 }));
    }

    #[test]
    fn only_the_types_beside_rtp_are_rtcp() {
        for second in 0..=255 {
            let mut bytes = PACKET;
            bytes[1] = second;
            assert_eq!(RtcpHead::parse(&bytes).is_some(), (192..=223).contains(&second), "{second}");
        }
    }

    #[test]
    fn only_version_two_is_rtcp() {
        for first in (0..=0x7F).chain(0xC0..=0xFF) {
            let mut bytes = PACKET;
            bytes[0] = first;
            assert_eq!(RtcpHead::parse(&bytes), None);
        }
    }

    #[test]
    fn eight_bytes_are_enough_and_seven_are_not() {
        assert!(RtcpHead::parse(&PACKET).is_some());
        assert_eq!(RtcpHead::parse(&PACKET[..7]), None);
    }
}
