//! Whether a result is within the thresholds that were given. Pure.

use super::number::Unit;
use crate::outcome::{Flow, Measured, Window};
use crate::plan::Thresholds;

/// A sentence for each threshold that was missed.
#[must_use]
pub fn judge(measured: &Measured, thresholds: &Thresholds) -> Vec<String> {
    match measured {
        Measured::Steady(steady) => window(&steady.window, thresholds),
        Measured::Knee(knee) => window(&knee.window, thresholds),
        Measured::Storm(storm) => latency("a cycle's latency", storm.latency.p99_us, thresholds),
        Measured::Idle(_) => Vec::new(),
        Measured::Soak(soak) => {
            let mut missed = window(&soak.whole, thresholds);
            missed.extend(soak.drifts.iter().filter(|drift| drift.exceeded).map(|drift| {
                let share = |value| Unit::Share.show(value);
                format!(
                    "{} grew by {}, allowed are {}",
                    drift.figure,
                    share(drift.growth),
                    share(drift.allowed)
                )
            }));
            missed
        }
        Measured::Call(call) => {
            let mut missed = flows(&[&call.audio], thresholds);
            if call.connected < call.calls {
                missed.push(format!(
                    "{} of {} calls did not come about",
                    call.calls - call.connected,
                    call.calls
                ));
            }
            missed
        }
        Measured::Compare(compare) => {
            let mut missed = Vec::new();
            for (index, name) in compare.servers.iter().enumerate() {
                let results = compare.rounds.iter().filter_map(|round| round.get(index));
                // Said once for each server, whichever round it was in.
                let first = results.map(|result| judge(result, thresholds)).find(|missed| !missed.is_empty());
                missed.extend(first.into_iter().flatten().map(|text| format!("{name}: {text}")));
            }
            missed
        }
    }
}

fn window(window: &Window, thresholds: &Thresholds) -> Vec<String> {
    flows(&[&window.up, &window.down], thresholds)
}

/// The worse of the directions counts.
fn flows(flows: &[&Flow], thresholds: &Thresholds) -> Vec<String> {
    let worst = |figure: fn(&Flow) -> f64| flows.iter().map(|flow| figure(flow)).fold(0.0, f64::max);
    let mut missed = Vec::new();
    let loss = worst(|flow| flow.loss);
    if let Some(allowed) = thresholds.loss.filter(|allowed| loss > *allowed) {
        let share = |value| Unit::Share.show(value);
        missed.push(format!(
            "{} of the packets were lost, --max-loss allows {}",
            share(loss),
            share(allowed)
        ));
    }
    missed.extend(latency("the 99th percentile of latency", worst(|flow| flow.latency.p99_us), thresholds));
    missed
}

fn latency(what: &str, p99_us: f64, thresholds: &Thresholds) -> Vec<String> {
    let allowed =
        thresholds.p99.map(|allowed| allowed.as_secs_f64() * 1e6).filter(|allowed| p99_us > *allowed);
    let micros = |value| Unit::Micros.show(value);
    allowed
        .map(|allowed| format!("{what} is {}, --max-p99 allows {}", micros(p99_us), micros(allowed)))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::{Call, Compare, Drift, Latency, Soak, Steady};

    fn steady(loss: f64, p99_us: f64) -> Measured {
        let down = Flow { loss, latency: Latency { p99_us, ..Latency::default() }, ..Flow::default() };
        let window = Window { down, ..Window::default() };
        Measured::Steady(Steady { window, ..Steady::default() })
    }

    fn thresholds(loss: f64, millis: u64) -> Thresholds {
        Thresholds { loss: Some(loss), p99: Some(Duration::from_millis(millis)) }
    }

    #[test]
    fn the_worse_direction_decides() {
        assert_eq!(judge(&steady(0.001, 1_000.0), &thresholds(0.001, 1)), [] as [&str; 0]);
        let missed = judge(&steady(0.002, 1_001.0), &thresholds(0.001, 1));
        assert_eq!(
            missed,
            [
                "0.200 % of the packets were lost, --max-loss allows 0.100 %",
                "the 99th percentile of latency is 1.00 ms, --max-p99 allows 1 ms"
            ]
        );
    }

    #[test]
    fn without_thresholds_everything_passes() {
        assert!(judge(&steady(1.0, 1e9), &Thresholds::default()).is_empty());
    }

    #[test]
    fn a_leak_fails_a_soak() {
        let drift = Drift {
            figure: "resident memory".to_owned(),
            growth: 0.3,
            allowed: 0.05,
            exceeded: true,
            ..Drift::default()
        };
        let soak = Measured::Soak(Soak { drifts: vec![drift], ..Soak::default() });
        assert_eq!(judge(&soak, &Thresholds::default()), ["resident memory grew by 30 %, allowed are 5 %"]);
    }

    #[test]
    fn a_missing_call_fails() {
        let call = Measured::Call(Call { calls: 3, connected: 2, ..Call::default() });
        assert_eq!(judge(&call, &Thresholds::default()), ["1 of 3 calls did not come about"]);
    }

    #[test]
    fn a_compared_server_is_named() {
        let rounds = vec![vec![steady(0.0, 0.0), steady(0.5, 0.0)], vec![steady(0.0, 0.0), steady(0.6, 0.0)]];
        let compare = Compare { servers: vec!["a".to_owned(), "b".to_owned()], rounds, ..Compare::default() };
        let missed = judge(&Measured::Compare(compare), &thresholds(0.1, 1));
        assert_eq!(missed, ["b: 50 % of the packets were lost, --max-loss allows 10 %"]);
    }
}
