//! `idle`.

use std::sync::Arc;

use crate::failure::Failure;
use crate::outcome::Idle;
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Idle, Failure> {
    Err(Failure::usage("idle is not built yet"))
}
