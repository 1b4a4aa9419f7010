//! What a datagram is, by its first byte (RFC 7983 section 7 as updated by RFC 9443 section 4).

/// The protocols that share one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 0 to 3.
    Stun,
    /// 16 to 19.
    Zrtp,
    /// 20 to 63.
    Dtls,
    /// 64 to 79, with the channel numbers of RFC 5766 to 127.
    ChannelData,
    /// 128 to 191.
    Rtp,
    /// 80 to 127 and 192 to 255.
    Quic,
    /// 4 to 15, or nothing at all.
    Unknown,
}

/// Classifies a datagram. With `legacy_channels` the range that RFC 9443 gave to QUIC, 80 to 127, is ChannelData as in RFC
/// 5766 section 11.
#[must_use]
pub fn classify(bytes: &[u8], legacy_channels: bool) -> Kind {
    match bytes.first() {
        Some(0..=3) => Kind::Stun,
        Some(16..=19) => Kind::Zrtp,
        Some(20..=63) => Kind::Dtls,
        Some(64..=79) => Kind::ChannelData,
        Some(80..=127) if legacy_channels => Kind::ChannelData,
        Some(128..=191) => Kind::Rtp,
        Some(80..=127 | 192..=255) => Kind::Quic,
        Some(4..=15) | None => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_rfc_9443() {
        let expected = [
            (0..=3, Kind::Stun),
            (4..=15, Kind::Unknown),
            (16..=19, Kind::Zrtp),
            (20..=63, Kind::Dtls),
            (64..=79, Kind::ChannelData),
            (80..=127, Kind::Quic),
            (128..=191, Kind::Rtp),
            (192..=255, Kind::Quic),
        ];
        for (range, kind) in expected {
            for first in range {
                assert_eq!(classify(&[first, 0xFF], false), kind);
                let legacy = if (80..=127).contains(&first) { Kind::ChannelData } else { kind };
                assert_eq!(classify(&[first], true), legacy);
            }
        }
        assert_eq!(classify(&[], false), Kind::Unknown);
    }
}
