//! Ranges of addresses, one and many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::ParseIntError;
use std::str::FromStr;
use std::{fmt, net};

/// A range of addresses: those that share the first `bits` with `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Any address of the range.
    pub base: IpAddr,
    /// How many leading bits count, at most 32 or 128.
    pub bits: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// What stands before the slash is no address.
    #[error("not an IP address; write 10.0.0.0/8, 2001:db8::/32 or a single address")]
    Address(#[from] net::AddrParseError),
    /// What stands behind the slash is no number.
    #[error("not a prefix length; write a number of bits, like 10.0.0.0/8")]
    Length(#[from] ParseIntError),
    /// More bits than the address has.
    #[error("/{bits} is too long for this address, which has {most} bits")]
    TooLong {
        /// As written.
        bits: u8,
        /// 32 or 128.
        most: u8,
    },
    /// The address has bits set behind the prefix: either it or the length is a mistake.
    #[error("the address has bits set behind /{}; write {}", .0.bits, .0)]
    HostBits(Prefix),
}

impl Prefix {
    /// The range that holds `ip` alone.
    #[must_use]
    pub const fn single(ip: IpAddr) -> Self {
        Self { base: ip, bits: if ip.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `ip` lies in the range. An IPv4-mapped address counts as the IPv4 address, here and there.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.range(), ip.to_canonical()) {
            (Range::V4(first, last), IpAddr::V4(ip)) => (first..=last).contains(&ip.to_bits()),
            (Range::V6(first, last), IpAddr::V6(ip)) => (first..=last).contains(&ip.to_bits()),
            (Range::V4(..), IpAddr::V6(_)) | (Range::V6(..), IpAddr::V4(_)) => false,
        }
    }

    fn range(self) -> Range {
        match (self.base, self.base.to_canonical()) {
            (IpAddr::V4(base), _) => Range::v4(base, self.bits),
            (IpAddr::V6(_), IpAddr::V4(base)) if self.bits >= 96 => Range::v4(base, self.bits - 96),
            (IpAddr::V6(base), _) => Range::v6(base, self.bits),
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let Some((base, bits)) = text.split_once('/') else { return Ok(Self::single(text.parse()?)) };
        let (base, bits): (IpAddr, u8) = (base.parse()?, bits.parse()?);
        let most = Self::single(base).bits;
        if bits > most {
            return Err(PrefixError::TooLong { bits, most });
        }
        let first = match base {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !host_bits_v4(bits))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !host_bits_v6(bits))),
        };
        if first != base {
            return Err(PrefixError::HostBits(Self { base: first, bits }));
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    fn v4(base: Ipv4Addr, bits: u8) -> Self {
        let host = host_bits_v4(bits);
        Self::V4(base.to_bits() & !host, base.to_bits() | host)
    }

    fn v6(base: Ipv6Addr, bits: u8) -> Self {
        let host = host_bits_v6(bits);
        Self::V6(base.to_bits() & !host, base.to_bits() | host)
    }
}

fn host_bits_v4(bits: u8) -> u32 {
    u32::MAX.checked_shr(bits.into()).unwrap_or(0)
}

fn host_bits_v6(bits: u8) -> u128 {
    u128::MAX.checked_shr(bits.into()).unwrap_or(0)
}

/// Many prefixes, asked in the time of a binary search.
#[derive(Debug, Default)]
pub(super) struct PrefixSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl PrefixSet {
    pub(super) fn new(prefixes: &[Prefix]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match prefix.range() {
                Range::V4(first, last) => v4.push((first, last)),
                Range::V6(first, last) => v6.push((first, last)),
            }
        }
        Self { v4: merge(v4), v6: merge(v6) }
    }

    /// `ip` in its canonical form.
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => holds(&self.v4, v4.to_bits()),
            IpAddr::V6(v6) => holds(&self.v6, v6.to_bits()),
        }
    }
}

/// Sorted, and without overlaps, so that only the last range that begins before an address can hold it.
fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= value);
    behind.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|(_, last)| value <= *last)
}
