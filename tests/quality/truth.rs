//! What is true of a stream, counted slowly from the list of its packets: their places in the perfect stream, not their
//! sequence numbers. Shares no code with the relay.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::schedule::{HEADER, Packet};

/// The depths of jitter buffers that the relay plays through.
pub(crate) const DEPTHS: [Duration; 4] = [
    Duration::from_millis(40),
    Duration::from_millis(60),
    Duration::from_millis(100),
    Duration::from_millis(200),
];
/// RFC 3611 section 4.7.2.
const GMIN: u32 = 16;

/// Counts of one stream, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// From the first place to the last, of each epoch.
    pub(crate) expected: u64,
    /// Of these, how many came.
    pub(crate) received: u64,
    pub(crate) lost: u64,
    /// Came though they had come.
    pub(crate) duplicate: u64,
    /// Came behind one that is behind them.
    pub(crate) reordered: u64,
    pub(crate) restarts: u64,
    /// In what was received, headers of RTP included.
    pub(crate) bytes: u64,
    /// How long each run of losses is, in order.
    pub(crate) loss_runs: Vec<u32>,
    pub(crate) bursts: Vec<Burst>,
    /// How many came with which octet in their IP header.
    pub(crate) marks: BTreeMap<u8, u64>,
}

/// Losses that are close together (RFC 3611): at least two, with fewer than [`GMIN`] packets between neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// From the first loss to the last.
    pub(crate) packets: u32,
    pub(crate) lost: u32,
}

/// Counts the packets of one stream in the order in which they come.
pub(crate) fn count<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Truth {
    let mut truth = Truth::default();
    let mut epochs: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for packet in packets {
        let seen = epochs.entry(packet.epoch).or_default();
        if seen.contains(&packet.place) {
            truth.duplicate += 1;
        } else {
            truth.bytes += (HEADER + packet.size) as u64;
            truth.reordered += u64::from(seen.iter().any(|place| *place > packet.place));
        }
        seen.insert(packet.place);
        *truth.marks.entry(packet.tos).or_default() += 1;
    }
    truth.restarts = (epochs.len() as u64).saturating_sub(1);
    for seen in epochs.values() {
        let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
        let missing: Vec<u32> = (first..=last).filter(|place| !seen.contains(place)).collect();
        truth.expected += u64::from(last - first + 1);
        truth.received += seen.len() as u64;
        truth.lost += missing.len() as u64;
        truth.loss_runs.extend(groups(&missing, 1).iter().map(|run| run.lost));
        truth.bursts.extend(groups(&missing, GMIN).iter().filter(|group| group.lost > 1));
    }
    truth
}

/// Losses at these places, together as long as fewer than `gap` packets came between two of them.
fn groups(missing: &[u32], gap: u32) -> Vec<Burst> {
    let mut groups: Vec<RangeInclusive<u32>> = Vec::new();
    for place in missing {
        match groups.last_mut() {
            Some(group) if place - group.end() <= gap => *group = *group.start()..=*place,
            _ => groups.push(*place..=*place),
        }
    }
    let burst = |group: &RangeInclusive<u32>| Burst {
        packets: group.end() - group.start() + 1,
        lost: missing.iter().filter(|place| group.contains(place)).count() as u32,
    };
    groups.iter().map(burst).collect()
}

/// When something has happened, as exactly as it could be measured: not before, not after. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Span {
    pub(crate) fn middle(self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    pub(crate) fn width(self) -> f64 {
        self.to - self.from
    }
}

/// A packet and when it came.
pub(crate) type Arrived<'a> = (&'a Packet, Span);

/// RFC 3550 appendix A.8 over the packets whose timestamp is further than every one before, in seconds: between what and
/// what the jitter is after each of them. Where the sender's clock breaks, and with the first packet of an epoch, the
/// count of differences begins anew and the jitter stays.
pub(crate) fn jitter(packets: &[Arrived<'_>]) -> Vec<Span> {
    let mut jitter = Span { from: 0.0, to: 0.0 };
    let mut values = Vec::new();
    let mut before: Option<Arrived<'_>> = None;
    let mut furthest: Option<(u32, u32)> = None;
    for (packet, arrival) in packets {
        let here = (packet.epoch, packet.place);
        if furthest.is_some_and(|furthest| here <= furthest) {
            continue;
        }
        furthest = Some(here);
        if let Some((last, last_arrival)) = before {
            let ticks = packet.timestamp.wrapping_sub(last.timestamp).cast_signed();
            if ticks <= 0 && !packet.breaks {
                continue;
            }
            if !packet.breaks {
                let sent = f64::from(ticks) / f64::from(packet.clock);
                let least = arrival.from - last_arrival.to - sent;
                let most = arrival.to - last_arrival.from - sent;
                let nearest = if least <= 0.0 && most >= 0.0 { 0.0 } else { least.abs().min(most.abs()) };
                jitter.from += (nearest - jitter.from) / 16.0;
                jitter.to += (least.abs().max(most.abs()) - jitter.to) / 16.0;
                values.push(jitter);
            }
        }
        before = Some((*packet, *arrival));
    }
    values
}

/// How many packets come too late for a jitter buffer of each depth, which plays what it has `depth` after the fastest
/// packet so far would have been there: at least, and at most as exactly as arrivals are known and if the fastest of all
/// had been known from the beginning. Asked is the first packet of a timestamp, which is all that duplicates, a picture's
/// other parts and a key that is held down have.
pub(crate) fn discarded(packets: &[Arrived<'_>]) -> [RangeInclusive<u64>; 4] {
    let mut counts = DEPTHS.map(|_| 0..=0);
    for spurt in transits(packets) {
        for (depth, count) in DEPTHS.iter().zip(&mut counts) {
            let depth = depth.as_secs_f64();
            let (mut so_far, mut least, mut most) = (f64::INFINITY, 0, 0);
            let fastest = spurt.iter().map(|transit| transit.from).fold(f64::INFINITY, f64::min);
            for transit in &spurt {
                least += u64::from(transit.from - so_far > depth);
                most += u64::from(transit.to - fastest > depth);
                so_far = so_far.min(transit.to);
            }
            *count = count.start() + least..=count.end() + most;
        }
    }
    counts
}

/// How long each packet took, but for a constant, from one break of the sender's clock to the next.
fn transits(packets: &[Arrived<'_>]) -> Vec<Vec<Span>> {
    let (mut spurts, mut seen) = (Vec::new(), BTreeSet::new());
    let mut begun: Option<&Packet> = None;
    for (packet, arrival) in packets {
        if !seen.insert((packet.epoch, packet.timestamp)) {
            continue;
        }
        if packet.breaks || begun.is_none() {
            begun = Some(packet);
            spurts.push(Vec::new());
        }
        let ticks = packet.timestamp.wrapping_sub(begun.expect("just set").timestamp).cast_signed();
        let sent = f64::from(ticks) / f64::from(packet.clock);
        let spurt = spurts.last_mut().expect("just begun");
        spurt.push(Span { from: arrival.from - sent, to: arrival.to - sent });
    }
    spurts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::Impair as _;
    use crate::schedule::{OPUS, Sender};

    const MS: Duration = Duration::from_millis(1);

    fn stream(frames: u32) -> Vec<Packet> {
        Sender::new(OPUS, 7).at_sequence(65_530).talk(frames).end()
    }

    /// As if each came the moment it left, give or take.
    fn arrived(packets: &[Packet], width: f64) -> Vec<Arrived<'_>> {
        let span = |at: f64| Span { from: at - width / 2.0, to: at + width / 2.0 };
        packets.iter().map(|packet| (packet, span(packet.at.as_secs_f64()))).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_perfect_stream() {
        let truth = count(&stream(100));
        let expected = Truth {
            expected: 100,
            received: 100,
            bytes: 9_200,
            marks: BTreeMap::from([(0, 100)]),
            ..Truth::default()
        };
        assert_eq!(truth, expected);
        assert!(jitter(&arrived(&stream(100), 0.0)).iter().all(|jitter| jitter.to < 1e-6));
    }

    #[test]
    fn each_misfortune_is_counted_once() {
        let packets = stream(100).lose(&[10, 11, 50]).double(&[20], 3 * MS).delay(&[30], 50 * MS);
        let truth = count(&packets);
        assert_eq!((truth.expected, truth.received, truth.lost), (100, 97, 3));
        assert_eq!((truth.duplicate, truth.reordered, truth.restarts), (1, 1, 0));
        assert_eq!((truth.bytes, truth.loss_runs.as_slice()), (97 * 92, [2, 1].as_slice()));
        assert_eq!(truth.bursts, [Burst { packets: 2, lost: 2 }]);
    }

    #[test]
    fn a_copy_that_overtakes_is_the_first_and_the_original_the_duplicate() {
        let packets = stream(10).delay(&[4], 50 * MS).double(&[4], 10 * MS);
        let truth = count(&packets);
        assert_eq!((truth.received, truth.duplicate, truth.reordered), (10, 1, 1));
    }

    #[test]
    fn losses_with_sixteen_packets_between_them_are_no_burst() {
        let near = count(&stream(60).lose(&[20, 36]));
        assert_eq!(near.bursts, [Burst { packets: 17, lost: 2 }]);
        assert_eq!(count(&stream(60).lose(&[20, 37])).bursts, []);
    }

    #[test]
    fn a_restart_begins_another_count() {
        let packets = Sender::new(OPUS, 7).talk(10).restart(5, 5).talk(10).end().lose(&[5]);
        let truth = count(&packets);
        assert_eq!((truth.expected, truth.lost, truth.restarts), (20, 2, 1));
    }

    /// By hand: four packets, late by 0, 8, 8 and 0 ms.
    #[test]
    fn jitter_is_what_appendix_a8_says() {
        let packets = stream(4).delay(&[1, 2], 8 * MS);
        let values: Vec<f64> = jitter(&arrived(&packets, 0.0)).iter().map(|span| span.middle()).collect();
        let by_hand = [0.000_5, 0.000_468_75, 0.000_939_453_125];
        for (value, expected) in values.iter().zip(by_hand) {
            assert!((value - expected).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn what_is_not_known_of_arrivals_is_not_known_of_jitter() {
        let packets = stream(200).jitter(5, 10 * MS);
        let exact = *jitter(&arrived(&packets, 0.0)).last().unwrap();
        let vague = *jitter(&arrived(&packets, 0.001)).last().unwrap();
        assert!(exact.width() < 1e-9 && exact.middle() > 0.002, "{exact:?}");
        assert!(vague.from < exact.from && vague.to > exact.to && vague.width() < 0.002_1, "{vague:?}");
    }

    #[test]
    fn a_break_is_no_jitter_and_neither_is_silence() {
        let held = Sender::new(OPUS, 7).talk(5).hold(700 * MS).talk(5).end();
        let silent = Sender::new(OPUS, 7).talk(5).silence(700 * MS).talk(5).end();
        for packets in [held, silent] {
            assert!(jitter(&arrived(&packets, 0.0)).iter().all(|jitter| jitter.to < 1e-6));
        }
    }

    #[test]
    fn each_depth_discards_what_is_later_than_it() {
        let packets = stream(50).delay(&[5], 50 * MS).delay(&[20, 30], 90 * MS).delay(&[25], 250 * MS);
        assert_eq!(discarded(&arrived(&packets, 0.0)), [4..=4, 3..=3, 1..=1, 1..=1]);
        // 50 ms and 100 ms may lie on either side of what they are not further from.
        assert_eq!(discarded(&arrived(&packets, 0.021)), [3..=4, 3..=4, 1..=3, 1..=1]);
    }
}
