//! `steady`: one rate, one window.

use std::sync::Arc;

use crate::driver::{Fleet, Measurement};
use crate::failure::Failure;
use crate::outcome::Steady;
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(
    plan: &Plan,
    progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Steady, Failure> {
    let (mut fleet, setup) = Fleet::open(plan, plan.target()?, progress)?;
    let window = fleet.measure(Measurement::of(&plan.load))?;
    fleet.close()?;
    Ok(Steady { setup, window, ceiling: None })
}
