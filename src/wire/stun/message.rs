//! A received message: the fixed header (RFC 8489 section 5) and the attributes behind it (section 14).

use std::fmt;

use super::method::{self, Class, Method};
use super::{ATTRIBUTE_HEADER_LEN, AttributeType, HEADER_LEN, MAGIC_COOKIE};

/// What ties an answer to its request (RFC 8489 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why bytes are not a STUN message. All of these are dropped in silence (RFC 8489 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Fewer bytes than the fixed header has.
    #[error("shorter than a STUN header")]
    TooShort,
    /// The two upper bits are not zero.
    #[error("the first two bits are not zero")]
    NotStun,
    /// Not [`MAGIC_COOKIE`]: RFC 3489, or something else altogether.
    #[error("no magic cookie")]
    Cookie,
    /// The length field is not a multiple of four or not that of what came.
    #[error("the length field does not fit the message")]
    Length,
    /// An attribute reaches beyond the end.
    #[error("an attribute reaches beyond the end")]
    Attribute,
}

/// A well-formed message, borrowed: the header is right and every attribute lies within. What the attributes
/// say has not been looked at.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes` exactly.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(ParseError::TooShort)?;
        let [t0, _, l0, l1, c0, c1, c2, c3, ..] = *header;
        if t0 & 0xC0 != 0 {
            return Err(ParseError::NotStun);
        }
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::Cookie);
        }
        // Attributes are padded to four bytes, so the last two bits of the length are zero (section 5).
        if usize::from(u16::from_be_bytes([l0, l1])) != body.len() || !body.len().is_multiple_of(4) {
            return Err(ParseError::Length);
        }
        let mut offset = HEADER_LEN;
        while offset < bytes.len() {
            offset = attribute_at(bytes, offset).ok_or(ParseError::Attribute)?.1;
        }
        Ok(Self { bytes, header })
    }

    /// Request, indication, success or error.
    #[must_use]
    pub fn class(&self) -> Class {
        self.message_type().0
    }

    /// The operation.
    #[must_use]
    pub fn method(&self) -> Method {
        self.message_type().1
    }

    fn message_type(&self) -> (Class, Method) {
        let [t0, t1, ..] = *self.header;
        method::decode(u16::from_be_bytes([t0, t1]))
    }

    /// The transaction.
    #[must_use]
    pub fn transaction_id(&self) -> TransactionId {
        let [_, _, _, _, _, _, _, _, id @ ..] = *self.header;
        TransactionId(id)
    }

    /// The whole message.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in order. Behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT
    /// count (RFC 8489 section 14.5), behind MESSAGE-INTEGRITY-SHA256 only FINGERPRINT (section 14.6), behind
    /// FINGERPRINT nothing (section 14.7): nobody can append to a signed message.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, offset: HEADER_LEN, stage: Stage::Open }
    }

    /// The value of the first attribute of this type; later ones are ignored (RFC 8489 section 14).
    #[must_use]
    pub fn find(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.find_attribute(kind).map(|attribute| attribute.value)
    }

    pub(super) fn find_attribute(&self, kind: AttributeType) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    /// The comprehension-required types that `known` denies, each once, for error 420 (RFC 8489 section 6.3.1).
    pub fn unknown_required(&self, known: impl Fn(AttributeType) -> bool) -> UnknownAttributes {
        let mut unknown = UnknownAttributes::default();
        for attribute in self.attributes() {
            if attribute.kind.is_comprehension_required() && !known(attribute.kind) {
                unknown.insert(attribute.kind);
            }
        }
        unknown
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, method) = self.message_type();
        f.debug_struct("Message")
            .field("class", &class)
            .field("method", &method)
            .field("transaction_id", &self.transaction_id())
            .field("length", &self.bytes.len())
            .finish()
    }
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeType,
    /// Its value without padding.
    pub value: &'a [u8],
    /// Where its type field begins, from the message's first byte.
    pub offset: usize,
}

impl Attribute<'_> {
    /// Where the next attribute begins.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset + ATTRIBUTE_HEADER_LEN + self.value.len().next_multiple_of(4)
    }
}

/// Which attributes still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Sha1Signed,
    Sha256Signed,
    Closed,
}

/// The attributes of a message that count, in order.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
    stage: Stage,
}

impl Stage {
    /// Whether an attribute of this type counts now, and what counts after it.
    const fn admit(self, kind: AttributeType) -> (bool, Self) {
        match (self, kind) {
            (Self::Closed, _) => (false, Self::Closed),
            (_, AttributeType::FINGERPRINT) => (true, Self::Closed),
            (Self::Open, AttributeType::MESSAGE_INTEGRITY) => (true, Self::Sha1Signed),
            (Self::Open | Self::Sha1Signed, AttributeType::MESSAGE_INTEGRITY_SHA256) => {
                (true, Self::Sha256Signed)
            }
            (Self::Open, _) => (true, Self::Open),
            (stage, _) => (false, stage),
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let (attribute, next) = attribute_at(self.bytes, self.offset)?;
            self.offset = next;
            let (counts, stage) = self.stage.admit(attribute.kind);
            self.stage = stage;
            if counts {
                return Some(attribute);
            }
        }
    }
}

/// The attribute at `offset` and the offset behind its padding. The padding itself may hold anything
/// (RFC 8489 section 14).
pub(super) fn attribute_at(bytes: &[u8], offset: usize) -> Option<(Attribute<'_>, usize)> {
    let (&[t0, t1, l0, l1], rest) = bytes.get(offset..)?.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let value = rest.get(..length)?;
    let attribute = Attribute { kind: AttributeType(u16::from_be_bytes([t0, t1])), value, offset };
    Some((attribute, attribute.end()))
}

/// The unknown comprehension-required types of one message: a bounded set, so that an answer cannot be blown up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttributes {
    types: [AttributeType; Self::MAX],
    len: usize,
}

impl UnknownAttributes {
    /// How many are reported at most; the rest is left out.
    pub const MAX: usize = 16;

    /// None at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The types, in order of appearance.
    #[must_use]
    pub fn as_slice(&self) -> &[AttributeType] {
        self.types.get(..self.len).unwrap_or_default()
    }

    fn insert(&mut self, kind: AttributeType) {
        if !self.as_slice().contains(&kind)
            && let Some(slot) = self.types.get_mut(self.len)
        {
            *slot = kind;
            self.len += 1;
        }
    }
}

impl Default for UnknownAttributes {
    fn default() -> Self {
        Self { types: [AttributeType(0); Self::MAX], len: 0 }
    }
}

impl<'a> IntoIterator for &'a UnknownAttributes {
    type Item = AttributeType;
    type IntoIter = std::iter::Copied<std::slice::Iter<'a, AttributeType>>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter().copied()
    }
}
