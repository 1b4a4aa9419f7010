//! epoll and eventfd.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::net::poll::{Event, Interest};

/// The kernel's event records.
pub(in crate::net) struct RawEvents {
    list: Vec<libc::epoll_event>,
    filled: usize,
}

impl RawEvents {
    pub(in crate::net) fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 65_536);
        Self { list: vec![libc::epoll_event { events: 0, u64: 0 }; capacity], filled: 0 }
    }

    pub(in crate::net) fn len(&self) -> usize {
        self.filled
    }

    pub(in crate::net) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().take(self.filled).map(|raw| {
            // Copied out: the record is packed on x86-64.
            let libc::epoll_event { events, u64: token } = *raw;
            let has = |flags: i32| events & flags.cast_unsigned() != 0;
            Event {
                token,
                readable: has(libc::EPOLLIN),
                writable: has(libc::EPOLLOUT),
                error: has(libc::EPOLLERR),
                hangup: has(libc::EPOLLHUP | libc::EPOLLRDHUP),
            }
        })
    }
}

pub(in crate::net) fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer; a result that is not negative is a descriptor that nobody else owns.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    owned(fd)
}

pub(in crate::net) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer; a result that is not negative is a descriptor that nobody else owns.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    owned(fd)
}

pub(in crate::net) fn add(
    epoll: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    token: u64,
    interest: Interest,
) -> io::Result<()> {
    control(epoll, libc::EPOLL_CTL_ADD, fd, token, interest)
}

pub(in crate::net) fn modify(
    epoll: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    token: u64,
    interest: Interest,
) -> io::Result<()> {
    control(epoll, libc::EPOLL_CTL_MOD, fd, token, interest)
}

pub(in crate::net) fn remove(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    control(epoll, libc::EPOLL_CTL_DEL, fd, 0, Interest::NONE)
}

pub(in crate::net) fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut RawEvents,
    timeout: Option<Duration>,
) -> io::Result<usize> {
    events.filled = 0;
    let capacity = i32::try_from(events.list.len()).unwrap_or(i32::MAX);
    // SAFETY: the kernel writes at most `capacity` records, and the list has at least that many.
    let count = unsafe {
        libc::epoll_wait(epoll.as_raw_fd(), events.list.as_mut_ptr(), capacity, milliseconds(timeout))
    };
    match usize::try_from(count) {
        Ok(count) => events.filled = count,
        Err(_) => {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
    Ok(events.filled)
}

pub(in crate::net) fn signal(eventfd: BorrowedFd<'_>) -> io::Result<()> {
    let one = 1u64;
    // SAFETY: the kernel reads the eight bytes of `one`, which outlives the call.
    let written = unsafe { libc::write(eventfd.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(in crate::net) fn clear(eventfd: BorrowedFd<'_>) -> io::Result<()> {
    let mut count = 0u64;
    // SAFETY: the kernel writes at most the eight bytes of `count`, which outlives the call.
    let read = unsafe { libc::read(eventfd.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn control(
    epoll: BorrowedFd<'_>,
    operation: i32,
    fd: BorrowedFd<'_>,
    token: u64,
    interest: Interest,
) -> io::Result<()> {
    let mut flags = 0;
    if interest.read {
        // To somebody who does not read now, the end of the stream would be reported for ever.
        flags |= libc::EPOLLIN | libc::EPOLLRDHUP;
    }
    if interest.write {
        flags |= libc::EPOLLOUT;
    }
    let mut event = libc::epoll_event { events: flags.cast_unsigned(), u64: token };
    // SAFETY: both descriptors are open while borrowed; the kernel reads `event` during the call only.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Rounded up, so that whoever waits for a deadline does not wake just before it.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the callers pass what a system call has just returned: open, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_micros(1001))), 2);
        assert_eq!(milliseconds(Some(Duration::MAX)), i32::MAX);
    }
}
