//! Readiness of descriptors, and the wake-up from other threads.
//!
//! One poller per worker, level-triggered: what was not read to its end is reported again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::sys;

/// What to be told about a descriptor. Errors and hang-ups are always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Something can be read.
    pub read: bool,
    /// Something can be written.
    pub write: bool,
}

impl Interest {
    /// Reading only.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing only: an outgoing connection, or a stream whose reader is behind and must not be read from.
    pub const WRITE: Self = Self { read: false, write: true };
    /// Neither; errors and hang-ups still come.
    pub const NONE: Self = Self { read: false, write: false };
}

/// One descriptor's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// As given to [`Poller::add`].
    pub token: u64,
    /// Something can be read, the end of the stream included.
    pub readable: bool,
    /// Something can be written, or a connection attempt ended.
    pub writable: bool,
    /// An error waits: a failed connection, or, on a UDP socket, an entry in the error queue.
    pub error: bool,
    /// The other end has closed its direction or both.
    pub hangup: bool,
}

/// Room for the events of one turn.
pub struct Events {
    raw: sys::epoll::RawEvents,
}

impl Events {
    /// Room for `capacity` events; more wait for the next turn.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { raw: sys::epoll::RawEvents::with_capacity(capacity) }
    }

    /// Those that the last wait has brought.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.raw.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An epoll instance.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
}

impl Poller {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: sys::epoll::create()? })
    }

    /// Watch a descriptor. Closing it ends the watch.
    ///
    /// # Errors
    /// When it is watched already, or the system's limit of watches is reached.
    pub fn add(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        sys::epoll::add(self.fd.as_fd(), fd.as_fd(), token, interest)
    }

    /// Change what is told about a watched descriptor.
    ///
    /// # Errors
    /// When it is not watched.
    pub fn modify(&self, fd: &impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        sys::epoll::modify(self.fd.as_fd(), fd.as_fd(), token, interest)
    }

    /// End the watch of a descriptor that stays open.
    ///
    /// # Errors
    /// When it is not watched.
    pub fn remove(&self, fd: &impl AsFd) -> io::Result<()> {
        sys::epoll::remove(self.fd.as_fd(), fd.as_fd())
    }

    /// Wait until something happens or `timeout` has passed (rounded up to a millisecond; none waits for
    /// ever). Returns the number of events; an interrupting signal counts as none.
    ///
    /// # Errors
    /// None that a correct program meets.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<usize> {
        sys::epoll::wait(self.fd.as_fd(), &mut events.raw, timeout)
    }
}

/// Ends another thread's wait. Any number of calls before the next [`Waker::drain`] are one event.
#[derive(Clone, Debug)]
pub struct Waker {
    fd: Arc<OwnedFd>,
}

impl Waker {
    /// A new one, to be added to its poller for reading.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: Arc::new(sys::epoll::eventfd()?) })
    }

    /// Make the poller's wait end.
    pub fn wake(&self) {
        // The only error is a full counter, and then the event is pending already.
        drop(sys::epoll::signal(self.fd.as_fd()));
    }

    /// Forget the wake-ups so far. Do this before looking into the mailbox, so that none is lost.
    pub fn drain(&self) {
        // The only error is an empty counter: nothing to forget.
        drop(sys::epoll::clear(self.fd.as_fd()));
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn wait(poller: &Poller) -> Vec<Event> {
        let mut events = Events::with_capacity(8);
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        events.iter().collect()
    }

    #[test]
    fn many_wakes_from_another_thread_are_one_event() {
        let poller = Poller::new().unwrap();
        let waker = Waker::new().unwrap();
        poller.add(&waker, u64::MAX, Interest::READ).unwrap();
        let other = waker.clone();
        std::thread::spawn(move || (0..100).for_each(|_| other.wake())).join().unwrap();
        let events = wait(&poller);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].token, u64::MAX);
        assert!(events[0].readable && !events[0].error);
        waker.drain();
        assert!(wait(&poller).is_empty());
        waker.drain();
        waker.wake();
        assert_eq!(wait(&poller).len(), 1);
    }

    #[test]
    fn interest_can_change_and_end() {
        let poller = Poller::new().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let both = Interest { read: true, write: true };
        poller.add(&socket, 7, Interest::NONE).unwrap();
        assert!(wait(&poller).is_empty());
        poller.modify(&socket, 8, both).unwrap();
        let events = wait(&poller);
        assert_eq!((events[0].token, events[0].readable, events[0].writable), (8, false, true));
        poller.remove(&socket).unwrap();
        assert!(wait(&poller).is_empty());
        assert!(poller.modify(&socket, 8, both).is_err());
    }

    #[test]
    fn what_does_not_fit_comes_with_the_next_turn() {
        let poller = Poller::new().unwrap();
        let wakers: Vec<_> = (0..3).map(|_| Waker::new().unwrap()).collect();
        for (token, waker) in (0..).zip(&wakers) {
            poller.add(waker, token, Interest::READ).unwrap();
            waker.wake();
        }
        let mut events = Events::with_capacity(2);
        let mut seen = Vec::new();
        for _ in 0..2 {
            poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
            for event in events.iter() {
                wakers[usize::try_from(event.token).unwrap()].drain();
                seen.push(event.token);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }
}
