//! What hours of load show.

use serde::Serialize;

use super::{Setup, Window};

/// Many windows, looked through for leaks and drift.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Soak {
    /// How opening the sessions went.
    pub setup: Setup,
    /// How long it was, all windows together.
    pub seconds: f64,
    /// What was seen at the end of each window.
    pub samples: Vec<Sample>,
    /// What the samples say together.
    pub drifts: Vec<Drift>,
    /// All windows together: counts are sums, latencies those of the worst window.
    pub whole: Window,
}

/// The end of a window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// Seconds since the soak began.
    pub at: f64,
    /// Packets sent in the window, both directions.
    pub sent: u64,
    /// Of which did not arrive.
    pub lost: u64,
    /// Their share.
    pub loss: f64,
    /// Packets whose bytes were not those sent.
    pub corrupted: u64,
    /// Median latency in microseconds, the worse direction.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// Nanoseconds of the server's time per packet.
    pub ns_per_packet: Option<f64>,
    /// Resident memory of the server's process in bytes.
    pub resident: Option<u64>,
    /// Its open descriptors.
    pub descriptors: Option<u64>,
}

/// What one figure did over the whole time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drift {
    /// Of what.
    pub figure: String,
    /// Its unit.
    pub unit: String,
    /// Where the fitted line begins.
    pub first: f64,
    /// And where it ends.
    pub last: f64,
    /// Units per hour (Theil–Sen).
    pub per_hour: f64,
    /// `last / first - 1`.
    pub growth: f64,
    /// How probable such a trend is where there is none (Mann–Kendall).
    pub probability: f64,
    /// The growth that is allowed.
    pub allowed: f64,
    /// Whether it grew for certain, and beyond what is allowed.
    pub exceeded: bool,
}
