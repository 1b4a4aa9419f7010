//! How losses lie together: runs of neighbours, and the bursts and gaps of RFC 3611 section 4.7.2.
//!
//! Told of missing packets only, in their order, once nothing can bring them back; a stream without loss costs nothing.
//! Bursts are counted as they grow, not when they end: on a line that is bad all the time none ever ends.

use super::counts::{Counts, loss_run_class};

/// So many packets received in a row end a burst.
pub(super) const GMIN: u64 = 16;

/// Losses so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gaps {
    /// The last that is missing.
    last: u64,
    /// How many are missing in a row up to it; 0 once one came after it.
    run: u64,
    /// How many are missing up to it with fewer than [`GMIN`] received between one and the next; 0 if none is.
    cluster: u64,
    runs: [u64; 7],
    bursts: u64,
    burst_packets: u64,
    burst_lost: u64,
}

impl Gaps {
    /// `length` packets are missing from `first` on. What lies between the last call and this came.
    pub(super) fn lose(&mut self, first: u64, length: u64) {
        if length == 0 {
            return;
        }
        self.settle(first.saturating_sub(1));
        let received = first.saturating_sub(self.last).saturating_sub(1);
        let is_burst = self.cluster + length >= 2;
        if self.cluster == 0 {
            self.bursts += u64::from(is_burst);
            self.add_to_burst(if is_burst { length } else { 0 }, 0);
        } else {
            // The packet that began it was isolated until now.
            let beginning = u64::from(self.cluster == 1);
            self.bursts += beginning;
            self.add_to_burst(beginning + length, received);
        }
        self.run += length;
        self.cluster += length;
        self.last = first + (length - 1);
    }

    fn add_to_burst(&mut self, lost: u64, received: u64) {
        self.burst_lost += lost;
        self.burst_packets += lost + received;
    }

    /// Everything up to `position` that is not missing came.
    pub(super) fn settle(&mut self, position: u64) {
        let received = position.saturating_sub(self.last);
        if received > 0 {
            self.end_run();
        }
        if received >= GMIN {
            self.cluster = 0;
        }
    }

    /// Nothing follows; positions begin anew.
    pub(super) fn end(&mut self) {
        self.end_run();
        self.cluster = 0;
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            if let Some(count) = self.runs.get_mut(loss_run_class(self.run)) {
                *count += 1;
            }
            self.run = 0;
        }
    }

    /// Writes into the counts what is known here.
    pub(super) fn write(&self, counts: &mut Counts) {
        counts.loss_runs = self.runs;
        counts.bursts = self.bursts;
        counts.burst_packets = self.burst_packets;
        counts.burst_lost = self.burst_lost;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The counters of RFC 3611 appendix A.2, packet by packet, as it has them.
    #[derive(Default)]
    struct Appendix {
        pkt: u64,
        lost: u64,
        c13: u64,
        c14: u64,
        c22: u64,
        c23: u64,
        c33: u64,
    }

    impl Appendix {
        fn packet(&mut self, came: bool) {
            if came {
                self.pkt += 1;
                return;
            }
            if self.pkt >= GMIN {
                if self.lost == 1 {
                    self.c14 += 1
                } else {
                    self.c13 += 1
                }
                self.lost = 1;
            } else {
                self.lost += 1;
                if self.pkt == 0 {
                    self.c33 += 1;
                } else {
                    self.c23 += 1;
                    self.c22 += self.pkt - 1;
                }
            }
            self.pkt = 0;
        }

        /// Between two long gaps, so that neither the first nor the last loss is a special case.
        fn of(packets: &[bool]) -> Self {
            let mut counters = Self::default();
            let gap = [true; 16];
            for came in gap.iter().chain(packets).chain(&gap).chain(&[false]) {
                counters.packet(*came);
            }
            // The loss that begins the counting ends a burst that never was.
            counters.c13 -= 1;
            counters
        }

        fn burst_density(&self) -> f64 {
            let (c31, c32) = (self.c13 as f64, self.c23 as f64);
            let p32 = c32 / (c31 + c32 + self.c33 as f64);
            let in_burst = (self.c22 + self.c23) as f64;
            let p23 = if in_burst < 1.0 { 1.0 } else { 1.0 - self.c22 as f64 / in_burst };
            p23 / (p23 + p32)
        }
    }

    fn gaps(packets: &[bool]) -> Counts {
        let mut gaps = Gaps::default();
        for (position, came) in (100..).zip(packets) {
            if !came {
                gaps.lose(position, 1);
            }
        }
        gaps.end();
        counts(&gaps, packets)
    }

    fn counts(gaps: &Gaps, packets: &[bool]) -> Counts {
        let lost = packets.iter().filter(|came| !**came).count() as u64;
        let mut counts = Counts { expected: packets.len() as u64, lost, ..Counts::default() };
        gaps.write(&mut counts);
        counts
    }

    fn runs(packets: &[bool]) -> [u64; 7] {
        let mut runs = [0; 7];
        for run in packets.split(|came| *came).filter(|run| !run.is_empty()) {
            runs[loss_run_class(run.len() as u64)] += 1;
        }
        runs
    }

    fn pattern(text: &str) -> Vec<bool> {
        text.chars().map(|packet| packet == '.').collect()
    }

    #[test]
    fn an_isolated_loss_is_no_burst() {
        let counts = gaps(&pattern("....x................x................x"));
        assert_eq!((counts.bursts, counts.burst_lost, counts.runs()), (0, 0, 3));
    }

    #[test]
    fn fifteen_received_packets_do_not_end_a_burst() {
        let counts = gaps(&pattern("x...............x................x"));
        assert_eq!((counts.bursts, counts.burst_lost, counts.burst_packets), (1, 2, 17));
        assert!((counts.gap_density() - 1.0 / 17.0).abs() < 1e-12);
    }

    #[test]
    fn two_in_a_row_are_a_burst() {
        let counts = gaps(&pattern("..xx.."));
        assert_eq!((counts.bursts, counts.burst_lost, counts.burst_packets), (1, 2, 2));
        assert!((counts.burst_density() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_burst_that_never_ends_is_counted_all_the_same() {
        let mut gaps = Gaps::default();
        for position in 0..100 {
            gaps.lose(100 + 10 * position, 1);
        }
        assert_eq!((gaps.bursts, gaps.burst_lost, gaps.burst_packets), (1, 100, 991));
    }

    fn packets() -> impl Strategy<Value = Vec<bool>> {
        // Stretches of good and bad, so that bursts and gaps both appear.
        let stretch = (0.0..1.0_f64, 1..60_usize).prop_flat_map(|(loss, length)| {
            prop::collection::vec(prop::bool::weighted(1.0 - loss * loss), length)
        });
        prop::collection::vec(stretch, 1..12).prop_map(|stretches| stretches.concat())
    }

    proptest! {
        #[test]
        fn bursts_are_those_of_the_appendix(packets in packets()) {
            let (ours, theirs) = (gaps(&packets), Appendix::of(&packets));
            prop_assert_eq!(ours.bursts, theirs.c13);
            prop_assert_eq!(ours.lost - ours.burst_lost, theirs.c14);
            prop_assert_eq!(ours.burst_lost, theirs.c13 + theirs.c23 + theirs.c33);
            prop_assert_eq!(ours.burst_packets - ours.burst_lost, theirs.c22 + theirs.c23);
            if ours.bursts > 0 {
                prop_assert!((ours.burst_density() - theirs.burst_density()).abs() < 1e-12);
            }
            prop_assert_eq!(ours.loss_runs, runs(&packets));
        }

        #[test]
        fn runs_told_of_in_pieces_are_the_same(packets in packets(), pieces in prop::collection::vec(1..9_u64, 1..9)) {
            let mut gaps_in_pieces = Gaps::default();
            let mut pieces = pieces.into_iter().cycle();
            let mut position = 0;
            while position < packets.len() {
                let most = usize::try_from(pieces.next().unwrap()).unwrap();
                let length = packets[position..].iter().take(most).take_while(|came| !**came).count();
                gaps_in_pieces.lose(100 + position as u64, length as u64);
                position += length.max(1);
                gaps_in_pieces.settle(99 + position as u64);
            }
            gaps_in_pieces.end();
            prop_assert_eq!(counts(&gaps_in_pieces, &packets), gaps(&packets));
        }
    }
}
