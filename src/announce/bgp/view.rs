//! What an operator may want to know of a neighbour, as plain values.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::announce::io::NeighborId;
use crate::announce::policy::Attributes;
use crate::time::Now;
use crate::wire::bgp::{Asn, Family, Prefix, Reason, RouterId};

/// The states of RFC 4271 section 8.2.2. With two connections it is that of the one that has come further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// Nothing is tried at present.
    Idle,
    /// Between two attempts to connect, or waiting for the neighbour's.
    Active,
    /// A connection is being opened.
    Connect,
    /// A connection stands, our OPEN is on its way.
    OpenSent,
    /// Both OPENs are good.
    OpenConfirm,
    /// A session.
    Established,
}

impl SessionState {
    /// As RFC 4271 has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Active => "Active",
            Self::Connect => "Connect",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The last NOTIFICATION, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// By us.
    pub is_sent: bool,
    /// Its code and subcode.
    pub reason: Reason,
    /// All of it, text and data included, in words.
    pub words: String,
    /// When.
    pub at: Now,
}

/// Why there was no session, or is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the operator, with what to do where that is known.
    pub words: String,
    /// When.
    pub at: Now,
}

/// A prefix as it has been announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Which.
    pub prefix: Prefix,
    /// With what. The next hop is an address here.
    pub attributes: Attributes,
}

/// A prefix that the policy wants announced and this session cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Which.
    pub prefix: Prefix,
    /// Why, and what to do.
    pub reason: String,
}

/// What there is only while a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The neighbour's identifier.
    pub router_id: RouterId,
    /// The lower of both hold times; zero if there are no keepalives.
    pub hold: Duration,
    /// A third of that: the longest time between two messages of ours.
    pub keepalive: Duration,
    /// Until the session ends if nothing comes.
    pub hold_left: Option<Duration>,
    /// What both sides offer.
    pub families: Vec<Family>,
    /// What the neighbour has offered, in words.
    pub capabilities: Vec<String>,
    /// Prefixes that it announces at present. None is kept.
    pub received: Vec<(Family, usize)>,
    /// What it has been told.
    pub announced: Vec<Announced>,
    /// What it should have been told.
    pub withheld: Vec<Withheld>,
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborView {
    /// Its place.
    pub id: NeighborId,
    /// As the operator calls it.
    pub name: Box<str>,
    /// Where it is configured to be.
    pub address: IpAddr,
    /// The port that we connect to.
    pub port: u16,
    /// Its configured number.
    pub asn: Asn,
    /// We do not connect to it.
    pub passive: bool,
    /// How far it has come.
    pub state: SessionState,
    /// Since when a session stands, or since when there is none.
    pub since: Now,
    /// Why nothing is tried, if it is not.
    pub halted: Option<&'static str>,
    /// Until the next attempt, if that is a question of time.
    pub next_attempt: Option<Duration>,
    /// Our end of the connection that has come furthest.
    pub local: Option<SocketAddr>,
    /// Its other end.
    pub remote: Option<SocketAddr>,
    /// The session, while one stands.
    pub session: Option<SessionView>,
    /// Sessions so far.
    pub established: u64,
    /// Sessions that have ended without our wish.
    pub lost: u64,
    /// UPDATEs whose routes were taken as withdrawn (RFC 7606), over all sessions.
    pub treated_as_withdraw: u64,
    /// UPDATEs of which an attribute was ignored (RFC 7606), over all sessions.
    pub discarded: u64,
    /// The last NOTIFICATION.
    pub last_notification: Option<Notice>,
    /// Why there was no session the last time. Remains after it is mended.
    pub last_failure: Option<Failure>,
    /// The last failure that said why, if [`Self::last_failure`] does not and no session came between.
    pub failure_cause: Option<Failure>,
    /// What BFD says, where it runs beside the session.
    pub bfd: Option<bool>,
}
