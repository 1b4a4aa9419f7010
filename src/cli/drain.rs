//! `tern drain` and `tern undrain`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::bgp::{self, list_routes};
use super::client::{Answer, RelayArgs};
use super::credentials::parse_period;
use super::exit::{Exit, Failure, print};
use crate::clock::Clock;
use crate::config::Period;
use crate::control::admin::{Drain, DrainReport, Status};

/// How often whoever waits looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Empty the relay: it is announced as the last choice, and new calls go elsewhere.
///
/// Calls that it has go on. What a draining relay is announced with: [announce.draining]. With --deadline or --min-sessions
/// this waits until the relay is empty; if the deadline passes first, the exit code is 75, and the relay goes on draining. A
/// relay that is started again knows nothing of it.
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    /// Wait until the relay is empty, but no longer than this.
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    deadline: Option<Period>,
    /// Wait until no more sessions than this are left.
    #[arg(long, value_name = "NUMBER")]
    min_sessions: Option<u32>,
    /// The relay's name, to be sure that it is this one.
    #[arg(long)]
    name: Option<String>,
    /// Even if no other relay is known to be healthy.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    relay: RelayArgs,
}

/// End the draining of the relay.
#[derive(Debug, Args)]
pub(super) struct UndrainArgs {
    #[command(flatten)]
    relay: RelayArgs,
}

pub(super) fn drain(args: &DrainArgs) -> Result<(), Failure> {
    let began = Clock::new().now().time;
    let seconds = args.deadline.map(|period| period.0.as_secs().max(1));
    let body = json!({
        "deadline_seconds": seconds,
        "min_sessions": args.min_sessions.unwrap_or(0),
        "name": args.name,
        "force": args.force,
    });
    let answer = args.relay.post("/v1/drain", Some(&body))?;
    if args.deadline.is_none() && args.min_sessions.is_none() {
        return tell(&args.relay, &answer);
    }
    if !args.relay.json {
        tell(&args.relay, &answer)?;
    }
    loop {
        let left = look(&args.relay)?;
        let is_late =
            args.deadline.is_some_and(|deadline| Clock::new().now().time.since(began) >= deadline.0);
        if left.done || is_late {
            return end(args, &left);
        }
        if !args.relay.json && std::io::stderr().is_terminal() {
            eprint_left(left.sessions_left);
        }
        sleep(INTERVAL);
    }
}

pub(super) fn undrain(args: &UndrainArgs) -> Result<(), Failure> {
    tell(&args.relay, &args.relay.post("/v1/undrain", None)?)
}

/// How far it is.
fn look(relay: &RelayArgs) -> Result<Drain, Failure> {
    let status: Status = relay.get("/v1/status")?.read()?;
    let ended = || Failure::new(Exit::Failed, "tern: somebody has ended the draining");
    status.draining.ok_or_else(ended)
}

fn end(args: &DrainArgs, left: &Drain) -> Result<(), Failure> {
    if args.relay.json {
        print(&format!("{}\n", json!({ "draining": left })))?;
    }
    if left.done {
        return if args.relay.json {
            Ok(())
        } else {
            print(&format!("empty: {} sessions are left\n", left.sessions_left))
        };
    }
    let text = format!("tern: the deadline has passed, and {} sessions are left", left.sessions_left);
    Err(if args.relay.json { Failure::silent(Exit::Retry) } else { Failure::new(Exit::Retry, text) })
}

/// On a terminal one line says how far it is, again and again.
fn eprint_left(sessions: u64) {
    use std::io::Write as _;
    // With standard error closed nobody looks.
    drop(write!(std::io::stderr(), "\r{sessions} sessions are left \x1b[K\r"));
}

fn tell(relay: &RelayArgs, answer: &Answer) -> Result<(), Failure> {
    if relay.json {
        return print(&answer.json());
    }
    let DrainReport { draining, report } = answer.read()?;
    let mut text = match draining {
        Some(drain) => format!("drains since {}, {} sessions are left\n", drain.since, drain.sessions_left),
        None => "takes calls\n".to_owned(),
    };
    if let Some(report) = report {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\n{}", bgp::headline(&report), list_routes(&report, None));
    }
    print(&text)
}
