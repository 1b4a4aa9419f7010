//! Who a request says it is from, proven or not: what attempts are counted by and found by later. Names do not leave here,
//! only the number that stands for each.

use super::key::owner;
use super::rest::TimedName;
use super::verdict::{Cause, Kind, Rejection};
use super::{Authenticator, PROBE_USER, TokenFault};
use crate::engine::OwnerId;
use crate::wire::stun::{AttributeType, Message};

/// By which mechanism a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// A user of the file.
    LongTerm,
    /// A time-limited credential.
    Rest,
    /// An access token.
    OAuth,
    /// The relay's own test calls.
    SelfTest,
}

impl AuthMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::LongTerm, Self::Rest, Self::OAuth, Self::SelfTest];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LongTerm => "long_term",
            Self::Rest => "rest",
            Self::OAuth => "oauth",
            Self::SelfTest => "self_test",
        }
    }
}

impl From<Kind> for AuthMethod {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::LongTerm,
            Kind::Timed => Self::Rest,
            Kind::Token => Self::OAuth,
            Kind::Probe => Self::SelfTest,
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthResult {
    /// The client is who it says.
    Accepted,
    /// Signed for another realm.
    WrongRealm,
    /// Nobody has this name.
    UnknownUser,
    /// The credential's time is over.
    Expired,
    /// Signed with another password.
    WrongPassword,
    /// No key has the token's ID.
    TokenKey,
    /// The token is not of its form.
    TokenMalformed,
    /// The token was sealed by somebody else, for somebody else, or altered.
    TokenSeal,
    /// The token's time is over, or has not come.
    TokenTime,
    /// Signed as it should be, under a nonce that is too old or of another relay: the client is to try again.
    StaleNonce,
    /// Signed, and what must go with a signature is missing.
    Malformed,
}

impl AuthResult {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::WrongRealm,
        Self::UnknownUser,
        Self::Expired,
        Self::WrongPassword,
        Self::TokenKey,
        Self::TokenMalformed,
        Self::TokenSeal,
        Self::TokenTime,
        Self::StaleNonce,
        Self::Malformed,
    ];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WrongRealm => "wrong_realm",
            Self::UnknownUser => "unknown_user",
            Self::Expired => "expired",
            Self::WrongPassword => "wrong_password",
            Self::TokenKey => "token_key",
            Self::TokenMalformed => "token_malformed",
            Self::TokenSeal => "token_seal",
            Self::TokenTime => "token_time",
            Self::StaleNonce => "stale_nonce",
            Self::Malformed => "malformed",
        }
    }

    /// None for a request that is no attempt: it is not signed, as the first of every client.
    pub(in crate::engine) const fn of(rejection: &Rejection) -> Option<Self> {
        Some(match rejection {
            Rejection::Challenge(Cause::Unsigned) => return None,
            Rejection::Challenge(Cause::Realm) => Self::WrongRealm,
            Rejection::Challenge(Cause::User) => Self::UnknownUser,
            Rejection::Challenge(Cause::Expired) => Self::Expired,
            Rejection::Challenge(Cause::Password) => Self::WrongPassword,
            Rejection::Challenge(Cause::Token(fault)) => match fault {
                TokenFault::Kid => Self::TokenKey,
                TokenFault::Malformed | TokenFault::Content => Self::TokenMalformed,
                TokenFault::Seal => Self::TokenSeal,
                TokenFault::Time => Self::TokenTime,
            },
            Rejection::Stale { .. } => Self::StaleNonce,
            Rejection::BadRequest => Self::Malformed,
        })
    }
}

/// Who somebody says he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// How he would prove it.
    pub method: AuthMethod,
    /// Who that would be; none if the request names nobody, or by a hash or a token that lead nowhere.
    pub owner: Option<OwnerId>,
}

impl Authenticator {
    /// Who a request that was turned away says it is from.
    #[must_use]
    pub fn claimed(&self, realm: &str, request: &Message<'_>) -> Claimed {
        let kind = |kind, owner| Claimed { method: AuthMethod::from(kind), owner };
        let of = |kind, name: &[u8]| Some(owner(kind as u8, realm.as_bytes(), name));
        if let Some(hash) = request.find(AttributeType::USERHASH) {
            let user = self.credentials.users.by_hash(realm, hash);
            return kind(Kind::User, user.and_then(|(name, _)| of(Kind::User, name.as_bytes())));
        }
        let Some(name) = request.find(AttributeType::USERNAME) else { return kind(Kind::User, None) };
        if self.credentials.tokens.is_some() && request.access_token().is_some() {
            return kind(Kind::Token, None);
        }
        match TimedName::parse(name) {
            Some(timed) if timed.user == PROBE_USER.as_bytes() && self.credentials.probe.is_some() => {
                kind(Kind::Probe, of(Kind::Probe, timed.user))
            }
            Some(timed) if !self.credentials.secrets.is_empty() => {
                kind(Kind::Timed, of(Kind::Timed, timed.user))
            }
            Some(_) | None => kind(Kind::User, of(Kind::User, name)),
        }
    }
}

/// The numbers that somebody may stand under in `realm` who is called so: a user of the file, or of time-limited
/// credentials, by the whole name or by its part behind the colon. Users of access tokens have no name.
#[must_use]
pub fn owners(realm: &str, text: &str) -> Vec<OwnerId> {
    let (realm, text) = (realm.as_bytes(), text.as_bytes());
    let part = TimedName::parse(text).map_or(text, |timed| timed.user);
    let mut owners = vec![owner(Kind::User as u8, realm, text), owner(Kind::Timed as u8, realm, part)];
    if part != text {
        owners.push(owner(Kind::User as u8, realm, part));
    }
    if part == PROBE_USER.as_bytes() {
        owners.push(owner(Kind::Probe as u8, realm, part));
    }
    owners
}
