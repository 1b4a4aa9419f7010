//! The relay as a whole: binds the listeners, starts the workers, swaps their settings, stops them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine;
use crate::route::Transport;
use crate::worker::WorkerSettings;

/// All that a relay is started from. `config` fills it; tests write it by hand.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Worker threads, 1 to 64.
    pub workers: u8,
    /// Listeners, streams, media.
    pub worker: WorkerSettings,
    /// What the engines are told; its listeners are those of `worker`, in the same order.
    pub engine: Arc<engine::Settings>,
}

/// Why the relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(String),
    /// A listener's socket could not be had.
    #[error("cannot listen on {transport:?} {address}: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What for.
        transport: Transport,
        /// What is wrong and what to do.
        reason: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A certificate or key could not be used.
    #[error("{0}")]
    Certificate(String),
    /// The system refused a thread, a descriptor or memory.
    #[error("cannot start a worker: {0}")]
    Resources(#[source] io::Error),
}

impl StartError {
    /// Whether the configuration has to change (exit code 78) rather than the machine (exit code 1).
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Settings(_) | Self::Certificate(_))
    }
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Settings that hold from now on.
    pub applied: Vec<String>,
    /// Settings that were left as they are until the relay is started again.
    pub needs_restart: Vec<String>,
}
