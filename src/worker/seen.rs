//! What a worker sees of packets whose other relay is another worker's: that relay's session must be told of them.
//!
//! Glances are collected and go by mailbox, sixty-four at a time, or after a tenth of a second. Each carries the time of
//! its packet, so that they count as if they had just come. A consent check goes at once, with what has been
//! collected: its answer comes to the other worker, who has to know the question by then. A full mailbox drops them;
//! the session takes those packets for lost, and the worker counts how many that were.

use std::net::SocketAddr;
use std::time::Duration;

use super::deadlines::Reminder;
use super::mailbox::Transfer;
use super::run::Worker;
use super::tap;
use crate::quality::{Glance, What};
use crate::route::RelayId;

/// How many go together.
const TOGETHER: usize = 64;
/// How long the first of them waits for company.
const WAIT: Duration = Duration::from_millis(100);

/// A packet from a peer to a relay of another worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) relay: RelayId,
    /// See [`super::tap::tag`].
    pub(super) peer: u32,
    pub(super) glance: Glance,
}

/// What waits for each of the other workers.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<Vec<Seen>>);

impl Outbox {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Vec::new()).collect())
    }

    /// How many wait for this worker now.
    fn push(&mut self, worker: u8, seen: Seen) -> usize {
        let Some(waiting) = self.0.get_mut(usize::from(worker)) else { return 0 };
        if waiting.capacity() == 0 {
            waiting.reserve_exact(TOGETHER);
        }
        waiting.push(seen);
        waiting.len()
    }

    fn take(&mut self, worker: u8) -> Box<[Seen]> {
        self.0.get_mut(usize::from(worker)).map(std::mem::take).unwrap_or_default().into()
    }
}

impl Worker {
    /// A packet from `peer`, one of this worker's relayed addresses, has gone to a relay of `worker`.
    pub(super) fn report(&mut self, worker: u8, relay: RelayId, peer: SocketAddr, glance: Glance) {
        if glance.what == What::Other {
            return;
        }
        let waiting = self.outbox.push(worker, Seen { relay, peer: tap::tag(peer), glance });
        if waiting >= TOGETHER || matches!(glance.what, What::Check { .. }) {
            self.flush_seen(worker);
        } else if waiting == 1 {
            self.deadlines.remind(self.now.time + WAIT, Reminder::Seen(worker));
        }
    }

    /// Whatever waits for `worker` goes now.
    pub(super) fn flush_seen(&mut self, worker: u8) {
        let seen = self.outbox.take(worker);
        let count = seen.len() as u64;
        let mailbox = self.mailboxes.get(usize::from(worker));
        if count > 0 && !mailbox.is_some_and(|mailbox| mailbox.transfer(Transfer::Seen(seen))) {
            self.counters.unheard.add(count);
        }
    }
}
