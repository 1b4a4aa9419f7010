//! BGP-4 messages (RFC 4271) with what its successors added: four-octet numbers (6793), several families (4760),
//! capabilities (5492), route refresh (2918), roles (9234), shutdown texts (9003), and errors handled so that one bad
//! route does not end a session (7606).
//!
//! [`frame`] cuts a stream into messages, [`decode`] reads one, [`mod@write`] makes them. A reader borrows and allocates
//! nothing; what is wrong with a message is a [`Fault`], which is what our NOTIFICATION says. Routes of neighbours are
//! judged and counted by whoever calls, never kept, so there is no more of an attribute here than its form and what we
//! write ourselves. Extended messages (8654) are not offered and so not taken. Called by `announce::bgp`.

mod attribute;
mod fault;
mod notification;
mod numbers;
mod open;
#[cfg(test)]
mod open_tests;
mod prefix;
#[cfg(test)]
mod tests;
mod update;
#[cfg(test)]
mod update_tests;
pub mod write;

pub use attribute::{AsPath, Attribute, AttributeType, Attributes, Defect, Flaw};
pub use fault::{FAULT_DATA_MAX, Fault, Reason};
pub use notification::Notification;
pub use numbers::{Asn, Community, LargeCommunity, NotANumber, RouterId};
pub use open::{Capabilities, Capability, GracefulRestart, Open, Role, VERSION};
pub use prefix::{Families, Family, Prefix, PrefixError, Prefixes};
pub use update::{Update, Verdict};

/// The header of every message: marker, length, type (RFC 4271 section 4.1).
pub const HEADER_LEN: usize = 19;

/// The longest message.
pub const MESSAGE_MAX: usize = 4096;

/// The port that speakers listen on.
pub const PORT: u16 = 179;

/// What every message begins with.
const MARKER: [u8; 16] = [0xFF; 16];

/// What the two sides have agreed on, as far as it changes what messages mean. Before the OPENs have been exchanged the
/// default will do: no message that is allowed until then depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    /// Both have named four-octet numbers.
    pub four_octet: bool,
    /// The families that both have named.
    pub families: Families,
    /// Both are of the same autonomous system.
    pub internal: bool,
}

/// A message of the other side.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// The first of each side.
    Open(Open<'a>),
    /// Routes.
    Update(Update<'a>),
    /// The last: the sender has closed the session.
    Notification(Notification<'a>),
    /// Nothing new.
    Keepalive,
    /// All routes of a family are wanted again.
    RouteRefresh {
        /// Which; `None` if we do not know it.
        family: Option<Family>,
        /// 0 for the request; others mark the beginning and end of an answer (RFC 7313), which we do not ask for.
        subtype: u8,
    },
}

/// Types of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Update,
    Notification,
    Keepalive,
    RouteRefresh,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Update => 2,
            Self::Notification => 3,
            Self::Keepalive => 4,
            Self::RouteRefresh => 5,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// Whether a message of this type may be so long (RFC 4271 section 6.1, RFC 2918 section 3).
    const fn allows(self, length: usize) -> bool {
        match self {
            Self::Open => length >= 29,
            Self::Update => length >= 23,
            Self::Notification => length >= 21,
            Self::Keepalive => length == HEADER_LEN,
            Self::RouteRefresh => length == 23,
        }
    }
}

/// The length of the message that `bytes` begin with, once they hold all of it. The marker is judged as far as it has come,
/// length and type as soon as the header has.
///
/// # Errors
/// What is no header (RFC 4271 section 6.1).
pub fn frame(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    if bytes.iter().zip(&MARKER).any(|(byte, mark)| byte != mark) {
        return Err(Reason::NOT_SYNCHRONIZED.into());
    }
    let Some((_, length)) = split_header(bytes)? else { return Ok(None) };
    Ok((bytes.len() >= length).then_some(length))
}

/// The type and the length that a header gives, which agree.
fn split_header(bytes: &[u8]) -> Result<Option<(Kind, usize)>, Fault> {
    let Some(&[.., l0, l1, kind]) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let bad_length = || Fault::with_data(Reason::BAD_MESSAGE_LENGTH, &[l0, l1]);
    if !(HEADER_LEN..=MESSAGE_MAX).contains(&length) {
        return Err(bad_length());
    }
    let kind = Kind::from_code(kind).ok_or_else(|| Fault::with_data(Reason::BAD_MESSAGE_TYPE, &[kind]))?;
    if kind.allows(length) { Ok(Some((kind, length))) } else { Err(bad_length()) }
}

/// Reads one message, as [`frame`] has cut it.
///
/// # Errors
/// What ends the session. What can be mended without that is in [`Update::verdict`].
pub fn decode<'a>(message: &'a [u8], codec: &Codec) -> Result<Message<'a>, Fault> {
    frame(message)?;
    let whole = split_header(message)?.filter(|(_, length)| *length == message.len());
    let (Some((kind, _)), Some((_, body))) = (whole, message.split_at_checked(HEADER_LEN)) else {
        return Err(Reason::BAD_MESSAGE_LENGTH.into());
    };
    Ok(match (kind, body) {
        (Kind::Open, body) => Message::Open(Open::parse(body)?),
        (Kind::Update, body) => Message::Update(Update::parse(body, codec)?),
        (Kind::Notification, &[code, subcode, ref data @ ..]) => {
            Message::Notification(Notification { reason: Reason { code, subcode }, data })
        }
        (Kind::RouteRefresh, &[a0, a1, subtype, safi]) => Message::RouteRefresh {
            family: Family::from_numbers(u16::from_be_bytes([a0, a1]), safi),
            subtype,
        },
        (Kind::Keepalive, _) => Message::Keepalive,
        // The header has judged their lengths.
        (Kind::Notification | Kind::RouteRefresh, _) => return Err(Reason::BAD_MESSAGE_LENGTH.into()),
    })
}
