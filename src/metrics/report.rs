//! A session in the form that programs read: JSON, with the unit in every name.
//!
//! The pure room knows nothing of serialization, so its values are looked at through these. One form serves the record
//! at a session's end and the view of one that runs. Fields are added; none changes its meaning. A map has no entry for
//! what is 0.

mod direction;
mod score;

use std::time::Duration;

use serde::Serialize;

use crate::quality::{LegRtt, Legs, Moment, MomentDirection, Record, View};
use direction::DirectionReport;
use score::LatestReport;

/// All that was found out about a session.
#[derive(Clone, Debug, Serialize)]
pub struct RecordReport<'a> {
    seconds: f64,
    client_to_peer: DirectionReport<'a>,
    peer_to_client: DirectionReport<'a>,
    rtt: Both<Vec<RttReport>>,
    jitter_buffer_ms: f64,
    assumptions: &'a [String],
}

impl<'a> From<&'a Record> for RecordReport<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            seconds: seconds(record.duration),
            client_to_peer: (&record.directions.client_to_peer).into(),
            peer_to_client: (&record.directions.peer_to_client).into(),
            rtt: Both::of(&record.rtt, |trips| trips.iter().map(RttReport::from).collect()),
            jitter_buffer_ms: millis(record.jitter_buffer.duration()),
            assumptions: &record.assumptions,
        }
    }
}

/// A session that runs.
#[derive(Clone, Debug, Serialize)]
pub struct ViewReport<'a> {
    #[serde(flatten)]
    record: RecordReport<'a>,
    latest: LatestBoth,
    idle_seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
struct LatestBoth {
    client_to_peer: LatestReport,
    peer_to_client: LatestReport,
}

impl<'a> From<&'a View> for ViewReport<'a> {
    fn from(view: &'a View) -> Self {
        let latest = LatestBoth {
            client_to_peer: (&view.latest.client_to_peer).into(),
            peer_to_client: (&view.latest.peer_to_client).into(),
        };
        Self { record: (&view.record).into(), latest, idle_seconds: seconds(view.idle) }
    }
}

/// Ten seconds of the past.
#[derive(Clone, Debug, Serialize)]
pub struct MomentReport {
    start_seconds: f64,
    seconds: f64,
    client_to_peer: MomentDirectionReport,
    peer_to_client: MomentDirectionReport,
    rtt_ms: Both<Option<f64>>,
}

impl From<&Moment> for MomentReport {
    fn from(moment: &Moment) -> Self {
        Self {
            start_seconds: seconds(moment.start),
            seconds: seconds(moment.duration),
            client_to_peer: (&moment.directions.client_to_peer).into(),
            peer_to_client: (&moment.directions.peer_to_client).into(),
            rtt_ms: Both::of(&moment.rtt, |rtt| rtt.map(millis)),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct MomentDirectionReport {
    expected: u32,
    lost: u32,
    discarded: u32,
    jitter_ms: Option<f64>,
    mos: Option<f64>,
    is_voice: bool,
    is_bleached: bool,
    is_congested: bool,
    is_restarted: bool,
    is_crowded: bool,
}

impl From<&MomentDirection> for MomentDirectionReport {
    fn from(direction: &MomentDirection) -> Self {
        Self {
            expected: direction.expected,
            lost: direction.lost,
            discarded: direction.discarded,
            jitter_ms: direction.jitter.map(millis),
            mos: direction.mos.map(rounded),
            is_voice: direction.is_voice,
            is_bleached: direction.is_bleached,
            is_congested: direction.is_congested,
            is_restarted: direction.is_restarted,
            is_crowded: direction.is_crowded,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct RttReport {
    source: &'static str,
    mean_ms: f64,
    smoothed_ms: f64,
    last_ms: f64,
    least_ms: f64,
    greatest_ms: f64,
    samples: u32,
}

impl From<&LegRtt> for RttReport {
    fn from(rtt: &LegRtt) -> Self {
        Self {
            source: rtt.source.name(),
            mean_ms: millis(rtt.mean),
            smoothed_ms: millis(rtt.smoothed),
            last_ms: millis(rtt.last),
            least_ms: millis(rtt.least),
            greatest_ms: millis(rtt.greatest),
            samples: rtt.samples,
        }
    }
}

/// One thing for each leg.
#[derive(Clone, Debug, Serialize)]
struct Both<T> {
    client: T,
    peer: T,
}

impl<T> Both<T> {
    fn of<S>(legs: &Legs<S>, make: impl Fn(&S) -> T) -> Self {
        Self { client: make(&legs.client), peer: make(&legs.peer) }
    }
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64())
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1_000.0)
}

/// Three digits are more than anybody can measure.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::quality::{CheckStep, Direction, Glance, Session, Settings, What};
    use crate::time::Time;
    use crate::wire::rtp::RtpHeader;

    /// Twenty seconds of a client's Opus, of which the second half loses every tenth packet.
    fn call() -> (Session, Settings, Time) {
        let settings = Settings::default();
        let mut now = Time::from_secs(1_000);
        let mut session = Session::new(now);
        for number in 0..1_000u16 {
            let mut see = |direction, what, arrival| {
                session.see(&settings, direction, 7, &Glance { arrival, length: 100, tos: Some(184), what });
            };
            if number % 250 == 0 {
                for direction in Direction::ALL {
                    let transaction = [u8::try_from(number / 125 + direction as u16).unwrap(); 12];
                    let check = |step| What::Check { step, transaction };
                    see(direction, check(CheckStep::Request), now);
                    see(direction.opposite(), check(CheckStep::Response), now + Duration::from_millis(50));
                }
            }
            let timestamp = u32::from(number) * 960;
            let header = RtpHeader { marker: false, payload_type: 111, sequence: number, timestamp, ssrc: 9 };
            if number < 500 || number % 10 != 0 {
                see(Direction::ClientToPeer, What::Rtp(header), now);
            }
            now = now + Duration::from_millis(20);
            if number == 499 {
                session.close_interval(&settings, now);
            }
        }
        (session, settings, now)
    }

    #[test]
    fn a_record_says_what_was_found_out_and_from_what() {
        let (session, settings, now) = call();
        let (_, record) = session.end(&settings, now);
        let told = serde_json::to_value(RecordReport::from(&record)).unwrap();
        let direction = &told["client_to_peer"];
        assert_eq!(told["seconds"], json!(20.0));
        assert_eq!(told["rtt"]["client"][0]["source"], "check");
        assert_eq!(told["rtt"]["peer"][0]["mean_ms"], json!(50.0));
        assert_eq!(
            [
                &direction["total"]["expected"],
                &direction["total"]["lost"],
                &direction["total"]["loss_percent"]
            ],
            [&json!(1_000), &json!(50), &json!(5.0)]
        );
        assert_eq!(direction["dscp_packets"], json!({ "46": 950 + 8 }));
        let stream = &direction["streams"][0];
        assert_eq!(
            [&stream["codec"], &stream["ssrc"], &stream["role"]],
            [&json!("opus"), &json!(9), &json!("primary")]
        );
        let scores = &direction["scores"][0];
        assert_eq!([&scores["model"], &scores["basis"]], [&json!("g107.2"), &json!("proxy")]);
        let worst = &scores["worst"];
        assert_eq!([&worst["start_seconds"], &worst["inputs"]["loss_percent"]], [&json!(10.0), &json!(10.0)]);
        assert_eq!(
            [&worst["trouble"]["cause"], &worst["trouble"]["leg"]],
            [&json!("loss"), &json!("client")]
        );
        assert!(worst["mos"].as_f64().unwrap() < scores["mean_mos"].as_f64().unwrap());
        assert!(told["assumptions"].as_array().unwrap().len() > 3, "{told}");
        let silent = &told["peer_to_client"];
        assert_eq!([&silent["scores"], &silent["unrated_seconds"]["packets"]], [&json!([]), &json!(20.0)]);
    }

    #[test]
    fn a_view_adds_the_last_ten_seconds_to_what_a_record_has() {
        let (session, settings, now) = call();
        let view = session.view(&settings, now + Duration::from_secs(3));
        let told = serde_json::to_value(ViewReport::from(&view)).unwrap();
        let record = serde_json::to_value(RecordReport::from(&view.record)).unwrap();
        for (key, value) in record.as_object().unwrap() {
            assert_eq!(&told[key], value, "{key}");
        }
        let latest = &told["latest"]["client_to_peer"];
        assert_eq!([&latest["model"], &latest["missing"]], [&json!("g107.2"), &Value::Null]);
        assert_eq!(told["latest"]["peer_to_client"]["missing"], "packets");
        assert!((3.0..3.1).contains(&told["idle_seconds"].as_f64().unwrap()), "{told}");
    }

    #[test]
    fn the_past_is_told_ten_seconds_at_a_time() {
        let (mut session, settings, now) = call();
        session.close_interval(&settings, now);
        let told: Vec<_> = session
            .history()
            .map(|moment| serde_json::to_value(MomentReport::from(&moment)).unwrap())
            .collect();
        assert_eq!(told.len(), 2);
        assert_eq!(
            [&told[0]["seconds"], &told[0]["client_to_peer"]["expected"]],
            [&json!(10.0), &json!(500)]
        );
        assert_eq!(
            [&told[1]["start_seconds"], &told[1]["peer_to_client"]["mos"]],
            [&json!(10.0), &Value::Null]
        );
        assert_eq!(told[1]["rtt_ms"], json!({ "client": 50.0, "peer": 50.0 }));
    }
}
