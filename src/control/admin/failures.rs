//! Sources that have shown wrong secrets: after a few in a minute their guesses are not looked at for the rest of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::control::connections::Source;
use crate::time::Time;

/// Wrong secrets of one source in one window.
pub(super) const MOST: u32 = 10;
/// How long.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are remembered. Those beyond may guess; that is all that a full table changes.
const SOURCES: usize = 4096;
/// Between two looks for those whose time is over.
const SWEEP: Duration = Duration::from_secs(1);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Failures {
    sources: HashMap<Source, (Time, u32)>,
    swept: Time,
}

impl Failures {
    /// Notes a wrong secret of `source`. What is returned is its number in this window and how much of that is left; none
    /// if there is no room to remember it.
    pub(super) fn note(&mut self, now: Time, source: IpAddr) -> Option<(u32, Duration)> {
        let source = Source::of(source);
        if self.sources.len() >= SOURCES && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.sources.retain(|_, (began, _)| now.since(*began) < WINDOW);
        }
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            return None;
        }
        let (began, count) = self.sources.entry(source).or_insert((now, 0));
        if now.since(*began) >= WINDOW {
            (*began, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        Some((*count, WINDOW.saturating_sub(now.since(*began))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_secrets_are_counted_by_network_and_minute() {
        let mut failures = Failures::default();
        let now = Time::from_secs(1000);
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        for number in 1..=10 {
            assert_eq!(failures.note(now, of("2001:db8::1")), Some((number, WINDOW)));
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(failures.note(later, of("2001:db8::2")), Some((11, Duration::from_secs(40))));
        assert_eq!(failures.note(later, of("2001:db8:0:1::2")), Some((1, WINDOW)));
        assert_eq!(failures.note(now + WINDOW, of("2001:db8::1")), Some((1, WINDOW)));
    }

    #[test]
    fn sources_are_bounded_and_forgotten_in_time() {
        let mut failures = Failures::default();
        let now = Time::from_secs(1000);
        for number in 0..5000u32 {
            failures.note(now, IpAddr::V4(number.into()));
        }
        assert_eq!(failures.sources.len(), SOURCES);
        assert_eq!(failures.note(now, IpAddr::V4(4999.into())), None);
        assert_eq!(failures.note(now, IpAddr::V4(1.into())), Some((2, WINDOW)));
        assert_eq!(failures.note(now + WINDOW, IpAddr::V4(4999.into())), Some((1, WINDOW)));
        assert_eq!(failures.sources.len(), 1);
    }
}
