//! One session as its generator thread keeps it.

use std::net::SocketAddr;

use super::link::Link;
use crate::client::Client;
use crate::clock::Nanos;
use crate::media::Tracker;

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not begun, or over; may be begun at that time.
    Closed(Nanos),
    /// Requests are on their way.
    Opening,
    /// It has a relayed address and waits for its partner's.
    Allocated,
    /// Media may flow.
    Ready,
    /// It leaves: nothing is sent any more, what is on its way may arrive.
    Draining(Nanos),
    /// Its allocation is being deleted.
    Deleting,
    /// It has failed, and what it may hold is being given back; another may be begun at that time.
    Leaving(Nanos),
}

/// One session. The place stays; the session in it may leave and another come.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) link: Option<Link>,
    pub(super) client: Option<Box<Client>>,
    /// How many sessions have been in this place.
    pub(super) generation: u8,
    /// How many ports in a row the server still held for somebody else.
    pub(super) held: u8,
    pub(super) opened: Nanos,
    pub(super) relayed: Option<SocketAddr>,
    /// To whom the client sends.
    pub(super) peer: Option<SocketAddr>,
    pub(super) up: Direction,
    pub(super) down: Direction,
}

/// One direction of a session, both ends of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Direction {
    /// What the next packet is numbered.
    pub(super) next: u32,
    pub(super) tracker: Tracker,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Closed(Nanos(0)),
            link: None,
            client: None,
            generation: 0,
            held: 0,
            opened: Nanos(0),
            relayed: None,
            peer: None,
            up: Direction::default(),
            down: Direction::default(),
        }
    }

    /// Begins a new session in this place.
    pub(super) fn begin(&mut self, link: Link, client: Client, now: Nanos) {
        *self = Self {
            phase: Phase::Opening,
            link: Some(link),
            client: Some(Box::new(client)),
            generation: self.generation.wrapping_add(1),
            held: self.held,
            opened: now,
            ..Self::new()
        };
    }

    /// Ends the session; another may begin at `next`.
    pub(super) fn end(&mut self, next: Nanos) {
        let generation = self.generation;
        *self = Self { phase: Phase::Closed(next), generation, ..Self::new() };
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }
}
