//! How many datagrams usually wait when a socket is readable.
//!
//! A call that may take many costs the kernel's setting-up of each, and a look for a second datagram that is not there.
//! A relay's socket has one for us nearly always; a listener has one or dozens, by the hour. So each socket remembers:
//! it is asked for as many as it lately had, for more when it had all of them, and now and then, where one was usual,
//! for a few. What was not asked for is reported again by the poller, in the next turn.

use super::batch::MAX_SLOTS;

/// Where one datagram is usual, every how many receives a few are asked for.
const PROBE_EVERY: u16 = 8;
/// How many that are.
const PROBE: usize = 8;

/// A socket's habit, in 16 bits: there are as many as there are relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habit {
    /// As a power of two: how many to ask for.
    exponent: u16,
    /// Receives since the last that asked for more than one.
    singles: u16,
}

impl Habit {
    pub(super) const fn from_bits(bits: u16) -> Self {
        Self { exponent: bits & 7, singles: (bits >> 3) & 7 }
    }

    pub(super) const fn bits(self) -> u16 {
        (self.exponent & 7) | (self.singles & 7) << 3
    }

    /// How many datagrams to ask for.
    pub(super) const fn expects(self) -> usize {
        if self.exponent == 0 && self.singles + 1 >= PROBE_EVERY { PROBE } else { 1 << self.exponent }
    }

    /// Of `asked` datagrams there were `got`.
    pub(super) fn learn(&mut self, asked: usize, got: usize) {
        if asked < self.expects() && got == asked || got == 0 {
            // The room was short, or an error came instead of a datagram: nothing is known.
            return;
        }
        if asked == 1 {
            self.singles += 1;
            return;
        }
        let usual = if got == asked { got.saturating_mul(2) } else { got };
        self.exponent = exponent(usual);
        self.singles = 0;
    }
}

/// The least power of two that is not less, up to what a batch takes.
fn exponent(count: usize) -> u16 {
    let power = count.clamp(1, MAX_SLOTS).next_power_of_two();
    u16::try_from(power.trailing_zeros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a socket with `waiting` datagrams is asked for, receive after receive.
    fn asked(habit: &mut Habit, waiting: usize, times: usize) -> Vec<usize> {
        let ask = |_| {
            let asked = habit.expects();
            habit.learn(asked, waiting.min(asked));
            *habit = Habit::from_bits(habit.bits());
            asked
        };
        (0..times).map(ask).collect()
    }

    #[test]
    fn where_one_is_usual_a_few_are_asked_for_now_and_then() {
        let asked = asked(&mut Habit::default(), 1, 80);
        assert_eq!(asked.iter().filter(|asked| **asked == 1).count(), 70);
        assert_eq!(asked.iter().filter(|asked| **asked == PROBE).count(), 10);
    }

    #[test]
    fn bursts_are_found_and_kept() {
        let mut habit = Habit::default();
        assert_eq!(asked(&mut habit, 8, 9), [1, 1, 1, 1, 1, 1, 1, 8, 16]);
        assert!(asked(&mut habit, 8, 20).iter().all(|asked| *asked >= 8));
        assert!(asked(&mut habit, 3, 20).iter().skip(1).all(|asked| *asked == 4));
    }

    #[test]
    fn a_crowd_is_met_with_the_whole_batch_and_forgotten_at_once() {
        let mut habit = Habit::default();
        asked(&mut habit, 1_000, 16);
        assert_eq!(asked(&mut habit, 1_000, 3), [MAX_SLOTS; 3]);
        assert_eq!(asked(&mut habit, 1, 2), [MAX_SLOTS, 1]);
    }

    #[test]
    fn no_room_and_no_datagram_teach_nothing() {
        let mut habit = Habit::default();
        asked(&mut habit, 1_000, 16);
        let before = habit;
        habit.learn(3, 3);
        habit.learn(MAX_SLOTS, 0);
        assert_eq!(habit, before);
        habit.learn(3, 2);
        assert_eq!(habit.expects(), 2);
    }
}
