//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 sections 14.5 to 14.7).
//!
//! Each covers the message before itself, with the header's length field set as if the attribute itself were the
//! last one.

use crc32fast::Hasher;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::message::Attribute;
use super::{AttributeType, Message};

/// Length of an HMAC-SHA1.
pub(super) const SHA1_LEN: usize = 20;
/// Length of an HMAC-SHA256.
pub(super) const SHA256_LEN: usize = 32;
/// What FINGERPRINT is exclusive-or'ed with (RFC 8489 section 14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// Whether a message was signed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// It carries no such signature.
    Absent,
    /// The signature is that of the key.
    Good,
    /// It is not, or has no permitted length.
    Bad,
}

/// Whether a message carries its own checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingerprint {
    /// No FINGERPRINT.
    Absent,
    /// It is right.
    Good,
    /// It is wrong, of wrong length, or not the last attribute: drop the message.
    Bad,
}

impl Message<'_> {
    /// Checks MESSAGE-INTEGRITY (HMAC-SHA1).
    #[must_use]
    pub fn check_integrity(&self, key: &[u8]) -> Integrity {
        let Some(attribute) = self.find_attribute(AttributeType::MESSAGE_INTEGRITY) else {
            return Integrity::Absent;
        };
        let Some((head, length)) = self.covered(&attribute) else { return Integrity::Bad };
        judge(&hmac_sha1(key, head, length), attribute.value)
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 in full length: it may be truncated only where a usage says so (RFC 8489 section
    /// 14.6), and TURN does not.
    #[must_use]
    pub fn check_integrity_sha256(&self, key: &[u8]) -> Integrity {
        self.check_integrity_sha256_truncated(key, SHA256_LEN)
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 for a usage that allows it to be cut down to `shortest` bytes. Below 16 and
    /// beside multiples of four no usage can go (RFC 8489 section 14.6).
    #[must_use]
    pub fn check_integrity_sha256_truncated(&self, key: &[u8], shortest: usize) -> Integrity {
        let Some(attribute) = self.find_attribute(AttributeType::MESSAGE_INTEGRITY_SHA256) else {
            return Integrity::Absent;
        };
        let given = attribute.value.len();
        if given < shortest.max(16) || !given.is_multiple_of(4) {
            return Integrity::Bad;
        }
        let Some((head, length)) = self.covered(&attribute) else { return Integrity::Bad };
        match hmac_sha256(key, head, length).get(..given) {
            Some(expected) => judge(expected, attribute.value),
            None => Integrity::Bad,
        }
    }

    /// Checks FINGERPRINT.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Some(attribute) = self.find_attribute(AttributeType::FINGERPRINT) else {
            return Fingerprint::Absent;
        };
        if check_fingerprint(self.bytes(), &attribute) { Fingerprint::Good } else { Fingerprint::Bad }
    }

    /// What a signature at `attribute` covers, and the length field that belongs to it.
    fn covered(&self, attribute: &Attribute<'_>) -> Option<(&[u8], u16)> {
        let length = attribute.end().checked_sub(super::HEADER_LEN)?;
        Some((self.bytes().get(..attribute.offset)?, u16::try_from(length).ok()?))
    }
}

fn judge(expected: &[u8], given: &[u8]) -> Integrity {
    if bool::from(expected.ct_eq(given)) { Integrity::Good } else { Integrity::Bad }
}

/// Whether `attribute` is the last of `message` and holds its checksum.
pub(super) fn check_fingerprint(message: &[u8], attribute: &Attribute<'_>) -> bool {
    let (Ok(given), Some(head)) = (<[u8; 4]>::try_from(attribute.value), message.get(..attribute.offset))
    else {
        return false;
    };
    attribute.end() == message.len() && crc(head) == u32::from_be_bytes(given)
}

/// The value of FINGERPRINT behind `head`, whose length field already counts it.
pub(super) fn crc(head: &[u8]) -> u32 {
    let mut crc = Hasher::new();
    crc.update(head);
    crc.finalize() ^ FINGERPRINT_MASK
}

/// HMAC-SHA1 over `head` with its length field replaced.
pub(super) fn hmac_sha1(key: &[u8], head: &[u8], length: u16) -> [u8; SHA1_LEN] {
    mac::<Hmac<Sha1>>(key, head, length).into()
}

/// HMAC-SHA256 over `head` with its length field replaced.
pub(super) fn hmac_sha256(key: &[u8], head: &[u8], length: u16) -> [u8; SHA256_LEN] {
    mac::<Hmac<Sha256>>(key, head, length).into()
}

fn mac<M: Mac + KeyInit>(key: &[u8], head: &[u8], length: u16) -> hmac::digest::Output<M> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Default::default() };
    if let Some((&[t0, t1, _, _], rest)) = head.split_first_chunk() {
        mac.update(&[t0, t1]);
        mac.update(&length.to_be_bytes());
        mac.update(rest);
    }
    mac.finalize().into_bytes()
}
