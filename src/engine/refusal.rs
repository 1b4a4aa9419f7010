//! Why a request is refused, and the error response that says so.

use std::net::SocketAddr;

use crate::wire::stun::AttributeType;

/// The error codes that this server sends (RFC 8489 section 14.8, RFC 8656 section 19, RFC 6062 section 6.3, RFC 8016
/// section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    TryAlternate,
    BadRequest,
    Unauthenticated,
    Forbidden,
    MobilityForbidden,
    UnknownAttribute,
    AllocationMismatch,
    StaleNonce,
    AddressFamilyNotSupported,
    WrongCredentials,
    UnsupportedTransport,
    PeerFamilyMismatch,
    ConnectionExists,
    ConnectionFailed,
    QuotaReached,
    InsufficientCapacity,
}

impl Code {
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::TryAlternate => 300,
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::MobilityForbidden => 405,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::AddressFamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::PeerFamilyMismatch => 443,
            Self::ConnectionExists => 446,
            Self::ConnectionFailed => 447,
            Self::QuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::TryAlternate => "Try Alternate",
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "Unauthenticated",
            Self::Forbidden => "Forbidden",
            Self::MobilityForbidden => "Mobility Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "Stale Nonce",
            Self::AddressFamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransport => "Unsupported Transport Protocol",
            Self::PeerFamilyMismatch => "Peer Address Family Mismatch",
            Self::ConnectionExists => "Connection Already Exists",
            Self::ConnectionFailed => "Connection Timeout or Failure",
            Self::QuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }

    /// RFC 8489 sections 9.2.4 and 14.8: these carry REALM and NONCE, so that the client can try again.
    pub(super) const fn challenges(self) -> bool {
        matches!(self, Self::Unauthenticated | Self::StaleNonce)
    }
}

/// A refused request: the code, and what that code must carry.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) unknown: Vec<AttributeType>,
    pub(super) alternate: Option<SocketAddr>,
    /// The peer that it is about, for the journal.
    pub(super) peer: Option<SocketAddr>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, unknown: Vec::new(), alternate: None, peer: None }
    }
}

impl Refusal {
    /// 420 with the attributes that were not understood (RFC 8489 section 14.10).
    pub(super) fn unknown(unknown: Vec<AttributeType>) -> Self {
        Self { unknown, ..Code::UnknownAttribute.into() }
    }

    /// Of a request that names this peer.
    pub(super) fn of_peer(code: Code, peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..code.into() }
    }

    /// 300 with the server to go to (RFC 8489 section 10).
    pub(super) fn alternate(server: SocketAddr) -> Self {
        Self { alternate: Some(server), ..Code::TryAlternate.into() }
    }
}
