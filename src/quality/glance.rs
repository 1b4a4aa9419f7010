//! What one look at a relayed payload tells: RTP's header, RTCP's first eight bytes, a consent check's transaction.
//! SRTP leaves no more in the clear.
//!
//! A worker makes one per packet, and gives it to one session or, where client and peer are both clients of ours, to
//! two: small, `Copy`, and free of the packet's bytes, so that it can be sent to another thread.

use crate::time::Time;
use crate::wire::rtcp::RtcpHead;
use crate::wire::rtp::RtpHeader;
use crate::wire::stun::{HEADER_LEN, MAGIC_COOKIE};

/// A payload, seen in passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// When it came, by the kernel's timestamp where there is one.
    pub arrival: Time,
    /// How long the payload is.
    pub length: u16,
    /// DSCP and ECN of the datagram that it came in; none from a stream, whose segments' headers nobody sees.
    pub tos: Option<u8>,
    /// What it is.
    pub what: What,
}

/// What a payload is, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// RTP or SRTP.
    Rtp(RtpHeader),
    /// RTCP or SRTCP.
    Rtcp(RtcpHead),
    /// A step of a STUN Binding transaction between client and peer (RFC 8445, RFC 7675).
    Check {
        /// Which one.
        step: CheckStep,
        /// What its two steps have in common.
        transaction: [u8; 12],
    },
    /// Anything else: DTLS, data channels, what is malformed.
    Other,
}

/// One half of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStep {
    /// A Binding request.
    Request,
    /// Its answer, of success or of an error: both have made the round trip.
    Response,
}

/// Message types of Binding (RFC 8489 section 5).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];

impl Glance {
    /// Looks at a payload that came at `arrival`.
    #[must_use]
    #[inline]
    pub fn of(payload: &[u8], arrival: Time, tos: Option<u8>) -> Self {
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        Self { arrival, length, tos, what: What::of(payload) }
    }

    /// Whether it is RTP, which is what a session begins with.
    #[must_use]
    #[inline]
    pub const fn is_rtp(&self) -> bool {
        matches!(self.what, What::Rtp(_))
    }
}

impl What {
    /// By the first byte (RFC 7983), and between RTP and RTCP by the second (RFC 5761 section 4).
    #[inline]
    fn of(payload: &[u8]) -> Self {
        match payload {
            [128..=191, 192..=223, ..] => RtcpHead::parse(payload).map_or(Self::Other, Self::Rtcp),
            [128..=191, ..] => RtpHeader::parse(payload).map_or(Self::Other, Self::Rtp),
            [0..=3, ..] => check(payload).unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }
}

fn check(payload: &[u8]) -> Option<What> {
    let (header, attributes) = payload.split_first_chunk::<HEADER_LEN>()?;
    let (&[t0, t1, l0, l1, c0, c1, c2, c3], transaction) = header.split_first_chunk::<8>()?;
    let step = match [t0, t1] {
        BINDING_REQUEST => CheckStep::Request,
        BINDING_SUCCESS | BINDING_ERROR => CheckStep::Response,
        _ => return None,
    };
    let is_whole = usize::from(u16::from_be_bytes([l0, l1])) == attributes.len();
    let is_stun = is_whole && u32::from_be_bytes([c0, c1, c2, c3]) == MAGIC_COOKIE;
    let transaction = *transaction.first_chunk()?;
    is_stun.then_some(What::Check { step, transaction })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Time = Time::from_secs(1);

    fn rtp(first: u8, second: u8) -> [u8; 12] {
        [first, second, 0, 7, 0, 0, 0, 160, 0, 0, 0, 9]
    }

    fn stun(kind: [u8; 2], length: u8) -> Vec<u8> {
        let mut bytes = vec![kind[0], kind[1], 0, length, 0x21, 0x12, 0xA4, 0x42];
        bytes.extend(1..=12);
        bytes
    }

    fn what(bytes: &[u8]) -> What {
        Glance::of(bytes, AT, None).what
    }

    #[test]
    fn a_glance_stays_small() {
        assert!(size_of::<Glance>() <= 48, "{}", size_of::<Glance>());
    }

    #[test]
    fn rtp_and_rtcp_are_told_apart_by_the_second_byte() {
        for second in 0..=255 {
            let seen = what(&rtp(0x80, second));
            assert_eq!(matches!(seen, What::Rtcp(_)), (192..=223).contains(&second), "{second}");
            assert_eq!(matches!(seen, What::Rtp(_)), !(192..=223).contains(&second), "{second}");
        }
    }

    #[test]
    fn only_media_and_checks_are_something() {
        for first in (4..=127).chain(192..=255) {
            assert_eq!(what(&rtp(first, 0)), What::Other, "{first}");
        }
        assert_eq!(what(&[]), What::Other);
        assert_eq!(what(&[0x80]), What::Other);
        assert_eq!(what(&rtp(0x80, 0)[..11]), What::Other);
    }

    #[test]
    fn a_binding_transaction_is_known_by_its_number() {
        let transaction = *(1..=12).collect::<Vec<u8>>().first_chunk().unwrap();
        for (kind, step) in [
            (BINDING_REQUEST, CheckStep::Request),
            (BINDING_SUCCESS, CheckStep::Response),
            (BINDING_ERROR, CheckStep::Response),
        ] {
            assert_eq!(what(&stun(kind, 0)), What::Check { step, transaction });
        }
    }

    #[test]
    fn other_stun_is_no_check() {
        assert_eq!(what(&stun([0x00, 0x11], 0)), What::Other, "an indication");
        assert_eq!(what(&stun([0x00, 0x03], 0)), What::Other, "another method");
        assert_eq!(what(&stun(BINDING_REQUEST, 4)), What::Other, "a wrong length");
        let mut old = stun(BINDING_REQUEST, 0);
        old[4] = 0;
        assert_eq!(what(&old), What::Other, "no cookie");
        assert_eq!(what(&old[..19]), What::Other, "cut off");
    }

    #[test]
    fn the_length_is_that_of_the_payload() {
        let glance = Glance::of(&[0x80; 70_000], AT, Some(0xb8));
        assert_eq!((glance.length, glance.arrival, glance.tos), (u16::MAX, AT, Some(0xb8)));
    }
}
