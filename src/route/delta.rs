//! What changes in the route table.

use std::net::IpAddr;

use super::{Client, Endpoint, RelayId};
use crate::wire::channel_data::ChannelNumber;

/// One change, from the engine to every data path. Applying a delta twice is the same as once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// `relay` now serves `client`. An allocation of two families sends this twice, once per relay.
    AddRelay {
        /// The relayed transport address.
        relay: RelayId,
        /// Whom it serves.
        client: Client,
    },
    /// The client of `relay` is reached elsewhere from now on (RFC 8016).
    MoveRelay {
        /// The relayed transport address.
        relay: RelayId,
        /// The client's new address.
        client: Client,
    },
    /// `relay` is gone, with all its permissions and channels.
    RemoveRelay {
        /// The relayed transport address.
        relay: RelayId,
    },
    /// Packets from and to every port of `peer` may pass `relay`.
    AddPermission {
        /// The relayed transport address.
        relay: RelayId,
        /// The peer's address.
        peer: IpAddr,
    },
    /// They may no longer.
    RemovePermission {
        /// The relayed transport address.
        relay: RelayId,
        /// The peer's address.
        peer: IpAddr,
    },
    /// `channel` of the relay's client stands for `peer`. A permission for the peer's address holds as
    /// long as one was added; the channel alone permits nothing (RFC 8656 section 12).
    AddChannel {
        /// The relayed transport address.
        relay: RelayId,
        /// The number the client chose.
        channel: ChannelNumber,
        /// The peer it stands for.
        peer: Endpoint,
    },
    /// It no longer does.
    RemoveChannel {
        /// The relayed transport address.
        relay: RelayId,
        /// The number that is free again.
        channel: ChannelNumber,
    },
}

impl Delta {
    /// The relay that it is about.
    #[must_use]
    pub const fn relay(&self) -> RelayId {
        match self {
            Self::AddRelay { relay, .. }
            | Self::MoveRelay { relay, .. }
            | Self::RemoveRelay { relay }
            | Self::AddPermission { relay, .. }
            | Self::RemovePermission { relay, .. }
            | Self::AddChannel { relay, .. }
            | Self::RemoveChannel { relay, .. } => *relay,
        }
    }
}
