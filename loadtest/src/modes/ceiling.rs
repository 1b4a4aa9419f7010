//! What the generator itself can do, measured against a bare reflector that stands in for the server: the same threads,
//! sessions, sockets, sizes and bursts, and nobody in between who does more than return what he gets.

use std::sync::Arc;
use std::time::Duration;

use super::knee;
use crate::driver::Fleet;
use crate::failure::Failure;
use crate::outcome::{Ceiling, Knee, Setup, Window};
use crate::plan::{Pairing, Plan, Search, Transport};
use crate::profile::Profile;
use crate::progress::Progress;

/// Where it is looked for: in large steps, and not closely. It tells whose limit was met, and is no result.
const SEARCH: Search = Search { loss: 0.001, from: 2e3, to: 20e6, precision: 0.1 };
const STEP: f64 = 2.0;

/// One rate.
const WARM_UP: Duration = Duration::from_millis(100);
const WINDOW: Duration = Duration::from_millis(500);

/// As many sessions have ports of one address.
const SESSIONS_MAX: usize = 20_000;

/// From this share of the ceiling on, the generator is taken for the limit.
const CLOSE: f64 = 0.9;

/// Looks for the ceiling; none if the user does not want it, or if it could not be found.
pub(super) fn measure(
    plan: &Plan,
    progress: &Arc<Progress>,
    notes: &mut Vec<String>,
) -> Result<Option<Ceiling>, Failure> {
    let target = plan.target()?;
    if !plan.ceiling {
        return Ok(None);
    }
    if target.transport != Transport::Udp {
        notes.push(format!(
            "The generator's own ceiling was not looked for: the reflector speaks UDP, not {}.",
            target.transport
        ));
        return Ok(None);
    }
    let mut plan = plan.clone();
    plan.load.ramp = Duration::ZERO;
    reach(&plan, progress)?;
    plan.load.sessions = plan.load.sessions.min(SESSIONS_MAX);
    plan.load.churn = 0.0;
    plan.load.pairing = Pairing::Peer;
    plan.load.direction = crate::plan::Direction::Both;
    (plan.load.warm_up, plan.load.duration) = (WARM_UP, WINDOW);
    let found = search(&plan, progress);
    if progress.is_cancelled() {
        return Ok(None);
    }
    match found {
        Ok(ceiling) => Ok(Some(ceiling)),
        Err(failure) => {
            notes.push(format!("The generator's own ceiling could not be measured: {failure}."));
            Ok(None)
        }
    }
}

/// Opens a session or two, as many as talk to each other: a server that is not there, or a wrong password, is told at once
/// and not behind the search.
fn reach(plan: &Plan, progress: &Arc<Progress>) -> Result<(), Failure> {
    let mut plan = plan.clone();
    plan.load.sessions = plan.load.sessions.min(2);
    let (fleet, _) = Fleet::open(&plan, plan.target()?, progress)?;
    fleet.close()
}

fn search(plan: &Plan, progress: &Arc<Progress>) -> Result<Ceiling, Failure> {
    progress.label("the generator's own ceiling".to_owned());
    let mut fleet = Fleet::mirrored(plan, plan.target()?, progress)?;
    let knee = knee::find(&mut fleet, plan, SEARCH, STEP, progress, Setup::default());
    let closed = fleet.close();
    progress.label(String::new());
    let knee = knee?;
    closed.map(|()| report(&knee))
}

fn report(knee: &Knee) -> Ceiling {
    Ceiling { rate: knee.rate, generator_ns_per_packet: cost(&knee.window), loss: knee::loss(&knee.window) }
}

/// Packets per second that a profile asks for, in all flows together.
pub(super) fn asked(plan: &Plan, profile: &Profile) -> f64 {
    profile.rate() * plan.load.sessions as f64 * f64::from(knee::ways(plan))
}

/// Whether a rate is too near to the ceiling to be the server's, and if so a sentence about it.
pub(super) fn verdict(ceiling: Option<&Ceiling>, rate: f64) -> Option<String> {
    let ceiling = ceiling.filter(|ceiling| rate >= CLOSE * ceiling.rate)?;
    Some(format!(
        "The load generator, not the server, may have been the limit: {rate:.0} packets/s are {} % of the {:.0} that it \
         managed by itself, against a bare reflector. Give it --threads, or processors that nobody else uses.",
        (100.0 * rate / ceiling.rate.max(1.0)).round(),
        ceiling.rate
    ))
}

/// Nanoseconds of this program's time per packet that arrived.
fn cost(window: &Window) -> f64 {
    let received = window.up.received + window.down.received;
    window.generator.cpu_ns as f64 / received.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_near_the_ceiling_are_the_generators() {
        let ceiling = Ceiling { rate: 100_000.0, ..Ceiling::default() };
        assert_eq!(verdict(Some(&ceiling), 80_000.0), None);
        assert_eq!(verdict(None, 80_000.0), None);
        let text = verdict(Some(&ceiling), 95_000.0).unwrap();
        assert!(text.contains("95 %") && text.contains("100000"), "{text}");
    }
}
