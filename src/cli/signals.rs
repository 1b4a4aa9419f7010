//! What the system's signals want of a running relay.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Failure;

/// The signals that mean something to a relay.
pub(super) struct Signals {
    pub(super) hang_up: Signal,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    /// Look at everything now.
    pub(super) check: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            check: listen(SignalKind::user_defined1())?,
        })
    }

    /// Returns when somebody wants the end at once.
    pub(super) async fn hurry(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
