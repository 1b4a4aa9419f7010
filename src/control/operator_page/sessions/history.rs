//! How a call was, one interval at a time, by leg.

use maud::{Markup, html};
use serde::Deserialize;

use crate::control::admin::{LegFigures, QualityPoint};
use crate::control::operator_page::chart::{Line, lines};
use crate::control::operator_page::figures::{duration, float, millis, mos, percent, whole};

/// One interval, as the record of a call has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Moment {
    start_seconds: f64,
    client_to_peer: Heard,
    peer_to_client: Heard,
    rtt_ms: Trips,
}

/// What came in one direction.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Heard {
    expected: u64,
    lost: u64,
    jitter_ms: Option<f64>,
    mos: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Trips {
    client: Option<f64>,
    peer: Option<f64>,
}

impl Heard {
    fn figures(&self, rtt_ms: Option<f64>) -> LegFigures {
        let loss_percent = (self.expected > 0).then(|| float(self.lost) * 100.0 / float(self.expected));
        LegFigures { mos: self.mos, loss_percent, jitter_ms: self.jitter_ms, rtt_ms }
    }
}

/// The past of a call, the oldest first: seconds since it began, the client's leg, the peer's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::control::operator_page) struct History(Vec<(f64, LegFigures, LegFigures)>);

impl History {
    /// From a list in the records' form. What is not such a list is none.
    pub(in crate::control::operator_page) fn of_record(list: Option<&serde_json::Value>) -> Self {
        let moments = list.and_then(|list| Vec::<Moment>::deserialize(list).ok()).unwrap_or_default();
        let point = |moment: &Moment| {
            let client = moment.client_to_peer.figures(moment.rtt_ms.client);
            (moment.start_seconds, client, moment.peer_to_client.figures(moment.rtt_ms.peer))
        };
        Self(moments.iter().map(point).collect())
    }

    /// From intervals that follow upon each other.
    pub(in crate::control::operator_page) fn of_points(points: &[QualityPoint]) -> Self {
        let mut start = 0.0;
        let point = |point: &QualityPoint| {
            let at = start;
            start += point.seconds;
            (at, point.client, point.peer)
        };
        Self(points.iter().map(point).collect())
    }

    /// Four figures over time, each of both legs.
    pub(in crate::control::operator_page) fn charts(&self) -> Markup {
        let both = |figure: fn(&LegFigures) -> Option<f64>| {
            let client = self.0.iter().map(|(at, client, _)| (*at, figure(client))).collect();
            let peer = self.0.iter().map(|(at, _, peer)| (*at, figure(peer))).collect();
            [
                Line { class: "client", name: "client's leg", points: client },
                Line { class: "peer", name: "peer's leg", points: peer },
            ]
        };
        let end = self.0.last().map_or(0.0, |(at, ..)| *at);
        let end = duration(whole(end));
        let ends = ["0 s", end.as_str()];
        html! {
            div.charts {
                (lines("MOS", ends, 1.0, 4.5, mos, &both(|leg| leg.mos)))
                (lines("Loss", ends, 0.0, 1.0, percent, &both(|leg| leg.loss_percent)))
                (lines("Jitter", ends, 0.0, 20.0, millis, &both(|leg| leg.jitter_ms)))
                (lines("Round trip", ends, 0.0, 100.0, millis, &both(|leg| leg.rtt_ms)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_records_form_is_drawn_by_leg() {
        let moment = |start: u32, lost: u32| {
            json!({ "start_seconds": start, "seconds": 10, "rtt_ms": { "client": 40.0, "peer": null },
                "client_to_peer": { "expected": 500, "lost": lost, "jitter_ms": 3.5, "mos": 4.1, "is_voice": true },
                "peer_to_client": { "expected": 0, "lost": 0, "jitter_ms": null, "mos": null } })
        };
        let history = History::of_record(Some(&json!([moment(0, 0), moment(10, 50)])));
        let drawn = history.charts().into_string();
        assert!(drawn.contains("Loss, 0 s to 10 s: client's leg 0 % to 10 %, 10 % at the end"), "{drawn}");
        assert!(
            drawn.contains("Round trip, 0 s to 10 s: client's leg 40.0 ms to 40.0 ms, 40.0 ms at the end"),
            "{drawn}"
        );
        assert_eq!(History::of_record(Some(&json!({ "no": "list" }))), History::default());
        assert_eq!(History::of_record(None), History::default());
        let client =
            LegFigures { mos: Some(4.1), loss_percent: Some(10.0), jitter_ms: Some(3.5), rtt_ms: Some(40.0) };
        let point = QualityPoint {
            at: "2026-11-22T00:00:00Z".into(),
            seconds: 10.0,
            client,
            peer: LegFigures::default(),
        };
        let first =
            QualityPoint { client: LegFigures { loss_percent: Some(0.0), ..client }, ..point.clone() };
        assert_eq!(History::of_points(&[first, point]), history);
    }
}
