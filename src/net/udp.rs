//! UDP sockets in batches: one system call receives or sends many datagrams.
//!
//! A listener serves all its clients with one socket per worker; a relayed address has a socket of its own.
//! Everything that the IP header says and the relay must carry over (RFC 8656 section 16: hop limit, DSCP
//! and ECN) comes with each datagram and leaves with each datagram, as control messages of the same call.
//! IPv6 sockets are IPv6 only, so an IPv4-mapped address never appears, and each family's own control
//! messages apply.
//!
//! Datagrams of any size that UDP can carry are received whole. A batch reserves address space for them, but
//! the kernel fills only what arrives, and memory is touched only then: see [`batch::Batch`].

mod batch;
mod errors;
mod habit;
mod marks;
mod merging;
mod outgoing;
mod send;
mod socket;
mod transmit;

pub use batch::{Batch, HEADROOM, Packet, PacketMeta, TAILROOM};
pub use errors::{IcmpError, PeerError};
pub use send::{Payload, SendBatch, SendHeader, SendStats};
pub use socket::{UdpOptions, UdpSocket};

#[cfg(test)]
#[path = "udp/tests.rs"]
mod tests;
