//! Who a client is: the long-term credential mechanism of RFC 8489 section 9.2, with users from a file, time-limited
//! credentials and access tokens.
//!
//! Nothing is remembered of anybody. A challenge carries a nonce that only the fleet can have made; a request is
//! judged by itself, from the nonce, the credentials of the configuration and the time that is passed in. The engine
//! calls [`Authenticator::authenticate_for`] for every request but Binding, and [`Authenticator::write_challenge`] for
//! the answer to one that fails. One `Authenticator` is shared by all workers and replaced whole on reload.

mod check;
mod claim;
mod key;
mod nonce;
mod oauth;
mod rest;
mod users;
mod verdict;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use claim::{AuthMethod, AuthResult, Claimed, owners};
pub use key::{IntegrityKey, KEY_MAX, Signature};
pub use nonce::{
    FLEET_KEYS_MAX, Features, FleetKey, FleetKeysFault, NONCE_LEN, NonceFault, NonceKeys, Turnaround,
};
pub use oauth::{
    CLOCK_DELTA, TOKEN_KEYS_MAX, Token, TokenCipher, TokenFault, TokenKey, TokenKeyFault, TokenKeys,
};
pub use rest::{Credential, CredentialFault, SECRETS_MAX, SecretFault, Secrets, SharedSecret, issue};
pub use users::{
    NAME_MAX, NameFault, PasswordFault, REALM_MAX, UserFault, Users, UsersError, check_realm, user_line,
};
pub use verdict::{Authenticated, Cause, Rejection, Session};

use crate::time::Now;
use crate::wire::stun::{AttributeType, Message, Writer};

/// Everything that clients can prove themselves with.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// From the users file.
    pub users: Users,
    /// For time-limited credentials.
    pub secrets: Secrets,
    /// For access tokens.
    pub tokens: Option<TokenKeys>,
    /// Whether clients are asked to hide their names.
    pub anonymity: Anonymity,
    /// For the relay's own test calls, under the name [`PROBE_USER`] and no other. It is made anew with each process and
    /// known to nobody else.
    pub probe: Option<SharedSecret>,
}

/// Who the relay's own test calls are, in time-limited credentials under [`Credentials::probe`].
pub const PROBE_USER: &str = "tern-self-test";

/// When challenges ask for USERHASH in place of USERNAME (RFC 8489 section 9.2). A client that understands obeys: and a hash
/// of a time-limited user name, or of a token's key ID, leads nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymity {
    /// If users of the file are the only ones there are.
    #[default]
    WherePossible,
    /// Always: then only users of the file can log in with clients that follow RFC 8489.
    Always,
    /// Never.
    Never,
}

/// Tells who sent a request.
#[derive(Debug)]
pub struct Authenticator {
    nonces: NonceKeys,
    credentials: Credentials,
    features: Features,
}

impl Authenticator {
    /// For all listeners: the realm comes with each call.
    #[must_use]
    pub fn new(nonces: NonceKeys, credentials: Credentials) -> Self {
        let only_users =
            !credentials.users.is_empty() && credentials.secrets.is_empty() && credentials.tokens.is_none();
        let username_anonymity = match credentials.anonymity {
            Anonymity::WherePossible => only_users,
            Anonymity::Always => true,
            Anonymity::Never => false,
        };
        Self { nonces, credentials, features: Features { password_algorithms: true, username_anonymity } }
    }

    /// The credentials, for the command line.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The relay of the fleet that issued the request's nonce, if it is a valid one for this address, whoever signed the
    /// request. A valid nonce also proves that the source is not spoofed: only that address was sent it.
    #[must_use]
    pub fn nonce_relay(
        &self,
        now: Now,
        realm: &str,
        source: SocketAddr,
        request: &Message<'_>,
    ) -> Option<u16> {
        let nonce = request.find(AttributeType::NONCE)?;
        self.nonces.check(now.unix, realm, source.ip(), nonce).ok()
    }

    /// Writes what a client needs to try (again), into every 401 and 438: REALM, NONCE, PASSWORD-ALGORITHMS, and THIRD-PARTY-AUTHORIZATION if there
    /// are tokens.
    pub fn write_challenge(&self, now: Now, realm: &str, source: SocketAddr, answer: &mut Writer<'_>) {
        let nonce = self.nonces.issue(now, realm, source, self.features);
        answer.attribute(AttributeType::REALM, realm.as_bytes());
        answer.attribute(AttributeType::NONCE, &nonce);
        answer.password_algorithms();
        if let Some(tokens) = &self.credentials.tokens {
            answer.attribute(AttributeType::THIRD_PARTY_AUTHORIZATION, tokens.server().as_bytes());
        }
    }
}
