//! Address families, prefixes, and the form in which a message lists them (RFC 4271 section 4.3, RFC 4760 section 5).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address family whose unicast routes a session may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 unicast: AFI 1, SAFI 1.
    Ipv4,
    /// IPv6 unicast: AFI 2, SAFI 1.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The number of the address family.
    #[must_use]
    pub const fn afi(self) -> u16 {
        match self {
            Self::Ipv4 => 1,
            Self::Ipv6 => 2,
        }
    }

    /// The number of the subsequent address family: unicast.
    #[must_use]
    pub const fn safi(self) -> u8 {
        1
    }

    /// The family with these numbers, if it is one that we know.
    #[must_use]
    pub const fn from_numbers(afi: u16, safi: u8) -> Option<Self> {
        match (afi, safi) {
            (1, 1) => Some(Self::Ipv4),
            (2, 1) => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// The family that an address belongs to.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Bits of an address.
    #[must_use]
    pub const fn width(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// A set of families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Families {
    /// IPv4 unicast.
    pub ipv4: bool,
    /// IPv6 unicast.
    pub ipv6: bool,
}

impl Families {
    /// IPv4 alone: what a session carries if a side names no family (RFC 4760 section 8).
    pub const IPV4: Self = Self { ipv4: true, ipv6: false };
    /// IPv6 alone.
    pub const IPV6: Self = Self { ipv4: false, ipv6: true };
    /// Both.
    pub const BOTH: Self = Self { ipv4: true, ipv6: true };

    /// Whether `family` is one of them.
    #[must_use]
    pub const fn contains(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    /// These and `family`.
    #[must_use]
    pub const fn with(self, family: Family) -> Self {
        match family {
            Family::Ipv4 => Self { ipv4: true, ..self },
            Family::Ipv6 => Self { ipv6: true, ..self },
        }
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { ipv4: self.ipv4 && other.ipv4, ipv6: self.ipv6 && other.ipv6 }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.ipv4 && !self.ipv6
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |family| self.contains(*family))
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        families.into_iter().fold(Self::default(), Self::with)
    }
}

/// Why something is no [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// More bits than the address has.
    #[error("an {0} prefix has at most {width} bits", width = .0.width())]
    Length(Family),
    /// Bits beyond the length.
    #[error("there are bits set beyond its length; the prefix is {0}")]
    HostBits(Prefix),
    /// Not an address, a slash and a length.
    #[error("expected an address and a length, such as 192.0.2.1/32 or 2001:db8::/48")]
    Syntax,
}

/// An address prefix in its only form: the bits beyond its length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// The first `bits` bits of `address`.
    ///
    /// # Errors
    /// If the address has fewer bits, or one that is set beyond them.
    pub fn new(address: IpAddr, bits: u8) -> Result<Self, PrefixError> {
        let prefix = Self::masked(address, bits).ok_or(PrefixError::Length(Family::of(address)))?;
        if prefix.address == address { Ok(prefix) } else { Err(PrefixError::HostBits(prefix)) }
    }

    /// The prefix of `bits` bits that `address` lies in. `None` if the address has fewer.
    #[must_use]
    pub fn masked(address: IpAddr, bits: u8) -> Option<Self> {
        let beyond = Family::of(address).width().checked_sub(bits)?;
        let address = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(beyond.into()).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(beyond.into()).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Some(Self { address, bits })
    }

    /// The prefix of this one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, bits: Family::of(address).width() }
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Its length.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Whether it is a single address.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.bits == self.family().width()
    }

    /// Whether `address` lies in it. An IPv4 address lies in no IPv6 prefix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::masked(address, self.bits) == Some(*self)
    }

    /// Whether every address of `other` lies in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }

    /// Octets of the address that the wire carries.
    const fn octets(bits: u8) -> usize {
        (bits as usize).div_ceil(8)
    }

    /// Octets that [`Self::write`] appends.
    pub(super) const fn written(&self) -> usize {
        1 + Self::octets(self.bits)
    }

    /// Appends the length in bits and as many octets as that takes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let octets = Self::octets(self.bits);
        out.push(self.bits);
        match self.address {
            IpAddr::V4(address) => out.extend(address.octets().iter().take(octets)),
            IpAddr::V6(address) => out.extend(address.octets().iter().take(octets)),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `192.0.2.0/24`.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, bits) = text.split_once('/').ok_or(PrefixError::Syntax)?;
        let digits = (1..=3).contains(&bits.len()) && bits.bytes().all(|byte| byte.is_ascii_digit());
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Syntax)?;
        match bits.parse() {
            Ok(bits) if digits => Self::new(address, bits),
            Err(_) if digits => Err(PrefixError::Length(Family::of(address))),
            Ok(_) | Err(_) => Err(PrefixError::Syntax),
        }
    }
}

/// The prefixes of a list that has been found well-formed. Bits beyond a prefix's length are taken for zero, as RFC 4271
/// section 4.3 wants.
#[derive(Clone, Debug)]
pub struct Prefixes<'a> {
    family: Family,
    rest: &'a [u8],
}

impl<'a> Prefixes<'a> {
    /// The list in `bytes`. `None` if a prefix is longer than an address or than what is left of the list.
    pub(super) fn parse(family: Family, bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = split(family, rest)?.1;
        }
        Some(Self { family, rest: bytes })
    }

    /// A list without prefixes.
    pub(super) const fn none(family: Family) -> Self {
        Self { family, rest: &[] }
    }

    /// The bytes that are left of the list.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for Prefixes<'_> {
    type Item = Prefix;

    fn next(&mut self) -> Option<Prefix> {
        let (prefix, rest) = split(self.family, self.rest)?;
        self.rest = rest;
        Some(prefix)
    }
}

/// The first prefix of a list, and what follows it.
fn split(family: Family, bytes: &[u8]) -> Option<(Prefix, &[u8])> {
    let (&bits, rest) = bytes.split_first()?;
    if bits > family.width() {
        return None;
    }
    let (octets, rest) = rest.split_at_checked(Prefix::octets(bits))?;
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    let address = match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::from(*address.first_chunk::<4>()?)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(address)),
    };
    Some((Prefix::masked(address, bits)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_is_read_as_it_is_shown() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/47", "2001:db8::1/128"] {
            assert_eq!(prefix(text).to_string(), text);
        }
    }

    #[test]
    fn bits_beyond_the_length_are_refused_and_the_remedy_is_named() {
        let error = "10.1.2.3/8".parse::<Prefix>().unwrap_err();
        assert_eq!(error, PrefixError::HostBits(prefix("10.0.0.0/8")));
        assert_eq!(error.to_string(), "there are bits set beyond its length; the prefix is 10.0.0.0/8");
        assert!("2001:db8::1/127".parse::<Prefix>().is_err());
        assert!("128.0.0.0/0".parse::<Prefix>().is_err());
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in
            ["", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0/8/8", "::/ 0", "::/0000"]
        {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError::Syntax), "{text}");
        }
        for (text, family) in
            [("0.0.0.0/33", Family::Ipv4), ("::/129", Family::Ipv6), ("::/999", Family::Ipv6)]
        {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError::Length(family)), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_its_own_addresses_only() {
        let net = prefix("192.0.2.128/25");
        assert!(net.contains("192.0.2.128".parse().unwrap()) && net.contains("192.0.2.255".parse().unwrap()));
        assert!(
            !net.contains("192.0.2.127".parse().unwrap()) && !net.contains("192.0.3.128".parse().unwrap())
        );
        assert!(!prefix("::/0").contains("10.0.0.1".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(prefix("2001:db8::/32").contains("2001:db8:ffff::1".parse().unwrap()));
    }

    #[test]
    fn a_prefix_covers_itself_and_longer_ones() {
        let net = prefix("10.0.0.0/8");
        assert!(net.covers(&net) && net.covers(&prefix("10.255.0.0/16")));
        assert!(!net.covers(&prefix("0.0.0.0/0")) && !net.covers(&prefix("11.0.0.0/16")));
        assert!(prefix("0.0.0.0/0").covers(&prefix("192.0.2.1/32")));
        assert!(!prefix("::/0").covers(&prefix("192.0.2.1/32")));
    }

    #[test]
    fn a_written_list_is_read_back() {
        let listed = ["0.0.0.0/0", "10.0.0.0/7", "10.0.0.0/8", "10.128.0.0/9", "192.0.2.1/32"].map(prefix);
        let mut bytes = Vec::new();
        for prefix in &listed {
            let before = bytes.len();
            prefix.write(&mut bytes);
            assert_eq!(bytes.len() - before, prefix.written());
        }
        let read = Prefixes::parse(Family::Ipv4, &bytes).unwrap();
        assert_eq!(read.collect::<Vec<_>>(), listed);
    }

    #[test]
    fn trailing_bits_of_a_listed_prefix_do_not_matter() {
        let mut read = Prefixes::parse(Family::Ipv4, &[9, 10, 0xFF]).unwrap();
        assert_eq!(read.next(), Some(prefix("10.128.0.0/9")));
        assert_eq!(read.next(), None);
    }

    #[test]
    fn a_list_with_an_impossible_length_is_refused() {
        assert!(Prefixes::parse(Family::Ipv4, &[33, 1, 2, 3, 4, 5]).is_none());
        assert!(Prefixes::parse(Family::Ipv6, &[33, 1, 2, 3, 4, 5]).is_some());
        assert!(Prefixes::parse(Family::Ipv6, &[129; 18]).is_none());
        assert!(Prefixes::parse(Family::Ipv4, &[8, 10, 24, 192, 0]).is_none());
        assert!(Prefixes::parse(Family::Ipv4, &[8]).is_none());
    }

    #[test]
    fn families_are_a_set() {
        let both: Families = Family::ALL.into_iter().collect();
        assert_eq!(both, Families::BOTH);
        assert_eq!(both.and(Families::IPV6), Families::IPV6);
        assert!(Families::IPV4.and(Families::IPV6).is_empty());
        assert_eq!(Families::IPV6.iter().collect::<Vec<_>>(), [Family::Ipv6]);
        for family in Family::ALL {
            assert_eq!(Family::from_numbers(family.afi(), family.safi()), Some(family));
        }
        assert_eq!(Family::from_numbers(1, 2), None);
    }
}
