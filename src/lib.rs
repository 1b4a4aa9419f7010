//! Tern: a STUN/TURN media relay for WebRTC.
//!
//! Start at [`server`] for how the parts are wired, at [`worker`] for the way of a packet, at
//! [`engine`] for what the relay knows about its clients.

pub mod announce;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod control;
pub mod engine;
pub mod metrics;
pub mod net;
pub mod quality;
pub mod route;
pub mod server;
pub mod speaker;
pub mod time;
pub mod wire;
pub mod worker;
