//! The health announcer: while, and only while, this relay can carry calls, its neighbours hear its prefixes.
//!
//! Reports of checks become a state ([`health`]), the state becomes attributes per neighbour and prefix ([`policy`]), and
//! those become messages ([`bgp`]). All of it is a pure state machine in the manner of the engine: time passed in, bytes in,
//! actions out. The room `speaker` drives it with sockets, on a thread of its own.
//!
//! Whoever drives a machine of this room calls `handle(now, input)`, then `poll()` until there is nothing more, then
//! sleeps until `deadline()`.

pub mod bgp;
pub mod health;
mod io;
pub mod policy;
pub mod settings;

pub use io::{
    Action, Change, CheckId, ConnectionId, Event, Input, Level, NeighborId, Numbers, Owner, PrefixId, Target,
};
pub use settings::Settings;

use policy::Attributes;

use crate::wire::bgp::Prefix;

/// Everything an operator may want to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The state, its checks and its history.
    pub health: health::HealthView,
    /// One per neighbour and prefix.
    pub routes: Vec<RouteView>,
}

/// What one neighbour is to hear of one prefix, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Who.
    pub neighbor: NeighborId,
    /// What.
    pub prefix: Prefix,
    /// With what; `None` if it is not announced.
    pub attributes: Option<Attributes>,
    /// One sentence each, the deciding rule first.
    pub why: Vec<String>,
}
