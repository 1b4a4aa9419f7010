//! BGP-4 towards the neighbours of the relay, as far as one needs it who only announces (RFC 4271).
//!
//! [`Speaker`] keeps a state machine per neighbour and is told by the policy what each neighbour shall know. It announces
//! nothing else (RFC 8212), imports nothing, and what it is sent is judged (RFC 7606), counted and forgotten. A neighbour
//! can end its own session and nothing more: whatever it sends, the others do not notice, and what it makes us remember
//! is bounded.
//!
//! [`super::Announcer`] drives it: `handle`, then `poll` until there is nothing more, then nothing until `deadline`.

mod backoff;
mod change;
mod connection;
mod context;
mod dialogue;
mod fall;
mod imports;
mod neighbor;
mod opening;
mod pace;
mod record;
mod rib;
mod session;
mod settings;
mod shown;
mod speaker;
#[cfg(test)]
mod tests;
mod view;

pub use settings::{Export, NeighborSettings, Settings};
pub use speaker::{Input, Speaker};
pub use view::{Announced, Failure, NeighborView, Notice, SessionState, SessionView, Withheld};
