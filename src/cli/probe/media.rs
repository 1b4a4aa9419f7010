//! The media of a probe: packets there, each sent back as it comes, and what became of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::bearer::{Bearer, unwrap};
use super::report::{Media, Way};
use super::stage::{End, Stage};
use super::trouble::Trouble;
use crate::quality::JitterBuffer;
use crate::quality::codec::Codec;
use crate::quality::emodel::{Conditions, Rating, rate};
use crate::quality::stream::Stream;
use crate::time::Time;
use crate::wire::rtp::{HEADER_LEN, RtpHeader};

/// What a telephone sends: fifty packets a second of G.711, whose impairments the ITU-T has published.
const CODEC: &str = "pcmu";
const PAYLOAD_TYPE: u8 = 0;
const PERIOD: Duration = Duration::from_millis(20);
const CLOCK_RATE: u32 = 8_000;
/// 160 samples.
const SAMPLES: usize = 160;
/// Tells our packets from anybody else's.
const KEY: usize = 8;
/// For packets that are still on their way when the last one has been sent.
const LINGER: Duration = Duration::from_secs(1);

/// Who sends to whom.
pub(super) struct Parties {
    /// The first sender, and where it sends to.
    pub(super) near: (End, SocketAddr),
    /// Who sends back, and where.
    pub(super) far: (End, SocketAddr),
    pub(super) bearer: Bearer,
}

struct Call<'a> {
    stage: &'a mut Stage,
    parties: &'a Parties,
    is_stream: bool,
    key: [u8; KEY],
    start: Time,
    /// When each packet was sent, by its number.
    sent: Vec<Time>,
    out: Flow,
    back: Flow,
    trips: Vec<Duration>,
}

/// One direction.
#[derive(Default)]
struct Flow {
    sent: u64,
    stream: Option<Stream>,
}

/// Sends for so long, and says how it went.
pub(super) fn exchange(stage: &mut Stage, parties: &Parties, duration: Duration) -> Result<Media, Trouble> {
    let mut key = [0; KEY];
    // Without randomness a packet of another probe might be taken for ours.
    let _ = getrandom::fill(&mut key);
    let start = stage.now();
    let is_stream = stage.server().transport.is_stream();
    let (out, back) = (Flow::default(), Flow::default());
    let mut call =
        Call { stage, parties, is_stream, key, start, sent: Vec::new(), out, back, trips: Vec::new() };
    call.run(duration)?;
    Ok(call.judge())
}

impl Call<'_> {
    fn run(&mut self, duration: Duration) -> Result<(), Trouble> {
        let packets = duration.as_millis() / PERIOD.as_millis();
        let packets = u32::try_from(packets).unwrap_or(u32::MAX);
        for number in 0..packets {
            self.send(number)?;
            let next = self.start + PERIOD * (number + 1);
            self.take_until(next, |_| false)?;
        }
        let end = self.stage.now() + LINGER;
        self.take_until(end, |call| call.trips.len() >= call.sent.len())
    }

    /// Sends packet `number` from the near end.
    fn send(&mut self, number: u32) -> Result<(), Trouble> {
        let now = self.stage.now();
        self.sent.push(now);
        self.out.sent += 1;
        let packet = self.packet(number, now, b"near");
        let (end, to) = self.parties.near;
        self.dispatch(end, to, &packet, u64::from(number))
    }

    fn dispatch(&mut self, end: End, to: SocketAddr, packet: &[u8], number: u64) -> Result<(), Trouble> {
        match end {
            End::Client(_) => {
                let frame = self.parties.bearer.wrap(to, packet, self.is_stream, number);
                self.stage.send(end, to, &frame)
            }
            End::Socket => self.stage.send(end, to, packet),
        }
    }

    fn take_until(&mut self, until: Time, is_over: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        while self.stage.now() < until && !is_over(self) {
            for arrival in self.stage.wait("media", until)? {
                let payload = match arrival.end {
                    End::Client(_) => unwrap(&arrival.bytes),
                    End::Socket => Some(arrival.bytes.as_slice()),
                };
                let Some((header, number)) = payload.and_then(|payload| self.read(payload)) else { continue };
                if arrival.end == self.parties.far.0 {
                    self.send_back(&header, number, arrival.at)?;
                } else if arrival.end == self.parties.near.0 {
                    self.came_back(&header, number, arrival.at);
                }
            }
        }
        Ok(())
    }

    fn send_back(&mut self, header: &RtpHeader, number: u32, at: Time) -> Result<(), Trouble> {
        if !self.out.see(header, at) {
            return Ok(());
        }
        self.back.sent += 1;
        let packet = self.packet(number, self.stage.now(), b"back");
        let (end, to) = self.parties.far;
        self.dispatch(end, to, &packet, u64::from(number))
    }

    fn came_back(&mut self, header: &RtpHeader, number: u32, at: Time) {
        let sent = usize::try_from(number).ok().and_then(|number| self.sent.get(number));
        if let Some(sent) = sent.copied()
            && self.back.see(header, at)
        {
            self.trips.push(at.since(sent));
        }
    }

    /// Its timestamp is that of its sending: what this machine is late by is not the network's jitter.
    fn packet(&self, number: u32, now: Time, source: &[u8; 4]) -> Vec<u8> {
        let ticks = now.since(self.start).as_nanos() * u128::from(CLOCK_RATE) / 1_000_000_000;
        let ticks = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
        let [.., s0, s1] = number.to_be_bytes();
        let mut packet = Vec::with_capacity(HEADER_LEN + SAMPLES);
        packet.extend_from_slice(&[0x80, PAYLOAD_TYPE, s0, s1]);
        packet.extend_from_slice(&ticks.to_be_bytes());
        packet.extend_from_slice(source);
        packet.extend_from_slice(&self.key);
        packet.extend_from_slice(&number.to_be_bytes());
        // Silence, as G.711 has it.
        packet.resize(HEADER_LEN + SAMPLES, 0xff);
        packet
    }

    /// One of ours: its header and its number.
    fn read(&self, packet: &[u8]) -> Option<(RtpHeader, u32)> {
        let header = RtpHeader::parse(packet)?;
        let body = packet.get(HEADER_LEN..)?.strip_prefix(self.key.as_slice())?;
        Some((header, u32::from_be_bytes(*body.first_chunk()?)))
    }

    fn judge(mut self) -> Media {
        self.trips.sort_unstable();
        let middle = percentile(&self.trips, 50);
        let [out, back] = [&mut self.out, &mut self.back].map(|flow| flow.judge(middle));
        Media {
            seconds: self.stage.now().since(self.start).as_secs_f64().round(),
            packets_per_second: 50,
            out,
            back,
            rtt_p50_ms: middle.map(milliseconds),
            rtt_p95_ms: percentile(&self.trips, 95).map(milliseconds),
            rtt_max_ms: self.trips.last().copied().map(milliseconds),
        }
    }
}

impl Flow {
    /// Counts a packet; false for a copy.
    fn see(&mut self, header: &RtpHeader, at: Time) -> bool {
        let stream = self.stream.get_or_insert_with(|| Stream::new(header, at, Some(CLOCK_RATE)));
        let before = stream.counts().received;
        let length = u16::try_from(HEADER_LEN + SAMPLES).unwrap_or(u16::MAX);
        stream.see(header, at, length, Some(CLOCK_RATE));
        stream.counts().received > before
    }

    fn judge(&mut self, trip: Option<Duration>) -> Way {
        let mut way = Way { sent: self.sent, ..Way::default() };
        let Some(stream) = &mut self.stream else {
            way.lost = self.sent;
            way.loss_percent = if self.sent > 0 { 100.0 } else { 0.0 };
            return way;
        };
        let counts = stream.counts();
        way.received = counts.received;
        // What was lost at either end of the run no number of the stream tells.
        way.lost = self.sent.saturating_sub(counts.received);
        way.loss_percent = round(way.lost as f64 * 100.0 / self.sent.max(1) as f64);
        way.duplicate = counts.duplicate;
        way.reordered = counts.reordered;
        way.jitter_ms = stream.finish().jitter.map(|jitter| milliseconds(jitter.mean));
        let buffer = JitterBuffer::default();
        let share = way.lost as f64 / self.sent.max(1) as f64;
        let conditions = Conditions {
            delay: Duration::ZERO,
            loss: share * 100.0,
            discard: counts.discard(buffer.index()) * (1.0 - share) * 100.0,
            burst_ratio: counts.burst_ratio(),
        };
        way.mos = trip.and_then(|trip| rated(trip, buffer, conditions)).map(|rating| round(rating.mos));
        way
    }
}

/// The opinion of somebody who hears what came: half the round trip, the jitter buffer, a packet and the codec after it was said.
fn rated(trip: Duration, buffer: JitterBuffer, conditions: Conditions) -> Option<Rating> {
    let codec = Codec::known(CODEC)?;
    let delay = trip / 2 + buffer.duration() + codec.frame + codec.lookahead;
    Some(rate(&codec.impairment?, &Conditions { delay, ..conditions }))
}

/// Of a sorted list.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1_000.0)
}

/// To a hundredth.
pub(super) fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, ticks: u32) -> RtpHeader {
        RtpHeader { marker: false, payload_type: 0, sequence, timestamp: ticks, ssrc: 1 }
    }

    /// A flow of `sent` packets of which some did not come.
    fn flow(sent: u16, lost: impl Fn(u16) -> bool) -> Flow {
        let mut flow = Flow { sent: u64::from(sent), stream: None };
        for number in (0..sent).filter(|number| !lost(*number)) {
            let at = Time::from_secs(10) + PERIOD * u32::from(number);
            assert!(flow.see(&header(number, u32::from(number) * 160), at));
            assert!(!flow.see(&header(number, u32::from(number) * 160), at), "a copy");
        }
        flow
    }

    #[test]
    fn losses_at_either_end_count_as_well() {
        let way = flow(100, |number| number < 2 || number == 50 || number >= 98).judge(Some(PERIOD));
        assert_eq!((way.sent, way.received, way.lost, way.loss_percent), (100, 95, 5, 5.0));
        assert_eq!(way.duplicate, 95);
    }

    #[test]
    fn a_clean_way_has_the_best_opinion_and_losses_and_delay_cost_some() {
        let mos = |loss: fn(u16) -> bool, trip| flow(500, loss).judge(Some(trip)).mos.unwrap();
        let clean = mos(|_| false, Duration::from_millis(1));
        assert!((4.3..4.45).contains(&clean), "{clean}");
        assert!(mos(|number| number % 20 == 3, Duration::from_millis(1)) < clean - 0.3);
        assert!(mos(|_| false, Duration::from_millis(600)) < clean - 0.3);
    }

    #[test]
    fn nothing_that_came_has_no_opinion() {
        let way = flow(50, |_| true).judge(None);
        assert_eq!((way.lost, way.loss_percent, way.mos, way.jitter_ms), (50, 100.0, None, None));
    }

    #[test]
    fn percentiles_are_values_of_the_list() {
        let list: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&list, 95), Some(Duration::from_millis(96)));
        assert_eq!(percentile(&list[..1], 95), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
