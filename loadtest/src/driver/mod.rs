//! The threads that own all sockets, and what modes do with them.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::outcome::{Setup, Window};
use crate::plan::{Load, Plan, Target};
use crate::profile::Profile;
use crate::progress::Progress;

/// Sessions on one server, each with an allocation that is kept alive until they are closed. Media flows only while
/// it is measured. There may be several fleets at a time, of several servers.
#[derive(Debug)]
pub struct Fleet {}

/// What a window is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// What each flow sends.
    pub profile: Profile,
    /// How long media flows before it is counted.
    pub warm_up: Duration,
    /// How long it is counted.
    pub duration: Duration,
}

impl Measurement {
    /// The window that the command line asks for.
    #[must_use]
    pub const fn of(load: &Load) -> Self {
        Self { profile: load.profile, warm_up: load.warm_up, duration: load.duration }
    }
}

impl Fleet {
    /// Opens the plan's sessions on a server, and returns when all can carry media.
    ///
    /// # Errors
    /// One sentence about the first session that the server did not serve.
    pub fn open(_plan: &Plan, _target: &Target, _progress: &Arc<Progress>) -> Result<(Self, Setup), Failure> {
        Err(Failure::usage("the driver is not built yet"))
    }

    /// Lets media flow and counts it: warm-up, window, and the time it takes for the last packets to arrive. Ends
    /// early, with what there is, when the progress is cancelled.
    ///
    /// # Errors
    /// When the server or this machine gives up on the sessions.
    pub fn measure(&mut self, _measurement: Measurement) -> Result<Window, Failure> {
        Err(Failure::usage("the driver is not built yet"))
    }

    /// Deletes the allocations and closes all sockets.
    ///
    /// # Errors
    /// When a thread has died.
    pub fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}
