//! From the arguments to the exit code.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::progress::View;
use crate::{modes, report};

/// Runs what the arguments of this process ask for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; a closed pipe behind them is not worth a word.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report::tell(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let plan = Plan::new(cli)?;
    let progress = Arc::new(Progress::default());
    progress.cancel_on_signals().map_err(|error| Failure::machine("signals", &error))?;
    let output = &cli.command.common().output;
    let view = View::start(&progress, output.quiet);
    let outcome = modes::run(&plan, &progress);
    // The terminal is given back before anything is said.
    drop(view);
    report::deliver(&outcome?, &plan, output)
}
