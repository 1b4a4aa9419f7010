//! One stream of a session: what [`Stream`] counts, and what the session knows beside it — payload types, marks, and
//! the jitter of its intervals.

use std::time::Duration;

use super::Glance;
use super::codec::{CodecId, Media, Role};
use super::interval::{IntervalStream, is_voice};
use super::mark::Watch;
use super::record::RecordStream;
use super::settings::Settings;
use super::stream::{Counts, Heard, Stream};
use crate::time::Time;
use crate::wire::rtp::RtpHeader;

/// A stream and its context. What every packet touches stands first, in a cache line before those of the stream.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Track {
    /// The payload type of the last packet.
    payload_type: u8,
    /// The payload type of the last packet with media.
    media_type: u8,
    /// The clock of `payload_type`, as far as the codecs say.
    clock: Option<u32>,
    watch: Watch,
    stream: Stream,
    start: Time,
    jitter: JitterSoFar,
}

/// What of a packet is not in its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) arrival: Time,
    pub(super) length: u16,
    pub(super) tos: Option<u8>,
}

impl From<&Glance> for Packet {
    #[inline]
    fn from(glance: &Glance) -> Self {
        Self { arrival: glance.arrival, length: glance.length, tos: glance.tos }
    }
}

/// Of the intervals so far.
#[derive(Clone, Copy, Debug, Default)]
struct JitterSoFar {
    /// Of their means, each with the weight of the packets that it was taken over: padding and the other packets of a
    /// picture have no part in it.
    mean: f64,
    packets: u64,
    max: Option<Duration>,
}

impl JitterSoFar {
    fn add(&mut self, heard: &Heard) {
        let Some(jitter) = heard.jitter else { return };
        let packets = heard.counts.timed.max(1);
        self.packets += packets;
        self.mean += (jitter.mean.as_secs_f64() - self.mean) * packets as f64 / self.packets as f64;
        self.max = self.max.max(Some(jitter.max));
    }

    fn mean(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.mean).ok().filter(|_| self.packets > 0)
    }
}

impl Track {
    /// A stream that begins with `first`, which is then to be shown to [`Self::see`] as well.
    pub(super) fn new(settings: &Settings, first: &RtpHeader, arrival: Time) -> Self {
        let clock = clock(settings, first.payload_type);
        Self {
            payload_type: first.payload_type,
            media_type: first.payload_type,
            clock,
            watch: Watch::default(),
            stream: Stream::new(first, arrival, clock),
            start: arrival,
            jitter: JitterSoFar::default(),
        }
    }

    /// One more packet.
    #[inline]
    pub(super) fn see(&mut self, settings: &Settings, header: &RtpHeader, packet: Packet) {
        if header.payload_type != self.payload_type {
            self.turn(settings, header.payload_type);
        }
        if let Some(tos) = packet.tos {
            self.watch.see(tos);
        }
        self.stream.see(header, packet.arrival, packet.length, self.clock);
    }

    /// From now on packets are of another payload type.
    #[cold]
    fn turn(&mut self, settings: &Settings, payload_type: u8) {
        self.payload_type = payload_type;
        self.clock = clock(settings, payload_type);
        if !is_guest(settings, payload_type) || is_guest(settings, self.media_type) {
            self.media_type = payload_type;
        }
    }

    /// When its first packet came.
    pub(super) const fn start(&self) -> Time {
        self.start
    }

    /// When its last packet came.
    pub(super) const fn last(&self) -> Time {
        self.stream.last_arrival()
    }

    /// What was counted, once nothing more is to come.
    pub(super) fn retire(&mut self) -> Counts {
        self.stream.finish();
        self.stream.counts()
    }

    /// What this interval has brought; nothing if there was nothing.
    pub(super) fn end_interval(&mut self, settings: &Settings, is_last: bool) -> Option<IntervalStream> {
        let heard = if is_last { self.stream.finish() } else { self.stream.take_interval() };
        self.jitter.add(&heard);
        let kind = self.kind(settings);
        let is_expected =
            settings.expected_dscp.is_some_and(|dscp| dscp != 0) && is_voice(kind.media, kind.role);
        let bleached = self.watch.end_interval(is_expected);
        if heard.counts == Counts::default() && bleached.is_none() {
            return None;
        }
        Some(IntervalStream {
            ssrc: self.stream.ssrc(),
            payload_type: self.media_type,
            codec: self.codec(settings),
            media: kind.media,
            role: kind.role,
            clock_rate: kind.clock_rate,
            heard,
            bleached,
            is_voice: false,
        })
    }

    /// What there was of it in a session that began at `start`.
    pub(super) fn record(&self, settings: &Settings, start: Time) -> RecordStream {
        let kind = self.kind(settings);
        RecordStream {
            ssrc: self.stream.ssrc(),
            payload_type: self.media_type,
            codec: self
                .codec(settings)
                .and_then(|id| settings.codecs.get(id))
                .map(|codec| codec.name.clone()),
            media: kind.media,
            role: kind.role,
            clock_rate: kind.clock_rate,
            start: self.start.since(start),
            duration: self.last().since(self.start),
            counts: self.stream.counts(),
            mean_jitter: self.jitter.mean().or_else(|| self.stream.jitter()),
            max_jitter: self.jitter.max.max(self.stream.jitter()),
            dscp: self.watch.dscp(),
            bleached: self.watch.found(),
        }
    }

    /// What the payload type stands for; nothing if the stream has another clock than that would have: payload types are
    /// agreed upon call by call, and in this one it stands for something else.
    fn codec(&self, settings: &Settings) -> Option<CodecId> {
        let id = settings.codecs.id(self.media_type)?;
        let (told, shown) = (settings.codecs.get(id)?.clock_rate, self.stream.clock_rate());
        let agrees = told.is_none() || shown.is_none() || told == shown;
        (agrees || is_guest(settings, self.media_type)).then_some(id)
    }

    /// By the codec; of one that is not known, by the clock: pictures have 90 kHz (RFC 3551), and nothing else has.
    fn kind(&self, settings: &Settings) -> Kind {
        let codec = self.codec(settings).and_then(|id| settings.codecs.get(id));
        let known = codec.and_then(|codec| codec.clock_rate);
        let clock_rate = known.or_else(|| self.stream.clock_rate());
        let by_clock = match clock_rate {
            Some(90_000) => Media::Video,
            Some(_) => Media::Audio,
            None => Media::Other,
        };
        Kind {
            media: codec.map_or(by_clock, |codec| codec.media),
            role: codec.map_or(Role::Primary, |codec| codec.role),
            clock_rate,
        }
    }
}

/// The clock of a payload type. What lives under a voice's SSRC has its clock, whatever the payload type says.
fn clock(settings: &Settings, payload_type: u8) -> Option<u32> {
    let codec = settings.codecs.codec(payload_type)?;
    if is_guest(settings, payload_type) { None } else { codec.clock_rate }
}

/// Whether packets of this type are something beside the media of their SSRC.
fn is_guest(settings: &Settings, payload_type: u8) -> bool {
    let codec = settings.codecs.codec(payload_type);
    codec.is_some_and(|codec| matches!(codec.role, Role::ComfortNoise | Role::TelephoneEvent))
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    media: Media,
    role: Role,
    clock_rate: Option<u32>,
}
