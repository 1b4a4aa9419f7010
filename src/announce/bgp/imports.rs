//! What a neighbour sends us is counted and forgotten (RFC 8212: nothing is imported).
//!
//! To count each prefix once, and to know when one that is withdrawn had been counted, a number per prefix is kept: the
//! prefix itself for IPv4, a hash for IPv6. Two prefixes with one hash count once, which harms nobody. The limit bounds
//! the memory: with the first prefix beyond it the session ends.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use crate::wire::bgp::{Family, Prefix};

/// What is counted where no limit is set: about a full table. Beyond it nothing is added.
const UNLIMITED: usize = 1_000_000;

/// The prefixes that a neighbour announces at present, per family.
#[derive(Debug, Default)]
pub(super) struct Imports {
    ipv4: HashSet<u64>,
    ipv6: HashSet<u64>,
}

/// There are more of a family than the neighbour may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) limit: u32,
}

impl Imports {
    /// Counts what was announced.
    pub(super) fn add(&mut self, prefix: &Prefix, limit: Option<u32>) -> Result<(), TooMany> {
        let key = key(prefix);
        let counted = self.family(prefix.family());
        let most = limit.map_or(UNLIMITED, |limit| usize::try_from(limit).unwrap_or(UNLIMITED));
        if counted.len() < most {
            counted.insert(key);
        } else if let Some(limit) = limit.filter(|_| !counted.contains(&key)) {
            return Err(TooMany { limit });
        }
        Ok(())
    }

    /// Forgets what was withdrawn.
    pub(super) fn remove(&mut self, prefix: &Prefix) {
        self.family(prefix.family()).remove(&key(prefix));
    }

    /// How many there are.
    pub(super) fn count(&self, family: Family) -> usize {
        match family {
            Family::Ipv4 => self.ipv4.len(),
            Family::Ipv6 => self.ipv6.len(),
        }
    }

    const fn family(&mut self, family: Family) -> &mut HashSet<u64> {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }
}

fn key(prefix: &Prefix) -> u64 {
    match prefix.address() {
        IpAddr::V4(address) => u64::from(address.to_bits()) << 8 | u64::from(prefix.bits()),
        IpAddr::V6(address) => {
            let mut hasher = DefaultHasher::new();
            (address, prefix.bits()).hash(&mut hasher);
            hasher.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_counts_once_until_it_is_withdrawn() {
        let mut imports = Imports::default();
        for text in ["10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/8", "2001:db8::/32", "2001:db8::/33", "0.0.0.0/0"]
        {
            imports.add(&prefix(text), None).unwrap();
        }
        assert_eq!((imports.count(Family::Ipv4), imports.count(Family::Ipv6)), (3, 2));
        imports.remove(&prefix("10.0.0.0/8"));
        imports.remove(&prefix("10.0.0.0/8"));
        imports.remove(&prefix("2001:db8::/33"));
        imports.remove(&prefix("2001:db8::/34"));
        assert_eq!((imports.count(Family::Ipv4), imports.count(Family::Ipv6)), (2, 1));
    }

    #[test]
    fn the_limit_is_per_family_and_is_not_met_by_what_is_known() {
        let mut imports = Imports::default();
        for text in ["10.0.0.0/8", "11.0.0.0/8", "2001:db8::/32"] {
            imports.add(&prefix(text), Some(2)).unwrap();
        }
        assert_eq!(imports.add(&prefix("11.0.0.0/8"), Some(2)), Ok(()));
        assert_eq!(imports.add(&prefix("12.0.0.0/8"), Some(2)), Err(TooMany { limit: 2 }));
        assert_eq!(imports.count(Family::Ipv4), 2);
        assert_eq!(imports.add(&prefix("2001:db8:1::/48"), Some(2)), Ok(()));
    }

    #[test]
    fn a_limit_of_zero_admits_nothing() {
        assert_eq!(Imports::default().add(&prefix("10.0.0.0/8"), Some(0)), Err(TooMany { limit: 0 }));
    }
}
