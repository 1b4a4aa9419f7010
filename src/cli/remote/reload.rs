//! `tern reload`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::client::RelayArgs;
use crate::cli::credentials::parse_period;
use crate::cli::exit::{Failure, print};
use crate::config::Period;
use crate::control::admin::{ReloadReport, ReloadState};

/// Read the configuration of a running relay again.
///
/// What can change without hurting a call takes effect at once; the rest is named. A file that is wrong changes nothing.
/// With --confirm-within the relay goes back to what held before unless `tern reload confirm` comes in time.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct ReloadArgs {
    #[command(subcommand)]
    step: Option<ReloadStep>,
    /// Take it back after so long unless it is confirmed.
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    confirm_within: Option<Period>,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    relay: RelayArgs,
}

#[derive(Debug, Subcommand)]
enum ReloadStep {
    /// Keep what was reloaded.
    Confirm(StepArgs),
    /// Go back to what held before.
    Undo(StepArgs),
    /// Say whether a reload waits to be confirmed, and what came of the last one.
    Status(StepArgs),
}

#[derive(Debug, Args)]
struct StepArgs {
    #[command(flatten)]
    relay: RelayArgs,
}

pub(in crate::cli) fn run(args: &ReloadArgs) -> Result<(), Failure> {
    let (relay, answer) = match &args.step {
        Some(ReloadStep::Confirm(step)) => (&step.relay, step.relay.post("/v1/reload/confirm", None)?),
        Some(ReloadStep::Undo(step)) => (&step.relay, step.relay.post("/v1/reload/undo", None)?),
        Some(ReloadStep::Status(step)) => (&step.relay, step.relay.get("/v1/reload")?),
        None => {
            let seconds = args.confirm_within.map(|period| period.0.as_secs().max(1));
            let body = json!({ "confirm_within_seconds": seconds, "dry_run": args.dry_run });
            let answer = args.relay.post("/v1/reload", Some(&body))?;
            if args.relay.json {
                return print(&answer.json());
            }
            return print(&describe(&answer.read()?));
        }
    };
    if relay.json { print(&answer.json()) } else { print(&state(&answer.read()?)) }
}

fn describe(report: &ReloadReport) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        text.push_str(&format!("{warning}\n"));
    }
    let applied = if report.dry_run { "would be applied" } else { "applied" };
    let list = |keys: &[String]| if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
    text.push_str(&format!("{applied}: {}\n", list(&report.applied)));
    if !report.needs_restart.is_empty() {
        text.push_str(&format!("needs a restart: {}\n", report.needs_restart.join(", ")));
    }
    if let Some(by) = &report.confirm_by {
        text.push_str(&format!("is taken back at {by} unless confirmed: tern reload confirm\n"));
    }
    if !report.dry_run {
        text.push_str("secrets, users and certificates are read again\n");
    }
    text
}

fn state(state: &ReloadState) -> String {
    let mut text = match &state.pending {
        Some(pending) => {
            let by = pending.confirm_by.as_deref().unwrap_or("some time");
            format!("a reload waits to be confirmed until {by}: {}\n", pending.applied.join(", "))
        }
        None => "no reload waits to be confirmed\n".to_owned(),
    };
    if let Some(last) = &state.last {
        text.push_str(&format!("last: {} at {} ({})\n", last.outcome, last.at, last.text));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::ReloadOutcome;

    fn report() -> ReloadReport {
        ReloadReport {
            applied: vec!["limits.max_allocations".to_owned()],
            needs_restart: vec!["server.workers".to_owned()],
            warnings: vec!["tern.toml:3:1: warning: odd".to_owned()],
            confirm_by: Some("2026-07-01T12:30:00Z".to_owned()),
            dry_run: false,
        }
    }

    #[test]
    fn a_reload_says_what_holds_now_and_until_when() {
        assert_eq!(
            describe(&report()),
            "tern.toml:3:1: warning: odd\napplied: limits.max_allocations\nneeds a restart: server.workers\n\
             is taken back at 2026-07-01T12:30:00Z unless confirmed: tern reload confirm\n\
             secrets, users and certificates are read again\n"
        );
        let dry = ReloadReport { dry_run: true, confirm_by: None, ..report() };
        assert!(describe(&dry).contains("would be applied: limits.max_allocations"));
    }

    #[test]
    fn the_state_says_what_waits_and_what_was_last() {
        let last = ReloadOutcome {
            at: "now".to_owned(),
            outcome: "undone".to_owned(),
            text: "nobody confirmed".to_owned(),
        };
        let text = state(&ReloadState { pending: Some(report()), last: Some(last) });
        assert!(text.starts_with("a reload waits to be confirmed until 2026-07-01T12:30:00Z"), "{text}");
        assert!(text.ends_with("last: undone at now (nobody confirmed)\n"), "{text}");
        assert_eq!(state(&ReloadState::default()), "no reload waits to be confirmed\n");
    }
}
