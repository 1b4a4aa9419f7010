//! What jitter buffers would have thrown away: a packet that comes later than the one it is measured by, plus the depth of
//! the buffer, plus what lies between their timestamps.
//!
//! The packet it is measured by is the first, then the fastest since: where a slow one came first, all others would look
//! early. Clocks drift apart, so the measure is raised again, but only to the fastest packet of the last two
//! intervals: a queue that comes and goes within them raises nothing.

use super::counts::DEPTHS;

/// Nanoseconds that the shallowest buffer holds.
const SHALLOWEST: f64 = DEPTHS[0].as_nanos() as f64;

/// What every packet is compared with, in nanoseconds of transit.
#[derive(Debug)]
pub(super) struct Buffer {
    base: f64,
    /// The least of this interval.
    least: f64,
}

/// How a packet compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lateness {
    /// In time for every buffer.
    None,
    /// Faster than all before it, by the base in force until now.
    Least,
    /// Too late for some, by nanoseconds.
    Some(f64),
}

impl Buffer {
    /// Measures by a packet whose transit is zero.
    pub(super) const fn new() -> Self {
        Self { base: 0.0, least: 0.0 }
    }

    /// Compares a packet; nothing is counted as late here.
    #[inline]
    pub(super) fn see(&mut self, transit: f64) -> Lateness {
        if transit < self.least {
            self.least = transit;
        }
        let late = transit - self.base;
        if late < 0.0 {
            Lateness::Least
        } else if late <= SHALLOWEST {
            Lateness::None
        } else {
            Lateness::Some(late)
        }
    }

    /// How much later a packet is than the one it is measured by.
    pub(super) fn lateness(&self, transit: f64) -> f64 {
        transit - self.base
    }

    /// Measures by another transit, or by whatever comes.
    pub(super) fn set_base(&mut self, base: f64) {
        self.base = base;
    }

    /// The least transit of this interval.
    pub(super) const fn least(&self) -> f64 {
        self.least
    }
}

/// What is touched only when a packet is late, or an interval ends.
#[derive(Debug)]
pub(super) struct Discards {
    /// The least transit of the interval before.
    before: f64,
    counts: [u64; DEPTHS.len()],
}

impl Discards {
    pub(super) const fn new() -> Self {
        Self { before: f64::NEG_INFINITY, counts: [0; DEPTHS.len()] }
    }

    /// Transits are measured from another origin: those of earlier intervals mean nothing.
    pub(super) fn forget(&mut self) {
        self.before = f64::NEG_INFINITY;
    }

    /// Counts a packet that is `late` nanoseconds late.
    pub(super) fn count(&mut self, late: f64) {
        for (count, depth) in self.counts.iter_mut().zip(DEPTHS) {
            *count += u64::from(late > depth.as_nanos() as f64);
        }
    }

    /// Counts packets that are too late for every buffer.
    pub(super) fn count_all(&mut self, packets: u64) {
        for count in &mut self.counts {
            *count += packets;
        }
    }

    /// The end of an interval: raises the base.
    pub(super) fn take(&mut self, buffer: &mut Buffer) {
        let floor = buffer.least.min(self.before);
        if floor.is_finite() && buffer.base.is_finite() {
            buffer.base = floor;
        }
        self.before = buffer.least;
        buffer.least = f64::INFINITY;
    }

    pub(super) const fn counts(&self) -> [u64; DEPTHS.len()] {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f64 = 1e6;

    #[test]
    fn each_depth_ends_at_its_own_millisecond() {
        let mut discards = Discards::new();
        for late in [40.0, 40.001, 60.0, 60.001, 100.0, 100.001, 200.0, 200.001] {
            if let Lateness::Some(late) = Buffer::new().see(late * MS) {
                discards.count(late);
            }
        }
        assert_eq!(discards.counts(), [7, 5, 3, 1]);
    }

    #[test]
    fn the_base_is_raised_to_the_least_of_two_intervals() {
        let (mut buffer, mut discards) = (Buffer::new(), Discards::new());
        discards.take(&mut buffer);
        buffer.see(30.0 * MS);
        discards.take(&mut buffer);
        assert_eq!(buffer.base, 0.0, "the interval before began with 0");
        buffer.see(50.0 * MS);
        discards.take(&mut buffer);
        assert_eq!(buffer.base, 30.0 * MS);
        discards.take(&mut buffer);
        discards.take(&mut buffer);
        assert_eq!(buffer.base, 50.0 * MS, "silence raises nothing further");
    }
}
