//! All neighbours together: who an event concerns, and what a reload changes.

use std::net::SocketAddr;

use super::context::{Context, Local};
use super::neighbor::Neighbor;
use super::settings::Settings;
use super::view::NeighborView;
use crate::announce::io::{Action, ConnectionId, NeighborId};
use crate::announce::policy::Attributes;
use crate::time::{Now, Time};
use crate::wire::bgp::{Prefix, Reason};

/// One event for the speaker: those of [`crate::announce::Input`] that concern connections to neighbours.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// [`Speaker::deadline`] has come. Timers are looked at only now, so that what has arrived in time is heard before.
    Tick,
    /// A neighbour has connected to us.
    Accepted {
        /// Odd; the driver's choice.
        connection: ConnectionId,
        /// Whose address it came from.
        neighbor: NeighborId,
        /// Our end.
        local: SocketAddr,
        /// Its end.
        remote: SocketAddr,
    },
    /// [`Action::Connect`] has led to a connection.
    Connected {
        /// Which.
        connection: ConnectionId,
        /// Our end.
        local: SocketAddr,
        /// Its end.
        remote: SocketAddr,
    },
    /// It has not.
    Failed {
        /// Which.
        connection: ConnectionId,
        /// In words.
        reason: &'a str,
    },
    /// Bytes came.
    Received {
        /// On which.
        connection: ConnectionId,
        /// In order.
        bytes: &'a [u8],
    },
    /// The kernel took bytes, or took none for a while.
    Sent {
        /// On which.
        connection: ConnectionId,
        /// Bytes that it has not taken yet.
        waiting: usize,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// In words.
        reason: &'a str,
    },
    /// What BFD says of the way to a neighbour. A neighbour that has shut its own session of BFD down on purpose
    /// (AdminDown) has said nothing of the way (RFC 5882 section 3.2): that is no change.
    Bfd {
        /// Which.
        neighbor: NeighborId,
        /// The way is there.
        up: bool,
        /// In words.
        reason: &'a str,
    },
    /// Its session is up no more since an operator has taken it down. For the log alone.
    BfdStopped {
        /// Which.
        neighbor: NeighborId,
        /// In words.
        reason: &'a str,
    },
}

/// Our side of BGP.
#[derive(Debug)]
pub struct Speaker {
    context: Context,
    neighbors: Vec<Neighbor>,
    is_stopped: bool,
}

impl Speaker {
    /// Knows its neighbours, and begins with the first [`Input::Tick`], which is due at once.
    #[must_use]
    pub fn new(now: Now, settings: &Settings) -> Self {
        let context = Context::new(now, settings);
        let neighbors = ids()
            .zip(&settings.neighbors)
            .map(|(id, settings)| Neighbor::new(id, settings.clone(), &context))
            .collect();
        Self { context, neighbors, is_stopped: false }
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.context.now = now;
        let context = &mut self.context;
        match input {
            Input::Tick => self.neighbors.iter_mut().for_each(|neighbor| neighbor.tick(context)),
            Input::Accepted { connection, neighbor, local, remote } => {
                self.accepted(connection, neighbor, local, remote);
            }
            Input::Connected { connection, local, remote } => {
                self.at(connection, |neighbor, context| {
                    neighbor.connected(context, connection, local, remote)
                });
            }
            Input::Failed { connection, reason } => {
                self.at(connection, |neighbor, context| neighbor.failed(context, connection, reason));
            }
            Input::Received { connection, bytes } => {
                self.at(connection, |neighbor, context| neighbor.received(context, connection, bytes));
            }
            Input::Sent { connection, waiting } => {
                self.at(connection, |neighbor, context| neighbor.sent(context, connection, waiting));
            }
            Input::Closed { connection, reason } => {
                self.at(connection, |neighbor, context| neighbor.closed(context, connection, reason));
            }
            Input::Bfd { neighbor, up, reason } => {
                if let Some(neighbor) = self.neighbors.get_mut(usize::from(neighbor.0)) {
                    neighbor.bfd_changed(context, up, reason);
                }
            }
            Input::BfdStopped { neighbor, reason } => {
                if let Some(neighbor) = self.neighbors.get_mut(usize::from(neighbor.0)) {
                    neighbor.bfd_stopped(context, reason);
                }
            }
        }
    }

    /// What is to be done next, until there is nothing more.
    pub fn poll(&mut self) -> Option<Action> {
        self.context.next_action()
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.neighbors.iter().filter_map(Neighbor::deadline).min()
    }

    /// What a neighbour shall know from now on: everything that is not named is withdrawn. Saying the same twice sends
    /// nothing. With graceful restart a neighbour waits for the first of these before it forgets what it knew before.
    pub fn set_routes(&mut self, now: Now, neighbor: NeighborId, routes: Vec<(Prefix, Option<Attributes>)>) {
        self.context.now = now;
        if let Some(neighbor) = self.neighbors.get_mut(usize::from(neighbor.0)) {
            neighbor.set_routes(&mut self.context, routes);
        }
    }

    /// Other settings. A session goes on unless what has changed was said in its OPEN, or is where it leads.
    /// [`Self::set_routes`] has to follow for every neighbour.
    pub fn reload(&mut self, now: Now, settings: &Settings) {
        self.context.now = now;
        let local = Local::of(settings);
        let is_other = local.asn != self.context.local.asn || local.router_id != self.context.local.router_id;
        self.context.local = local;
        let mut before = std::mem::take(&mut self.neighbors);
        for (id, settings) in ids().zip(&settings.neighbors) {
            let known = before.iter().position(|neighbor| neighbor.settings.name == settings.name);
            let neighbor = match known {
                Some(known) => {
                    let mut neighbor = before.swap_remove(known);
                    neighbor.reload(&mut self.context, id, settings, is_other);
                    neighbor
                }
                None => Neighbor::new(id, settings.clone(), &self.context),
            };
            self.neighbors.push(neighbor);
        }
        for mut gone in before {
            gone.halt(&mut self.context, Reason::PEER_DECONFIGURED, "not configured any more");
        }
        if self.is_stopped {
            self.halt_all();
        }
    }

    /// Ends all sessions for good, with the operator's text (RFC 9003).
    pub fn stop(&mut self, now: Now) {
        self.context.now = now;
        self.is_stopped = true;
        self.halt_all();
    }

    /// Whether a session stands with anybody.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.neighbors.iter().any(|neighbor| neighbor.session().is_some())
    }

    /// All neighbours, by their numbers.
    #[must_use]
    pub fn view(&self, now: Now) -> Vec<NeighborView> {
        self.neighbors.iter().map(|neighbor| neighbor.view(now)).collect()
    }

    fn halt_all(&mut self) {
        for neighbor in &mut self.neighbors {
            neighbor.halt(&mut self.context, Reason::ADMINISTRATIVE_SHUTDOWN, "the relay stops");
        }
    }

    fn accepted(
        &mut self,
        connection: ConnectionId,
        neighbor: NeighborId,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        if self.neighbors.iter().any(|neighbor| neighbor.has(connection)) {
            return;
        }
        match self.neighbors.get_mut(usize::from(neighbor.0)) {
            Some(neighbor) => neighbor.accepted(&mut self.context, connection, local, remote),
            None => self.context.act(Action::Abort { connection }),
        }
    }

    /// For the neighbour that has the connection. Of one that has ended a late event may still come: nobody has it.
    fn at(&mut self, connection: ConnectionId, handle: impl FnOnce(&mut Neighbor, &mut Context)) {
        if let Some(neighbor) = self.neighbors.iter_mut().find(|neighbor| neighbor.has(connection)) {
            handle(neighbor, &mut self.context);
        }
    }
}

fn ids() -> impl Iterator<Item = NeighborId> {
    (0..=u16::MAX).map(NeighborId)
}
