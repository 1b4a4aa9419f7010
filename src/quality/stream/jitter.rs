//! Interarrival jitter (RFC 3550 appendix A.8), in nanoseconds and without its rounding: `J += (|D| - J) / 16`.

use std::time::Duration;

const GAIN: f64 = 1.0 / 16.0;

/// The jitter during an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    /// Over the interval's packets.
    pub mean: Duration,
    /// At the end.
    pub last: Duration,
    /// The largest.
    pub max: Duration,
}

/// The estimate, and what an interval needs of it.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    nanos: f64,
    sum: f64,
    max: f64,
}

impl Estimate {
    /// Takes in by how much two packets differ in transit.
    #[inline]
    pub(super) fn add(&mut self, difference: f64) {
        self.nanos += (difference.abs() - self.nanos) * GAIN;
        self.sum += self.nanos;
        if self.nanos > self.max {
            self.max = self.nanos;
        }
    }

    /// As it stands.
    pub(super) fn value(&self) -> Duration {
        duration(self.nanos)
    }

    /// Ends an interval in which so many differences were taken in; none if there was none.
    pub(super) fn take(&mut self, samples: u32) -> Option<Jitter> {
        let ended = std::mem::replace(self, Self { nanos: self.nanos, sum: 0.0, max: 0.0 });
        let mean = duration(ended.sum / f64::from(samples.max(1)));
        (samples > 0).then(|| Jitter { mean, last: self.value(), max: duration(ended.max) })
    }
}

fn duration(nanos: f64) -> Duration {
    Duration::try_from_secs_f64(nanos * 1e-9).unwrap_or_default()
}
