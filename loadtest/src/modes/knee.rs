//! `knee`.

use std::sync::Arc;

use crate::failure::Failure;
use crate::outcome::Knee;
use crate::plan::{Plan, Search};
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _search: Search,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Knee, Failure> {
    Err(Failure::usage("knee is not built yet"))
}
