//! `storm`.

use std::sync::Arc;

use crate::failure::Failure;
use crate::outcome::Storm;
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Storm, Failure> {
    Err(Failure::usage("storm is not built yet"))
}
