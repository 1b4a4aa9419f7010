//! What an operator is shown of a session.

use std::time::Duration;

use super::{Reason, Settings};
use crate::time::{Time, UnixTime};
use crate::wire::bfd::{Diagnostic, State};

/// How often what happened, since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets sent.
    pub sent: u64,
    /// Packets taken.
    pub received: u64,
    /// Packets that named another session, or came while this one is held down by its operator.
    pub ignored: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it was up no more.
    pub downs: u64,
}

/// One session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Here.
    pub state: State,
    /// As the neighbour last said.
    pub remote_state: State,
    /// Why this end last went down, as its packets say it.
    pub diagnostic: Diagnostic,
    /// Likewise of the neighbour.
    pub remote_diagnostic: Diagnostic,
    /// This end's number of the session.
    pub discriminator: u32,
    /// The neighbour's; zero if it is not known.
    pub remote_discriminator: u32,
    /// Whether the data path answers. The session stays down while it does not.
    pub healthy: bool,
    /// When the state was entered.
    pub since: UnixTime,
    /// When and why it was last up no more.
    pub last_down: Option<(UnixTime, Reason)>,
    /// Between packets of this end, before jitter; none if the neighbour wants none.
    pub interval: Option<Duration>,
    /// After how long a silence the neighbour is gone; none if it is not heard.
    pub detection: Option<Duration>,
    /// When its last packet came.
    pub heard: Option<Time>,
    /// As configured.
    pub settings: Settings,
    /// The interval at which the neighbour would like to send.
    pub remote_transmit: Duration,
    /// The shortest interval that it can take; zero if it wants no packets.
    pub remote_receive: Duration,
    /// Its multiplier; zero if it is not known.
    pub remote_multiplier: u8,
    /// Counters.
    pub counts: Counts,
}
