//! One stream of media: the packets of one SSRC in one direction, counted and timed up to the relay.
//!
//! A session makes a [`Stream`] at its first packet and shows it every packet of that SSRC, on its worker's thread. What
//! a packet costs is a shift, a dozen operations on floating-point numbers and two cache lines; everything else is kept
//! behind those and touched only where something went wrong.
//!
//! The counts are those of RFC 3550 appendix A with its errors mended: copies do not hide losses, a packet that comes late
//! is not lost, wrapping numbers wrap once, the first packets of a stream and of a restart count. Silence, held calls
//! and comfort noise are neither loss nor jitter: their sequence numbers go on, and where the timestamps do not
//! (`timeline`), nothing is compared across.

mod clock;
mod counts;
mod discard;
mod gaps;
mod jitter;
mod sequence;
mod timeline;

use std::time::Duration;

pub use counts::{Counts, DEPTHS, LOSS_RUN_EDGES};
pub use jitter::Jitter;
pub(super) use sequence::{MAX_DROPOUT, MAX_MISORDER};

use self::clock::{Found, Search};
use self::discard::{Buffer, Discards, Lateness};
use self::jitter::Estimate;
use self::sequence::{Ledger, Place, Sequence};
use self::timeline::{Step, Timeline};
use crate::time::Time;
use crate::wire::rtp::RtpHeader;

/// Nanoseconds after which a timeline that broke has proven not to have been a stall.
const HOLD_PROVEN: u64 = 1_000_000_000;

/// What a packet was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The next, or one ahead of losses.
    New,
    /// One that was missing until now: reordered, or late.
    Late,
    /// A copy.
    Duplicate,
    /// Far from all others. Counted if the next one follows it.
    Probation,
    /// The second of a sender that began again elsewhere; both are counted.
    Restart,
    /// A copy of the one on probation.
    Ignored,
}

/// What was heard of a stream in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What came to its counts. A packet that may still come late is counted in the interval in which that is decided,
    /// and so are those behind it: the intervals of a stream add up to its counts. Only a stream too slow to decide
    /// it within an interval may have one loss more in its intervals than in its counts, for each that came after all.
    pub counts: Counts,
    /// Its jitter; none if no two packets could be compared.
    pub jitter: Option<Jitter>,
}

/// One SSRC in one direction.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Stream {
    sequence: Sequence,
    timeline: Timeline,
    buffer: Buffer,
    bytes: u64,
    jitter: Estimate,
    /// How often packets were compared in this interval.
    samples: u32,
    /// They were in an earlier one.
    has_jitter: bool,
    /// A packet far off waits for the next.
    has_candidate: bool,
    /// The clock's rate is being looked for.
    is_searching: bool,
    cold: Cold,
}

/// What only few packets touch.
#[derive(Debug)]
struct Cold {
    ssrc: u32,
    ledger: Ledger,
    discards: Discards,
    /// Packets whose delay could be judged, but for the samples of this interval.
    timed: u64,
    duplicate: u64,
    stray: u64,
    restarts: u64,
    candidate: Candidate,
    hold: Option<Hold>,
    search: Search,
    /// A payload type has told the clock's rate.
    is_told: bool,
    /// What it told, where the arrivals have shown that to be wrong; 0 if they have not.
    refuted: u32,
    /// What intervals have had.
    reported: Counts,
}

/// A packet far off.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    sequence: u16,
    length: u16,
    timestamp: u32,
    arrival: u64,
}

/// A silence that the timestamp knows nothing of: a call that was held, or a network that kept everything back and now
/// lets go of it. In that case the delay soon falls again.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// The base before, on the new timeline.
    base: f64,
    difference: f64,
    since: u64,
    packets: u64,
}

impl Stream {
    /// A stream that begins with `first`, which is then to be shown to [`Self::see`] as well. `clock` is the rate of
    /// its timestamps where that is known; otherwise it is inferred.
    #[must_use]
    pub fn new(first: &RtpHeader, arrival: Time, clock: Option<u32>) -> Self {
        let arrival = arrival.as_nanos();
        let clock = clock.filter(|rate| *rate > 0);
        Self {
            sequence: Sequence::new(first.sequence),
            timeline: Timeline::new(arrival, first.timestamp, clock),
            buffer: Buffer::new(),
            bytes: 0,
            jitter: Estimate::default(),
            samples: 0,
            has_jitter: false,
            has_candidate: false,
            is_searching: true,
            cold: Cold {
                ssrc: first.ssrc,
                ledger: Ledger::new(first.sequence),
                discards: Discards::new(),
                timed: u64::from(clock.is_some()),
                duplicate: 0,
                stray: 0,
                restarts: 0,
                candidate: Candidate::default(),
                hold: None,
                search: Search::new(arrival, first.timestamp),
                is_told: clock.is_some(),
                refuted: 0,
                reported: Counts::default(),
            },
        }
    }

    /// Takes a packet of `length` bytes. `clock` is the rate that its payload type has, where one is known; one that differs
    /// from that of the packet before is another clock. For a payload that borrows the clock of another (telephone events,
    /// comfort noise, redundancy) pass none.
    #[inline]
    pub fn see(&mut self, header: &RtpHeader, arrival: Time, length: u16, clock: Option<u32>) -> Seen {
        let arrival = arrival.as_nanos();
        match self.sequence.see(header.sequence, &mut self.cold.ledger) {
            Place::Next => {
                if self.has_candidate {
                    self.drop_candidate();
                }
                self.bytes += u64::from(length);
                self.follow(header.timestamp, arrival, clock);
                Seen::New
            }
            Place::Late => {
                self.bytes += u64::from(length);
                if let Some(transit) = self.timeline.see_late(arrival, header.timestamp) {
                    self.cold.timed += 1;
                    self.judge(transit, arrival);
                }
                Seen::Late
            }
            Place::Duplicate => {
                self.cold.duplicate += 1;
                Seen::Duplicate
            }
            Place::Far => self.see_far(header, arrival, length, clock),
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.cold.ssrc
    }

    /// When its last packet came, copies aside.
    #[must_use]
    pub const fn last_arrival(&self) -> Time {
        Time::from_nanos(self.timeline.last_arrival())
    }

    /// Everything so far; what is missing up to the highest number counts as lost.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.other_counts();
        self.cold.ledger.write(&self.sequence, &mut counts);
        counts
    }

    /// The jitter (RFC 3550 section 6.4.1) as it stands; none if no two packets could be compared.
    #[must_use]
    pub fn jitter(&self) -> Option<Duration> {
        (self.has_jitter || self.samples > 0).then(|| self.jitter.value())
    }

    /// The rate of its timestamps: what [`Self::see`] is told, or inferred. Where it is another than it was told, the
    /// payload type does not mean what the map says: ten seconds of arrivals have shown a rate far from it.
    #[must_use]
    pub fn clock_rate(&self) -> Option<u32> {
        Some(self.timeline.rate()).filter(|rate| *rate > 0)
    }

    /// Ends an interval.
    pub fn take_interval(&mut self) -> Heard {
        let mut counts = self.other_counts();
        self.cold.ledger.take(&self.sequence, &mut counts);
        self.cold.discards.take(&mut self.buffer);
        self.report(&counts)
    }

    /// Ends the last interval: what is missing now stays so.
    pub fn finish(&mut self) -> Heard {
        self.drop_candidate();
        let mut counts = self.other_counts();
        self.cold.ledger.finish(&self.sequence, &mut counts);
        self.report(&counts)
    }

    fn report(&mut self, counts: &Counts) -> Heard {
        let samples = std::mem::take(&mut self.samples);
        self.has_jitter |= samples > 0;
        self.cold.timed += u64::from(samples);
        let mut news = counts.since(&self.cold.reported);
        // A packet may come back after it was reported lost. Then one loss less is reported next.
        news.expected = news.received + news.lost;
        self.cold.reported = self.cold.reported.max(counts);
        Heard { counts: news, jitter: self.jitter.take(samples) }
    }

    /// Those that do not depend on sequence numbers.
    fn other_counts(&self) -> Counts {
        Counts {
            duplicate: self.cold.duplicate,
            stray: self.cold.stray,
            restarts: self.cold.restarts,
            timed: self.cold.timed + u64::from(self.samples),
            discarded: self.cold.discards.counts(),
            bytes: self.bytes,
            ..Counts::default()
        }
    }

    /// A packet in order, on the timeline.
    #[inline]
    fn follow(&mut self, timestamp: u32, arrival: u64, clock: Option<u32>) {
        if let Some(rate) = clock
            && rate != self.timeline.rate()
            && self.hear_of_clock(rate, timestamp, arrival)
        {
            return;
        }
        if self.is_searching && self.search(timestamp, arrival) {
            return;
        }
        match self.timeline.see(arrival, timestamp) {
            Step::Advance { transit, difference } => {
                self.compare(difference);
                self.judge(transit, arrival);
            }
            Step::Break { transit, difference } => self.bridge(timestamp, arrival, transit, difference),
            Step::None => {}
        }
    }

    #[inline]
    fn compare(&mut self, difference: f64) {
        self.jitter.add(difference);
        self.samples = self.samples.saturating_add(1);
    }

    #[inline]
    fn judge(&mut self, transit: f64, arrival: u64) {
        match self.buffer.see(transit) {
            Lateness::None => {}
            Lateness::Least => self.lower_base(transit, arrival),
            Lateness::Some(late) => self.cold.discards.count(late),
        }
    }

    #[cold]
    fn lower_base(&mut self, transit: f64, arrival: u64) {
        let Some(mut hold) = self.cold.hold.take() else { return self.buffer.set_base(transit) };
        if hold.explains(transit) {
            self.end_stall(&hold, transit);
        } else if arrival.saturating_sub(hold.since) > HOLD_PROVEN {
            self.buffer.set_base(self.buffer.least());
        } else {
            hold.packets += 1;
            self.cold.hold = Some(hold);
            return;
        }
        let late = self.buffer.lateness(transit);
        self.cold.discards.count(late);
    }

    /// The delay is falling: what came since the silence had been kept back, and was too late for every buffer.
    fn end_stall(&mut self, hold: &Hold, transit: f64) {
        self.buffer.set_base(hold.base.min(transit));
        self.cold.discards.count_all(hold.packets);
        // The first of them was counted when the silence ended.
        self.cold.timed -= 1;
        self.compare(hold.difference);
    }

    /// A packet whose transit tells nothing about the network, or too much.
    #[cold]
    fn bridge(&mut self, timestamp: u32, arrival: u64, transit: f64, difference: f64) {
        if self.cold.hold.is_some_and(|hold| hold.explains(transit)) {
            self.timeline.accept(timestamp, transit);
            self.compare(difference);
            return self.judge(transit, arrival);
        }
        let late = self.buffer.lateness(transit);
        self.begin_timeline(timestamp, arrival);
        if difference > timeline::JUMP && late.is_finite() {
            self.cold.hold = Some(Hold { base: -late, difference, since: arrival, packets: 1 });
            // Whatever comes is less: it is looked at there until it is known what this was.
            self.buffer.set_base(f64::INFINITY);
        }
    }

    /// What a payload type says of the clock, where that is not what is known. Whether this packet has changed it.
    #[cold]
    fn hear_of_clock(&mut self, rate: u32, timestamp: u32, arrival: u64) -> bool {
        if rate == 0 || rate == self.cold.refuted {
            return false;
        }
        (self.cold.is_told, self.cold.refuted) = (true, 0);
        self.is_searching = true;
        self.cold.search = Search::new(arrival, timestamp);
        self.change_clock(rate, timestamp, arrival);
        true
    }

    #[cold]
    fn change_clock(&mut self, rate: u32, timestamp: u32, arrival: u64) {
        self.timeline.set_rate(rate);
        self.begin_timeline(timestamp, arrival);
    }

    fn begin_timeline(&mut self, timestamp: u32, arrival: u64) {
        self.timeline.begin(arrival, timestamp);
        self.cold.discards.forget();
        self.cold.hold = None;
        self.buffer = Buffer::new();
        self.cold.timed += u64::from(self.timeline.rate() > 0);
    }

    /// Looks for the clock's rate. Whether this packet has changed it.
    #[cold]
    fn search(&mut self, timestamp: u32, arrival: u64) -> bool {
        let (rate, is_final) = match self.cold.search.see(arrival, timestamp) {
            Found::Nothing => return false,
            Found::Early(rate) => (rate, false),
            Found::Final(rate) => (rate, true),
        };
        self.is_searching = !is_final;
        let known = self.timeline.rate();
        if rate == known || (self.cold.is_told && !(is_final && clock::refutes(rate, known))) {
            return false;
        }
        if self.cold.is_told {
            (self.cold.is_told, self.cold.refuted) = (false, known);
        }
        self.change_clock(rate, timestamp, arrival);
        true
    }

    /// A packet whose number is far from all others: the sender begins anew if the next follows it, with nothing of the
    /// old numbers in between.
    #[cold]
    fn see_far(&mut self, header: &RtpHeader, arrival: u64, length: u16, clock: Option<u32>) -> Seen {
        let candidate = self.cold.candidate;
        let waits = std::mem::replace(&mut self.has_candidate, true);
        if waits && header.sequence == candidate.sequence.wrapping_add(1) {
            self.has_candidate = false;
            self.restart(&candidate);
            self.see(header, Time::from_nanos(arrival), length, clock);
            return Seen::Restart;
        }
        self.cold.stray += u64::from(waits);
        if waits && header.sequence == candidate.sequence {
            return Seen::Ignored;
        }
        let RtpHeader { sequence, timestamp, .. } = *header;
        self.cold.candidate = Candidate { sequence, length, timestamp, arrival };
        Seen::Probation
    }

    /// The stream begins again with a packet that was on probation.
    fn restart(&mut self, first: &Candidate) {
        self.cold.restarts += 1;
        self.cold.ledger.restart(&mut self.sequence, first.sequence);
        self.sequence.see(first.sequence, &mut self.cold.ledger);
        self.bytes += u64::from(first.length);
        self.begin_timeline(first.timestamp, first.arrival);
        if self.is_searching {
            self.cold.search = Search::new(first.arrival, first.timestamp);
        }
    }

    #[cold]
    fn drop_candidate(&mut self) {
        self.cold.stray += u64::from(self.has_candidate);
        self.has_candidate = false;
    }
}

impl Hold {
    /// Whether a packet with this transit came by a way that had been there before the silence.
    fn explains(&self, transit: f64) -> bool {
        transit < self.base / 2.0 && transit > self.base - timeline::JUMP
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
