//! `knee`: the highest rate under a stated loss, on one fleet: upwards in large steps until too much is lost, then
//! between the last two.

use std::sync::Arc;

use super::ceiling;
use crate::driver::{Fleet, Measurement};
use crate::failure::Failure;
use crate::outcome::{Knee, KneeStep, Setup, Window};
use crate::plan::{Pairing, Plan, Search};
use crate::profile::Profile;
use crate::progress::Progress;

/// How much faster the next step is while the limit has not been met.
const STEP: f64 = 1.3;

/// A step that fails is tried again: one bad moment of the machine is no limit of the server.
const TRIES: usize = 2;

pub(super) fn run(
    plan: &Plan,
    search: Search,
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
) -> Result<Knee, Failure> {
    let ceiling = ceiling::measure(plan, progress, notes)?;
    let (mut fleet, setup) = Fleet::open(plan, plan.target()?, progress)?;
    let knee = find(&mut fleet, plan, search, STEP, progress, setup);
    fleet.close()?;
    let mut knee = knee?;
    if progress.is_cancelled() {
        notes.push("The search was interrupted: the limit may be higher.".to_owned());
        knee.found = false;
        return Ok(knee);
    }
    knee.ceiling = ceiling;
    if knee.found
        && let Some(text) = ceiling::verdict(knee.ceiling.as_ref(), knee.rate)
    {
        knee.found = false;
        notes.push(text);
    } else if !knee.found {
        notes.push(explain(&knee, search));
    }
    Ok(knee)
}

/// Searches on a fleet that is open; at first each rate is `step` times the one before.
pub(super) fn find(
    fleet: &mut Fleet,
    plan: &Plan,
    search: Search,
    step: f64,
    progress: &Progress,
    setup: Setup,
) -> Result<Knee, Failure> {
    let mut knee = Knee { setup, allowed_loss: search.loss, ..Knee::default() };
    let mut bounds = Bounds::new(search, step);
    while let Some(rate) = bounds.next() {
        if progress.is_cancelled() {
            break;
        }
        let window = attempt(fleet, plan, search, rate, &mut knee)?;
        if progress.is_cancelled() {
            knee.steps.pop();
            break;
        }
        let is_good = loss(&window) <= search.loss;
        bounds.note(rate, is_good);
        if is_good {
            knee.rate = arrived(&window);
            knee.window = window;
        }
    }
    let first_bad = bounds.bad.and_then(|bad| knee.steps.iter().find(|step| step.rate >= bad * 0.999));
    knee.found = first_bad.is_some_and(|step| !step.limited);
    Ok(knee)
}

fn attempt(
    fleet: &mut Fleet,
    plan: &Plan,
    search: Search,
    rate: f64,
    knee: &mut Knee,
) -> Result<Window, Failure> {
    let measurement = Measurement { profile: profile(plan, rate), ..Measurement::of(&plan.load) };
    let mut window = fleet.measure(measurement)?;
    for _ in 1..TRIES {
        if loss(&window) <= search.loss {
            break;
        }
        window = fleet.measure(measurement)?;
    }
    knee.steps.push(KneeStep {
        rate,
        arrived: arrived(&window),
        loss: loss(&window),
        p99_us: window.up.latency.p99_us.max(window.down.latency.p99_us),
        ns_per_packet: window.cpu.as_ref().map(|cpu| cpu.ns_per_packet),
        limited: window.generator.limited,
    });
    Ok(window)
}

/// What each flow sends so that all together send `rate` packets per second.
fn profile(plan: &Plan, rate: f64) -> Profile {
    plan.load.profile.at_rate(rate / (plan.load.sessions as f64 * f64::from(ways(plan))))
}

/// Flows of a session.
pub(super) fn ways(plan: &Plan) -> u8 {
    match plan.load.pairing {
        Pairing::Peer => u8::from(plan.load.direction.up()) + u8::from(plan.load.direction.down()),
        Pairing::RelayToRelay => 1,
        // What comes back is relayed as well.
        Pairing::Echo => 2,
    }
}

fn arrived(window: &Window) -> f64 {
    window.up.rate + window.down.rate
}

/// Of all that was due, what did not arrive: what this program did not manage to send is no success of the server.
pub(super) fn loss(window: &Window) -> f64 {
    let sent = window.up.sent + window.down.sent + window.generator.refused + window.generator.skipped;
    let received = window.up.received + window.down.received;
    if sent == 0 { 1.0 } else { sent.saturating_sub(received) as f64 / sent as f64 }
}

fn explain(knee: &Knee, search: Search) -> String {
    match knee.steps.last() {
        _ if knee.steps.iter().all(|step| step.loss <= search.loss) => {
            format!("No limit was met up to {:.0} packets/s: raise --to.", search.to)
        }
        _ if knee.rate == 0.0 => {
            format!("Too much was lost already at {:.0} packets/s: lower --from.", search.from)
        }
        _ => "The load generator, not the server, was the limit: give it more --threads, or processors that the \
              server does not use."
            .to_owned(),
    }
}

/// Between which rates the limit lies.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    search: Search,
    step: f64,
    good: Option<f64>,
    bad: Option<f64>,
}

impl Bounds {
    const fn new(search: Search, step: f64) -> Self {
        Self { search, step, good: None, bad: None }
    }

    /// The rate to try next; none when the limit is known closely enough.
    fn next(&self) -> Option<f64> {
        match (self.good, self.bad) {
            (None, None) => Some(self.search.from),
            (Some(good), None) if good >= self.search.to => None,
            (Some(good), None) => Some((good * self.step).min(self.search.to)),
            // Even the lowest rate is too high.
            (None, Some(_)) => None,
            (Some(good), Some(bad)) if bad / good <= 1.0 + self.search.precision => None,
            (Some(good), Some(bad)) => Some((good * bad).sqrt()),
        }
    }

    fn note(&mut self, rate: f64, is_good: bool) {
        if is_good { self.good = Some(rate) } else { self.bad = Some(rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(limit: f64, search: Search) -> (Option<f64>, usize) {
        let (mut bounds, mut steps) = (Bounds::new(search, STEP), 0);
        while let Some(rate) = bounds.next() {
            bounds.note(rate, rate <= limit);
            steps += 1;
            assert!(steps < 100);
        }
        (bounds.good, steps)
    }

    #[test]
    fn the_limit_is_found_as_closely_as_asked() {
        for limit in [10_001.0, 11_000.0, 77_777.0, 138_000.0, 2_000_000.0] {
            let (found, steps) = search(limit, Search::default());
            let found = found.unwrap();
            assert!(found <= limit && limit / found <= 1.031, "{limit}: {found}");
            assert!(steps < 30, "{steps}");
        }
    }

    #[test]
    fn a_search_ends_at_its_bounds() {
        assert_eq!(search(1.0, Search::default()), (None, 1));
        let all = Search { to: 20_000.0, ..Search::default() };
        assert_eq!(search(1e9, all).0, Some(20_000.0));
    }
}
