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
        if let Phase::Leaving(next) = slot.phase {
            self.vacate(index, next);
            return Ok(());
        }
        self.retire(index);
        self.end(index, now);
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
            self.farewell(index);
            self.end(index, Nanos(u64::MAX));
            return Ok(());
        }
        // It has failed before, and what could be done was done.
        if let Phase::Leaving(next) = phase {
            self.vacate(index, next);
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
            let failure = self.failure(&fault);
            // A broken link brings no more answers, and a silent server gives none.
            if !fault.is_answer() {
                self.farewell(index);
                self.end(index, Nanos(u64::MAX));
            }
            return Err(failure);
        }
        match phase {
            Phase::Ready | Phase::Draining(_) => {
                self.share.progress.sessions_ready.fetch_sub(1, Ordering::Relaxed);
            }
            Phase::Opening | Phase::Closed(_) => self.opening -= 1,
            Phase::Allocated | Phase::Deleting | Phase::Leaving(_) => {}
        }
        self.share.progress.failures.fetch_add(1, Ordering::Relaxed);
        self.tally.count_failure(fault.code(), fault.words());
        if self.opened.first_fault.is_none() {
            self.opened.first_fault = Some(self.failure(&fault));
        }
        let now = clock::now();
        let next = now.plus(RETRY);
        if self.share.load.pairing == Pairing::RelayToRelay && self.work == Work::Media {
            self.drain(Self::partner(index), now);
        }
        if fault.is_answer() && self.release(index, Phase::Leaving(next), now)? {
            return Ok(());
        }
        self.farewell(index);
        self.vacate(index, next);
        Ok(())
    }

    /// Begins to give back what a session may hold, which is in that phase then; false if that is nothing.
    fn release(&mut self, index: usize, phase: Phase, now: Nanos) -> Result<bool, Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(false) };
        let Some(client) = &mut slot.client else { return Ok(false) };
        if !client.release(now, &mut self.out) {
            return Ok(false);
        }
        slot.phase = phase;
        self.transmit(index)?;
        Ok(true)
    }

    /// Empties the place of a session that has failed; another may begin there at `next`.
    fn vacate(&mut self, index: usize, next: Nanos) {
        self.retire(index);
        self.end(index, next);
        let goes_on =
            self.work == Work::Media || self.running.as_ref().is_some_and(|running| running.sending);
        if goes_on {
            self.returning.push(Reverse((next, u32::try_from(index).unwrap_or(u32::MAX))));
        }
    }

    /// Asks once, without waiting for an answer, to delete the allocation of a session whose server has become silent: it
    /// would keep it for ten minutes, and count it against the user's quota.
    fn farewell(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (Some(client), Some(link)) = (&mut slot.client, &mut slot.link) else { return };
        if client.release(clock::now(), &mut self.out) && !self.out.is_empty() {
            // It was an attempt.
            let _ = link.send(&self.out);
        }
        self.out.clear();
    }

    pub(super) fn end(&mut self, index: usize, next: Nanos) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end(next);
        }
    }

    /// Gives back all allocations, those that may yet come too; the thread ends when that is done.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.running = None;
        self.returning.clear();
        let now = clock::now();
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index) else { return };
            if matches!(slot.phase, Phase::Ready | Phase::Draining(_)) {
                self.share.progress.sessions_ready.fetch_sub(1, Ordering::Relaxed);
            }
            if !self.release(index, Phase::Deleting, now).unwrap_or(false) {
                self.end(index, Nanos(u64::MAX));
            }
        }
    }

    /// Whether nothing is left to be given back.
    pub(super) fn is_over(&self) -> bool {
        self.closing && self.slots.iter().all(|slot| matches!(slot.phase, Phase::Closed(_)))
    }
}
