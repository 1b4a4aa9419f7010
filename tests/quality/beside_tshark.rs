//! The same packets with the same arrivals, as the relay and as tshark sees them (`-z rtp,streams`, 4.0 and later).
//!
//! The relay is held to the truth on every row, jitter within what is known of arrivals; tshark to a capture of the same
//! packets, which has one time for each: between the two lies what a clock cannot tell.
//!
//! It counts packets per SSRC, expects as many as lie between the first number and the last packet's, and follows RFC
//! 3550's appendix A.8 to the letter. That is right as long as packets come once and in order, and their clock is one that
//! RFC 3551 fixes. Where it is not, each row below says so with the reason, and what tshark says is held to it, so that a
//! version which does better is noticed:
//!
//! * Copies count as received, so they hide as many losses; many of them leave fewer than none.
//! * A dynamic payload type has no clock without a session description: no jitter.
//! * The last packet is taken for the furthest: what overtook it counts as too many.
//! * A wrap is seen in a number smaller than the first one, and again after a late one from before: 65 536 losses.
//! * What a restart jumps over counts as lost.
//! * A hold counts as jitter; so does whatever came late, which the relay leaves out.

use std::collections::BTreeSet;

use tern::quality::RecordStream;
use tern::route::Transport;

use crate::check::{Clocks, check_streams, stream as our_stream};
use crate::relay::Relay;
use crate::replay::{Call, end, replay};
use crate::scenarios;
use crate::schedule::{OPUS, PCMU, Packet};
use crate::skip::need;
use crate::truth::{Arrived, Span, Truth, count, jitter};
use crate::{capture, tshark};

/// What is to be expected of tshark.
struct Row {
    name: &'static str,
    packets: Vec<Packet>,
    /// The losses that it will tell.
    lost: fn(&Truth) -> i64,
    jitter: Jitter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jitter {
    Right,
    /// It has no clock for it.
    None,
    /// Too much.
    Wrong,
}

fn row(name: &'static str, packets: Vec<Packet>, lost: fn(&Truth) -> i64, jitter: Jitter) -> Row {
    Row { name, packets, lost, jitter }
}

fn right(truth: &Truth) -> i64 {
    truth.lost as i64
}

fn less_copies(truth: &Truth) -> i64 {
    right(truth) - truth.duplicate as i64
}

fn another_turn(truth: &Truth) -> i64 {
    less_copies(truth) + 65_536
}

/// From number 1079 to 40 000.
fn the_jump_too(truth: &Truth) -> i64 {
    right(truth) + 38_920
}

fn rows() -> Vec<Row> {
    vec![
        row("quiet line", in_pcmu(scenarios::quiet_line()), right, Jitter::Right),
        row("losses", in_pcmu(scenarios::losses()), right, Jitter::Right),
        row("bursts", in_pcmu(scenarios::gilbert_bursts()), right, Jitter::Right),
        row("jitter", in_pcmu(scenarios::little_jitter()), right, Jitter::Right),
        row("G.722", scenarios::g722(), right, Jitter::Right),
        row("silence", in_pcmu(scenarios::discontinuous()), right, Jitter::Right),
        row("comfort noise", scenarios::comfort_noise(), right, Jitter::Right),
        row("drift", in_pcmu(scenarios::drift()), right, Jitter::Right),
        row("wrap", scenarios::wrap(), right, Jitter::None),
        row("a voice and a picture", scenarios::two_streams(), right, Jitter::None),
        row("retransmissions", scenarios::retransmissions(), right, Jitter::None),
        row("redundancy", scenarios::redundancy(), right, Jitter::None),
        row("keys", scenarios::telephone_events(), right, Jitter::None),
        row("reordering", in_pcmu(scenarios::reordering()), right, Jitter::Wrong),
        row("hold", in_pcmu(scenarios::hold()), right, Jitter::Wrong),
        row("copies", in_pcmu(scenarios::duplicates()), less_copies, Jitter::Wrong),
        row("losses and copies", scenarios::losses_and_as_many_duplicates(), less_copies, Jitter::None),
        row("wrap and reordering", scenarios::wrap_with_reordering(), another_turn, Jitter::None),
        row("restart", scenarios::restart(), the_jump_too, Jitter::None),
    ]
}

/// The same voice in another codec, whose clock is a sixth.
fn in_pcmu(mut packets: Vec<Packet>) -> Vec<Packet> {
    for packet in &mut packets {
        assert_eq!(packet.payload_type, OPUS.payload_type);
        packet.payload_type = PCMU.payload_type;
        packet.timestamp /= OPUS.clock / PCMU.clock;
        packet.clock = PCMU.clock;
    }
    packets
}

/// The streams of each row get names of their own, so that one capture holds all.
fn name_apart(rows: &mut [Row]) {
    for (row, number) in rows.iter_mut().zip(1..) {
        for packet in &mut row.packets {
            packet.ssrc = packet.ssrc & 0xffff | number << 16;
        }
    }
}

#[test]
fn tshark_says_the_same_where_it_is_right_and_errs_as_it_is_known_to() {
    let mut rows = rows();
    name_apart(&mut rows);
    let mut relay = Relay::with(&[Transport::Udp]);
    let call = |row: &Row| (Call::new(&relay, Transport::Udp), row.packets.clone());
    let mut calls: Vec<_> = rows.iter().map(call).collect();
    let replayed = replay(&mut calls);
    let records = end(&mut relay, &mut calls);

    let mut arrived: Vec<Arrived<'_>> = Vec::new();
    for (row, measured) in rows.iter().zip(&replayed) {
        arrived.extend(row.packets.iter().zip(measured.to_peer.spans().iter().map(as_captured)));
    }
    arrived.sort_by(|one, other| one.1.middle().total_cmp(&other.1.middle()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.pcap");
    capture::write(&file, &arrived);
    let streams = need!(tshark::streams(&file));

    for ((row, measured), record) in rows.iter().zip(&replayed).zip(&records) {
        let ours = &record.directions.client_to_peer;
        check_streams(row.name, ours, &row.packets, &measured.to_peer, Clocks::Known);
        let ssrcs: BTreeSet<u32> = row.packets.iter().map(|packet| packet.ssrc).collect();
        for ssrc in ssrcs {
            let stream = streams.iter().find(|stream| stream.ssrc == ssrc).expect("it sees every stream");
            let own: Vec<Arrived<'_>> =
                arrived.iter().filter(|(packet, _)| packet.ssrc == ssrc).copied().collect();
            let truth = count(own.iter().map(|(packet, _)| *packet));
            println!("{}: {stream:?}", row.name);
            assert_eq!(stream.packets, truth.received + truth.duplicate, "{}", row.name);
            assert_eq!(stream.lost, (row.lost)(&truth), "{}: {truth:?}", row.name);
            check_jitter(row, stream, &jitter(&own));
            check_ours(row, stream, our_stream(ours, ssrc));
        }
    }
}

/// The relay and tshark, where that is right about everything.
fn check_ours(row: &Row, theirs: &tshark::Stream, ours: &RecordStream) {
    assert_eq!(ours.counts.packets(), theirs.packets, "{}", row.name);
    if row.jitter == Jitter::Right {
        assert_eq!(ours.counts.lost as i64, theirs.lost, "{}", row.name);
        let most = ours.max_jitter.map_or(f64::NAN, |jitter| jitter.as_secs_f64() * 1e3);
        println!("    the relay: max jitter {most:.3}");
    }
}

/// A capture has one time for each packet, to the nanosecond.
fn as_captured(span: &Span) -> Span {
    Span { from: span.middle(), to: span.middle() }
}

fn check_jitter(row: &Row, stream: &tshark::Stream, values: &[Span]) {
    let mean = values.iter().map(|value| value.middle()).sum::<f64>() / values.len() as f64 * 1e3;
    let most = values.iter().map(|value| value.middle()).fold(0.0, f64::max) * 1e3;
    println!("    our own count: mean jitter {mean:.3}, max {most:.3}");
    // It tells whole microseconds. Its mean leaves out the packets with a marker, which begin a spurt.
    let is_near = |theirs: f64, ours: f64, off: f64| (theirs - ours).abs() <= off;
    match row.jitter {
        Jitter::Right => {
            let is_mean = is_near(stream.mean_jitter, mean, (mean * 0.05).max(0.1));
            assert!(is_mean && is_near(stream.max_jitter, most, 0.002), "{}", row.name);
        }
        Jitter::None => assert_eq!((stream.mean_jitter, stream.max_jitter), (0.0, 0.0), "{}", row.name),
        Jitter::Wrong => assert!(stream.max_jitter > most + 1.0, "{}", row.name),
    }
}
