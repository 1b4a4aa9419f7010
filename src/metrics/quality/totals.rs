//! What all sessions of a relay have sounded like, as numbers that two looks can be told apart by.

use super::super::histogram::Distribution;
use super::{Basis, Direction, GRADES, Legs, MOS_EDGES, QualityCounters};

/// The grades of G.109 below which a voice counts as poor: "bad" and "poor".
const POOR: usize = 2;
/// The ends of the scale of MOS.
const MOS_RANGE: (f64, f64) = (1.0, 4.5);

/// Sums since the start, by the leg that it came by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QualityTotals {
    /// Both legs.
    pub legs: Legs<LegTotals>,
    /// Sessions with media now.
    pub sessions: u64,
}

/// Sums of one leg.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegTotals {
    /// Voices of ten seconds, by grade.
    voices: [u64; GRADES.len()],
    /// Seconds of rated voices, by grade.
    rated: [f64; GRADES.len()],
    expected: u64,
    lost: u64,
    jitter: Mean,
    rtt: Mean,
}

/// A sum of seconds, and of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: u64,
}

impl QualityTotals {
    /// Adds what one worker has counted.
    pub fn add(&mut self, worker: &QualityCounters) {
        self.sessions = self.sessions.saturating_add(worker.sessions());
        for (direction, counters) in Direction::ALL.into_iter().zip(&worker.directions) {
            let leg = &mut self.legs[direction.leg()];
            let mut voices = Distribution::default();
            for histogram in counters.mos.iter().flat_map(|bases| bases.iter().take(Basis::ALL.len())) {
                voices.add(histogram);
            }
            let beyond =
                voices.classes.iter().fold(voices.count, |left, (_, seen)| left.saturating_sub(*seen));
            let classes = voices.classes.iter().map(|(_, seen)| *seen).chain([beyond]);
            leg.voices.iter_mut().zip(classes).for_each(|(sum, more)| *sum = sum.wrapping_add(more));
            leg.rated.iter_mut().zip(&counters.rated).for_each(|(sum, more)| *sum += more.value());
            for streams in worker.known_codecs().filter_map(|codec| codec.directions.get(direction.index())) {
                leg.expected = leg.expected.wrapping_add(streams.expected.value());
                leg.lost = leg.lost.wrapping_add(streams.lost.value());
                leg.jitter.add([&streams.jitter]);
            }
            let sources = worker.rtt.get(direction.leg().index());
            leg.rtt.add(sources.into_iter().flatten());
        }
    }

    /// What has come since `earlier`; the sessions are those of now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { legs: Legs::from_fn(|leg| self.legs[leg].since(&earlier.legs[leg])), sessions: self.sessions }
    }
}

impl LegTotals {
    fn since(&self, earlier: &Self) -> Self {
        let voices = self.voices.iter().zip(earlier.voices).map(|(now, then)| now.saturating_sub(then));
        let rated = self.rated.iter().zip(earlier.rated).map(|(now, then)| (now - then).max(0.0));
        let (mut out, expected) = (Self::default(), self.expected.saturating_sub(earlier.expected));
        out.voices.iter_mut().zip(voices).for_each(|(to, from)| *to = from);
        out.rated.iter_mut().zip(rated).for_each(|(to, from)| *to = from);
        let lost = self.lost.saturating_sub(earlier.lost);
        let (jitter, rtt) = (self.jitter.since(earlier.jitter), self.rtt.since(earlier.rtt));
        Self { expected, lost, jitter, rtt, ..out }
    }

    /// Seconds of voices that were rated.
    #[must_use]
    pub fn rated_seconds(&self) -> f64 {
        self.rated.iter().sum()
    }

    /// The share of those in which they were poor or bad.
    #[must_use]
    pub fn poor_share(&self) -> Option<f64> {
        let all = self.rated_seconds();
        (all > 0.0).then(|| self.rated.iter().take(POOR).sum::<f64>() / all)
    }

    /// The MOS that half of the voices were above: exact as to its grade, straight within it.
    #[must_use]
    pub fn mos_median(&self) -> Option<f64> {
        let all: u64 = self.voices.iter().sum();
        let mut left = all as f64 / 2.0;
        let lower = [MOS_RANGE.0].into_iter().chain(MOS_EDGES);
        let upper = MOS_EDGES.into_iter().chain([MOS_RANGE.1]);
        for ((seen, low), high) in self.voices.iter().map(|seen| *seen as f64).zip(lower).zip(upper) {
            if seen > 0.0 && left <= seen {
                return Some(low + (high - low) * left / seen);
            }
            left -= seen;
        }
        None
    }

    /// Lost RTP packets by expected ones.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.lost as f64 / self.expected as f64)
    }

    /// The mean jitter in seconds.
    #[must_use]
    pub fn jitter(&self) -> Option<f64> {
        self.jitter.value()
    }

    /// The mean round trip in seconds.
    #[must_use]
    pub fn rtt(&self) -> Option<f64> {
        self.rtt.value()
    }
}

impl Mean {
    fn add<'a, const N: usize>(
        &mut self,
        histograms: impl IntoIterator<Item = &'a super::super::histogram::Histogram<N>>,
    ) {
        let mut all = Distribution::default();
        histograms.into_iter().for_each(|histogram| all.add(histogram));
        self.sum += all.sum;
        self.count = self.count.wrapping_add(all.count);
    }

    fn since(self, earlier: Self) -> Self {
        Self { sum: (self.sum - earlier.sum).max(0.0), count: self.count.saturating_sub(earlier.count) }
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl QualityCounters {
    /// Datagrams that came in this direction, by their DSCP; none for those whose mark is not known.
    pub fn dscp(&self, direction: Direction) -> impl Iterator<Item = (Option<u8>, u64)> {
        let counters = self.directions.get(direction.index());
        let known = counters.into_iter().flat_map(|counters| (0u8..).zip(&counters.dscp));
        let known = known.map(|(dscp, packets)| (Some(dscp), packets.value()));
        known.chain(counters.map(|counters| (None, counters.other_dscp.value())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(voices: [u64; GRADES.len()]) -> LegTotals {
        LegTotals { voices, rated: voices.map(|voices| voices as f64 * 10.0), ..LegTotals::default() }
    }

    #[test]
    fn half_of_the_voices_are_above_the_median() {
        assert_eq!(leg([0; 6]).mos_median(), None);
        let best = leg([0, 0, 0, 0, 0, 4]).mos_median().unwrap();
        assert!((best - 4.42).abs() < 1e-9, "{best}");
        // The second of four stands at the end of the class below 3.1.
        let split = leg([1, 1, 0, 0, 1, 1]).mos_median().unwrap();
        assert!((split - 3.1).abs() < 1e-9, "{split}");
    }

    #[test]
    fn what_is_between_two_looks_is_their_difference() {
        let before = LegTotals { expected: 100, lost: 50, ..leg([1, 0, 0, 0, 0, 0]) };
        let after = LegTotals { expected: 300, lost: 60, ..leg([1, 1, 0, 0, 0, 3]) };
        let between = after.since(&before);
        assert_eq!((between.loss(), between.poor_share()), (Some(0.05), Some(0.25)));
        assert_eq!(between.since(&between), LegTotals::default());
        assert_eq!((LegTotals::default().loss(), LegTotals::default().poor_share()), (None, None));
    }
}
