//! What was measured, as plain types: modes fill them, reports write them.
//!
//! Times are in the unit their names end in; shares are from 0 to 1; rates are per second.

mod call;
mod compare;
mod idle;
mod soak;

use serde::Serialize;

pub use call::{Call, DataChannel};
pub use compare::{Compare, Row, Spread};
pub use idle::{Idle, KernelMemory, Memory, ProcessMemory};
pub use soak::{Drift, Sample, Soak};

/// The result of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// This program's version.
    pub version: String,
    /// When the run began, in seconds since 1970.
    pub started: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked for.
    pub method: Method,
    /// What came out.
    pub result: Measured,
    /// What the reader should know before believing the figures, in sentences.
    pub notes: Vec<String>,
}

/// Where a run took place.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// `Linux 6.12.0`.
    pub system: String,
    /// The processor's name.
    pub processor: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
}

/// What was asked for, in the words of the command line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Method {
    /// Every server's name, address and transport.
    pub servers: Vec<ServerMethod>,
    /// Concurrent sessions (for `storm` those in flight).
    pub sessions: usize,
    /// How one flow sends.
    pub profile: String,
    /// Bytes of payload per packet.
    pub packet_bytes: usize,
    /// Packets per burst.
    pub burst: usize,
    /// Packets per second of one flow, as asked for.
    pub flow_rate: f64,
    /// `both`, `up` or `down`.
    pub direction: String,
    /// `channel` or `permission`.
    pub carriage: String,
    /// Whether sessions send to one another instead of to a peer.
    pub relay_to_relay: bool,
    /// Departures and arrivals per second.
    pub churn: f64,
    /// Seconds of one measured window.
    pub seconds: f64,
    /// Generator threads.
    pub threads: usize,
}

/// A server as it was asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServerMethod {
    /// What reports call it.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// `udp`, `tcp`, `tls`, `dtls`.
    pub transport: String,
    /// Its process, if its CPU was measured.
    pub pid: Option<u32>,
    /// What it calls itself (SOFTWARE).
    pub software: Option<String>,
}

/// What came out, by mode.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Measured {
    /// One rate, one window.
    Steady(Steady),
    /// The highest rate under a stated loss.
    Knee(Knee),
    /// Allocations per second.
    Storm(Storm),
    /// Memory per allocation.
    Idle(Idle),
    /// Many windows, looked through for drift.
    Soak(Soak),
    /// Real peer connections.
    Call(Call),
    /// Several servers in turn.
    Compare(Compare),
}

/// How opening the sessions went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Setup {
    /// How many were opened.
    pub sessions: usize,
    /// How long it took.
    pub seconds: f64,
    /// From the first request to the channel or permission, one session.
    pub latency: Latency,
    /// Requests sent again because no answer came in time.
    pub retransmissions: u64,
    /// The server's SOFTWARE attribute.
    pub software: Option<String>,
}

/// A stretch of time in which packets were counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Window {
    /// How long it was.
    pub seconds: f64,
    /// Client to peer (with relay-to-relay: everything).
    pub up: Flow,
    /// Peer to client.
    pub down: Flow,
    /// What the server's process spent; none when it cannot be seen.
    pub cpu: Option<ServerCpu>,
    /// What this program spent, and whether it kept its own time.
    pub generator: Generator,
    /// Sessions that left and came in the window.
    pub churned: u64,
    /// Requests that failed in the window (churn, refreshes), by code; 0 for no answer.
    pub failures: Vec<Count>,
    /// How it went over time.
    pub ticks: Vec<Tick>,
}

/// One direction of all sessions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flow {
    /// Packets that were handed to the kernel.
    pub sent: u64,
    /// Packets that arrived, each counted once.
    pub received: u64,
    /// Bytes of payload that arrived.
    pub bytes: u64,
    /// `sent - received`.
    pub lost: u64,
    /// `lost / sent`.
    pub loss: f64,
    /// Packets that arrived again.
    pub duplicated: u64,
    /// Packets that arrived after a later one.
    pub reordered: u64,
    /// Packets whose bytes were not those sent, or that came to the wrong session.
    pub corrupted: u64,
    /// Packets per second that arrived.
    pub rate: f64,
    /// From the call that sent to the call that received.
    pub latency: Latency,
    /// Interarrival jitter (RFC 3550 section 6.4.1): the sessions' median and highest, in microseconds.
    pub jitter_us: f64,
    /// The highest of any session.
    pub jitter_max_us: f64,
}

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// The lowest.
    pub min_us: f64,
    /// The average.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// Nine of ten are below.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// The highest.
    pub max_us: f64,
    /// `[share, microseconds]` along the curve, for plots.
    pub curve: Vec<(f64, f64)>,
}

/// What a server's process spent in a window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServerCpu {
    /// Nanoseconds on a processor, all threads, by the scheduler's own account.
    pub process_ns: u64,
    /// Of which in user mode (in ticks of the system: coarse).
    pub user_ns: u64,
    /// And in the kernel.
    pub system_ns: u64,
    /// What all processors of this machine spent in soft interrupts, whoever caused them.
    pub softirq_ns: u64,
    /// Packets that arrived in the window: what the figures below are divided by.
    pub packets: u64,
    /// `process_ns / packets`.
    pub ns_per_packet: f64,
    /// `(process_ns + softirq_ns) / packets`.
    pub ns_per_packet_with_softirq: f64,
    /// Processors' worth of time: 1.0 is one processor busy throughout.
    pub busy: f64,
    /// Resident memory at the end, in bytes.
    pub resident: u64,
}

/// What this program spent in a window, and whether it kept its own time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Generator {
    /// Nanoseconds on a processor, all generator threads.
    pub cpu_ns: u64,
    /// Processors' worth of time.
    pub busy: f64,
    /// The busiest generator thread.
    pub busiest: f64,
    /// How much later than planned packets left.
    pub lateness: Latency,
    /// Packets that were due.
    pub due: u64,
    /// Of which the kernel did not take (its send buffer was full).
    pub refused: u64,
    /// Of which were given up because the generator was more than a second late.
    pub skipped: u64,
    /// Datagrams lost in the generator's own receive buffers.
    pub overflowed: u64,
    /// Whether the generator and not the server may have been the limit.
    pub limited: bool,
}

/// The generator's own highest rate, against a bare reflector on this machine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ceiling {
    /// Packets per second, sent and received again.
    pub rate: f64,
    /// Nanoseconds of the generator's time per packet.
    pub generator_ns_per_packet: f64,
    /// Loss at that rate.
    pub loss: f64,
}

/// A moment of a window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tick {
    /// Seconds since the window began.
    pub at: f64,
    /// Packets sent since the moment before, both directions.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Median of their latency, in microseconds.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// The highest.
    pub max_us: f64,
    /// The server's processors' worth of time.
    pub server_busy: Option<f64>,
    /// The server's resident memory in bytes.
    pub resident: Option<u64>,
}

/// How often something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The STUN error code, 0 for no answer.
    pub code: u16,
    /// Words.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// One rate, one window.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Steady {
    /// How opening the sessions went.
    pub setup: Setup,
    /// What was counted.
    pub window: Window,
    /// The generator's own limit, if it was looked for.
    pub ceiling: Option<Ceiling>,
}

/// The highest rate under a stated loss.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Knee {
    /// How opening the sessions went.
    pub setup: Setup,
    /// The loss that was allowed.
    pub allowed_loss: f64,
    /// Packets per second that arrived at the highest rate under it, both directions.
    pub rate: f64,
    /// Whether the search ended at the server's limit (true), or at this program's or the range's (false).
    pub found: bool,
    /// What was counted there.
    pub window: Window,
    /// All rates that were tried, in order.
    pub steps: Vec<KneeStep>,
    /// The generator's own limit.
    pub ceiling: Option<Ceiling>,
}

/// One rate of a knee search.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KneeStep {
    /// Packets per second that were asked for, both directions.
    pub rate: f64,
    /// Packets per second that arrived.
    pub arrived: f64,
    /// The share that did not.
    pub loss: f64,
    /// 99 of 100 latencies, in microseconds, the worse direction.
    pub p99_us: f64,
    /// Nanoseconds of the server's time per packet.
    pub ns_per_packet: Option<f64>,
    /// Whether the generator may have been the limit.
    pub limited: bool,
}

/// Allocations per second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Storm {
    /// How many were in flight.
    pub in_flight: usize,
    /// How long it was.
    pub seconds: f64,
    /// Completed cycles: challenge, Allocate, ChannelBind, Refresh with lifetime 0.
    pub cycles: u64,
    /// `cycles / seconds`.
    pub rate: f64,
    /// Requests sent, retransmissions included.
    pub requests: u64,
    /// Requests sent again because no answer came in time.
    pub retransmissions: u64,
    /// One whole cycle.
    pub latency: Latency,
    /// Cycles that failed.
    pub failures: Vec<Count>,
    /// What the server spent; its `packets` are cycles.
    pub cpu: Option<ServerCpu>,
    /// What this program spent.
    pub generator: Generator,
    /// How it went over time: `sent` are cycles begun, `received` those completed.
    pub ticks: Vec<Tick>,
}
