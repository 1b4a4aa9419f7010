//! Sequence numbers, held against a model that keeps every packet.

use proptest::prelude::*;

use super::super::model::Model;
use super::*;

/// A stream and its model, fed the same.
struct Pair {
    stream: Option<Stream>,
    model: Model,
    at: Time,
}

impl Pair {
    fn new() -> Self {
        Self { stream: None, model: Model::default(), at: START }
    }

    fn see(&mut self, sequence: u16) -> Seen {
        self.at = self.at + ms(20);
        let header = header(sequence, 0);
        let stream = self.stream.get_or_insert_with(|| Stream::new(&header, self.at, Some(8000)));
        let seen = stream.see(&header, self.at, 100, Some(8000));
        assert_eq!(seen, self.model.see(sequence), "{sequence}");
        seen
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().unwrap()
    }

    fn see_all(&mut self, sequences: impl IntoIterator<Item = u16>) {
        for sequence in sequences {
            self.see(sequence);
        }
    }

    /// What sequence numbers tell; the rest is not the model's.
    fn counts(&self) -> Counts {
        let counts = self.stream.as_ref().unwrap().counts();
        assert_eq!(counts.bytes, counts.received * 100);
        Counts { bytes: 0, timed: 0, ..counts }
    }

    fn check(&self) -> Counts {
        assert_eq!(self.counts(), self.model.counts());
        self.counts()
    }
}

fn after(sequences: impl IntoIterator<Item = u16>) -> Counts {
    let mut pair = Pair::new();
    pair.see_all(sequences);
    pair.check()
}

#[test]
fn a_clean_stream_counts_from_its_first_packet() {
    let counts = after(100..200);
    assert_eq!((counts.expected, counts.received, counts.lost), (100, 100, 0));
}

#[test]
fn wrapping_is_neither_loss_nor_restart() {
    let counts = after((65_000..=u16::MAX).chain(0..500));
    assert_eq!((counts.expected, counts.lost, counts.restarts), (1036, 0, 0));
}

#[test]
fn wrapping_out_of_order_is_not_65536_losses() {
    let counts = after([65_533, 65_534, 0, 65_535, 2, 1, 3]);
    assert_eq!((counts.expected, counts.received, counts.reordered), (7, 7, 2));
    let counts = after([65_534, 1, 2, 65_535, 3]);
    assert_eq!((counts.expected, counts.received, counts.lost), (6, 5, 1));
}

#[test]
fn many_turns_are_counted_as_many() {
    let header = |n: u32| header((n & 0xFFFF) as u16, 0);
    let mut stream = Stream::new(&header(60_000), START, Some(8000));
    for n in (60_000..60_000 + 300_000).filter(|n| n % 10 != 9) {
        stream.see(&header(n), START, 1, Some(8000));
    }
    let counts = stream.counts();
    assert_eq!((counts.expected, counts.received, counts.lost), (299_999, 270_000, 29_999));
    assert_eq!(counts.loss_runs, [29_999, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn copies_do_not_hide_losses() {
    let counts = after([1, 1, 1, 2, 4, 4, 2, 6, 6]);
    assert_eq!((counts.expected, counts.received, counts.lost, counts.duplicate), (6, 4, 2, 5));
}

#[test]
fn a_late_packet_is_received_and_its_copy_is_a_copy() {
    let mut pair = Pair::new();
    pair.see_all([1, 2, 5]);
    assert_eq!(pair.check().lost, 2);
    assert_eq!([3, 3, 4].map(|sequence| pair.see(sequence)), [Seen::Late, Seen::Duplicate, Seen::Late]);
    let counts = pair.check();
    assert_eq!((counts.lost, counts.received, counts.reordered, counts.duplicate), (0, 5, 2, 1));
}

#[test]
fn a_stream_may_begin_out_of_order() {
    let counts = after([3, 1, 2, 0, 65_535, 65_533, 4]);
    assert_eq!((counts.expected, counts.received, counts.lost, counts.reordered), (8, 7, 1, 5));
}

#[test]
fn ninety_nine_behind_is_late_and_a_hundred_is_elsewhere() {
    let mut pair = Pair::new();
    pair.see_all((0..300).filter(|n| !matches!(n, 199 | 200)));
    assert_eq!(pair.see(200), Seen::Late);
    assert_eq!(pair.see(199), Seen::Probation);
    let counts = pair.check();
    assert_eq!((counts.expected, counts.lost, counts.stray), (300, 1, 0));
}

#[test]
fn a_gap_of_2998_is_loss_and_a_larger_one_is_elsewhere() {
    let mut pair = Pair::new();
    pair.see_all([10, 3009]);
    let counts = pair.check();
    assert_eq!((counts.lost, counts.loss_runs[6]), (2998, 1));
    assert_eq!(pair.see(6009), Seen::Probation);
    assert_eq!(pair.see(3010), Seen::New);
    assert_eq!(pair.check().stray, 1);
}

#[test]
fn two_in_sequence_are_a_restart_and_both_count() {
    let mut pair = Pair::new();
    pair.see_all(0..50);
    assert_eq!([40_000, 40_001, 40_002].map(|n| pair.see(n)), [Seen::Probation, Seen::Restart, Seen::New]);
    let counts = pair.check();
    assert_eq!((counts.expected, counts.received, counts.restarts, counts.stray), (53, 53, 1, 0));
}

#[test]
fn what_was_missing_before_a_restart_is_lost() {
    let counts = after((0..50).filter(|n| *n != 48).chain([40_000, 40_001, 40_003]));
    assert_eq!((counts.expected, counts.lost, counts.restarts), (54, 2, 1));
    assert_eq!((counts.loss_runs[0], counts.bursts), (2, 0), "a burst does not reach across");
}

#[test]
fn far_packets_among_others_are_strays() {
    // The old numbers go on: nothing began again.
    let counts = after([0, 1, 40_000, 2, 40_001, 3, 40_002, 4]);
    assert_eq!((counts.expected, counts.received, counts.restarts), (5, 5, 0));
    assert_eq!(counts.stray, 3);
}

#[test]
fn a_copy_of_a_far_packet_proves_nothing() {
    let mut pair = Pair::new();
    pair.see_all([0, 1]);
    assert_eq!(
        [500, 9000, 9000, 9001].map(|n| pair.see(n)),
        [Seen::New, Seen::Probation, Seen::Ignored, Seen::Restart]
    );
    assert_eq!(pair.check().stray, 1);
}

#[test]
fn a_candidate_at_the_end_is_a_stray() {
    let mut pair = Pair::new();
    pair.see_all([0, 1, 9000]);
    assert_eq!(pair.stream().finish().counts.stray, 1);
}

#[test]
fn an_interval_waits_for_what_may_come_late() {
    let mut pair = Pair::new();
    pair.see_all((0..200).filter(|n| *n != 190));
    let heard = pair.stream().take_interval().counts;
    assert_eq!((heard.expected, heard.received, heard.lost), (190, 190, 0));
    pair.see(190);
    pair.see_all((200..400).filter(|n| !matches!(n, 250 | 390)));
    let heard = pair.stream().take_interval().counts;
    assert_eq!((heard.expected, heard.received, heard.lost, heard.reordered), (200, 199, 1, 1));
    let rest = pair.stream().finish().counts;
    assert_eq!((rest.expected, rest.received, rest.lost), (10, 9, 1));
}

#[test]
fn what_comes_after_it_was_reported_lost_is_one_loss_less_later() {
    let mut pair = Pair::new();
    pair.see_all([0, 1, 3, 4]);
    let mut sum = pair.stream().take_interval().counts;
    sum += pair.stream().take_interval().counts;
    assert_eq!((sum.received, sum.lost), (4, 1));
    assert_eq!(pair.see(2), Seen::Late);
    sum += pair.stream().take_interval().counts;
    assert_eq!((sum.received, sum.lost), (5, 1));
    pair.see_all([5, 7]);
    sum += pair.stream().finish().counts;
    assert_eq!((sum.expected, sum.received, sum.lost), (8, 7, 1));
    // The runs that intervals have reported stay.
    let counts = pair.counts();
    assert_eq!((counts.lost, counts.runs()), (1, 2));
}

#[test]
fn a_gap_waits_one_interval_at_most() {
    let mut pair = Pair::new();
    pair.see_all([0, 1, 3, 4]);
    assert_eq!(pair.stream().take_interval().counts.expected, 2);
    let heard = pair.stream().take_interval().counts;
    assert_eq!((heard.expected, heard.lost, heard.loss_runs[0]), (3, 1, 1));
    assert_eq!(pair.stream().take_interval().counts, Counts::default());
}

/// One packet of a life: whether it is lost, by how much it is late, and whether and when a copy comes.
#[derive(Clone, Debug)]
struct Fate {
    lost: bool,
    late: usize,
    copy: Option<usize>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let late = prop_oneof![12 => Just(0), 2 => 1..5_usize, 1 => 5..120_usize];
    let copy = prop::option::weighted(0.05, 0..120_usize);
    (prop::bool::weighted(0.1), late, copy).prop_map(|(lost, late, copy)| Fate { lost, late, copy })
}

/// The numbers of one life in the order in which they come; some skip a number.
fn life() -> impl Strategy<Value = Vec<u16>> {
    let skips =
        prop::collection::vec((0..400_usize, prop_oneof![2..40_u16, 100..140_u16, 2900..3100_u16]), 0..3);
    (any::<u16>(), prop::collection::vec(fate(), 1..400), skips).prop_map(|(first, fates, skips)| {
        let mut events = Vec::new();
        let mut number = first;
        for (index, fate) in fates.iter().enumerate() {
            number = number.wrapping_add(1);
            for (_, skip) in skips.iter().filter(|(at, _)| *at == index) {
                number = number.wrapping_add(*skip);
            }
            if !fate.lost {
                events.push((index + fate.late, number));
            }
            events.extend(fate.copy.map(|late| (index + late, number)));
        }
        events.sort_by_key(|(when, _)| *when);
        events.into_iter().map(|(_, number)| number).collect()
    })
}

fn lives() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(life(), 1..4).prop_map(|lives| lives.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_the_model(sequences in lives(), checks in prop::collection::btree_set(0..1200_usize, 0..8)) {
        let mut pair = Pair::new();
        for (index, sequence) in sequences.into_iter().enumerate() {
            pair.see(sequence);
            if checks.contains(&index) {
                pair.check();
            }
        }
        if pair.stream.is_some() {
            pair.check();
        }
    }

    #[test]
    fn intervals_add_up_to_the_counts(sequences in lives(), pause in 250..500_usize) {
        let mut pair = Pair::new();
        let mut sum = Counts::default();
        for (index, sequence) in (1..).zip(&sequences) {
            pair.see(*sequence);
            if index % pause == 0 {
                let heard = pair.stream().take_interval().counts;
                prop_assert_eq!(heard.expected, heard.received + heard.lost);
                sum += heard;
            }
        }
        if !sequences.is_empty() {
            sum += pair.stream().finish().counts;
            prop_assert_eq!(sum, pair.stream().counts());
        }
    }

    #[test]
    fn intervals_at_any_time_take_nothing_twice(sequences in lives(), pause in 1..40_usize) {
        let mut pair = Pair::new();
        let mut sum = Counts::default();
        for (index, sequence) in (1..).zip(&sequences) {
            pair.see(*sequence);
            if index % pause == 0 {
                let heard = pair.stream().take_interval().counts;
                prop_assert_eq!(heard.expected, heard.received + heard.lost);
                sum += heard;
            }
        }
        if !sequences.is_empty() {
            sum += pair.stream().finish().counts;
            let counts = pair.counts();
            prop_assert_eq!(sum.received, counts.received);
            // A packet that comes back after its loss was reported makes the sum the larger.
            prop_assert!(sum.lost >= counts.lost && sum.lost <= counts.lost + counts.reordered);
        }
    }
}
