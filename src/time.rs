//! Points in time as plain numbers.
//!
//! Everything below the workers takes the time as an argument, so that tests can move it. These types
//! read no clock; `crate::clock` does.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds on the monotonic clock, from an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The origin of the monotonic clock.
    pub const ZERO: Self = Self(0);
    /// Later than every time that can be reached.
    pub const MAX: Self = Self(u64::MAX);

    /// The time `nanos` after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time `seconds` after the origin.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Seconds since 1970, as credentials and nonces carry them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// Both clocks, read once per turn of a worker and passed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For every lifetime and timer.
    pub time: Time,
    /// For what other machines have dated: credentials, tokens, nonces.
    pub unix: UnixTime,
}

impl Now {
    /// The same instant, `by` later on both clocks.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self { time: self.time + by, unix: UnixTime(self.unix.0.saturating_add(by.as_secs())) }
    }
}
