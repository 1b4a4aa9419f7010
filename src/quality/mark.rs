//! DSCP and ECN, as packets came: counted by class, and per stream watched for marks that get lost on the way.
//!
//! A network that bleaches takes the marks away. Seen from the relay that is a stream which was marked and is not any
//! longer, or whose packets come partly with and partly without: both say that the sender marks, and the leg by which the
//! stream comes does not keep it. A stream that never was marked says nothing, unless the operator knows that its
//! sender marks.

/// What the network said about congestion with a packet (RFC 3168, RFC 9331).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not-ECT: the sender does not take part.
    NotEct,
    /// ECT(1): L4S.
    Ect1,
    /// ECT(0): classic.
    Ect0,
    /// CE: congestion experienced.
    Ce,
}

impl Ecn {
    /// All of them, by codepoint.
    pub const ALL: [Self; 4] = [Self::NotEct, Self::Ect1, Self::Ect0, Self::Ce];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEct => "not_ect",
            Self::Ect1 => "ect1",
            Self::Ect0 => "ect0",
            Self::Ce => "ce",
        }
    }
}

/// How many octets one direction is counted by. A call has two or three DSCPs: voice, pictures, and nothing, each with
/// one or two codepoints.
const OCTETS: usize = 8;

/// Packets of one direction by DSCP and by ECN. Those that came over a stream are not among them.
///
/// Counted by the octet that has both, so that a packet costs one search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkCounts {
    octets: [u8; OCTETS],
    used: u8,
    counts: [u64; OCTETS],
    /// By codepoint, of octets that came when there was no room for another.
    other: [u64; 4],
}

impl MarkCounts {
    /// DSCPs in the order in which they came, with their packets.
    pub fn dscp(&self) -> impl Iterator<Item = (u8, u64)> {
        self.octets().enumerate().filter_map(|(place, (octet, _))| {
            let dscp = octet >> 2;
            let is_first = !self.octets().take(place).any(|(earlier, _)| earlier >> 2 == dscp);
            let of_same = self.octets().filter(|(octet, _)| octet >> 2 == dscp);
            is_first.then(|| (dscp, of_same.map(|(_, packets)| packets).sum()))
        })
    }

    /// Packets of DSCPs that came when there was no room for another.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other.iter().sum()
    }

    /// Packets with this codepoint.
    #[must_use]
    pub fn ecn(&self, codepoint: Ecn) -> u64 {
        let of_same = self.octets().filter(|(octet, _)| octet & 0b11 == codepoint as u8);
        let listed: u64 = of_same.map(|(_, packets)| packets).sum();
        listed + self.other.get(codepoint as usize).copied().unwrap_or(0)
    }

    fn octets(&self) -> impl Iterator<Item = (u8, u64)> {
        self.octets.into_iter().zip(self.counts).take(usize::from(self.used))
    }

    #[inline]
    pub(super) fn see(&mut self, tos: u8) {
        self.count(tos, 1);
    }

    pub(super) fn add(&mut self, more: &Self) {
        for (octet, packets) in more.octets() {
            self.count(octet, packets);
        }
        for (count, packets) in self.other.iter_mut().zip(more.other) {
            *count += packets;
        }
    }

    #[inline]
    fn count(&mut self, octet: u8, packets: u64) {
        let used = usize::from(self.used);
        match self.octets.iter().take(used).position(|known| *known == octet) {
            Some(place) => {
                if let Some(count) = self.counts.get_mut(place) {
                    *count += packets;
                }
            }
            None => self.begin(octet, packets),
        }
    }

    #[cold]
    fn begin(&mut self, octet: u8, packets: u64) {
        let used = usize::from(self.used);
        if let (Some(known), Some(count)) = (self.octets.get_mut(used), self.counts.get_mut(used)) {
            (*known, *count) = (octet, packets);
            self.used += 1;
        } else if let Some(count) = self.other.get_mut(usize::from(octet & 0b11)) {
            *count += packets;
        }
    }
}

/// How it shows that a stream's marks are lost on the way to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bleaching {
    /// It was marked, and from some packet on no longer.
    MidStream,
    /// Some of its packets are marked and some are not: one of several ways bleaches.
    Mixed,
    /// It never was marked, and the operator says that it must have been.
    BeforeUs,
}

impl Bleaching {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MidStream, Self::Mixed, Self::BeforeUs];

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MidStream => "mid_stream",
            Self::Mixed => "mixed",
            Self::BeforeUs => "before_us",
        }
    }
}

/// Fewer marked packets are no habit of the sender's: a system that takes time to apply a mark also takes time to
/// take it back.
const HABIT: u32 = 8;

/// So many packets in a row without a mark are not a reordered few.
const GONE: u32 = 16;

/// A stream as short as this may not have been marked yet.
const NEVER: u32 = 50;

/// A mix changes to and fro; a sender that changes its mind does so once or twice in an interval.
const CHANGES: u16 = 4;

/// The marks of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// In this interval.
    marked: u32,
    unmarked: u32,
    changes: u16,
    /// The last mark seen.
    dscp: u8,
    found: Option<Bleaching>,
    /// Since the beginning.
    ever_marked: u32,
    packets: u32,
    /// Without a mark, in a row.
    trail: u32,
}

impl Watch {
    #[inline]
    pub(super) const fn see(&mut self, tos: u8) {
        let dscp = tos >> 2;
        if dscp == 0 {
            self.changes = self.changes.saturating_add((self.trail == 0) as u16);
            self.trail = self.trail.saturating_add(1);
            self.unmarked = self.unmarked.saturating_add(1);
        } else {
            self.changes = self.changes.saturating_add((self.trail != 0) as u16);
            self.trail = 0;
            self.dscp = dscp;
            self.marked = self.marked.saturating_add(1);
        }
    }

    /// Ends an interval. Answers what was found out in it, once per stream; `is_expected` if its sender marks for sure.
    pub(super) fn end_interval(&mut self, is_expected: bool) -> Option<Bleaching> {
        self.ever_marked = self.ever_marked.saturating_add(self.marked);
        self.packets = self.packets.saturating_add(self.marked).saturating_add(self.unmarked);
        let found = if self.found.is_none() { self.judge(is_expected) } else { None };
        self.found = self.found.or(found);
        (self.marked, self.unmarked, self.changes) = (0, 0, 0);
        found
    }

    const fn judge(&self, is_expected: bool) -> Option<Bleaching> {
        if self.changes >= CHANGES && self.marked >= HABIT && self.unmarked >= HABIT {
            Some(Bleaching::Mixed)
        } else if self.ever_marked >= HABIT && self.trail >= GONE {
            Some(Bleaching::MidStream)
        } else if is_expected && self.ever_marked == 0 && self.packets >= NEVER {
            Some(Bleaching::BeforeUs)
        } else {
            None
        }
    }

    /// What was found out so far.
    pub(super) const fn found(&self) -> Option<Bleaching> {
        self.found
    }

    /// The DSCP that it came with last, of those that are one.
    pub(super) const fn dscp(&self) -> Option<u8> {
        if self.dscp == 0 { None } else { Some(self.dscp) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EF: u8 = 46 << 2;

    fn watch(packets: impl IntoIterator<Item = u8>) -> Watch {
        let mut watch = Watch::default();
        packets.into_iter().for_each(|tos| watch.see(tos));
        watch
    }

    fn times(tos: u8, times: usize) -> impl Iterator<Item = u8> {
        std::iter::repeat_n(tos, times)
    }

    #[test]
    fn packets_are_counted_by_class_and_codepoint() {
        let mut marks = MarkCounts::default();
        for tos in [EF, EF | 1, 0, 3, 34 << 2 | 2, EF] {
            marks.see(tos);
        }
        assert_eq!(marks.dscp().collect::<Vec<_>>(), [(46, 3), (0, 2), (34, 1)]);
        assert_eq!(Ecn::ALL.map(|ecn| marks.ecn(ecn)), [3, 1, 1, 1]);
    }

    #[test]
    fn a_flood_of_classes_is_counted_together() {
        let mut marks = MarkCounts::default();
        (0..=255).for_each(|tos| marks.see(tos));
        assert_eq!(marks.dscp().collect::<Vec<_>>(), [(0, 4), (1, 4)]);
        assert_eq!(marks.other(), 256 - 8);
        let mut all = MarkCounts::default();
        all.see(63 << 2);
        all.add(&marks);
        let total: u64 = all.dscp().map(|(_, packets)| packets).sum::<u64>() + all.other();
        assert_eq!(total, 257);
        assert_eq!(Ecn::ALL.map(|ecn| all.ecn(ecn)), [65, 64, 64, 64]);
    }

    #[test]
    fn marks_that_end_are_bleached() {
        let mut stream = watch(times(EF, 8).chain(times(0, 16)));
        assert_eq!(stream.end_interval(false), Some(Bleaching::MidStream));
        assert_eq!((stream.end_interval(false), stream.found()), (None, Some(Bleaching::MidStream)), "once");
        assert_eq!(stream.dscp(), Some(46));
    }

    #[test]
    fn marks_that_end_between_intervals_are_bleached() {
        let mut stream = watch(times(EF, 500));
        assert_eq!(stream.end_interval(false), None);
        times(0, 15).for_each(|tos| stream.see(tos));
        assert_eq!(stream.end_interval(false), None, "too few to say");
        stream.see(0);
        assert_eq!(stream.end_interval(false), Some(Bleaching::MidStream));
    }

    #[test]
    fn marks_that_come_and_go_are_bleached_on_one_of_several_ways() {
        let mut stream = watch((0..64).map(|number| if number % 3 == 0 { 0 } else { EF }));
        assert_eq!(stream.end_interval(false), Some(Bleaching::Mixed));
    }

    #[test]
    fn marks_that_begin_late_are_not_bleached() {
        let mut stream = watch(times(0, 100).chain(times(EF, 400)));
        assert_eq!(stream.end_interval(true), None);
        let mut few = watch(times(EF, 7).chain(times(0, 493)));
        assert_eq!(few.end_interval(true), None, "no habit of marking");
    }

    #[test]
    fn a_stream_that_never_was_marked_is_bleached_only_where_marks_are_expected() {
        assert_eq!(watch(times(0, 500)).end_interval(false), None);
        assert_eq!(watch(times(0, 500)).end_interval(true), Some(Bleaching::BeforeUs));
        assert_eq!(watch(times(0, 49)).end_interval(true), None, "too short");
        assert_eq!(watch([]).end_interval(true), None, "over a stream");
    }
}
