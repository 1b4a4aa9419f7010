//! The only reader of the clock here: nanoseconds since the process began to measure, the same on all threads.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// A point on the monotonic clock, in nanoseconds since the first reading. Packets carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// How much later this is than `earlier`; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Later by `nanos`.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Later by a duration.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        self.plus(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The clock.
#[must_use]
pub fn now() -> Nanos {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    let (origin, now) = (*ORIGIN.get_or_init(Instant::now), Instant::now());
    Nanos(u64::try_from(now.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX))
}

/// Seconds since 1970.
#[must_use]
pub fn unix_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
