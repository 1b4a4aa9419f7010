//! `tern drain` and `tern undrain`.

use clap::Args;

use super::bgp::{self, list_routes};
use super::client::RelayArgs;
use super::exit::{Failure, print};
use crate::control::admin::DrainReport;

/// Empty the relay: it is announced as the last choice, and new calls go elsewhere.
///
/// Calls that it has go on. What a draining relay is announced with: [announce.draining]. A relay that is started again knows
/// nothing of it.
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
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
    change(&args.relay, "/v1/drain")
}

pub(super) fn undrain(args: &UndrainArgs) -> Result<(), Failure> {
    change(&args.relay, "/v1/undrain")
}

fn change(relay: &RelayArgs, path: &str) -> Result<(), Failure> {
    let answer = relay.post(path, None)?;
    if relay.json {
        return print(&answer.json());
    }
    let DrainReport { draining, report } = answer.read()?;
    let mut text = match draining {
        Some(drain) => format!("drains since {}, {} sessions are left\n", drain.since, drain.sessions_left),
        None => "takes calls\n".to_owned(),
    };
    if let Some(report) = report {
        text.push_str(&format!("{}\n{}", bgp::headline(&report), list_routes(&report, None)));
    }
    print(&text)
}
