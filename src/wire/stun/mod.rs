//! STUN messages (RFC 8489) and the attributes of TURN (RFC 8656) and its relatives.
//!
//! [`Message`] borrows a received message and reads it in place; [`Writer`] appends one to a buffer of the caller.
//! [`send_indication`] and [`write_data_indication_header`] are the two forms that media takes, read and written
//! without the generic machinery.

mod address;
mod attribute;
mod integrity;
mod key;
mod media;
mod message;
mod method;
mod readers;
#[cfg(test)]
mod tests;
mod writer;

pub use address::AddressFamily;
pub use attribute::AttributeType;
pub use integrity::{Fingerprint, Integrity};
pub use key::{long_term_key_md5, long_term_key_sha256, userhash};
pub use media::{
    DATA_INDICATION_HEADER_MAX, SendIndication, padding, send_indication, write_data_indication_header,
};
pub use message::{Attribute, Attributes, Message, ParseError, TransactionId, UnknownAttributes};
pub use method::{Class, Method};
pub use readers::{
    AttributeError, AttributeFault, ChangeRequest, ErrorCode, IcmpError, PasswordAlgorithm,
    PasswordAlgorithms,
};
pub use writer::{TooLong, Writer};

/// The fixed second word of every message (RFC 8489 section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// Length of the fixed header (RFC 8489 section 5).
pub const HEADER_LEN: usize = 20;

/// Length of an attribute's type and length fields (RFC 8489 section 14).
const ATTRIBUTE_HEADER_LEN: usize = 4;
