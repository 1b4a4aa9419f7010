//! What is counted of a stream, as plain numbers.

use std::ops::AddAssign;
use std::time::Duration;

/// How deep the jitter buffers are that a stream is judged by.
pub const DEPTHS: [Duration; 4] = [
    Duration::from_millis(40),
    Duration::from_millis(60),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// The longest run of each class in [`Counts::loss_runs`] but the last, which has no end.
pub const LOSS_RUN_EDGES: [u64; 6] = [1, 2, 3, 5, 10, 20];

/// Of a stream so far, or of an interval. `expected` is always `received + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that were sent, as far as sequence numbers tell: from the first that came to the highest.
    pub expected: u64,
    /// How many of them came, each counted once.
    pub received: u64,
    /// How many did not.
    pub lost: u64,
    /// Copies of packets that had come.
    pub duplicate: u64,
    /// Packets that came after one with a higher number. They are received, not lost.
    pub reordered: u64,
    /// Packets with a number far off that none followed: of another life of the stream, or of nobody's.
    pub stray: u64,
    /// How often the sender began again elsewhere.
    pub restarts: u64,
    /// Packets whose delay could be judged: the clock rate is known, and the timestamp is a new one.
    pub timed: u64,
    /// How many of those a jitter buffer of each of [`DEPTHS`] would have thrown away as too late.
    pub discarded: [u64; DEPTHS.len()],
    /// Bytes in received packets, headers of RTP included.
    pub bytes: u64,
    /// Bursts (RFC 3611 section 4.7.2, Gmin 16): two lost packets or more, with fewer than 16 received between one and
    /// the next.
    pub bursts: u64,
    /// Packets within bursts, from the first lost to the last, received ones included.
    pub burst_packets: u64,
    /// Lost packets within bursts.
    pub burst_lost: u64,
    /// How often so many packets were lost in a row: 1, 2, 3, 4–5, 6–10, 11–20, more.
    pub loss_runs: [u64; LOSS_RUN_EDGES.len() + 1],
}

impl Counts {
    /// Packets of this stream, whatever became of them.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.received + self.duplicate + self.stray
    }

    /// The share that was lost, 0 to 1; 0 if nothing was expected.
    #[must_use]
    pub fn loss(&self) -> f64 {
        share(self.lost, self.expected)
    }

    /// The share that a jitter buffer of `DEPTHS[depth]` would have thrown away, 0 to 1, of what was judged. Packets that
    /// a stall kept back may be counted in the interval after the one in which they came.
    #[must_use]
    pub fn discard(&self, depth: usize) -> f64 {
        share(self.discarded.get(depth).copied().unwrap_or(0), self.timed).min(1.0)
    }

    /// How often packets were lost, counting neighbours once.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.loss_runs.iter().sum()
    }

    /// G.107's BurstR: how much longer the runs of lost packets are than chance alone would have them; at least 1.
    #[must_use]
    pub fn burst_ratio(&self) -> f64 {
        let mean_run = self.lost as f64 / self.runs().max(1) as f64;
        (mean_run * (1.0 - self.loss())).max(1.0)
    }

    /// The share of lost packets within bursts, 0 to 1.
    #[must_use]
    pub fn burst_density(&self) -> f64 {
        share(self.burst_lost, self.burst_packets)
    }

    /// The share of lost packets outside of bursts, 0 to 1.
    #[must_use]
    pub fn gap_density(&self) -> f64 {
        let packets = self.expected.saturating_sub(self.burst_packets);
        share(self.lost.saturating_sub(self.burst_lost), packets)
    }

    /// How many packets a burst takes, on average; 0 if there was none.
    #[must_use]
    pub fn mean_burst(&self) -> f64 {
        share(self.burst_packets, self.bursts)
    }

    /// What came to these since they were `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.zip(earlier, u64::saturating_sub)
    }

    /// The larger of each.
    pub(super) fn max(&self, other: &Self) -> Self {
        self.zip(other, u64::max)
    }

    fn zip(&self, other: &Self, pair: fn(u64, u64) -> u64) -> Self {
        Self {
            expected: pair(self.expected, other.expected),
            received: pair(self.received, other.received),
            lost: pair(self.lost, other.lost),
            duplicate: pair(self.duplicate, other.duplicate),
            reordered: pair(self.reordered, other.reordered),
            stray: pair(self.stray, other.stray),
            restarts: pair(self.restarts, other.restarts),
            timed: pair(self.timed, other.timed),
            discarded: zip(self.discarded, other.discarded, pair),
            bytes: pair(self.bytes, other.bytes),
            bursts: pair(self.bursts, other.bursts),
            burst_packets: pair(self.burst_packets, other.burst_packets),
            burst_lost: pair(self.burst_lost, other.burst_lost),
            loss_runs: zip(self.loss_runs, other.loss_runs, pair),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        *self = self.zip(&more, u64::saturating_add);
    }
}

/// The place in [`Counts::loss_runs`] of a run of `length`.
pub(super) fn loss_run_class(length: u64) -> usize {
    LOSS_RUN_EDGES.iter().take_while(|edge| length > **edge).count()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn zip<const N: usize>(a: [u64; N], b: [u64; N], pair: fn(u64, u64) -> u64) -> [u64; N] {
    let mut pairs = a.into_iter().zip(b);
    std::array::from_fn(|_| pairs.next().map_or(0, |(a, b)| pair(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_fall_into_seven_classes() {
        let class = |length| loss_run_class(length);
        assert_eq!([1, 2, 3, 4, 5, 6, 10, 11, 20, 21, 3000].map(class), [0, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
    }

    #[test]
    fn burst_ratio_is_mean_run_by_share_received_and_never_below_one() {
        let counts = Counts {
            expected: 100,
            received: 90,
            lost: 10,
            loss_runs: [0, 5, 0, 0, 0, 0, 0],
            ..Counts::default()
        };
        assert!((counts.burst_ratio() - 1.8).abs() < 1e-12);
        let single = Counts { lost: 10, loss_runs: [10, 0, 0, 0, 0, 0, 0], ..counts };
        assert!((single.burst_ratio() - 1.0).abs() < 1e-12);
        assert!((Counts::default().burst_ratio() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_and_what_was_before_are_the_whole() {
        let mut before =
            Counts { expected: 7, received: 5, lost: 2, discarded: [4, 3, 2, 1], ..Counts::default() };
        let whole = Counts { expected: 9, received: 6, lost: 3, discarded: [5, 3, 2, 1], bytes: 8, ..before };
        before += whole.since(&before);
        assert_eq!(before, whole);
    }
}
