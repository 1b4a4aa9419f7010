//! What happens in calls, one thing at a time: what is counted of it is what was sent, to the packet, and jitter is that
//! of the arrivals. Each schedule is shown to a session as it is.

use tern::quality::codec::Role;
use tern::quality::{Bleaching, Direction, Directions, Glance, Record, RecordStream, Session, Settings};
use tern::time::Time;

use crate::check::{Clocks, check_marks, check_streams, stream};
use crate::replay::Measured;
use crate::scenarios::{self, EF, OTHER_VOICE, PICTURE, REPAIR, VOICE};
use crate::schedule::Packet;
use crate::truth::Span;

/// How a schedule has come to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Packet by packet, at the very time.
    Session,
}

/// What was said after a schedule was played.
struct Outcome {
    way: Way,
    record: Record,
}

impl Outcome {
    fn streams(&self, ssrc: u32) -> impl Iterator<Item = (Direction, &RecordStream)> {
        let both = self.record.directions.iter();
        both.map(move |(direction, seen)| (direction, stream(seen, ssrc)))
    }

    /// Whether anybody sees the IP headers of what goes this way.
    fn is_marked(&self, _direction: Direction) -> bool {
        match self.way {
            Way::Session => true,
        }
    }
}

/// Plays a schedule both ways, compares all that has one truth, and returns what was said.
fn play(packets: &[Packet]) -> Vec<Outcome> {
    play_with(packets, Clocks::Known)
}

fn play_with(packets: &[Packet], clocks: Clocks) -> Vec<Outcome> {
    vec![show(packets, clocks)]
}

/// Shows it to a session.
fn show(packets: &[Packet], clocks: Clocks) -> Outcome {
    let (settings, start) = (Settings::default(), Time::from_secs(1_000));
    let mut session = Session::new(start);
    for (packet, serial) in packets.iter().zip(0..) {
        let glance = Glance::of(&packet.bytes(serial), start + packet.at, Some(packet.tos));
        for direction in Direction::ALL {
            session.see(&settings, direction, 1, &glance);
        }
    }
    let end = packets.last().map_or(start, |packet| start + packet.at);
    let (_, record) = session.end(&settings, end);
    let exact = |packet: &Packet| Span { from: packet.at.as_secs_f64(), to: packet.at.as_secs_f64() };
    let arrivals = || Measured::from_spans(packets.iter().map(exact).collect());
    let outcome = Outcome { way: Way::Session, record };
    compare(&outcome, packets, &Directions::from_fn(|_| arrivals()), clocks);
    outcome
}

fn compare(outcome: &Outcome, packets: &[Packet], arrivals: &Directions<Measured>, clocks: Clocks) {
    for (direction, seen) in outcome.record.directions.iter() {
        let name = format!("{:?}, {}", outcome.way, direction.name());
        check_streams(&name, seen, packets, &arrivals[direction], clocks);
        check_marks(&name, seen, packets, outcome.is_marked(direction));
    }
}

#[test]
fn a_good_line_has_nothing_to_count() {
    play(&scenarios::quiet_line());
}

#[test]
fn losses_are_counted_with_their_runs_and_bursts() {
    play(&scenarios::losses());
}

#[test]
fn losses_by_chance_in_bursts_are_counted() {
    play(&scenarios::gilbert_bursts());
}

#[test]
fn jitter_is_that_of_the_arrivals() {
    play(&scenarios::little_jitter());
}

#[test]
fn jitter_that_mixes_packets_up_loses_none_of_them() {
    play(&scenarios::much_jitter());
}

#[test]
fn what_comes_late_is_reordered_and_not_lost() {
    play(&scenarios::reordering());
}

#[test]
fn duplicates_are_neither_received_nor_do_they_hide_losses() {
    play(&scenarios::duplicates());
    play(&scenarios::losses_and_as_many_duplicates());
}

#[test]
fn numbers_wrap_whatever_comes_in_between() {
    play(&scenarios::wrap());
    play(&scenarios::wrap_with_reordering());
}

#[test]
fn a_sender_that_begins_again_has_lost_nothing_by_it() {
    play(&scenarios::restart());
}

#[test]
fn silence_is_neither_loss_nor_jitter() {
    play(&scenarios::discontinuous());
    play(&scenarios::comfort_noise());
}

#[test]
fn a_hold_is_neither_loss_nor_jitter() {
    play(&scenarios::hold());
}

#[test]
fn streams_that_share_an_address_are_counted_apart() {
    for outcome in play(&scenarios::two_streams()) {
        for (_, voice) in outcome.streams(VOICE) {
            assert_eq!(voice.codec.as_deref(), Some("opus"));
        }
        for (_, picture) in outcome.streams(PICTURE) {
            assert_eq!(picture.codec.as_deref(), Some("vp8"));
        }
    }
}

#[test]
fn retransmissions_do_not_mend_what_was_lost() {
    for outcome in play(&scenarios::retransmissions()) {
        for (_, repair) in outcome.streams(REPAIR) {
            assert_eq!(repair.role, Role::Retransmission);
        }
    }
}

#[test]
fn redundancy_is_the_same_stream() {
    play(&scenarios::redundancy());
}

#[test]
fn keys_are_no_jitter() {
    for outcome in play(&scenarios::telephone_events()) {
        for (_, voice) in outcome.streams(VOICE) {
            assert_eq!((voice.payload_type, voice.codec.as_deref()), (111, Some("opus")));
        }
    }
}

#[test]
fn a_clock_that_drifts_is_no_jitter() {
    for outcome in play(&scenarios::drift()) {
        for (_, stream) in outcome.streams(VOICE).chain(outcome.streams(OTHER_VOICE)) {
            assert_eq!(stream.clock_rate, Some(48_000));
        }
    }
}

#[test]
fn g722_has_the_clock_that_rfc_3551_says() {
    play(&scenarios::g722());
}

#[test]
fn a_clock_that_nobody_told_is_found() {
    play_with(&scenarios::unknown_payload_type(), Clocks::Unknown);
}

#[test]
fn what_is_late_is_counted_for_each_depth_of_buffer() {
    play(&scenarios::late());
}

#[test]
fn marks_are_counted_by_class_and_by_congestion() {
    play(&scenarios::marks());
}

#[test]
fn marks_that_vanish_are_laid_at_the_leg_they_came_by() {
    for outcome in play(&scenarios::bleached()) {
        for (direction, voice) in outcome.streams(VOICE) {
            let is_marked = outcome.is_marked(direction);
            let expected = is_marked.then_some(Bleaching::MidStream);
            assert_eq!(voice.bleached, expected, "{:?}, {}", outcome.way, direction.name());
            assert_eq!(voice.dscp, is_marked.then_some(EF >> 2));
        }
    }
}
