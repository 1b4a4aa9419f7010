//! Any number of calls, and all that a packet costs beside its way: the look at it, and its session.

use std::time::Duration;

use tern::quality::{Direction, Glance, Session, Settings};
use tern::time::Time;

/// Sessions with a voice in either direction, in an order that has nothing to do with where they lie.
pub(crate) struct Calls {
    #[expect(clippy::vec_box, reason = "apart from each other, as those of relays are")]
    all: Vec<Box<Session>>,
    settings: Settings,
    packet: [u8; 172],
    /// Of the packets of this round.
    number: u32,
    next: usize,
}

impl Calls {
    /// `count` sessions whose voices have had their first two packets.
    pub(crate) fn new(count: usize) -> Self {
        let mut packet = [0; 172];
        packet[..12].copy_from_slice(&[0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        let all = (0..count).map(|_| Box::new(Session::new(Time::from_secs(1)))).collect();
        let mut calls = Self { all, settings: Settings::default(), packet, number: 0, next: 0 };
        for _ in 0..4 * count {
            calls.see();
        }
        calls
    }

    /// Looks at the next packet of the next session, and shows it to the session; one way in every other round.
    pub(crate) fn see(&mut self) {
        let [_, _, s0, s1] = (self.number / 2).to_be_bytes();
        let [t0, t1, t2, t3] = (self.number / 2).wrapping_mul(960).to_be_bytes();
        self.packet[2..8].copy_from_slice(&[s0, s1, t0, t1, t2, t3]);
        let jitter = u64::from(self.number % 7) * 300;
        let at = Time::from_secs(1) + Duration::from_micros(u64::from(self.number) * 10_000 + jitter);
        let direction =
            if self.number.is_multiple_of(2) { Direction::ClientToPeer } else { Direction::PeerToClient };
        let glance = Glance::of(std::hint::black_box(&self.packet), at, Some(0xb8));
        self.all[self.next].see(&self.settings, direction, 9, &glance);
        // A step that meets every session once: 7919 is prime.
        self.next = (self.next + 7919) % self.all.len();
        self.number += u32::from(self.next == 0);
    }
}
