//! Values that people write with a unit or in a notation of their own: periods, bit rates, prefixes, port
//! ranges, dates. Each is written back the way it is read.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use toml::value::{Datetime, Offset};

use super::reader::{FromNode, text};
use super::tree::{Node, Value};
use crate::route::Transport;
use crate::time::UnixTime;
use crate::worker::Prefix;

/// A length of time: `"250us"`, `"500ms"`, `"90s"`, `"10m"`, `"1h"`, `"2d"`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let number: u64 = number.parse().ok()?;
        let micros = match unit.trim() {
            "us" => 1,
            "ms" => 1_000,
            "" | "s" => 1_000_000,
            "m" | "min" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return None,
        };
        Some(Self(Duration::from_micros(number.checked_mul(micros)?)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let units =
            [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
        match units.iter().find(|(size, _)| micros > 0 && micros.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{}{unit}", micros / size),
            None if micros == 0 => f.write_str("0ms"),
            None => write!(f, "{micros}us"),
        }
    }
}

impl FromNode for Period {
    const EXPECTED: &'static str = "a length of time such as \"90s\", \"10m\" or \"1h\"";

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Integer(seconds) => Some(Self::secs(u64::try_from(*seconds).ok()?)),
            Value::Text(text) | Value::Raw(text) => Self::parse(text.trim()),
            Value::Float(_) | Value::Bool(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_) => None,
        }
    }
}

/// Bits per second: `"512 kbit/s"`, `"20 Mbit/s"`, `"1 Gbit/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRate(pub u64);

impl BitRate {
    /// As the workers count.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0 / 8
    }

    fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(split)?;
        let factor = match unit.trim() {
            "bit/s" => 1,
            "kbit/s" => 1_000,
            "Mbit/s" => 1_000_000,
            "Gbit/s" => 1_000_000_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).filter(|rate| *rate >= 8_000).map(Self)
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
        match units.iter().find(|(size, _)| self.0 > 0 && self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{} {unit}", self.0 / size),
            None => write!(f, "{} bit/s", self.0),
        }
    }
}

impl FromNode for BitRate {
    const EXPECTED: &'static str = "a bit rate of at least 8 kbit/s, such as \"512 kbit/s\" or \"20 Mbit/s\"";

    fn from_node(node: &Node) -> Option<Self> {
        Self::parse(text(node)?.trim())
    }
}

/// A range of addresses: `"10.0.0.0/8"`, `"2001:db8::/32"`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub Prefix);

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.base, self.0.bits)
    }
}

impl FromNode for Cidr {
    const EXPECTED: &'static str = "an address or a range of addresses such as \"10.0.0.0/8\"";

    fn from_node(node: &Node) -> Option<Self> {
        let text = text(node)?.trim();
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self(Prefix { base, bits }))
    }
}

/// Ports, both ends included: `"49152-65535"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromNode for PortRange {
    const EXPECTED: &'static str = "a range of ports from low to high, such as \"49152-65535\"";

    fn from_node(node: &Node) -> Option<Self> {
        let (first, last) = text(node)?.split_once('-')?;
        let range = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
        (range.first >= 1 && range.first <= range.last).then_some(range)
    }
}

/// A moment: `2026-07-01T00:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub UnixTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromNode for Moment {
    const EXPECTED: &'static str = "a date and time with its offset, such as 2026-07-01T00:00:00Z";

    fn from_node(node: &Node) -> Option<Self> {
        let datetime: Datetime = match &node.value {
            Value::Datetime(datetime) => *datetime,
            Value::Text(text) | Value::Raw(text) => text.trim().parse().ok()?,
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::List(_) | Value::Table(_) => {
                return None;
            }
        };
        let (date, time) = (datetime.date?, datetime.time?);
        let offset = match datetime.offset? {
            Offset::Z => 0,
            Offset::Custom { minutes } => i64::from(minutes),
        };
        let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
        let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
        let seconds = days * 86_400 + minutes * 60 + i64::from(time.second.unwrap_or(0));
        Some(Self(UnixTime(u64::try_from(seconds).ok()?)))
    }
}

/// Days since 1970 of a date of the Gregorian calendar, which is the way back from [`UnixTime::date`]; years are
/// counted from March so that the leap day comes last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

macro_rules! serialize_as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialize_as_text!(Period, BitRate, Cidr, PortRange, Moment);

impl FromNode for SocketAddr {
    const EXPECTED: &'static str =
        "an address with a port, such as \"192.0.2.1:3478\" or \"[2001:db8::1]:3478\"";

    fn from_node(node: &Node) -> Option<Self> {
        text(node)?.trim().parse().ok()
    }
}

impl FromNode for IpAddr {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address such as \"192.0.2.1\" or \"2001:db8::1\"";

    fn from_node(node: &Node) -> Option<Self> {
        text(node)?.trim().parse().ok()
    }
}

impl FromNode for PathBuf {
    const EXPECTED: &'static str = "the path of a file";

    fn from_node(node: &Node) -> Option<Self> {
        text(node).filter(|text| !text.is_empty()).map(Self::from)
    }
}

/// A type whose values are a few words.
pub(super) trait Words: Sized + Copy + 'static {
    /// Completes "expected …".
    const EXPECTED: &'static str;
    /// Each value's word.
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Words> FromNode for T {
    const EXPECTED: &'static str = <T as Words>::EXPECTED;

    fn from_node(node: &Node) -> Option<Self> {
        let text = text(node)?;
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }
}

impl Words for Transport {
    const EXPECTED: &'static str = "a transport: \"udp\", \"tcp\", \"tls\" or \"dtls\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("udp", Self::Udp), ("tcp", Self::Tcp), ("tls", Self::Tls), ("dtls", Self::Dtls)];
}

/// The word for `transport` in a configuration.
#[must_use]
pub const fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Dtls => "dtls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Place;

    fn node(text: &str) -> Node {
        Node { place: Place::Default, value: Value::Raw(text.into()) }
    }

    fn round_trip<T: FromNode + fmt::Display>(text: &str) {
        let value = T::from_node(&node(text)).unwrap_or_else(|| panic!("{text} is not understood"));
        assert_eq!(value.to_string(), text);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["0ms", "6500us", "500ms", "90s", "10m", "1h", "2d"] {
            round_trip::<Period>(text);
        }
        for text in ["12345 bit/s", "512 kbit/s", "20 Mbit/s", "1 Gbit/s"] {
            round_trip::<BitRate>(text);
        }
        for text in ["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"] {
            round_trip::<Cidr>(text);
        }
        round_trip::<PortRange>("49152-65535");
        for text in
            ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-07-01T12:30:00Z", "2100-03-01T00:00:00Z"]
        {
            round_trip::<Moment>(text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "10x", "m", "-1s", "99999999999999999999s"] {
            assert_eq!(Period::from_node(&node(text)), None, "{text:?}");
        }
        for text in ["20", "20 MB/s", "1 bit/s", "Mbit/s"] {
            assert_eq!(BitRate::from_node(&node(text)), None, "{text:?}");
        }
        for text in ["10.0.0.0/33", "::/129", "10.0.0/8", "x"] {
            assert_eq!(Cidr::from_node(&node(text)), None, "{text:?}");
        }
        for text in ["2-1", "0-10", "1-65536", "49152"] {
            assert_eq!(PortRange::from_node(&node(text)), None, "{text:?}");
        }
        for text in ["2026-07-01", "2026-07-01T00:00:00", "1960-01-01T00:00:00Z"] {
            assert_eq!(Moment::from_node(&node(text)), None, "{text:?}");
        }
    }

    #[test]
    fn an_offset_moves_the_moment() {
        let moment = Moment::from_node(&node("2026-07-01T02:00:00+02:00")).unwrap();
        assert_eq!(moment.to_string(), "2026-07-01T00:00:00Z");
    }
}
