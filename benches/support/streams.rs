//! Any number of media streams, and the part of a packet's way that listens to it.

use std::time::Duration;

use tern::quality::stream::{Seen, Stream};
use tern::time::Time;
use tern::wire::rtp::RtpHeader;

/// Of the voice that is spoken here.
const CLOCK: u32 = 48_000;

/// Streams in an order that has nothing to do with where they lie.
pub(crate) struct Streams {
    all: Vec<Stream>,
    packet: [u8; 12],
    /// Of the packets of this round.
    number: u32,
    next: usize,
}

impl Streams {
    /// `count` streams that have had their first packet.
    pub(crate) fn new(count: usize) -> Self {
        let packet = [0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        let header = RtpHeader::parse(&packet).unwrap();
        let at = Time::from_secs(1);
        let mut all: Vec<_> = (0..count).map(|_| Stream::new(&header, at, Some(CLOCK))).collect();
        for stream in &mut all {
            stream.see(&header, at, 160, Some(CLOCK));
        }
        Self { all, packet, number: 1, next: 0 }
    }

    /// Reads the next packet of the next stream and takes it: 20 ms after the one before, give or take.
    pub(crate) fn hear(&mut self) -> Seen {
        let [.., s0, s1] = self.number.to_be_bytes();
        let [t0, t1, t2, t3] = self.number.wrapping_mul(960).to_be_bytes();
        self.packet[2..8].copy_from_slice(&[s0, s1, t0, t1, t2, t3]);
        let jitter = u64::from(self.number % 7) * 300;
        let at = Time::from_secs(1) + Duration::from_micros(u64::from(self.number) * 20_000 + jitter);
        let header = RtpHeader::parse(std::hint::black_box(&self.packet)).unwrap();
        let seen = self.all[self.next].see(&header, at, 160, Some(CLOCK));
        // A step that meets every stream once: 7919 is prime.
        self.next = (self.next + 7919) % self.all.len();
        self.number += u32::from(self.next == 0);
        seen
    }
}
