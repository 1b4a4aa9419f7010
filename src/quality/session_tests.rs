//! Calls in virtual time, packet by packet.

use std::time::Duration;

use proptest::prelude::*;

use super::Direction::{ClientToPeer, PeerToClient};
use super::codec::{Basis, Codec, Codecs, Media, Model, Role};
use super::*;
use crate::time::Time;
use crate::wire::rtcp::RtcpHead;
use crate::wire::rtp::RtpHeader;

const EF: u8 = 46 << 2;
const OPUS: u8 = 111;
const PCMU: u8 = 0;
const PEER: u32 = 7;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One sender of 50 packets a second.
#[derive(Clone, Copy)]
struct Sender {
    direction: Direction,
    header: RtpHeader,
    ticks: u32,
    tos: Option<u8>,
}

fn sender(direction: Direction, ssrc: u32, payload_type: u8) -> Sender {
    let ticks = if payload_type == OPUS { 960 } else { 160 };
    let header = RtpHeader { marker: false, payload_type, sequence: 65_000, timestamp: 5, ssrc };
    Sender { direction, header, ticks, tos: Some(0) }
}

impl Sender {
    fn with_ticks(self, ticks: u32) -> Self {
        Self { ticks, ..self }
    }

    fn with_tos(self, tos: u8) -> Self {
        Self { tos: Some(tos), ..self }
    }

    fn next(&mut self) -> RtpHeader {
        let header = self.header;
        self.header.sequence = header.sequence.wrapping_add(1);
        self.header.timestamp = header.timestamp.wrapping_add(self.ticks);
        header
    }
}

struct Call {
    session: Session,
    settings: Settings,
    now: Time,
    checks: u8,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Comes,
    Late(u64),
    Lost,
}

impl Call {
    fn new() -> Self {
        let now = Time::from_secs(1_000);
        Self { session: Session::new(now), settings: Settings::default(), now, checks: 0 }
    }

    fn see(&mut self, direction: Direction, what: What, after: Duration, tos: Option<u8>) {
        let glance = Glance { arrival: self.now + after, length: 172, tos, what };
        self.session.see(&self.settings, direction, PEER, &glance);
    }

    fn rtp(&mut self, direction: Direction, header: RtpHeader) {
        self.see(direction, What::Rtp(header), Duration::ZERO, Some(0));
    }

    /// Both sides check, and have their answers so much later.
    fn check(&mut self, client: Duration, peer: Duration) {
        self.checks = self.checks.wrapping_add(2);
        for (direction, took) in [(ClientToPeer, peer), (PeerToClient, client)] {
            let transaction = [self.checks + direction as u8; 12];
            let step = |step| What::Check { step, transaction };
            self.see(direction, step(CheckStep::Request), Duration::ZERO, Some(0));
            self.see(direction.opposite(), step(CheckStep::Response), took, Some(0));
        }
    }

    /// Lets `senders` send for so long.
    fn talk(&mut self, duration: Duration, senders: &mut [Sender], fate: impl Fn(Direction, u64) -> Fate) {
        let packets = u64::try_from(duration.as_millis() / 20).unwrap();
        for number in 0..packets {
            for sender in &mut *senders {
                let header = sender.next();
                let (direction, tos) = (sender.direction, sender.tos);
                match fate(direction, number) {
                    Fate::Comes => self.see(direction, What::Rtp(header), Duration::ZERO, tos),
                    Fate::Late(late) => self.see(direction, What::Rtp(header), ms(late), tos),
                    Fate::Lost => {}
                }
            }
            self.now = self.now + ms(20);
        }
    }

    /// Ten seconds with a check of 20 ms on either leg, and their interval.
    fn interval(&mut self, senders: &mut [Sender], fate: impl Fn(Direction, u64) -> Fate) -> Interval {
        self.check(ms(20), ms(20));
        self.talk(secs(10), senders, fate);
        self.close()
    }

    fn close(&mut self) -> Interval {
        self.session.close_interval(&self.settings, self.now)
    }

    fn view(&self) -> View {
        self.session.view(&self.settings, self.now)
    }

    fn end(self) -> (Interval, Record) {
        self.session.end(&self.settings, self.now)
    }
}

fn all_come(_: Direction, _: u64) -> Fate {
    Fate::Comes
}

fn both(payload_type: u8) -> [Sender; 2] {
    [sender(ClientToPeer, 1, payload_type), sender(PeerToClient, 2, payload_type)]
}

fn rated(score: &Score) -> emodel::Rating {
    match score {
        Score::Rated(rating) => *rating,
        Score::NotMeasurable(missing) => panic!("{missing:?}"),
    }
}

fn missing(interval: &Interval, direction: Direction) -> Option<Missing> {
    match interval.directions[direction].score {
        Score::Rated(_) => None,
        Score::NotMeasurable(missing) => Some(missing),
    }
}

#[test]
fn a_clean_call_is_rated_by_its_delay_alone() {
    let mut call = Call::new();
    let interval = call.interval(&mut both(PCMU), all_come);
    for (_, heard) in interval.directions.iter() {
        let inputs = heard.inputs.unwrap();
        assert_eq!((inputs.delay, inputs.expected), (ms(20 + 60 + 20), 500));
        assert_eq!((inputs.loss, inputs.discard), (0.0, 0.0));
        let rating = rated(&heard.score);
        assert_eq!((rating.model, rating.basis), (Model::Narrowband, Basis::Itu));
        assert!((rating.mos - 4.355).abs() < 0.001, "G.107's value for 100 ms: {}", rating.mos);
        let trouble = heard.trouble.unwrap();
        assert_eq!((trouble.cause, trouble.leg), (Cause::Delay, None));
    }
    let rtt = interval.rtt.client.unwrap();
    assert_eq!((rtt.source, rtt.mean, rtt.samples), (RttSource::Check, ms(20), 1));
}

#[test]
fn losses_belong_to_the_leg_by_which_they_would_have_come() {
    let mut call = Call::new();
    let interval = call.interval(&mut both(PCMU), |direction, number| {
        if direction == PeerToClient && number % 20 == 10 { Fate::Lost } else { Fate::Comes }
    });
    let bad = &interval.directions.peer_to_client;
    assert!((bad.inputs.unwrap().loss - 5.0).abs() < 0.2, "the last second is not final yet");
    assert!(rated(&bad.score).mos < 4.0);
    let trouble = bad.trouble.unwrap();
    assert_eq!((trouble.cause, trouble.leg), (Cause::Loss, Some(Leg::Peer)));
    assert!(rated(&interval.directions.client_to_peer.score).mos > 4.3);
}

#[test]
fn what_comes_too_late_for_the_jitter_buffer_is_a_cause_of_its_own() {
    let mut call = Call::new();
    let late = |direction, number| {
        if direction == ClientToPeer && number % 10 == 9 { Fate::Late(90) } else { Fate::Comes }
    };
    let interval = call.interval(&mut both(PCMU), late);
    let bad = &interval.directions.client_to_peer;
    assert_eq!(bad.streams[0].heard.counts.discarded, [50, 50, 0, 0]);
    assert!((bad.inputs.unwrap().discard - 10.0).abs() < 1e-9);
    let trouble = bad.trouble.unwrap();
    assert_eq!((trouble.cause, trouble.leg), (Cause::Discard, Some(Leg::Client)));
    call.settings.jitter_buffer = JitterBuffer::Ms100;
    let interval = call.interval(&mut [], late);
    assert_eq!(missing(&interval, ClientToPeer), Some(Missing::Packets));
}

#[test]
fn a_long_way_is_blamed_on_the_leg_that_takes_longer() {
    let mut call = Call::new();
    call.check(ms(40), ms(600));
    call.talk(secs(10), &mut both(PCMU), all_come);
    for (_, heard) in call.close().directions.iter() {
        let trouble = heard.trouble.unwrap();
        assert_eq!((trouble.cause, trouble.leg), (Cause::Delay, Some(Leg::Peer)));
    }
}

#[test]
fn without_a_round_trip_there_is_no_score() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.talk(secs(10), &mut senders, all_come);
    assert_eq!(missing(&call.close(), ClientToPeer), Some(Missing::ClientRtt));
    let now = call.now;
    call.session.note_rtt(Leg::Client, RttSource::TcpInfo, ms(30), now);
    call.talk(secs(10), &mut senders, all_come);
    assert_eq!(missing(&call.close(), PeerToClient), Some(Missing::PeerRtt));
    let interval = call.interval(&mut senders, all_come);
    assert_eq!(interval.directions.client_to_peer.inputs.unwrap().sources.client, RttSource::Check);
    assert_eq!(missing(&interval, ClientToPeer), None);
}

#[test]
fn a_round_trip_is_no_longer_used_when_it_is_a_minute_old() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.interval(&mut senders, all_come);
    let mut scores = Vec::new();
    for _ in 0..6 {
        call.talk(secs(10), &mut senders, all_come);
        scores.push(missing(&call.close(), ClientToPeer));
    }
    assert_eq!(scores[..4], [None; 4]);
    assert_eq!(scores[5], Some(Missing::ClientRtt));
}

#[test]
fn pictures_have_no_score() {
    let mut call = Call::new();
    let interval = call.interval(&mut [sender(ClientToPeer, 1, 96).with_ticks(1_800)], all_come);
    assert_eq!(missing(&interval, ClientToPeer), Some(Missing::Media));
    assert_eq!(interval.directions.client_to_peer.streams[0].media, Media::Video);
    assert_eq!(missing(&interval, PeerToClient), Some(Missing::Packets));
}

#[test]
fn an_unknown_payload_type_is_what_its_clock_says() {
    let mut call = Call::new();
    let voice = sender(ClientToPeer, 1, 77).with_ticks(960);
    let pictures = sender(PeerToClient, 2, 77).with_ticks(1_800);
    let interval = call.interval(&mut [voice, pictures], all_come);
    let there = &interval.directions.client_to_peer;
    assert_eq!((there.streams[0].media, there.streams[0].clock_rate), (Media::Audio, Some(48_000)));
    assert_eq!(missing(&interval, ClientToPeer), Some(Missing::Codec));
    assert_eq!(missing(&interval, PeerToClient), Some(Missing::Media));
}

#[test]
fn a_payload_type_that_stands_for_something_else_has_no_score() {
    let mut call = Call::new();
    // 96 is a picture's by default; here it has a voice's clock.
    let mut senders = [sender(ClientToPeer, 1, 96).with_ticks(960), sender(PeerToClient, 2, OPUS)];
    call.interval(&mut senders, all_come);
    let interval = call.interval(&mut senders, all_come);
    let stream = &interval.directions.client_to_peer.streams[0];
    assert_eq!((stream.media, stream.codec, stream.clock_rate), (Media::Audio, None, Some(48_000)));
    assert_eq!(missing(&interval, ClientToPeer), Some(Missing::Codec));
    assert!(interval.directions.peer_to_client.streams[0].codec.is_some());
}

#[test]
fn a_few_packets_have_no_score() {
    let mut call = Call::new();
    call.check(ms(20), ms(20));
    call.talk(ms(49 * 20), &mut both(PCMU), all_come);
    assert_eq!(missing(&call.close(), ClientToPeer), Some(Missing::Packets));
}

#[test]
fn a_codec_without_clock_has_no_score_before_its_clock_is_known() {
    let mut call = Call::new();
    let codec = Codec { clock_rate: None, ..Codec::known("opus").unwrap() };
    call.settings.codecs = Codecs::with([(OPUS, codec)]);
    // Its timestamps stand still.
    let interval = call.interval(&mut [sender(ClientToPeer, 1, OPUS).with_ticks(0)], all_come);
    assert_eq!(missing(&interval, ClientToPeer), Some(Missing::Clock));
}

#[test]
fn the_voice_with_most_packets_is_scored() {
    let mut call = Call::new();
    let mut senders = [sender(ClientToPeer, 1, PCMU), sender(ClientToPeer, 2, OPUS)];
    call.check(ms(20), ms(20));
    call.talk(secs(4), &mut senders, all_come);
    call.talk(secs(6), &mut senders[1..], all_come);
    let heard = call.close().directions.client_to_peer;
    let voices: Vec<_> = heard.streams.iter().map(|stream| (stream.ssrc, stream.is_voice)).collect();
    assert_eq!(voices, [(1, false), (2, true)]);
    assert_eq!(rated(&heard.score).model, Model::Fullband);
}

#[test]
fn two_streams_of_one_five_tuple_are_counted_apart() {
    let mut call = Call::new();
    let mut senders = [sender(ClientToPeer, 1, PCMU), sender(ClientToPeer, 2, PCMU)];
    senders[1].header.sequence = 9;
    let heard = call.interval(&mut senders, all_come).directions.client_to_peer;
    for stream in &heard.streams {
        let counts = stream.heard.counts;
        assert_eq!((counts.expected, counts.lost, counts.restarts, counts.stray), (500, 0, 0, 0));
    }
    assert_eq!((heard.streams.len(), heard.uncounted), (2, 0));
}

#[test]
fn what_repeats_a_stream_has_no_part_in_the_score() {
    let mut call = Call::new();
    let rtx = sender(ClientToPeer, 2, 97).with_ticks(1_800);
    let lossy = |_, number| if number % 2 == 1 { Fate::Lost } else { Fate::Comes };
    call.check(ms(20), ms(20));
    call.talk(secs(5), &mut [rtx], lossy);
    call.talk(secs(5), &mut [sender(ClientToPeer, 1, PCMU)], all_come);
    let heard = call.close().directions.client_to_peer;
    assert_eq!(heard.streams[0].role, Role::Retransmission);
    assert_eq!((heard.inputs.unwrap().loss, heard.streams[0].is_voice), (0.0, false));
}

#[test]
fn redundant_packets_are_the_voice() {
    let mut call = Call::new();
    let mut opus = [sender(ClientToPeer, 1, OPUS)];
    call.check(ms(20), ms(20));
    for payload_type in [OPUS, 63].repeat(5) {
        opus[0].header.payload_type = payload_type;
        call.talk(secs(1), &mut opus, all_come);
    }
    let heard = call.close().directions.client_to_peer;
    let stream = &heard.streams[0];
    assert_eq!((stream.heard.counts.expected, stream.heard.counts.lost, heard.streams.len()), (500, 0, 1));
    assert_eq!((stream.role, rated(&heard.score).basis), (Role::Redundant, Basis::Proxy));
    let (_, record) = call.end();
    assert!(record.assumptions.iter().any(|said| said.contains("RED")));
    assert!(record.assumptions.iter().any(|said| said.contains("proxy")));
}

#[test]
fn keys_and_silence_are_no_other_codec() {
    let mut call = Call::new();
    let mut voice = [sender(ClientToPeer, 1, PCMU)];
    call.check(ms(20), ms(20));
    call.talk(secs(4), &mut voice, all_come);
    for payload_type in [126, 13] {
        (voice[0].header.payload_type, voice[0].ticks) = (payload_type, 0);
        call.talk(ms(200), &mut voice, all_come);
        (voice[0].header.payload_type, voice[0].ticks) = (PCMU, 160);
        voice[0].header.timestamp += 10 * 160;
        call.talk(secs(1), &mut voice, all_come);
    }
    let heard = call.close().directions.client_to_peer;
    let stream = &heard.streams[0];
    assert_eq!((stream.payload_type, stream.role, stream.clock_rate), (PCMU, Role::Primary, Some(8_000)));
    assert_eq!((stream.heard.counts.lost, stream.heard.counts.discarded), (0, [0; 4]));
    assert!(stream.heard.jitter.unwrap().max < ms(1), "{:?}", stream.heard.jitter);
}

#[test]
fn a_stream_that_begins_with_a_key_gets_its_codec_later() {
    let mut call = Call::new();
    let mut voice = [sender(ClientToPeer, 1, 126).with_ticks(0)];
    call.talk(ms(200), &mut voice, all_come);
    (voice[0].header.payload_type, voice[0].ticks) = (PCMU, 160);
    let heard = call.interval(&mut voice, all_come).directions.client_to_peer;
    assert_eq!((heard.streams[0].payload_type, heard.streams[0].heard.counts.expected), (PCMU, 510));
}

#[test]
fn the_worst_ten_seconds_are_remembered_with_what_they_were_made_of() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    for bad in [0, 1, 4, 2, 0] {
        call.interval(&mut senders, |direction, number| {
            let is_lost = direction == ClientToPeer && number < 350 && number % 50 < bad;
            if is_lost { Fate::Lost } else { Fate::Comes }
        });
    }
    let (_, record) = call.end();
    let [scores] = &record.directions.client_to_peer.scores[..] else { panic!("one scale") };
    let worst = scores.worst;
    assert_eq!((worst.start, worst.duration), (secs(20), secs(10)));
    assert!((worst.inputs.loss - 5.6).abs() < 1e-9, "{}", worst.inputs.loss);
    assert_eq!(worst.trouble.unwrap().leg, Some(Leg::Client));
    assert!(worst.rating.mos < scores.mean_mos && scores.mean_mos < 4.355);
    assert!((scores.causes.sum() - (emodel::best(Model::Narrowband) - scores.mean_r)).abs() < 1e-6);
    assert_eq!((scores.intervals, scores.duration), (5, secs(50)));
    let [good] = &record.directions.peer_to_client.scores[..] else { panic!("one scale") };
    assert!((good.mean_mos - good.worst.rating.mos).abs() < 1e-9);
}

#[test]
fn an_end_shorter_than_five_seconds_is_not_the_worst() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.interval(&mut senders, all_come);
    call.talk(secs(2), &mut senders, |_, number| if number % 2 == 0 { Fate::Lost } else { Fate::Comes });
    let (last, record) = call.end();
    let scores = &record.directions.client_to_peer.scores[0];
    assert!(last.directions.client_to_peer.score.mos().unwrap() < 2.5);
    assert_eq!((scores.worst.start, scores.intervals), (Duration::ZERO, 2));
}

#[test]
fn scores_of_two_scales_are_kept_apart() {
    let mut call = Call::new();
    let mut voice = [sender(ClientToPeer, 1, PCMU)];
    call.interval(&mut voice, all_come);
    let mut other = [sender(ClientToPeer, 2, OPUS)];
    call.interval(&mut other, all_come);
    let (_, record) = call.end();
    let models: Vec<_> = record.directions.client_to_peer.scores.iter().map(|scores| scores.model).collect();
    assert_eq!(models, [Model::Narrowband, Model::Fullband]);
}

#[test]
fn intervals_add_up_to_the_record() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    let mut added = stream::Counts::default();
    let mut packets = 0;
    let mut add = |interval: Interval| {
        let heard = interval.directions.client_to_peer;
        heard.streams.iter().for_each(|stream| added += stream.heard.counts);
        packets += heard.marks.ecn(Ecn::NotEct);
    };
    for round in 0..4 {
        call.talk(secs(7), &mut senders, |_, number| match number {
            number if number % (9 + round) == 0 => Fate::Lost,
            number if number % 50 < 2 => Fate::Late(250),
            _ => Fate::Comes,
        });
        add(call.close());
    }
    call.talk(ms(60), &mut senders, all_come);
    let (last, record) = call.end();
    add(last);
    let heard = &record.directions.client_to_peer;
    assert_eq!(heard.totals(), added);
    assert_eq!(heard.marks.ecn(Ecn::NotEct), packets);
    assert_eq!(added.received, packets);
    assert!(added.lost > 100);
}

#[test]
fn a_view_is_the_record_of_now() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.interval(&mut senders, all_come);
    call.talk(secs(3), &mut senders, all_come);
    let view = call.view();
    assert_eq!(view.record.directions.client_to_peer.streams[0].counts.expected, 650);
    assert_eq!((view.record.duration, view.idle), (secs(13), ms(20)));
    assert!((view.latest.client_to_peer.score.mos().unwrap() - 4.355).abs() < 0.001);
    assert_eq!(call.view(), view, "a look changes nothing");
    let moment = call.session.history().next_back().unwrap();
    assert_eq!((moment.start, moment.duration), (Duration::ZERO, secs(10)));
    assert_eq!((moment.rtt.client, moment.directions.peer_to_client.expected), (Some(ms(20)), 500));
}

#[test]
fn a_record_says_why_and_for_how_long_there_was_no_score() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.talk(secs(10), &mut senders, all_come);
    call.close();
    call.interval(&mut senders, all_come);
    call.now = call.now + secs(10);
    call.close();
    let (_, record) = call.end();
    let unrated = &record.directions.client_to_peer.unrated;
    assert_eq!(unrated[..], [(Missing::Packets, secs(10)), (Missing::ClientRtt, secs(10))]);
}

#[test]
fn bleaching_is_found_on_the_leg_by_which_the_stream_comes() {
    let mut call = Call::new();
    let mut senders = both(PCMU).map(|sender| sender.with_tos(EF));
    call.interval(&mut senders, all_come);
    senders[1].tos = Some(0);
    let interval = call.interval(&mut senders, all_come);
    let found = |direction| interval.directions[direction].streams[0].bleached;
    assert_eq!((found(ClientToPeer), found(PeerToClient)), (None, Some(Bleaching::MidStream)));
    let again = call.interval(&mut senders, all_come);
    assert_eq!(again.directions.peer_to_client.streams[0].bleached, None, "told once");
    let (_, record) = call.end();
    let stream = &record.directions.peer_to_client.streams[0];
    assert_eq!((stream.bleached, stream.dscp), (Some(Bleaching::MidStream), Some(46)));
    assert_eq!(record.directions.client_to_peer.streams[0].bleached, None);
    let marks: Vec<_> = record.directions.peer_to_client.marks.dscp().collect();
    assert_eq!(marks, [(0, 1_006), (46, 500)], "checks are datagrams too");
}

#[test]
fn a_voice_without_the_marks_that_it_should_have_was_bleached_before_us() {
    let mut call = Call::new();
    call.settings.expected_dscp = Some(46);
    let mut senders = [sender(ClientToPeer, 1, PCMU), sender(ClientToPeer, 2, 96).with_ticks(1_800)];
    let heard = call.interval(&mut senders, all_come).directions.client_to_peer;
    let found: Vec<_> = heard.streams.iter().map(|stream| stream.bleached).collect();
    assert_eq!(found, [Some(Bleaching::BeforeUs), None], "pictures have other marks");
}

#[test]
fn over_a_stream_nobody_sees_marks() {
    let mut call = Call::new();
    call.settings.expected_dscp = Some(46);
    let mut senders = both(PCMU);
    senders[0].tos = None;
    call.talk(secs(10), &mut senders, all_come);
    let heard = call.close().directions.client_to_peer;
    assert_eq!((heard.streams[0].bleached, heard.marks), (None, MarkCounts::default()));
}

#[test]
fn congestion_is_counted_and_stands_in_the_history() {
    let mut call = Call::new();
    let mut senders = [sender(ClientToPeer, 1, PCMU).with_tos(1)];
    call.interval(&mut senders, all_come);
    senders[0].tos = Some(3);
    call.talk(ms(40), &mut senders, all_come);
    let marks = call.close().directions.client_to_peer.marks;
    assert_eq!((marks.ecn(Ecn::Ect1), marks.ecn(Ecn::Ce)), (0, 2));
    let congested: Vec<_> =
        call.session.history().map(|moment| moment.directions.client_to_peer.is_congested).collect();
    assert_eq!(congested, [false, true]);
}

#[test]
fn feedback_is_counted_in_the_direction_that_it_goes() {
    let mut call = Call::new();
    let nack = RtcpHead { count: 1, packet_type: 205, ssrc: 2 };
    call.see(PeerToClient, What::Rtcp(nack), Duration::ZERO, None);
    let interval = call.close();
    assert_eq!(interval.directions.peer_to_client.feedback.of(Feedback::Nack), 1);
    assert_eq!(interval.directions.client_to_peer.feedback, FeedbackCounts::default());
    let (_, record) = call.end();
    assert_eq!(record.directions.peer_to_client.feedback.of(Feedback::Nack), 1);
}

#[test]
fn a_stream_that_moves_to_another_path_is_the_same() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.talk(secs(1), &mut senders, all_come);
    for number in 0..50 {
        let arrival = call.now + ms(20 * number);
        let what = What::Rtp(senders[1].next());
        let glance = Glance { arrival, length: 172, tos: None, what };
        call.session.see(&call.settings, PeerToClient, PEER + 1, &glance);
    }
    let counts = call.close().directions.peer_to_client.streams[0].heard.counts;
    assert_eq!((counts.expected, counts.lost, counts.restarts), (100, 0, 0));
}

/// What the network can make a session take, whatever it sends.
const MOST: usize = 48 * 1024;

fn footprint(session: &Session) -> usize {
    size_of::<Session>() + session.heap_size()
}

#[test]
fn a_flood_of_a_million_ssrcs_takes_no_more_than_a_call() {
    let mut call = Call::new();
    let mut senders = both(PCMU);
    call.interval(&mut senders, all_come);
    let before = footprint(&call.session);
    let header = senders[0].header;
    for ssrc in 0..1_000_000_u32 {
        call.rtp(ClientToPeer, RtpHeader { ssrc: !ssrc, ..header });
    }
    assert_eq!(footprint(&call.session), before);
    let heard = call.interval(&mut senders, all_come).directions.client_to_peer;
    let counts = heard.streams[0].heard.counts;
    assert_eq!((heard.streams.len(), counts.expected, counts.lost), (1, 500, 0), "the call goes on");
    assert_eq!(heard.uncounted, 1_000_000 - 8, "eight still wait for their second packet");
}

#[test]
fn a_flood_of_ssrcs_that_come_twice_takes_a_bounded_size() {
    let mut call = Call::new();
    call.settings.history = usize::MAX;
    let mut senders = both(PCMU);
    call.interval(&mut senders, all_come);
    for round in 0..400_u32 {
        for direction in Direction::ALL {
            for ssrc in 0..100 {
                let mut pair = sender(direction, 0x1000 + round * 100 + ssrc, PCMU);
                (0..2).for_each(|_| call.rtp(direction, pair.next()));
            }
        }
        call.interval(&mut senders, all_come);
        assert!(footprint(&call.session) <= MOST, "{}", footprint(&call.session));
    }
    let (_, record) = call.end();
    let heard = &record.directions.client_to_peer;
    assert_eq!(heard.streams.len(), 8);
    assert_eq!(heard.streams[0].counts.expected, 401 * 500, "the call has kept its place");
    assert!(heard.retired > 100);
    let totals = heard.totals();
    assert_eq!(totals.received + heard.uncounted, 401 * 500 + 400 * 200);
}

#[test]
fn a_usual_call_takes_a_few_kilobytes() {
    let mut call = Call::new();
    let mut senders = both(OPUS);
    call.interval(&mut senders, all_come);
    let one = footprint(&call.session);
    assert!(one <= 8 * 1024, "{one}");
    for _ in 0..360 {
        call.interval(&mut senders, all_come);
    }
    let hour = footprint(&call.session);
    assert!(hour - one <= 360 * 32, "{hour}");
    assert_eq!(call.session.history().count(), 360);
}

#[test]
fn who_has_been_silent_for_half_a_minute_makes_room() {
    let mut call = Call::new();
    let mut senders: Vec<_> = (1..=9).map(|ssrc| sender(ClientToPeer, ssrc, PCMU)).collect();
    call.talk(secs(1), &mut senders, all_come);
    let heard = call.close().directions.client_to_peer;
    assert_eq!((heard.streams.len(), heard.uncounted), (8, 49), "no room for the ninth");
    call.talk(secs(30), &mut senders[1..8], all_come);
    call.talk(ms(40), &mut senders[8..], all_come);
    let (_, record) = call.end();
    let heard = &record.directions.client_to_peer;
    assert_eq!((heard.streams.len(), heard.retired, heard.retired_counts.expected), (8, 1, 50));
    assert_eq!(heard.streams.last().map(|stream| (stream.ssrc, stream.counts.expected)), Some((9, 3)));
}

#[test]
fn more_streams_than_may_wait_begin_together() {
    let mut call = Call::new();
    let mut senders: Vec<_> = (1..=30).map(|ssrc| sender(ClientToPeer, ssrc, PCMU)).collect();
    call.talk(secs(1), &mut senders, all_come);
    let (last, _) = call.end();
    let heard = last.directions.client_to_peer;
    let counted: u64 = heard.streams.iter().map(|stream| stream.heard.counts.received).sum();
    assert_eq!((heard.streams.len(), counted, heard.uncounted), (8, 8 * 50, 22 * 50));
}

#[test]
fn an_ssrc_that_is_not_confirmed_makes_room_after_a_second() {
    let mut call = Call::new();
    for ssrc in 100..108 {
        call.rtp(ClientToPeer, sender(ClientToPeer, ssrc, PCMU).header);
    }
    call.talk(ms(2_000), &mut [sender(ClientToPeer, 1, PCMU)], all_come);
    let heard = call.close().directions.client_to_peer;
    assert_eq!((heard.streams.len(), heard.streams[0].heard.counts.received), (1, 49));
}

#[test]
fn an_ssrc_of_zero_is_one_as_any_other() {
    let mut call = Call::new();
    let heard = call.interval(&mut [sender(ClientToPeer, 0, PCMU)], all_come).directions.client_to_peer;
    assert_eq!((heard.streams[0].ssrc, heard.streams[0].heard.counts.expected), (0, 500));
}

#[test]
fn a_stream_whose_second_packet_is_lost_or_overtakes_is_counted_from_its_first() {
    for order in [[0, 2, 3, 4], [1, 0, 2, 3]] {
        let mut call = Call::new();
        let first = sender(ClientToPeer, 1, PCMU).header;
        for number in order {
            let (sequence, timestamp) = (first.sequence + number, 160 * u32::from(number));
            call.rtp(ClientToPeer, RtpHeader { sequence, timestamp, ..first });
        }
        let (last, _) = call.end();
        let counts = last.directions.client_to_peer.streams[0].heard.counts;
        let expected = u64::from(*order.iter().max().unwrap()) + 1;
        assert_eq!((counts.expected, counts.received), (expected, 4), "{order:?}");
    }
}

#[test]
fn a_copy_does_not_confirm_an_ssrc() {
    let mut call = Call::new();
    let header = sender(ClientToPeer, 1, PCMU).header;
    (0..10).for_each(|_| call.rtp(ClientToPeer, header));
    let heard = call.close().directions.client_to_peer;
    assert_eq!((heard.streams.len(), heard.uncounted), (0, 9));
    let (last, record) = call.end();
    assert_eq!(
        (last.directions.client_to_peer.uncounted, record.directions.client_to_peer.uncounted),
        (1, 10)
    );
}

/// One packet of whatever the network may send, and how long after the one before.
fn any_packet() -> impl Strategy<Value = (u64, Direction, What, Option<u8>)> {
    let header = (any::<bool>(), 0..128_u8, prop_oneof![0..200_u16, any::<u16>()], any::<u32>(), 0..24_u32)
        .prop_map(|(marker, payload_type, sequence, timestamp, ssrc)| RtpHeader {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc,
        });
    let head = (0..32_u8, 192..224_u8, any::<u32>()).prop_map(|(count, packet_type, ssrc)| RtcpHead {
        count,
        packet_type,
        ssrc,
    });
    let step = prop_oneof![Just(CheckStep::Request), Just(CheckStep::Response)];
    let what = prop_oneof![
        8 => header.prop_map(What::Rtp),
        1 => head.prop_map(What::Rtcp),
        1 => (step, 0..12_u8).prop_map(|(step, id)| What::Check { step, transaction: [id; 12] }),
        1 => Just(What::Other),
    ];
    let after = prop_oneof![20 => 0..40_u64, 1 => 0..40_000_u64];
    let direction = prop_oneof![Just(ClientToPeer), Just(PeerToClient)];
    (after, direction, what, any::<Option<u8>>())
}

proptest! {
    #[test]
    fn every_packet_is_counted_once_whatever_comes(packets in prop::collection::vec(any_packet(), 0..600)) {
        let mut call = Call::new();
        let (mut sent, mut told) = ([0, 0], [0, 0]);
        let mut tell = |interval: &Interval| {
            for (direction, heard) in interval.directions.iter() {
                let packets = heard.streams.iter().map(|stream| stream.heard.counts.packets());
                told[direction.index()] += packets.sum::<u64>() + heard.uncounted;
            }
        };
        for (number, (after, direction, what, tos)) in packets.into_iter().enumerate() {
            call.now = call.now + ms(after);
            call.see(direction, what, Duration::ZERO, tos);
            sent[direction.index()] += u64::from(matches!(what, What::Rtp(_)));
            if number % 100 == 99 {
                tell(&call.close());
            }
            prop_assert!(footprint(&call.session) <= MOST);
        }
        let (last, record) = call.end();
        tell(&last);
        for (direction, heard) in record.directions.iter() {
            prop_assert_eq!(heard.totals().packets() + heard.uncounted, sent[direction.index()]);
            prop_assert!(told[direction.index()] <= sent[direction.index()]);
            if heard.retired == 0 {
                prop_assert_eq!(told[direction.index()], sent[direction.index()]);
            }
        }
    }
}
