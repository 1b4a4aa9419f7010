//! A TURN client in miniature: a way to a server ([`Carrier`]) and one question at a time ([`Exchange`]).
//!
//! The relay tests itself with it (`speaker::checks`), and `tern probe` any server. It owns sockets and sessions, but
//! neither thread nor clock: whoever uses it waits for the sockets and passes the time in. Nothing here blocks, and nothing
//! is retransmitted here: a question that nobody answers is sent again by whoever waits for the answer.

mod broken;
mod carrier;
mod exchange;

pub use broken::Broken;
pub use carrier::{Carrier, Route, Tools};
pub use exchange::{Ask, Challenge, Exchange, Login, Refusal, Reply};
