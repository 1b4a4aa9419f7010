//! `call` of a build without it.

use std::sync::Arc;

use crate::failure::Failure;
use crate::outcome::Call;
use crate::plan::Plan;
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Call, Failure> {
    Err(Failure::usage("this tern-loadtest was built without `call`; build it with --features call"))
}
