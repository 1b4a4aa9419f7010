//! Packets that tell when they were sent and whether they arrived whole.
//!
//! To whoever is between they are RTP: a relay that listens to media has as much to do with them as with a call. The SSRC
//! is the session, its highest bit the direction; the clock runs at 48 kHz.
//!
//! ```text
//!  0         2                    4           8                    12     13           14                    16          24
//!  RTP, PT   sequence, low half   timestamp   direction, session   mark   generation   sequence, high half   sent (ns)   filler
//! ```
//!
//! Which filler it is follows from the fields before it.

mod track;

use std::sync::OnceLock;

pub use track::Tracker;

use crate::clock::Nanos;

/// The shortest packet.
pub const STAMP_LEN: usize = 24;

/// Version 2 without anything else, then a payload type that most call Opus.
const RTP: [u8; 2] = [0x80, 111];
/// Ticks of the timestamp from packet to packet.
const TICKS: u32 = 960;
/// The way, in an SSRC.
const DOWN: u32 = 1 << 31;
const MARK: u8 = b'T';

/// How far the filler of one packet may be from that of another.
const OFFSETS: usize = 4096;

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which session it belongs to: that of the sending client, or of the client it is meant for. 31 bits.
    pub session: u32,
    /// Which way it goes.
    pub way: Way,
    /// How often the session has been opened; packets of an earlier opening do not count.
    pub generation: u8,
    /// Consecutive within session, way and generation.
    pub sequence: u32,
    /// When it was sent.
    pub sent: Nanos,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client.
    Up = 0,
    /// To a client, from a peer.
    Down = 1,
}

/// Not a packet of ours, or not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl Stamp {
    /// Fills a packet: the stamp, then filler to its end. Packets shorter than [`STAMP_LEN`] are left as they are.
    pub fn write(&self, packet: &mut [u8]) {
        let Some((head, rest)) = packet.split_first_chunk_mut::<STAMP_LEN>() else { return };
        let [high0, high1, low0, low1] = self.sequence.to_be_bytes();
        let way = match self.way {
            Way::Up => 0,
            Way::Down => DOWN,
        };
        let fields = RTP
            .into_iter()
            .chain([low0, low1])
            .chain(self.sequence.wrapping_mul(TICKS).to_be_bytes())
            .chain((self.session & !DOWN | way).to_be_bytes())
            .chain([MARK, self.generation, high0, high1])
            .chain(self.sent.0.to_be_bytes());
        head.iter_mut().zip(fields).for_each(|(at, byte)| *at = byte);
        rest.copy_from_slice(self.filler(rest.len()));
    }

    /// Reads a packet and checks every byte of it.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn read(packet: &[u8]) -> Result<Self, Corrupt> {
        Self::split(packet)
            .filter(|(stamp, filler)| stamp.filler(filler.len()) == *filler)
            .map(|it| it.0)
            .ok_or(Corrupt)
    }

    fn split(packet: &[u8]) -> Option<(Self, &[u8])> {
        let (rtp, rest) = packet.split_first_chunk()?;
        let (&[low0, low1], rest) = rest.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (&[MARK, generation, high0, high1], rest) = rest.split_first_chunk()? else { return None };
        let (sent, filler) = rest.split_first_chunk()?;
        let source = u32::from_be_bytes(*source);
        let sequence = u32::from_be_bytes([high0, high1, low0, low1]);
        let stamp = Self {
            session: source & !DOWN,
            way: if source & DOWN == 0 { Way::Up } else { Way::Down },
            generation,
            sequence,
            sent: Nanos(u64::from_be_bytes(*sent)),
        };
        let is_whole = *rtp == RTP && u32::from_be_bytes(*timestamp) == sequence.wrapping_mul(TICKS);
        is_whole.then_some((stamp, filler))
    }

    /// Bytes that this packet has and hardly another: a piece of one table, so that neither writing nor checking
    /// computes anything per byte.
    fn filler(&self, length: usize) -> &'static [u8] {
        let mixed = self.sent.0 ^ (u64::from(self.session) << 32) ^ u64::from(self.sequence);
        // The highest bits of the product depend on every bit that went in.
        let hashed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let offset = usize::try_from((hashed * OFFSETS as u64) >> 32).unwrap_or(0);
        table().get(offset..offset + length).unwrap_or(&[])
    }
}

/// Pseudo-random bytes, the same in every run.
fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()
        };
        std::iter::repeat_with(next).take((OFFSETS + 65_536) / 8).flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        session: 7,
        way: Way::Down,
        generation: 3,
        sequence: 0x0102_0304,
        sent: Nanos(99_000_000_001),
    };

    #[test]
    fn what_is_written_is_read() {
        for length in [STAMP_LEN, STAMP_LEN + 1, 160, 1200, 65_400] {
            let mut packet = vec![0; length];
            STAMP.write(&mut packet);
            assert_eq!(Stamp::read(&packet), Ok(STAMP), "{length}");
        }
    }

    #[test]
    fn a_packet_is_rtp() {
        let mut packet = vec![0; 160];
        STAMP.write(&mut packet);
        let header = tern::wire::rtp::RtpHeader::parse(&packet).unwrap();
        assert_eq!((header.sequence, header.timestamp), (0x0304, STAMP.sequence.wrapping_mul(960)));
        assert_eq!((header.payload_type, header.ssrc), (111, 0x8000_0007));
    }

    #[test]
    fn no_byte_can_change_unnoticed() {
        let mut packet = vec![0; 160];
        STAMP.write(&mut packet);
        for index in 0..packet.len() {
            for bit in 0..8 {
                packet[index] ^= 1 << bit;
                let unnoticed = Stamp::read(&packet) == Ok(STAMP);
                // A changed field is another packet's name: it is found out by its filler, or for the generation and the
                // way, which the filler does not depend on, by who receives it.
                let is_name = matches!((index, bit), (8, 7) | (13, _));
                let named = is_name && Stamp::read(&packet).is_ok_and(|stamp| stamp != STAMP);
                assert!(!unnoticed && (named || Stamp::read(&packet).is_err()), "byte {index}, bit {bit}");
                packet[index] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn a_shortened_packet_is_another_one() {
        let mut packet = vec![0; 160];
        STAMP.write(&mut packet);
        assert!(Stamp::read(&packet[..STAMP_LEN - 1]).is_err());
        assert!(Stamp::read(&[]).is_err());
        assert!(Stamp::read(&[0; 160]).is_err());
    }
}
