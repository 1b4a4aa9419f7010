//! Keys of TCP MD5 (RFC 2385), `struct tcp_md5sig` of the kernel's headers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::address::RawAddress;

const ADDRESS: usize = size_of::<libc::sockaddr_storage>();
const KEY: usize = 80;

/// As `linux/tcp.h` has it. Without flags the whole address counts, and neither prefix nor interface.
#[repr(C, align(8))]
struct Signature {
    address: [u8; ADDRESS],
    flags: u8,
    prefix: u8,
    key_length: u16,
    interface: i32,
    key: [u8; KEY],
}

/// What comes from `peer` and goes there is signed from now on; without `key`, no longer. On a listener that holds for
/// the connections to come.
pub(in crate::net) fn set_key(fd: BorrowedFd<'_>, peer: IpAddr, key: Option<&[u8]>) -> io::Result<()> {
    let key = key.unwrap_or_default();
    let mut signature = Signature {
        address: [0; ADDRESS],
        flags: 0,
        prefix: 0,
        key_length: u16::try_from(key.len()).unwrap_or(u16::MAX),
        interface: 0,
        key: [0; KEY],
    };
    let address = RawAddress::new(SocketAddr::new(peer, 0));
    signature.address.iter_mut().zip(address.as_bytes()).for_each(|(to, from)| *to = *from);
    let Some(room) = signature.key.get_mut(..key.len()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    room.copy_from_slice(key);
    let length = libc::socklen_t::try_from(size_of::<Signature>()).unwrap_or_default();
    // SAFETY: the kernel reads the `length` bytes of `signature` during the call only; no padding is in them.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MD5SIG,
            (&raw const signature).cast(),
            length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_the_kernel() {
        // From its header: 128 bytes of address, two octets, two of length, four of interface, 80 of key.
        assert_eq!(size_of::<Signature>(), 128 + 1 + 1 + 2 + 4 + 80);
        assert_eq!(std::mem::offset_of!(Signature, key_length), 130);
        assert_eq!(std::mem::offset_of!(Signature, key), 136);
    }
}
