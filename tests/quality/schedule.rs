//! Media as it is to be sent: which packet, when, marked how.
//!
//! A [`Sender`] is told what happens in a call, and writes down a perfect stream. `impair` then takes packets away,
//! delays or doubles them. Each packet remembers its place in the perfect stream, so that the truth (`truth`) needs no
//! arithmetic on sequence numbers.

use std::time::Duration;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// When it leaves, counted from the schedule's beginning.
    pub(crate) at: Duration,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Bytes behind the header.
    pub(crate) size: usize,
    /// DSCP and ECN: the whole octet.
    pub(crate) tos: u8,
    /// Ticks per second of `timestamp`.
    pub(crate) clock: u32,
    /// Its place in the stream, which no sequence number repeats; starts again with a restart.
    pub(crate) place: u32,
    /// How often its sender has started again.
    pub(crate) epoch: u32,
    /// The sender's clock does not go on from the packet before as time does: there is no jitter between the two.
    pub(crate) breaks: bool,
}

impl Packet {
    /// As it crosses the wire; `serial` tells it from its copies.
    pub(crate) fn bytes(&self, serial: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type | u8::from(self.marker) << 7];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(serial.to_be_bytes());
        bytes.resize(HEADER + self.size, 0x5a);
        bytes
    }
}

/// Bytes of a header without extensions.
pub(crate) const HEADER: usize = 12;

/// What a packet was sent with, read off its bytes.
pub(crate) fn serial_of(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[HEADER..HEADER + 4].try_into().unwrap())
}

/// How a codec fills packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    pub(crate) clock: u32,
    pub(crate) frame: Duration,
    pub(crate) size: usize,
}

const fn audio(payload_type: u8, clock: u32, size: usize) -> Format {
    Format { payload_type, clock, frame: Duration::from_millis(20), size }
}

/// As browsers number them.
pub(crate) const OPUS: Format = audio(111, 48_000, 80);
/// Opus with redundancy (RFC 2198).
pub(crate) const RED: Format = audio(63, 48_000, 165);
pub(crate) const PCMU: Format = audio(0, 8000, 160);
/// 16 kHz inside, 8 kHz in its timestamps (RFC 3551 section 4.5.2).
pub(crate) const G722: Format = audio(9, 8000, 160);
/// Comfort noise.
pub(crate) const CN: u8 = 13;
/// DTMF at Opus's clock.
pub(crate) const TELEPHONE_EVENT: u8 = 110;
pub(crate) const VP8: Format =
    Format { payload_type: 96, clock: 90_000, frame: Duration::from_nanos(33_333_333), size: 1_100 };
/// Retransmissions of VP8 (RFC 4588).
pub(crate) const RTX: u8 = 97;

/// Writes down a stream.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    format: Format,
    ssrc: u32,
    now: Duration,
    sequence: u16,
    /// Ticks; wraps with the timestamp.
    media: f64,
    timestamp: u32,
    place: u32,
    epoch: u32,
    tos: u8,
    marker: bool,
    breaks: bool,
    packets: Vec<Packet>,
}

impl Sender {
    pub(crate) fn new(format: Format, ssrc: u32) -> Self {
        Self {
            format,
            ssrc,
            now: Duration::ZERO,
            sequence: 1_000,
            media: 0.0,
            timestamp: 0x1234_5678,
            place: 0,
            epoch: 0,
            tos: 0,
            marker: true,
            breaks: false,
            packets: Vec::new(),
        }
    }

    /// The first sequence number.
    pub(crate) fn at_sequence(mut self, sequence: u16) -> Self {
        self.sequence = sequence;
        self
    }

    /// The first timestamp.
    pub(crate) fn at_timestamp(mut self, timestamp: u32) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// From here on packets say so in their IP header.
    pub(crate) fn mark(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// From here on in another format of the same clock.
    pub(crate) fn switch(mut self, format: Format) -> Self {
        assert_eq!(format.clock, self.format.clock, "one stream has one clock");
        self.format = format;
        self
    }

    /// So many frames of one packet each.
    pub(crate) fn talk(mut self, frames: u32) -> Self {
        for _ in 0..frames {
            self.put(self.format.payload_type, self.format.size);
            self.pass(self.format.frame);
        }
        self
    }

    /// So many frames of `parts` packets, which share a timestamp; the last has the marker.
    pub(crate) fn show(mut self, frames: u32, parts: u32) -> Self {
        for _ in 0..frames {
            for part in 1..=parts {
                self.marker = part == parts;
                self.put(self.format.payload_type, self.format.size);
            }
            self.pass(self.format.frame);
        }
        self
    }

    /// One packet of another payload type, and the time of a frame.
    pub(crate) fn insert(mut self, payload_type: u8, size: usize) -> Self {
        self.put(payload_type, size);
        self.pass(self.format.frame);
        self
    }

    /// A key is pressed (RFC 4733): a packet a frame, and its end three times, all with the timestamp of its beginning.
    pub(crate) fn press(mut self, frames: u32) -> Self {
        let begun = self.ticks();
        for frame in 0..frames + 2 {
            self.marker = frame == 0;
            self.put(TELEPHONE_EVENT, 4);
            self.packets.last_mut().expect("just put").timestamp = begun;
            // The end's copies leave at once.
            if frame < frames {
                self.pass(self.format.frame);
            }
        }
        self
    }

    /// Nothing is sent and time goes on, also in the timestamps: discontinuous transmission.
    pub(crate) fn silence(mut self, time: Duration) -> Self {
        self.pass(time);
        self.marker = true;
        self
    }

    /// Nothing is sent, and the timestamps go on as if nothing had been: a call on hold.
    pub(crate) fn hold(mut self, time: Duration) -> Self {
        self.now += time;
        self.marker = true;
        self.breaks = true;
        self
    }

    /// The sender begins again under its old name, with other numbers.
    pub(crate) fn restart(mut self, sequence: u16, timestamp: u32) -> Self {
        (self.sequence, self.timestamp, self.media) = (sequence, timestamp, 0.0);
        (self.place, self.epoch) = (0, self.epoch + 1);
        self.marker = true;
        self.breaks = true;
        self
    }

    pub(crate) fn end(self) -> Vec<Packet> {
        self.packets
    }

    fn ticks(&self) -> u32 {
        self.timestamp.wrapping_add(self.media.round() as u32)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.media += time.as_secs_f64() * f64::from(self.format.clock);
    }

    fn put(&mut self, payload_type: u8, size: usize) {
        self.packets.push(Packet {
            at: self.now,
            marker: self.marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.ticks(),
            ssrc: self.ssrc,
            size,
            tos: self.tos,
            clock: self.format.clock,
            place: self.place,
            epoch: self.epoch,
            breaks: self.breaks,
        });
        self.sequence = self.sequence.wrapping_add(1);
        self.place += 1;
        self.marker = false;
        self.breaks = false;
    }
}

/// Several streams of one sender, in the order in which they leave.
pub(crate) fn together<const COUNT: usize>(streams: [Vec<Packet>; COUNT]) -> Vec<Packet> {
    let mut packets: Vec<Packet> = streams.into_iter().flatten().collect();
    packets.sort_by_key(|packet| packet.at);
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Time since the packet before, and ticks.
    fn step(packets: &[Packet], index: usize) -> (Duration, u32) {
        let [before, after] = [&packets[index - 1], &packets[index]];
        (after.at - before.at, after.timestamp.wrapping_sub(before.timestamp))
    }

    #[test]
    fn a_talker_sends_a_packet_each_frame_and_wraps() {
        let packets = Sender::new(OPUS, 7).at_sequence(65_535).at_timestamp(u32::MAX).talk(3).end();
        assert_eq!(packets.iter().map(|packet| packet.sequence).collect::<Vec<_>>(), [65_535, 0, 1]);
        assert_eq!(packets.iter().map(|packet| packet.place).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(step(&packets, 2), (Duration::from_millis(20), 960));
        assert!(packets[0].marker && !packets[1].marker);
    }

    #[test]
    fn silence_passes_in_timestamps_and_a_hold_does_not() {
        let silent = Sender::new(PCMU, 7).talk(1).silence(SECOND).talk(1).end();
        assert_eq!(step(&silent, 1), (Duration::from_millis(1_020), 8_160));
        assert!(silent[1].marker && !silent[1].breaks);
        let held = Sender::new(PCMU, 7).talk(1).hold(SECOND).talk(2).end();
        assert_eq!(step(&held, 1), (Duration::from_millis(1_020), 160));
        assert!(held[1].breaks && !held[2].breaks);
        assert_eq!(held[1].sequence, held[0].sequence + 1);
    }

    #[test]
    fn a_key_has_one_timestamp_and_time_goes_on_behind_it() {
        let packets = Sender::new(OPUS, 7).talk(1).press(3).talk(1).end();
        let events: Vec<_> =
            packets.iter().filter(|packet| packet.payload_type == TELEPHONE_EVENT).cloned().collect();
        assert_eq!(events.len(), 5);
        assert!(events.iter().all(|packet| packet.timestamp == events[0].timestamp));
        assert_eq!(packets[6].timestamp - packets[0].timestamp, 4 * 960);
        assert_eq!(packets[6].at, Duration::from_millis(80));
    }

    #[test]
    fn the_packets_of_a_picture_share_its_timestamp() {
        let packets = Sender::new(VP8, 7).show(31, 3).end();
        assert_eq!(step(&packets, 1), (Duration::ZERO, 0));
        assert_eq!(step(&packets, 3).1, 3_000);
        // No rounding adds up.
        assert_eq!(packets[90].timestamp - packets[0].timestamp, 90_000);
        assert!(packets[2].marker && !packets[0].marker);
    }

    #[test]
    fn a_restart_begins_with_other_numbers() {
        let packets = Sender::new(OPUS, 7).talk(2).restart(40_000, 99).talk(2).end();
        assert_eq!((packets[2].sequence, packets[2].timestamp, packets[2].place), (40_000, 99, 0));
        assert_eq!((packets[1].epoch, packets[2].epoch), (0, 1));
        assert_eq!(packets[2].at, Duration::from_millis(40));
    }

    #[test]
    fn a_packet_on_the_wire_says_what_the_schedule_says() {
        let packets = Sender::new(OPUS, 0x0102_0304).talk(1).end();
        let bytes = packets[0].bytes(0xa0b0_c0d0);
        let expected = [0x80, 0xef, 3, 232, 0x12, 0x34, 0x56, 0x78, 1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0];
        assert_eq!(bytes[..16], expected);
        assert_eq!((bytes.len(), serial_of(&bytes)), (92, 0xa0b0_c0d0));
    }
}
