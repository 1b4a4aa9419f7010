//! A whole relay in this process, on the loopback interface, against clients of our own: every client transport, both
//! address families, relaying over UDP and TCP, several workers, bad input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so where it stands"
)]
#![allow(clippy::wildcard_enum_match_arm, reason = "what else a library may say is of no interest here")]

mod abuse;
mod calls;
mod client;
mod dtls;
mod fragments;
mod leases;
mod media;
mod nat_discovery;
mod overload;
mod relay;
mod self_test;
mod shortcut;
#[path = "../support/skip.rs"]
mod skip;
mod streams;
mod tap;
mod tcp_peers;
mod tls;
mod udp;
mod workers;
