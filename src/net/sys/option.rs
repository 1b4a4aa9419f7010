//! Socket options that are integers, the packet options of a TCP connection and its round-trip time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::control::ControlBuffer;

pub(in crate::net) fn set(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default();
    // SAFETY: the kernel reads the `length` bytes of `value` during the call only.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(in crate::net) fn get(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes, all within `value`, and the new length, during the call only.
    let result =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// Fills `buffer` with control messages (IP_PKTOPTIONS, IPV6_2292PKTOPTIONS).
pub(in crate::net) fn packet_options<const N: usize>(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    buffer: &mut ControlBuffer<N>,
) -> io::Result<()> {
    let space = buffer.space();
    let mut length = libc::socklen_t::try_from(space.len()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes, all within `space`, and the new length.
    let result =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, space.as_mut_ptr().cast(), &raw mut length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    buffer.set_used(usize::try_from(length).unwrap_or(0));
    Ok(())
}

/// Microseconds of a connection's smoothed round-trip time (TCP_INFO); zero if none was measured yet.
pub(in crate::net) fn tcp_round_trip(fd: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: all-zero is a valid value of this struct of integers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes, all within `info`, and the new length, during the call only.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(info.tcpi_rtt) }
}

/// The groups of the process at the other end of a local socket, besides its first, as they were when it connected.
pub(in crate::net) fn peer_groups(fd: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // The kernel's own bound (NGROUPS_MAX).
    const MOST: usize = 65_536;
    let mut groups = vec![0_u32; 32];
    loop {
        let room = size_of::<u32>() * groups.len();
        let mut length = libc::socklen_t::try_from(room).unwrap_or(0);
        // SAFETY: the kernel writes at most `length` bytes, all within `groups`, and the new length, during the call only.
        let result = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = usize::try_from(length).unwrap_or(0) / size_of::<u32>();
        if result >= 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // It has said how much room it needs.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MOST {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}
