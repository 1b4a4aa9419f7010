//! The error queue: what the network said about datagrams that have been sent.

use std::net::SocketAddr;

/// An ICMP error, for the ICMP attribute of RFC 8656 section 18.13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMP or ICMPv6 type, as the peer's address family has it.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// For "fragmentation needed" and "packet too big" the MTU; zero otherwise.
    pub data: u32,
}

/// One entry of a socket's error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerError {
    /// To whom the datagram had been sent.
    pub peer: SocketAddr,
    /// What came back. A datagram with DONT-FRAGMENT that is too long for this machine's own link gives the
    /// same "fragmentation needed" that a router would have sent.
    pub icmp: IcmpError,
    /// Whether it came from the network; false when this machine refused the datagram itself.
    pub remote: bool,
}
