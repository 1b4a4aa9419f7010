//! The TURN server as a state machine: bytes in, actions out, time passed in.

pub mod auth;
mod event;
mod io;
pub mod limits;
pub mod peer;
pub mod ports;
pub mod random;
mod settings;
pub mod timer;

pub use event::{DropReason, Event, ReleaseCause};
pub use io::{Action, ConnectionId, IcmpError, Input, OpenError, OwnerId, RelayAddress, RelayKind};
pub use settings::{
    DefaultFamily, Lifetimes, ListenerSettings, NatDiscovery, Redirect, RelaySettings, SessionLimits,
    Settings,
};
