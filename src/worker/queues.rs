//! How much waits somewhere in a worker: in its mailbox, for slow readers, in pipes.
//!
//! The mailbox's count is kept with every message. What waits for readers is added up now and then, since there may be as
//! many queues as connections and nobody decides anything by the sum.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::run::{Link, Worker};
use crate::time::Time;

/// Bytes that may wait in one mailbox: a full one of media, or some long messages.
const MAILBOX_BYTES: usize = 8 * 1024 * 1024;
/// What a message costs besides its bytes.
const MESSAGE: usize = 128;
/// How often queues are added up.
const INTERVAL: Duration = Duration::from_secs(5);

/// What waits in a mailbox.
#[derive(Debug, Default)]
pub(super) struct Depth {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Depth {
    /// Room for a message; false, and nothing taken, when there is none.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let cost = bytes.saturating_add(MESSAGE);
        let before = self.bytes.fetch_add(cost, Ordering::Relaxed);
        if before.saturating_add(cost) > MAILBOX_BYTES {
            self.bytes.fetch_sub(cost, Ordering::Relaxed);
            return false;
        }
        self.messages.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// It has been read, or was not sent after all.
    pub(super) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes.saturating_add(MESSAGE), Ordering::Relaxed);
        self.messages.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages and bytes that wait now.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// When the queues were added up last.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    due: Time,
}

impl Worker {
    /// Adds up what waits for readers, if it is time to.
    pub(super) fn sample_queues(&mut self) {
        if self.now.time < self.sampling.due {
            return;
        }
        self.sampling.due = self.now.time + INTERVAL;
        let streams = self.links.iter().filter_map(|(_, link)| match link {
            Link::Stream(stream) => Some(stream.out.size()),
            Link::Dtls(_) => None,
        });
        self.counters.queued_bytes.set(streams.sum::<usize>() as u64);
        let pipes =
            self.peers.iter().map(|(_, peer)| peer.to_peer.len().saturating_add(peer.to_client.len()));
        self.counters.piped_bytes.set(pipes.sum::<usize>() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_holds_so_many_bytes_and_no_more() {
        let depth = Depth::default();
        let long = MAILBOX_BYTES / 2 - MESSAGE;
        assert!(depth.take(long) && depth.take(long));
        assert_eq!(depth.waiting(), (2, MAILBOX_BYTES));
        assert!(!depth.take(0) && !depth.take(usize::MAX));
        depth.give_back(long);
        assert!(depth.take(0));
        depth.give_back(0);
        depth.give_back(long);
        assert_eq!(depth.waiting(), (0, 0));
    }
}
