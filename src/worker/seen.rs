//! What a worker sees of packets whose other relay is another worker's: that relay's session must be told of them.
//!
//! Glances are collected and go by mailbox, sixty-four at a time, or after a tenth of a second. Each carries the time of
//! its packet, so that they count as if they had just come. A consent check goes at once, with what has been
//! collected: its answer comes to the other worker, who has to know the question by then. A full mailbox drops them;
//! the session takes those packets for lost, and the worker counts how many that were.
//!
//! Packets that no session wants to hear of, and all where nobody listens, are only added up by relay, and go once a second:
//! what an operator is shown of that call is late by so much. A full mailbox keeps them waiting.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use foldhash::quality::RandomState;

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
/// How long sums do.
const SUMS_WAIT: Duration = Duration::from_secs(1);

/// A packet from a peer to a relay of another worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) relay: RelayId,
    /// See [`super::tap::tag`].
    pub(super) peer: u32,
    pub(super) glance: Glance,
}

/// Packets from peers to a relay of another worker that nobody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) relay: RelayId,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// What waits for each of the other workers.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<Waiting>);

/// What waits for one of them.
#[derive(Debug, Default)]
struct Waiting {
    seen: Vec<Seen>,
    /// Packets and bytes; as many as there are leases at most.
    sums: HashMap<RelayId, (u64, u64), RandomState>,
    /// Somebody will ask for them.
    reminded: bool,
}

impl Outbox {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Waiting::default()).collect())
    }

    /// Adds a packet; whether somebody has to be reminded of it.
    fn add(&mut self, worker: u8, relay: RelayId, bytes: usize) -> bool {
        let Some(Waiting { sums, reminded, .. }) = self.0.get_mut(usize::from(worker)) else { return false };
        let (packets, sum) = sums.entry(relay).or_default();
        (*packets, *sum) = (packets.wrapping_add(1), sum.wrapping_add(bytes as u64));
        !std::mem::replace(reminded, true)
    }

    fn sums(&mut self, worker: u8) -> Box<[Sum]> {
        let Some(Waiting { sums, reminded, .. }) = self.0.get_mut(usize::from(worker)) else {
            return Box::default();
        };
        *reminded = false;
        let sum = |(relay, sum): (&RelayId, &(u64, u64))| Sum { relay: *relay, packets: sum.0, bytes: sum.1 };
        sums.iter().map(sum).collect()
    }

    fn forget_sums(&mut self, worker: u8) {
        if let Some(waiting) = self.0.get_mut(usize::from(worker)) {
            // Its memory is for the next second.
            waiting.sums.clear();
        }
    }

    /// How many wait for this worker now.
    fn push(&mut self, worker: u8, seen: Seen) -> usize {
        let Some(Waiting { seen: waiting, .. }) = self.0.get_mut(usize::from(worker)) else { return 0 };
        if waiting.capacity() == 0 {
            waiting.reserve_exact(TOGETHER);
        }
        waiting.push(seen);
        waiting.len()
    }

    fn take(&mut self, worker: u8) -> Box<[Seen]> {
        let waiting = self.0.get_mut(usize::from(worker));
        waiting.map(|waiting| std::mem::take(&mut waiting.seen)).unwrap_or_default().into()
    }
}

impl Worker {
    /// A packet of so many bytes from `peer`, one of this worker's relayed addresses, has gone to a relay of `worker`.
    pub(super) fn report(
        &mut self,
        worker: u8,
        relay: RelayId,
        peer: SocketAddr,
        bytes: usize,
        glance: Option<Glance>,
    ) {
        let Some(glance) = glance.filter(|glance| glance.what != What::Other) else {
            if self.outbox.add(worker, relay, bytes) {
                self.deadlines.remind(self.now.time + SUMS_WAIT, Reminder::Sums(worker));
            }
            return;
        };
        let waiting = self.outbox.push(worker, Seen { relay, peer: tap::tag(peer), glance });
        if waiting >= TOGETHER || matches!(glance.what, What::Check { .. }) {
            self.flush_seen(worker);
        } else if waiting == 1 {
            self.deadlines.remind(self.now.time + WAIT, Reminder::Seen(worker));
        }
    }

    /// The sums for `worker` go now; where there is no room for them, they wait for the next packet.
    pub(super) fn flush_sums(&mut self, worker: u8) {
        let sums = self.outbox.sums(worker);
        let mailbox = self.mailboxes.get(usize::from(worker));
        if mailbox.is_some_and(|mailbox| mailbox.transfer(Transfer::Sums(sums))) {
            self.outbox.forget_sums(worker);
        }
    }

    /// Whatever was seen for `worker` goes now.
    pub(super) fn flush_seen(&mut self, worker: u8) {
        let seen = self.outbox.take(worker);
        let count = seen.len() as u64;
        let mailbox = self.mailboxes.get(usize::from(worker));
        if count > 0 && !mailbox.is_some_and(|mailbox| mailbox.transfer(Transfer::Seen(seen))) {
            self.counters.unheard.add(count);
        }
    }
}
