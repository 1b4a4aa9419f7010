//! Calls in virtual time, and what the page says of them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::{Counters, Exposition, Source};
use super::*;
use crate::quality::codec::{Codec, Role};
use crate::quality::stream::Heard;
use crate::quality::{CheckStep, Directions, Glance, Session, Settings, What};
use crate::time::{Time, UnixTime};
use crate::wire::rtp::RtpHeader;

const EF: u8 = 46 << 2;

fn page(workers: &[Arc<Counters>]) -> String {
    let source = |counters: &Arc<Counters>| Source {
        counters: Arc::clone(counters),
        alive: Arc::new(AtomicBool::new(true)),
    };
    Exposition::new(workers.iter().map(source).collect(), UnixTime(1)).unwrap().text().unwrap()
}

fn assert_lines(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|found| found == *line), "{line} is not in\n{page}");
    }
}

/// Ten seconds of a client's G.711: 500 packets, of which two in a row are lost, and round trips of 20 and 40 ms.
fn ten_seconds() -> Interval {
    let settings = Settings::default();
    let mut now = Time::from_secs(1_000);
    let mut session = Session::new(now);
    let mut see = |direction: Direction, what: What, arrival: Time| {
        session.see(&settings, direction, 7, &Glance { arrival, length: 172, tos: Some(EF | 2), what });
    };
    for (direction, took, number) in [(Direction::ClientToPeer, 40, 1), (Direction::PeerToClient, 20, 2)] {
        let check = |step| What::Check { step, transaction: [number; 12] };
        see(direction, check(CheckStep::Request), now);
        see(direction.opposite(), check(CheckStep::Response), now + Duration::from_millis(took));
    }
    for number in 0..500u16 {
        let timestamp = u32::from(number) * 160;
        let header = RtpHeader { marker: false, payload_type: 0, sequence: number, timestamp, ssrc: 9 };
        if !(100..102).contains(&number) {
            see(Direction::ClientToPeer, What::Rtp(header), now);
        }
        now = now + Duration::from_millis(20);
    }
    session.close_interval(&settings, now)
}

#[test]
fn ten_seconds_of_a_call_show_under_every_name() {
    let counters = Arc::<Counters>::default();
    counters.quality.open();
    counters.quality.add(&ten_seconds(), &Settings::default().codecs);
    let page = page(&[counters]);
    assert_lines(
        &page,
        &[
            "tern_media_sessions 1",
            "tern_rtp_packets_total{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 498",
            "tern_rtp_expected_packets_total{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 500",
            "tern_rtp_lost_packets_total{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 2",
            "tern_rtp_late_packets_total{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\",deadline=\"60ms\"} 0",
            "tern_rtp_loss_ratio_bucket{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\",le=\"0.001\"} 0",
            "tern_rtp_loss_ratio_bucket{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\",le=\"0.005\"} 1",
            "tern_rtp_loss_run_packets_bucket{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\",le=\"1\"} 0",
            "tern_rtp_loss_run_packets_bucket{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\",le=\"2\"} 1",
            "tern_rtp_loss_run_packets_sum{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 2",
            "tern_rtp_jitter_seconds_count{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 1",
            "tern_media_mos_count{direction=\"client_to_peer\",model=\"g107\",basis=\"itu\"} 1",
            "tern_media_mos_bucket{direction=\"client_to_peer\",model=\"g107\",basis=\"itu\",le=\"4.03\"} 0",
            "tern_media_unrated_seconds_total{direction=\"peer_to_client\",missing=\"packets\"} 10",
            "tern_media_rtt_seconds_sum{leg=\"peer\",source=\"check\"} 0.04",
            "tern_media_rtt_seconds_sum{leg=\"client\",source=\"check\"} 0.02",
            "tern_media_dscp_packets_total{direction=\"client_to_peer\",dscp=\"46\"} 500",
            "tern_media_ecn_packets_total{direction=\"client_to_peer\",ecn=\"ect0\"} 500",
        ],
    );
    assert!(!page.contains("model=\"g107.2\""), "nobody has spoken Opus");
}

#[test]
fn seconds_of_grades_and_causes_add_up() {
    let counters = Counters::default();
    counters.quality.add(&ten_seconds(), &Settings::default().codecs);
    let direction = &counters.quality.directions[0];
    let sum = |amounts: &[Amount]| amounts.iter().map(Amount::value).sum::<f64>();
    assert_eq!((sum(&direction.rated), sum(&direction.unrated)), (10.0, 0.0));
    assert_eq!(direction.trouble.iter().map(|places| sum(places)).sum::<f64>(), 10.0);
    let lost = 93.206 - ten_seconds_rating();
    assert!((sum(&direction.causes[0]) - lost).abs() < 0.001, "{lost}");
}

#[test]
fn the_time_of_bad_voices_is_known_by_the_limits_of_their_grades() {
    let counters = Counters::default();
    counters.quality.add(&ten_seconds(), &Settings::default().codecs);
    let Score::Rated(rating) = ten_seconds().directions.client_to_peer.score else { panic!("a rating") };
    let mos = rating.mos;
    let edge = MOS_EDGES.iter().copied().find(|edge| mos <= *edge).unwrap();
    for (limit, below) in [(edge, 10.0), (edge + 0.01, 10.0), (edge - 0.01, 0.0), (0.0, 0.0)] {
        assert_eq!(counters.quality.rated_below(limit), (below, 10.0), "{limit}");
    }
}

fn ten_seconds_rating() -> f64 {
    match ten_seconds().directions.client_to_peer.score {
        Score::Rated(rating) => rating.r,
        Score::NotMeasurable(missing) => panic!("{missing:?}"),
    }
}

#[test]
fn workers_add_up() {
    let workers = [Arc::<Counters>::default(), Arc::default()];
    for worker in &workers {
        worker.quality.open();
        worker.quality.add(&ten_seconds(), &Settings::default().codecs);
    }
    workers[0].quality.close();
    assert_lines(
        &page(&workers),
        &[
            "tern_media_sessions 1",
            "tern_media_sessions_total 2",
            "tern_rtp_lost_packets_total{direction=\"client_to_peer\",media=\"audio\",codec=\"pcmu\"} 4",
            "tern_media_mos_count{direction=\"client_to_peer\",model=\"g107\",basis=\"itu\"} 2",
        ],
    );
}

/// An interval with one stream of that payload type.
fn interval(payload_type: u8, ssrc: u32, codecs: &Codecs) -> Interval {
    let stream = IntervalStream {
        ssrc,
        payload_type,
        codec: codecs.id(payload_type),
        media: Media::Audio,
        role: Role::Primary,
        clock_rate: None,
        heard: Heard::default(),
        bleached: None,
        is_voice: true,
    };
    let heard = IntervalDirection { streams: vec![stream], ..IntervalDirection::default() };
    Interval {
        start: Duration::ZERO,
        duration: Duration::from_secs(10),
        directions: Directions { client_to_peer: heard, peer_to_client: IntervalDirection::default() },
        rtt: crate::quality::Legs::default(),
    }
}

#[test]
fn codecs_that_find_no_room_count_as_other() {
    let named = |name: String| Codec { name: name.into(), ..Codec::known("opus").unwrap() };
    let codecs = Codecs::with((0..100).map(|number| (number, named(format!("own-{number}")))));
    let counters = Arc::<Counters>::default();
    for payload_type in 0..100 {
        counters.quality.add(&interval(payload_type, 1, &codecs), &codecs);
    }
    assert_eq!(counters.quality.known_codecs().count(), CODECS + 1);
    let page = page(&[counters]);
    assert!(page.contains("codec=\"own-63\"") && page.contains("media=\"other\",codec=\"other\""));
    assert!(!page.contains("codec=\"own-64\""));
}

#[test]
fn the_page_does_not_grow_with_streams() {
    let counters = Arc::<Counters>::default();
    let codecs = Codecs::default();
    let mut lines = Vec::new();
    for ssrc in 0..10_000 {
        let payload_type = u8::try_from(ssrc % 128).unwrap();
        counters.quality.add(&interval(payload_type, ssrc, &codecs), &codecs);
        if ssrc == 127 || ssrc == 9_999 {
            lines.push(page(&[Arc::clone(&counters)]).lines().count());
        }
    }
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn every_value_stands_at_its_place() {
    fn places<T: Copy>(all: &[T], place: impl Fn(T) -> usize) {
        for (at, value) in all.iter().enumerate() {
            assert_eq!(place(*value), at);
        }
    }
    places(&Model::ALL, |it| it as usize);
    places(&Basis::ALL, |it| it as usize);
    places(&Missing::ALL, |it| it as usize);
    places(&Cause::ALL, |it| it as usize);
    places(&Bleaching::ALL, |it| it as usize);
    places(&[Leg::Client, Leg::Peer], Leg::index);
    assert_eq!(PLACES[..2], Leg::ALL.map(Leg::name));
}
