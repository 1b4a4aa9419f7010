//! Typed readers of attributes. Each gives `Ok(None)` if the attribute is absent and an error if it is there and
//! cannot be what its RFC says: a malformed attribute is never taken for a missing one.

use std::net::SocketAddr;

use super::{AddressFamily, AttributeType, Message, address};

/// What is wrong with the value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeFault {
    /// Not the length that its format has.
    Length,
    /// An address family that STUN does not know.
    Family,
    /// Any other field out of range.
    Value,
}

/// An attribute that cannot be read: the request is answered with 400, the indication dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} is malformed: {fault:?}")]
pub struct AttributeError {
    /// Which.
    pub kind: AttributeType,
    /// Why.
    pub fault: AttributeFault,
}

/// ERROR-CODE (RFC 8489 section 14.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For people; UTF-8 as its sender promises, unchecked.
    pub reason: &'a [u8],
}

/// One entry of PASSWORD-ALGORITHMS, or the whole of PASSWORD-ALGORITHM (RFC 8489 sections 14.11 and 14.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithm<'a> {
    /// Its number in the registry (RFC 8489 section 18.5).
    pub number: u16,
    /// Empty for all that are registered.
    pub parameters: &'a [u8],
}

impl PasswordAlgorithm<'_> {
    /// The number of MD5.
    pub const MD5: u16 = 0x0001;
    /// The number of SHA-256.
    pub const SHA256: u16 = 0x0002;
    /// The value of PASSWORD-ALGORITHMS with both, the stronger first.
    pub const OFFER: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];
}

/// CHANGE-REQUEST (RFC 5780 section 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    /// Answer from the other address.
    pub address: bool,
    /// Answer from the other port.
    pub port: bool,
}

/// ICMP (RFC 8656 section 18.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMP or ICMPv6 type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU, for the errors that have one.
    pub data: u32,
}

impl IcmpError {
    /// Seven bits of type and nine of code share sixteen bits. No error type of ICMP or ICMPv6 is above 127.
    pub(super) fn encode(kind: u8, code: u8) -> u16 {
        (u16::from(kind & 0x7F) << 9) | u16::from(code)
    }
}

impl<'a> Message<'a> {
    fn read<T>(
        &self,
        kind: AttributeType,
        reader: impl FnOnce(&'a [u8]) -> Result<T, AttributeFault>,
    ) -> Result<Option<T>, AttributeError> {
        self.find(kind).map(reader).transpose().map_err(|fault| AttributeError { kind, fault })
    }

    /// An exclusive-or'ed address: XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS.
    ///
    /// # Errors
    /// Empty, of another length than its family has, or of an unknown family.
    pub fn xor_address(&self, kind: AttributeType) -> Result<Option<SocketAddr>, AttributeError> {
        self.read(kind, |value| address::read_xor(value, self.transaction_id()))
    }

    /// A plain address: MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS.
    ///
    /// # Errors
    /// As [`Self::xor_address`].
    pub fn address(&self, kind: AttributeType) -> Result<Option<SocketAddr>, AttributeError> {
        self.read(kind, address::read)
    }

    /// The first XOR-PEER-ADDRESS.
    ///
    /// # Errors
    /// As [`Self::xor_address`].
    pub fn xor_peer_address(&self) -> Result<Option<SocketAddr>, AttributeError> {
        self.xor_address(AttributeType::XOR_PEER_ADDRESS)
    }

    /// Every XOR-PEER-ADDRESS: CreatePermission may carry several (RFC 8656 section 10.1).
    pub fn xor_peer_addresses(&self) -> impl Iterator<Item = Result<SocketAddr, AttributeError>> + 'a {
        let (id, kind) = (self.transaction_id(), AttributeType::XOR_PEER_ADDRESS);
        self.attributes()
            .filter(move |attribute| attribute.kind == kind)
            .map(move |a| address::read_xor(a.value, id).map_err(|fault| AttributeError { kind, fault }))
    }

    /// CHANNEL-NUMBER (RFC 8656 section 18.1), in or out of the permitted range.
    ///
    /// # Errors
    /// Not four bytes.
    pub fn channel_number(&self) -> Result<Option<u16>, AttributeError> {
        self.read(AttributeType::CHANNEL_NUMBER, |value| {
            word(value).map(|[n0, n1, ..]| u16::from_be_bytes([n0, n1]))
        })
    }

    /// LIFETIME in seconds (RFC 8656 section 18.2).
    ///
    /// # Errors
    /// Not four bytes.
    pub fn lifetime(&self) -> Result<Option<u32>, AttributeError> {
        self.read(AttributeType::LIFETIME, |value| word(value).map(u32::from_be_bytes))
    }

    /// REQUESTED-TRANSPORT: an IP protocol number (RFC 8656 section 18.8).
    ///
    /// # Errors
    /// Not four bytes.
    pub fn requested_transport(&self) -> Result<Option<u8>, AttributeError> {
        self.read(AttributeType::REQUESTED_TRANSPORT, |value| word(value).map(|[protocol, ..]| protocol))
    }

    /// The R bit of EVEN-PORT: reserve the next port too (RFC 8656 section 18.7).
    ///
    /// # Errors
    /// Not one byte.
    pub fn even_port(&self) -> Result<Option<bool>, AttributeError> {
        self.read(AttributeType::EVEN_PORT, |value| match value {
            [bits] => Ok(bits & 0x80 != 0),
            _ => Err(AttributeFault::Length),
        })
    }

    /// RESERVATION-TOKEN (RFC 8656 section 18.10).
    ///
    /// # Errors
    /// Not eight bytes.
    pub fn reservation_token(&self) -> Result<Option<[u8; 8]>, AttributeError> {
        self.read(AttributeType::RESERVATION_TOKEN, exactly)
    }

    /// REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6).
    ///
    /// # Errors
    /// Not four bytes; [`AttributeFault::Family`] for a family that no server has, which is answered with 440.
    pub fn requested_family(&self) -> Result<Option<AddressFamily>, AttributeError> {
        self.read(AttributeType::REQUESTED_ADDRESS_FAMILY, family)
    }

    /// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 section 18.11), failing that under the number of its draft.
    ///
    /// # Errors
    /// As [`Self::requested_family`].
    pub fn additional_family(&self) -> Result<Option<AddressFamily>, AttributeError> {
        match self.read(AttributeType::ADDITIONAL_ADDRESS_FAMILY, family)? {
            None => self.read(AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY, family),
            found => Ok(found),
        }
    }

    /// DONT-FRAGMENT (RFC 8656 section 18.9).
    ///
    /// # Errors
    /// Not empty.
    pub fn dont_fragment(&self) -> Result<bool, AttributeError> {
        let present = self.read(AttributeType::DONT_FRAGMENT, |value| match value {
            [] => Ok(()),
            _ => Err(AttributeFault::Length),
        })?;
        Ok(present.is_some())
    }

    /// DATA (RFC 8656 section 18.4); may be empty.
    #[must_use]
    pub fn data(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::DATA)
    }

    /// USERNAME (RFC 8489 section 14.3): the bytes as they came, of any length.
    #[must_use]
    pub fn username(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::USERNAME)
    }

    /// REALM (RFC 8489 section 14.9).
    #[must_use]
    pub fn realm(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::REALM)
    }

    /// NONCE (RFC 8489 section 14.10).
    #[must_use]
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::NONCE)
    }

    /// USERHASH (RFC 8489 section 14.4).
    ///
    /// # Errors
    /// Not 32 bytes.
    pub fn userhash(&self) -> Result<Option<[u8; 32]>, AttributeError> {
        self.read(AttributeType::USERHASH, exactly)
    }

    /// PASSWORD-ALGORITHM (RFC 8489 section 14.12).
    ///
    /// # Errors
    /// The parameters do not end where the value does.
    pub fn password_algorithm(&self) -> Result<Option<PasswordAlgorithm<'a>>, AttributeError> {
        self.read(AttributeType::PASSWORD_ALGORITHM, |value| match split_algorithm(value) {
            Some((algorithm, [])) => Ok(algorithm),
            _ => Err(AttributeFault::Length),
        })
    }

    /// PASSWORD-ALGORITHMS as it came (RFC 8489 section 14.11), to be compared with what was sent.
    #[must_use]
    pub fn password_algorithms_raw(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::PASSWORD_ALGORITHMS)
    }

    /// The entries of PASSWORD-ALGORITHMS; none if it is absent. A malformed tail ends the list.
    #[must_use]
    pub fn password_algorithms(&self) -> PasswordAlgorithms<'a> {
        PasswordAlgorithms { rest: self.password_algorithms_raw().unwrap_or_default() }
    }

    /// ERROR-CODE (RFC 8489 section 14.8).
    ///
    /// # Errors
    /// Shorter than four bytes, class outside 3 to 6 or number above 99.
    pub fn error_code(&self) -> Result<Option<ErrorCode<'a>>, AttributeError> {
        self.read(AttributeType::ERROR_CODE, |value| coded_reason(value).map(|(_, error)| error))
    }

    /// The first ADDRESS-ERROR-CODE (RFC 8656 section 18.12).
    ///
    /// # Errors
    /// As [`Self::error_code`], or an unknown family.
    pub fn address_error_code(&self) -> Result<Option<(AddressFamily, ErrorCode<'a>)>, AttributeError> {
        self.read(AttributeType::ADDRESS_ERROR_CODE, |value| {
            let (family, error) = coded_reason(value)?;
            Ok((AddressFamily::from_value(family).ok_or(AttributeFault::Family)?, error))
        })
    }

    /// The types in UNKNOWN-ATTRIBUTES (RFC 8489 section 14.13).
    pub fn unknown_attributes(&self) -> impl Iterator<Item = AttributeType> + 'a {
        let value = self.find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap_or_default();
        let (types, _) = value.as_chunks::<2>();
        types.iter().map(|kind| AttributeType(u16::from_be_bytes(*kind)))
    }

    /// ICMP (RFC 8656 section 18.13).
    ///
    /// # Errors
    /// Not eight bytes, or a code above 255.
    pub fn icmp(&self) -> Result<Option<IcmpError>, AttributeError> {
        self.read(AttributeType::ICMP, |value| {
            let [_, _, k0, k1, data @ ..] = exactly::<8>(value)?;
            // The ninth bit of the code is the lowest of this byte.
            if k0 & 1 != 0 {
                return Err(AttributeFault::Value);
            }
            Ok(IcmpError { kind: k0 >> 1, code: k1, data: u32::from_be_bytes(data) })
        })
    }

    /// CONNECTION-ID (RFC 6062 section 6.2.1).
    ///
    /// # Errors
    /// Not four bytes.
    pub fn connection_id(&self) -> Result<Option<u32>, AttributeError> {
        self.read(AttributeType::CONNECTION_ID, |value| word(value).map(u32::from_be_bytes))
    }

    /// MOBILITY-TICKET (RFC 8016 section 3.3); empty in an Allocate request.
    #[must_use]
    pub fn mobility_ticket(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::MOBILITY_TICKET)
    }

    /// ACCESS-TOKEN (RFC 7635 section 6.2), encrypted.
    #[must_use]
    pub fn access_token(&self) -> Option<&'a [u8]> {
        self.find(AttributeType::ACCESS_TOKEN)
    }

    /// CHANGE-REQUEST (RFC 5780 section 7.2).
    ///
    /// # Errors
    /// Not four bytes.
    pub fn change_request(&self) -> Result<Option<ChangeRequest>, AttributeError> {
        self.read(AttributeType::CHANGE_REQUEST, |value| {
            let flags = u32::from_be_bytes(word(value)?);
            Ok(ChangeRequest { address: flags & 0b100 != 0, port: flags & 0b010 != 0 })
        })
    }

    /// RESPONSE-PORT (RFC 5780 section 7.5). The RFC draws the port with two bytes of padding behind it; some
    /// clients count these in the length.
    ///
    /// # Errors
    /// Neither two nor four bytes.
    pub fn response_port(&self) -> Result<Option<u16>, AttributeError> {
        self.read(AttributeType::RESPONSE_PORT, |value| match *value {
            [p0, p1] | [p0, p1, _, _] => Ok(u16::from_be_bytes([p0, p1])),
            _ => Err(AttributeFault::Length),
        })
    }

    /// The length of PADDING (RFC 5780 section 7.6).
    #[must_use]
    pub fn padding_len(&self) -> Option<usize> {
        self.find(AttributeType::PADDING).map(<[u8]>::len)
    }
}

/// The entries of PASSWORD-ALGORITHMS.
#[derive(Clone, Debug)]
pub struct PasswordAlgorithms<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for PasswordAlgorithms<'a> {
    type Item = PasswordAlgorithm<'a>;

    fn next(&mut self) -> Option<PasswordAlgorithm<'a>> {
        let Some((algorithm, rest)) = split_algorithm(self.rest) else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some(algorithm)
    }
}

/// Number, length, parameters, padding (RFC 8489 section 14.11). The padding of the last entry may be missing: the
/// attribute's own padding stands in its place.
fn split_algorithm(value: &[u8]) -> Option<(PasswordAlgorithm<'_>, &[u8])> {
    let (&[n0, n1, l0, l1], rest) = value.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let parameters = rest.get(..length)?;
    let rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((PasswordAlgorithm { number: u16::from_be_bytes([n0, n1]), parameters }, rest))
}

fn coded_reason(value: &[u8]) -> Result<(u8, ErrorCode<'_>), AttributeFault> {
    let &[family, _, class, number, ref reason @ ..] = value else { return Err(AttributeFault::Length) };
    let class = class & 0b111;
    if !(3..=6).contains(&class) || number > 99 {
        return Err(AttributeFault::Value);
    }
    Ok((family, ErrorCode { code: u16::from(class) * 100 + u16::from(number), reason }))
}

fn family(value: &[u8]) -> Result<AddressFamily, AttributeFault> {
    let [family, ..] = word(value)?;
    AddressFamily::from_value(family).ok_or(AttributeFault::Family)
}

fn word(value: &[u8]) -> Result<[u8; 4], AttributeFault> {
    exactly(value)
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], AttributeFault> {
    value.try_into().map_err(|_| AttributeFault::Length)
}
