//! `tern bgp`: what the network is told of this relay, and why.

mod text;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{Answer, RelayArgs};
use super::exit::{Exit, Failure, print};
use super::remote::ReadArgs;
use crate::control::admin::Report;
use crate::wire::bgp::Prefix;

pub(super) use text::{headline, list_routes};

/// See and change what the relay announces.
#[derive(Debug, Subcommand)]
pub(super) enum BgpCommand {
    Show(ShowArgs),
    Why(WhyArgs),
    Announce(AnnounceArgs),
    Withdraw(WithdrawArgs),
}

/// Show the sessions, their timers, what is announced with which attributes, and what ended them last.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    read: ReadArgs,
}

/// Say why each prefix is announced or not: the chain of rules, the checks, the last changes.
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// Only this prefix.
    prefix: Option<Prefix>,
    /// Run every check first.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// Lift a withdrawal: from here on the relay's health decides again.
///
/// Without a prefix, of all of them; a relay that waits with fail_back = "manual" takes its calls again.
#[derive(Debug, Args)]
pub(super) struct AnnounceArgs {
    /// Only this prefix.
    prefix: Option<Prefix>,
    /// Announce it even though the relay is down or RPKI is against it, until it is withdrawn or announced without.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    relay: RelayArgs,
}

/// Withdraw a prefix until it is announced again, whatever the relay's health and through every reload.
///
/// Without a prefix, all of them. The sessions stay, and so do the calls. A relay that is started again knows nothing of it.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// Only this prefix.
    prefix: Option<Prefix>,
    #[command(flatten)]
    relay: RelayArgs,
}

pub(super) fn run(command: &BgpCommand) -> Result<(), Failure> {
    match command {
        BgpCommand::Show(args) => args.read.show("/v1/bgp", |answer| Ok(text::show(&answer.read()?))),
        BgpCommand::Why(args) => {
            let path = "/v1/bgp/why";
            let ask = |relay: &RelayArgs| if args.now { relay.post(path, None) } else { relay.get(path) };
            args.read.show_with(ask, |answer| {
                let report = answer.read()?;
                let known = args.prefix.is_none_or(|prefix| knows(&report, prefix));
                known.then(|| text::why(&report, args.prefix)).ok_or_else(|| unknown(args.prefix))
            })
        }
        BgpCommand::Announce(args) => {
            let body = json!({ "prefix": args.prefix.map(|prefix| prefix.to_string()), "force": args.force });
            let answer = args.relay.post("/v1/bgp/announce", Some(&body))?;
            tell(&args.relay, &answer, |report| Ok(list_routes(report, args.prefix)))
        }
        BgpCommand::Withdraw(args) => {
            let body = json!({ "prefix": args.prefix.map(|prefix| prefix.to_string()) });
            let answer = args.relay.post("/v1/bgp/withdraw", Some(&body))?;
            tell(&args.relay, &answer, |report| Ok(list_routes(report, args.prefix)))
        }
    }
}

fn tell(
    relay: &RelayArgs,
    answer: &Answer,
    describe: impl FnOnce(&Report) -> Result<String, Failure>,
) -> Result<(), Failure> {
    if relay.json { print(&answer.json()) } else { print(&describe(&answer.read()?)?) }
}

fn knows(report: &Report, prefix: Prefix) -> bool {
    let prefix = prefix.to_string();
    report.neighbors.iter().flat_map(|neighbor| &neighbor.routes).any(|route| route.prefix == prefix)
}

fn unknown(prefix: Option<Prefix>) -> Failure {
    let prefix = prefix.map(|prefix| prefix.to_string()).unwrap_or_default();
    Failure::new(
        Exit::Failed,
        format!("tern: {prefix} is none of the relay's prefixes; `tern bgp show` lists them"),
    )
}
