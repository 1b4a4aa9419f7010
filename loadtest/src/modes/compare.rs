//! `compare`.

use std::sync::Arc;

use crate::failure::Failure;
use crate::outcome::Compare;
use crate::plan::{Compared, Plan};
use crate::progress::Progress;

pub(super) fn run(
    _plan: &Plan,
    _rounds: usize,
    _what: Compared,
    _progress: &Arc<Progress>,
    _notes: &mut Vec<String>,
) -> Result<Compare, Failure> {
    Err(Failure::usage("compare is not built yet"))
}
