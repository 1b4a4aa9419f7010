//! How many datagrams usually wait when a socket is readable.
//!
//! A call that may take many costs the kernel's setting-up of each, and a look for a second datagram that is not there.
//! A relay's socket has one for us nearly always; a listener has one or dozens, by the hour. So each socket remembers:
//! it is asked for as many as it lately had, for more when it had all of them, and now and then, where one was usual,
//! for two. What was not asked for is reported again by the poller, in the next turn.

use super::batch::MAX_SLOTS;
use super::merging::Merging;

/// Where one datagram is usual, these of each eight receives ask for two. Unevenly, or bursts of some lengths would be
/// met by their last datagram each time.
const PROBES: [u16; 2] = [4, 7];
const PROBE: usize = 2;

/// A socket's habit, in 16 bits: there are as many as there are relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habit {
    /// As a power of two: how many to ask for.
    exponent: u16,
    /// Receives of one datagram, modulo eight.
    singles: u16,
    pub(super) merging: Merging,
}

impl Habit {
    /// Of a socket that goes on merging once it has begun.
    pub(super) fn of_relay() -> Self {
        Self { merging: Merging::for_good(), ..Self::default() }
    }

    pub(super) const fn from_bits(bits: u16) -> Self {
        Self { exponent: bits & 7, singles: (bits >> 3) & 7, merging: Merging::from_bits(bits >> 6) }
    }

    pub(super) const fn bits(self) -> u16 {
        (self.exponent & 7) | (self.singles & 7) << 3 | self.merging.bits() << 6
    }

    /// How many datagrams to ask for.
    pub(super) fn expects(&self) -> usize {
        if self.is_probe() { PROBE } else { 1 << self.exponent }
    }

    /// Of `asked` datagrams there were `got`.
    pub(super) fn learn(&mut self, asked: usize, got: usize) {
        if asked < self.expects() && got == asked || got == 0 {
            // The room was short, or an error came instead of a datagram: nothing is known.
            return;
        }
        if asked == 1 || self.is_probe() && got == 1 {
            self.singles = (self.singles + 1) % 8;
            return;
        }
        // What is left of a burst is no sign that there will be none.
        let fewer = self.exponent.saturating_sub(1);
        self.exponent = if got == asked { exponent(got.saturating_mul(2)) } else { exponent(got).max(fewer) };
    }

    fn is_probe(&self) -> bool {
        self.exponent == 0 && PROBES.contains(&self.singles)
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
    fn where_one_is_usual_two_are_asked_for_now_and_then() {
        let asked = asked(&mut Habit::default(), 1, 80);
        assert_eq!(asked.iter().filter(|asked| **asked == 1).count(), 60);
        assert_eq!(asked.iter().filter(|asked| **asked == PROBE).count(), 20);
    }

    #[test]
    fn bursts_of_any_length_are_found_and_kept() {
        for burst in 2..=40 {
            let mut habit = Habit::default();
            let mut receives = Vec::new();
            for _ in 0..20 {
                let (mut left, mut count) = (burst, 0);
                while left > 0 {
                    let asked = habit.expects();
                    habit.learn(asked, asked.min(left));
                    left -= asked.min(left);
                    count += 1;
                }
                receives.push(count);
            }
            assert!(receives[16..].iter().all(|count| *count <= 3), "{burst}: {receives:?}");
        }
    }

    #[test]
    fn a_crowd_is_met_with_the_whole_batch_and_soon_forgotten() {
        let mut habit = Habit::default();
        asked(&mut habit, 1_000, 24);
        assert_eq!(asked(&mut habit, 1_000, 3), [MAX_SLOTS; 3]);
        assert_eq!(asked(&mut habit, 1, 6), [64, 32, 16, 8, 4, 2]);
        assert!(habit.expects() <= PROBE);
    }

    #[test]
    fn no_room_and_no_datagram_teach_nothing() {
        let mut habit = Habit::default();
        asked(&mut habit, 1_000, 24);
        let before = habit;
        habit.learn(3, 3);
        habit.learn(MAX_SLOTS, 0);
        assert_eq!(habit, before);
        habit.learn(3, 2);
        assert_eq!(habit.expects(), MAX_SLOTS / 2);
    }
}
