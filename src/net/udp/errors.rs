//! The error queue: what the network said about datagrams that have been sent.

use std::net::SocketAddr;

use crate::net::sys::control::{self, Control};
pub use crate::wire::stun::IcmpError;

/// `ee_origin`: this machine, an ICMP message, an ICMPv6 message.
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;

const ICMP_UNREACHABLE: u8 = 3;
const ICMP_FRAGMENTATION_NEEDED: u8 = 4;
const ICMP6_PACKET_TOO_BIG: u8 = 2;

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

/// The error among an entry's control messages; none for what is no error of a datagram.
pub(super) fn decode(peer: SocketAddr, controls: &[u8]) -> Option<PeerError> {
    let error = control::iterate(controls).find(|control| {
        control.is(libc::IPPROTO_IP, libc::IP_RECVERR) || control.is(libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    })?;
    let extended = ExtendedError::read(&error)?;
    let (icmp, remote) = match extended.origin {
        ORIGIN_ICMP => (extended.icmp(), true),
        ORIGIN_ICMP6 => (extended.icmp6(), true),
        ORIGIN_LOCAL if extended.errno == libc::EMSGSIZE => (too_long(peer, extended.info), false),
        _ => return None,
    };
    Some(PeerError { peer, icmp, remote })
}

/// `struct sock_extended_err`.
struct ExtendedError {
    errno: i32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
}

impl ExtendedError {
    fn read(control: &Control<'_>) -> Option<Self> {
        let (errno, rest) = control.data.split_first_chunk()?;
        let (&[origin, kind, code, _], rest) = rest.split_first_chunk()?;
        let (info, _) = rest.split_first_chunk()?;
        let (errno, info) = (i32::from_ne_bytes(*errno), u32::from_ne_bytes(*info));
        Some(Self { errno, origin, kind, code, info })
    }

    fn icmp(&self) -> IcmpError {
        let needs_mtu = self.kind == ICMP_UNREACHABLE && self.code == ICMP_FRAGMENTATION_NEEDED;
        IcmpError { kind: self.kind, code: self.code, data: if needs_mtu { self.info } else { 0 } }
    }

    fn icmp6(&self) -> IcmpError {
        let needs_mtu = self.kind == ICMP6_PACKET_TOO_BIG;
        IcmpError { kind: self.kind, code: self.code, data: if needs_mtu { self.info } else { 0 } }
    }
}

fn too_long(peer: SocketAddr, mtu: u32) -> IcmpError {
    match peer {
        SocketAddr::V4(_) => IcmpError { kind: ICMP_UNREACHABLE, code: ICMP_FRAGMENTATION_NEEDED, data: mtu },
        SocketAddr::V6(_) => IcmpError { kind: ICMP6_PACKET_TOO_BIG, code: 0, data: mtu },
    }
}
