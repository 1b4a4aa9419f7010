//! The engine against the RFCs, one behaviour a test. Time is an argument and sockets are the test's own, so that every
//! run is the same and none waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a failed assertion is what this is for"
)]

#[path = "../support/engine/mod.rs"]
#[allow(dead_code, reason = "shared with the fuzz target")]
pub mod engine;

mod allocate;
mod binding;
mod channel;
mod credentials;
mod errors;
mod events;
mod families;
mod icmp;
mod lifecycle;
mod mobility;
mod overload;
mod permission;
mod refresh;
mod reservation;
mod retransmission;
mod sequences;
mod tcp_relay;
mod timers;
mod unproven;
mod workers;
