//! The lives of sessions from their opening until media may flow.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use super::Generator;
use crate::client::{Client, Event, Fault};
use crate::clock::Nanos;
use crate::driver::link::{Link, Sent};
use crate::driver::slot::Phase;
use crate::driver::{Reply, Work};
use crate::failure::Failure;
use crate::plan::{Carriage, Pairing};

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
    pub(super) fn open(&mut self, index: usize, now: Nanos) -> Result<(), Failure> {
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
    pub(super) fn transmit(&mut self, index: usize) -> Result<(), Failure> {
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

    /// Whether media goes through channels.
    pub(super) fn has_channels(&self) -> bool {
        self.share.load.carriage == Carriage::Channel
    }
}
