//! When which flow sends: an open loop. What is due is due, whatever has become of the packets before.
//!
//! The flows' turns are spread evenly over the interval, so that packets of many calls arrive interleaved as they do in
//! life, and not as one burst every 20 ms.

use crate::clock::Nanos;

/// The turns of a number of flows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    start: Nanos,
    interval: u64,
    flows: u64,
    next: u64,
}

impl Schedule {
    /// `flows` flows, each with a turn every `interval` nanoseconds.
    pub(super) const fn new(start: Nanos, interval: u64, flows: u64) -> Self {
        Self { start, interval, flows, next: 0 }
    }

    /// When the next turn is.
    pub(super) fn due(&self) -> Nanos {
        let offset = u128::from(self.next) * u128::from(self.interval) / u128::from(self.flows.max(1));
        self.start.plus(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Takes the next turn: whose it is.
    pub(super) const fn take(&mut self) -> u64 {
        let flow = if self.flows == 0 { 0 } else { self.next % self.flows };
        self.next += 1;
        flow
    }

    /// Gives up the turns before `now`; how many.
    pub(super) fn skip_to(&mut self, now: Nanos) -> u64 {
        let elapsed = u128::from(now.since(self.start));
        let turns = elapsed * u128::from(self.flows) / u128::from(self.interval.max(1));
        let turns = u64::try_from(turns).unwrap_or(u64::MAX);
        let skipped = turns.saturating_sub(self.next);
        self.next += skipped;
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly_and_go_round() {
        let mut schedule = Schedule::new(Nanos(1000), 20_000_000, 4);
        let mut turns = Vec::new();
        for _ in 0..6 {
            let due = schedule.due().0;
            turns.push((due, schedule.take()));
        }
        let expected = [(0, 0), (5, 1), (10, 2), (15, 3), (20, 0), (25, 1)];
        assert_eq!(turns, expected.map(|(millis, flow)| (1000 + millis * 1_000_000, flow)));
    }

    #[test]
    fn no_time_is_lost_to_rounding() {
        let mut schedule = Schedule::new(Nanos(0), 33_333_333, 7);
        for _ in 0..7_000_000 {
            schedule.take();
        }
        assert_eq!(schedule.due(), Nanos(33_333_333 * 1_000_000));
    }

    #[test]
    fn whoever_is_much_too_late_gives_up_turns() {
        let mut schedule = Schedule::new(Nanos(0), 1000, 10);
        assert_eq!(schedule.skip_to(Nanos(950)), 9);
        assert_eq!(schedule.due(), Nanos(900));
        assert_eq!(schedule.skip_to(Nanos(950)), 0);
    }
}
