//! `sockaddr_in` and `sockaddr_in6` as plain bytes: read and written without unsafe code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of a `sockaddr_in6`, the longer of the two.
const V6_LENGTH: usize = size_of::<libc::sockaddr_in6>();
const V4_LENGTH: usize = size_of::<libc::sockaddr_in>();

/// Room for either kind of address, laid out as the kernel has it: family, port, then
/// for IPv4 the address; for IPv6 flow label, address, scope.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct RawAddress([u8; V6_LENGTH]);

impl RawAddress {
    pub(in crate::net) const EMPTY: Self = Self([0; V6_LENGTH]);

    pub(in crate::net) fn new(addr: SocketAddr) -> Self {
        let mut raw = Self::EMPTY;
        let [f0, f1, p0, p1, rest @ ..] = &mut raw.0;
        [*p0, *p1] = addr.port().to_be_bytes();
        [*f0, *f1] = family(addr.ip()).to_ne_bytes();
        match addr {
            SocketAddr::V4(v4) => rest[..4].copy_from_slice(&v4.ip().octets()),
            SocketAddr::V6(v6) => {
                rest[..4].copy_from_slice(&v6.flowinfo().to_be_bytes());
                rest[4..20].copy_from_slice(&v6.ip().octets());
                rest[20..24].copy_from_slice(&v6.scope_id().to_ne_bytes());
            }
        }
        raw
    }

    /// How many of its bytes the kernel must be shown.
    pub(in crate::net) fn length(&self) -> usize {
        let [f0, f1, ..] = self.0;
        if u16::from_ne_bytes([f0, f1]) == family(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
            V4_LENGTH
        } else {
            V6_LENGTH
        }
    }

    pub(in crate::net) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(in crate::net) fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// None for another family, or if the kernel has written nothing.
    pub(in crate::net) fn decode(&self) -> Option<SocketAddr> {
        let [f0, f1, p0, p1, rest @ ..] = self.0;
        let port = u16::from_be_bytes([p0, p1]);
        match i32::from(u16::from_ne_bytes([f0, f1])) {
            libc::AF_INET => {
                let octets: [u8; 4] = rest.first_chunk().copied()?;
                Some(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port)))
            }
            libc::AF_INET6 => {
                let octets: [u8; 16] = rest.get(4..20)?.try_into().ok()?;
                let scope = u32::from_ne_bytes(rest.get(20..24)?.try_into().ok()?);
                // The flow label is the sender's business and must not make one peer look like two.
                Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope)))
            }
            _ => None,
        }
    }
}

fn family(ip: IpAddr) -> u16 {
    let family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u16::try_from(family).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for text in ["192.0.2.7:3478", "[2001:db8::7]:5349", "[fe80::1%3]:1"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::new(addr).decode(), Some(addr));
        }
    }

    #[test]
    fn the_layout_is_that_of_the_c_library() {
        let addr: SocketAddr = "192.0.2.7:3478".parse().unwrap();
        let reference = socket2::SockAddr::from(addr);
        let raw = RawAddress::new(addr);
        assert_eq!(raw.length(), usize::try_from(reference.len()).unwrap());
        // SAFETY: socket2 holds `len` initialised bytes behind this pointer while `reference` lives.
        let bytes = unsafe { std::slice::from_raw_parts(reference.as_ptr().cast::<u8>(), raw.length()) };
        assert_eq!(&raw.as_bytes()[..raw.length()], bytes);

        let addr: SocketAddr = "[fe80::1%3]:5349".parse().unwrap();
        let reference = socket2::SockAddr::from(addr);
        let raw = RawAddress::new(addr);
        assert_eq!(raw.length(), usize::try_from(reference.len()).unwrap());
        // SAFETY: as above.
        let bytes = unsafe { std::slice::from_raw_parts(reference.as_ptr().cast::<u8>(), raw.length()) };
        assert_eq!(raw.as_bytes(), bytes);
    }

    #[test]
    fn nothing_written_is_no_address() {
        assert_eq!(RawAddress::EMPTY.decode(), None);
    }
}
