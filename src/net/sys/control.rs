//! Control messages ("cmsg"): options of one datagram, as bytes. Read and written without unsafe code; the layout is
//! that of `cmsg(3)`: length, level, type, data, each message aligned like a pointer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ALIGNMENT: usize = align_of::<libc::cmsghdr>();
const HEADER: usize = size_of::<libc::cmsghdr>();

/// Room for control messages, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct ControlBuffer<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

const _: () = assert!(ALIGNMENT <= 8, "ControlBuffer is aligned to 8");

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) struct Control<'a> {
    pub(in crate::net) level: i32,
    pub(in crate::net) kind: i32,
    pub(in crate::net) data: &'a [u8],
}

impl<const N: usize> ControlBuffer<N> {
    pub(in crate::net) const EMPTY: Self = Self { bytes: [0; N], used: 0 };

    pub(in crate::net) fn used(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// All of it, for the kernel to write to.
    pub(in crate::net) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(in crate::net) fn set_used(&mut self, used: usize) {
        self.used = used.min(N);
    }

    /// Appends a message; left out if there is no room, which the sizes in use exclude.
    pub(in crate::net) fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let length = HEADER + data.len();
        let end = self.used + length.next_multiple_of(ALIGNMENT);
        let Some(space) = self.bytes.get_mut(self.used..end) else {
            debug_assert!(false, "no room for a control message");
            return;
        };
        let (header, body) = space.split_at_mut(HEADER);
        let (lengths, kinds) = header.split_at_mut(size_of::<usize>());
        let (levels, kinds) = kinds.split_at_mut(size_of::<i32>());
        lengths.copy_from_slice(&length.to_ne_bytes());
        levels.copy_from_slice(&level.to_ne_bytes());
        kinds.copy_from_slice(&kind.to_ne_bytes());
        let (value, padding) = body.split_at_mut(data.len());
        value.copy_from_slice(data);
        padding.fill(0);
        self.used = end;
    }

    /// The address to send from.
    pub(in crate::net) fn push_source(&mut self, source: IpAddr) {
        match source {
            IpAddr::V4(ip) => {
                // struct in_pktinfo: interface, local address, header's address.
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(ip) => {
                // struct in6_pktinfo: address, interface.
                let mut info = [0; 20];
                info[..16].copy_from_slice(&ip.octets());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    pub(in crate::net) fn push_tos(&mut self, v6: bool, tos: u8) {
        let value = i32::from(tos).to_ne_bytes();
        if v6 {
            self.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &value);
        } else {
            self.push(libc::IPPROTO_IP, libc::IP_TOS, &value);
        }
    }

    /// The kernel cuts what is sent into datagrams of so many bytes.
    pub(in crate::net) fn push_segment(&mut self, bytes: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes());
    }

    pub(in crate::net) fn push_ttl(&mut self, v6: bool, ttl: u8) {
        let value = i32::from(ttl).to_ne_bytes();
        if v6 {
            self.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &value);
        } else {
            self.push(libc::IPPROTO_IP, libc::IP_TTL, &value);
        }
    }
}

/// The messages in `bytes`, up to the first that is broken.
pub(in crate::net) fn iterate(mut bytes: &[u8]) -> impl Iterator<Item = Control<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        let data = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        Some(Control { level: i32::from_ne_bytes(*level), kind: i32::from_ne_bytes(*kind), data })
    })
}

impl Control<'_> {
    pub(in crate::net) fn is(&self, level: i32, kind: i32) -> bool {
        self.level == level && self.kind == kind
    }

    pub(in crate::net) fn int(&self) -> Option<i32> {
        self.data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// The address that the datagram was sent to.
    pub(in crate::net) fn destination(&self) -> Option<IpAddr> {
        if self.is(libc::IPPROTO_IP, libc::IP_PKTINFO) {
            let octets: [u8; 4] = self.data.get(8..12)?.try_into().ok()?;
            Some(IpAddr::V4(Ipv4Addr::from(octets)))
        } else if self.is(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
            let octets: [u8; 16] = self.data.first_chunk().copied()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        } else {
            None
        }
    }

    /// DSCP and ECN. The kernel gives one byte for IPv4 and an int for IPv6 and for TCP.
    pub(in crate::net) fn tos(&self) -> Option<u8> {
        if self.is(libc::IPPROTO_IP, libc::IP_TOS) || self.is(libc::IPPROTO_IPV6, libc::IPV6_TCLASS) {
            self.small()
        } else {
            None
        }
    }

    pub(in crate::net) fn ttl(&self) -> Option<u8> {
        if self.is(libc::IPPROTO_IP, libc::IP_TTL) || self.is(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) {
            self.small()
        } else {
            None
        }
    }

    /// Nanoseconds since 1970.
    pub(in crate::net) fn timestamp(&self) -> Option<u64> {
        if !self.is(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            return None;
        }
        let (seconds, rest) = self.data.split_first_chunk()?;
        let (nanos, _) = rest.split_first_chunk()?;
        let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
        let nanos = u64::try_from(i64::from_ne_bytes(*nanos)).ok()?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
    }

    /// How many datagrams the socket has lost for want of room.
    pub(in crate::net) fn overflow(&self) -> Option<u32> {
        if self.is(libc::SOL_SOCKET, libc::SO_RXQ_OVFL) { self.int().map(i32::cast_unsigned) } else { None }
    }

    /// The length of the datagrams that were merged into one message; the last may be shorter.
    pub(in crate::net) fn segment(&self) -> Option<usize> {
        let length = if self.is(libc::SOL_UDP, libc::UDP_GRO) { self.int() } else { None };
        length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0)
    }

    /// A number of one byte, whether written as a byte or as an int.
    fn small(&self) -> Option<u8> {
        match self.data {
            [byte] => Some(*byte),
            _ => self.int().and_then(|value| u8::try_from(value).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_back() {
        let mut buffer = ControlBuffer::<96>::EMPTY;
        buffer.push_source("2001:db8::9".parse().unwrap());
        buffer.push_tos(true, 0xb8);
        buffer.push_ttl(true, 63);
        let list: Vec<_> = iterate(buffer.used()).collect();
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].destination(), Some("2001:db8::9".parse().unwrap()));
        assert_eq!(list[1].tos(), Some(0xb8));
        assert_eq!(list[2].ttl(), Some(63));
        assert_eq!(list[2].tos(), None);
    }

    #[test]
    fn the_layout_is_that_of_the_c_library() {
        let mut buffer = ControlBuffer::<96>::EMPTY;
        buffer.push_tos(false, 1);
        // SAFETY: these macros only compute; they read no memory.
        let (space, length) = unsafe { (libc::CMSG_SPACE(4), libc::CMSG_LEN(4)) };
        assert_eq!(buffer.used().len(), usize::try_from(space).unwrap());
        assert_eq!(buffer.used()[..8], u64::from(length).to_ne_bytes());
    }

    #[test]
    fn broken_messages_end_the_list() {
        assert_eq!(iterate(&[]).count(), 0);
        assert_eq!(iterate(&[0; 15]).count(), 0);
        assert_eq!(iterate(&[0; 64]).count(), 0);
        let mut buffer = ControlBuffer::<96>::EMPTY;
        buffer.push_tos(false, 1);
        let mut bytes = buffer.used().to_vec();
        bytes[0] = 200;
        assert_eq!(iterate(&bytes).count(), 0);
        bytes[..8].fill(0xff);
        assert_eq!(iterate(&bytes).count(), 0);
    }
}
