//! Calls as operators see them: every allocation that lives, whether media passes or not.
//!
//! Plain values, made by the worker that has the allocation and handed out whole. A row is light: numbers that are there
//! anyway, and the figures of the last whole interval. What a call has been like in full is a [`CallDetail`].

use std::net::SocketAddr;
use std::time::Duration;

use super::{Loss, SessionDetail, SessionId, SessionInfo};
use crate::quality::{Directions, Legs};
use crate::time::UnixTime;

/// One allocation.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Whose it is. Its name is that of the first relayed address; it began when it was allocated.
    pub info: SessionInfo,
    /// Its other relayed address, where it has one of each family.
    pub second: Option<SecondAddress>,
    /// Relays TCP instead of UDP (RFC 6062).
    pub is_tcp: bool,
    /// A test call of the relay itself.
    pub is_self_test: bool,
    /// What is left of its lifetime, unless the client refreshes it.
    pub expires_in: Duration,
    /// Peers' addresses that may send.
    pub permissions: usize,
    /// Channels that are bound.
    pub channels: usize,
    /// Payloads that were let pass, without their headers.
    pub traffic: Directions<Traffic>,
    /// What passes; none before the first RTP packet, or where nobody listens.
    pub media: Option<CallMedia>,
}

impl CallRow {
    /// Whether it is known by this name: that of either relayed address.
    #[must_use]
    pub fn is_called(&self, id: SessionId) -> bool {
        self.info.id == id || self.second.is_some_and(|second| second.id == id)
    }
}

/// Every allocation, as far as its workers have answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallRows {
    /// One each.
    pub rows: Vec<CallRow>,
    /// False if a worker that lives was too slow: some of its allocations are missing.
    pub is_complete: bool,
}

/// A worker that lives has not answered in time, so nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker does not answer in time")]
pub struct Silence;

/// The second relayed address of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondAddress {
    /// Its name.
    pub id: SessionId,
    /// As peers know it.
    pub relayed: SocketAddr,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// The media of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallMedia {
    /// The relayed address that it passes: its session's name.
    pub session: SessionId,
    /// The first RTP packet.
    pub began: UnixTime,
    /// How long no stream has had a packet.
    pub idle: Duration,
    /// The last whole interval, by the leg that the figures are about.
    pub legs: Legs<LegFigures>,
    /// What most packets are marked with.
    pub dscp: Directions<DscpChange>,
}

/// How a leg was in the last whole interval. None of them is there before the first has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LegFigures {
    /// The mean opinion score of what came by this leg.
    pub mos: Option<f64>,
    /// Percent of the expected packets that it has lost; none if no packet was expected.
    pub loss_percent: Option<f64>,
    /// The greatest jitter.
    pub jitter: Option<Duration>,
    /// The mean round trip.
    pub rtt: Option<Duration>,
}

/// What becomes of the marks of one direction. Streams have none per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DscpChange {
    /// What most packets came with.
    pub came: Option<u8>,
    /// What those leave with.
    pub left: Option<u8>,
}

/// One allocation, with all that is known of it.
#[derive(Clone, Debug)]
pub struct CallDetail {
    /// The light form.
    pub row: CallRow,
    /// Packets of it that went nowhere, by reason.
    pub drops: Vec<(Loss, u64)>,
    /// Its media, with history, once there has been any.
    pub session: Option<SessionDetail>,
}
