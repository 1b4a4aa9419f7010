//! What a session tells about ten seconds: the differences that metrics add up, and a score for each direction.

use std::time::Duration;

use super::codec::{CodecId, Media, Role};
use super::stream::Heard;
use super::{
    Bleaching, Directions, FeedbackCounts, Inputs, LegRtt, Legs, MarkCounts, Missing, Score, Trouble,
};

/// Ten seconds of a session, or what there was at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// When it began, since the session did.
    pub start: Duration,
    /// How long it lasted; more than ten seconds if there was no traffic in between.
    pub duration: Duration,
    /// Both directions.
    pub directions: Directions<IntervalDirection>,
    /// The best that is known of both legs: the mean round trips of this interval, or the last ones.
    pub rtt: Legs<Option<LegRtt>>,
}

/// One direction in an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalDirection {
    /// How it sounded up to the relay: the score of the voice with most packets.
    pub score: Score,
    /// What the score was made of, if there is one.
    pub inputs: Option<Inputs>,
    /// What has cost it most, and where.
    pub trouble: Option<Trouble>,
    /// Streams that had packets, or losses, or were found to be bleached.
    pub streams: Vec<IntervalStream>,
    /// Datagrams by DSCP and ECN, RTCP and checks among them.
    pub marks: MarkCounts,
    /// RTCP that went this way. What it complains about went the other.
    pub feedback: FeedbackCounts,
    /// RTP packets of streams that there was no room for, or that no second packet confirmed.
    pub uncounted: u64,
}

impl Default for IntervalDirection {
    fn default() -> Self {
        Self {
            score: Score::NotMeasurable(Missing::Packets),
            inputs: None,
            trouble: None,
            streams: Vec::new(),
            marks: MarkCounts::default(),
            feedback: FeedbackCounts::default(),
            uncounted: 0,
        }
    }
}

/// One stream in an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalStream {
    /// Its SSRC.
    pub ssrc: u32,
    /// Of its media: comfort noise and telephone events, which share a voice's SSRC, do not change it.
    pub payload_type: u8,
    /// What that stands for in the [`super::Settings`] the interval was closed with.
    pub codec: Option<CodecId>,
    /// What it carries, by its codec or else by its clock.
    pub media: Media,
    /// What its packets are for.
    pub role: Role,
    /// Ticks of its timestamps per second: the codec's, or as its packets have shown.
    pub clock_rate: Option<u32>,
    /// What was counted and measured in the interval.
    pub heard: Heard,
    /// If this interval brought to light that its marks are lost on the way.
    pub bleached: Option<Bleaching>,
    /// Whether it is the voice that the direction's score is about.
    pub is_voice: bool,
}

impl IntervalStream {
    /// Neither its codec nor its clock tell what it is.
    fn is_unknown(&self) -> bool {
        self.codec.is_none() && self.clock_rate.is_none()
    }
}

/// Finds the voice with most packets and says so in it, or says why there is none.
pub(super) fn choose_voice(streams: &mut [IntervalStream]) -> Result<&IntervalStream, Missing> {
    let missing = if streams.is_empty() {
        Missing::Packets
    } else if streams.iter().any(IntervalStream::is_unknown) {
        Missing::Codec
    } else {
        Missing::Media
    };
    let voices = streams.iter_mut().filter(|stream| is_voice(stream.media, stream.role));
    let voice = voices.max_by_key(|stream| stream.heard.counts.received).ok_or(missing)?;
    voice.is_voice = true;
    Ok(voice)
}

/// Whether this is what people hear, and not what comes beside it.
pub(super) const fn is_voice(media: Media, role: Role) -> bool {
    matches!((media, role), (Media::Audio, Role::Primary | Role::Redundant))
}
