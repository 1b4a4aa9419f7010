//! Round trips, per leg and by source.
//!
//! The best source is what client and peer send through the relay anyway: the checks by which they keep their consent
//! (RFC 7675). A client's request that leaves to the peer and the peer's answer to it have been out on the peer's leg in
//! between, and only there; the other way round it is the client's leg. Karn's rule holds: a transaction whose request was
//! seen twice is never timed, since nobody knows which of the two was answered.
//!
//! Other sources are noted by whoever has them. Each is kept apart, and every figure names its own.

use std::time::Duration;

use super::{CheckStep, Direction, Directions, Leg, Legs};
use crate::time::Time;

/// Where a round trip comes from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RttSource {
    /// A Binding transaction between client and peer.
    Check,
    /// The kernel's estimate of a client's TCP connection.
    TcpInfo,
    /// A probe of our own.
    Probe,
    /// The way to the relay that serves the other end.
    Mesh,
    /// A client's answer to the challenge of its first request: the client's own processing is in it.
    Challenge,
}

impl RttSource {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Check, Self::TcpInfo, Self::Probe, Self::Mesh, Self::Challenge];

    /// Its place in [`RttSource::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::TcpInfo => "tcp_info",
            Self::Probe => "probe",
            Self::Mesh => "mesh",
            Self::Challenge => "challenge",
        }
    }
}

/// The round trips of one leg, of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegRtt {
    /// Where they come from.
    pub source: RttSource,
    /// The one seen last.
    pub last: Duration,
    /// Smoothed as in RFC 6298: an eighth of each new one.
    pub smoothed: Duration,
    /// Of an interval: the mean of its own, the smoothed one if it has none. Of a session: the mean of all.
    pub mean: Duration,
    /// The least of all.
    pub least: Duration,
    /// The greatest of all.
    pub greatest: Duration,
    /// How many of the interval or session there are.
    pub samples: u32,
    /// When the last was seen.
    pub at: Time,
}

/// What is older says nothing about the path in use.
const FRESH: Duration = Duration::from_secs(60);

/// A STUN transaction lasts no longer (RFC 8489 section 6.2.1).
const TRANSACTION: Duration = Duration::from_micros(39_500_000);

/// Requests per direction that wait for their answer, or have had it and are kept for Karn's rule. A client sends one
/// every 2.5 to 6 seconds, and some 20 a second while it looks for a path.
const PENDING: usize = 8;

/// All round trips of a session.
#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    pending: Directions<Pending>,
    legs: Legs<[Option<Estimate>; RttSource::ALL.len()]>,
}

impl RoundTrips {
    /// A step of a check has passed, from or to `peer`. A client tries many before one is chosen, so the peer's leg is
    /// timed only with one that media was last exchanged with, in either direction.
    pub(super) fn check(
        &mut self,
        direction: Direction,
        step: CheckStep,
        transaction: [u8; 12],
        peer: u32,
        media: Directions<Option<u32>>,
        at: Time,
    ) {
        match step {
            CheckStep::Request => self.pending[direction].ask(transaction, at),
            CheckStep::Response => {
                // What a response answers was sent the other way, to the side that the response comes from.
                let leg = direction.leg();
                let Some(took) = self.pending[direction.opposite()].answer(transaction, at) else { return };
                if leg == Leg::Client || is_in_use(peer, &media) {
                    self.note(leg, RttSource::Check, took, peer, at);
                }
            }
        }
    }

    /// One round trip of `leg`. Those with another `peer` than before begin anew.
    pub(super) fn note(&mut self, leg: Leg, source: RttSource, took: Duration, peer: u32, at: Time) {
        let peer = if leg == Leg::Peer { peer } else { 0 };
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let Some(slot) = self.legs[leg].get_mut(source.index()) else { return };
        match slot {
            Some(estimate) if estimate.peer == peer => estimate.add(micros, at),
            Some(_) | None => *slot = Some(Estimate::new(micros, peer, at)),
        }
    }

    /// The best that is known of `leg`, in the running interval.
    pub(super) fn best(&self, leg: Leg, now: Time) -> Option<LegRtt> {
        self.fresh(leg, now).map(|(source, estimate)| estimate.of_interval(source))
    }

    /// Everything that is known of `leg`, the best source first, however old.
    pub(super) fn all(&self, leg: Leg) -> impl Iterator<Item = LegRtt> {
        self.sources(leg).map(|(source, estimate)| estimate.overall(source))
    }

    /// A challenge is never repeated; it stands for as long as there is nothing better.
    fn fresh(&self, leg: Leg, now: Time) -> Option<(RttSource, &Estimate)> {
        self.sources(leg)
            .find(|(source, estimate)| *source == RttSource::Challenge || now.since(estimate.at) <= FRESH)
    }

    fn sources(&self, leg: Leg) -> impl Iterator<Item = (RttSource, &Estimate)> {
        let estimates = self.legs[leg].iter();
        RttSource::ALL.into_iter().zip(estimates).filter_map(|(source, slot)| Some((source, slot.as_ref()?)))
    }

    /// An interval ends; its mean begins anew.
    pub(super) fn end_interval(&mut self) {
        let both = self.legs.client.iter_mut().chain(&mut self.legs.peer);
        for estimate in both.flatten() {
            (estimate.interval_sum, estimate.interval_samples) = (0, 0);
        }
    }
}

/// Whether media goes to `peer` or comes from it, or there has been none.
fn is_in_use(peer: u32, media: &Directions<Option<u32>>) -> bool {
    let known = || media.iter().filter_map(|(_, known)| *known);
    known().next().is_none() || known().any(|known| known == peer)
}

/// In microseconds.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    at: Time,
    sum: u64,
    interval_sum: u64,
    samples: u32,
    interval_samples: u32,
    last: u32,
    smoothed: u32,
    least: u32,
    greatest: u32,
    peer: u32,
}

impl Estimate {
    fn new(micros: u32, peer: u32, at: Time) -> Self {
        let sum = u64::from(micros);
        Self {
            at,
            sum,
            interval_sum: sum,
            samples: 1,
            interval_samples: 1,
            last: micros,
            smoothed: micros,
            least: micros,
            greatest: micros,
            peer,
        }
    }

    fn add(&mut self, micros: u32, at: Time) {
        let sample = u64::from(micros);
        (self.at, self.last) = (at, micros);
        (self.sum, self.samples) = (self.sum.saturating_add(sample), self.samples.saturating_add(1));
        self.interval_sum = self.interval_sum.saturating_add(sample);
        self.interval_samples = self.interval_samples.saturating_add(1);
        let smoothed = (u64::from(self.smoothed) * 7 + sample) / 8;
        self.smoothed = u32::try_from(smoothed).unwrap_or(u32::MAX);
        (self.least, self.greatest) = (self.least.min(micros), self.greatest.max(micros));
    }

    fn overall(&self, source: RttSource) -> LegRtt {
        self.read(source, mean(self.sum, self.samples), self.samples)
    }

    fn of_interval(&self, source: RttSource) -> LegRtt {
        match self.interval_samples {
            0 => self.read(source, micros(self.smoothed), 0),
            samples => self.read(source, mean(self.interval_sum, samples), samples),
        }
    }

    fn read(&self, source: RttSource, mean: Duration, samples: u32) -> LegRtt {
        LegRtt {
            source,
            last: micros(self.last),
            smoothed: micros(self.smoothed),
            mean,
            least: micros(self.least),
            greatest: micros(self.greatest),
            samples,
            at: self.at,
        }
    }
}

fn micros(value: u32) -> Duration {
    Duration::from_micros(u64::from(value))
}

fn mean(sum: u64, samples: u32) -> Duration {
    Duration::from_micros(sum / u64::from(samples.max(1)))
}

/// The last requests of one direction, a ring: the oldest goes.
#[derive(Debug, Default)]
struct Pending {
    requests: [Option<Asked>; PENDING],
    next: u8,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    transaction: [u8; 12],
    /// None when it was answered, or asked twice.
    at: Option<Time>,
}

impl Pending {
    fn ask(&mut self, transaction: [u8; 12], at: Time) {
        if let Some(asked) = self.find(transaction) {
            asked.at = None;
        } else if let Some(slot) = self.requests.get_mut(usize::from(self.next) % PENDING) {
            *slot = Some(Asked { transaction, at: Some(at) });
            self.next = self.next.wrapping_add(1);
        }
    }

    fn answer(&mut self, transaction: [u8; 12], at: Time) -> Option<Duration> {
        let asked = self.find(transaction)?.at.take()?;
        Some(at.since(asked)).filter(|took| *took <= TRANSACTION)
    }

    fn find(&mut self, transaction: [u8; 12]) -> Option<&mut Asked> {
        self.requests.iter_mut().flatten().find(|asked| asked.transaction == transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckStep::{Request, Response};
    use Direction::{ClientToPeer, PeerToClient};

    fn at(millis: u64) -> Time {
        Time::from_secs(1000) + Duration::from_millis(millis)
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn id(number: u8) -> [u8; 12] {
        [number; 12]
    }

    fn with(peer: u32) -> Directions<Option<u32>> {
        Directions { client_to_peer: None, peer_to_client: Some(peer) }
    }

    /// With one peer, who is also the one that media goes to.
    fn step(trips: &mut RoundTrips, direction: Direction, step: CheckStep, number: u8, millis: u64) {
        trips.check(direction, step, id(number), 1, with(1), at(millis));
    }

    #[test]
    fn an_answer_times_the_leg_of_who_answers() {
        let mut trips = RoundTrips::default();
        step(&mut trips, ClientToPeer, Request, 1, 0);
        step(&mut trips, PeerToClient, Response, 1, 30);
        assert_eq!(trips.best(Leg::Peer, at(30)).unwrap().last, ms(30));
        assert_eq!(trips.best(Leg::Client, at(30)), None);
        step(&mut trips, PeerToClient, Request, 2, 100);
        step(&mut trips, ClientToPeer, Response, 2, 170);
        assert_eq!(trips.best(Leg::Client, at(170)).unwrap().last, ms(70));
        assert_eq!(trips.best(Leg::Peer, at(170)).unwrap().samples, 1);
    }

    #[test]
    fn an_answer_in_the_direction_of_its_request_times_nothing() {
        let mut trips = RoundTrips::default();
        step(&mut trips, ClientToPeer, Request, 1, 0);
        step(&mut trips, ClientToPeer, Response, 1, 30);
        step(&mut trips, PeerToClient, Response, 9, 30);
        assert_eq!((trips.best(Leg::Peer, at(30)), trips.best(Leg::Client, at(30))), (None, None));
    }

    #[test]
    fn a_request_sent_twice_is_never_timed() {
        let mut trips = RoundTrips::default();
        step(&mut trips, ClientToPeer, Request, 1, 0);
        step(&mut trips, ClientToPeer, Request, 1, 500);
        step(&mut trips, PeerToClient, Response, 1, 530);
        step(&mut trips, PeerToClient, Response, 1, 540);
        assert_eq!(trips.best(Leg::Peer, at(540)), None);
    }

    #[test]
    fn a_request_repeated_after_its_answer_is_not_timed_again() {
        let mut trips = RoundTrips::default();
        step(&mut trips, ClientToPeer, Request, 1, 0);
        step(&mut trips, PeerToClient, Response, 1, 30);
        step(&mut trips, ClientToPeer, Request, 1, 500);
        step(&mut trips, PeerToClient, Response, 1, 501);
        assert_eq!(trips.best(Leg::Peer, at(501)).unwrap().greatest, ms(30));
    }

    #[test]
    fn the_oldest_request_gives_way_to_the_ninth() {
        let mut trips = RoundTrips::default();
        for number in 0..9 {
            step(&mut trips, ClientToPeer, Request, number, 0);
        }
        step(&mut trips, PeerToClient, Response, 0, 10);
        assert_eq!(trips.best(Leg::Peer, at(10)), None);
        for number in 1..9 {
            step(&mut trips, PeerToClient, Response, number, 10);
        }
        assert_eq!(trips.best(Leg::Peer, at(10)).unwrap().samples, 8);
    }

    #[test]
    fn an_answer_after_the_end_of_its_transaction_is_none() {
        let mut trips = RoundTrips::default();
        step(&mut trips, ClientToPeer, Request, 1, 0);
        step(&mut trips, ClientToPeer, Request, 2, 1);
        step(&mut trips, PeerToClient, Response, 1, 39_501);
        assert_eq!(trips.best(Leg::Peer, at(39_501)), None);
        step(&mut trips, PeerToClient, Response, 2, 39_501);
        assert_eq!(trips.best(Leg::Peer, at(39_501)).unwrap().last, ms(39_500));
    }

    #[test]
    fn the_peers_leg_is_timed_with_the_peer_of_the_media() {
        let mut trips = RoundTrips::default();
        trips.check(ClientToPeer, Request, id(1), 7, with(7), at(0));
        trips.check(ClientToPeer, Request, id(2), 8, with(7), at(0));
        trips.check(PeerToClient, Response, id(1), 7, with(7), at(30));
        trips.check(PeerToClient, Response, id(2), 8, with(7), at(90));
        assert_eq!(trips.best(Leg::Peer, at(90)).unwrap().greatest, ms(30));
        trips.check(ClientToPeer, Request, id(3), 8, with(8), at(100));
        trips.check(PeerToClient, Response, id(3), 8, with(8), at(190));
        let leg = trips.best(Leg::Peer, at(190)).unwrap();
        assert_eq!((leg.least, leg.smoothed, leg.samples), (ms(90), ms(90), 1), "another path");
    }

    #[test]
    fn the_clients_leg_is_the_same_whoever_the_peer_is() {
        let mut trips = RoundTrips::default();
        for (number, peer, took) in [(1, 7, 20), (2, 8, 40)] {
            trips.check(PeerToClient, Request, id(number), peer, with(7), at(0));
            trips.check(ClientToPeer, Response, id(number), peer, with(7), at(took));
        }
        assert_eq!(trips.best(Leg::Client, at(40)).unwrap().mean, ms(30));
    }

    #[test]
    fn the_best_source_present_is_used_until_it_is_a_minute_old() {
        let mut trips = RoundTrips::default();
        let mut note = |source, took, millis| trips.note(Leg::Client, source, ms(took), 0, at(millis));
        note(RttSource::Challenge, 90, 0);
        note(RttSource::TcpInfo, 40, 10_000);
        note(RttSource::Check, 30, 5_000);
        let source = |millis| trips.best(Leg::Client, at(millis)).unwrap().source;
        assert_eq!(source(10_000), RttSource::Check);
        assert_eq!(source(65_000), RttSource::Check);
        assert_eq!(source(65_001), RttSource::TcpInfo);
        assert_eq!(source(70_001), RttSource::Challenge);
        assert_eq!(source(7_200_000), RttSource::Challenge);
        let all: Vec<_> = trips.all(Leg::Client).map(|leg| leg.source).collect();
        assert_eq!(all, [RttSource::Check, RttSource::TcpInfo, RttSource::Challenge]);
    }

    #[test]
    fn an_eighth_of_each_new_round_trip_is_taken() {
        let mut trips = RoundTrips::default();
        for took in [80, 160] {
            trips.note(Leg::Client, RttSource::TcpInfo, ms(took), 0, at(0));
        }
        let leg = trips.best(Leg::Client, at(0)).unwrap();
        assert_eq!((leg.smoothed, leg.mean, leg.least, leg.greatest), (ms(90), ms(120), ms(80), ms(160)));
    }

    #[test]
    fn an_interval_has_the_mean_of_its_own() {
        let mut trips = RoundTrips::default();
        trips.note(Leg::Client, RttSource::Check, ms(80), 0, at(0));
        trips.end_interval();
        let leg = trips.best(Leg::Client, at(0)).unwrap();
        assert_eq!((leg.mean, leg.samples), (ms(80), 0), "none of its own: the smoothed one");
        trips.note(Leg::Client, RttSource::Check, ms(160), 0, at(0));
        let leg = trips.best(Leg::Client, at(0)).unwrap();
        assert_eq!((leg.mean, leg.samples), (ms(160), 1));
        let overall = trips.all(Leg::Client).next().unwrap();
        assert_eq!((overall.mean, overall.samples), (ms(120), 2));
    }

    #[test]
    fn every_source_stands_at_its_place() {
        for (place, source) in RttSource::ALL.into_iter().enumerate() {
            assert_eq!(source.index(), place);
        }
    }
}
