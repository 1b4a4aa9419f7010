//! Names of flows: addresses, five-tuples, channels, relays, links.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An IP address and port in 18 bytes. An IPv4 address is held in its IPv4-mapped form, so equal
/// endpoints have equal bytes in whichever notation the system reported them.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    ip: [u8; 16],
    port: [u8; 2],
}

impl Endpoint {
    /// The address, IPv4 in its own form.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    /// The port.
    #[must_use]
    pub const fn port(self) -> u16 {
        u16::from_be_bytes(self.port)
    }

    /// The same, as the standard library writes it.
    #[must_use]
    pub fn socket_addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port())
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        let ip = match addr.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { ip: ip.octets(), port: addr.port().to_be_bytes() }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

/// How a client reaches the relay.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// STUN over UDP.
    Udp,
    /// STUN over TCP.
    Tcp,
    /// STUN over TLS over TCP.
    Tls,
    /// STUN over DTLS over UDP (RFC 7350).
    Dtls,
}

impl Transport {
    /// Whether the client reads a byte stream (RFC 8656 section 3.1: framing, padding, no retransmission).
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// What names an allocation (RFC 8656 section 2.2): both ends and the transport between them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiveTuple {
    /// The client, as the relay sees it.
    pub client: Endpoint,
    /// The address the client sent to: replies come from here.
    pub server: Endpoint,
    /// What lies between.
    pub transport: Transport,
}

/// Every packet of a client is looked up by it: three numbers are hashed faster than five fields.
impl Hash for FiveTuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { client, server, transport } = self;
        state.write_u128(u128::from_ne_bytes(client.ip));
        state.write_u128(u128::from_ne_bytes(server.ip));
        let [c0, c1] = client.port;
        let [s0, s1] = server.port;
        state.write_u64(u64::from_ne_bytes([c0, c1, s0, s1, *transport as u8, 0, 0, 0]));
    }
}

/// A listener of the configuration, by its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u16);

/// One connection (TCP, TLS) or session (DTLS) of a worker. Never reused while anything could still
/// hold the old one: the upper bits count generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(pub u64);

/// One relayed transport address of a worker; numbered like a [`LinkId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u64);

/// Everything needed to answer a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Who, and where it sent to.
    pub tuple: FiveTuple,
    /// The listener it came through.
    pub listener: ListenerId,
    /// Its connection or session; none for plain UDP.
    pub link: Option<LinkId>,
}
