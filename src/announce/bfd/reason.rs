//! Why a session changed its state.

use std::fmt;
use std::time::Duration;

use crate::wire::bfd::Diagnostic;

/// What led to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The neighbour is heard.
    Heard,
    /// Nothing was heard of it for so long.
    Silence(Duration),
    /// It says that it is down, and why.
    Neighbor(Diagnostic),
    /// Its operator has taken the session down.
    NeighborStopped,
    /// The data path of this machine does not answer.
    Unhealthy,
    /// This end's operator has taken the session down, or the process ends.
    Stopped,
}

impl Reason {
    /// Whether it means that packets are not forwarded.
    pub(super) const fn is_failure(self) -> bool {
        match self {
            Self::Silence(_) | Self::Neighbor(_) | Self::Unhealthy => true,
            Self::Heard | Self::NeighborStopped | Self::Stopped => false,
        }
    }

    /// What the packets say of it (section 4.1).
    pub(super) const fn diagnostic(self) -> Diagnostic {
        match self {
            Self::Heard => Diagnostic::NONE,
            Self::Silence(_) => Diagnostic::DETECTION_TIME_EXPIRED,
            Self::Neighbor(_) | Self::NeighborStopped => Diagnostic::NEIGHBOR_SIGNALED_DOWN,
            Self::Unhealthy => Diagnostic::FORWARDING_PLANE_RESET,
            Self::Stopped => Diagnostic::ADMINISTRATIVELY_DOWN,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard => f.write_str("the neighbor is heard"),
            Self::Silence(time) => write!(f, "nothing was heard for {} ms", time.as_millis()),
            Self::Neighbor(diagnostic) => write!(f, "the neighbor says that it is down: {diagnostic}"),
            Self::NeighborStopped => f.write_str("the neighbor's operator has taken the session down"),
            Self::Unhealthy => f.write_str("this relay's data path does not answer"),
            Self::Stopped => f.write_str("taken down by this relay"),
        }
    }
}
