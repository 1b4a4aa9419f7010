//! What a run is doing right now. Generator threads and modes add to it; a renderer reads it whenever it likes.
//!
//! All numbers are totals since the start; a renderer takes differences to show rates.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Shared between the modes, the generator threads and a renderer.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<Phase>,
    label: Mutex<String>,
    /// Sessions that are wanted.
    pub sessions_wanted: AtomicU64,
    /// Sessions that are ready to carry media now.
    pub sessions_ready: AtomicU64,
    /// Media packets sent, both directions.
    pub sent: AtomicU64,
    /// Media packets received, both directions.
    pub received: AtomicU64,
    /// Bytes of media payload received.
    pub bytes: AtomicU64,
    /// Received packets that were not what was sent.
    pub corrupted: AtomicU64,
    /// Cycles of a storm, calls of a call test: whatever the mode counts.
    pub cycles: AtomicU64,
    /// Requests that failed.
    pub failures: AtomicU64,
    /// The highest latency since a renderer last took it, in nanoseconds.
    pub highest_latency: AtomicU64,
    /// Nanoseconds of the highest lateness of the generator since a renderer last took it.
    pub highest_lateness: AtomicU64,
    cancelled: Arc<AtomicBool>,
}

/// A stretch of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phase {
    /// What is being done, in a few words: `opening 1000 sessions`.
    pub what: String,
    /// When it began, in nanoseconds of `clock`.
    pub began: u64,
    /// How long it is meant to take, in nanoseconds; 0 when nobody knows.
    pub planned: u64,
}

impl Progress {
    /// Begins a stretch of the run.
    pub fn begin(&self, what: impl Into<String>, planned: std::time::Duration) {
        let planned = u64::try_from(planned.as_nanos()).unwrap_or(u64::MAX);
        let label = self.label.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let what = if label.is_empty() { what.into() } else { format!("{label}, {}", what.into()) };
        let phase = Phase { what, began: crate::clock::now().0, planned };
        *self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }

    /// Begins every following stretch's name: `round 2 of 5, coturn`.
    pub fn label(&self, label: String) {
        *self.label.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = label;
    }

    /// The current stretch.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Asks the run to end early and report what it has.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Has SIGINT and SIGTERM cancel the run; the second of them ends the process.
    ///
    /// # Errors
    /// None but the system's.
    pub fn cancel_on_signals(&self) -> std::io::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down.
            let exit = 128 + signal;
            signal_hook::flag::register_conditional_shutdown(signal, exit, Arc::clone(&self.cancelled))?;
            signal_hook::flag::register(signal, Arc::clone(&self.cancelled))?;
        }
        Ok(())
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
