//! What a network does to a stream before the relay sees it.
//!
//! The first two packets and the last of each stream are left alone where chance decides: what is lost before the
//! first or behind the last cannot be seen by anybody, and the first is where delays are counted from.

use std::time::Duration;

use crate::dice::{Dice, Gilbert};
use crate::schedule::Packet;

/// Packets in the order in which they leave.
pub(crate) trait Impair: Sized {
    /// Those at these places never come.
    fn lose(self, places: &[u32]) -> Self;
    /// Runs of losses.
    fn lose_in_bursts(self, seed: u64, channel: Gilbert) -> Self;
    /// Those at these places leave so much later, and behind others where that is more than a frame.
    fn delay(self, places: &[u32], by: Duration) -> Self;
    /// Each leaves later by chance, by less than `most`.
    fn jitter(self, seed: u64, most: Duration) -> Self;
    /// Those at these places come again so much later.
    fn double(self, places: &[u32], after: Duration) -> Self;
    /// The sender's clock is faster than ours by so many millionths.
    fn drift(self, millionths: i32) -> Self;
    /// Whoever forwards it on the way writes something else into the IP header of what leaves from `from` on.
    fn remark(self, from: Duration, tos: u8) -> Self;
}

impl Impair for Vec<Packet> {
    fn lose(mut self, places: &[u32]) -> Self {
        self.retain(|packet| !places.contains(&packet.place));
        self
    }

    fn lose_in_bursts(mut self, seed: u64, mut channel: Gilbert) -> Self {
        let (mut dice, last) = (Dice::new(seed), last_place(&self));
        self.retain(|packet| !channel.loses(&mut dice) || is_kept(packet, last));
        self
    }

    fn delay(mut self, places: &[u32], by: Duration) -> Self {
        for packet in self.iter_mut().filter(|packet| places.contains(&packet.place)) {
            packet.at += by;
        }
        in_order(self)
    }

    fn jitter(mut self, seed: u64, most: Duration) -> Self {
        let (mut dice, last) = (Dice::new(seed), last_place(&self));
        for packet in &mut self {
            let late = dice.duration(most);
            if !is_kept(packet, last) {
                packet.at += late;
            }
        }
        in_order(self)
    }

    fn double(mut self, places: &[u32], after: Duration) -> Self {
        let again = self.iter().filter(|packet| places.contains(&packet.place));
        let again: Self = again.map(|packet| Packet { at: packet.at + after, ..packet.clone() }).collect();
        self.extend(again);
        in_order(self)
    }

    fn drift(mut self, millionths: i32) -> Self {
        for packet in &mut self {
            packet.at = packet.at.div_f64(1.0 + f64::from(millionths) / 1e6);
        }
        self
    }

    fn remark(mut self, from: Duration, tos: u8) -> Self {
        for packet in self.iter_mut().filter(|packet| packet.at >= from) {
            packet.tos = tos;
        }
        self
    }
}

fn is_kept(packet: &Packet, last: u32) -> bool {
    packet.place < 2 || packet.place >= last
}

fn last_place(packets: &[Packet]) -> u32 {
    packets.iter().map(|packet| packet.place).max().unwrap_or(0)
}

fn in_order(mut packets: Vec<Packet>) -> Vec<Packet> {
    packets.sort_by_key(|packet| packet.at);
    packets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{OPUS, Sender};

    fn stream(frames: u32) -> Vec<Packet> {
        Sender::new(OPUS, 7).talk(frames).end()
    }

    fn places(packets: &[Packet]) -> Vec<u32> {
        packets.iter().map(|packet| packet.place).collect()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_delayed_by_more_than_a_frame_comes_behind_others() {
        assert_eq!(places(&stream(5).delay(&[1], 25 * MS)), [0, 2, 1, 3, 4]);
        assert_eq!(places(&stream(5).delay(&[1], 15 * MS)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_lost_does_not_come_and_what_is_doubled_comes_twice() {
        assert_eq!(places(&stream(5).lose(&[1, 3])), [0, 2, 4]);
        assert_eq!(places(&stream(4).double(&[1], MS)), [0, 1, 1, 2, 3]);
    }

    #[test]
    fn chance_leaves_the_ends_alone() {
        let lost = stream(50).lose_in_bursts(1, Gilbert::new(0.9, 0.1));
        assert!(lost.len() < 20);
        assert_eq!((lost[0].place, lost[1].place, lost[lost.len() - 1].place), (0, 1, 49));
        let late = stream(50).jitter(1, 15 * MS);
        assert_eq!((late[0].at, late[1].at, late[49].at), (Duration::ZERO, 20 * MS, 980 * MS));
        assert!(late[2..49].iter().any(|packet| packet.at.as_millis() % 20 > 10));
    }

    #[test]
    fn a_fast_clock_sends_early() {
        assert_eq!(stream(101).drift(1_000)[100].at.as_micros(), 1_998_001);
    }
}
