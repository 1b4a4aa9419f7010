//! Addresses in attributes: MAPPED-ADDRESS's format (RFC 8489 section 14.1) and the exclusive-or'ed one (14.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::readers::AttributeFault;
use super::{MAGIC_COOKIE, TransactionId};

/// The longest value: IPv6.
pub(super) const VALUE_MAX: usize = 20;

/// An address family as STUN numbers them (RFC 8489 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// 0x01.
    V4,
    /// 0x02.
    V6,
}

impl AddressFamily {
    /// The family of this address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family with this number.
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0x01 => Some(Self::V4),
            0x02 => Some(Self::V6),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::V4 => 0x01,
            Self::V6 => 0x02,
        }
    }
}

/// Reads a plain address; the length must be that of its family.
pub(super) fn read(value: &[u8]) -> Result<SocketAddr, AttributeFault> {
    let &[_, family, p0, p1, ref ip @ ..] = value else { return Err(AttributeFault::Length) };
    let port = u16::from_be_bytes([p0, p1]);
    let ip = match AddressFamily::from_value(family).ok_or(AttributeFault::Family)? {
        AddressFamily::V4 => <[u8; 4]>::try_from(ip).map(IpAddr::from),
        AddressFamily::V6 => <[u8; 16]>::try_from(ip).map(IpAddr::from),
    };
    Ok(SocketAddr::new(ip.map_err(|_| AttributeFault::Length)?, port))
}

/// Reads an exclusive-or'ed address.
pub(super) fn read_xor(value: &[u8], id: TransactionId) -> Result<SocketAddr, AttributeFault> {
    read(value).map(|addr| xor(addr, id))
}

/// Writes a plain address and returns the value's length.
pub(super) fn write(addr: SocketAddr, out: &mut [u8; VALUE_MAX]) -> usize {
    let [p0, p1] = addr.port().to_be_bytes();
    match addr.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            out[..8].copy_from_slice(&[0, 0x01, p0, p1, a, b, c, d]);
            8
        }
        IpAddr::V6(ip) => {
            out[..4].copy_from_slice(&[0, 0x02, p0, p1]);
            out[4..].copy_from_slice(&ip.octets());
            20
        }
    }
}

/// Writes an exclusive-or'ed address and returns the value's length.
pub(super) fn write_xor(addr: SocketAddr, id: TransactionId, out: &mut [u8; VALUE_MAX]) -> usize {
    write(xor(addr, id), out)
}

/// The port with the upper half of the cookie, an IPv4 address with the cookie, an IPv6 address with cookie and
/// transaction (RFC 8489 section 14.2). Its own inverse.
fn xor(addr: SocketAddr, id: TransactionId) -> SocketAddr {
    let port = addr.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match addr.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let mut low = [0; 16];
            low[4..].copy_from_slice(&id.0);
            let mask = (u128::from(MAGIC_COOKIE) << 96) | u128::from_be_bytes(low);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ mask))
        }
    };
    SocketAddr::new(ip, port)
}
