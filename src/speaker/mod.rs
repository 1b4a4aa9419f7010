//! The announcer's hands: sockets of BGP and RTR, the checks, BFD, and the operator's commands, each on threads that
//! carry no packet of a call.
//!
//! | file | what it owns | thread |
//! |---|---|---|
//! | [`settings`] | what only the drivers must know | |
//! | [`handle`] | questions and wishes of operators, by a bounded mailbox | any |
//! | [`bfd`] | sessions of BFD, fed by the workers' hearts | `tern-bfd` |
//! | [`checks`] | what is looked at to know the relay's health | |
//!
//! What is announced is decided by [`crate::announce`], a pure state machine; here is nothing but its contact with the
//! world. Nothing waits for the control plane, and no worker waits for anything here.

pub mod bfd;
pub mod checks;
pub mod handle;
pub mod settings;

pub use handle::{Handle, Inbox, Mail, Silence, View};
pub use settings::{BfdSettings, HookSettings, NeighborSockets, SecretKey, Settings};
