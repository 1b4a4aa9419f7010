//! `compare`: several servers in turn, A B A B, so that whatever happens to the machine happens to all of them; then
//! ratios, round by round.

use std::sync::Arc;

use super::measure;
use crate::failure::Failure;
use crate::outcome::{Compare, Flow, Latency, Measured, Row, ServerCpu, Spread, Window};
use crate::plan::{Compared, Mode, Plan};
use crate::progress::Progress;
use crate::trend::median;

pub(super) fn run(
    plan: &Plan,
    rounds: usize,
    what: Compared,
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
) -> Result<Compare, Failure> {
    let (mode, name) = match what {
        Compared::Steady => (Mode::Steady, "steady"),
        Compared::Knee(search) => (Mode::Knee(search), "knee"),
        Compared::Storm => (Mode::Storm, "storm"),
        Compared::Idle => (Mode::Idle, "idle"),
    };
    let mut compare = Compare {
        what: name.to_owned(),
        servers: plan.targets.iter().map(|target| target.name.clone()).collect(),
        ..Compare::default()
    };
    'rounds: for round in 1..=rounds {
        let mut results = Vec::with_capacity(plan.targets.len());
        for target in &plan.targets {
            progress.label(format!("round {round} of {rounds}, {}", target.name));
            let one = Plan { targets: vec![target.clone()], mode, ceiling: false, ..plan.clone() };
            let mut said = Vec::new();
            let result = measure(&one, progress, &mut said);
            if progress.is_cancelled() {
                notes.push(format!("Interrupted: round {round} of {rounds} does not count."));
                break 'rounds;
            }
            let result = result
                .map_err(|failure| Failure::new(failure.exit, format!("{}: {failure}", target.name)))?;
            results.push(result);
            notes.extend(said.into_iter().map(|text| format!("{}, round {round}: {text}", target.name)));
        }
        compare.rounds.push(results);
    }
    if compare.rounds.is_empty() {
        return Err(Failure::interrupted());
    }
    compare.rows = rows(&compare);
    Ok(compare)
}

/// One figure of one result.
struct Figure {
    name: &'static str,
    unit: &'static str,
    more_is_better: bool,
    value: Option<f64>,
}

const fn less(name: &'static str, unit: &'static str, value: Option<f64>) -> Figure {
    Figure { name, unit, more_is_better: false, value }
}

const fn more(name: &'static str, unit: &'static str, value: Option<f64>) -> Figure {
    Figure { name, unit, more_is_better: true, value }
}

/// The figures by which results of one mode are compared; the same names in the same order for all of them.
fn figures_of(measured: &Measured) -> Vec<Figure> {
    match measured {
        Measured::Steady(steady) => {
            let mut figures = costs(steady.window.cpu.as_ref(), "packet");
            figures.extend(window(&steady.window));
            figures
        }
        Measured::Knee(knee) => {
            let mut figures = vec![more("knee", "/s", Some(knee.rate))];
            figures.extend(costs(knee.window.cpu.as_ref(), "packet"));
            figures.push(less("p99 at the knee", "us", slowest(&knee.window, |latency| latency.p99_us)));
            figures
        }
        Measured::Storm(storm) => {
            let mut figures = vec![more("cycles", "/s", Some(storm.rate))];
            figures.extend(costs(storm.cpu.as_ref(), "cycle"));
            figures.push(less("p50 of a cycle", "us", known(&storm.latency, storm.latency.p50_us)));
            figures.push(less("p99 of a cycle", "us", known(&storm.latency, storm.latency.p99_us)));
            figures
        }
        Measured::Idle(idle) => vec![
            less("process, per allocation", "B", idle.process_bytes),
            less("kernel, per allocation", "B", idle.kernel_bytes),
            less("together, per allocation", "B", idle.total_bytes),
        ],
        Measured::Soak(_) | Measured::Call(_) | Measured::Compare(_) => Vec::new(),
    }
}

fn costs(cpu: Option<&ServerCpu>, per: &str) -> Vec<Figure> {
    let (process, both) = match per {
        "cycle" => ("server CPU per cycle", "with soft interrupts"),
        _ => ("server CPU per packet", "with soft interrupts"),
    };
    vec![
        less(process, "ns", cpu.map(|cpu| cpu.ns_per_packet)),
        less(both, "ns", cpu.map(|cpu| cpu.ns_per_packet_with_softirq)),
    ]
}

fn window(window: &Window) -> Vec<Figure> {
    vec![
        less("p50", "us", slowest(window, |latency| latency.p50_us)),
        less("p99", "us", slowest(window, |latency| latency.p99_us)),
        less("p99.9", "us", slowest(window, |latency| latency.p999_us)),
        less("loss", "share", Some(flows(window).map(|flow| flow.loss).fold(0.0, f64::max))),
        more("arrived", "/s", Some(flows(window).map(|flow| flow.rate).sum())),
    ]
}

fn flows(window: &Window) -> impl Iterator<Item = &Flow> {
    [&window.up, &window.down].into_iter()
}

fn known(latency: &Latency, value: f64) -> Option<f64> {
    (latency.count > 0).then_some(value)
}

/// Of the slower direction.
fn slowest(window: &Window, figure: fn(&Latency) -> f64) -> Option<f64> {
    flows(window).filter_map(|flow| known(&flow.latency, figure(&flow.latency))).reduce(f64::max)
}

/// All values: for each figure and server, one per round.
pub(crate) fn figures(compare: &Compare) -> Vec<Vec<Vec<Option<f64>>>> {
    let first = compare.rounds.first().and_then(|round| round.first());
    let names = first.map_or_else(Vec::new, figures_of);
    let value =
        |measured: &Measured, index: usize| figures_of(measured).get(index).and_then(|figure| figure.value);
    let of_server = |figure: usize, server: usize| {
        compare.rounds.iter().map(|round| value(round.get(server)?, figure)).collect::<Vec<_>>()
    };
    (0..names.len())
        .map(|figure| (0..compare.servers.len()).map(|server| of_server(figure, server)).collect())
        .collect()
}

fn rows(compare: &Compare) -> Vec<Row> {
    let first = compare.rounds.first().and_then(|round| round.first());
    let names = first.map_or_else(Vec::new, figures_of);
    names.into_iter().zip(figures(compare)).map(|(figure, servers)| row(&figure, &servers)).collect()
}

fn row(figure: &Figure, servers: &[Vec<Option<f64>>]) -> Row {
    let mut advantage = Vec::with_capacity(servers.len());
    if let Some((ours, others)) = servers.split_first() {
        advantage.push(None);
        advantage.extend(others.iter().map(|theirs| {
            let pairs = ours.iter().zip(theirs).filter_map(|(ours, theirs)| Some(((*ours)?, (*theirs)?)));
            spread(pairs.filter_map(|(ours, theirs)| {
                let (above, below) = if figure.more_is_better { (ours, theirs) } else { (theirs, ours) };
                (above > 0.0 && below > 0.0).then(|| above / below)
            }))
        }));
    }
    Row {
        figure: figure.name.to_owned(),
        unit: figure.unit.to_owned(),
        more_is_better: figure.more_is_better,
        values: servers.iter().map(|values| spread(values.iter().copied().flatten())).collect(),
        advantage,
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect();
    let (min, max) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(*value), max.max(*value)));
    Some(Spread { median: median(&mut values)?, min, max, rounds: values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Steady, Storm};

    fn storm(rate: f64) -> Measured {
        Measured::Storm(Storm { rate, ..Storm::default() })
    }

    fn compare(rounds: Vec<Vec<Measured>>) -> Compare {
        let mut compare =
            Compare { servers: vec!["a".to_owned(), "b".to_owned()], rounds, ..Compare::default() };
        compare.rows = rows(&compare);
        compare
    }

    #[test]
    fn ratios_are_those_of_a_round_and_not_of_medians() {
        let compare = compare(vec![
            vec![storm(400.0), storm(100.0)],
            vec![storm(40.0), storm(20.0)],
            vec![storm(90.0), storm(30.0)],
        ]);
        let row = &compare.rows[0];
        assert_eq!((row.figure.as_str(), row.more_is_better), ("cycles", true));
        assert_eq!(row.advantage, [None, Some(Spread { median: 3.0, min: 2.0, max: 4.0, rounds: 3 })]);
        assert_eq!(row.values[0].unwrap().median, 90.0);
    }

    #[test]
    fn of_costs_the_lower_one_is_better() {
        let steady = |ns_per_packet| {
            let cpu = Some(ServerCpu { ns_per_packet, ..ServerCpu::default() });
            Measured::Steady(Steady { window: Window { cpu, ..Window::default() }, ..Steady::default() })
        };
        let compare = compare(vec![vec![steady(4_800.0), steady(6_480.0)]]);
        let advantage = compare.rows[0].advantage[1].unwrap().median;
        assert!((advantage - 1.35).abs() < 1e-9);
    }

    #[test]
    fn what_a_server_did_not_give_is_left_open() {
        let compare = compare(vec![vec![storm(400.0), storm(0.0)]]);
        assert_eq!(compare.rows[0].advantage[1], None, "nothing is a ratio of nothing");
        let cpu = &compare.rows[1];
        assert_eq!((cpu.values[0], cpu.advantage[1]), (None, None));
    }

    #[test]
    fn without_a_round_there_is_no_row() {
        assert!(compare(vec![]).rows.is_empty());
    }
}
