//! What the relay says about calls, against what was sent through it: schedules of RTP whose truth is known, replayed
//! through a whole relay over UDP and TCP, beside what another program says about the same packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so where it stands"
)]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are known to fit")]

mod beside_tshark;
mod capture;
mod check;
#[path = "../relay/client.rs"]
#[allow(dead_code, reason = "it serves another test too, which needs more of it")]
mod client;
mod counts;
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/hop.rs"]
mod hop;
mod impair;
#[path = "../relay/relay.rs"]
#[allow(dead_code, reason = "it serves another test too, which needs more of it")]
mod relay;
mod replay;
mod round_trips;
mod scenarios;
mod schedule;
#[path = "../support/skip.rs"]
mod skip;
mod truth;
mod tshark;
