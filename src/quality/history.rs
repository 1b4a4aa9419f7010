//! The last hour of a session, ten seconds at a time, in 32 bytes each.
//!
//! Full figures are for who takes them when an interval ends; this is for who looks later and wants a curve. Values
//! are rounded to what a curve can show, and what is beyond the greatest that fits is the greatest.

use std::time::Duration;

use super::interval::{Interval, IntervalDirection};
use super::stream::Counts;
use super::{Direction, Directions, Ecn, JitterBuffer, Legs};

/// One interval of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// When it began, since the session did; to the millisecond.
    pub start: Duration,
    /// How long it lasted, to 10 ms; at most eleven minutes.
    pub duration: Duration,
    /// What each direction was like.
    pub directions: Directions<MomentDirection>,
    /// The mean round trips, to 0.1 ms.
    pub rtt: Legs<Option<Duration>>,
}

/// One direction of an interval of the past: of its voice if it has one, else of all its streams together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MomentDirection {
    /// Packets that were expected, at most 65,535.
    pub expected: u32,
    /// How many of them the upstream leg lost.
    pub lost: u32,
    /// How many of them came too late for the jitter buffer.
    pub discarded: u32,
    /// The greatest jitter, to 10 µs.
    pub jitter: Option<Duration>,
    /// The mean opinion score, to 0.01; none if it could not be measured.
    pub mos: Option<f64>,
    /// Whether the figures are a voice's.
    pub is_voice: bool,
    /// Whether a stream's marks were found to be lost on the way.
    pub is_bleached: bool,
    /// Whether the network said that it was congested (ECN CE).
    pub is_congested: bool,
    /// Whether a stream began anew.
    pub is_restarted: bool,
    /// Whether there were packets of more streams than are kept.
    pub is_crowded: bool,
}

impl Moment {
    /// What is kept of an interval, late packets as of this jitter buffer.
    pub(super) fn of(interval: &Interval, jitter_buffer: JitterBuffer) -> Self {
        Self {
            start: interval.start,
            duration: interval.duration,
            directions: Directions::from_fn(|direction| {
                MomentDirection::of(&interval.directions[direction], jitter_buffer)
            }),
            rtt: Legs::from_fn(|leg| interval.rtt[leg].map(|rtt| rtt.mean)),
        }
    }
}

impl MomentDirection {
    fn of(interval: &IntervalDirection, jitter_buffer: JitterBuffer) -> Self {
        let streams = || interval.streams.iter();
        let is_voice = streams().any(|stream| stream.is_voice);
        let mut counts = Counts::default();
        let mut jitter = None;
        for stream in streams().filter(|stream| stream.is_voice == is_voice) {
            counts += stream.heard.counts;
            jitter = jitter.max(stream.heard.jitter.map(|jitter| jitter.max));
        }
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            expected: count(counts.expected),
            lost: count(counts.lost),
            discarded: count(counts.discarded.get(jitter_buffer.index()).copied().unwrap_or(0)),
            jitter,
            mos: interval.score.mos(),
            is_voice,
            is_bleached: streams().any(|stream| stream.bleached.is_some()),
            is_congested: interval.marks.ecn(Ecn::Ce) > 0,
            is_restarted: streams().any(|stream| stream.heard.counts.restarts > 0),
            is_crowded: interval.uncounted > 0,
        }
    }
}

/// The last intervals of a session that has ended, as packed as it had them.
#[derive(Clone, Debug, Default)]
pub struct Past(Box<[Packed]>);

impl Past {
    /// The oldest first.
    pub fn moments(&self) -> impl DoubleEndedIterator<Item = Moment> + '_ {
        self.0.iter().map(Moment::from)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        size_of_val::<[Packed]>(&self.0)
    }
}

/// Grows by five minutes.
const STEP: usize = 30;

/// No value.
const NONE: u16 = u16::MAX;

const JITTER_UNIT: Duration = Duration::from_micros(10);
const RTT_UNIT: Duration = Duration::from_micros(100);
const DURATION_UNIT: Duration = Duration::from_millis(10);

/// MOS 1 is 1 and MOS 4.5 is 253.
const MOS_STEPS: f64 = 72.0;

#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Milliseconds.
    start: u32,
    duration: u16,
    rtt: [u16; 2],
    directions: [PackedDirection; 2],
}

#[derive(Clone, Copy, Debug)]
struct PackedDirection {
    expected: u16,
    lost: u16,
    discarded: u16,
    jitter: u16,
    mos: u8,
    flags: u8,
}

/// The last intervals, a ring: the oldest goes.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: Vec<Packed>,
    oldest: usize,
}

impl History {
    /// Keeps `moment`, and no more than `limit` of them.
    pub(super) fn push(&mut self, moment: &Moment, limit: usize) {
        let packed = Packed::from(moment);
        if self.ring.len() > limit {
            self.shrink(limit);
        }
        if self.ring.len() < limit {
            // The oldest stands elsewhere than at the beginning only in a ring that was full.
            self.ring.rotate_left(self.oldest);
            self.oldest = 0;
            if self.ring.len() == self.ring.capacity() {
                self.ring.reserve_exact(STEP.min(limit - self.ring.len()));
            }
            self.ring.push(packed);
        } else if let Some(slot) = self.ring.get_mut(self.oldest) {
            *slot = packed;
            self.oldest = (self.oldest + 1) % self.ring.len();
        }
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Moment> + '_ {
        let (newer, older) = self.ring.split_at(self.oldest.min(self.ring.len()));
        older.iter().chain(newer).map(Moment::from)
    }

    /// What there is, for good.
    pub(super) fn into_past(mut self) -> Past {
        let oldest = self.oldest.min(self.ring.len());
        self.ring.rotate_left(oldest);
        Past(self.ring.into_boxed_slice())
    }

    fn shrink(&mut self, limit: usize) {
        self.ring.rotate_left(self.oldest);
        self.oldest = 0;
        self.ring.drain(..self.ring.len() - limit);
        self.ring.shrink_to_fit();
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_size(&self) -> usize {
        self.ring.capacity() * size_of::<Packed>()
    }
}

impl From<&Moment> for Packed {
    fn from(moment: &Moment) -> Self {
        let rtt = |rtt: Option<Duration>| units_or_none(rtt, RTT_UNIT);
        Self {
            start: u32::try_from(moment.start.as_millis()).unwrap_or(u32::MAX),
            duration: units(moment.duration, DURATION_UNIT),
            rtt: [rtt(moment.rtt.client), rtt(moment.rtt.peer)],
            directions: Direction::ALL.map(|direction| (&moment.directions[direction]).into()),
        }
    }
}

impl From<&Packed> for Moment {
    fn from(packed: &Packed) -> Self {
        let [client_to_peer, peer_to_client] = packed.directions.map(MomentDirection::from);
        let [client, peer] = packed.rtt.map(|value| read_units(value, RTT_UNIT));
        Self {
            start: Duration::from_millis(u64::from(packed.start)),
            duration: DURATION_UNIT * u32::from(packed.duration),
            directions: Directions { client_to_peer, peer_to_client },
            rtt: Legs { client, peer },
        }
    }
}

impl From<&MomentDirection> for PackedDirection {
    fn from(direction: &MomentDirection) -> Self {
        let count = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let flags = [
            direction.is_voice,
            direction.is_bleached,
            direction.is_congested,
            direction.is_restarted,
            direction.is_crowded,
        ];
        Self {
            expected: count(direction.expected),
            lost: count(direction.lost),
            discarded: count(direction.discarded),
            jitter: units_or_none(direction.jitter, JITTER_UNIT),
            mos: direction.mos.map_or(0, pack_mos),
            flags: flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(flag)),
        }
    }
}

impl From<PackedDirection> for MomentDirection {
    fn from(packed: PackedDirection) -> Self {
        let flag = |bit: u8| packed.flags & (1 << bit) != 0;
        Self {
            expected: packed.expected.into(),
            lost: packed.lost.into(),
            discarded: packed.discarded.into(),
            jitter: read_units(packed.jitter, JITTER_UNIT),
            mos: packed.mos.checked_sub(1).map(|steps| 1.0 + f64::from(steps) / MOS_STEPS),
            is_voice: flag(0),
            is_bleached: flag(1),
            is_congested: flag(2),
            is_restarted: flag(3),
            is_crowded: flag(4),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes an integer at its bounds")]
fn pack_mos(mos: f64) -> u8 {
    (1.0 + (mos - 1.0) * MOS_STEPS).round().max(1.0) as u8
}

/// Rounded to the nearest, below [`NONE`].
fn units(value: Duration, unit: Duration) -> u16 {
    let rounded = (value + unit / 2).as_micros() / unit.as_micros();
    u16::try_from(rounded).unwrap_or(u16::MAX).min(NONE - 1)
}

fn units_or_none(value: Option<Duration>, unit: Duration) -> u16 {
    value.map_or(NONE, |value| units(value, unit))
}

fn read_units(value: u16, unit: Duration) -> Option<Duration> {
    (value != NONE).then(|| unit * u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(start: u64) -> Moment {
        Moment {
            start: Duration::from_millis(start),
            duration: Duration::from_secs(10),
            directions: Directions::default(),
            rtt: Legs::default(),
        }
    }

    fn starts(history: &History) -> Vec<u128> {
        history.iter().map(|moment| moment.start.as_millis()).collect()
    }

    fn direction() -> impl Strategy<Value = MomentDirection> {
        let counts = (0u32..70_000, 0u32..70_000, 0u32..70_000);
        let figures = (prop::option::of(0u64..700_000), prop::option::of(1.0..=4.5));
        (counts, figures, any::<[bool; 5]>()).prop_map(|(counts, (jitter, mos), flags)| MomentDirection {
            expected: counts.0,
            lost: counts.1,
            discarded: counts.2,
            jitter: jitter.map(Duration::from_micros),
            mos,
            is_voice: flags[0],
            is_bleached: flags[1],
            is_congested: flags[2],
            is_restarted: flags[3],
            is_crowded: flags[4],
        })
    }

    fn is_near(read: Option<Duration>, written: Option<Duration>, unit: Duration) -> bool {
        match (read, written) {
            (Some(read), Some(written)) => {
                read.abs_diff(written) * 2 <= unit || (written > read && read == unit * 65_534)
            }
            (read, written) => read.is_none() && written.is_none(),
        }
    }

    proptest! {
        #[test]
        fn an_interval_survives_packing_to_its_units(
            (start, duration) in (0u64..4_000_000_000, 0u64..700_000),
            (there, back) in (direction(), direction()),
            rtt in any::<[Option<u16>; 2]>(),
        ) {
            let rtt = rtt.map(|rtt| rtt.map(|rtt| Duration::from_micros(u64::from(rtt) * 101)));
            let written = Moment {
                start: Duration::from_millis(start),
                duration: Duration::from_millis(duration),
                directions: Directions { client_to_peer: there, peer_to_client: back },
                rtt: Legs { client: rtt[0], peer: rtt[1] },
            };
            let read = Moment::from(&Packed::from(&written));
            prop_assert_eq!(read.start, written.start);
            prop_assert!(is_near(Some(read.duration), Some(written.duration), DURATION_UNIT));
            prop_assert!(is_near(read.rtt.client, written.rtt.client, RTT_UNIT));
            prop_assert!(is_near(read.rtt.peer, written.rtt.peer, RTT_UNIT));
            for (direction, written) in written.directions.iter() {
                let read = read.directions[direction];
                prop_assert_eq!(read.expected, written.expected.min(65_535));
                prop_assert_eq!(read.lost, written.lost.min(65_535));
                prop_assert_eq!(read.discarded, written.discarded.min(65_535));
                prop_assert!(is_near(read.jitter, written.jitter, JITTER_UNIT));
                prop_assert_eq!(read.mos.is_some(), written.mos.is_some());
                prop_assert!((read.mos.unwrap_or(0.0) - written.mos.unwrap_or(0.0)).abs() < 0.01);
                let exact = MomentDirection { expected: 0, lost: 0, discarded: 0, jitter: None, mos: None, ..read };
                prop_assert_eq!(
                    exact,
                    MomentDirection { expected: 0, lost: 0, discarded: 0, jitter: None, mos: None, ..*written }
                );
            }
        }
    }

    #[test]
    fn an_interval_takes_32_bytes() {
        assert_eq!(size_of::<Packed>(), 32);
    }

    #[test]
    fn the_ends_of_the_scale_are_kept() {
        for mos in [1.0, 4.5] {
            let written = MomentDirection { mos: Some(mos), ..MomentDirection::default() };
            assert_eq!(MomentDirection::from(PackedDirection::from(&written)), written);
        }
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        for number in 0..1_000 {
            history.push(&moment(number), 360);
            assert!(history.heap_size() <= 360 * 32);
        }
        assert_eq!(starts(&history), (640..1_000).collect::<Vec<_>>());
        assert_eq!(history.iter().next_back().unwrap(), moment(999));
    }

    #[test]
    fn a_short_call_keeps_little() {
        let mut history = History::default();
        assert_eq!(history.heap_size(), 0);
        (0..30).for_each(|number| history.push(&moment(number), 360));
        assert_eq!(history.heap_size(), 30 * 32);
        history.push(&moment(30), 360);
        assert_eq!(history.heap_size(), 60 * 32);
    }

    #[test]
    fn a_new_limit_keeps_the_newest() {
        let mut history = History::default();
        (0..7).for_each(|number| history.push(&moment(number), 5));
        history.push(&moment(7), 3);
        assert_eq!(starts(&history), [5, 6, 7]);
        history.push(&moment(8), 4);
        history.push(&moment(9), 4);
        assert_eq!(starts(&history), [6, 7, 8, 9]);
        history.push(&moment(10), 0);
        assert_eq!(starts(&history), []);
    }
}
