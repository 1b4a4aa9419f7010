//! epoll with waits shorter than a millisecond.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

/// How many events one wait can bring.
const EVENTS: usize = 256;

/// Watches sockets.
#[derive(Debug)]
pub(super) struct Poller {
    fd: OwnedFd,
}

/// What waits at a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) token: u64,
    pub(super) writable: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Watches for something to read; with `write` also for room to write.
    pub(super) fn add(&self, fd: &impl AsFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::add(&self.fd, fd, EventData::new_u64(token), flags(write))?)
    }

    pub(super) fn modify(&self, fd: &impl AsFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, fd, EventData::new_u64(token), flags(write))?)
    }

    /// Waits at most `nanos`, and puts what is ready into `ready`.
    pub(super) fn wait(&self, nanos: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let mut space = [MaybeUninit::<Event>::uninit(); EVENTS];
        let (events, _) = match epoll::wait(&self.fd, space.as_mut_slice(), Some(&timeout)) {
            Ok(events) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let (token, flags) = (event.data.u64(), event.flags);
            ready.push(Ready { token, writable: flags.contains(EventFlags::OUT) });
        }
        Ok(())
    }
}

fn flags(write: bool) -> EventFlags {
    if write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}
