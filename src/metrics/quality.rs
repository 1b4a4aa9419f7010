//! What all calls of a worker sound like, added up: every ten seconds a session's interval.
//!
//! The worker adds, control reads. Labels are directions, legs, models, kinds and codecs; the codecs' names come from the
//! configuration, and there is room for [`CODECS`] of them: what comes later counts as "other". Never an SSRC, a user or an
//! allocation.

mod families;
#[cfg(test)]
mod tests;
mod totals;

use std::sync::OnceLock;

use super::Counter;
use super::histogram::{Amount, Histogram};
use crate::quality::codec::{Basis, Codecs, Media, Model};
use crate::quality::{
    Bleaching, Cause, Direction, Ecn, Feedback, Interval, IntervalDirection, IntervalStream, JitterBuffer,
    Leg, LegRtt, Legs, Missing, RttSource, Score, Trouble,
};

pub(super) use families::{add, families};
pub use totals::{LegTotals, QualityTotals};

/// Codecs that are counted by name, those of earlier configurations included.
const CODECS: usize = 64;
/// All further ones.
const OTHER: &str = "other";
/// A payload type that the configuration does not know.
const UNKNOWN: &str = "unknown";

/// MOS, where one category of G.109 ends and the next begins.
const MOS_EDGES: [f64; 5] = [2.58, 3.1, 3.6, 4.03, 4.34];
/// What is above the last edge comes last.
const GRADES: [&str; MOS_EDGES.len() + 1] = ["bad", "poor", "low", "medium", "high", "best"];
/// Seconds.
const JITTER_EDGES: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];
/// Lost packets by expected ones; the first class is no loss at all.
const LOSS_EDGES: [f64; 9] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];
/// Packets lost in a row, as streams sort them.
const RUN_EDGES: [f64; 6] = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0];
/// Seconds.
const RTT_EDGES: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0];
/// Six bits.
const DSCPS: usize = 64;
/// Which leg a trouble is on: the client's, the peer's, or neither more than the other.
const PLACES: [&str; 3] = ["client", "peer", "none"];

/// The quality figures of one worker.
#[derive(Debug)]
pub struct QualityCounters {
    sessions: Counter,
    opened: Counter,
    codecs: [OnceLock<Box<CodecCounters>>; CODECS],
    others: OnceLock<Box<CodecCounters>>,
    directions: [DirectionCounters; 2],
    rtt: [[Histogram<{ RTT_EDGES.len() }>; RttSource::ALL.len()]; 2],
}

impl Default for QualityCounters {
    fn default() -> Self {
        Self {
            sessions: Counter::default(),
            opened: Counter::default(),
            codecs: std::array::from_fn(|_| OnceLock::new()),
            others: OnceLock::new(),
            directions: std::array::from_fn(|_| DirectionCounters::default()),
            rtt: std::array::from_fn(|_| std::array::from_fn(|_| Histogram::new(&RTT_EDGES))),
        }
    }
}

impl QualityCounters {
    /// A session has begun.
    pub fn open(&self) {
        self.opened.add(1);
        self.sessions.add(1);
    }

    /// A session has ended. Its last interval is added apart from this.
    pub fn close(&self) {
        self.sessions.set(self.sessions.value().saturating_sub(1));
    }

    pub(super) fn clear_levels(&self) {
        self.sessions.set(0);
    }

    /// Sessions now.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.value()
    }

    /// Adds what a session tells about its last ten seconds. `codecs` are those that it was told of.
    pub fn add(&self, interval: &Interval, codecs: &Codecs) {
        for (direction, heard) in interval.directions.iter() {
            for stream in &heard.streams {
                if let Some(counters) = self.codec(stream, codecs).directions.get(direction.index()) {
                    counters.add(stream);
                }
            }
            if let Some(counters) = self.directions.get(direction.index()) {
                counters.add(heard, interval.duration.as_secs_f64());
            }
        }
        for (leg, rtt) in interval.rtt.iter() {
            if let Some(rtt) = rtt.filter(|rtt| rtt.samples > 0) {
                self.add_rtt(leg, &rtt);
            }
        }
    }

    /// Seconds of rated voices of both directions: of those that sounded worse than `mos`, which is brought down to a limit
    /// of G.109, and of all.
    #[must_use]
    pub fn rated_below(&self, mos: f64) -> (f64, f64) {
        let worse = MOS_EDGES.iter().filter(|edge| **edge <= mos).count();
        let seconds = |grades: &[Amount]| grades.iter().map(Amount::value).sum::<f64>();
        self.directions.iter().fold((0.0, 0.0), |(below, all), direction| {
            let low = direction.rated.get(..worse).unwrap_or_default();
            (below + seconds(low), all + seconds(&direction.rated))
        })
    }

    fn add_rtt(&self, leg: Leg, rtt: &LegRtt) {
        let histogram = self.rtt.get(leg.index()).and_then(|sources| sources.get(rtt.source.index()));
        if let Some(histogram) = histogram {
            histogram.observe(rtt.mean.as_secs_f64());
        }
    }

    /// Where a stream is counted.
    fn codec(&self, stream: &IntervalStream, codecs: &Codecs) -> &CodecCounters {
        let name = stream.codec.and_then(|id| codecs.get(id)).map_or(UNKNOWN, |codec| &codec.name);
        for place in &self.codecs {
            // A place is taken by whoever comes first, and only this thread takes any.
            let counters = place.get_or_init(|| Box::new(CodecCounters::new(stream.media, name)));
            if counters.media == stream.media && *counters.name == *name {
                return counters;
            }
        }
        self.others.get_or_init(|| Box::new(CodecCounters::new(Media::Other, OTHER)))
    }

    fn known_codecs(&self) -> impl Iterator<Item = &CodecCounters> {
        self.codecs.iter().chain([&self.others]).filter_map(|place| Some(place.get()?.as_ref()))
    }
}

/// One codec's streams.
#[derive(Debug)]
struct CodecCounters {
    media: Media,
    name: Box<str>,
    directions: [StreamCounters; 2],
}

impl CodecCounters {
    fn new(media: Media, name: &str) -> Self {
        Self { media, name: name.into(), directions: std::array::from_fn(|_| StreamCounters::default()) }
    }
}

/// All streams of a codec and a direction.
#[derive(Debug)]
struct StreamCounters {
    packets: Counter,
    bytes: Counter,
    expected: Counter,
    lost: Counter,
    duplicate: Counter,
    reordered: Counter,
    restarts: Counter,
    bursts: Counter,
    burst_lost: Counter,
    late: [Counter; JitterBuffer::ALL.len()],
    jitter: Histogram<{ JITTER_EDGES.len() }>,
    loss: Histogram<{ LOSS_EDGES.len() }>,
    runs: Histogram<{ RUN_EDGES.len() }>,
}

impl Default for StreamCounters {
    fn default() -> Self {
        Self {
            packets: Counter::default(),
            bytes: Counter::default(),
            expected: Counter::default(),
            lost: Counter::default(),
            duplicate: Counter::default(),
            reordered: Counter::default(),
            restarts: Counter::default(),
            bursts: Counter::default(),
            burst_lost: Counter::default(),
            late: std::array::from_fn(|_| Counter::default()),
            jitter: Histogram::new(&JITTER_EDGES),
            loss: Histogram::new(&LOSS_EDGES),
            runs: Histogram::new(&RUN_EDGES),
        }
    }
}

impl StreamCounters {
    fn add(&self, stream: &IntervalStream) {
        let counts = &stream.heard.counts;
        self.packets.add(counts.packets());
        self.bytes.add(counts.bytes);
        self.expected.add(counts.expected);
        self.lost.add(counts.lost);
        self.duplicate.add(counts.duplicate);
        self.reordered.add(counts.reordered);
        self.restarts.add(counts.restarts);
        self.bursts.add(counts.bursts);
        self.burst_lost.add(counts.burst_lost);
        for (counter, late) in self.late.iter().zip(counts.discarded) {
            counter.add(late);
        }
        if let Some(jitter) = stream.heard.jitter {
            self.jitter.observe(jitter.mean.as_secs_f64());
        }
        if counts.expected > 0 {
            self.loss.observe(counts.loss());
        }
        self.add_runs(counts.loss_runs, counts.lost);
    }

    /// The classes are exact, and so is the sum: every lost packet is in one run.
    fn add_runs<const N: usize>(&self, runs: [u64; N], lost: u64) {
        let mut lost = lost as f64;
        for (class, count) in runs.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            self.runs.fill(class, count, std::mem::take(&mut lost));
        }
    }
}

/// One direction of all sessions.
#[derive(Debug)]
struct DirectionCounters {
    mos: [[Histogram<{ MOS_EDGES.len() }>; Basis::ALL.len()]; Model::ALL.len()],
    /// Points of R.
    causes: [[Amount; Cause::ALL.len()]; Model::ALL.len()],
    /// Seconds.
    rated: [Amount; GRADES.len()],
    /// Seconds.
    unrated: [Amount; Missing::ALL.len()],
    /// Seconds.
    trouble: [[Amount; PLACES.len()]; Cause::ALL.len()],
    dscp: [Counter; DSCPS],
    other_dscp: Counter,
    ecn: [Counter; Ecn::ALL.len()],
    bleached: [Counter; Bleaching::ALL.len()],
    feedback: [Counter; Feedback::ALL.len()],
    uncounted: Counter,
}

impl Default for DirectionCounters {
    fn default() -> Self {
        Self {
            mos: std::array::from_fn(|_| std::array::from_fn(|_| Histogram::new(&MOS_EDGES))),
            causes: std::array::from_fn(|_| amounts()),
            rated: amounts(),
            unrated: amounts(),
            trouble: std::array::from_fn(|_| amounts()),
            dscp: counters(),
            other_dscp: Counter::default(),
            ecn: counters(),
            bleached: counters(),
            feedback: counters(),
            uncounted: Counter::default(),
        }
    }
}

impl DirectionCounters {
    fn add(&self, heard: &IntervalDirection, seconds: f64) {
        match &heard.score {
            Score::Rated(rating) => {
                let model = rating.model as usize;
                if let Some(mos) = self.mos.get(model).and_then(|bases| bases.get(rating.basis as usize)) {
                    mos.observe(rating.mos);
                }
                for (cause, points) in Cause::ALL.iter().zip(self.causes.get(model).into_iter().flatten()) {
                    points.add(cause.points(&rating.causes).max(0.0));
                }
                let grade = MOS_EDGES.iter().filter(|edge| rating.mos > **edge).count();
                add_to(self.rated.get(grade), seconds);
            }
            Score::NotMeasurable(missing) => add_to(self.unrated.get(*missing as usize), seconds),
        }
        if let Some(trouble) = &heard.trouble {
            self.add_trouble(trouble, seconds);
        }
        for (dscp, packets) in heard.marks.dscp() {
            self.dscp.get(usize::from(dscp)).unwrap_or(&self.other_dscp).add(packets);
        }
        self.other_dscp.add(heard.marks.other());
        for (ecn, counter) in Ecn::ALL.into_iter().zip(&self.ecn) {
            counter.add(heard.marks.ecn(ecn));
        }
        for bleaching in heard.streams.iter().filter_map(|stream| stream.bleached) {
            if let Some(counter) = self.bleached.get(bleaching as usize) {
                counter.add(1);
            }
        }
        for ((_, packets), counter) in heard.feedback.iter().zip(&self.feedback) {
            counter.add(packets.into());
        }
        self.uncounted.add(heard.uncounted);
    }

    fn add_trouble(&self, trouble: &Trouble, seconds: f64) {
        let place = trouble.leg.map_or(PLACES.len() - 1, Leg::index);
        add_to(self.trouble.get(trouble.cause as usize).and_then(|places| places.get(place)), seconds);
    }
}

fn add_to(amount: Option<&Amount>, more: f64) {
    if let Some(amount) = amount {
        amount.add(more);
    }
}

fn amounts<const N: usize>() -> [Amount; N] {
    std::array::from_fn(|_| Amount::default())
}

fn counters<const N: usize>() -> [Counter; N] {
    std::array::from_fn(|_| Counter::default())
}
