//! `tern bfd`.

use clap::{Args, Subcommand};

use super::exit::Failure;
use super::remote::ReadArgs;
use super::table::{age, or_dash, short, table};
use crate::control::admin::{BfdReport, NeighborBfd};

/// See the BFD sessions of the relay.
#[derive(Debug, Subcommand)]
pub(super) enum BfdCommand {
    Show(ShowArgs),
}

/// Show every BFD session: its state, its timers, why it was last down.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    read: ReadArgs,
}

pub(super) fn run(command: &BfdCommand) -> Result<(), Failure> {
    match command {
        BfdCommand::Show(args) => show(args),
    }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    args.read.show("/v1/bfd", |answer| Ok(describe(&answer.read()?)))
}

fn describe(report: &BfdReport) -> String {
    if report.sessions.is_empty() {
        return "no neighbor has BFD: bfd = { ... } in its [[bgp.neighbor]] adds it\n".to_owned();
    }
    let headings = [
        "Neighbor",
        "Address",
        "State",
        "Since",
        "There",
        "Sends",
        "Hears",
        "Detects in",
        "Flaps",
        "Last down",
    ];
    let rows: Vec<_> = report.sessions.iter().map(row).collect();
    table(&headings, &rows)
}

fn row(session: &NeighborBfd) -> Vec<String> {
    let NeighborBfd { neighbor, address, session } = session;
    vec![
        neighbor.clone(),
        address.clone(),
        session.state.clone(),
        age(session.for_seconds),
        session.remote_state.clone(),
        or_dash(session.transmit_microseconds.map(short)),
        short(session.remote_transmit_microseconds),
        or_dash(session.detection_microseconds.map(short)),
        session.flaps.to_string(),
        or_dash(session.problem.clone().or_else(|| session.last_down_reason.clone())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::BfdSession;

    #[test]
    fn a_session_is_a_line() {
        let session = BfdSession {
            state: "up".into(),
            for_seconds: 61,
            remote_state: "up".into(),
            transmit_microseconds: Some(100_000),
            remote_transmit_microseconds: 50_000,
            detection_microseconds: Some(300_000),
            flaps: 1,
            last_down_reason: Some("nothing was heard for 300 ms".into()),
            ..BfdSession::default()
        };
        let session = NeighborBfd { neighbor: "north".into(), address: "10.0.0.1".into(), session };
        assert_eq!(
            describe(&BfdReport { sessions: vec![session] }),
            "Neighbor  Address   State  Since  There  Sends  Hears  Detects in  Flaps  Last down\n\
             north     10.0.0.1  up     1m 1s  up     100ms  50ms   300ms       1      nothing was heard for 300 ms\n"
        );
        assert!(describe(&BfdReport::default()).contains("no neighbor has BFD"));
    }
}
