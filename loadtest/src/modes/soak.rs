//! `soak`: windows of load for hours, and what the server's memory, descriptors, CPU and latency do over them.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::driver::{Fleet, Measurement};
use crate::failure::Failure;
use crate::memory;
use crate::outcome::{Drift, Flow, Sample, Soak, Window};
use crate::plan::{Growth, Plan};
use crate::progress::Progress;
use crate::trend::{FEWEST, trend};

/// A trend is certain if chance would give it less often.
const CERTAIN: f64 = 0.01;
/// This share of the windows, the first ones, is left out: caches fill and pools grow at first.
const SETTLING: usize = 10;

pub(super) fn run(
    plan: &Plan,
    window: Duration,
    allowed: Growth,
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
) -> Result<Soak, Failure> {
    let target = plan.target()?;
    let (mut fleet, setup) = Fleet::open(plan, target, progress)?;
    let mut soak = Soak { setup, ..Soak::default() };
    let began = clock::now();
    let mut warm_up = plan.load.warm_up;
    let total = u64::try_from(plan.load.duration.as_nanos()).unwrap_or(u64::MAX);
    loop {
        let left = total.saturating_sub(clock::now().since(began));
        // What is left after the last whole window is no window of its own.
        if progress.is_cancelled() || (left < nanos(window) / 2 && !soak.samples.is_empty()) {
            break;
        }
        progress.label(format!("window {}", soak.samples.len() + 1));
        let measurement = Measurement { profile: plan.load.profile, warm_up, duration: window };
        warm_up = Duration::ZERO;
        let measured = fleet.measure(measurement)?;
        let at = clock::now().since(began) as f64 / 1e9;
        soak.samples.push(sample(at, &measured, target.pid));
        add(&mut soak.whole, &measured);
    }
    soak.seconds = clock::now().since(began) as f64 / 1e9;
    fleet.close()?;
    soak.drifts = drifts(&soak.samples, allowed);
    if progress.is_cancelled() {
        notes.push(format!("Interrupted after {:.0} seconds.", soak.seconds));
    }
    if settled(&soak.samples).len() < FEWEST {
        notes.push(format!(
            "{} windows are too few to tell growth from chance; soak longer",
            soak.samples.len()
        ));
    }
    if target.pid.is_none() {
        notes.push("without --pid the server's memory, descriptors and CPU were not looked at".to_owned());
    }
    Ok(soak)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn sample(at: f64, window: &Window, pid: Option<u32>) -> Sample {
    let flows = [&window.up, &window.down];
    let sum = |figure: fn(&Flow) -> u64| flows.iter().map(|flow| figure(flow)).sum::<u64>();
    let worst = |figure: fn(&Flow) -> f64| flows.iter().map(|flow| figure(flow)).fold(0.0, f64::max);
    let (sent, lost) = (sum(|flow| flow.sent), sum(|flow| flow.lost));
    let process = pid.and_then(memory::process);
    Sample {
        at,
        sent,
        lost,
        loss: if sent > 0 { lost as f64 / sent as f64 } else { 0.0 },
        corrupted: sum(|flow| flow.corrupted),
        p50_us: worst(|flow| flow.latency.p50_us),
        p99_us: worst(|flow| flow.latency.p99_us),
        ns_per_packet: window.cpu.as_ref().map(|cpu| cpu.ns_per_packet),
        resident: process.map(|process| process.resident),
        descriptors: process.map(|process| process.descriptors),
    }
}

/// Adds a window to the sum of those before.
fn add(whole: &mut Window, window: &Window) {
    whole.seconds += window.seconds;
    whole.churned += window.churned;
    for (sum, flow) in [(&mut whole.up, &window.up), (&mut whole.down, &window.down)] {
        sum.sent += flow.sent;
        sum.received += flow.received;
        sum.bytes += flow.bytes;
        sum.lost += flow.lost;
        sum.duplicated += flow.duplicated;
        sum.reordered += flow.reordered;
        sum.corrupted += flow.corrupted;
        sum.loss = if sum.sent > 0 { sum.lost as f64 / sum.sent as f64 } else { 0.0 };
        sum.rate = if whole.seconds > 0.0 { sum.received as f64 / whole.seconds } else { 0.0 };
        sum.jitter_us = sum.jitter_us.max(flow.jitter_us);
        sum.jitter_max_us = sum.jitter_max_us.max(flow.jitter_max_us);
        if flow.latency.p99_us >= sum.latency.p99_us {
            sum.latency.clone_from(&flow.latency);
        }
    }
    for failure in &window.failures {
        match whole
            .failures
            .iter_mut()
            .find(|known| (known.code, &known.what) == (failure.code, &failure.what))
        {
            Some(known) => known.count += failure.count,
            None => whole.failures.push(failure.clone()),
        }
    }
}

/// A figure, and from how much growth on it is told from the grain of its measuring.
struct Watched {
    name: &'static str,
    unit: &'static str,
    value: fn(&Sample) -> Option<f64>,
    grain: f64,
    allowed: f64,
}

fn drifts(samples: &[Sample], allowed: Growth) -> Vec<Drift> {
    let watched = [
        Watched {
            name: "resident memory",
            unit: "B",
            value: |sample| sample.resident.map(|bytes| bytes as f64),
            grain: 1_048_576.0,
            allowed: allowed.memory,
        },
        Watched {
            name: "descriptors",
            unit: "",
            value: |sample| sample.descriptors.map(|count| count as f64),
            grain: 8.0,
            allowed: allowed.memory,
        },
        Watched {
            name: "server CPU per packet",
            unit: "ns",
            value: |sample| sample.ns_per_packet,
            grain: 0.0,
            allowed: allowed.cost,
        },
        Watched {
            name: "p99 of latency",
            unit: "us",
            value: |sample| Some(sample.p99_us).filter(|micros| *micros > 0.0),
            grain: 50.0,
            allowed: allowed.cost,
        },
    ];
    watched.iter().filter_map(|watched| drift(watched, settled(samples))).collect()
}

fn settled(samples: &[Sample]) -> &[Sample] {
    samples.get(samples.len().div_ceil(SETTLING)..).unwrap_or_default()
}

fn drift(watched: &Watched, samples: &[Sample]) -> Option<Drift> {
    let points: Vec<(f64, f64)> =
        samples.iter().filter_map(|sample| Some((sample.at, (watched.value)(sample)?))).collect();
    let found = trend(&points)?;
    // Theil's and Sen's line runs through the medians.
    let middle =
        |of: fn(&(f64, f64)) -> f64| crate::trend::median(&mut points.iter().map(of).collect::<Vec<_>>());
    let (time, value) = (middle(|point| point.0)?, middle(|point| point.1)?);
    let at = |moment: f64| value + found.slope * (moment - time);
    let (first, last) = (at(points.first()?.0), at(points.last()?.0));
    let growth = if first > 0.0 { last / first - 1.0 } else { 0.0 };
    let is_certain = found.probability < CERTAIN;
    Some(Drift {
        figure: watched.name.to_owned(),
        unit: watched.unit.to_owned(),
        first,
        last,
        per_hour: found.slope * 3_600.0,
        growth,
        probability: found.probability,
        allowed: watched.allowed,
        exceeded: is_certain && growth > watched.allowed && last - first > watched.grain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Latency;

    const ALLOWED: Growth = Growth { memory: 0.05, cost: 0.5 };

    fn samples(resident: impl Fn(u32) -> u64) -> Vec<Sample> {
        let sample = |n: u32| Sample {
            at: f64::from(n) * 60.0,
            resident: Some(resident(n)),
            descriptors: Some(40),
            p99_us: 284.0 + f64::from(n % 7),
            ..Sample::default()
        };
        (0..60).map(sample).collect()
    }

    fn exceeded(samples: &[Sample]) -> Vec<String> {
        let drifts = drifts(samples, ALLOWED);
        drifts.into_iter().filter(|drift| drift.exceeded).map(|drift| drift.figure).collect()
    }

    #[test]
    fn a_leak_is_told() {
        let samples = samples(|n| 50_000_000 + u64::from(n) * 100_000 + u64::from(n % 3) * 200_000);
        assert_eq!(exceeded(&samples), ["resident memory"]);
        let memory = &drifts(&samples, ALLOWED)[0];
        assert!((memory.per_hour - 6e6).abs() < 0.3e6, "{memory:?}");
    }

    #[test]
    fn memory_that_fills_up_at_first_is_no_leak() {
        assert!(
            exceeded(&samples(|n| if n < 5 { 20_000_000 } else { 60_000_000 + u64::from(n % 4) })).is_empty()
        );
    }

    #[test]
    fn growth_below_what_is_allowed_passes() {
        assert!(exceeded(&samples(|n| 50_000_000 + u64::from(n) * 30_000)).is_empty());
    }

    #[test]
    fn growth_within_the_grain_passes() {
        assert!(exceeded(&samples(|n| 2_000_000 + u64::from(n) * 10_000)).is_empty(), "0.6 MB of 2 MB");
    }

    #[test]
    fn without_a_process_only_latency_is_looked_at() {
        let mut samples = samples(|_| 0);
        for sample in &mut samples {
            (sample.resident, sample.descriptors) = (None, None);
        }
        let names: Vec<String> = drifts(&samples, ALLOWED).into_iter().map(|drift| drift.figure).collect();
        assert_eq!(names, ["p99 of latency"]);
    }

    #[test]
    fn windows_are_summed_and_the_worst_latency_kept() {
        let flow = |sent, lost, p99_us| Flow {
            sent,
            received: sent - lost,
            lost,
            latency: Latency { p99_us, ..Latency::default() },
            ..Flow::default()
        };
        let mut whole = Window::default();
        for up in [flow(100, 0, 5.0), flow(100, 10, 9.0), flow(100, 0, 7.0)] {
            add(&mut whole, &Window { seconds: 1.0, up, ..Window::default() });
        }
        assert_eq!((whole.up.sent, whole.up.lost, whole.up.latency.p99_us), (300, 10, 9.0));
        assert!((whole.up.loss - 10.0 / 300.0).abs() < 1e-9 && (whole.up.rate - 290.0 / 3.0).abs() < 1e-9);
    }
}
