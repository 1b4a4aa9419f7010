//! The kinds of checks, and what each of them calls well.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::route::{ListenerId, Transport};

/// What a check looks at. How often, and what its failure means, is in [`crate::announce::health::CheckSettings`] at the
/// same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A call of our own through one worker's data path. A relay that is full, or sends calls elsewhere, is poor.
    SelfTest(SelfTest),
    /// Whether a worker's loop turns.
    Heartbeat {
        /// Its number.
        worker: u8,
    },
    /// What our own queues have dropped since the last look.
    QueueLoss {
        /// This share of what came, in percent, or more is bad.
        percent: u8,
    },
    /// How busy the busiest worker was since the last look.
    Busy {
        /// This share of its time, in percent, or more is poor.
        percent: u8,
    },
    /// Packets of all workers since the last look, against what this machine can carry.
    Packets {
        /// As many or more are poor.
        per_second: u64,
    },
    /// Relay ports that nobody has.
    Ports {
        /// A smaller share of the scarcer family's, in percent, is poor.
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
    /// The wall clock against the one that only goes forward. A year that cannot be is bad.
    Clock {
        /// A larger jump since the last look is poor, for ten seconds.
        step: Duration,
    },
    /// A file of the operator's.
    File {
        /// Where.
        path: PathBuf,
        /// It has to be there; or else it must not.
        present: bool,
    },
    /// A command of the operator's; it has to end with 0. The first line that it writes is the detail. When its time is
    /// over it is killed, and so is what it has started.
    Command {
        /// The program and its arguments; no shell.
        argv: Vec<String>,
    },
    /// How good the calls are, across all of them.
    Quality {
        /// A voice that sounds worse than this MOS, in hundredths, is a bad one. It is brought down to a limit of G.109: 258,
        /// 310, 360, 403, 434.
        score: u16,
        /// This share of the time of voices that were rated since the last look, in percent, or more is poor.
        percent: u8,
        /// With fewer calls than that nothing is said.
        calls: u32,
    },
}

/// Which way a call of our own takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
