//! Whether a socket should get datagrams merged (UDP_GRO).
//!
//! Where the datagrams of a flow arrive together, the kernel hands up a train of them for little more than the price of
//! one. Where they do not, it has compared each with those before it for nothing, a tenth to a fifth of the price. So a
//! socket begins without, is asked to merge once its batches show runs of one flow, and goes back when nothing comes
//! of it; each fruitless try makes the next wait longer.

/// Most steps that are counted.
const MOST: u16 = 63;
/// Neighbours of one flow that start a try, by the fruitless tries before it.
const NEIGHBOURS: [u16; 4] = [8, 24, 48, MOST];
/// For how many datagrams by themselves one that came with another makes up. Merging saves that much more than it costs.
const WORTH: u16 = 4;

/// What a socket's last receives said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merging {
    pub(super) on: bool,
    /// It cannot be turned off again, so it is turned on later.
    for_good: bool,
    /// Fruitless tries in a row.
    failures: u16,
    score: u16,
}

/// What one receive has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    /// Messages of the kernel.
    pub(super) messages: usize,
    /// How many of them could have been merged with the one before.
    pub(super) neighbours: usize,
    /// Datagrams in them.
    pub(super) datagrams: usize,
}

impl Merging {
    pub(super) fn for_good() -> Self {
        Self { for_good: true, ..Self::default() }
    }

    /// Ten bits.
    pub(super) const fn from_bits(bits: u16) -> Self {
        Self {
            on: bits & 1 != 0,
            for_good: bits & 2 != 0,
            failures: (bits >> 2) & 3,
            score: (bits >> 4) & MOST,
        }
    }

    pub(super) const fn bits(self) -> u16 {
        self.on as u16 | (self.for_good as u16) << 1 | (self.failures & 3) << 2 | (self.score & MOST) << 4
    }

    /// Learns from a receive. True when merging should be turned over.
    pub(super) fn learn(&mut self, brought: Brought) -> bool {
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        if !self.on {
            // Of one message nobody knows what came before and after it.
            let pairs = count(brought.messages.saturating_sub(1));
            let neighbours = count(brought.neighbours);
            let alone = pairs.saturating_sub(neighbours);
            self.score = self.score.saturating_add(neighbours).saturating_sub(alone).min(MOST);
            let wanted = NEIGHBOURS.get(usize::from(self.failures)).copied().unwrap_or(MOST);
            return self.score >= if self.for_good { MOST } else { wanted } && self.turn(self.failures);
        }
        if self.for_good {
            return false;
        }
        let merged = count(brought.datagrams.saturating_sub(brought.messages));
        if merged > 0 {
            self.failures = 0;
        }
        let lonely = self.score.saturating_add(count(brought.messages));
        self.score = lonely.saturating_sub(merged.saturating_mul(WORTH)).min(MOST);
        self.score >= MOST && self.turn(self.failures.saturating_add(1).min(3))
    }

    fn turn(&mut self, failures: u16) -> bool {
        *self = Self { on: !self.on, failures, score: 0, ..*self };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(merging: &mut Merging, messages: usize, neighbours: usize, datagrams: usize) -> bool {
        let turn = merging.learn(Brought { messages, neighbours, datagrams });
        assert_eq!(Merging::from_bits(merging.bits()), *merging);
        turn
    }

    #[test]
    fn runs_of_one_flow_turn_it_on() {
        let mut merging = Merging::default();
        assert!(learn(&mut merging, 16, 14, 16));
        assert!(merging.on);
        let mut merging = Merging::default();
        assert!(
            !learn(&mut merging, 4, 3, 4) && !learn(&mut merging, 4, 3, 4) && learn(&mut merging, 4, 3, 4)
        );
    }

    #[test]
    fn single_datagrams_and_mixed_flows_do_not() {
        let mut merging = Merging::default();
        for _ in 0..10_000 {
            assert!(!learn(&mut merging, 1, 0, 1));
            assert!(!learn(&mut merging, 64, 20, 64));
        }
    }

    #[test]
    fn it_stays_while_it_pays() {
        let mut merging = Merging { on: true, ..Merging::default() };
        for _ in 0..10_000 {
            // One of eight messages is a train of three.
            assert!(!learn(&mut merging, 8, 0, 10));
        }
        let turns = (0..).position(|_| learn(&mut merging, 8, 0, 8));
        assert!(turns.is_some_and(|turns| turns < 9));
        assert!(!merging.on);
    }

    #[test]
    fn fruitless_tries_become_rare() {
        let mut merging = Merging::default();
        let mut on = Vec::new();
        for turn in 0..1_000 {
            if learn(&mut merging, 8, 7, 8) && merging.on {
                on.push(turn);
            }
        }
        assert!(on[0] < 3 && on.len() > 20, "{on:?}");
        assert!(on.windows(2).skip(4).all(|pair| pair[1] - pair[0] >= 16), "{on:?}");
    }

    #[test]
    fn where_it_is_for_good_it_begins_late_and_stays() {
        let mut merging = Merging::for_good();
        assert!((0..8).all(|_| !learn(&mut merging, 8, 7, 8)));
        assert!(learn(&mut merging, 8, 7, 8) && merging.on);
        assert!((0..100).all(|_| !learn(&mut merging, 64, 0, 64)));
    }
}
