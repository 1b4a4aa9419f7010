//! What happens in calls, one thing at a time: what is counted of it is what was sent, to the packet, and jitter is that
//! of the arrivals. Each schedule is shown to a session as it is, and replayed through a relay over UDP and TCP, to the peer
//! and to the client.

use tern::quality::codec::Role;
use tern::quality::{
    Bleaching, Direction, Directions, Feedback, Glance, Record, RecordDirection, RecordStream, Session,
    Settings,
};
use tern::route::Transport;
use tern::time::Time;

use crate::check::{Clocks, check_marks, check_streams, stream};
use crate::relay::Relay;
use crate::replay::{Call, Measured, end, live, replay};
use crate::scenarios::{self, EF, OTHER_VOICE, PICTURE, REPAIR, VOICE};
use crate::schedule::Packet;
use crate::truth::Span;

/// How a schedule has come to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Packet by packet, at the very time.
    Session,
    /// Through a relay, by a client over UDP.
    Udp,
    /// By one over TCP.
    Tcp,
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
    fn is_marked(&self, direction: Direction) -> bool {
        (self.way, direction) != (Way::Tcp, Direction::ClientToPeer)
    }
}

/// Plays a schedule both ways, compares all that has one truth, and returns what was said.
fn play(packets: &[Packet]) -> Vec<Outcome> {
    play_with(packets, Clocks::Known)
}

fn play_with(packets: &[Packet], clocks: Clocks) -> Vec<Outcome> {
    let mut outcomes = vec![show(packets, clocks)];
    outcomes.extend(relay(packets, clocks));
    outcomes
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

/// Replays it through a relay, looks at both calls while they run, and ends them.
fn relay(packets: &[Packet], clocks: Clocks) -> Vec<Outcome> {
    let mut relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    let ways = [(Way::Udp, Transport::Udp), (Way::Tcp, Transport::Tcp)];
    let mut calls = ways.map(|(_, transport)| (Call::new(&relay, transport), packets.to_vec()));
    let replayed = replay(&mut calls);
    let running = calls.each_ref().map(|(call, _)| live(&relay, call.relayed));
    let ended = end(&mut relay, &mut calls);
    let mut outcomes = Vec::new();
    for ((((way, _), measured), running), record) in ways.into_iter().zip(replayed).zip(running).zip(ended) {
        let arrivals = Directions { client_to_peer: measured.to_peer, peer_to_client: measured.to_client };
        // Jitter's mean is that of whole intervals.
        compare(&Outcome { way, record: running }, packets, &arrivals, Clocks::Unknown);
        let outcome = Outcome { way, record };
        compare(&outcome, packets, &arrivals, clocks);
        outcomes.push(outcome);
    }
    outcomes
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

/// What a call sends beside its media: reports, NACKs, a check and its answer, DTLS, ZRTP, noise.
fn others() -> Vec<Vec<u8>> {
    let rtcp = |first: u8, kind: u8| [&[first, kind, 0, 1][..], &VOICE.to_be_bytes(), &[7; 40]].concat();
    let check = |kind: u8| [&[kind, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[9; 12]].concat();
    let dtls = [&[22, 254, 253][..], &[0; 40]].concat();
    let zrtp = [&[16, 0][..], b"....ZRTP........"].concat();
    // Too short for RTP; a version that there is not.
    let noise = [vec![0x80, 111, 0, 1], [&[0xc0, 111][..], &[1; 30]].concat()];
    let known = [rtcp(0x80, 200), rtcp(0x81, 201), rtcp(0x81, 205), rtcp(0x81, 205), check(0), check(1)];
    known.into_iter().chain([dtls, zrtp]).chain(noise).collect()
}

#[test]
fn what_is_not_media_is_not_counted_as_media() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut relay = Relay::with(&[transport]);
        let packets = scenarios::quiet_line();
        let mut call = Call::new(&relay, transport);
        for (packet, serial) in packets.iter().zip(0..) {
            let beside = if serial % 50 == 49 { others() } else { Vec::new() };
            for payload in beside.into_iter().chain([packet.bytes(serial)]) {
                call.send_to_peer(&payload, 0);
                call.send_to_client(&payload, 0);
            }
        }
        relay.wait_for("the last packet", |relay| {
            let record = live(relay, call.relayed);
            let has_all = |seen: &RecordDirection| seen.streams.iter().any(|one| one.counts.received == 150);
            record.directions.iter().all(|(_, seen)| has_all(seen))
        });
        let records = end(&mut relay, &mut [(call, packets)]);
        for (direction, seen) in records[0].directions.iter() {
            let name = format!("{transport:?}, {}", direction.name());
            assert_eq!((seen.streams.len(), seen.uncounted), (1, 0), "{name}");
            assert_eq!(seen.streams[0].counts.packets(), 150, "{name}");
            let kinds = [(Feedback::SenderReport, 3), (Feedback::ReceiverReport, 3), (Feedback::Nack, 6)];
            for (kind, count) in kinds {
                assert_eq!(seen.feedback.of(kind), count, "{name}: {kind:?}");
            }
        }
    }
}
