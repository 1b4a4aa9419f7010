//! Datagrams to be sent, collected and handed to the kernel in as few calls as possible.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::{Batch, UdpSocket};

/// What a datagram's IP header will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendHeader {
    /// To whom.
    pub destination: SocketAddr,
    /// From which address; none lets the kernel choose, which is right on a socket bound to one address.
    pub source: Option<IpAddr>,
    /// DSCP and ECN: the whole octet.
    pub tos: u8,
    /// TTL or hop limit; none is the system's default.
    pub ttl: Option<u8>,
    /// Set DF and do not fragment here either (RFC 8656 section 15).
    pub dont_fragment: bool,
}

impl SendHeader {
    /// To `destination` with nothing special.
    #[must_use]
    pub const fn to(destination: SocketAddr) -> Self {
        Self { destination, source: None, tos: 0, ttl: None, dont_fragment: false }
    }
}

/// Where the bytes to send lie.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// In the slot of a received packet, edited in place. The batch must be given to [`SendBatch::flush`]
    /// before it receives again.
    Slot {
        /// The packet's index in its batch.
        index: usize,
        /// Which bytes of [`super::Packet::buffer`].
        range: Range<usize>,
    },
    /// Elsewhere: copied into the send batch.
    Copy(&'a [u8]),
}

/// What a flush has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Dropped: the socket's send buffer or the device's queue is full (EAGAIN, ENOBUFS).
    pub full: u64,
    /// Dropped: too long for UDP, or for the path and DONT-FRAGMENT set (EMSGSIZE).
    pub too_long: u64,
    /// Dropped: no route, network down (ENETUNREACH, EHOSTUNREACH, ENETDOWN ...).
    pub unreachable: u64,
    /// Dropped: forbidden by a local filter, or an address that cannot be sent to (EPERM, EACCES, EINVAL ...).
    pub refused: u64,
}

/// Datagrams to be sent.
pub struct SendBatch {
    _todo: (),
}

impl SendBatch {
    /// Room for `capacity` datagrams (1 to 1,024) before it must be flushed.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let _ = capacity;
        unimplemented!()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// Whether the next push needs a flush before it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        unimplemented!()
    }

    /// Add a datagram. False, and nothing added, when the batch is full.
    pub fn push(&mut self, socket: &UdpSocket, header: SendHeader, payload: Payload<'_>) -> bool {
        let _ = (socket, header, payload);
        unimplemented!()
    }

    /// Send everything, in order per socket, with one call per run of datagrams through one socket. Never
    /// blocks; what cannot be sent is dropped and counted, and never keeps the next from being sent.
    pub fn flush(&mut self, received: &Batch) -> SendStats {
        let _ = received;
        unimplemented!()
    }
}
