//! BFD sessions (RFC 5880, asynchronous mode): whether the router next to us is heard, and whether it is to take us for
//! alive.
//!
//! A [`Session`] owns the state, the timers and their negotiation with one neighbour. It is told of packets that the
//! driver has found to be its own (hop limit, addresses, discriminator), of the time, and of what only this machine
//! knows: whether the data path answers. A data path that does not takes every session down and keeps it there
//! (RFC 5880 section 6.8.17), however well this end's packets could go on; that is what BFD is for here.
//!
//! It keeps to the contract of the pure rooms: [`Session::handle`], then [`Session::poll`] until there is nothing more,
//! then sleep until [`Session::deadline`]. The thread `tern-bfd` drives it (`crate::speaker::bfd`), away from the control
//! plane: a slow control plane must not look like a dead relay.
//!
//! Neither echo nor demand mode is offered; a neighbour that wants demand mode gets it.

mod reason;
mod session;
mod timers;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use reason::Reason;
pub use session::Session;
pub use view::{Counts, View};

use crate::wire::bfd::{PACKET_LEN, Packet, State};

/// The slowest that a session may begin with: before it is up, it sends no faster (section 6.8.3).
pub const SLOW: Duration = Duration::from_secs(1);

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(3600);

/// How a session sends and what it can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interval at which to send while the session is up, if the neighbour can take that.
    pub transmit: Duration,
    /// The shortest interval between packets of the neighbour.
    pub receive: Duration,
    /// How many packets in a row must be missed before one end takes the other for gone.
    pub multiplier: u8,
}

impl Default for Settings {
    /// Gone after 300 ms.
    fn default() -> Self {
        Self { transmit: Duration::from_millis(100), receive: Duration::from_millis(100), multiplier: 3 }
    }
}

impl Settings {
    /// The nearest that the protocol can say and timers can hold: a receive interval of zero would forbid the neighbour
    /// to send.
    fn sane(self) -> Self {
        let bound = |interval: Duration| interval.clamp(SHORTEST, LONGEST);
        Self {
            transmit: bound(self.transmit),
            receive: bound(self.receive),
            multiplier: self.multiplier.max(1),
        }
    }
}

/// What a session is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Only that time has passed.
    Tick,
    /// A packet of the neighbour's.
    Packet(&'a Packet),
    /// Whether the data path carries packets. Until this is first said, it does not.
    Healthy(bool),
    /// Other settings, for a session that goes on.
    Reload(Settings),
    /// Stay down from now on and tell the neighbour that an operator wants it so.
    Stop,
}

/// What a session asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these bytes to the neighbour.
    Send([u8; PACKET_LEN]),
    /// The state has changed.
    Change(Change),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// From this one.
    pub previous: State,
    /// To this one.
    pub state: State,
    /// Why.
    pub reason: Reason,
}

impl Change {
    /// Whether the path, or what forwards at one of its ends, has failed. That an operator takes a session down is not
    /// a failure (RFC 5882 section 4.2).
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self.previous, State::Up) && self.reason.is_failure()
    }
}
