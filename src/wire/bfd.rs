//! BFD control packets (RFC 5880 section 4.1) without authentication: 24 bytes that say in which state a session is
//! and how fast its packets come.
//!
//! Here is judged what can be judged of a packet alone (section 6.8.6, up to the search for its session). A packet with
//! an authentication section is refused: no session here uses one, and then the RFC has it discarded.

use std::fmt;
use std::time::Duration;

/// Length of a packet without authentication.
pub const PACKET_LEN: usize = LENGTH as usize;

/// As the packet says it.
const LENGTH: u8 = 24;
const VERSION: u8 = 1;
/// Of the fixed part, an authentication type and an authentication length.
const AUTHENTICATED_LEN: usize = 26;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down by its operator, which says nothing about the path.
    AdminDown,
    /// The other end is not heard, or says that it does not hear this one.
    #[default]
    Down,
    /// The other end is heard and does not know it yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    /// As the RFC names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a session left its state for a lower one, as the packet carries it: five bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing has happened yet.
    pub const NONE: Self = Self(0);
    /// No packet came for the detection time.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// The other end said that it was down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// What forwards packets on this machine does not do so at the moment.
    pub const FORWARDING_PLANE_RESET: Self = Self(4);
    /// The path is known to be broken.
    pub const PATH_DOWN: Self = Self(5);
    /// An operator took it down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    /// The lower five bits of `code`.
    #[must_use]
    pub const fn new(code: u8) -> Self {
        Self(code & 0x1F)
    }

    /// As the packet carries it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            9 => "mis-connectivity defect",
            _ => "unknown diagnostic",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words(), self.0)
    }
}

/// One control packet. Intervals are in microseconds, as it carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender last went down.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender wants a packet with [`Packet::last`] for an answer.
    pub poll: bool,
    /// This answers a poll ("Final").
    pub last: bool,
    /// The sender's BFD does not share the fate of its control plane.
    pub independent: bool,
    /// The sender wants no periodic packets while both are up.
    pub demand: bool,
    /// After how many of the sender's intervals without a packet the receiver is to take it for gone; never zero.
    pub multiplier: u8,
    /// The sender's number of the session; never zero.
    pub mine: u32,
    /// The receiver's number of it as the sender knows it; zero if it does not.
    pub yours: u32,
    /// The interval at which the sender would like to send.
    pub transmit: u32,
    /// The shortest interval between packets that the sender can take; zero if it wants none.
    pub receive: u32,
    /// Likewise of echo packets; zero if it answers none.
    pub echo: u32,
}

/// Why bytes are no control packet for anyone here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Fewer bytes than a packet has, or than its length says, or a length that no packet has.
    Length,
    /// Not version 1.
    Version,
    /// It carries an authentication section.
    Authenticated,
    /// Its multiplier is zero.
    Multiplier,
    /// It is meant for many (reserved for a later RFC; must be zero).
    Multipoint,
    /// It does not name the sender's session.
    Nameless,
    /// It does not name the receiver's session though its state says that the sender knows it.
    Stray,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "its length is wrong",
            Self::Version => "it is not of version 1",
            Self::Authenticated => "it is authenticated, and no key is known",
            Self::Multiplier => "its detection multiplier is zero",
            Self::Multipoint => "its multipoint bit is set",
            Self::Nameless => "its own discriminator is zero",
            Self::Stray => "it names no session though it is beyond Down",
        })
    }
}

impl Packet {
    /// Reads a packet. What follows it in `bytes` is ignored, as the RFC wants it.
    ///
    /// # Errors
    /// If the RFC has it discarded whatever session it is for.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let (fixed, _) = bytes.split_first_chunk::<PACKET_LEN>().ok_or(Refusal::Length)?;
        let [first, flags, multiplier, length, fields @ ..] = *fixed;
        if first >> 5 != VERSION {
            return Err(Refusal::Version);
        }
        let length = usize::from(length);
        let shortest = if flags & AUTHENTICATED == 0 { PACKET_LEN } else { AUTHENTICATED_LEN };
        if length < shortest || length > bytes.len() {
            return Err(Refusal::Length);
        }
        let mut words = fields.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        let packet = Self {
            diagnostic: Diagnostic::new(first),
            state: State::from_bits(flags >> 6),
            poll: flags & POLL != 0,
            last: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            multiplier,
            mine: next(),
            yours: next(),
            transmit: next(),
            receive: next(),
            echo: next(),
        };
        packet.judge(flags)
    }

    fn judge(self, flags: u8) -> Result<Self, Refusal> {
        if self.multiplier == 0 {
            return Err(Refusal::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Refusal::Multipoint);
        }
        if self.mine == 0 {
            return Err(Refusal::Nameless);
        }
        if self.yours == 0 && matches!(self.state, State::Init | State::Up) {
            return Err(Refusal::Stray);
        }
        if flags & AUTHENTICATED != 0 {
            return Err(Refusal::Authenticated);
        }
        Ok(self)
    }

    /// The packet as it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = self.state.bits() << 6
            | flag(self.poll, POLL)
            | flag(self.last, FINAL)
            | flag(self.independent, INDEPENDENT)
            | flag(self.demand, DEMAND);
        let head = [VERSION << 5 | self.diagnostic.code(), flags, self.multiplier, LENGTH];
        let fields = [self.mine, self.yours, self.transmit, self.receive, self.echo].map(u32::to_be_bytes);
        let mut bytes = [0; PACKET_LEN];
        let words = std::iter::once(&head).chain(&fields);
        for (to, from) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = *from;
        }
        bytes
    }
}

/// An interval as packets carry it; cut at the longest that fits.
#[must_use]
pub fn micros(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out by hand after section 4.1.
    const SAMPLE: [u8; 24] = [
        0x20, 0x80, 0x03, 0x18, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x00, 0x0f, 0x42, 0x40, 0x00,
        0x01, 0x86, 0xa0, 0x00, 0x00, 0xc3, 0x50,
    ];

    fn with(at: usize, value: u8) -> [u8; 24] {
        let mut bytes = SAMPLE;
        bytes[at] = value;
        bytes
    }

    #[test]
    fn every_field_is_read_and_written() {
        let packet = Packet {
            state: State::Init,
            multiplier: 3,
            mine: 0x1234_5678,
            yours: 0x9abc_def0,
            transmit: 1_000_000,
            receive: 100_000,
            echo: 50_000,
            ..Packet::default()
        };
        assert_eq!(Packet::parse(&SAMPLE), Ok(packet));
        assert_eq!(packet.encode(), SAMPLE);
    }

    #[test]
    fn every_first_pair_of_bytes_is_refused_or_written_back_the_same() {
        for first in 0..=255 {
            for flags in 0..=255 {
                let mut bytes = with(0, first);
                bytes[1] = flags;
                match Packet::parse(&bytes) {
                    Ok(packet) => assert_eq!(packet.encode(), bytes),
                    Err(_) => assert!(first >> 5 != 1 || flags & (AUTHENTICATED | MULTIPOINT) != 0),
                }
            }
        }
    }

    #[test]
    fn what_the_rfc_discards_is_refused_with_its_reason() {
        let refused = |bytes: &[u8]| Packet::parse(bytes).unwrap_err();
        assert_eq!(refused(&SAMPLE[..23]), Refusal::Length);
        assert_eq!(refused(&[]), Refusal::Length);
        assert_eq!(refused(&with(3, 23)), Refusal::Length);
        assert_eq!(refused(&with(3, 25)), Refusal::Length);
        assert_eq!(refused(&with(0, 0x00)), Refusal::Version);
        assert_eq!(refused(&with(0, 0x40)), Refusal::Version);
        assert_eq!(refused(&with(2, 0)), Refusal::Multiplier);
        assert_eq!(refused(&with(1, 0x81)), Refusal::Multipoint);
        let mut nameless = SAMPLE;
        nameless[4..8].fill(0);
        assert_eq!(refused(&nameless), Refusal::Nameless);
    }

    #[test]
    fn authentication_is_refused_and_its_length_looked_at_first() {
        assert_eq!(Packet::parse(&with(1, 0x84)), Err(Refusal::Length));
        let mut bytes = [0; 26];
        bytes[..24].copy_from_slice(&with(1, 0x84));
        bytes[3] = 26;
        assert_eq!(Packet::parse(&bytes), Err(Refusal::Authenticated));
    }

    #[test]
    fn only_a_sender_that_is_down_may_leave_the_receivers_session_unnamed() {
        for (flags, state) in
            [(0x00, Some(State::AdminDown)), (0x40, Some(State::Down)), (0x80, None), (0xC0, None)]
        {
            let mut bytes = with(1, flags);
            bytes[8..12].fill(0);
            let parsed = Packet::parse(&bytes);
            assert_eq!(parsed.map(|packet| packet.state), state.ok_or(Refusal::Stray));
        }
    }

    #[test]
    fn what_follows_a_packet_is_ignored() {
        let mut longer = SAMPLE.to_vec();
        longer.extend([0xff; 40]);
        assert_eq!(Packet::parse(&longer), Packet::parse(&SAMPLE));
    }

    #[test]
    fn diagnostics_have_words_and_numbers() {
        assert_eq!(Diagnostic::FORWARDING_PLANE_RESET.to_string(), "forwarding plane reset (4)");
        assert_eq!(Diagnostic::new(0xFF).to_string(), "unknown diagnostic (31)");
    }

    #[test]
    fn intervals_are_cut_where_packets_end() {
        assert_eq!(micros(Duration::from_millis(50)), 50_000);
        assert_eq!(micros(Duration::from_secs(100_000)), u32::MAX);
    }
}
