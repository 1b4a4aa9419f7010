//! What a socket's datagrams say in their IP header unless they say otherwise.
//!
//! DSCP, ECN and hop limit are those that a datagram came with, so each could need control messages of its own; two of
//! them cost the kernel an allocation and a good part of what reading a datagram costs. But a relay's socket carries
//! the media of one client, which says the same for hours. So what a socket has lately been sent with becomes its option,
//! and only datagrams that differ bring control messages.

/// How many times in a row something must have been said before it becomes the option.
const STREAK: u8 = 8;

/// DSCP, ECN, hop limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tos: u8,
    /// None is the system's default.
    pub(super) ttl: Option<u8>,
}

/// A socket's options, and what may become them. Eight bytes, as there are as many as there are relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// What is said of datagrams without control messages.
    pub(super) option: Mark,
    /// The system's hop limit, known once it is not the option any more.
    pub(super) default_ttl: Option<u8>,
    candidate: Mark,
    streak: u8,
}

impl Marks {
    pub(super) const fn from_bits(bits: u64) -> Self {
        let [tos, ttl, candidate_tos, candidate_ttl, streak, default, ..] = bits.to_le_bytes();
        Self {
            option: unpack(tos, ttl),
            default_ttl: some(default),
            candidate: unpack(candidate_tos, candidate_ttl),
            streak,
        }
    }

    pub(super) fn bits(self) -> u64 {
        let (option, candidate) = (self.option, self.candidate);
        let [ttl, candidate_ttl, default] =
            [option.ttl, candidate.ttl, self.default_ttl].map(Option::unwrap_or_default);
        u64::from_le_bytes([option.tos, ttl, candidate.tos, candidate_ttl, self.streak, default, 0, 0])
    }

    /// What a datagram that is to say `mark` must say by itself.
    pub(super) fn missing(&self, mark: Mark) -> (Option<u8>, Option<u8>) {
        let ttl = mark.ttl.map(|ttl| ttl.max(1)).or(self.default_ttl);
        ((mark.tos != self.option.tos).then_some(mark.tos), ttl.filter(|_| ttl != self.option.ttl))
    }

    /// The next datagram says `mark`. What the options should become, if they should change. Whoever leaves the hop limit
    /// to the system sends too seldom to matter.
    pub(super) fn learn(&mut self, mark: Mark) -> Option<Mark> {
        if mark == self.option || mark.ttl.is_none() {
            self.streak = 0;
            return None;
        }
        self.streak = if mark == self.candidate { self.streak.saturating_add(1) } else { 1 };
        self.candidate = mark;
        (self.streak >= STREAK).then_some(mark)
    }
}

const fn unpack(tos: u8, ttl: u8) -> Mark {
    Mark { tos, ttl: some(ttl) }
}

const fn some(ttl: u8) -> Option<u8> {
    if ttl == 0 { None } else { Some(ttl) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: Mark = Mark { tos: 0xb8, ttl: Some(63) };
    const VIDEO: Mark = Mark { tos: 0x88, ttl: Some(63) };

    /// Through the bits, as a socket keeps it.
    fn learn(marks: &mut Marks, mark: Mark) -> Option<Mark> {
        let mut read = Marks::from_bits(marks.bits());
        let change = read.learn(mark);
        *marks = read;
        change
    }

    #[test]
    fn what_is_said_again_and_again_becomes_the_option() {
        let mut marks = Marks::default();
        for _ in 1..STREAK {
            assert_eq!(learn(&mut marks, VOICE), None);
        }
        assert_eq!(learn(&mut marks, VOICE), Some(VOICE));
        marks.option = VOICE;
        assert_eq!(learn(&mut marks, VOICE), None);
        assert_eq!(Marks::from_bits(marks.bits()), marks);
    }

    #[test]
    fn what_changes_all_the_time_does_not() {
        let mut marks = Marks::default();
        for _ in 0..100 {
            assert_eq!((learn(&mut marks, VOICE), learn(&mut marks, VIDEO)), (None, None));
        }
    }

    #[test]
    fn only_what_differs_is_said_with_the_datagram() {
        let untouched = Marks::default();
        assert_eq!(untouched.missing(Mark::default()), (None, None));
        assert_eq!(untouched.missing(VOICE), (Some(0xb8), Some(63)));
        let voice = Marks { option: VOICE, default_ttl: Some(64), ..untouched };
        assert_eq!(voice.missing(VOICE), (None, None));
        assert_eq!(voice.missing(VIDEO), (Some(0x88), None));
        assert_eq!(voice.missing(Mark::default()), (Some(0), Some(64)));
        assert_eq!(Marks::from_bits(voice.bits()), voice);
    }

    #[test]
    fn the_default_hop_limit_replaces_nothing() {
        let mut marks = Marks { option: VOICE, ..Marks::default() };
        for _ in 0..100 {
            assert_eq!(learn(&mut marks, Mark::default()), None);
        }
    }
}
