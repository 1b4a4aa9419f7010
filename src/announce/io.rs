//! What the announcer is told and what it asks for: its whole contact with the world.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::health::{Report, State};
use super::settings::Settings;
use crate::time::UnixTime;
use crate::wire::bgp::Prefix;

/// A check: its place in [`super::health::Settings::checks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u16);

/// A neighbour: its place in [`super::bgp::Settings::neighbors`]. A reload may give it another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighborId(pub u16);

/// A prefix: its place in [`super::bgp::NeighborSettings::exports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixId(pub u16);

/// A connection, from before it stands until it is closed. Outgoing ones are even and named by the announcer
/// ([`Numbers`]), accepted ones are odd and named by the driver. A number is not used again while anything may still be
/// said of the connection that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A neighbour's.
    Bgp,
    /// An RPKI cache's.
    Rpki,
}

impl ConnectionId {
    /// Whom what happens on it concerns: the number says.
    #[must_use]
    pub const fn owner(self) -> Owner {
        if self.0 % 4 == 2 { Owner::Rpki } else { Owner::Bgp }
    }
}

/// The numbers of one owner's outgoing connections: each fourth, so that the number tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(u32);

impl Numbers {
    /// The first is the first that this owner may use.
    #[must_use]
    pub const fn of(owner: Owner) -> Self {
        match owner {
            Owner::Bgp => Self(0),
            Owner::Rpki => Self(2),
        }
    }

    /// A number that was not given out before, until all of a thousand million are used up.
    pub const fn draw(&mut self) -> ConnectionId {
        let drawn = ConnectionId(self.0);
        self.0 = self.0.wrapping_add(4);
        drawn
    }
}

/// One event for the announcer.
#[derive(Debug)]
pub enum Input<'a> {
    /// [`super::Announcer::deadline`] has come. Timers are looked at only now: a driver says what has arrived first,
    /// so that what came in time is not too late because the driver was.
    Tick,
    /// A check has answered to [`Action::Run`]. What comes after its timeout is ignored.
    Report {
        /// Which.
        check: CheckId,
        /// The number of the run, as it was asked for.
        run: u32,
        /// What it found.
        report: Report,
    },
    /// All checks at once, as an operator who cannot wait wants it.
    CheckNow,
    /// The operator wants the relay empty, or back.
    Drain(bool),
    /// How many other relays are healthy, once somebody knows; `None` if nobody does.
    Others(Option<u16>),
    /// This relay stands in for another one, or does no longer.
    Takeover(bool),
    /// The operator lets a relay that stands by take its calls again ([`super::health::FailBack::Manual`]).
    FailBack,
    /// The operator's hold on one prefix, or on all: not announced until [`Self::Announce`], whatever the health and
    /// whatever is reloaded.
    Withdraw(Option<Prefix>),
    /// Ends the hold on one prefix, or on all. For all it lets the relay fail back as well.
    Announce {
        /// Which, or all.
        prefix: Option<Prefix>,
        /// Announced even if the relay is down or RPKI is against it, until it is withdrawn or announced without.
        force: bool,
    },
    /// A neighbour has connected to us; the driver knows its address and nothing else of it.
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
        /// In words, for the operator.
        reason: &'a str,
    },
    /// Bytes came.
    Received {
        /// On which.
        connection: ConnectionId,
        /// In order; messages may begin and end anywhere in them.
        bytes: &'a [u8],
    },
    /// The kernel took bytes, or took none for a while.
    Sent {
        /// On which.
        connection: ConnectionId,
        /// Bytes of [`Action::Send`] that it has not taken yet.
        waiting: usize,
    },
    /// The connection is gone. Not said of those that [`Action::Close`] and [`Action::Abort`] ended.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// In words, for the operator.
        reason: &'a str,
    },
    /// What BFD says of the way to a neighbour, whenever that changes.
    Bfd {
        /// Which.
        neighbor: NeighborId,
        /// The way is there.
        up: bool,
        /// In words, for the operator.
        reason: &'a str,
    },
    /// An operator, here or at the neighbour's, has taken the session of BFD down: that says nothing of the way.
    BfdStopped {
        /// Which.
        neighbor: NeighborId,
        /// In words, for the operator.
        reason: &'a str,
    },
    /// Other settings. The driver has brought its own up to date before: what is asked for from now on uses the new
    /// places of checks and neighbours.
    Reload(Box<Settings>),
    /// Withdraw, linger, end the sessions, say [`Action::Stopped`]. The second time nothing is waited for.
    Shutdown,
}

/// One thing the driver must do. Actions are carried out in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Run a check; answer with [`Input::Report`].
    Run {
        /// Which.
        check: CheckId,
        /// To be repeated in the report.
        run: u32,
        /// After that nobody waits for it any more.
        timeout: Duration,
    },
    /// Open a TCP connection; answer with [`Input::Connected`] or [`Input::Failed`].
    Connect {
        /// Its name from now on.
        connection: ConnectionId,
        /// To whom.
        target: Target,
    },
    /// Write all of `bytes`, in order, and say with [`Input::Sent`] how it goes.
    Send {
        /// On which.
        connection: ConnectionId,
        /// Whole messages.
        bytes: Vec<u8>,
    },
    /// Close it after what waits has been written.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Close it at once, also if it does not stand yet.
    Abort {
        /// Which.
        connection: ConnectionId,
    },
    /// Run the operator's commands.
    Hook(Change),
    /// Something for the log.
    Event(Event),
    /// After [`Input::Shutdown`]: nothing more will be asked for. What was to be written before still is.
    Stopped,
}

/// Where a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A neighbour of BGP.
    Neighbor(NeighborId),
    /// A cache of RPKI: its place in [`super::settings::RpkiSettings::caches`].
    Rtr(u8),
}

/// A change of state, as commands of the operator learn of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: UnixTime,
    /// Before.
    pub previous: State,
    /// From now on.
    pub state: State,
    /// Why: one sentence each, the immediate cause first.
    pub reasons: Vec<String>,
    /// What is announced to at least one neighbour from now on.
    pub prefixes: Vec<Prefix>,
}

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What one wants to find in the log afterwards.
    Info,
    /// Worth an alert. Nothing that a neighbour can repeat as it likes.
    Warn,
}

/// Something for the log: a constant text, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// How loud.
    pub level: Level,
    /// Always the same words for the same kind of event.
    pub text: &'static str,
    /// Name and value.
    pub fields: Vec<(&'static str, String)>,
}

impl Event {
    /// For whoever looks for a fault.
    #[must_use]
    pub const fn debug(text: &'static str) -> Self {
        Self { level: Level::Debug, text, fields: Vec::new() }
    }

    /// What one wants to find in the log afterwards.
    #[must_use]
    pub const fn info(text: &'static str) -> Self {
        Self { level: Level::Info, text, fields: Vec::new() }
    }

    /// Worth an alert.
    #[must_use]
    pub const fn warn(text: &'static str) -> Self {
        Self { level: Level::Warn, text, fields: Vec::new() }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }
}

/// `text name=value name=value`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_connection_says_whose_it_is_and_who_opened_it() {
        for owner in [Owner::Bgp, Owner::Rpki] {
            let mut numbers = Numbers::of(owner);
            for _ in 0..5 {
                let drawn = numbers.draw();
                assert_eq!((drawn.owner(), drawn.0 % 2), (owner, 0));
            }
        }
        assert_eq!([1, 3, 5, 7].map(|odd| ConnectionId(odd).owner()), [Owner::Bgp; 4]);
    }

    #[test]
    fn an_event_reads_as_its_text_and_fields() {
        let event = Event::warn("session ended").with("neighbor", "gw-a").with("asn", 64512);
        assert_eq!(event.to_string(), "session ended neighbor=gw-a asn=64512");
    }
}
