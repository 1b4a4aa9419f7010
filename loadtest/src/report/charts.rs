//! A result as charts. Pure.

use super::blocks;
use super::number::Unit;
use super::plot::{Axis, Chart, Page, Scale, Series};
use crate::outcome::{Compare, Latency, Measured, Outcome, Soak, Tick, Window};

/// The page about a result.
pub(super) fn page(outcome: &Outcome) -> Page {
    let notes = outcome.notes.join(" ");
    let machine = &outcome.machine;
    let place = format!("{}, {} cores, {}.", machine.processor, machine.cores, machine.system);
    Page {
        title: blocks::title(outcome),
        summary: if notes.is_empty() { place } else { format!("{place} {notes}") },
        tables: blocks::tables(outcome),
        charts: charts(&outcome.result),
    }
}

fn charts(measured: &Measured) -> Vec<Chart> {
    match measured {
        Measured::Steady(steady) => window(&steady.window),
        Measured::Knee(knee) => {
            let points = |figure: &dyn Fn(&crate::outcome::KneeStep) -> f64| {
                let mut points: Vec<_> = knee.steps.iter().map(|step| (step.rate, figure(step))).collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                points
            };
            let rate = || axis("packets/s asked for", Scale::Linear, Unit::PerSecond);
            let one = |title: &str, y: Axis, points| Chart {
                title: title.to_owned(),
                x: rate(),
                y,
                series: vec![Series { name: title.to_owned(), points }],
            };
            let mut charts = vec![
                one("Loss by rate", axis("loss", Scale::Linear, Unit::Share), points(&|step| step.loss)),
                one("99th percentile of latency by rate", latency_axis(), points(&|step| step.p99_us)),
                one(
                    "Server's CPU per packet by rate",
                    axis("CPU per packet", Scale::Linear, Unit::Nanos),
                    points(&|step| step.ns_per_packet.unwrap_or(f64::NAN)),
                ),
            ];
            charts.extend(window(&knee.window));
            charts
        }
        Measured::Storm(storm) => {
            let mut charts = vec![curve(&[("cycle", &storm.latency)])];
            charts.extend(over_time(&storm.ticks, "cycles"));
            charts
        }
        Measured::Idle(_) => Vec::new(),
        Measured::Soak(soak) => self::soak(soak),
        Measured::Call(call) => {
            let lines = [("audio", &call.audio.latency), ("data channel", &call.data.latency)];
            let mut charts = vec![curve(&lines)];
            charts.extend(over_time(&call.ticks, "packets"));
            charts
        }
        Measured::Compare(compare) => self::compare(compare),
    }
}

fn window(window: &Window) -> Vec<Chart> {
    let lines = [("client to peer", &window.up.latency), ("peer to client", &window.down.latency)];
    let mut charts = vec![curve(&lines)];
    charts.extend(over_time(&window.ticks, "packets"));
    let busy = window.ticks.iter().map(|tick| (tick.at, tick.server_busy.unwrap_or(f64::NAN))).collect();
    charts.push(time_chart(
        "Server's processors busy",
        axis("processors", Scale::Linear, Unit::Plain),
        vec![("server", busy)],
    ));
    charts
}

/// The share of packets below each latency.
fn curve(lines: &[(&str, &Latency)]) -> Chart {
    let series = lines.iter().filter(|(_, latency)| latency.count > 0);
    Chart {
        title: "Latency by share of packets".to_owned(),
        x: axis("% of packets that were faster", Scale::Quantile, Unit::Plain),
        y: latency_axis(),
        series: series
            .map(|(name, latency)| Series { name: (*name).to_owned(), points: latency.curve.clone() })
            .collect(),
    }
}

/// Rates, loss and latency of a window's moments.
fn over_time(ticks: &[Tick], what: &str) -> Vec<Chart> {
    let mut before = 0.0;
    let (mut sent, mut received, mut loss) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total_sent, mut total_received) = (0.0, 0.0);
    for tick in ticks {
        let seconds = tick.at - before;
        before = tick.at;
        if seconds <= 0.0 {
            continue;
        }
        let (out, back) = (tick.sent as f64, tick.received as f64);
        sent.push((tick.at, out / seconds));
        received.push((tick.at, back / seconds));
        total_sent += out;
        total_received += back;
        // Packets in flight at the moment make single moments swing around zero.
        loss.push((
            tick.at,
            if total_sent > 0.0 { (1.0 - total_received / total_sent).max(0.0) } else { 0.0 },
        ));
    }
    let latency = |figure: fn(&Tick) -> f64| -> Vec<(f64, f64)> {
        let point = |tick: &Tick| (tick.at, if tick.received > 0 { figure(tick) } else { f64::NAN });
        ticks.iter().map(point).collect()
    };
    vec![
        time_chart(
            "Latency over time",
            latency_axis(),
            vec![
                ("median", latency(|tick| tick.p50_us)),
                ("99th percentile", latency(|tick| tick.p99_us)),
                ("highest", latency(|tick| tick.max_us)),
            ],
        ),
        time_chart(
            &format!("Throughput over time, {what}"),
            Axis { label: "rate", scale: Scale::Linear, unit: Unit::PerSecond },
            vec![("sent", sent), ("received", received)],
        ),
        time_chart(
            "Loss since the beginning",
            axis("loss", Scale::Linear, Unit::Share),
            vec![("not arrived", loss)],
        ),
    ]
}

fn soak(soak: &Soak) -> Vec<Chart> {
    let points = |figure: &dyn Fn(&crate::outcome::Sample) -> Option<f64>| -> Vec<(f64, f64)> {
        soak.samples.iter().map(|sample| (sample.at, figure(sample).unwrap_or(f64::NAN))).collect()
    };
    vec![
        time_chart(
            "Latency over time",
            latency_axis(),
            vec![
                ("median", points(&|sample| Some(sample.p50_us))),
                ("99th percentile", points(&|sample| Some(sample.p99_us))),
            ],
        ),
        time_chart(
            "Loss over time",
            axis("loss", Scale::Linear, Unit::Share),
            vec![("loss", points(&|sample| Some(sample.loss)))],
        ),
        time_chart(
            "Server's memory over time",
            axis("resident", Scale::Linear, Unit::Bytes),
            vec![("resident", points(&|sample| sample.resident.map(|bytes| bytes as f64)))],
        ),
        time_chart(
            "Server's descriptors over time",
            axis("descriptors", Scale::Linear, Unit::Plain),
            vec![("descriptors", points(&|sample| sample.descriptors.map(|count| count as f64)))],
        ),
        time_chart(
            "Server's CPU per packet over time",
            axis("CPU per packet", Scale::Linear, Unit::Nanos),
            vec![("CPU per packet", points(&|sample| sample.ns_per_packet))],
        ),
    ]
}

/// Figures by round, a line for each server; and the last round's latencies.
fn compare(compare: &Compare) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let Some(last) = compare.rounds.last() {
        let lines = compare
            .servers
            .iter()
            .zip(last)
            .filter_map(|(name, measured)| Some((name.as_str(), slower(measured)?)));
        let mut chart = curve(&lines.collect::<Vec<_>>());
        chart.title.push_str(", last round");
        charts.push(chart);
    }
    for (row, table) in compare.rows.iter().zip(crate::modes::figures(compare)) {
        let series = compare.servers.iter().zip(table).map(|(name, values)| Series {
            name: name.clone(),
            points: values
                .into_iter()
                .zip(1u32..)
                .map(|(value, round)| (f64::from(round), value.unwrap_or(f64::NAN)))
                .collect(),
        });
        charts.push(Chart {
            title: format!("{}, by round", row.figure),
            x: axis("round", Scale::Linear, Unit::Plain),
            y: Axis { label: "", scale: Scale::Linear, unit: blocks::unit(&row.unit) },
            series: series.collect(),
        });
    }
    charts
}

/// The latencies that a comparison shows: those of the slower direction.
fn slower(measured: &Measured) -> Option<&Latency> {
    let window = match measured {
        Measured::Steady(steady) => &steady.window,
        Measured::Knee(knee) => &knee.window,
        Measured::Storm(storm) => return Some(&storm.latency),
        Measured::Idle(_) | Measured::Soak(_) | Measured::Call(_) | Measured::Compare(_) => return None,
    };
    let (up, down) = (&window.up.latency, &window.down.latency);
    Some(if up.p99_us >= down.p99_us { up } else { down })
}

fn time_chart(title: &str, y: Axis, lines: Vec<(&str, Vec<(f64, f64)>)>) -> Chart {
    let series = lines.into_iter().map(|(name, points)| Series { name: name.to_owned(), points });
    Chart {
        title: title.to_owned(),
        x: axis("time", Scale::Linear, Unit::Seconds),
        y,
        series: series.collect(),
    }
}

const fn latency_axis() -> Axis {
    axis("latency", Scale::Log, Unit::Micros)
}

const fn axis(label: &'static str, scale: Scale, unit: Unit) -> Axis {
    Axis { label, scale, unit }
}
