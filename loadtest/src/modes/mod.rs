//! One file per subcommand: what it does with sessions, and what it makes of the figures.

#[cfg(feature = "call")]
mod call;
#[cfg(not(feature = "call"))]
#[path = "no_call.rs"]
mod call;
mod ceiling;
mod compare;
mod idle;
mod knee;
mod soak;
mod steady;
mod storm;

use std::sync::Arc;

pub(crate) use compare::figures;

use crate::failure::Failure;
use crate::outcome::{Measured, Outcome};
use crate::plan::{Mode, Plan};
use crate::progress::Progress;
use crate::{clock, machine};

/// Carries out a plan.
///
/// # Errors
/// When there is no result: the server cannot be reached or refuses, or this machine does.
pub fn run(plan: &Plan, progress: &Arc<Progress>) -> Result<Outcome, Failure> {
    let started = clock::unix_seconds();
    let mut notes = Vec::new();
    let result = measure(plan, progress, &mut notes)?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Outcome { version, started, machine: machine::describe(), method: plan.method(), result, notes })
}

fn measure(plan: &Plan, progress: &Arc<Progress>, notes: &mut Vec<String>) -> Result<Measured, Failure> {
    Ok(match plan.mode {
        Mode::Steady => Measured::Steady(steady::run(plan, progress, notes)?),
        Mode::Knee(search) => Measured::Knee(knee::run(plan, search, progress, notes)?),
        Mode::Storm => Measured::Storm(storm::run(plan, progress, notes)?),
        Mode::Idle => Measured::Idle(idle::run(plan, progress, notes)?),
        Mode::Soak { window, allowed } => Measured::Soak(soak::run(plan, window, allowed, progress, notes)?),
        Mode::Call => Measured::Call(call::run(plan, progress, notes)?),
        Mode::Compare { rounds, what } => {
            Measured::Compare(compare::run(plan, rounds, what, progress, notes)?)
        }
    })
}
