//! The two indications that carry media: Send, read in one pass; Data, written before a payload that is already
//! in its buffer (RFC 8656 sections 11.2 and 11.3).

use std::net::SocketAddr;
use std::ops::Range;

use super::address::{self, VALUE_MAX};
use super::integrity::check_fingerprint;
use super::method;
use super::{
    ATTRIBUTE_HEADER_LEN, AttributeType, Class, HEADER_LEN, MAGIC_COOKIE, Message, Method, TransactionId,
};

/// The longest header that [`write_data_indication_header`] writes: that of an IPv6 peer.
pub const DATA_INDICATION_HEADER_MAX: usize = HEADER_LEN + 2 * ATTRIBUTE_HEADER_LEN + VALUE_MAX;

/// What a Send indication asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendIndication {
    /// XOR-PEER-ADDRESS.
    pub peer: SocketAddr,
    /// Where the value of DATA lies in the message; may be empty.
    pub data: Range<usize>,
    /// DONT-FRAGMENT is there.
    pub dont_fragment: bool,
}

/// Reads a Send indication. `None` if it is something else, malformed, incomplete, has a wrong FINGERPRINT or an
/// unknown comprehension-required attribute: nothing is sent then and nothing answered (RFC 8656 section 11.2,
/// RFC 8489 section 6.3.2). Indications are not authenticated (RFC 8656 section 5), so signatures in them are not
/// looked at.
#[must_use]
pub fn send_indication(bytes: &[u8]) -> Option<SendIndication> {
    let message = Message::parse(bytes).ok()?;
    if message.class() != Class::Indication || message.method() != Method::SEND {
        return None;
    }
    let (mut peer, mut data, mut dont_fragment) = (None, None, false);
    for attribute in message.attributes() {
        match attribute.kind {
            AttributeType::XOR_PEER_ADDRESS if peer.is_none() => {
                peer = Some(address::read_xor(attribute.value, message.transaction_id()).ok()?);
            }
            AttributeType::DATA if data.is_none() => {
                let start = attribute.offset + ATTRIBUTE_HEADER_LEN;
                data = Some(start..start + attribute.value.len());
            }
            AttributeType::DONT_FRAGMENT if !dont_fragment => {
                if !attribute.value.is_empty() {
                    return None;
                }
                dont_fragment = true;
            }
            AttributeType::FINGERPRINT if !check_fingerprint(bytes, &attribute) => return None,
            kind if kind.is_comprehension_required() && !kind.is_known() => return None,
            _ => {}
        }
    }
    Some(SendIndication { peer: peer?, data: data?, dont_fragment })
}

/// How many zero bytes follow a value or payload of this length.
#[must_use]
pub const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 0b11
}

/// Writes the header of a Data indication at the end of `headroom`, so that it ends where the payload begins, and
/// returns its length. [`padding`]`(data_len)` zero bytes belong behind the payload. `None` if there is too little room
/// or the message would be longer than a length field can say.
pub fn write_data_indication_header(
    headroom: &mut [u8],
    id: TransactionId,
    peer: SocketAddr,
    data_len: usize,
) -> Option<usize> {
    let mut value = [0; VALUE_MAX];
    let value_len = address::write_xor(peer, id, &mut value);
    let header_len = HEADER_LEN + ATTRIBUTE_HEADER_LEN + value_len + ATTRIBUTE_HEADER_LEN;
    let body = data_len.checked_next_multiple_of(4)?.checked_add(header_len - HEADER_LEN)?;
    let body = u16::try_from(body).ok()?.to_be_bytes();
    let data_len = u16::try_from(data_len).ok()?;

    let start = headroom.len().checked_sub(header_len)?;
    let (fixed, rest) = headroom.get_mut(start..)?.split_first_chunk_mut::<HEADER_LEN>()?;
    fixed[..2].copy_from_slice(&method::encode(Class::Indication, Method::DATA).to_be_bytes());
    fixed[2..4].copy_from_slice(&body);
    fixed[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    fixed[8..].copy_from_slice(&id.0);

    let (peer_attribute, data_attribute) = rest.split_at_mut_checked(ATTRIBUTE_HEADER_LEN + value_len)?;
    write_attribute_header(peer_attribute, AttributeType::XOR_PEER_ADDRESS, u16::try_from(value_len).ok()?)?;
    peer_attribute.get_mut(ATTRIBUTE_HEADER_LEN..)?.copy_from_slice(value.get(..value_len)?);
    write_attribute_header(data_attribute, AttributeType::DATA, data_len)?;
    Some(header_len)
}

fn write_attribute_header(out: &mut [u8], kind: AttributeType, length: u16) -> Option<()> {
    let ([t0, t1], [l0, l1]) = (kind.0.to_be_bytes(), length.to_be_bytes());
    *out.first_chunk_mut()? = [t0, t1, l0, l1];
    Some(())
}
