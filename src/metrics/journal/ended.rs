//! What is kept of a call with media after its end: its figures as a whole, and its last hour as packed as the session had
//! it.

use std::time::Duration;

use super::super::session::SessionInfo;
use crate::quality::{Direction, Legs, Past, Record};
use crate::time::UnixTime;

/// A call that has ended lately.
#[derive(Clone, Debug)]
pub struct EndedCall {
    /// Whose it was; it began with the first RTP packet.
    pub info: SessionInfo,
    /// When it ended.
    pub ended: UnixTime,
    /// From the first RTP packet to the end.
    pub duration: Duration,
    /// How it was.
    pub legs: Legs<EndedLeg>,
    /// How it was from one ten seconds to the next.
    pub past: Past,
}

/// One leg of a call that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EndedLeg {
    /// The mean opinion score of what came by it.
    pub mean_mos: Option<f64>,
    /// The score of the worst ten seconds.
    pub worst_mos: Option<f64>,
    /// Percent of the expected packets that it lost.
    pub loss_percent: Option<f64>,
    /// The greatest jitter.
    pub max_jitter: Option<Duration>,
    /// The mean round trip.
    pub rtt: Option<Duration>,
}

impl EndedCall {
    /// What to keep of a record.
    #[must_use]
    pub fn new(info: SessionInfo, ended: UnixTime, record: &Record, past: Past) -> Self {
        let leg = |direction: Direction| {
            let heard = &record.directions[direction];
            let totals = heard.totals();
            // Scores on different scales are not put together: the one that covers most of the call stands for it.
            let score = heard.scores.iter().max_by_key(|scores| scores.duration);
            EndedLeg {
                mean_mos: score.map(|scores| scores.mean_mos),
                worst_mos: score.map(|scores| scores.worst.rating.mos),
                loss_percent: (totals.expected > 0).then(|| totals.loss() * 100.0),
                max_jitter: heard.streams.iter().filter_map(|stream| stream.max_jitter).max(),
                rtt: record.rtt[direction.leg()].first().map(|rtt| rtt.mean),
            }
        };
        let legs = Legs { client: leg(Direction::ClientToPeer), peer: leg(Direction::PeerToClient) };
        Self { info, ended, duration: record.duration, legs, past }
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.past.heap_size()
    }
}
