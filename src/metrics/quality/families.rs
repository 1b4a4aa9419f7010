//! Under which names the quality figures are exported.

use super::super::Counter;
use super::super::histogram::Histogram;
use super::super::sums::{Family, Sums};
use super::{
    Basis, Bleaching, Cause, Direction, DirectionCounters, Ecn, Feedback, GRADES, JitterBuffer, Leg, Missing,
    Model, PLACES, QualityCounters, RttSource, StreamCounters,
};

const OF_STREAM: &[&str] = &["direction", "media", "codec"];

type Read = fn(&StreamCounters) -> &Counter;

/// What is counted of each codec's streams.
static OF_STREAMS: [(Family, Read); 9] = [
    (Family::counter("tern_rtp_packets_total", OF_STREAM, "RTP packets that came, copies included."), |of| {
        &of.packets
    }),
    (
        Family::counter(
            "tern_rtp_bytes_total",
            OF_STREAM,
            "Bytes in RTP packets that came, their headers included.",
        ),
        |of| &of.bytes,
    ),
    (
        Family::counter(
            "tern_rtp_expected_packets_total",
            OF_STREAM,
            "RTP packets that were sent, as far as sequence numbers tell.",
        ),
        |of| &of.expected,
    ),
    (
        Family::counter(
            "tern_rtp_lost_packets_total",
            OF_STREAM,
            "RTP packets that did not come: lost on the leg that the direction begins with; copies do not make up for them.",
        ),
        |of| &of.lost,
    ),
    (
        Family::counter(
            "tern_rtp_duplicate_packets_total",
            OF_STREAM,
            "Copies of RTP packets that had come.",
        ),
        |of| &of.duplicate,
    ),
    (
        Family::counter(
            "tern_rtp_reordered_packets_total",
            OF_STREAM,
            "RTP packets that came after a later one; they are not lost.",
        ),
        |of| &of.reordered,
    ),
    (
        Family::counter(
            "tern_rtp_stream_restarts_total",
            OF_STREAM,
            "RTP streams that began again elsewhere.",
        ),
        |of| &of.restarts,
    ),
    (Family::counter("tern_rtp_bursts_total", OF_STREAM, "Bursts of losses (RFC 3611, Gmin 16)."), |of| {
        &of.bursts
    }),
    (
        Family::counter("tern_rtp_burst_lost_packets_total", OF_STREAM, "RTP packets lost within bursts."),
        |of| &of.burst_lost,
    ),
];
static LATE: Family = Family::counter(
    "tern_rtp_late_packets_total",
    &["direction", "media", "codec", "deadline"],
    "RTP packets that a jitter buffer as deep as the deadline would discard.",
);
static JITTER: Family = Family::histogram(
    "tern_rtp_jitter_seconds",
    OF_STREAM,
    "Mean interarrival jitter (RFC 3550) of a stream in 10 seconds, up to the relay.",
);
static LOSS: Family = Family::histogram(
    "tern_rtp_loss_ratio",
    OF_STREAM,
    "Lost by expected packets of a stream in 10 seconds, up to the relay.",
);
static RUNS: Family = Family::histogram("tern_rtp_loss_run_packets", OF_STREAM, "RTP packets lost in a row.");
static SESSIONS: Family = Family::gauge("tern_media_sessions", &[], "Relayed addresses with media now.");
static OPENED: Family =
    Family::counter("tern_media_sessions_total", &[], "Relayed addresses that have had media.");
static MOS: Family = Family::histogram(
    "tern_media_mos",
    &["direction", "model", "basis"],
    "MOS of a voice in 10 seconds, up to the relay, by the E-model of its codec; the models' scales do not compare.",
);
static CAUSES: Family = Family::counter(
    "tern_media_impairment_points_total",
    &["direction", "model", "cause"],
    "Points of R that voices have lost, by cause, added up per 10 seconds: divided by tern_media_mos_count it is a mean.",
);
static RATED: Family = Family::counter(
    "tern_media_rated_seconds_total",
    &["direction", "grade"],
    "Time of rated voices by grade of MOS: best above 4.34, high above 4.03, medium above 3.6, low above 3.1, poor above 2.58, bad.",
);
static UNRATED: Family = Family::counter(
    "tern_media_unrated_seconds_total",
    &["direction", "missing"],
    "Time of sessions for which there is no MOS, by what is missing for it.",
);
static TROUBLE: Family = Family::counter(
    "tern_media_trouble_seconds_total",
    &["direction", "cause", "leg"],
    "Time of rated voices by what has cost them most and on which leg; none is the codec, or a delay of both legs.",
);
static RTT: Family = Family::histogram(
    "tern_media_rtt_seconds",
    &["leg", "source"],
    "Mean round trip of a session's leg in 10 seconds, by where it was measured.",
);
static DSCP: Family = Family::counter(
    "tern_media_dscp_packets_total",
    &["direction", "dscp"],
    "Datagrams of sessions by the DSCP they came with, 0 to 63, or other; 46 is EF.",
);
static ECN: Family = Family::counter(
    "tern_media_ecn_packets_total",
    &["direction", "ecn"],
    "Datagrams of sessions by the ECN codepoint they came with; ect1 is L4S, ce is congestion.",
);
static BLEACHED: Family = Family::counter(
    "tern_media_bleached_streams_total",
    &["direction", "how"],
    "RTP streams whose DSCP was lost before they came here, by how that showed.",
);
static RTCP: Family = Family::counter(
    "tern_rtcp_packets_total",
    &["direction", "kind"],
    "RTCP packets by kind; of encrypted compounds only the first packet shows.",
);
static UNCOUNTED: Family = Family::counter(
    "tern_rtp_uncounted_packets_total",
    &["direction"],
    "RTP packets of streams that there was no room for, or that no second packet confirmed.",
);

/// All of them.
pub(in super::super) fn families() -> impl Iterator<Item = &'static Family> {
    let others = [
        &LATE, &JITTER, &LOSS, &RUNS, &SESSIONS, &OPENED, &MOS, &CAUSES, &RATED, &UNRATED, &TROUBLE, &RTT,
        &DSCP, &ECN, &BLEACHED, &RTCP, &UNCOUNTED,
    ];
    OF_STREAMS.iter().map(|(family, _)| family).chain(others)
}

/// Adds what one worker has counted.
pub(in super::super) fn add(sums: &mut Sums, worker: &QualityCounters) {
    sums.add(&SESSIONS, &[], worker.sessions.value() as f64);
    sums.add(&OPENED, &[], worker.opened.value() as f64);
    for codec in worker.known_codecs() {
        for (direction, streams) in Direction::ALL.iter().zip(&codec.directions) {
            add_streams(sums, [direction.name(), codec.media.name(), &codec.name], streams);
        }
    }
    for (direction, counters) in Direction::ALL.iter().zip(&worker.directions) {
        add_scores(sums, direction.name(), counters);
        add_marks(sums, direction.name(), counters);
    }
    for (leg, sources) in Leg::ALL.iter().zip(&worker.rtt) {
        for (source, histogram) in RttSource::ALL.iter().zip(sources) {
            add_histogram(sums, &RTT, &[leg.name(), source.name()], histogram);
        }
    }
}

fn add_streams(sums: &mut Sums, labels: [&str; 3], streams: &StreamCounters) {
    for (family, read) in &OF_STREAMS {
        sums.add(family, &labels, read(streams).value() as f64);
    }
    let [direction, media, codec] = labels;
    for (deadline, late) in JitterBuffer::ALL.iter().zip(&streams.late) {
        sums.add(&LATE, &[direction, media, codec, deadline.name()], late.value() as f64);
    }
    sums.add_all(&JITTER, &labels, &streams.jitter);
    sums.add_all(&LOSS, &labels, &streams.loss);
    sums.add_all(&RUNS, &labels, &streams.runs);
}

fn add_scores(sums: &mut Sums, direction: &str, counters: &DirectionCounters) {
    for ((model, bases), causes) in Model::ALL.iter().zip(&counters.mos).zip(&counters.causes) {
        for (basis, histogram) in Basis::ALL.iter().zip(bases) {
            add_histogram(sums, &MOS, &[direction, model.name(), basis.name()], histogram);
        }
        if bases.iter().any(|histogram| histogram.count() > 0) {
            for (cause, points) in Cause::ALL.iter().zip(causes) {
                sums.add(&CAUSES, &[direction, model.name(), cause.name()], points.value());
            }
        }
    }
    for (grade, seconds) in GRADES.iter().zip(&counters.rated) {
        sums.add(&RATED, &[direction, grade], seconds.value());
    }
    for (missing, seconds) in Missing::ALL.iter().zip(&counters.unrated) {
        sums.add(&UNRATED, &[direction, missing.name()], seconds.value());
    }
    for (cause, places) in Cause::ALL.iter().zip(&counters.trouble) {
        for (place, seconds) in PLACES.iter().zip(places) {
            sums.add(&TROUBLE, &[direction, cause.name(), place], seconds.value());
        }
    }
}

fn add_marks(sums: &mut Sums, direction: &str, counters: &DirectionCounters) {
    for (dscp, packets) in counters.dscp.iter().enumerate().filter(|(_, packets)| packets.value() > 0) {
        sums.add(&DSCP, &[direction, &dscp.to_string()], packets.value() as f64);
    }
    if counters.other_dscp.value() > 0 {
        sums.add(&DSCP, &[direction, super::OTHER], counters.other_dscp.value() as f64);
    }
    for (ecn, packets) in Ecn::ALL.iter().zip(&counters.ecn) {
        sums.add(&ECN, &[direction, ecn.name()], packets.value() as f64);
    }
    for (how, streams) in Bleaching::ALL.iter().zip(&counters.bleached) {
        sums.add(&BLEACHED, &[direction, how.name()], streams.value() as f64);
    }
    for (kind, packets) in Feedback::ALL.iter().zip(&counters.feedback) {
        sums.add(&RTCP, &[direction, kind.name()], packets.value() as f64);
    }
    sums.add(&UNCOUNTED, &[direction], counters.uncounted.value() as f64);
}

/// There are more models and sources than a relay ever sees: only those that were seen are shown.
fn add_histogram<const N: usize>(
    sums: &mut Sums,
    family: &'static Family,
    labels: &[&str],
    histogram: &Histogram<N>,
) {
    if histogram.count() > 0 {
        sums.add_all(family, labels, histogram);
    }
}
