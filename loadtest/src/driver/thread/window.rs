//! The course of a window: warm-up, counting, churn, and the time that the last packets take.

use std::cmp::Reverse;

use super::{Generator, Running};
use crate::clock::Nanos;
use crate::driver::schedule::Schedule;
use crate::driver::slot::Phase;
use crate::driver::tally::{Tally, Times};
use crate::driver::{Job, Reply, Work};
use crate::plan::Pairing;

/// How long packets of a session that leaves are waited for.
const DRAIN: u64 = 300_000_000;

/// How long packets are waited for when a window has ended.
const PATIENCE: u64 = 500_000_000;

impl Generator {
    /// Begins a window.
    pub(super) fn start(&mut self, job: Job) {
        let ways = match self.share.load.pairing {
            Pairing::Peer => {
                u64::from(self.share.load.direction.up()) + u64::from(self.share.load.direction.down())
            }
            Pairing::Echo | Pairing::RelayToRelay => 1,
        };
        let interval = u64::try_from(job.profile.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let flows = self.slots.len() as u64 * ways;
        // Threads take turns with each other too.
        let between = interval / flows.max(1);
        let start = job.begin.plus(between * self.share.number as u64 / self.share.threads as u64);
        self.payload.clear();
        self.payload.resize(job.profile.size, 0);
        self.work = job.work;
        self.tally = Tally::new();
        self.cycle = Times::new(3);
        if job.work == Work::Storm {
            // The others are still on their way out, and begin anew by themselves.
            let free =
                self.slots.iter().enumerate().filter(|(_, slot)| matches!(slot.phase, Phase::Closed(_)));
            for (index, _) in free {
                self.returning.push(Reverse((start, u32::try_from(index).unwrap_or(u32::MAX))));
            }
        }
        self.running = Some(Running {
            job,
            schedule: Schedule::new(start, interval, flows),
            next_tick: job.count_from.plus(job.tick),
            patience: job.until.plus(PATIENCE),
            counting: false,
            sending: true,
            cpu: 0,
            overflow: 0,
            next_departure: Nanos(u64::MAX),
        });
    }

    /// Takes a window from one stretch to the next.
    pub(super) fn advance(&mut self, now: Nanos) {
        let Some(mut running) = self.running.take() else { return };
        if !running.counting && now >= running.job.count_from {
            self.begin_counting(&mut running, now);
        }
        let cancelled = self.share.progress.is_cancelled();
        if running.counting && now >= running.next_tick && running.sending {
            self.tally.end_tick();
            running.next_tick = running.next_tick.plus(running.job.tick);
        }
        if running.sending && (cancelled || running.is_over(now)) {
            running.sending = false;
            // What was due and did not leave is no success of anybody.
            if running.counting && running.job.work == Work::Media {
                let skipped = running.schedule.skip_to(now.min(running.job.until));
                self.tally.skipped += skipped * running.job.profile.burst as u64;
            }
            running.next_tick = Nanos(u64::MAX);
            running.next_departure = Nanos(u64::MAX);
            running.patience = now.plus(PATIENCE);
            self.tally.cpu = Self::cpu().saturating_sub(running.cpu);
        }
        if running.counting && running.sending && now >= running.next_departure {
            self.depart(&mut running, now);
        }
        if !running.sending && (now >= running.patience || self.has_everything()) {
            self.finish(&running);
            return;
        }
        self.running = Some(running);
    }

    fn begin_counting(&mut self, running: &mut Running, now: Nanos) {
        running.counting = true;
        running.cpu = Self::cpu();
        running.overflow = self.overflow;
        for slot in &mut self.slots {
            slot.up.tracker.reset(slot.up.next);
            slot.down.tracker.reset(slot.down.next);
        }
        self.tally = Tally::new();
        self.opened.requests = 0;
        if self.share.load.churn > 0.0 && running.job.work == Work::Media {
            running.next_departure = now.plus(self.between_departures());
        }
    }

    fn between_departures(&self) -> u64 {
        let seconds = self.share.threads as f64 / self.share.load.churn;
        u64::try_from(std::time::Duration::from_secs_f64(seconds.clamp(1e-6, 1e9)).as_nanos())
            .unwrap_or(u64::MAX)
    }

    /// One session leaves, the next in the round that can.
    fn depart(&mut self, running: &mut Running, now: Nanos) {
        running.next_departure = running.next_departure.plus(self.between_departures());
        for _ in 0..self.slots.len() {
            let index = self.next_churn % self.slots.len();
            self.next_churn = index + 1;
            let Some(slot) = self.slots.get_mut(index) else { return };
            if slot.is_ready() {
                self.drain(index, now);
                // A channel cannot be bound to another peer: pairs come and go together.
                if self.share.load.pairing == Pairing::RelayToRelay {
                    self.drain(Self::partner(index), now);
                }
                return;
            }
        }
    }

    pub(super) fn drain(&mut self, index: usize, now: Nanos) {
        if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.is_ready()) {
            let until = now.plus(DRAIN);
            slot.phase = Phase::Draining(until);
            self.timers.push(Reverse((until, u32::try_from(index).unwrap_or(u32::MAX))));
        }
    }

    /// Whether nothing is on its way any more: then there is nothing to wait for.
    fn has_everything(&self) -> bool {
        if self.work == Work::Storm {
            return self.slots.iter().all(|slot| matches!(slot.phase, Phase::Closed(_)));
        }
        let received: u64 =
            self.slots.iter().map(|slot| slot.up.tracker.received + slot.down.tracker.received).sum();
        received + self.tally.up.received + self.tally.down.received
            >= self.tally.up.sent + self.tally.down.sent
    }

    fn finish(&mut self, running: &Running) {
        for index in 0..self.slots.len() {
            self.retire_tracker(index);
        }
        self.tally.overflowed = u64::from(self.overflow.wrapping_sub(running.overflow));
        self.returning.clear();
        let mut done = Box::new(std::mem::replace(&mut self.tally, Tally::new()));
        done.busiest = done.cpu;
        let cycles = std::mem::replace(&mut self.cycle, Times::new(3));
        let requests = (self.opened.requests, self.opened.retransmissions);
        let first_fault = self.opened.first_fault.take();
        let _ =
            self.replies.send(Reply::Done { tally: done, cycles: Box::new(cycles), requests, first_fault });
    }

    fn retire_tracker(&mut self, index: usize) {
        let Some(slot) = self.slots.get(index) else { return };
        self.tally.up.absorb(&slot.up.tracker);
        self.tally.down.absorb(&slot.down.tracker);
    }
}
