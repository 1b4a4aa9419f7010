//! PDUs of the RPKI-to-Router protocol, versions 0 (RFC 6810) and 1 (RFC 8210): what a router reads from a cache, and the
//! little that it writes.
//!
//! A stream of PDUs is cut by [`frame`]; each is read by [`decode`]. What a cache may say *when* is for the client to judge
//! (`crate::announce::rpki`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::bgp::{Asn, Prefix};

/// Bytes before what each type of PDU has for its own.
pub const HEADER_LEN: usize = 8;

/// The longest PDU that is read. Only keys and error reports are of no fixed length, and real ones stay far below.
pub const LONGEST: usize = 8192;

const SERIAL_NOTIFY: u8 = 0;
const SERIAL_QUERY: u8 = 1;
const RESET_QUERY: u8 = 2;
const CACHE_RESPONSE: u8 = 3;
const IPV4_PREFIX: u8 = 4;
const IPV6_PREFIX: u8 = 6;
const END_OF_DATA: u8 = 7;
const CACHE_RESET: u8 = 8;
const ROUTER_KEY: u8 = 9;
const ERROR_REPORT: u8 = 10;

const ANNOUNCE: u8 = 1;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 6810.
    V0,
    /// RFC 8210.
    V1,
}

impl Version {
    const fn byte(self) -> u8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.byte())
    }
}

/// What an error report says (RFC 8210 section 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Bytes that are no PDU, or contradict what was said before.
    CorruptData,
    /// The sender has failed.
    InternalError,
    /// The cache has nothing yet; the only code that does not end the session.
    NoDataAvailable,
    /// The cache could not take a query.
    InvalidRequest,
    /// The cache speaks another version.
    UnsupportedVersion,
    /// A PDU of a type that the version does not have.
    UnsupportedType,
    /// A record was taken back that had not been sent.
    UnknownWithdrawal,
    /// A record was sent twice.
    DuplicateAnnouncement,
    /// The version changed within a session.
    UnexpectedVersion,
    /// Another number.
    Other(u16),
}

impl ErrorCode {
    const fn from_number(number: u16) -> Self {
        match number {
            0 => Self::CorruptData,
            1 => Self::InternalError,
            2 => Self::NoDataAvailable,
            3 => Self::InvalidRequest,
            4 => Self::UnsupportedVersion,
            5 => Self::UnsupportedType,
            6 => Self::UnknownWithdrawal,
            7 => Self::DuplicateAnnouncement,
            8 => Self::UnexpectedVersion,
            other => Self::Other(other),
        }
    }

    /// As the report carries it.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::CorruptData => 0,
            Self::InternalError => 1,
            Self::NoDataAvailable => 2,
            Self::InvalidRequest => 3,
            Self::UnsupportedVersion => 4,
            Self::UnsupportedType => 5,
            Self::UnknownWithdrawal => 6,
            Self::DuplicateAnnouncement => 7,
            Self::UnexpectedVersion => 8,
            Self::Other(other) => other,
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::CorruptData => "corrupt data",
            Self::InternalError => "internal error",
            Self::NoDataAvailable => "no data available",
            Self::InvalidRequest => "invalid request",
            Self::UnsupportedVersion => "unsupported protocol version",
            Self::UnsupportedType => "unsupported PDU type",
            Self::UnknownWithdrawal => "withdrawal of unknown record",
            Self::DuplicateAnnouncement => "duplicate announcement received",
            Self::UnexpectedVersion => "unexpected protocol version",
            Self::Other(_) => "unknown error",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words(), self.number())
    }
}

/// "This AS may originate this prefix, and parts of it down to this length."
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrp {
    /// The prefix.
    pub prefix: Prefix,
    /// The longest part of it that may be announced.
    pub longest: u8,
    /// Who may; AS 0 is nobody.
    pub origin: Asn,
}

impl Vrp {
    /// Whether it allows `origin` to announce `prefix` (RFC 6811 section 2).
    #[must_use]
    pub fn allows(&self, prefix: &Prefix, origin: Asn) -> bool {
        self.origin == origin
            && origin != Asn(0)
            && prefix.bits() <= self.longest
            && self.prefix.covers(prefix)
    }
}

/// `192.0.2.0/24-28 AS64500`.
impl fmt::Display for Vrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        if self.longest != self.prefix.bits() {
            write!(f, "-{}", self.longest)?;
        }
        write!(f, " AS{}", self.origin.0)
    }
}

/// How often to ask, as a cache wishes (version 1 only).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// After data.
    pub refresh: Duration,
    /// After a question that was not answered.
    pub retry: Duration,
    /// How long data is used that was not confirmed.
    pub expire: Duration,
}

/// One PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// There is something new to ask for.
    SerialNotify {
        /// The cache's session.
        session: u16,
        /// What is new.
        serial: u32,
    },
    /// What is new since then?
    SerialQuery {
        /// The cache's session.
        session: u16,
        /// Since this.
        serial: u32,
    },
    /// What is there?
    ResetQuery,
    /// Here is what was asked for.
    CacheResponse {
        /// The cache's session.
        session: u16,
    },
    /// A record comes or goes.
    Record {
        /// It comes.
        announced: bool,
        /// Which.
        vrp: Vrp,
    },
    /// A router's key comes or goes, which concerns BGPsec only.
    RouterKey,
    /// That was all.
    EndOfData {
        /// The cache's session.
        session: u16,
        /// How far the data goes.
        serial: u32,
        /// How often to ask.
        intervals: Option<Intervals>,
    },
    /// What is new cannot be told; ask for everything.
    CacheReset,
    /// The other end is not content.
    ErrorReport {
        /// With what.
        code: ErrorCode,
        /// In its words; not always UTF-8.
        text: &'a [u8],
    },
}

/// What is wrong with bytes, and what an error report is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// For the cache.
    pub code: ErrorCode,
    /// For the operator.
    pub words: &'static str,
}

impl Fault {
    const fn corrupt(words: &'static str) -> Self {
        Self { code: ErrorCode::CorruptData, words }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.words(), self.words)
    }
}

/// Length of the PDU that `bytes` begin with. None while it is not complete.
///
/// # Errors
/// If no PDU that begins so can be read.
pub fn frame(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let &[_, _, _, _, l0, l1, l2, l3] = header;
    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    match length {
        HEADER_LEN..=LONGEST => Ok((bytes.len() >= length).then_some(length)),
        0..HEADER_LEN => Err(Fault::corrupt("a PDU is shorter than its header")),
        _ => Err(Fault::corrupt("a PDU is longer than any that is known")),
    }
}

/// Reads one whole PDU. Of an error report the version is not looked at: a cache that does not speak ours says so in its
/// own.
///
/// # Errors
/// If it is none of its version.
pub fn decode(pdu: &[u8]) -> Result<(Version, Pdu<'_>), Fault> {
    let Some((&[version, kind, h0, h1, l0, l1, l2, l3], body)) = pdu.split_first_chunk::<HEADER_LEN>() else {
        return Err(Fault::corrupt("a PDU is shorter than its header"));
    };
    if u32::try_from(pdu.len()) != Ok(u32::from_be_bytes([l0, l1, l2, l3])) {
        return Err(Fault::corrupt("a PDU's length is not that of its bytes"));
    }
    let version = match version {
        0 => Version::V0,
        1 => Version::V1,
        _ if kind == ERROR_REPORT => Version::V1,
        _ => return Err(Fault { code: ErrorCode::UnexpectedVersion, words: "neither version 0 nor 1" }),
    };
    read_body(version, kind, [h0, h1], body).map(|pdu| (version, pdu))
}

fn read_body(version: Version, kind: u8, head: [u8; 2], body: &[u8]) -> Result<Pdu<'_>, Fault> {
    let session = u16::from_be_bytes(head);
    Ok(match (kind, version) {
        (SERIAL_NOTIFY, _) => Pdu::SerialNotify { session, serial: u32::from_be_bytes(exactly(body)?) },
        (SERIAL_QUERY, _) => Pdu::SerialQuery { session, serial: u32::from_be_bytes(exactly(body)?) },
        (RESET_QUERY, _) => exactly(body).map(|[]| Pdu::ResetQuery)?,
        (CACHE_RESPONSE, _) => exactly(body).map(|[]| Pdu::CacheResponse { session })?,
        (CACHE_RESET, _) => exactly(body).map(|[]| Pdu::CacheReset)?,
        (IPV4_PREFIX, _) => {
            let (fixed, address, origin) = split_record::<4>(exactly::<12>(body)?.as_slice())?;
            read_record(fixed, Ipv4Addr::from(address).into(), origin)?
        }
        (IPV6_PREFIX, _) => {
            let (fixed, address, origin) = split_record::<16>(exactly::<24>(body)?.as_slice())?;
            read_record(fixed, Ipv6Addr::from(address).into(), origin)?
        }
        (END_OF_DATA, Version::V0) => {
            Pdu::EndOfData { session, serial: u32::from_be_bytes(exactly(body)?), intervals: None }
        }
        (END_OF_DATA, Version::V1) => read_end(session, exactly(body)?),
        (ROUTER_KEY, Version::V1) if body.len() > 24 => Pdu::RouterKey,
        (ROUTER_KEY, Version::V1) => return Err(Fault::corrupt("a router's key is too short")),
        (ERROR_REPORT, _) => read_error(session, body)?,
        (_, Version::V0 | Version::V1) => {
            return Err(Fault {
                code: ErrorCode::UnsupportedType,
                words: "a PDU of a type that the version does not have",
            });
        }
    })
}

fn exactly<const N: usize>(body: &[u8]) -> Result<[u8; N], Fault> {
    body.try_into().map_err(|_| Fault::corrupt("a PDU's length is not that of its type"))
}

/// Flags, lengths and a zero; the address; the AS.
fn split_record<const N: usize>(body: &[u8]) -> Result<([u8; 4], [u8; N], u32), Fault> {
    let parts = body.split_first_chunk::<4>().and_then(|(fixed, rest)| {
        let (address, rest) = rest.split_first_chunk::<N>()?;
        Some((*fixed, *address, u32::from_be_bytes(rest.try_into().ok()?)))
    });
    parts.ok_or(Fault::corrupt("a record is too short"))
}

fn read_record<'a>(fixed: [u8; 4], address: IpAddr, origin: u32) -> Result<Pdu<'a>, Fault> {
    let [flags, bits, longest, _] = fixed;
    let prefix = Prefix::masked(address, bits)
        .filter(|prefix| (bits..=prefix.family().width()).contains(&longest))
        .ok_or(Fault::corrupt("a record's lengths cannot be those of a prefix"))?;
    let vrp = Vrp { prefix, longest, origin: Asn(origin) };
    Ok(Pdu::Record { announced: flags & ANNOUNCE != 0, vrp })
}

fn read_end<'a>(session: u16, body: [u8; 16]) -> Pdu<'a> {
    let mut words = body.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    let mut next = || words.next().unwrap_or_default();
    let serial = next();
    let mut seconds = || Duration::from_secs(next().into());
    let intervals = Intervals { refresh: seconds(), retry: seconds(), expire: seconds() };
    Pdu::EndOfData { session, serial, intervals: Some(intervals) }
}

fn read_error(code: u16, body: &[u8]) -> Result<Pdu<'_>, Fault> {
    let parts = split_sized(body).and_then(|(_, rest)| split_sized(rest));
    let (text, _) = parts.ok_or(Fault::corrupt("an error report's lengths are not those of its parts"))?;
    Ok(Pdu::ErrorReport { code: ErrorCode::from_number(code), text })
}

/// A length and as many bytes.
fn split_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Asks for everything.
#[must_use]
pub fn reset_query(version: Version) -> Vec<u8> {
    encode(version, RESET_QUERY, 0, &[])
}

/// Asks for what is new.
#[must_use]
pub fn serial_query(version: Version, session: u16, serial: u32) -> Vec<u8> {
    encode(version, SERIAL_QUERY, session, &serial.to_be_bytes())
}

/// Complains about `pdu`, of which as much is sent back as an error report that is itself read may hold.
#[must_use]
pub fn error_report(version: Version, fault: &Fault, pdu: &[u8]) -> Vec<u8> {
    let pdu = pdu.get(..pdu.len().min(LONGEST / 2)).unwrap_or_default();
    let mut body = Vec::with_capacity(8 + pdu.len() + fault.words.len());
    for part in [pdu, fault.words.as_bytes()] {
        body.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
        body.extend(part);
    }
    encode(version, ERROR_REPORT, fault.code.number(), &body)
}

fn encode(version: Version, kind: u8, head: u16, body: &[u8]) -> Vec<u8> {
    let mut pdu = Vec::with_capacity(HEADER_LEN + body.len());
    pdu.extend([version.byte(), kind]);
    pdu.extend(head.to_be_bytes());
    pdu.extend(u32::try_from(HEADER_LEN + body.len()).unwrap_or(0).to_be_bytes());
    pdu.extend(body);
    pdu
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pdu<'_>, ErrorCode> {
        assert_eq!(frame(bytes), Ok(Some(bytes.len())));
        decode(bytes).map(|(_, pdu)| pdu).map_err(|fault| fault.code)
    }

    fn vrp(prefix: &str, longest: u8, origin: u32) -> Vrp {
        Vrp { prefix: prefix.parse().unwrap(), longest, origin: Asn(origin) }
    }

    /// RFC 8210 section 5.6, with 192.0.2.0/24-28 of AS 64500.
    const RECORD: [u8; 20] = [1, 4, 0, 0, 0, 0, 0, 20, 1, 24, 28, 0, 192, 0, 2, 0, 0, 0, 0xfb, 0xf4];

    #[test]
    fn each_type_is_read() {
        assert_eq!(read(&RECORD), Ok(Pdu::Record { announced: true, vrp: vrp("192.0.2.0/24", 28, 64500) }));
        let mut v6 = vec![1, 6, 0, 0, 0, 0, 0, 32, 0, 32, 48, 0, 0x20, 0x01, 0x0d, 0xb8];
        v6.extend([0; 12]);
        v6.extend([0, 1, 0, 0]);
        assert_eq!(read(&v6), Ok(Pdu::Record { announced: false, vrp: vrp("2001:db8::/32", 48, 65536) }));
        let notify = [1, 0, 0x12, 0x34, 0, 0, 0, 12, 0, 0, 0, 5];
        assert_eq!(read(&notify), Ok(Pdu::SerialNotify { session: 0x1234, serial: 5 }));
        assert_eq!(read(&[0, 3, 0, 7, 0, 0, 0, 8]), Ok(Pdu::CacheResponse { session: 7 }));
        assert_eq!(read(&[1, 8, 0, 0, 0, 0, 0, 8]), Ok(Pdu::CacheReset));
        let key = [&[1, 9, 1, 0, 0, 0, 0, 123][..], &[0; 115]].concat();
        assert_eq!(read(&key), Ok(Pdu::RouterKey));
    }

    #[test]
    fn the_end_of_data_has_intervals_in_version_1_only() {
        let old = [0, 7, 0, 9, 0, 0, 0, 12, 0, 0, 0, 3];
        assert_eq!(read(&old), Ok(Pdu::EndOfData { session: 9, serial: 3, intervals: None }));
        let mut new = vec![1, 7, 0, 9, 0, 0, 0, 24, 0, 0, 0, 3];
        for seconds in [3600_u32, 600, 7200] {
            new.extend(seconds.to_be_bytes());
        }
        let [refresh, retry, expire] = [3600, 600, 7200].map(Duration::from_secs);
        let intervals = Some(Intervals { refresh, retry, expire });
        assert_eq!(read(&new), Ok(Pdu::EndOfData { session: 9, serial: 3, intervals }));
        new[0] = 0;
        assert_eq!(read(&new), Err(ErrorCode::CorruptData));
    }

    #[test]
    fn what_is_written_is_read() {
        for version in [Version::V0, Version::V1] {
            let query = serial_query(version, 300, 70_000);
            assert_eq!(decode(&query), Ok((version, Pdu::SerialQuery { session: 300, serial: 70_000 })));
            assert_eq!(decode(&reset_query(version)), Ok((version, Pdu::ResetQuery)));
            let fault = Fault { code: ErrorCode::DuplicateAnnouncement, words: "twice" };
            let report = error_report(version, &fault, &RECORD);
            let expected = Pdu::ErrorReport { code: ErrorCode::DuplicateAnnouncement, text: b"twice" };
            assert_eq!(decode(&report), Ok((version, expected)));
        }
    }

    #[test]
    fn a_complaint_about_the_longest_pdu_can_itself_be_read() {
        let fault = Fault::corrupt("x");
        let report = error_report(Version::V1, &fault, &vec![0; LONGEST]);
        assert!(report.len() <= LONGEST && read(&report).is_ok());
    }

    #[test]
    fn a_pdu_is_complete_with_its_last_byte() {
        for length in 0..RECORD.len() {
            assert_eq!(frame(&RECORD[..length]), Ok(None));
        }
        assert_eq!(frame(&[&RECORD[..], &[1, 2, 3]].concat()), Ok(Some(RECORD.len())));
    }

    #[test]
    fn no_length_makes_a_reader_wait_for_ever() {
        let length = |length: u32| frame(&[&[1, 10, 0, 0][..], &length.to_be_bytes()].concat());
        assert!(length(7).is_err() && length(0).is_err());
        assert_eq!(length(8), Ok(Some(8)));
        assert_eq!(length(8192), Ok(None));
        assert!(length(8193).is_err() && length(u32::MAX).is_err());
    }

    #[test]
    fn a_length_that_is_not_the_types_is_corrupt() {
        for kind in [0, 1, 2, 3, 4, 6, 7, 8, 9, 10] {
            for length in 8..40_u8 {
                let mut bytes = vec![0; length.into()];
                bytes[0] = 1;
                bytes[1] = kind;
                bytes[7] = length;
                let fits = match kind {
                    0 | 1 => length == 12,
                    2 | 3 | 8 => length == 8,
                    4 => length == 20,
                    6 => length == 32,
                    7 => length == 24,
                    9 => length > 32,
                    _ => length >= 16,
                };
                assert_eq!(read(&bytes).is_ok(), fits, "type {kind}, {length} bytes");
            }
        }
    }

    #[test]
    fn lengths_that_no_prefix_has_are_corrupt() {
        for (bits, longest, good) in [(33, 33, false), (24, 23, false), (24, 33, false), (0, 32, true)] {
            let mut bytes = RECORD;
            bytes[9] = bits;
            bytes[10] = longest;
            assert_eq!(read(&bytes).is_ok(), good, "{bits}-{longest}");
        }
    }

    #[test]
    fn types_and_versions_that_do_not_exist_are_named() {
        assert_eq!(read(&[1, 5, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UnsupportedType));
        assert_eq!(read(&[0, 9, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UnsupportedType));
        assert_eq!(read(&[2, 3, 0, 0, 0, 0, 0, 8]), Err(ErrorCode::UnexpectedVersion));
        let report = [2, 10, 0, 4, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&report), Ok(Pdu::ErrorReport { code: ErrorCode::UnsupportedVersion, text: b"" }));
        let lying = [1, 10, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(read(&lying), Err(ErrorCode::CorruptData));
    }

    #[test]
    fn a_record_allows_its_as_to_announce_parts_of_the_prefix_that_are_short_enough() {
        let record = vrp("192.0.2.0/24", 28, 64500);
        let allows = |prefix: &str, origin| record.allows(&prefix.parse().unwrap(), Asn(origin));
        assert!(allows("192.0.2.0/24", 64500) && allows("192.0.2.16/28", 64500));
        assert!(!allows("192.0.2.16/29", 64500) && !allows("192.0.2.0/24", 64501));
        assert!(!allows("192.0.0.0/16", 64500) && !allows("198.51.100.0/24", 64500));
        assert!(!vrp("192.0.2.0/24", 32, 0).allows(&"192.0.2.0/24".parse().unwrap(), Asn(0)));
        assert_eq!(record.to_string(), "192.0.2.0/24-28 AS64500");
        assert_eq!(vrp("2001:db8::/48", 48, 1).to_string(), "2001:db8::/48 AS1");
    }

    #[test]
    fn error_codes_keep_their_numbers() {
        for number in 0..20 {
            assert_eq!(ErrorCode::from_number(number).number(), number);
        }
        assert_eq!(ErrorCode::UnknownWithdrawal.to_string(), "withdrawal of unknown record (6)");
    }
}
