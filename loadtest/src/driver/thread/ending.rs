//! The ends of sessions: deletion, failure, and what is given back to the server when a thread ends.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use super::Generator;
use crate::client::Fault;
use crate::clock::{self, Nanos};
use crate::driver::Work;
use crate::driver::slot::Phase;
use crate::failure::Failure;
use crate::plan::Pairing;

/// When a session that failed is tried again.
const RETRY: u64 = 1_000_000_000;

/// How many ports in a row may be met that the server still holds for somebody who has left.
const HELD_MAX: u8 = 16;

impl Generator {
    pub(super) fn delete(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        if matches!(slot.phase, Phase::Ready | Phase::Draining(_)) {
            self.share.progress.sessions_ready.fetch_sub(1, Ordering::Relaxed);
        }
        slot.phase = Phase::Deleting;
        let Some(client) = &mut slot.client else { return Ok(()) };
        client.delete(now, &mut self.out);
        self.transmit(index)
    }

    pub(super) fn deleted(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let nanos = now.since(slot.opened);
        if let Some(client) = &slot.client {
            self.opened.requests += u64::from(client.requests);
            self.opened.retransmissions += u64::from(client.retransmissions);
        }
        self.retire(index);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end(now);
        }
        if self.closing {
            return Ok(());
        }
        match self.work {
            Work::Media => {
                self.tally.churned += 1;
                self.open(index, now)
            }
            Work::Storm => {
                let is_counted = self.running.as_ref().is_some_and(|running| running.counting);
                if is_counted {
                    self.cycle.record(nanos);
                    self.tally.tick.received += 1;
                    self.tally.tick.latency.record(nanos);
                    self.share.progress.cycles.fetch_add(1, Ordering::Relaxed);
                }
                let goes_on = self.running.as_ref().is_some_and(|running| running.sending);
                if goes_on { self.open(index, now) } else { Ok(()) }
            }
        }
    }

    /// What a session's receivers have seen goes into the window's account.
    pub(super) fn retire(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if self.running.as_ref().is_some_and(|running| running.counting) {
            self.tally.up.absorb(&slot.up.tracker);
            self.tally.down.absorb(&slot.down.tracker);
        }
    }

    /// A session has failed. While the fleet opens, that is the end; afterwards it is counted, and tried again.
    pub(super) fn lose(&mut self, index: usize, fault: Fault) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let phase = slot.phase;
        if self.closing {
            self.end(index, Nanos(u64::MAX));
            return Ok(());
        }
        // Servers remember deleted allocations for a while, and the system gives a port again that one of them had: a
        // client takes another then (RFC 8656 section 7.3).
        if fault.is_held_port() && slot.held < HELD_MAX {
            let held = slot.held + 1;
            let now = clock::now();
            slot.end(now);
            slot.held = held;
            self.opening -= 1;
            return self.open(index, now);
        }
        if !self.is_open && self.work == Work::Media {
            return Err(self.failure(&fault));
        }
        match phase {
            Phase::Ready | Phase::Draining(_) => {
                self.share.progress.sessions_ready.fetch_sub(1, Ordering::Relaxed);
            }
            Phase::Opening | Phase::Closed(_) => self.opening -= 1,
            Phase::Allocated | Phase::Deleting => {}
        }
        self.farewell(index);
        self.share.progress.failures.fetch_add(1, Ordering::Relaxed);
        self.tally.count_failure(fault.code(), fault.words());
        if self.opened.first_fault.is_none() {
            self.opened.first_fault = Some(self.failure(&fault));
        }
        self.retire(index);
        let now = clock::now();
        let next = now.plus(RETRY);
        self.end(index, next);
        if self.share.load.pairing == Pairing::RelayToRelay && self.work == Work::Media {
            self.drain(Self::partner(index), now);
        }
        let goes_on =
            self.work == Work::Media || self.running.as_ref().is_some_and(|running| running.sending);
        if goes_on {
            self.returning.push(Reverse((next, u32::try_from(index).unwrap_or(u32::MAX))));
        }
        Ok(())
    }

    /// Deletes the allocation of a session that is given up, without waiting for an answer: the server would keep it
    /// for ten minutes, and count it against the user's quota.
    fn farewell(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (Some(client), Some(link)) = (&mut slot.client, &mut slot.link) else { return };
        if slot.relayed.is_none() || self.share.mirrored {
            return;
        }
        client.delete(clock::now(), &mut self.out);
        // It was an attempt.
        let _ = link.send(&self.out);
        self.out.clear();
    }

    /// The same for all sessions, when the thread gives up.
    pub(super) fn farewell_to_all(&mut self) {
        for index in 0..self.slots.len() {
            self.farewell(index);
        }
    }

    pub(super) fn end(&mut self, index: usize, next: Nanos) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end(next);
        }
    }

    /// Deletes all allocations; the thread ends when that is done.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.running = None;
        self.returning.clear();
        let now = clock::now();
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index) else { return };
            let has_allocation =
                slot.relayed.is_some() && slot.phase != Phase::Deleting && !self.share.mirrored;
            if !has_allocation || self.delete(index, now).is_err() {
                self.end(index, Nanos(u64::MAX));
            }
        }
    }
}
