//! The kinds of checks, and what each of them calls well.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::route::{ListenerId, Transport};

/// What a check looks at. How often, and what its failure means, is in [`crate::announce::health::CheckSettings`] at the
/// same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A call of our own through one worker's data path.
    SelfTest(SelfTest),
    /// Whether a worker's loop turns.
    Heartbeat {
        /// Its number.
        worker: u8,
    },
    /// What our own queues have dropped since the last look.
    QueueLoss {
        /// More than this share of what came, in percent, is bad.
        percent: u8,
    },
    /// How busy the busiest worker was since the last look.
    Busy {
        /// More than this share of its time is poor.
        percent: u8,
    },
    /// Packets of all workers since the last look, against what this machine can carry.
    Packets {
        /// More than that is poor.
        per_second: u64,
    },
    /// Relay ports that nobody has.
    Ports {
        /// A smaller share of all, in percent, is poor; none is bad.
        percent: u8,
    },
    /// Allocations that the quota of the relay still admits.
    Quota {
        /// A smaller share of all, in percent, is poor.
        percent: u8,
    },
    /// Certificates of the listeners.
    Certificate {
        /// One that ends within so many days is poor, one that has ended is bad.
        days: u16,
    },
    /// The wall clock against the one that only goes forward.
    Clock {
        /// A larger step since the last look is poor.
        step: Duration,
    },
    /// A file of the operator's.
    File {
        /// Where.
        path: PathBuf,
        /// It has to be there; or else it must not.
        present: bool,
    },
    /// A command of the operator's; it has to end with 0. The first line that it writes is the detail.
    Command {
        /// The program and its arguments; no shell.
        argv: Vec<String>,
    },
    /// How good the calls are, across all of them.
    Quality {
        /// A call with a lower score (MOS, in hundredths) is a bad one.
        score: u16,
        /// More bad ones among those that are measured, in percent, are poor.
        percent: u8,
        /// With fewer calls than that nothing is said.
        calls: u32,
    },
}

/// Which way a call of our own takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// The listener.
    pub listener: ListenerId,
    /// How the client speaks to it.
    pub transport: Transport,
    /// The address that the client connects to: the anycast address for a listener on all addresses, else its own.
    pub address: IpAddr,
    /// The worker that has to serve it.
    pub worker: u8,
}
