//! How many connections without an allocation each source address holds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use foldhash::quality::RandomState;

/// Counts by address; as large as the number of connections at most.
#[derive(Debug, Default)]
pub(super) struct Sources(HashMap<IpAddr, u32, RandomState>);

impl Sources {
    /// Counts one more connection, unless there are `limit` already. What to give back later.
    pub(super) fn take(&mut self, ip: IpAddr, limit: u32) -> Option<IpAddr> {
        let source = source_of(ip);
        let held = self.0.get(&source).copied().unwrap_or(0);
        if held >= limit {
            return None;
        }
        self.0.insert(source, held.saturating_add(1));
        Some(source)
    }

    /// It has closed, or has got its allocation.
    pub(super) fn give_back(&mut self, source: IpAddr) {
        if let Some(held) = self.0.get_mut(&source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.0.remove(&source);
            }
        }
    }
}

/// An IPv6 host has a /64 to choose addresses from.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_and_gets_it_back() {
        let mut sources = Sources::default();
        let one = "2001:db8::1".parse().unwrap();
        let neighbour = "2001:db8::ffff:2".parse().unwrap();
        let first = sources.take(one, 2).unwrap();
        assert!(sources.take(neighbour, 2).is_some());
        assert_eq!(sources.take(one, 2), None);
        assert!(sources.take("192.0.2.1".parse().unwrap(), 2).is_some());
        sources.give_back(first);
        assert!(sources.take(one, 2).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_a_source_without_connections() {
        let mut sources = Sources::default();
        let source = sources.take("192.0.2.1".parse().unwrap(), 1).unwrap();
        sources.give_back(source);
        sources.give_back(source);
        assert!(sources.0.is_empty());
    }
}
