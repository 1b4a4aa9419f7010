//! All that is known about the media of one relayed address.
//!
//! Made at the first RTP packet by the worker that owns the relay, told of every datagram in both directions, asked
//! for an interval every ten seconds, ended with the relay. A packet costs a scan of eight SSRCs and what its stream does
//! with it: no allocation, no hash. What a session may take is bounded whatever the network sends: eight streams per
//! direction, and an hour of packed intervals.
//!
//! An SSRC names a stream whichever peer it comes from: media that moves to another path of ICE in mid-call goes on as
//! the same stream.

use std::time::Duration;

use super::flow::{Flow, Span};
use super::history::{History, Moment, Past};
use super::interval::Interval;
use super::record::{self, Record, View};
use super::rtt::RoundTrips;
use super::{Direction, Directions, Feedback, Glance, Leg, Legs, RttSource, Settings, What};
use crate::time::Time;

/// The media of one relayed address.
#[derive(Debug)]
pub struct Session {
    flows: Directions<Flow>,
    trips: RoundTrips,
    start: Time,
    interval_start: Time,
    history: History,
}

impl Session {
    /// Begins at `now`, with no packet yet.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            flows: Directions::from_fn(|_| Flow::new()),
            trips: RoundTrips::default(),
            start: now,
            interval_start: now,
            history: History::default(),
        }
    }

    /// A datagram has passed. `peer` tells the peers of this relayed address apart; what number each has is up to the
    /// worker.
    #[inline]
    pub fn see(&mut self, settings: &Settings, direction: Direction, peer: u32, glance: &Glance) {
        let flow = &mut self.flows[direction];
        if let Some(tos) = glance.tos {
            flow.mark(tos);
        }
        match glance.what {
            What::Rtp(header) => flow.rtp(settings, peer, &header, glance),
            What::Rtcp(head) => flow.control(Feedback::of(&head)),
            What::Check { step, transaction } => {
                let media = Directions::from_fn(|direction| self.flows[direction].peer());
                self.trips.check(direction, step, transaction, peer, media, glance.arrival);
            }
            What::Other => {}
        }
    }

    /// A round trip of `leg` that somebody else has measured.
    pub fn note_rtt(&mut self, leg: Leg, source: RttSource, took: Duration, now: Time) {
        self.trips.note(leg, source, took, 0, now);
    }

    /// When the last packet of a stream came, or else when the session began.
    #[must_use]
    pub fn last(&self) -> Time {
        let last = self.flows.iter().filter_map(|(_, flow)| flow.last()).max();
        last.unwrap_or(self.start)
    }

    /// Ends the running interval and begins the next. To be called every ten seconds.
    pub fn close_interval(&mut self, settings: &Settings, now: Time) -> Interval {
        self.close(settings, now, false)
    }

    fn close(&mut self, settings: &Settings, now: Time, is_last: bool) -> Interval {
        let start = self.interval_start.since(self.start);
        let duration = now.since(self.interval_start);
        let rtt = Legs::from_fn(|leg| self.trips.best(leg, now));
        let span = Span { start, duration, rtt: &rtt };
        let directions = Directions::from_fn(|direction| {
            self.flows[direction].end_interval(settings, direction, &span, is_last)
        });
        self.trips.end_interval();
        self.interval_start = now;
        let interval = Interval { start, duration, directions, rtt };
        if !duration.is_zero() {
            let limit = settings.history.min(Settings::HISTORY_MAX);
            self.history.push(&Moment::of(&interval, settings.jitter_buffer), limit);
        }
        interval
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self, settings: &Settings, now: Time) -> View {
        View {
            record: self.record(settings, now),
            latest: Directions::from_fn(|direction| self.flows[direction].latest()),
            idle: now.since(self.last()),
        }
    }

    /// The DSCP that most packets of a direction came with; none before the first, or where they come on a stream.
    #[must_use]
    pub fn dscp(&self, direction: Direction) -> Option<u8> {
        self.flows[direction].dscp()
    }

    /// The last intervals, the oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = Moment> {
        self.history.iter()
    }

    /// Ends the session: its last interval, for whoever adds intervals up, and what there was. What still was awaited is
    /// lost now.
    pub fn end(self, settings: &Settings, now: Time) -> (Interval, Record) {
        let (last, record, _) = self.end_with_past(settings, now);
        (last, record)
    }

    /// The same, and its last intervals.
    pub fn end_with_past(mut self, settings: &Settings, now: Time) -> (Interval, Record, Past) {
        let last = self.close(settings, now, true);
        let record = self.record(settings, now);
        (last, record, self.history.into_past())
    }

    fn record(&self, settings: &Settings, now: Time) -> Record {
        let directions = Directions::from_fn(|direction| self.flows[direction].record(settings, self.start));
        let rtt = Legs::from_fn(|leg| self.trips.all(leg).collect());
        let jitter_buffer = settings.jitter_buffer;
        let assumptions = record::assumptions(&directions, &rtt, jitter_buffer);
        Record { duration: now.since(self.start), directions, rtt, jitter_buffer, assumptions }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_size(&self) -> usize {
        let flows: usize = self.flows.iter().map(|(_, flow)| flow.heap_size()).sum();
        flows + self.history.heap_size()
    }
}
