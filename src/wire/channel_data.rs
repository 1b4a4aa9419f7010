//! ChannelData: the four-byte header of media on a bound channel (RFC 8656 section 12.4).

/// A channel number (RFC 8656 section 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(pub u16);
