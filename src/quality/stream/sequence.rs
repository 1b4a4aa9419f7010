//! Sequence numbers (RFC 3550 appendix A.1), with a window of the last 128 so that every packet is counted once: a copy
//! is a copy, a late one is received, and a loss is final only when nothing that A.1 accepts can bring it back.
//!
//! Positions are sequence numbers without wrap; a stream's first lies somewhere in the second turn, so that the few
//! that may still come before it have one too.

use super::counts::Counts;
use super::gaps::Gaps;

/// A number so far ahead is another stream's (A.1).
pub(in crate::quality) const MAX_DROPOUT: u16 = 3000;
/// A number so far behind is another stream's (A.1).
pub(in crate::quality) const MAX_MISORDER: u16 = 100;
/// How many positions the window holds.
const WINDOW: u64 = u128::BITS as u64;
const TURN: u64 = 1 << 16;

/// Which of the last packets came: what every packet touches.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Bit `n`: position `highest - n` came, or lies before the first. In halves, the lower first: a `u128` would be
    /// aligned to its size, and the hot part of a stream is full.
    window: [u64; 2],
    highest: u64,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Ahead of all others.
    Next,
    /// Behind the highest, and missing until now.
    Late,
    /// It had come.
    Duplicate,
    /// Nowhere near.
    Far,
}

impl Sequence {
    /// Waits for `first`.
    pub(super) fn new(first: u16) -> Self {
        Self { window: [u64::MAX; 2], highest: TURN + u64::from(first) - 1 }
    }

    /// Finds a packet's place.
    #[inline]
    pub(super) fn see(&mut self, number: u16, ledger: &mut Ledger) -> Place {
        match number.wrapping_sub(self.last()) {
            1 => {
                let [low, high] = self.window;
                if high >> 63 == 0 {
                    ledger.settle(self, self.highest - (WINDOW - 1));
                }
                self.window = [low << 1 | 1, high << 1 | low >> 63];
                self.highest += 1;
                Place::Next
            }
            ahead => self.see_out_of_order(ahead, ledger),
        }
    }

    fn last(&self) -> u16 {
        (self.highest & 0xFFFF) as u16
    }

    fn window(&self) -> u128 {
        let [low, high] = self.window.map(u128::from);
        high << 64 | low
    }

    fn set_window(&mut self, window: u128) {
        self.window = [(window & 0xFFFF_FFFF_FFFF_FFFF) as u64, (window >> 64) as u64];
    }

    #[inline(never)]
    fn see_out_of_order(&mut self, ahead: u16, ledger: &mut Ledger) -> Place {
        let behind = ahead.wrapping_neg();
        if behind < MAX_MISORDER {
            self.fill(u64::from(behind), ledger)
        } else if ahead < MAX_DROPOUT {
            self.skip(u64::from(ahead), ledger);
            Place::Next
        } else {
            Place::Far
        }
    }

    /// A packet `behind` the highest.
    fn fill(&mut self, behind: u64, ledger: &mut Ledger) -> Place {
        let position = self.highest - behind;
        let bit = 1_u128 << behind;
        if position < ledger.base {
            // Earlier than the first that came: the stream began here.
            let between = ledger.base - position - 1;
            self.set_window(self.window() & !(mask(between) << (self.highest + 1 - ledger.base)));
            ledger.begin_earlier(position);
        } else if self.window() & bit != 0 {
            return Place::Duplicate;
        } else {
            self.set_window(self.window() | bit);
            ledger.missing -= 1;
        }
        ledger.reordered += 1;
        Place::Late
    }

    /// A packet `ahead` of the highest by more than one.
    fn skip(&mut self, ahead: u64, ledger: &mut Ledger) {
        ledger.settle(self, (self.highest + ahead).saturating_sub(WINDOW));
        ledger.missing += ahead - 1;
        self.set_window(if ahead < WINDOW { self.window() << ahead | 1 } else { 1 });
        self.highest += ahead;
    }

    /// Which of the `width` positions up to `until` are missing; bit `n` is `until - n`.
    fn missing(&self, until: u64, width: u64) -> u128 {
        let shift = self.highest.saturating_sub(until).min(WINDOW - 1);
        !self.window() >> shift & mask(width)
    }
}

/// What is known of the numbers beside the window: touched only where something is missing.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The position of the first packet, since the last restart.
    base: u64,
    /// Up to here `gaps` knows what is missing.
    settled: u64,
    /// The highest position when an interval was last taken: what was missing then stays so.
    taken: u64,
    /// Positions before the last restart.
    before: u64,
    /// Missing at the moment, and for good.
    missing: u64,
    reordered: u64,
    gaps: Gaps,
}

impl Ledger {
    /// For a stream whose first packet has this number.
    pub(super) fn new(first: u16) -> Self {
        let base = TURN + u64::from(first);
        Self {
            base,
            settled: base - 1,
            taken: base - 1,
            before: 0,
            missing: 0,
            reordered: 0,
            gaps: Gaps::default(),
        }
    }

    /// The sender began again: what is missing of the old numbers is lost, the next is `first`.
    pub(super) fn restart(&mut self, sequence: &mut Sequence, first: u16) {
        self.settle(sequence, sequence.highest);
        self.gaps.end();
        let next = Self::new(first);
        self.before += sequence.highest + 1 - self.base;
        (self.base, self.settled, self.taken) = (next.base, next.settled, next.taken);
        *sequence = Sequence::new(first);
    }

    /// The counts of everything that came, and of everything missing up to the highest.
    pub(super) fn write(&self, sequence: &Sequence, counts: &mut Counts) {
        let mut whole = Self { gaps: self.gaps, ..*self };
        whole.settle(sequence, sequence.highest);
        whole.gaps.end();
        whole.write_through(sequence, sequence.highest, counts);
    }

    /// The counts of what is final, and from now on nothing else of it is: everything before the first gap that a late
    /// packet may still fill, but for gaps that were there when an interval was last taken.
    pub(super) fn take(&mut self, sequence: &Sequence, counts: &mut Counts) {
        let through = self.horizon(sequence);
        self.settle(sequence, through);
        self.gaps.settle(through);
        self.taken = sequence.highest;
        self.write_through(sequence, through, counts);
    }

    /// The same at the end, when nothing can come any more.
    pub(super) fn finish(&mut self, sequence: &Sequence, counts: &mut Counts) {
        self.settle(sequence, sequence.highest);
        self.gaps.end();
        self.taken = sequence.highest;
        self.write_through(sequence, sequence.highest, counts);
    }

    fn write_through(&self, sequence: &Sequence, through: u64, counts: &mut Counts) {
        let open = sequence.highest - through;
        let open_missing = u64::from(sequence.missing(sequence.highest, open).count_ones());
        counts.expected = self.before + (sequence.highest + 1 - self.base) - open;
        counts.lost = self.missing - open_missing;
        counts.received = counts.expected - counts.lost;
        counts.reordered = self.reordered;
        self.gaps.write(counts);
    }

    fn begin_earlier(&mut self, position: u64) {
        self.missing += self.base - position - 1;
        if self.settled < self.base {
            self.settled = position - 1;
            self.taken = position - 1;
        }
        self.base = position;
    }

    /// The position before the first gap that is still open, or the highest.
    fn horizon(&self, sequence: &Sequence) -> u64 {
        let reach = sequence.highest - u64::from(MAX_MISORDER);
        let closed = reach.max(self.settled).max(self.taken);
        let missing = sequence.missing(sequence.highest, sequence.highest - closed);
        if missing == 0 { sequence.highest } else { sequence.highest - top(missing) - 1 }
    }

    /// Tells `gaps` of everything missing up to `through`, which may lie beyond the highest: what is between is missing.
    #[cold]
    fn settle(&mut self, sequence: &Sequence, through: u64) {
        if through <= self.settled {
            return;
        }
        // What has left the window unsettled has come: the missing are settled when they leave.
        let from = (self.settled + 1).max(sequence.highest.saturating_sub(WINDOW - 1));
        let until = through.min(sequence.highest);
        let mut missing = sequence.missing(until, (until + 1).saturating_sub(from));
        while missing != 0 {
            let oldest = top(missing);
            let run = u64::from((missing << (WINDOW - 1 - oldest)).leading_ones());
            self.gaps.lose(until - oldest, run);
            missing &= mask(oldest + 1 - run);
        }
        let beyond = sequence.highest.max(self.settled) + 1;
        self.gaps.lose(beyond, (through + 1).saturating_sub(beyond));
        self.settled = through;
    }
}

/// The lowest `bits` bits.
const fn mask(bits: u64) -> u128 {
    if bits >= WINDOW { u128::MAX } else { (1 << bits) - 1 }
}

/// The place of the highest bit; there is one.
const fn top(bits: u128) -> u64 {
    WINDOW - 1 - bits.leading_zeros() as u64
}
