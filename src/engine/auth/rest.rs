//! Time-limited credentials under a shared secret, the "TURN REST API" that browsers' applications use: the user name is
//! `expiry:user` or `expiry` in Unix seconds, the password base64(HMAC-SHA1(secret, user name)).
//!
//! Whoever hands out credentials needs only the secret; the relay needs no list of users.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::users::NAME_MAX;
use crate::time::UnixTime;

/// How many secrets there can be: an unknown client makes us try all.
pub const SECRETS_MAX: usize = 8;

/// Length of a password: base64 of 20 bytes.
const PASSWORD_LEN: usize = 28;

/// One secret. Two whose times overlap make a rotation that no client notices.
#[derive(Clone)]
pub struct SharedSecret {
    id: String,
    key: Hmac<Sha1>,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// Shows no key.
impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A secret, or a list of them, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// An empty secret authenticates everybody.
    #[error("the shared secret {0:?} is empty; make one with `openssl rand -hex 32`")]
    Empty(String),
    /// Its times leave nothing.
    #[error("the shared secret {0:?} ends before it begins; check not_before and not_after")]
    Never(String),
    /// Two secrets of one name.
    #[error("there are two shared secrets with the ID {0:?}; give each its own")]
    Duplicate(String),
    /// More than [`SECRETS_MAX`].
    #[error("there are {0} shared secrets; keep the {SECRETS_MAX} that are still in use")]
    TooMany(usize),
}

impl SharedSecret {
    /// A secret under the name that the operator gave it, valid without end unless [`Self::valid`] says otherwise.
    ///
    /// # Errors
    /// [`SecretFault::Empty`].
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, SecretFault> {
        let empty = || SecretFault::Empty(id.to_owned());
        if secret.is_empty() {
            return Err(empty());
        }
        // HMAC takes keys of every length.
        let key = <Hmac<Sha1> as KeyInit>::new_from_slice(secret).map_err(|_| empty())?;
        Ok(Self { id: id.to_owned(), key, not_before: UnixTime(0), not_after: UnixTime(u64::MAX) })
    }

    /// Limits the time in which credentials under this secret are accepted: from `not_before`, until before `not_after`.
    ///
    /// # Errors
    /// [`SecretFault::Never`].
    pub fn valid(
        self,
        not_before: Option<UnixTime>,
        not_after: Option<UnixTime>,
    ) -> Result<Self, SecretFault> {
        let not_before = not_before.unwrap_or(self.not_before);
        let not_after = not_after.unwrap_or(self.not_after);
        if not_before >= not_after {
            return Err(SecretFault::Never(self.id));
        }
        Ok(Self { not_before, not_after, ..self })
    }

    /// The operator's name for it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn is_valid(&self, now: UnixTime) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// The password that belongs to a user name.
    pub(super) fn password(&self, username: &[u8]) -> [u8; PASSWORD_LEN] {
        let mut mac = self.key.clone();
        mac.update(username);
        let mut password = [0; PASSWORD_LEN];
        // 20 bytes make 28 characters exactly.
        let _ = STANDARD.encode_slice(mac.finalize().into_bytes(), &mut password);
        password
    }
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// `expiry:user`, or `expiry` for no user.
    pub username: String,
    /// Base64.
    pub password: String,
}

/// Makes a credential under `secret`; an empty `user` makes the short form.
#[must_use]
pub fn issue(secret: &SharedSecret, user: &str, expiry: UnixTime) -> Credential {
    let username = if user.is_empty() { expiry.0.to_string() } else { format!("{}:{user}", expiry.0) };
    let password = String::from_utf8_lossy(&secret.password(username.as_bytes())).into_owned();
    Credential { username, password }
}

/// A user name of this kind, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedName<'a> {
    pub(super) expiry: UnixTime,
    /// The part behind the colon, or all of the short form.
    pub(super) user: &'a [u8],
}

impl<'a> TimedName<'a> {
    pub(super) fn parse(username: &'a [u8]) -> Option<Self> {
        let colon = username.iter().position(|&byte| byte == b':');
        let (expiry, user) = match colon {
            Some(at) => (username.get(..at)?, username.get(at + 1..)?),
            None => (username, username),
        };
        if username.len() > NAME_MAX || expiry.is_empty() || !expiry.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let expiry = str::from_utf8(expiry).ok()?.parse().ok()?;
        Some(Self { expiry: UnixTime(expiry), user: if user.is_empty() { username } else { user } })
    }

    pub(super) fn is_expired(&self, now: UnixTime) -> bool {
        self.expiry <= now
    }
}

/// Why a time-limited credential is refused; each a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Not of the form.
    #[error("The user name is not of the form expiry:user or expiry, with the expiry in seconds since 1970.")]
    NotTimed,
    /// The time in the name is over.
    #[error("The credential expired {0} second(s) ago.")]
    Expired(u64),
    /// There is nothing to compare with.
    #[error("No shared secret is valid now: check not_before and not_after.")]
    NoSecret,
    /// It would be right, were the secret valid.
    #[error("The credential was made under the shared secret {0:?}, which is not valid now.")]
    SecretNotValid(String),
    /// No secret gives it.
    #[error("The password is wrong: it was made under none of the shared secrets, or for another user name.")]
    WrongPassword,
}

/// The secrets of one server.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<SharedSecret>);

impl Secrets {
    /// A list of at most [`SECRETS_MAX`] secrets.
    ///
    /// # Errors
    /// Too many, or two with one ID.
    pub fn new(secrets: Vec<SharedSecret>) -> Result<Self, SecretFault> {
        if secrets.len() > SECRETS_MAX {
            return Err(SecretFault::TooMany(secrets.len()));
        }
        for (index, secret) in secrets.iter().enumerate() {
            if secrets.iter().take(index).any(|earlier| earlier.id == secret.id) {
                return Err(SecretFault::Duplicate(secret.id.clone()));
            }
        }
        Ok(Self(secrets))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are valid now, in the operator's order: new credentials are made under the first.
    pub fn valid(&self, now: UnixTime) -> impl Iterator<Item = &SharedSecret> {
        self.0.iter().filter(move |secret| secret.is_valid(now))
    }

    /// The secret with this ID, valid or not.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&SharedSecret> {
        self.0.iter().find(|secret| secret.id == id)
    }

    /// Which secret a credential was made under.
    ///
    /// # Errors
    /// Why the relay would refuse it, in one sentence.
    pub fn verify(&self, now: UnixTime, username: &str, password: &str) -> Result<&str, CredentialFault> {
        let name = TimedName::parse(username.as_bytes()).ok_or(CredentialFault::NotTimed)?;
        if name.is_expired(now) {
            return Err(CredentialFault::Expired(now.0.saturating_sub(name.expiry.0)));
        }
        let matches = |secret: &&SharedSecret| {
            bool::from(secret.password(username.as_bytes()).ct_eq(password.as_bytes()))
        };
        if let Some(secret) = self.valid(now).find(matches) {
            return Ok(&secret.id);
        }
        if let Some(secret) = self.0.iter().find(matches) {
            return Err(CredentialFault::SecretNotValid(secret.id.clone()));
        }
        if self.valid(now).next().is_none() {
            return Err(CredentialFault::NoSecret);
        }
        Err(CredentialFault::WrongPassword)
    }
}
