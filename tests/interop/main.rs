//! Clients that we did not write, against the relay.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that it did not expect"
)]

mod api;
mod authority;
#[path = "../support/caller.rs"]
#[allow(dead_code, reason = "it serves other tests too, which need more of it")]
mod caller;
mod chromium;
mod coturn;
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/hop.rs"]
mod hop;
#[path = "../support/host.rs"]
#[allow(dead_code, reason = "it serves the tests with routers too, which need more of it")]
mod host;
mod ice_clients;
mod impaired;
mod lab;
mod operator_page;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "it serves the tests with routers too, which need more of it")]
mod process;
mod relay;
#[path = "../support/skip.rs"]
mod skip;
