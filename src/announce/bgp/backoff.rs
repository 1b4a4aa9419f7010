//! How long a neighbour is left alone after a failure, and the jitter of every timer.
//!
//! Delays double with each failure and start over after a session that lasted. The jitter needs to differ between relays
//! and from one draw to the next; nobody gains by guessing it.

use std::time::Duration;

use crate::time::Time;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// No neighbour is left alone for longer after a session was refused or broken.
const LONGEST: Duration = Duration::from_secs(60);
/// A session that stood so long was a good one.
const LASTING: Duration = Duration::from_secs(30);

/// Random parts of timers (RFC 4271, section 10), from who we are and what time it is.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    /// Different for different seeds.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between three quarters of `duration` and all of it.
    pub(super) fn shorten(&mut self, now: Time, duration: Duration) -> Duration {
        let quarter = duration / 4;
        let share = u32::try_from(self.draw(now) >> 48).unwrap_or(0);
        duration - (quarter / (1 << 16)) * share
    }

    /// One step of SplitMix64 with the time stirred in.
    const fn draw(&mut self, now: Time) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ now.as_nanos().rotate_left(32);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A connection did not come about. `most` is the longest time between two attempts.
    pub(super) fn unreachable(&mut self, most: Duration) -> Duration {
        self.step(FIRST.min(most), most)
    }

    /// A connection that stood has ended before there was a session.
    pub(super) fn refused(&mut self) -> Duration {
        self.step(FIRST, LONGEST)
    }

    /// The neighbour has opened another connection before there was a session on the one before. The first time it has
    /// started anew, perhaps; then there is a delay as well.
    pub(super) fn replaced(&mut self) -> Option<Duration> {
        let is_first = self.failures == 0;
        let delay = self.refused();
        (!is_first).then_some(delay)
    }

    /// A session has ended after `lasted`.
    pub(super) fn ended(&mut self, lasted: Duration) -> Duration {
        if lasted >= LASTING {
            self.failures = 0;
        }
        self.step(FIRST, LONGEST)
    }

    /// The operator has changed something: what failed before tells nothing.
    pub(super) const fn forget(&mut self) {
        self.failures = 0;
    }

    fn step(&mut self, first: Duration, most: Duration) -> Duration {
        let delay = first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        delay.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_double_up_to_the_most() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.refused()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60].map(secs));
        assert_eq!(backoff.unreachable(secs(5)), secs(5));
    }

    #[test]
    fn a_retry_below_a_second_is_kept_from_the_first_attempt_on() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(200);
        assert_eq!((backoff.unreachable(short), backoff.unreachable(short)), (short, short));
    }

    #[test]
    fn only_a_session_that_lasted_starts_the_count_over() {
        let mut backoff = Backoff::default();
        let short = LASTING - Duration::from_nanos(1);
        assert_eq!([(); 3].map(|()| backoff.ended(short)), [1, 2, 4].map(secs));
        assert_eq!(backoff.ended(LASTING), secs(1));
        assert_eq!(backoff.ended(short), secs(2));
    }

    #[test]
    fn jitter_fills_the_last_quarter() {
        let mut jitter = Jitter::new(1);
        let draws: Vec<_> = (0..1000).map(|n| jitter.shorten(Time::from_secs(n), secs(4))).collect();
        assert!(draws.iter().all(|&draw| draw > secs(3) && draw <= secs(4)));
        for tenth in 0..10 {
            let from = secs(3) + Duration::from_millis(100 * tenth);
            let here = draws.iter().filter(|&&draw| draw >= from && draw < from + Duration::from_millis(100));
            assert!((50..200).contains(&here.count()), "{tenth}");
        }
    }

    #[test]
    fn relays_with_different_identifiers_do_not_march_in_step() {
        let draws = |seed| {
            let mut jitter = Jitter::new(seed);
            [(); 4].map(|()| jitter.shorten(Time::ZERO, secs(1)))
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }
}
