//! The health announcer: while, and only while, this relay can carry calls, its neighbours hear its prefixes.
//!
//! Reports of checks become a state ([`health`]), the state becomes attributes per neighbour and prefix ([`policy`]), and
//! those become messages ([`bgp`]), unless the origin of a prefix is one that the RPKI forbids ([`rpki`]). Beside that, and
//! fed by the data path alone, BFD tells each neighbour that this end lives ([`bfd`]). All of it are pure state machines in
//! the manner of the engine: time passed in, bytes in, actions out. The room `speaker` drives them with sockets, on threads
//! of their own.
//!
//! Whoever drives a machine of this room calls `handle(now, input)`, then `poll()` until there is nothing more, then
//! sleeps until `deadline()`.

mod announcer;
pub mod bfd;
pub mod bgp;
mod dice;
pub mod health;
mod io;
pub mod policy;
pub mod rpki;
pub mod settings;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use announcer::Announcer;
pub use io::{
    Action, Change, CheckId, ConnectionId, Event, Input, Level, NeighborId, Numbers, Owner, PrefixId, Target,
};
pub use settings::Settings;
pub use view::{RouteView, View};
