//! The only reader of clocks. Everything else takes the time as an argument.
//!
//! All threads share one origin, so a [`Time`] of one worker may be compared with one of another.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::time::{Now, Time, UnixTime};

/// The origin of [`Time`] lies this long before the first reading, so that "some minutes ago" is never
/// cut off at zero in a process that has just started.
const BEFORE_START: Duration = Duration::from_secs(24 * 3600);

/// Nanoseconds that a packet may have waited in a socket when it is read.
const LONGEST_WAIT: u64 = 10_000_000_000;
/// Nanoseconds after a reading for which it is still used.
const LONGEST_TURN: u64 = 1_000_000_000;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Reads the monotonic clock and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

/// One reading of both clocks, finer than [`Now`] on the wall clock's side.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What is passed down.
    pub now: Now,
    unix_nanos: u64,
}

impl Clock {
    /// The process's clock; its origin is set by the first call.
    #[must_use]
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
        let origin = *ORIGIN.get_or_init(Instant::now);
        Self { origin }
    }

    /// Both clocks, now.
    #[must_use]
    pub fn now(self) -> Now {
        self.read().now
    }

    /// Both clocks, now, with what it takes to convert kernel timestamps.
    #[must_use]
    pub fn read(self) -> Reading {
        #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
        let (instant, wall) = (Instant::now(), SystemTime::now());
        let since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Now { time: self.time(instant), unix: UnixTime(since_1970.as_secs()) };
        Reading { now, unix_nanos: nanos(since_1970) }
    }

    /// The kernel's monotonic clock in microseconds, for other processes: each has an origin of its own for anything else.
    #[must_use]
    pub fn kernel_micros() -> u64 {
        let time = clock_gettime(ClockId::Monotonic);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
        seconds.unwrap_or(0) * 1_000_000 + nanos.unwrap_or(0) / 1_000
    }

    /// The same point as the standard library has it: for crates that want an [`Instant`]. A time before
    /// the first reading becomes the origin, one beyond what the system can hold the latest that it can.
    #[must_use]
    pub fn instant(self, time: Time) -> Instant {
        let start = Time::ZERO + BEFORE_START;
        let mut ahead = time.since(start);
        loop {
            match self.origin.checked_add(ahead) {
                Some(instant) => return instant,
                None => ahead /= 2,
            }
        }
    }

    /// The inverse of [`Clock::instant`].
    #[must_use]
    pub fn time(self, instant: Instant) -> Time {
        Time::ZERO + BEFORE_START + instant.saturating_duration_since(self.origin)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Reading {
    /// Nanoseconds since 1970, by the wall clock.
    #[must_use]
    pub const fn unix_nanos(&self) -> u64 {
        self.unix_nanos
    }

    /// When a packet with the kernel's timestamp (nanoseconds since 1970) came, on the monotonic clock. That may be
    /// after the reading: sockets are read for a while after it. A timestamp that is further off than a packet can be
    /// comes from a wall clock that was stepped in between, and the reading stands for it.
    #[must_use]
    pub fn arrival(&self, unix_nanos: u64) -> Time {
        let (age, ahead) =
            (self.unix_nanos.saturating_sub(unix_nanos), unix_nanos.saturating_sub(self.unix_nanos));
        if age > LONGEST_WAIT || ahead > LONGEST_TURN {
            return self.now.time;
        }
        self.now.time + Duration::from_nanos(ahead) - Duration::from_nanos(age)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_survives_the_way_to_an_instant_and_back() {
        let clock = Clock::new();
        let time = clock.now().time + Duration::from_millis(1234);
        assert_eq!(clock.time(clock.instant(time)), time);
    }

    #[test]
    fn all_clocks_share_an_origin() {
        let first = Clock::new();
        let second = std::thread::spawn(Clock::new).join().unwrap();
        assert_eq!(first.origin, second.origin);
    }

    #[test]
    fn a_day_before_the_start_can_be_named() {
        let now = Clock::new().now().time;
        assert!(now - Duration::from_secs(24 * 3600) >= Time::ZERO);
        assert_eq!(now.since(now - Duration::from_secs(3600)), Duration::from_secs(3600));
    }

    #[test]
    fn the_end_of_time_has_an_instant() {
        let clock = Clock::new();
        assert!(clock.instant(Time::MAX) > clock.instant(clock.now().time));
    }

    #[test]
    fn a_kernel_timestamp_becomes_a_point_on_the_monotonic_clock() {
        let reading = Clock::new().read();
        assert_eq!(reading.arrival(reading.unix_nanos - 5), reading.now.time - Duration::from_nanos(5));
        assert_eq!(reading.arrival(reading.unix_nanos + 5), reading.now.time + Duration::from_nanos(5));
    }

    #[test]
    fn a_stepped_wall_clock_moves_no_packet_far() {
        let reading = Clock::new().read();
        let hour = 3_600_000_000_000;
        assert_eq!(reading.arrival(reading.unix_nanos - hour), reading.now.time);
        assert_eq!(reading.arrival(reading.unix_nanos + hour), reading.now.time);
    }
}
