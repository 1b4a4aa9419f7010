//! Writing a message, attribute by attribute, behind what a buffer already holds.

use std::net::SocketAddr;

use super::address::{self, AddressFamily, VALUE_MAX};
use super::integrity::{SHA1_LEN, SHA256_LEN, crc, hmac_sha1, hmac_sha256};
use super::method::{self, Class, Method};
use super::{AttributeType, HEADER_LEN, MAGIC_COOKIE, PasswordAlgorithm, TransactionId, padding};

/// The longest reason phrase that is written: RFC 8489 section 14.8 wants fewer than 128 characters.
const REASON_MAX: usize = 127;

/// An attribute did not fit into the 16-bit length of a message; it was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a STUN message holds no more than 65,532 bytes of attributes")]
pub struct TooLong;

/// Appends one message to a buffer. The header's length is right after every call, so the message may be read, or
/// left as it is, at any point.
///
/// The order of attributes is the caller's: [`Self::integrity`], then [`Self::integrity_sha256`], then
/// [`Self::fingerprint`] come last, since receivers ignore what follows them.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
    result: Result<(), TooLong>,
}

impl<'b> Writer<'b> {
    /// Begins a message behind the bytes that `out` holds.
    pub fn new(out: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = out.len();
        out.extend_from_slice(&method::encode(class, method).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        out.extend_from_slice(&id.0);
        Self { out, start, id, result: Ok(()) }
    }

    /// The transaction of this message.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The message as written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.out.get(self.start..).unwrap_or_default()
    }

    /// Appends an attribute with any value. One that does not fit is left out and [`Self::finish`] says so.
    pub fn attribute(&mut self, kind: AttributeType, value: &[u8]) -> &mut Self {
        let Some(length) = self.reserve(value.len()) else { return self };
        self.out.extend_from_slice(&kind.0.to_be_bytes());
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.extend_from_slice([0; 3].get(..padding(value.len())).unwrap_or_default());
        self
    }

    /// Sets the header's length for an attribute of this length to come.
    fn reserve(&mut self, value: usize) -> Option<u16> {
        let body = self.out.len().saturating_sub(self.start + HEADER_LEN);
        let total =
            body.saturating_add(4).saturating_add(value.checked_next_multiple_of(4).unwrap_or(usize::MAX));
        let (Ok(total), Ok(value)) = (u16::try_from(total), u16::try_from(value)) else {
            self.result = Err(TooLong);
            return None;
        };
        if let Some(field) = self.out.get_mut(self.start + 2..self.start + 4) {
            field.copy_from_slice(&total.to_be_bytes());
        }
        Some(value)
    }

    /// An attribute without a value, such as DONT-FRAGMENT.
    pub fn flag(&mut self, kind: AttributeType) -> &mut Self {
        self.attribute(kind, &[])
    }

    /// A 32-bit number, such as LIFETIME or CONNECTION-ID.
    pub fn u32(&mut self, kind: AttributeType, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// An exclusive-or'ed address (RFC 8489 section 14.2), such as XOR-MAPPED-ADDRESS.
    pub fn xor_address(&mut self, kind: AttributeType, addr: SocketAddr) -> &mut Self {
        let mut value = [0; VALUE_MAX];
        let length = address::write_xor(addr, self.id, &mut value);
        self.attribute(kind, value.get(..length).unwrap_or_default())
    }

    /// A plain address (RFC 8489 section 14.1), such as ALTERNATE-SERVER, RESPONSE-ORIGIN or OTHER-ADDRESS.
    pub fn address(&mut self, kind: AttributeType, addr: SocketAddr) -> &mut Self {
        let mut value = [0; VALUE_MAX];
        let length = address::write(addr, &mut value);
        self.attribute(kind, value.get(..length).unwrap_or_default())
    }

    /// CHANNEL-NUMBER (RFC 8656 section 18.1).
    pub fn channel_number(&mut self, number: u16) -> &mut Self {
        self.u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16)
    }

    /// REQUESTED-TRANSPORT (RFC 8656 section 18.8): an IP protocol number.
    pub fn requested_transport(&mut self, protocol: u8) -> &mut Self {
        self.attribute(AttributeType::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0])
    }

    /// REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY (RFC 8656 sections 18.6 and 18.11).
    pub fn address_family(&mut self, kind: AttributeType, family: AddressFamily) -> &mut Self {
        self.attribute(kind, &[family.value(), 0, 0, 0])
    }

    /// EVEN-PORT (RFC 8656 section 18.7).
    pub fn even_port(&mut self, reserve_next: bool) -> &mut Self {
        self.attribute(AttributeType::EVEN_PORT, &[u8::from(reserve_next) << 7])
    }

    /// ERROR-CODE (RFC 8489 section 14.8). The reason is for people; it is cut at 127 characters.
    pub fn error_code(&mut self, code: u16, reason: &str) -> &mut Self {
        self.coded_reason(AttributeType::ERROR_CODE, 0, code, reason)
    }

    /// ADDRESS-ERROR-CODE (RFC 8656 section 18.12).
    pub fn address_error_code(&mut self, family: AddressFamily, code: u16, reason: &str) -> &mut Self {
        self.coded_reason(AttributeType::ADDRESS_ERROR_CODE, family.value(), code, reason)
    }

    fn coded_reason(&mut self, kind: AttributeType, family: u8, code: u16, reason: &str) -> &mut Self {
        let reason = reason.char_indices().nth(REASON_MAX).map_or(reason, |(cut, _)| reason.split_at(cut).0);
        let (class, number) = ((code / 100) & 0b111, code % 100);
        let mut value = [0; 4 + REASON_MAX * 4];
        value[..4].copy_from_slice(&[family, 0, class.to_be_bytes()[1], number.to_be_bytes()[1]]);
        let length = 4 + reason.len();
        if let Some(room) = value.get_mut(4..length) {
            room.copy_from_slice(reason.as_bytes());
        }
        self.attribute(kind, value.get(..length).unwrap_or_default())
    }

    /// UNKNOWN-ATTRIBUTES (RFC 8489 section 14.13).
    pub fn unknown_attributes(&mut self, types: &[AttributeType]) -> &mut Self {
        let Some(length) = self.reserve(types.len().saturating_mul(2)) else { return self };
        self.out.extend_from_slice(&AttributeType::UNKNOWN_ATTRIBUTES.0.to_be_bytes());
        self.out.extend_from_slice(&length.to_be_bytes());
        for kind in types {
            self.out.extend_from_slice(&kind.0.to_be_bytes());
        }
        self.out.extend_from_slice([0; 3].get(..padding(types.len() * 2)).unwrap_or_default());
        self
    }

    /// PASSWORD-ALGORITHM (RFC 8489 section 14.12), without parameters.
    pub fn password_algorithm(&mut self, number: u16) -> &mut Self {
        self.u32(AttributeType::PASSWORD_ALGORITHM, u32::from(number) << 16)
    }

    /// PASSWORD-ALGORITHMS (RFC 8489 section 14.11): MD5 and SHA-256, best first, as every one of our servers offers.
    pub fn password_algorithms(&mut self) -> &mut Self {
        self.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::OFFER)
    }

    /// ICMP (RFC 8656 section 18.13).
    pub fn icmp(&mut self, kind: u8, code: u8, data: u32) -> &mut Self {
        let [k0, k1] = super::readers::IcmpError::encode(kind, code).to_be_bytes();
        let [d0, d1, d2, d3] = data.to_be_bytes();
        self.attribute(AttributeType::ICMP, &[0, 0, k0, k1, d0, d1, d2, d3])
    }

    /// MESSAGE-INTEGRITY (RFC 8489 section 14.5).
    pub fn integrity(&mut self, key: &[u8]) -> &mut Self {
        if self.reserve(SHA1_LEN).is_some() {
            let mac = hmac_sha1(key, self.bytes(), self.length());
            self.attribute(AttributeType::MESSAGE_INTEGRITY, &mac);
        }
        self
    }

    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6), in full length.
    pub fn integrity_sha256(&mut self, key: &[u8]) -> &mut Self {
        if self.reserve(SHA256_LEN).is_some() {
            let mac = hmac_sha256(key, self.bytes(), self.length());
            self.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &mac);
        }
        self
    }

    /// FINGERPRINT (RFC 8489 section 14.7).
    pub fn fingerprint(&mut self) -> &mut Self {
        if self.reserve(4).is_some() {
            let crc = crc(self.bytes());
            self.u32(AttributeType::FINGERPRINT, crc);
        }
        self
    }

    fn length(&self) -> u16 {
        match *self.bytes() {
            [_, _, l0, l1, ..] => u16::from_be_bytes([l0, l1]),
            _ => 0,
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`TooLong`] if an attribute was left out; the buffer still holds the message without it.
    pub fn finish(self) -> Result<(), TooLong> {
        self.result
    }
}
