//! The lives of sessions: opening, churn, deletion, and the course of a window.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use super::{Generator, Running};
use crate::client::{Client, Event, Fault};
use crate::clock::{self, Nanos};
use crate::driver::link::{Link, Sent};
use crate::driver::schedule::Schedule;
use crate::driver::slot::Phase;
use crate::driver::tally::{Tally, Times};
use crate::driver::{Job, Reply, Work};
use crate::failure::Failure;
use crate::plan::{Carriage, Pairing};

/// How long packets of a session that leaves are waited for.
const DRAIN: u64 = 300_000_000;

/// How long packets are waited for when a window has ended.
const PATIENCE: u64 = 500_000_000;

/// When a session that failed is tried again.
const RETRY: u64 = 1_000_000_000;

/// How many ports in a row may be met that the server still holds for somebody who has left.
const HELD_MAX: u8 = 16;

impl Generator {
    /// Whether sessions are still to be begun for the first time.
    pub(super) fn wants_to_open(&self) -> bool {
        self.next_open < self.slots.len() && !self.closing && self.work == Work::Media
    }

    /// Whether the fleet waits for its sessions to be opened for the first time.
    pub(super) fn is_opening(&self) -> bool {
        !self.is_open && !self.closing && self.work == Work::Media
    }

    /// Begins sessions, as many as the ramp and the requests in flight allow.
    pub(super) fn open_more(&mut self, now: Nanos) -> Result<(), Failure> {
        let in_flight = (self.share.load.in_flight / self.share.threads).max(1);
        while self.wants_to_open() && self.opening < in_flight && self.is_time_to_open(now) {
            let slot = self.next_open;
            self.next_open += 1;
            self.open(slot, now)?;
        }
        while let Some(Reverse((time, slot))) = self.returning.peek().copied() {
            if time > now || self.closing {
                break;
            }
            self.returning.pop();
            self.open(slot as usize, now)?;
        }
        Ok(())
    }

    fn is_time_to_open(&self, now: Nanos) -> bool {
        let ramp = self.share.load.ramp.as_secs_f64();
        let elapsed = now.since(self.began) as f64 / 1e9;
        self.next_open as f64 * ramp <= elapsed * self.slots.len() as f64
    }

    /// Begins a session in a place that is empty.
    fn open(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
        let source = self.source(index);
        let bursts = self.share.load.profile.burst > 1;
        let link = Link::open(&self.share.target, self.share.security.as_ref(), source, bursts);
        let link = match link.and_then(|mut link| {
            link.register(&self.poller, index as u64)?;
            Ok(link)
        }) {
            Ok(link) => link,
            Err(error) => {
                self.opening += 1;
                // A server on this machine that is not there refuses at once.
                let is_refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                let fault = if is_refused { Fault::Disconnected } else { Fault::Machine };
                return self.lose(index, fault(error.to_string()));
            }
        };
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        self.share.seed = self.share.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut client = Client::new(self.share.wish.clone(), self.share.seed);
        if self.share.mirrored {
            slot.begin(link, client, now);
            (slot.relayed, slot.peer) = (Some(self.share.target.address), Some(self.share.target.address));
            self.opening += 1;
            return self.ready(index, now);
        }
        client.allocate(now, &mut self.out);
        slot.begin(link, client, now);
        self.opening += 1;
        self.tally.tick.sent += u64::from(self.work == Work::Storm);
        self.transmit(index)
    }

    /// Sends what a client has put into `out`, and sees to its next deadline.
    fn transmit(&mut self, index: usize) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let (Some(client), Some(link)) = (&slot.client, &mut slot.link) else { return Ok(()) };
        let deadline = link.deadline().map_or(client.deadline(), |link| link.min(client.deadline()));
        if deadline != Nanos(u64::MAX) {
            self.timers.push(Reverse((deadline, u32::try_from(index).unwrap_or(u32::MAX))));
        }
        if self.out.is_empty() {
            return Ok(());
        }
        let result = link.send(&self.out).and_then(|sent| {
            link.watch(&self.poller, index as u64)?;
            Ok(sent)
        });
        self.out.clear();
        match result {
            // What the kernel did not take is sent again like what the network lost.
            Ok(Sent::Yes | Sent::Full) => Ok(()),
            Err(error) => self.lose(index, Fault::Disconnected(error.to_string())),
        }
    }

    /// Wakes the clients whose time has come.
    pub(super) fn run_timers(&mut self, now: Nanos) -> Result<(), Failure> {
        while let Some(Reverse((deadline, number))) = self.timers.peek().copied() {
            if deadline > now {
                break;
            }
            self.timers.pop();
            let index = number as usize;
            let Some(slot) = self.slots.get_mut(index) else { continue };
            if let Phase::Draining(until) = slot.phase
                && until <= now
            {
                self.delete(index, now)?;
                continue;
            }
            if let Some(link) = &mut slot.link
                && link.deadline().is_some_and(|deadline| deadline <= now)
            {
                if let Err(error) = link.tick() {
                    self.lose(index, Fault::Disconnected(error.to_string()))?;
                    continue;
                }
                if let Some(deadline) = link.deadline() {
                    self.timers.push(Reverse((deadline, number)));
                }
            }
            let Some(client) = &mut slot.client else { continue };
            // Out of date: it has put a later one into the heap since.
            if client.deadline() > now {
                continue;
            }
            let event = client.tick(now, &mut self.out);
            self.happen(index, event, now)?;
        }
        Ok(())
    }

    /// A message for the client of a session.
    pub(super) fn receive_control(&mut self, index: usize, length: usize, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let (Some(client), Some(bytes)) = (&mut slot.client, self.space.get(..length)) else { return Ok(()) };
        let event = client.receive(bytes, now, &mut self.out);
        self.happen(index, event, now)
    }

    fn happen(&mut self, index: usize, event: Event, now: Nanos) -> Result<(), Failure> {
        match event {
            Event::Nothing => self.transmit(index),
            Event::Allocated(relayed) => self.allocated(index, relayed, now),
            Event::Ready => self.ready(index, now),
            Event::Deleted => self.deleted(index, now),
            Event::Failed(fault) => self.lose(index, fault),
        }
    }

    fn allocated(&mut self, index: usize, relayed: std::net::SocketAddr, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        slot.relayed = Some(relayed);
        if self.opened.software.is_none() {
            self.opened.software =
                slot.client.as_ref().and_then(|client| client.software.as_deref()).map(str::to_owned);
        }
        if self.share.load.pairing != Pairing::RelayToRelay || self.work == Work::Storm {
            return self.connect(index, self.peer_address, now);
        }
        slot.phase = Phase::Allocated;
        self.opening -= 1;
        let partner = Self::partner(index);
        let waiting = self.slots.get(partner).filter(|slot| slot.phase == Phase::Allocated);
        let Some(other) = waiting.and_then(|slot| slot.relayed) else { return Ok(()) };
        self.connect(index, other, now)?;
        self.connect(partner, relayed, now)
    }

    fn connect(&mut self, index: usize, peer: std::net::SocketAddr, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let Some(client) = &mut slot.client else { return Ok(()) };
        if slot.phase == Phase::Allocated {
            slot.phase = Phase::Opening;
            self.opening += 1;
        }
        slot.peer = Some(peer);
        client.connect(peer, now, &mut self.out);
        self.transmit(index)
    }

    /// With whom a session is paired: its neighbour.
    pub(super) const fn partner(index: usize) -> usize {
        index ^ 1
    }

    fn ready(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        if slot.phase != Phase::Opening {
            return self.transmit(index);
        }
        slot.phase = Phase::Ready;
        slot.held = 0;
        self.opening -= 1;
        let nanos = now.since(slot.opened);
        self.share.progress.sessions_ready.fetch_add(1, Ordering::Relaxed);
        self.transmit(index)?;
        if self.work == Work::Storm {
            return self.delete(index, now);
        }
        if self.is_open {
            return Ok(());
        }
        self.opened.latency.record(nanos);
        self.opened.sessions += 1;
        if self.opened.sessions == self.slots.len() {
            self.is_open = true;
            self.opened.nanos = now.since(self.began);
            self.opened.retransmissions = self.retransmissions();
            let _ = self.replies.send(Reply::Opened(Box::new(self.opened.clone())));
        }
        Ok(())
    }

    fn retransmissions(&self) -> u64 {
        let clients = self.slots.iter().filter_map(|slot| slot.client.as_ref());
        clients.map(|client| u64::from(client.retransmissions)).sum()
    }

    fn delete(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        if matches!(slot.phase, Phase::Ready | Phase::Draining(_)) {
            self.share.progress.sessions_ready.fetch_sub(1, Ordering::Relaxed);
        }
        slot.phase = Phase::Deleting;
        let Some(client) = &mut slot.client else { return Ok(()) };
        client.delete(now, &mut self.out);
        self.transmit(index)
    }

    fn deleted(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
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
    fn retire(&mut self, index: usize) {
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

    fn end(&mut self, index: usize, next: Nanos) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end(next);
        }
    }

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
            for index in 0..self.slots.len() {
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

    fn drain(&mut self, index: usize, now: Nanos) {
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

    /// Whether media goes through channels.
    pub(super) fn has_channels(&self) -> bool {
        self.share.load.carriage == Carriage::Channel
    }
}
