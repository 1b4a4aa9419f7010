//! How good the calls were, by client network and time, and the classes of their packets. Each cell has its figure as
//! text; the colour says no more than that.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};

use super::ask::{Api, Viewer, query};
use super::figures::{NOTHING, clock, count, maybe, millis, mos, percent};
use super::frame::Frame;
use crate::control::admin::{Cell, DscpClass, HeatMap, HeatRow, QualityReport};

/// What a cell can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Mos,
    Loss,
    Jitter,
    Rtt,
}

impl Measure {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Mos, "mos", "MOS"),
        (Self::Loss, "loss", "Loss"),
        (Self::Jitter, "jitter", "Jitter"),
        (Self::Rtt, "rtt", "Round trip"),
    ];

    fn of(self, cell: &Cell) -> Option<f64> {
        match self {
            Self::Mos => cell.mos,
            Self::Loss => cell.loss_percent,
            Self::Jitter => cell.jitter_ms,
            Self::Rtt => cell.rtt_ms,
        }
    }

    fn write(self, value: f64) -> String {
        match self {
            Self::Mos => mos(value),
            Self::Loss => percent(value),
            Self::Jitter | Self::Rtt => millis(value),
        }
    }

    /// From which figure on it is fair, poor, bad; how people hear it.
    const fn steps(self) -> [f64; 3] {
        match self {
            Self::Mos => [4.0, 3.6, 3.1],
            Self::Loss => [1.0, 3.0, 8.0],
            Self::Jitter => [20.0, 40.0, 80.0],
            Self::Rtt => [150.0, 300.0, 500.0],
        }
    }

    fn class(self, value: f64) -> &'static str {
        let is_beyond = |step: &&f64| if self == Self::Mos { value < **step } else { value >= **step };
        let classes = ["heat-0", "heat-1", "heat-2", "heat-3"];
        classes.get(self.steps().iter().filter(is_beyond).count()).copied().unwrap_or_default()
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    let frame = Frame::new(&api, viewer, "/quality").await;
    let wanted = asked.get("show").map_or("mos", String::as_str);
    let measure =
        Measure::ALL.iter().find(|(_, word, _)| *word == wanted).map_or(Measure::Mos, |(one, ..)| *one);
    let of_peers = asked.get("leg").is_some_and(|leg| leg == "peer");
    let report = api.get::<QualityReport>(frame.viewer(), "/v1/quality").await;
    frame.page(report.map(|report| quality(&report, measure, of_peers)))
}

fn quality(report: &QualityReport, measure: Measure, of_peers: bool) -> Markup {
    let leg = if of_peers { "peer" } else { "client" };
    let word = Measure::ALL.iter().find(|(one, ..)| *one == measure).map_or("mos", |(_, word, _)| *word);
    let legs = [("client", "From clients"), ("peer", "From peers")];
    html! {
        section aria-labelledby="map-title" {
            h2 #map-title { "Client networks over time" }
            div.choices {
                nav aria-label="Leg" { ul { @for (value, name) in legs {
                    li { a href=(query("/quality", &[("leg", value), ("show", word)])) aria-current=[(value == leg).then_some("true")] { (name) } }
                } } }
                nav aria-label="Figure" { ul { @for (_, value, name) in Measure::ALL {
                    li { a href=(query("/quality", &[("leg", leg), ("show", value)])) aria-current=[(value == word).then_some("true")] { (name) } }
                } } }
            }
            div #heat data-part { (heat_map(&report.heat_map, measure, of_peers)) }
            (legend(measure))
        }
        section aria-labelledby="dscp-title" {
            h2 #dscp-title { "Classes of traffic (DSCP)" }
            div #dscp data-part { (classes(&report.dscp)) }
        }
    }
}

fn heat_map(map: &HeatMap, measure: Measure, of_peers: bool) -> Markup {
    if map.rows.is_empty() {
        return html! { p.quiet { "No call with media has been heard yet." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Quality by network and time" {
            table.heat {
                thead { tr {
                    th scope="col" { "Network" } th scope="col" { "Sessions" }
                    @for column in &map.columns { th scope="col" { time datetime=(column) { (clock(column)) } } }
                } }
                tbody { @for row in &map.rows { (heat_row(row, measure, of_peers)) } }
            }
        }
    }
}

fn heat_row(row: &HeatRow, measure: Measure, of_peers: bool) -> Markup {
    let cells = if of_peers { &row.peer } else { &row.client };
    html! {
        tr {
            th scope="row" {
                @if row.network == "others" { "others" }
                @else { a href=(query("/sessions", &[("search", &row.network)])) { (row.network) } }
            }
            td { (count(row.sessions)) }
            @for cell in cells {
                @match cell.as_ref().and_then(|cell| measure.of(cell)) {
                    Some(value) => td.cell.(measure.class(value)) { (measure.write(value)) },
                    None => td.cell { (NOTHING) },
                }
            }
        }
    }
}

fn legend(measure: Measure) -> Markup {
    let [fair, poor, bad] = measure.steps();
    let beyond = if measure == Measure::Mos { "below" } else { "from" };
    let name = |value: f64| measure.write(value);
    html! {
        ul.legend aria-label="Colours" {
            li { span.cell.heat-0 { "good" } }
            li { span.cell.heat-1 { "fair: " (beyond) " " (name(fair)) } }
            li { span.cell.heat-2 { "poor: " (beyond) " " (name(poor)) } }
            li { span.cell.heat-3 { "bad: " (beyond) " " (name(bad)) } }
        }
    }
}

fn classes(classes: &[DscpClass]) -> Markup {
    if classes.is_empty() {
        return html! { p.quiet { "No packet has been counted yet." } };
    }
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Class" } th scope="col" { "DSCP" } th scope="col" { "Came from clients" } th scope="col" { "Came from peers" }
                th scope="col" { "Left towards peers" } th scope="col" { "Left towards clients" }
            } }
            tbody { @for class in classes { tr {
                th scope="row" { (class.class) }
                td data-label="DSCP" { (maybe(class.dscp, |dscp| dscp.to_string())) }
                td data-label="Came from clients" { (count(class.client_received)) }
                td data-label="Came from peers" { (count(class.peer_received)) }
                td data-label="Left towards peers" { (maybe(class.client_sent, count)) }
                td data-label="Left towards clients" { (maybe(class.peer_sent, count)) }
            } } }
        }
        p.hint { "Packets since the start of the relay. What differs between the columns of one class is what was bleached on the way, or changed here." }
    }
}
