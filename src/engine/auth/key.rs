//! What a request was signed with and what its answer is signed with.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::engine::OwnerId;
use crate::wire::stun::{Integrity, Message, PasswordAlgorithm, Writer};

/// The longest key that is held: that of PASSWORD-ALGORITHM SHA-256 (RFC 8489 section 18.5.1.2).
pub const KEY_MAX: usize = 32;

/// Which of the two integrity attributes is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signature {
    /// MESSAGE-INTEGRITY (RFC 8489 section 14.5).
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).
    Sha256,
}

/// A key of up to 32 bytes, with the attribute that answers are signed in. 34 bytes, no heap: an allocation keeps one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IntegrityKey {
    bytes: [u8; KEY_MAX],
    length: u8,
    answer: Signature,
}

impl IntegrityKey {
    /// A key; none if it is longer than [`KEY_MAX`].
    #[must_use]
    pub fn new(key: &[u8], answer: Signature) -> Option<Self> {
        let mut bytes = [0; KEY_MAX];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes, length: u8::try_from(key.len()).ok()?, answer })
    }

    pub(super) fn md5(key: [u8; 16], answer: Signature) -> Self {
        let mut bytes = [0; KEY_MAX];
        let (head, _) = bytes.split_at_mut(key.len());
        head.copy_from_slice(&key);
        Self { bytes, length: 16, answer }
    }

    pub(super) const fn sha256(bytes: [u8; 32], answer: Signature) -> Self {
        Self { bytes, length: 32, answer }
    }

    /// The key itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The attribute that answers carry.
    #[must_use]
    pub const fn answer(&self) -> Signature {
        self.answer
    }

    /// The same key for answers in another attribute.
    #[must_use]
    pub const fn answering(self, answer: Signature) -> Self {
        Self { answer, ..self }
    }

    /// Signs an answer. Only FINGERPRINT may be written behind it.
    pub fn sign(&self, writer: &mut Writer<'_>) {
        match self.answer {
            Signature::Sha1 => writer.integrity(self.bytes()),
            Signature::Sha256 => writer.integrity_sha256(self.bytes()),
        };
    }

    /// Whether this key signed `message` in that attribute.
    pub(super) fn signed(&self, message: &Message<'_>, signature: Signature) -> bool {
        let verdict = match signature {
            Signature::Sha1 => message.check_integrity(self.bytes()),
            Signature::Sha256 => message.check_integrity_sha256(self.bytes()),
        };
        verdict == Integrity::Good
    }
}

/// Shows no key.
impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegrityKey").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// How a user's password becomes a key (RFC 8489 section 18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// The value of PASSWORD-ALGORITHM, if it is one of [`PasswordAlgorithm::OFFER`]. Neither has parameters, so their
    /// length says nothing: libjuice sends whatever lay in that place.
    pub(super) fn from_value(value: &[u8]) -> Option<Self> {
        let &[n0, n1, _, _] = value else { return None };
        match u16::from_be_bytes([n0, n1]) {
            PasswordAlgorithm::MD5 => Some(Self::Md5),
            PasswordAlgorithm::SHA256 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// The number of a user: the first eight bytes of a hash over its kind, realm and name, so that every worker and every
/// relay of a fleet has the same.
pub(super) fn owner(kind: u8, realm: &[u8], name: &[u8]) -> OwnerId {
    let mut hash = Sha256::new();
    hash.update(b"tern owner");
    hash.update([kind]);
    hash.update(u64::try_from(realm.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(realm);
    hash.update(name);
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = <[u8; 32]>::from(hash.finalize());
    OwnerId(u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]))
}
