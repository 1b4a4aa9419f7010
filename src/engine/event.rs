//! What the engine reports of itself. The worker counts every event by its kind and reason; some are logged.

use std::net::SocketAddr;
use std::time::Duration;

use super::OwnerId;
use super::auth::{AuthMethod, AuthResult};
use crate::route::{FiveTuple, RelayId};
use crate::time::UnixTime;

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
        /// Where it came from.
        client: FiveTuple,
        /// Who sent it.
        who: Who,
        /// A relay of the client's allocation; none is looked for if nobody knows who sent it.
        relay: Option<RelayId>,
        /// Why who sent it has not proven it.
        fault: Option<AuthResult>,
        /// The peer that was refused by policy, or for its family.
        peer: Option<SocketAddr>,
        /// A test call of the relay itself.
        is_probe: bool,
    },
    /// Somebody has tried to prove who he is.
    Authenticated {
        /// How.
        method: AuthMethod,
        /// What came of it.
        result: AuthResult,
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
        /// A test call of the relay itself.
        is_probe: bool,
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
        /// The other one, if it had two.
        second: Option<RelayId>,
        /// Its client, at the end.
        tuple: FiveTuple,
        /// Its user.
        owner: OwnerId,
        /// When it began.
        began: UnixTime,
        /// Why.
        cause: ReleaseCause,
        /// A test call of the relay itself.
        is_probe: bool,
    },
    /// A client has refreshed its allocation when it was nearly over: a packet more lost, and the call had ended.
    RefreshedLate {
        /// Its first relay.
        relay: RelayId,
        /// Its client.
        tuple: FiveTuple,
        /// Its user.
        owner: OwnerId,
        /// What was left of its lifetime.
        left: Duration,
    },
    /// An Allocate was refused because there is too much to do already.
    Shed,
    /// An allocation moved with its client (RFC 8016).
    Moved {
        /// Its first relay.
        relay: RelayId,
        /// Its user.
        owner: OwnerId,
        /// Where its client was.
        from: FiveTuple,
        /// Where it is now.
        to: FiveTuple,
        /// A test call of the relay itself.
        is_probe: bool,
    },
}

/// Who has sent a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// It does not say, or nothing that leads anywhere.
    #[default]
    Unknown,
    /// So it says.
    Claims(OwnerId),
    /// It has proven it.
    Is(OwnerId),
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
