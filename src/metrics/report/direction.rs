//! One direction of a session, and its streams.

use std::collections::BTreeMap;

use serde::Serialize;

use super::score::ScoresReport;
use super::{millis, rounded, seconds};
use crate::quality::stream::Counts;
use crate::quality::{Ecn, JitterBuffer, MarkCounts, RecordDirection, RecordStream};

#[derive(Clone, Debug, Serialize)]
pub(super) struct DirectionReport<'a> {
    scores: Vec<ScoresReport>,
    /// Seconds, by what was missing.
    unrated_seconds: BTreeMap<&'static str, f64>,
    total: CountsReport,
    streams: Vec<StreamReport<'a>>,
    retired_streams: u32,
    dscp_packets: BTreeMap<String, u64>,
    ecn_packets: BTreeMap<&'static str, u64>,
    rtcp_packets: BTreeMap<&'static str, u32>,
    uncounted_packets: u64,
}

impl<'a> From<&'a RecordDirection> for DirectionReport<'a> {
    fn from(direction: &'a RecordDirection) -> Self {
        let unrated = direction.unrated.iter().map(|(missing, time)| (missing.name(), seconds(*time)));
        let feedback = direction.feedback.iter().filter(|(_, packets)| *packets > 0);
        Self {
            scores: direction.scores.iter().map(ScoresReport::from).collect(),
            unrated_seconds: unrated.collect(),
            total: (&direction.totals()).into(),
            streams: direction.streams.iter().map(StreamReport::from).collect(),
            retired_streams: direction.retired,
            dscp_packets: dscp(&direction.marks),
            ecn_packets: ecn(&direction.marks),
            rtcp_packets: feedback.map(|(kind, packets)| (kind.name(), packets)).collect(),
            uncounted_packets: direction.uncounted,
        }
    }
}

fn dscp(marks: &MarkCounts) -> BTreeMap<String, u64> {
    let named = marks.dscp().map(|(dscp, packets)| (dscp.to_string(), packets));
    named.chain([("other".to_owned(), marks.other())]).filter(|(_, packets)| *packets > 0).collect()
}

fn ecn(marks: &MarkCounts) -> BTreeMap<&'static str, u64> {
    let all = Ecn::ALL.into_iter().map(|ecn| (ecn.name(), marks.ecn(ecn)));
    all.filter(|(_, packets)| *packets > 0).collect()
}

#[derive(Clone, Debug, Serialize)]
struct StreamReport<'a> {
    ssrc: u32,
    payload_type: u8,
    codec: Option<&'a str>,
    media: &'static str,
    role: &'static str,
    clock_rate: Option<u32>,
    start_seconds: f64,
    seconds: f64,
    #[serde(flatten)]
    counts: CountsReport,
    mean_jitter_ms: Option<f64>,
    max_jitter_ms: Option<f64>,
    dscp: Option<u8>,
    bleached: Option<&'static str>,
}

impl<'a> From<&'a RecordStream> for StreamReport<'a> {
    fn from(stream: &'a RecordStream) -> Self {
        Self {
            ssrc: stream.ssrc,
            payload_type: stream.payload_type,
            codec: stream.codec.as_deref(),
            media: stream.media.name(),
            role: stream.role.name(),
            clock_rate: stream.clock_rate,
            start_seconds: seconds(stream.start),
            seconds: seconds(stream.duration),
            counts: (&stream.counts).into(),
            mean_jitter_ms: stream.mean_jitter.map(millis),
            max_jitter_ms: stream.max_jitter.map(millis),
            dscp: stream.dscp,
            bleached: stream.bleached.map(|how| how.name()),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct CountsReport {
    packets: u64,
    bytes: u64,
    expected: u64,
    received: u64,
    lost: u64,
    loss_percent: f64,
    duplicate: u64,
    reordered: u64,
    stray: u64,
    restarts: u64,
    /// By the depth of the jitter buffer.
    late: BTreeMap<&'static str, u64>,
    bursts: u64,
    burst_packets: u64,
    burst_lost: u64,
    /// How often 1, 2, 3, 4–5, 6–10, 11–20 and more packets were lost in a row.
    loss_runs: Vec<u64>,
}

impl From<&Counts> for CountsReport {
    fn from(counts: &Counts) -> Self {
        let late = JitterBuffer::ALL.into_iter().zip(counts.discarded);
        Self {
            packets: counts.packets(),
            bytes: counts.bytes,
            expected: counts.expected,
            received: counts.received,
            lost: counts.lost,
            loss_percent: rounded(counts.loss() * 100.0),
            duplicate: counts.duplicate,
            reordered: counts.reordered,
            stray: counts.stray,
            restarts: counts.restarts,
            late: late.filter(|(_, late)| *late > 0).map(|(depth, late)| (depth.name(), late)).collect(),
            bursts: counts.bursts,
            burst_packets: counts.burst_packets,
            burst_lost: counts.burst_lost,
            loss_runs: counts.loss_runs.to_vec(),
        }
    }
}
