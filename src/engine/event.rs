//! What the engine reports of itself. The worker counts every event by its kind and reason; some are logged.

use std::time::Duration;

use super::OwnerId;
use crate::route::{FiveTuple, RelayId};

/// One countable occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request or indication was dropped without an answer.
    Dropped(DropReason),
    /// A request was answered with this STUN error code.
    Refused {
        /// Of the request.
        method: u16,
        /// 300 to 699.
        code: u16,
    },
    /// A request was answered with success.
    Served {
        /// Of the request.
        method: u16,
    },
    /// An allocation came into being.
    Allocated {
        /// Its first relay.
        relay: RelayId,
        /// Its client.
        tuple: FiveTuple,
        /// Its user.
        owner: OwnerId,
    },
    /// A client has answered a challenge (401, 438), just after it was sent.
    Challenged {
        /// A relay of its allocation.
        relay: RelayId,
        /// From the challenge to the answer: the network's round trip and the client's own time. An answer that was lost
        /// and sent again makes it longer.
        turnaround: Duration,
    },
    /// An allocation ended.
    Released {
        /// Its first relay.
        relay: RelayId,
        /// Its user.
        owner: OwnerId,
        /// Why.
        cause: ReleaseCause,
    },
    /// An Allocate was refused because there is too much to do already.
    Shed,
    /// An allocation moved with its client (RFC 8016).
    Moved {
        /// Its first relay.
        relay: RelayId,
    },
}

/// Why input was dropped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Not a well-formed STUN message.
    Malformed,
    /// FINGERPRINT was there and wrong.
    Fingerprint,
    /// A response, or an indication that a server does not take.
    Unexpected,
    /// A method that no RFC here defines.
    UnknownMethod,
    /// An unproven source prefix has had its share of answers.
    AnswerRate,
    /// A source that no answer may be sent to: port 0, multicast, our own.
    Source,
    /// The reply could not be written.
    Internal,
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseCause {
    /// Refresh with lifetime zero.
    Client,
    /// Its lifetime ran out.
    Expired,
    /// Its connection closed.
    Disconnected,
    /// The operator ended it.
    Operator,
}
