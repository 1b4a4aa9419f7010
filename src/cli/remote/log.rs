//! `tern log`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::client::RelayArgs;
use crate::cli::exit::{Failure, print};
use crate::control::admin::LogReport;

/// See and change what a running relay writes into its log.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    Level(LevelArgs),
}

/// Say what the log lets through, or let more or less through.
///
/// It holds until the configuration names another level, or the relay ends. At "debug" the log has clients' addresses.
#[derive(Debug, Args)]
pub(in crate::cli) struct LevelArgs {
    /// What is let through from now on.
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    level: Option<String>,
    #[command(flatten)]
    relay: RelayArgs,
}

pub(in crate::cli) fn run(command: &LogCommand) -> Result<(), Failure> {
    let LogCommand::Level(args) = command;
    let answer = match &args.level {
        Some(level) => args.relay.put("/v1/log", &json!({ "level": level }))?,
        None => args.relay.get("/v1/log")?,
    };
    if args.relay.json { print(&answer.json()) } else { print(&describe(&answer.read()?)) }
}

fn describe(report: &LogReport) -> String {
    let LogReport { level, configured, .. } = report;
    if level == configured {
        format!("{level}\n")
    } else {
        format!("{level} (the configuration says {configured})\n")
    }
}
