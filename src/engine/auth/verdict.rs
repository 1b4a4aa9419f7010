//! What authentication finds: a user, or why not.

use super::claim::AuthMethod;
use super::key::IntegrityKey;
use super::nonce::{NonceFault, Turnaround};
use super::oauth::TokenFault;
use crate::engine::OwnerId;
use crate::time::UnixTime;

/// A request whose sender is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The name for people: USERNAME, or the name behind USERHASH, or the ID of the key that sealed a token.
    pub user: Vec<u8>,
    /// Who pays.
    pub owner: OwnerId,
    /// What the answer is signed with.
    pub key: IntegrityKey,
    /// When the access token ends: no allocation may be granted beyond (RFC 7635 section 9).
    pub expires: Option<UnixTime>,
    /// The relay of the fleet that issued the nonce.
    pub nonce_relay: u16,
    /// How long ago this relay challenged it, if that was just now.
    pub turnaround: Option<Turnaround>,
    pub(super) kind: Kind,
}

impl Authenticated {
    /// Whether this is a test call of the relay itself. It is no user, and no user's limits are its own.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.kind == Kind::Probe
    }

    /// How it proved who it is.
    #[must_use]
    pub fn method(&self) -> AuthMethod {
        self.kind.into()
    }

    /// What an allocation keeps of its owner, from its Allocate and again from each Refresh: a new token has a new key.
    #[must_use]
    pub fn session(&self) -> Session {
        let expires = self.expires.unwrap_or(UnixTime(u64::MAX));
        Session { owner: self.owner, key: self.key, kind: self.kind, expires }
    }
}

/// What an allocation keeps of its owner, in 56 bytes, so that a call outlives the time-limited credential that it
/// began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub(super) owner: OwnerId,
    pub(super) key: IntegrityKey,
    pub(super) kind: Kind,
    pub(super) expires: UnixTime,
}

impl Session {
    /// Who pays.
    #[must_use]
    pub const fn owner(&self) -> OwnerId {
        self.owner
    }

    /// Whether it is that of a test call of the relay itself.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.kind == Kind::Probe
    }

    /// See [`Authenticated::expires`].
    #[must_use]
    pub const fn expires(&self) -> Option<UnixTime> {
        match self.kind {
            Kind::Token => Some(self.expires),
            Kind::User | Kind::Timed | Kind::Probe => None,
        }
    }
}

/// What a session's key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The users file.
    User,
    /// A shared secret.
    Timed,
    /// An access token.
    Token,
    /// The secret of the relay's own test calls.
    Probe,
}

/// Why a request is not authenticated, and what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 401, not signed.
    Challenge(Cause),
    /// 400, not signed: the request names no key to sign with.
    BadRequest,
    /// 438, signed: the client is who it says, but must use another nonce. Some clients drop an unsigned answer to a
    /// signed request and would never recover.
    Stale {
        /// What the answer is signed with.
        key: IntegrityKey,
        /// What is wrong with the nonce.
        fault: NonceFault,
    },
}

/// Why a request gets 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It is not signed: the first request of every client.
    Unsigned,
    /// It is signed for another realm.
    Realm,
    /// Nobody has this name, or nobody can have it.
    User,
    /// The time-limited credential has expired.
    Expired,
    /// The signature is not that of the user's password.
    Password,
    /// The access token cannot be accepted.
    Token(TokenFault),
}
