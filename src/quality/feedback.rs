//! RTCP by kind. Of SRTCP the first packet's type is readable and nothing behind its eight bytes, so a compound shows
//! as what it begins with, and only what is sent by itself (RFC 5506) shows as itself.
//!
//! These are hints, not measurements: a NACK says that something is missing between the relay and who sends the NACK, or
//! was before the relay; what the relay has not seen missing is missing behind it.

use crate::wire::rtcp::RtcpHead;

/// What an RTCP packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feedback {
    /// SR (RFC 3550).
    SenderReport,
    /// RR (RFC 3550).
    ReceiverReport,
    /// BYE (RFC 3550).
    Bye,
    /// Generic NACK (RFC 4585): packets are missing.
    Nack,
    /// Transport-wide congestion control.
    TransportCc,
    /// Picture loss indication (RFC 4585).
    Pli,
    /// Full intra request (RFC 5104).
    Fir,
    /// Application layer feedback (RFC 4585), which is REMB in practice: the receiver's estimate of the bandwidth.
    Remb,
    /// Anything else.
    Other,
}

impl Feedback {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::SenderReport,
        Self::ReceiverReport,
        Self::Bye,
        Self::Nack,
        Self::TransportCc,
        Self::Pli,
        Self::Fir,
        Self::Remb,
        Self::Other,
    ];

    /// By packet type, and of feedback by its format.
    #[must_use]
    pub const fn of(head: &RtcpHead) -> Self {
        match (head.packet_type, head.count) {
            (200, _) => Self::SenderReport,
            (201, _) => Self::ReceiverReport,
            (203, _) => Self::Bye,
            (205, 1) => Self::Nack,
            (205, 15) => Self::TransportCc,
            (206, 1) => Self::Pli,
            (206, 4) => Self::Fir,
            (206, 15) => Self::Remb,
            _ => Self::Other,
        }
    }

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SenderReport => "sr",
            Self::ReceiverReport => "rr",
            Self::Bye => "bye",
            Self::Nack => "nack",
            Self::TransportCc => "transport_cc",
            Self::Pli => "pli",
            Self::Fir => "fir",
            Self::Remb => "remb",
            Self::Other => "other",
        }
    }
}

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackCounts([u32; Feedback::ALL.len()]);

impl FeedbackCounts {
    /// How many of `kind`.
    #[must_use]
    pub fn of(&self, kind: Feedback) -> u32 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// All kinds, with how many there were.
    pub fn iter(&self) -> impl Iterator<Item = (Feedback, u32)> {
        Feedback::ALL.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, kind: Feedback) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn head(packet_type: u8, count: u8) -> RtcpHead {
        RtcpHead { count, packet_type, ssrc: 7 }
    }

    #[test]
    fn feedback_is_told_apart_by_type_and_format() {
        let expected = [
            (200, 1, "sr"),
            (201, 31, "rr"),
            (202, 1, "other"),
            (203, 1, "bye"),
            (204, 15, "other"),
            (205, 1, "nack"),
            (205, 3, "other"),
            (205, 15, "transport_cc"),
            (206, 1, "pli"),
            (206, 2, "other"),
            (206, 4, "fir"),
            (206, 15, "remb"),
            (207, 0, "other"),
        ];
        for (packet_type, count, name) in expected {
            assert_eq!(Feedback::of(&head(packet_type, count)).name(), name, "{packet_type}/{count}");
        }
    }

    #[test]
    fn every_kind_is_counted_by_itself() {
        let mut counts = FeedbackCounts::default();
        for (times, kind) in Feedback::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counts.count(kind));
        }
        counts.add(&counts.clone());
        for (times, (kind, count)) in (0..).zip(counts.iter()) {
            assert_eq!((count, counts.of(kind)), (2 * times, 2 * times));
        }
    }
}
