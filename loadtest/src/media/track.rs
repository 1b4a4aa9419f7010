//! One flow as its receiver sees it: loss, order, jitter.

use crate::clock::Nanos;

/// How many packets behind the highest are remembered one by one.
const REMEMBERED: u32 = 128;

/// What has arrived of one flow since it was last reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracker {
    /// Sequences below do not count.
    base: u32,
    /// One more than the highest that has come.
    next: u32,
    /// Bit n: whether `next - 1 - n` has come.
    seen: u128,
    /// Packets, each counted once.
    pub received: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    last_transit: Option<u64>,
    jitter: f64,
}

impl Tracker {
    /// Counts from `base` on: the sequence that the sender will use next.
    pub fn reset(&mut self, base: u32) {
        *self = Self { base, next: base, ..Self::default() };
    }

    /// A packet has come. Returns whether it counts: not if it was sent before the reset or has come already.
    pub fn receive(&mut self, sequence: u32, sent: Nanos, now: Nanos) -> bool {
        if sequence < self.base {
            return false;
        }
        if sequence >= self.next {
            let ahead = sequence - self.next + 1;
            self.seen = if ahead < REMEMBERED { self.seen << ahead } else { 0 } | 1;
            self.next = sequence + 1;
        } else {
            let behind = self.next - 1 - sequence;
            // What is too old to be remembered is taken for late rather than doubled.
            if behind < REMEMBERED {
                let bit = 1u128 << behind;
                if self.seen & bit != 0 {
                    self.duplicated += 1;
                    return false;
                }
                self.seen |= bit;
            }
            self.reordered += 1;
        }
        self.received += 1;
        self.add_transit(now.since(sent));
        true
    }

    /// Interarrival jitter in nanoseconds (RFC 3550 section 6.4.1).
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    fn add_transit(&mut self, transit: u64) {
        if let Some(last) = self.last_transit {
            let difference = transit.abs_diff(last) as f64;
            self.jitter += (difference - self.jitter) / 16.0;
        }
        self.last_transit = Some(transit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(tracker: &mut Tracker, sequences: &[u32]) {
        for sequence in sequences {
            tracker.receive(*sequence, Nanos(0), Nanos(0));
        }
    }

    #[test]
    fn order_loss_and_doubles_are_told_apart() {
        let mut tracker = Tracker::default();
        receive(&mut tracker, &[0, 1, 3, 2, 2, 6, 0]);
        assert_eq!((tracker.received, tracker.reordered, tracker.duplicated), (5, 1, 2));
        receive(&mut tracker, &[1000, 4, 873, 873, 872]);
        assert_eq!((tracker.received, tracker.reordered, tracker.duplicated), (9, 4, 3));
    }

    #[test]
    fn what_was_sent_before_a_reset_does_not_count() {
        let mut tracker = Tracker::default();
        receive(&mut tracker, &[0, 1, 2]);
        tracker.reset(5);
        receive(&mut tracker, &[3, 4, 6, 5]);
        assert_eq!((tracker.received, tracker.reordered, tracker.duplicated), (2, 1, 0));
    }

    /// The estimator of RFC 3550 appendix A.8, as it stands there, on made-up arrivals.
    #[test]
    fn jitter_is_that_of_the_rfc() {
        let transits = [5_000_000u64, 5_600_000, 4_900_000, 9_000_000, 9_000_000, 2_000_000];
        let (mut jitter, mut last) = (0.0_f64, None);
        let mut tracker = Tracker::default();
        for (sequence, transit) in (0u32..).zip(transits) {
            let sent = u64::from(sequence) * 20_000_000;
            tracker.receive(sequence, Nanos(sent), Nanos(sent + transit));
            if let Some(last) = last.replace(transit) {
                let d = (transit as f64 - last as f64).abs();
                jitter += (1.0 / 16.0) * (d - jitter);
            }
        }
        assert!((tracker.jitter() - jitter).abs() < 1e-6);
        assert!(jitter > 0.0);
    }

    #[test]
    fn an_even_pace_has_no_jitter() {
        let mut tracker = Tracker::default();
        for sequence in 0..100 {
            let sent = Nanos(u64::from(sequence) * 20_000_000);
            tracker.receive(sequence, sent, sent.plus(31_000));
        }
        assert_eq!(tracker.jitter(), 0.0);
    }
}
