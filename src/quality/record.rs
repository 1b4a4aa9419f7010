//! What a session tells as a whole: while it runs, and once at its end.

use std::time::Duration;

use super::codec::{Basis, Media, Role};
use super::stream::Counts;
use super::{
    Bleaching, Directions, FeedbackCounts, JitterBuffer, Latest, LegRtt, Legs, MarkCounts, Missing,
    RttSource, Scores,
};

/// A session that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What its record would be if it ended now.
    pub record: Record,
    /// How the last whole interval sounded.
    pub latest: Directions<Latest>,
    /// How long no stream has had a packet.
    pub idle: Duration,
}

/// A session that has ended: all that was found out about one relayed address.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// From its first RTP packet to its end.
    pub duration: Duration,
    /// Both directions.
    pub directions: Directions<RecordDirection>,
    /// What is known of both legs, the best source first.
    pub rtt: Legs<Vec<LegRtt>>,
    /// The jitter buffer that scores assume.
    pub jitter_buffer: JitterBuffer,
    /// What scores take for granted, in words.
    pub assumptions: Vec<String>,
}

/// One direction of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordDirection {
    /// Its scores, one per model and basis that it was rated by. None if it could not be rated at all.
    pub scores: Vec<Scores>,
    /// For how long it could not be rated, and why.
    pub unrated: Vec<(Missing, Duration)>,
    /// Its streams, in the order in which they came.
    pub streams: Vec<RecordStream>,
    /// How many more there were, which fell silent and made room.
    pub retired: u32,
    /// What was counted of those.
    pub retired_counts: Counts,
    /// Datagrams by DSCP and ECN, RTCP and checks among them.
    pub marks: MarkCounts,
    /// RTCP that went this way. What it complains about went the other: a NACK that came by the client's leg for what the
    /// relay did not see missing says that the client's leg has lost it.
    pub feedback: FeedbackCounts,
    /// RTP packets of streams that there was no room for, or that no second packet confirmed.
    pub uncounted: u64,
}

impl RecordDirection {
    /// What was counted of all its streams together.
    #[must_use]
    pub fn totals(&self) -> Counts {
        let mut totals = self.retired_counts;
        for stream in &self.streams {
            totals += stream.counts;
        }
        totals
    }
}

/// One stream of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordStream {
    /// Its SSRC.
    pub ssrc: u32,
    /// Of its media: comfort noise and telephone events, which share a voice's SSRC, do not change it.
    pub payload_type: u8,
    /// The codec's name, if the payload type is one that is known.
    pub codec: Option<Box<str>>,
    /// What it carries, by its codec or else by its clock.
    pub media: Media,
    /// What its packets are for.
    pub role: Role,
    /// Ticks of its timestamps per second: the codec's, or as its packets have shown.
    pub clock_rate: Option<u32>,
    /// When it began, since the session did.
    pub start: Duration,
    /// From its first packet to its last.
    pub duration: Duration,
    /// What was counted.
    pub counts: Counts,
    /// The mean of RFC 3550's jitter.
    pub mean_jitter: Option<Duration>,
    /// The greatest jitter.
    pub max_jitter: Option<Duration>,
    /// The DSCP that it was marked with last; none if it never was.
    pub dscp: Option<u8>,
    /// If its marks are lost on the leg by which it came, how that showed.
    pub bleached: Option<Bleaching>,
}

/// What the scores of `directions` take for granted.
pub(super) fn assumptions(
    directions: &Directions<RecordDirection>,
    rtt: &Legs<Vec<LegRtt>>,
    jitter_buffer: JitterBuffer,
) -> Vec<String> {
    let scores = || directions.iter().flat_map(|(_, direction)| &direction.scores);
    if scores().next().is_none() {
        return Vec::new();
    }
    let mut said = vec![
        "scores are up to the relay: what is lost or late between the relay and a receiver is not in them"
            .into(),
        "mouth to ear takes half of both round trips, the jitter buffer, a packet and the codec's lookahead"
            .into(),
        format!("receivers have a jitter buffer of {} ms", jitter_buffer.duration().as_millis()),
        "terminals, rooms and echo are as the model's default values have them".into(),
    ];
    if scores().any(|scores| scores.basis == Basis::Proxy) {
        said.push("a codec is rated by a proxy: the ITU-T has published no figures for it".into());
    }
    let streams = || directions.iter().flat_map(|(_, direction)| &direction.streams);
    if streams().any(|stream| stream.role == Role::Redundant) {
        said.push("RED repairs nothing: with losses, its scores are the least that they can be".into());
    }
    let client = rtt.client.first().map(|leg| leg.source);
    if client == Some(RttSource::Challenge) {
        said.push(
            "the client's round trip has the time in it that the client took to sign its request".into(),
        );
    }
    said
}
