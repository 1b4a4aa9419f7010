//! Sources that have shown wrong secrets: after a few in a minute they are not listened to for the rest of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::time::Time;

/// Wrong secrets of one source in one window.
const MOST: u32 = 10;
/// How long.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are remembered; of more, all wait.
const SOURCES: usize = 4096;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Failures {
    sources: HashMap<IpAddr, (Time, u32)>,
}

impl Failures {
    /// How long `source` must wait, if it must.
    pub(super) fn wait(&self, now: Time, source: IpAddr) -> Option<Duration> {
        let left = |began: Time| WINDOW.checked_sub(now.since(began)).filter(|left| !left.is_zero());
        match self.sources.get(&network(source)) {
            Some((began, count)) if *count >= MOST => left(*began),
            Some(_) => None,
            None if self.sources.len() >= SOURCES => Some(Duration::from_secs(1)),
            None => None,
        }
    }

    /// Notes a wrong secret of `source`.
    pub(super) fn note(&mut self, now: Time, source: IpAddr) {
        self.sources.retain(|_, (began, _)| now.since(*began) < WINDOW);
        if self.sources.len() < SOURCES || self.sources.contains_key(&network(source)) {
            let (_, count) = self.sources.entry(network(source)).or_insert((now, 0));
            *count = count.saturating_add(1);
        }
    }

    /// Forgets those whose time is over.
    pub(super) fn sweep(&mut self, now: Time) {
        self.sources.retain(|_, (began, _)| now.since(*began) < WINDOW);
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_wrong_secrets_a_source_waits_and_no_other_does() {
        let mut failures = Failures::default();
        let now = Time::from_secs(1000);
        let source = "2001:db8::1".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(failures.wait(now, source), None);
            failures.note(now, source);
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(failures.wait(later, "2001:db8::2".parse().unwrap()), Some(Duration::from_secs(40)));
        assert_eq!(failures.wait(later, "2001:db8:0:1::2".parse().unwrap()), None);
        assert_eq!(failures.wait(now + WINDOW, source), None);
    }

    #[test]
    fn sources_are_bounded() {
        let mut failures = Failures::default();
        let now = Time::from_secs(1000);
        for number in 0..5000u32 {
            failures.note(now, IpAddr::V4(number.into()));
        }
        assert_eq!(failures.sources.len(), SOURCES);
        assert!(failures.wait(now, IpAddr::V4(4999.into())).is_some());
        failures.sweep(now + WINDOW);
        assert!(failures.wait(now + WINDOW, IpAddr::V4(4999.into())).is_none());
    }
}
