//! Path attributes (RFC 4271 section 4.3): their list, and what is wrong with one by itself (RFC 7606 section 7).

use std::fmt;
use std::net::Ipv4Addr;

use super::{Asn, Codec, Reason};

/// The type code of a path attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u8);

/// What the Optional and Transitive flags of an attribute must be.
pub(super) mod flag {
    pub(in super::super) const OPTIONAL: u8 = 0x80;
    pub(in super::super) const TRANSITIVE: u8 = 0x40;
    pub(in super::super) const EXTENDED_LENGTH: u8 = 0x10;
}

const WELL_KNOWN: u8 = flag::TRANSITIVE;
const NON_TRANSITIVE: u8 = flag::OPTIONAL;
const TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;

macro_rules! attributes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $flags:ident;)+) => {
        impl AttributeType {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Its name in the registry, if it is one that we read.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }

            /// Optional and Transitive as they must be, if it is one that we read.
            pub(super) const fn flags(self) -> Option<u8> {
                match self.0 {
                    $($code => Some($flags),)+
                    _ => None,
                }
            }
        }
    };
}

attributes! {
    /// Who brought the route into BGP (RFC 4271).
    ORIGIN = 1, WELL_KNOWN;
    /// The systems that it passed (RFC 4271).
    AS_PATH = 2, WELL_KNOWN;
    /// Where packets go, for IPv4 (RFC 4271).
    NEXT_HOP = 3, WELL_KNOWN;
    /// Which of several links to prefer (RFC 4271).
    MULTI_EXIT_DISC = 4, NON_TRANSITIVE;
    /// Preference within a system (RFC 4271).
    LOCAL_PREF = 5, WELL_KNOWN;
    /// Parts of the path were left out (RFC 4271).
    ATOMIC_AGGREGATE = 6, WELL_KNOWN;
    /// Who aggregated (RFC 4271).
    AGGREGATOR = 7, TRANSITIVE;
    /// Communities (RFC 1997).
    COMMUNITIES = 8, TRANSITIVE;
    /// Who brought the route to a reflector (RFC 4456).
    ORIGINATOR_ID = 9, NON_TRANSITIVE;
    /// Reflectors that it passed (RFC 4456).
    CLUSTER_LIST = 10, NON_TRANSITIVE;
    /// Reachable routes of any family (RFC 4760).
    MP_REACH_NLRI = 14, NON_TRANSITIVE;
    /// Withdrawn routes of any family (RFC 4760).
    MP_UNREACH_NLRI = 15, NON_TRANSITIVE;
    /// Extended communities (RFC 4360).
    EXTENDED_COMMUNITIES = 16, TRANSITIVE;
    /// The path in four octets through systems that know two (RFC 6793).
    AS4_PATH = 17, TRANSITIVE;
    /// The aggregator in four octets (RFC 6793).
    AS4_AGGREGATOR = 18, TRANSITIVE;
    /// Extended communities with an IPv6 address (RFC 5701).
    IPV6_EXTENDED_COMMUNITIES = 25, TRANSITIVE;
    /// Large communities (RFC 8092).
    LARGE_COMMUNITIES = 32, TRANSITIVE;
    /// The route goes down to customers only (RFC 9234).
    ONLY_TO_CUSTOMER = 35, TRANSITIVE;
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

/// One attribute of an UPDATE, whatever it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeType,
    /// Its flags as they were sent.
    pub flags: u8,
    /// Its value.
    pub value: &'a [u8],
    /// All of it, for the data of a NOTIFICATION.
    pub(super) whole: &'a [u8],
}

/// The attributes of an UPDATE up to the first that does not fit.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left; not empty after the last attribute if the list is broken.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (&[flags, kind], lengths) = self.rest.split_first_chunk()?;
        let (length, values) = if flags & flag::EXTENDED_LENGTH == 0 {
            let (&length, values) = lengths.split_first()?;
            (usize::from(length), values)
        } else {
            let (&length, values) = lengths.split_first_chunk()?;
            (u16::from_be_bytes(length).into(), values)
        };
        let (value, rest) = values.split_at_checked(length)?;
        let whole = self.rest.get(..self.rest.len() - rest.len())?;
        self.rest = rest;
        Some(Attribute { kind: AttributeType(kind), flags, value, whole })
    }
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Optional or Transitive are not what its type wants.
    Flags,
    /// Not a length that it can have.
    Length,
    /// A value that it cannot have.
    Value,
    /// It is not there.
    Missing,
    /// Only neighbours within our system may send it.
    External,
    /// The list ends within it, or before its length.
    Truncated,
    /// It is not optional, and unknown.
    Unrecognized,
    /// It is there twice.
    Repeated,
}

/// A defect and the attribute that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Which attribute.
    pub attribute: AttributeType,
    /// What is wrong with it.
    pub defect: Defect,
}

impl Flaw {
    /// What a NOTIFICATION would say of it.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match (self.defect, self.attribute) {
            (Defect::Flags, _) => Reason::ATTRIBUTE_FLAGS,
            (Defect::Missing, _) => Reason::MISSING_WELL_KNOWN,
            (Defect::Unrecognized, _) => Reason::UNRECOGNIZED_WELL_KNOWN,
            (Defect::Truncated | Defect::Repeated, _) => Reason::MALFORMED_ATTRIBUTE_LIST,
            (_, AttributeType::AS_PATH) => Reason::MALFORMED_AS_PATH,
            (_, AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI) => Reason::OPTIONAL_ATTRIBUTE,
            (Defect::Length, _) => Reason::ATTRIBUTE_LENGTH,
            (_, AttributeType::ORIGIN) => Reason::INVALID_ORIGIN,
            (_, AttributeType::NEXT_HOP) => Reason::INVALID_NEXT_HOP,
            (Defect::Value | Defect::External, _) => Reason::OPTIONAL_ATTRIBUTE,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attribute.fmt(f)?;
        f.write_str(match self.defect {
            Defect::Flags => " has the wrong flags",
            Defect::Length => " has the wrong length",
            Defect::Value => " has an impossible value",
            Defect::Missing => " is missing",
            Defect::External => " came from another system",
            Defect::Truncated => " does not end within the list of attributes",
            Defect::Unrecognized => " is not optional and unknown",
            Defect::Repeated => " is there twice",
        })
    }
}

/// How RFC 7606 section 2 has an error handled; what comes later is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Handling {
    /// The attribute is taken for absent.
    Discard,
    /// The announced routes are taken for withdrawn.
    Withdraw,
    /// The session ends.
    Reset,
}

/// What is wrong with an attribute by itself. What MP_REACH_NLRI and MP_UNREACH_NLRI hold is not looked at.
pub(super) fn judge(attribute: &Attribute<'_>, codec: &Codec) -> Result<(), (Handling, Defect)> {
    let is_optional = attribute.flags & flag::OPTIONAL != 0;
    match attribute.kind.flags() {
        None if is_optional => return Ok(()),
        None => return Err((Handling::Reset, Defect::Unrecognized)),
        Some(flags) if attribute.flags & TRANSITIVE != flags => {
            return Err((handling_of_flags(attribute.kind), Defect::Flags));
        }
        Some(_) => {}
    }
    judge_value(attribute.kind, attribute.value, codec)
}

/// RFC 7606 section 3 (c), and 5.3 for those that hold routes.
const fn handling_of_flags(kind: AttributeType) -> Handling {
    match kind {
        AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI => Handling::Reset,
        _ => Handling::Withdraw,
    }
}

fn judge_value(kind: AttributeType, value: &[u8], codec: &Codec) -> Result<(), (Handling, Defect)> {
    let length = |good: bool, handling| if good { Ok(()) } else { Err((handling, Defect::Length)) };
    let elements = |size| length(!value.is_empty() && value.len().is_multiple_of(size), Handling::Withdraw);
    match kind {
        AttributeType::ORIGIN => match value {
            [0..=2] => Ok(()),
            [_] => Err((Handling::Withdraw, Defect::Value)),
            _ => length(false, Handling::Withdraw),
        },
        AttributeType::AS_PATH => match AsPath::parse(value, codec.four_octet) {
            Some(_) => Ok(()),
            None => Err((Handling::Withdraw, Defect::Value)),
        },
        AttributeType::LOCAL_PREF | AttributeType::ORIGINATOR_ID | AttributeType::CLUSTER_LIST
            if !codec.internal =>
        {
            Err((Handling::Discard, Defect::External))
        }
        AttributeType::NEXT_HOP
        | AttributeType::MULTI_EXIT_DISC
        | AttributeType::LOCAL_PREF
        | AttributeType::ORIGINATOR_ID => length(value.len() == 4, Handling::Withdraw),
        AttributeType::ONLY_TO_CUSTOMER => length(value.len() == 4, Handling::Withdraw),
        AttributeType::ATOMIC_AGGREGATE => length(value.is_empty(), Handling::Discard),
        AttributeType::AGGREGATOR => judge_aggregator(value, codec.four_octet),
        AttributeType::AS4_AGGREGATOR if codec.four_octet => Ok(()),
        AttributeType::AS4_AGGREGATOR => judge_aggregator(value, true),
        AttributeType::COMMUNITIES | AttributeType::CLUSTER_LIST => elements(4),
        AttributeType::EXTENDED_COMMUNITIES => elements(8),
        AttributeType::IPV6_EXTENDED_COMMUNITIES => elements(20),
        AttributeType::LARGE_COMMUNITIES => elements(12),
        // Between those that know four octets it means nothing (RFC 6793 section 4.1).
        AttributeType::AS4_PATH if !codec.four_octet && AsPath::parse_as4(value).is_none() => {
            Err((Handling::Discard, Defect::Value))
        }
        _ => Ok(()),
    }
}

fn judge_aggregator(value: &[u8], four_octet: bool) -> Result<(), (Handling, Defect)> {
    let number = match (value, four_octet) {
        (&[a0, a1, _, _, _, _], false) => u32::from(u16::from_be_bytes([a0, a1])),
        (&[a0, a1, a2, a3, _, _, _, _], true) => u32::from_be_bytes([a0, a1, a2, a3]),
        _ => return Err((Handling::Discard, Defect::Length)),
    };
    // RFC 7607: nobody is AS 0.
    if number == 0 { Err((Handling::Discard, Defect::Value)) } else { Ok(()) }
}

/// Whether NEXT_HOP names a host (RFC 4271 section 6.3).
pub(super) fn is_host(value: &[u8]) -> bool {
    let Ok(octets) = <[u8; 4]>::try_from(value) else { return false };
    let address = Ipv4Addr::from(octets);
    !(octets.first() == Some(&0)
        || address.is_loopback()
        || address.is_multicast()
        || octets >= [240, 0, 0, 0])
}

/// The systems of an AS_PATH that has been found well-formed: those of sequences and of sets, in their order.
#[derive(Clone, Debug)]
pub struct AsPath<'a> {
    segment: &'a [u8],
    rest: &'a [u8],
    four_octet: bool,
}

/// Segment types (RFC 4271 section 4.3); RFC 5065's two further.
pub(super) const AS_SET: u8 = 1;
/// See [`AS_SET`].
pub(super) const AS_SEQUENCE: u8 = 2;
const CONFEDERATION: std::ops::RangeInclusive<u8> = 3..=4;

impl<'a> AsPath<'a> {
    /// `None` if a segment is empty, of an unknown type or longer than the rest, or if AS 0 is in it (RFC 7607). What a
    /// confederation keeps within itself must not reach us (RFC 5065 section 5).
    pub(super) fn parse(value: &'a [u8], four_octet: bool) -> Option<Self> {
        let path = Self { segment: &[], rest: value, four_octet };
        let mut rest = value;
        while !rest.is_empty() {
            let (kind, segment, after) = path.split_segment(rest)?;
            let known = matches!(kind, AS_SET | AS_SEQUENCE);
            if !known || segment.is_empty() || path.has_zero(segment) {
                return None;
            }
            rest = after;
        }
        Some(path)
    }

    /// AS4_PATH (RFC 6793 section 6): segments of a confederation are passed over, and it holds one segment at least.
    fn parse_as4(value: &'a [u8]) -> Option<()> {
        let path = Self { segment: &[], rest: value, four_octet: true };
        let mut rest = value;
        while !rest.is_empty() {
            let (kind, segment, after) = path.split_segment(rest)?;
            let known = matches!(kind, AS_SET | AS_SEQUENCE) || CONFEDERATION.contains(&kind);
            if !known || segment.is_empty() || path.has_zero(segment) {
                return None;
            }
            rest = after;
        }
        (!value.is_empty()).then_some(())
    }

    const fn width(&self) -> usize {
        if self.four_octet { 4 } else { 2 }
    }

    fn has_zero(&self, segment: &[u8]) -> bool {
        segment.chunks(self.width()).any(|number| number.iter().all(|byte| *byte == 0))
    }

    fn split_segment<'b>(&self, bytes: &'b [u8]) -> Option<(u8, &'b [u8], &'b [u8])> {
        let (&[kind, count], rest) = bytes.split_first_chunk()?;
        let (segment, rest) = rest.split_at_checked(usize::from(count) * self.width())?;
        Some((kind, segment, rest))
    }
}

impl Iterator for AsPath<'_> {
    type Item = Asn;

    fn next(&mut self) -> Option<Asn> {
        if self.segment.is_empty() {
            (_, self.segment, self.rest) = self.split_segment(self.rest)?;
        }
        let (number, segment) = self.segment.split_at_checked(self.width())?;
        self.segment = segment;
        Some(Asn(number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))))
    }
}
