//! `storm`: allocations per second with full authentication, each by a client of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{Fleet, Measurement};
use crate::failure::Failure;
use crate::outcome::Storm;
use crate::plan::Plan;
use crate::progress::Progress;

/// Allocation Quota Reached.
const QUOTA: u16 = 486;

pub(super) fn run(plan: &Plan, progress: &Arc<Progress>, notes: &mut Vec<String>) -> Result<Storm, Failure> {
    let mut fleet = Fleet::prepare_storm(plan, plan.target()?, progress)?;
    let warm_up = plan.load.warm_up.min(Duration::from_secs(1));
    let cycles = fleet.storm(Measurement { warm_up, ..Measurement::of(&plan.load) })?;
    fleet.close()?;
    if cycles.times.count() == 0 && progress.is_cancelled() {
        return Err(Failure::interrupted());
    }
    if cycles.times.count() == 0
        && let Some(failure) = cycles.first_fault
    {
        return Err(failure);
    }
    if cycles.generator.limited {
        notes.push(
            "The load generator was busy throughout and may have been the limit: try --threads 2.".to_owned(),
        );
    }
    if cycles.failures.iter().any(|failure| failure.code == QUOTA) {
        notes.push(
            "The server limits how many allocations a user has, or makes in a second (486): this is that limit, and \
             not what it can do. Raise it; Tern's are limits.max_allocations_per_user and limits.allocation_rate."
                .to_owned(),
        );
    }
    if progress.is_cancelled() {
        notes.push(format!("Interrupted: the figures are those of {:.1} seconds.", cycles.seconds));
    }
    Ok(Storm {
        in_flight: plan.load.in_flight,
        seconds: cycles.seconds,
        cycles: cycles.times.count(),
        rate: cycles.times.count() as f64 / cycles.seconds.max(1e-9),
        requests: cycles.requests,
        retransmissions: cycles.retransmissions,
        latency: cycles.times.latency(),
        failures: cycles.failures,
        cpu: cycles.cpu,
        generator: cycles.generator,
        ticks: cycles.ticks,
    })
}
