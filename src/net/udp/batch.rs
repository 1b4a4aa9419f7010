//! Received datagrams and the memory they lie in.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Bytes before each payload where a header can be put without moving the payload.
pub const HEADROOM: usize = 64;

/// Bytes after the longest payload, for padding.
pub const TAILROOM: usize = 64;

/// What a datagram's IP header and the kernel say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMeta {
    /// Who sent it.
    pub source: SocketAddr,
    /// The address it was sent to: on a wildcard socket the concrete one.
    pub destination: IpAddr,
    /// DSCP and ECN: the whole octet.
    pub tos: u8,
    /// TTL or hop limit as it arrived; 64 when the kernel did not say.
    pub ttl: u8,
    /// When the kernel received it, in nanoseconds since 1970, if timestamps are on. See
    /// `clock::Reading::arrival`.
    pub timestamp: Option<u64>,
}

/// One received datagram.
#[derive(Debug)]
pub struct Packet<'a> {
    /// What the kernel says about it.
    pub meta: PacketMeta,
    /// The slot's memory: [`HEADROOM`], the payload, what is left of the slot.
    pub buffer: &'a mut [u8],
    /// Where in `buffer` the payload lies.
    pub payload: Range<usize>,
}

/// Room for the datagrams of one `recvmmsg`.
pub struct Batch {
    _todo: (),
}

impl Batch {
    /// Room for `slots` datagrams per call (1 to 1,024).
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let _ = slots;
        unimplemented!()
    }

    /// How many datagrams the last receive has brought.
    #[must_use]
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether it brought none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    pub fn packet(&mut self, index: usize) -> Option<Packet<'_>> {
        let _ = index;
        unimplemented!()
    }

    /// How many datagrams the socket that was read last has lost for want of room in its receive buffer, since it
    /// was opened (wraps); none if no datagram has told yet.
    #[must_use]
    pub fn overflow(&self) -> Option<u32> {
        unimplemented!()
    }
}
