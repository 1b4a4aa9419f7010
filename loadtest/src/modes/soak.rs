//! `soak`.

use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::outcome::Soak;
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _window: Duration,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Soak, Failure> {
    Err(Failure::usage("soak is not built yet"))
}
