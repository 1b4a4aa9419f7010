//! One direction of a session: its streams, the SSRCs that are not streams yet, its marks and its RTCP.
//!
//! The network fills this, so everything has a bound. An SSRC becomes a stream with its second packet; until then it
//! takes one of a few slots for newcomers, for a second at most. A flood of SSRCs, each seen once, finds these slots
//! taken and touches nothing else. What has no room is counted.

use std::time::Duration;

use super::interval::{IntervalDirection, IntervalStream, choose_voice};
use super::record::{RecordDirection, RecordStream};
use super::score::{self, Latest, Missing, Scores, Verdict, Voice};
use super::stream::{Counts, MAX_DROPOUT, MAX_MISORDER};
use super::track::{Packet, Track};
use super::{Direction, Feedback, FeedbackCounts, Glance, LegRtt, Legs, MarkCounts, Settings};
use crate::time::Time;
use crate::wire::rtp::RtpHeader;

/// How many streams a direction may have. A call has two to five: voice, pictures in up to three sizes, and one that
/// repeats them.
pub(super) const MAX_STREAMS: usize = 8;

/// How many SSRCs may wait for their second packet: as many as may become streams at once.
const MAX_NEWCOMERS: usize = MAX_STREAMS;

/// How long they may. If those that wait gave way to each other at once, more streams than there are slots, beginning
/// together, would push each other out for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who has been silent for longer makes room.
const SILENCE: Duration = Duration::from_secs(30);

/// One direction. What every packet touches stands first, in two cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Flow {
    /// By place in `tracks`; beyond its end, nobody's.
    ssrcs: [u32; MAX_STREAMS],
    tracks: Vec<Track>,
    /// Who media was last exchanged with this way, by the worker's number, if there has been any.
    peer: u32,
    /// Where the last packet's stream is.
    recent: u8,
    has_media: bool,
    marks: MarkCounts,
    feedback: FeedbackCounts,
    uncounted: u64,
    newcomers: [Option<Newcomer>; MAX_NEWCOMERS],
    before: Before,
}

/// What was there before the running interval, and before streams made room.
#[derive(Debug)]
struct Before {
    marks: MarkCounts,
    feedback: FeedbackCounts,
    uncounted: u64,
    retired: u32,
    retired_counts: Counts,
    scores: Vec<Scores>,
    unrated: [Duration; Missing::ALL.len()],
    latest: Latest,
}

/// The first packet of an SSRC.
#[derive(Clone, Copy, Debug)]
struct Newcomer {
    header: RtpHeader,
    packet: Packet,
}

impl Newcomer {
    /// A second packet does, if its number lies close to the first one's.
    fn confirms(&self, header: &RtpHeader) -> bool {
        let ahead = header.sequence.wrapping_sub(self.header.sequence);
        (1..MAX_DROPOUT).contains(&ahead) || ahead.wrapping_neg() < MAX_MISORDER && ahead != 0
    }
}

/// When an interval was, and what was known of both legs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) start: Duration,
    pub(super) duration: Duration,
    pub(super) rtt: &'a Legs<Option<LegRtt>>,
}

/// Beyond all of them if nobody has it.
fn place_of(ssrcs: &[u32; MAX_STREAMS], ssrc: u32) -> u8 {
    let place = ssrcs.iter().position(|known| *known == ssrc);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

impl Flow {
    pub(super) fn new() -> Self {
        Self {
            ssrcs: [0; MAX_STREAMS],
            tracks: Vec::new(),
            peer: 0,
            recent: 0,
            has_media: false,
            marks: MarkCounts::default(),
            feedback: FeedbackCounts::default(),
            uncounted: 0,
            newcomers: [None; MAX_NEWCOMERS],
            before: Before {
                marks: MarkCounts::default(),
                feedback: FeedbackCounts::default(),
                uncounted: 0,
                retired: 0,
                retired_counts: Counts::default(),
                scores: Vec::new(),
                unrated: [Duration::ZERO; Missing::ALL.len()],
                latest: Err(Missing::Packets).into(),
            },
        }
    }

    #[inline]
    pub(super) fn mark(&mut self, tos: u8) {
        self.marks.see(tos);
    }

    pub(super) fn control(&mut self, kind: Feedback) {
        self.feedback.count(kind);
    }

    /// A packet of media to or from `peer`.
    #[inline]
    pub(super) fn rtp(&mut self, settings: &Settings, peer: u32, header: &RtpHeader, glance: &Glance) {
        (self.peer, self.has_media) = (peer, true);
        if self.ssrcs.get(usize::from(self.recent)) != Some(&header.ssrc) {
            self.recent = place_of(&self.ssrcs, header.ssrc);
        }
        match self.tracks.get_mut(usize::from(self.recent)) {
            Some(track) => track.see(settings, header, glance.into()),
            None => self.introduce(settings, header, glance),
        }
    }

    /// Who media was last exchanged with this way.
    pub(super) fn peer(&self) -> Option<u32> {
        self.has_media.then_some(self.peer)
    }

    /// When the last packet of a stream came.
    pub(super) fn last(&self) -> Option<Time> {
        self.tracks.iter().map(Track::last).max()
    }

    /// A packet of an SSRC that is no stream.
    #[cold]
    fn introduce(&mut self, settings: &Settings, header: &RtpHeader, glance: &Glance) {
        let newcomer = Newcomer { header: *header, packet: glance.into() };
        let known = self
            .newcomers
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|known| known.header.ssrc == header.ssrc));
        let Some(slot) = known else { return self.welcome(newcomer) };
        match slot.take() {
            Some(first) if first.confirms(header) => self.admit(settings, &first, &newcomer),
            _ => {
                *slot = Some(newcomer);
                self.uncounted += 1;
            }
        }
    }

    fn welcome(&mut self, newcomer: Newcomer) {
        let now = newcomer.packet.arrival;
        let has_left = |waiting: &Newcomer| now.since(waiting.packet.arrival) > PATIENCE;
        let slot = self.newcomers.iter_mut().find(|slot| slot.as_ref().is_none_or(has_left));
        let is_refused = slot.is_none_or(|slot| slot.replace(newcomer).is_some());
        self.uncounted += u64::from(is_refused);
    }

    fn admit(&mut self, settings: &Settings, first: &Newcomer, second: &Newcomer) {
        let Some(place) = self.make_room(second.packet.arrival) else {
            self.uncounted += 2;
            return;
        };
        let mut track = Track::new(settings, &first.header, first.packet.arrival);
        for Newcomer { header, packet } in [first, second] {
            track.see(settings, header, *packet);
        }
        if let Some(ssrc) = self.ssrcs.get_mut(place) {
            *ssrc = first.header.ssrc;
        }
        match self.tracks.get_mut(place) {
            Some(slot) => *slot = track,
            None => {
                self.tracks.reserve_exact(1);
                self.tracks.push(track);
            }
        }
    }

    /// A place for one more stream: a free one, or that of who has been silent longest.
    fn make_room(&mut self, now: Time) -> Option<usize> {
        if self.tracks.len() < MAX_STREAMS {
            return Some(self.tracks.len());
        }
        let (place, track) = self.tracks.iter_mut().enumerate().min_by_key(|(_, track)| track.last())?;
        if now.since(track.last()) <= SILENCE {
            return None;
        }
        self.before.retired = self.before.retired.saturating_add(1);
        self.before.retired_counts += track.retire();
        Some(place)
    }

    /// Ends an interval: what each stream has heard in it, what was counted beside, and a score.
    pub(super) fn end_interval(
        &mut self,
        settings: &Settings,
        direction: Direction,
        span: &Span<'_>,
        is_last: bool,
    ) -> IntervalDirection {
        let mut streams: Vec<IntervalStream> =
            self.tracks.iter_mut().filter_map(|track| track.end_interval(settings, is_last)).collect();
        let verdict = choose_voice(&mut streams).and_then(|voice| {
            score::judge(direction, &Voice::of(settings, voice), settings.jitter_buffer, span.rtt)
        });
        self.remember(verdict, span);
        if is_last {
            self.uncounted += self.newcomers.iter_mut().filter_map(Option::take).count() as u64;
        }
        let marks = std::mem::take(&mut self.marks);
        let feedback = std::mem::take(&mut self.feedback);
        let uncounted = std::mem::take(&mut self.uncounted);
        self.before.marks.add(&marks);
        self.before.feedback.add(&feedback);
        self.before.uncounted += uncounted;
        let Latest { score, inputs, trouble } = self.before.latest;
        IntervalDirection { score, inputs, trouble, streams, marks, feedback, uncounted }
    }

    fn remember(&mut self, verdict: Result<Verdict, Missing>, span: &Span<'_>) {
        match &verdict {
            Ok(verdict) => score::add(&mut self.before.scores, verdict, span.start, span.duration),
            Err(missing) => {
                if let Some(unrated) = self.before.unrated.get_mut(*missing as usize) {
                    *unrated += span.duration;
                }
            }
        }
        self.before.latest = verdict.into();
    }

    /// The DSCP that most packets came with.
    pub(super) fn dscp(&self) -> Option<u8> {
        let running = self.marks.dscp().max_by_key(|(_, packets)| *packets);
        let most = self.before.marks.dscp().max_by_key(|(_, packets)| *packets).or(running);
        most.map(|(dscp, _)| dscp)
    }

    /// Of the last interval.
    pub(super) const fn latest(&self) -> Latest {
        self.before.latest
    }

    pub(super) fn record(&self, settings: &Settings, start: Time) -> RecordDirection {
        let mut tracks: Vec<&Track> = self.tracks.iter().collect();
        tracks.sort_by_key(|track| track.start());
        let streams: Vec<RecordStream> =
            tracks.into_iter().map(|track| track.record(settings, start)).collect();
        let (mut marks, mut feedback) = (self.before.marks, self.before.feedback);
        marks.add(&self.marks);
        feedback.add(&self.feedback);
        let unrated = Missing::ALL.into_iter().zip(self.before.unrated);
        RecordDirection {
            scores: self.before.scores.clone(),
            unrated: unrated.filter(|(_, duration)| !duration.is_zero()).collect(),
            streams,
            retired: self.before.retired,
            retired_counts: self.before.retired_counts,
            marks,
            feedback,
            uncounted: self.before.uncounted + self.uncounted,
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_size(&self) -> usize {
        self.tracks.capacity() * size_of::<Track>() + self.before.scores.capacity() * size_of::<Scores>()
    }
}
