//! What real calls give.

use serde::Serialize;

use super::{Count, Flow, Latency, ServerCpu, Tick};

/// Real peer connections of the `webrtc` crate. Packets, losses, round trips and jitter are what that stack says of
/// itself; one-way latencies come from the time that each packet carries, which both ends' common clock allows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Call {
    /// How many were asked for. Each has two ends and two allocations.
    pub calls: usize,
    /// How many came about.
    pub connected: usize,
    /// How long media flowed.
    pub seconds: f64,
    /// From creating both ends until the data channel was open.
    pub connect: Latency,
    /// Both ends' audio.
    pub audio: Flow,
    /// Packets that the ends' receiver reports call lost.
    pub reported_lost: i64,
    /// Round trips by the ends' RTCP reports.
    pub round_trip: Latency,
    /// Both ends' data channels.
    pub data: DataChannel,
    /// Calls that did not come about, by reason.
    pub failures: Vec<Count>,
    /// What the server spent.
    pub cpu: Option<ServerCpu>,
    /// How the audio went over time.
    pub ticks: Vec<Tick>,
    /// The server's SOFTWARE attribute.
    pub software: Option<String>,
}

/// Data channels: reliable and in order, so that loss shows as latency.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DataChannel {
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that arrived.
    pub received: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// From one end to the other.
    pub latency: Latency,
}
