//! The numbers of BGP that could be confused with one another, and how operators write them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A number or community that is not written as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct NotANumber {
    expected: &'static str,
}

/// The number of an autonomous system (RFC 6793: four octets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands for a number of more than two octets where only two fit (RFC 6793 section 9).
    pub const TRANS: Self = Self(23456);

    /// The number where only two octets fit.
    #[must_use]
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(AS_TRANS)
    }

    /// Whether two octets hold it.
    #[must_use]
    pub const fn fits_two_octets(self) -> bool {
        self.0 <= 0xFFFF
    }

    /// Whether it is set aside and can name no system of ours or of a neighbour: 0 (RFC 7607), AS_TRANS (RFC 6793), 65535 and
    /// 4294967295 (RFC 7300).
    #[must_use]
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, 0 | 23456 | 65535 | u32::MAX)
    }
}

/// [`Asn::TRANS`] in two octets.
const AS_TRANS: u16 = 23456;

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Asn {
    type Err = NotANumber;

    /// Reads `64512`.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let wrong = NotANumber { expected: "a number of an autonomous system, such as 64512" };
        decimal(text).map(Self).ok_or(wrong)
    }
}

/// The BGP identifier: four octets that are unique within an autonomous system and not zero (RFC 6286).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u32);

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ipv4Addr::from_bits(self.0).fmt(f)
    }
}

impl From<Ipv4Addr> for RouterId {
    fn from(address: Ipv4Addr) -> Self {
        Self(address.to_bits())
    }
}

impl FromStr for RouterId {
    type Err = NotANumber;

    /// Reads `192.0.2.1`; zero is none.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let wrong = NotANumber { expected: "a router ID, written as an IPv4 address such as 192.0.2.1" };
        let address: Ipv4Addr = text.parse().map_err(|_| wrong)?;
        if address.is_unspecified() { Err(wrong) } else { Ok(address.into()) }
    }
}

/// A community (RFC 1997).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// "Move traffic away, I am about to go" (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xFFFF_0000);
    /// Not beyond the neighbour's confederation (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xFFFF_FF01);
    /// To nobody else (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xFFFF_FF02);

    /// The community `high:low`.
    #[must_use]
    pub const fn new(high: u16, low: u16) -> Self {
        Self((high as u32) << 16 | low as u32)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

impl FromStr for Community {
    type Err = NotANumber;

    /// Reads `65535:0`, or the names of those that every router knows.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        match text {
            "graceful-shutdown" => return Ok(Self::GRACEFUL_SHUTDOWN),
            "no-export" => return Ok(Self::NO_EXPORT),
            "no-advertise" => return Ok(Self::NO_ADVERTISE),
            _ => {}
        }
        let read = || {
            let (high, low) = text.split_once(':')?;
            Some(Self::new(decimal(high)?, decimal(low)?))
        };
        read().ok_or(NotANumber {
            expected: "a community of two numbers up to 65535, such as 64512:100, or graceful-shutdown, no-export, \
                       no-advertise",
        })
    }
}

/// A large community (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The global administrator: an autonomous system.
    pub global: u32,
    /// What that system made of it.
    pub local1: u32,
    /// And the rest.
    pub local2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl FromStr for LargeCommunity {
    type Err = NotANumber;

    /// Reads `64512:1:2`.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let read = || {
            let (global, rest) = text.split_once(':')?;
            let (local1, local2) = rest.split_once(':')?;
            Some(Self { global: decimal(global)?, local1: decimal(local1)?, local2: decimal(local2)? })
        };
        read().ok_or(NotANumber { expected: "a large community of three numbers, such as 64512:1:2" })
    }
}

/// Digits only: `str::parse` would take a sign.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_shown() {
        for text in ["0", "64512", "4294967295"] {
            assert_eq!(text.parse::<Asn>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<RouterId>().unwrap().to_string(), "192.0.2.1");
        for text in ["65535:0", "0:0", "64512:65535"] {
            assert_eq!(text.parse::<Community>().unwrap().to_string(), text);
        }
        for text in ["0:0:0", "4294967295:1:4294967295"] {
            assert_eq!(text.parse::<LargeCommunity>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn well_known_communities_have_names() {
        assert_eq!("graceful-shutdown".parse(), Ok(Community::new(65535, 0)));
        assert_eq!("no-export".parse(), Ok(Community::NO_EXPORT));
        assert_eq!("no-advertise".parse(), Ok(Community::NO_ADVERTISE));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "+1", "-1", "4294967296", "AS1", "1.1", " 1"] {
            assert!(text.parse::<Asn>().is_err(), "{text}");
        }
        for text in ["", "1", "65536:0", "0:65536", "1:2:3", "1:", ":1", "+1:1"] {
            assert!(text.parse::<Community>().is_err(), "{text}");
        }
        for text in ["", "1:2", "1:2:3:4", "4294967296:1:1", "1::1"] {
            assert!(text.parse::<LargeCommunity>().is_err(), "{text}");
        }
        for text in ["0.0.0.0", "1", "::1", ""] {
            assert!(text.parse::<RouterId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_large_number_of_a_system_is_as_trans_in_two_octets() {
        assert_eq!(Asn(65535).two_octets(), 65535);
        assert_eq!(Asn(65536).two_octets(), 23456);
        assert_eq!(u32::from(AS_TRANS), Asn::TRANS.0);
        assert!(Asn(65535).fits_two_octets() && !Asn(65536).fits_two_octets());
    }
}
