//! Compares what the relay says about one direction of a call with what was sent and when it came.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use tern::quality::stream::Counts;
use tern::quality::{Ecn, RecordDirection, RecordStream};

use crate::replay::Measured;
use crate::schedule::Packet;
use crate::truth::{Arrived, Burst, Span, Truth, count, discarded, jitter};

/// What jitter may be off by: 2 %, or a tenth of a millisecond.
const SHARE: f64 = 0.02;
const SECONDS: f64 = 0.000_1;

/// Whether the relay knows how fast timestamps run, or has to find out while jitter passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clocks {
    Known,
    Unknown,
}

/// The one of this name.
pub(crate) fn stream(seen: &RecordDirection, ssrc: u32) -> &RecordStream {
    let found = seen.streams.iter().find(|stream| stream.ssrc == ssrc);
    found.unwrap_or_else(|| panic!("stream {ssrc:#x} among {:?}", seen.streams))
}

/// Everything that has one truth.
pub(crate) fn check_streams(
    name: &str,
    seen: &RecordDirection,
    packets: &[Packet],
    measured: &Measured,
    clocks: Clocks,
) {
    let ssrcs: BTreeSet<u32> = packets.iter().map(|packet| packet.ssrc).collect();
    assert_eq!((seen.streams.len(), seen.uncounted, seen.retired), (ssrcs.len(), 0, 0), "{name}: {seen:?}");
    for ssrc in ssrcs {
        let (arrived, stream) = (measured.of(ssrc, packets), stream(seen, ssrc));
        let name = format!("{name}, stream {ssrc:#x}");
        let truth = count(arrived.iter().map(|(packet, _)| *packet));
        check_counts(&name, &stream.counts, &truth);
        assert_eq!(stream.clock_rate, Some(arrived[0].0.clock), "{name}");
        if clocks == Clocks::Known {
            check_discards(&name, &stream.counts, &arrived);
            check_jitter(&name, stream, &arrived);
        }
    }
}

fn check_counts(name: &str, seen: &Counts, truth: &Truth) {
    let counted = |counts: &Counts| {
        [counts.expected, counts.received, counts.lost, counts.duplicate, counts.reordered, counts.restarts]
    };
    let expected =
        [truth.expected, truth.received, truth.lost, truth.duplicate, truth.reordered, truth.restarts];
    assert_eq!(counted(seen), expected, "{name}: {seen:?}");
    assert_eq!((seen.stray, seen.bytes), (0, truth.bytes), "{name}: {seen:?}");
    assert_eq!(seen.loss_runs, runs(truth), "{name}");
    let sum = |part: fn(&Burst) -> u32| truth.bursts.iter().map(|burst| u64::from(part(burst))).sum();
    let bursts: [u64; 3] = [truth.bursts.len() as u64, sum(|burst| burst.packets), sum(|burst| burst.lost)];
    assert_eq!([seen.bursts, seen.burst_packets, seen.burst_lost], bursts, "{name}: {:?}", truth.bursts);
}

/// Runs of 1, 2, 3, 4 to 5, 6 to 10, 11 to 20 and more.
fn runs(truth: &Truth) -> [u64; 7] {
    let classes: [RangeInclusive<u32>; 7] = [1..=1, 2..=2, 3..=3, 4..=5, 6..=10, 11..=20, 21..=u32::MAX];
    classes.map(|class| truth.loss_runs.iter().filter(|run| class.contains(run)).count() as u64)
}

fn check_discards(name: &str, seen: &Counts, arrived: &[Arrived<'_>]) {
    for (seen, range) in seen.discarded.into_iter().zip(discarded(arrived)) {
        assert!(range.contains(&seen), "{name}: {seen} of {range:?}");
    }
}

fn check_jitter(name: &str, stream: &RecordStream, arrived: &[Arrived<'_>]) {
    let values = jitter(arrived);
    let from = || values.iter().map(|value| value.from);
    let to = || values.iter().map(|value| value.to);
    let count = values.len() as f64;
    let mean = Span { from: from().sum::<f64>() / count, to: to().sum::<f64>() / count };
    let most = Span { from: from().fold(0.0, f64::max), to: to().fold(0.0, f64::max) };
    for (what, seen, span) in [("mean", stream.mean_jitter, mean), ("max", stream.max_jitter, most)] {
        let seen = seen.map_or(f64::NAN, |jitter| jitter.as_secs_f64());
        let off = SECONDS.max(SHARE * span.middle());
        println!(
            "{name}: {what} jitter {:.3} ms, measured {:.3} to {:.3}",
            seen * 1e3,
            span.from * 1e3,
            span.to * 1e3
        );
        assert!((span.from - off..=span.to + off).contains(&seen), "{name}: {what} jitter");
    }
}

/// Packets by class and by what they say of congestion; none where headers are not seen.
pub(crate) fn check_marks(name: &str, seen: &RecordDirection, packets: &[Packet], is_marked: bool) {
    let truth = count(packets);
    let of = |wanted: &dyn Fn(u8) -> bool| {
        let marks = truth.marks.iter().filter(|(tos, _)| is_marked && wanted(**tos));
        marks.map(|(_, packets)| packets).sum::<u64>()
    };
    let classes: BTreeSet<u8> = truth.marks.keys().map(|tos| tos >> 2).collect();
    for class in &classes {
        let counted = seen.marks.dscp().find(|(dscp, _)| dscp == class).map_or(0, |(_, packets)| packets);
        assert_eq!(counted, of(&|tos| tos >> 2 == *class), "{name}: DSCP {class}");
    }
    assert_eq!(seen.marks.other(), 0, "{name}");
    for (bits, ecn) in [(0, Ecn::NotEct), (1, Ecn::Ect1), (2, Ecn::Ect0), (3, Ecn::Ce)] {
        assert_eq!(seen.marks.ecn(ecn), of(&|tos| tos & 3 == bits), "{name}: {ecn:?}");
    }
}
