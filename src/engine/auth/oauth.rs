//! Access tokens of a third party (RFC 7635): the authorization server seals a session key for the relay and hands the
//! sealed token and the same key to the client, which signs its requests with it.
//!
//! On the wire (section 6.2) a token is a nonce behind its 16-bit length, then the ciphertext and tag of
//! `key_length(16) key timestamp(64) lifetime(32)`. USERNAME is the ID of the key that sealed it, and the relay's own name
//! is authenticated with it, so that a token for one server opens at no other.

use std::sync::Arc;

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::key::KEY_MAX;
use super::users::NAME_MAX;
use crate::time::UnixTime;

/// How many sealing keys there can be.
pub const TOKEN_KEYS_MAX: usize = 8;
/// Shorter session keys are refused.
const KEY_MIN: usize = 16;
/// Key length, timestamp and lifetime: what is sealed beside the session key.
const FIXED_LEN: usize = 2 + 8 + 4;
const TAG_LEN: usize = 16;
/// Nothing longer is decrypted. A session key of 64 bytes still fits, to be refused by name.
const SEALED_MAX: usize = FIXED_LEN + 64 + TAG_LEN;
/// Delta of RFC 7635 section 7: how far clocks may differ, in seconds.
pub const CLOCK_DELTA: u64 = 5;
/// Units of the timestamp's lower 16 bits in a second (RFC 7635 section 6.2).
const FRACTIONS: u64 = 64_000;

/// The AEAD algorithms of RFC 5116 that tokens are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCipher {
    /// AEAD_AES_128_GCM.
    Aes128Gcm,
    /// AEAD_AES_256_GCM.
    Aes256Gcm,
}

impl TokenCipher {
    const fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
        }
    }

    /// Bytes of a key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }
}

/// A key shared with the authorization server.
pub struct TokenKey {
    kid: String,
    key: LessSafeKey,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// Shows no key.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A key, or a list of them, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeyFault {
    /// Its length is not that of its algorithm.
    #[error("the OAuth key {kid:?} has {found} bytes, but {cipher:?} needs {expected}")]
    Length {
        /// Which.
        kid: String,
        /// For what.
        cipher: TokenCipher,
        /// Bytes.
        found: usize,
        /// Bytes.
        expected: usize,
    },
    /// Its ID cannot be a USERNAME.
    #[error("the OAuth key ID {0:?} must have 1 to {NAME_MAX} bytes: clients send it as USERNAME")]
    Kid(String),
    /// Two keys of one ID.
    #[error("there are two OAuth keys with the ID {0:?}; give each its own")]
    Duplicate(String),
    /// Its times leave nothing.
    #[error("the OAuth key {0:?} ends before it begins; check not_before and not_after")]
    Never(String),
    /// More than [`TOKEN_KEYS_MAX`].
    #[error("there are {0} OAuth keys; keep the {TOKEN_KEYS_MAX} that are still in use")]
    TooMany(usize),
    /// None, or no name.
    #[error("OAuth needs at least one key and the server's name, for which tokens are issued")]
    Incomplete,
}

impl TokenKey {
    /// A key, valid without end unless [`Self::valid`] says otherwise.
    ///
    /// # Errors
    /// If the ID or the length cannot be.
    pub fn new(kid: &str, cipher: TokenCipher, key: &[u8]) -> Result<Self, TokenKeyFault> {
        if kid.is_empty() || kid.len() > NAME_MAX {
            return Err(TokenKeyFault::Kid(kid.to_owned()));
        }
        let unbound =
            UnboundKey::new(cipher.algorithm(), key).map_err(|_unspecified| TokenKeyFault::Length {
                kid: kid.to_owned(),
                cipher,
                found: key.len(),
                expected: cipher.key_len(),
            })?;
        let (not_before, not_after) = (UnixTime(0), UnixTime(u64::MAX));
        Ok(Self { kid: kid.to_owned(), key: LessSafeKey::new(unbound), not_before, not_after })
    }

    /// Limits the time in which tokens under this key are accepted: from `not_before`, until before `not_after`.
    ///
    /// # Errors
    /// [`TokenKeyFault::Never`].
    pub fn valid(
        self,
        not_before: Option<UnixTime>,
        not_after: Option<UnixTime>,
    ) -> Result<Self, TokenKeyFault> {
        let not_before = not_before.unwrap_or(self.not_before);
        let not_after = not_after.unwrap_or(self.not_after);
        if not_before >= not_after {
            return Err(TokenKeyFault::Never(self.kid));
        }
        Ok(Self { not_before, not_after, ..self })
    }

    /// Its ID, which clients send as USERNAME.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Seals a token, as an authorization server does. `nonce` must never come twice under one key.
    #[must_use]
    pub fn seal(&self, server: &str, nonce: [u8; NONCE_LEN], token: &Token<'_>) -> Option<Vec<u8>> {
        let mut sealed = Vec::with_capacity(SEALED_MAX);
        sealed.extend_from_slice(&u16::try_from(token.key.len()).ok()?.to_be_bytes());
        sealed.extend_from_slice(token.key);
        sealed.extend_from_slice(&token.timestamp.to_be_bytes());
        sealed.extend_from_slice(&token.lifetime.to_be_bytes());
        let aad = Aad::from(server.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        let mut attribute = u16::try_from(NONCE_LEN).ok()?.to_be_bytes().to_vec();
        attribute.extend_from_slice(&nonce);
        attribute.append(&mut sealed);
        Some(attribute)
    }
}

/// What is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The session key that requests are signed with: 16 to 32 bytes; 20 for HMAC-SHA1.
    pub key: &'a [u8],
    /// When it was issued: seconds since 1970 in the upper 48 bits, 64,000ths of a second below.
    pub timestamp: u64,
    /// For how many seconds it is valid.
    pub lifetime: u32,
}

impl Token<'_> {
    /// The timestamp of a whole second.
    #[must_use]
    pub const fn timestamp(at: UnixTime) -> u64 {
        at.0 << 16
    }
}

/// Why a token is refused. All lead to 401 (RFC 7635 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// No key has this ID, or it is not valid now.
    Kid,
    /// Too short, too long, or a nonce of another length than the algorithm's.
    Malformed,
    /// Sealed under another key, or for another server, or altered.
    Seal,
    /// Sealed by the right key, but with a session key of unusable length or with bytes missing or left over.
    Content,
    /// Its time is over, or has not come.
    Time,
}

/// An opened token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    key: [u8; KEY_MAX],
    length: usize,
    /// From then on it is refused.
    pub(super) expires: UnixTime,
}

impl Opened {
    pub(super) fn key(&self) -> &[u8] {
        self.key.get(..self.length).unwrap_or_default()
    }
}

/// Shows no key.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// The keys of all authorization servers, and the name that tokens must be issued for.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    server: String,
    /// Shared, so that a copy costs nothing.
    keys: Arc<[TokenKey]>,
}

impl TokenKeys {
    /// `server` is announced in THIRD-PARTY-AUTHORIZATION and authenticated with every token.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn new(server: &str, keys: Vec<TokenKey>) -> Result<Self, TokenKeyFault> {
        if server.is_empty() || keys.is_empty() {
            return Err(TokenKeyFault::Incomplete);
        }
        if keys.len() > TOKEN_KEYS_MAX {
            return Err(TokenKeyFault::TooMany(keys.len()));
        }
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().take(index).any(|earlier| earlier.kid == key.kid) {
                return Err(TokenKeyFault::Duplicate(key.kid.clone()));
            }
        }
        Ok(Self { server: server.to_owned(), keys: keys.into() })
    }

    /// The name that tokens must be issued for.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Opens a token on the stack, whatever it holds.
    pub(super) fn open(&self, now: UnixTime, kid: &[u8], token: &[u8]) -> Result<Opened, TokenFault> {
        let valid = |key: &&TokenKey| (key.not_before..key.not_after).contains(&now);
        let key = self.keys.iter().find(|key| key.kid.as_bytes() == kid).filter(valid);
        let key = key.ok_or(TokenFault::Kid)?;
        let (length, rest) = token.split_first_chunk::<2>().ok_or(TokenFault::Malformed)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(TokenFault::Malformed)?;
        let mut buffer = [0; SEALED_MAX];
        let buffer = buffer.get_mut(..sealed.len()).ok_or(TokenFault::Malformed)?;
        if usize::from(u16::from_be_bytes(*length)) != NONCE_LEN {
            return Err(TokenFault::Malformed);
        }
        buffer.copy_from_slice(sealed);
        let aad = Aad::from(self.server.as_bytes());
        let plain = key.key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, buffer);
        let token =
            plain.ok().ok_or(TokenFault::Seal).and_then(|plain| parse(plain).ok_or(TokenFault::Content))?;
        judge(now, &token)
    }
}

/// Takes the sealed part apart; nothing may be left over.
fn parse(plain: &[u8]) -> Option<Token<'_>> {
    let (length, rest) = plain.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
    let lifetime = <[u8; 4]>::try_from(rest).ok()?;
    let timestamp = u64::from_be_bytes(*timestamp);
    Some(Token { key, timestamp, lifetime: u32::from_be_bytes(lifetime) })
}

/// `lifetime + Delta > abs(now - timestamp)` (RFC 7635 section 7).
fn judge(now: UnixTime, token: &Token<'_>) -> Result<Opened, TokenFault> {
    let mut opened = Opened { key: [0; KEY_MAX], length: token.key.len(), expires: UnixTime(0) };
    let room = opened.key.get_mut(..token.key.len()).filter(|room| room.len() >= KEY_MIN);
    room.ok_or(TokenFault::Content)?.copy_from_slice(token.key);
    let (seconds, fraction) = (token.timestamp >> 16, token.timestamp & 0xFFFF);
    let issued = u128::from(seconds) * u128::from(FRACTIONS) + u128::from(fraction);
    let apart = (u128::from(now.0) * u128::from(FRACTIONS)).abs_diff(issued);
    let allowed = u64::from(token.lifetime) + CLOCK_DELTA;
    if u128::from(allowed) * u128::from(FRACTIONS) <= apart {
        return Err(TokenFault::Time);
    }
    let begun = u64::from(fraction > 0);
    opened.expires = UnixTime(seconds.saturating_add(allowed).saturating_add(begun));
    Ok(opened)
}
