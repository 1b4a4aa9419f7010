//! `tern sessions`.

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};

use super::words::{both, bytes, figure};
use super::{ReadArgs, query};
use crate::cli::client::RelayArgs;
use crate::cli::exit::{Failure, print};
use crate::cli::table::{age, table};
use crate::control::admin::{
    FamilyWord, SessionMedia, SessionPage, SessionReport, SessionRow, SortWord, TransportWord,
};
use crate::control::url::encode;

/// See the calls of the relay, and end one.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SessionsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Kill(KillArgs),
}

/// List calls, the newest first.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// Only these: an ID, a user name (or its part behind the time), a user's hash, a client's address or prefix, a relayed address.
    search: Option<String>,
    /// Only calls over it.
    #[arg(long, value_enum)]
    transport: Option<TransportWord>,
    /// Only calls with a relayed address of it.
    #[arg(long, value_enum)]
    family: Option<FamilyWord>,
    /// What they are ordered by, the worst first.
    #[arg(long, value_enum)]
    sort: Option<SortWord>,
    /// The other way round.
    #[arg(long)]
    reverse: bool,
    /// Which page.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// How many calls a page has.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=500))]
    page_size: u64,
    #[command(flatten)]
    read: ReadArgs,
}

/// Show all that is known of one call; with --json its quality over time, too.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// Its ID.
    id: String,
    #[command(flatten)]
    read: ReadArgs,
}

/// End calls: their allocations go, and connections are closed. The clients may come again.
#[derive(Debug, Args)]
pub(in crate::cli) struct KillArgs {
    /// Their IDs.
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    relay: RelayArgs,
}

/// As the API has it, which is as the command line has it.
pub(super) fn word(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

pub(in crate::cli) fn run(command: &SessionsCommand) -> Result<(), Failure> {
    match command {
        SessionsCommand::List(args) => {
            let path = query("/v1/sessions", &pairs(args));
            args.read.show(&path, |answer| Ok(list(&answer.read()?)))
        }
        SessionsCommand::Show(args) => {
            let path = format!("/v1/sessions/{}", encode(&args.id));
            args.read.show(&path, |answer| Ok(describe(&answer.read()?)))
        }
        SessionsCommand::Kill(args) => kill(args),
    }
}

fn pairs(args: &ListArgs) -> [(&'static str, Option<String>); 7] {
    // What is worst is the least for scores, and the greatest for everything else.
    let ascends = (args.sort == Some(SortWord::Mos)) != args.reverse;
    let order = args.reverse.then(|| if ascends { "asc" } else { "desc" }.to_owned());
    [
        ("search", args.search.clone()),
        ("transport", args.transport.and_then(word)),
        ("family", args.family.and_then(word)),
        ("sort", args.sort.and_then(word)),
        ("order", order),
        ("page", Some(args.page.to_string())),
        ("page_size", Some(args.page_size.to_string())),
    ]
}

fn kill(args: &KillArgs) -> Result<(), Failure> {
    for id in &args.ids {
        let answer = args.relay.delete(&format!("/v1/sessions/{}", encode(id)))?;
        if args.relay.json {
            print(&answer.json())?;
        } else {
            print(&format!("{id} has ended\n"))?;
        }
    }
    Ok(())
}

/// Under a page that is not whole.
const MISSING: &str = "some are missing: a worker of the relay is too slow to tell of them\n";

/// A page.
pub(super) fn list(page: &SessionPage) -> String {
    let missing = if page.incomplete { MISSING } else { "" };
    if page.matched == 0 {
        return format!("none of {} sessions is like that\n{missing}", page.total);
    }
    let mut text = rows(&page.sessions);
    let pages = page.matched.div_ceil(page.page_size.max(1));
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{} of {} sessions, page {} of {pages}; MOS, loss, jitter and round trip: client / peer",
        page.matched, page.total, page.page
    );
    text.push_str(missing);
    text
}

/// The table of a page.
pub(super) fn rows(sessions: &[SessionRow]) -> String {
    let headings = [
        "ID",
        "User",
        "Client",
        "Over",
        "Relayed",
        "Age",
        "MOS",
        "Loss %",
        "Jitter ms",
        "RTT ms",
        "Sent",
        "Received",
    ];
    let rows: Vec<_> = sessions.iter().map(row).collect();
    table(&headings, &rows)
}

fn row(session: &SessionRow) -> Vec<String> {
    let of = |pick: fn(&SessionMedia) -> (Option<f64>, Option<f64>), digits| {
        let (client, peer) = session.media.as_ref().map_or((None, None), pick);
        both(client, peer, digits)
    };
    vec![
        session.id.clone(),
        session.user.clone(),
        session.client.clone(),
        session.transport.clone(),
        session.relayed.clone(),
        age(session.age_seconds),
        of(|media| (media.client.mos, media.peer.mos), 2),
        of(|media| (media.client.loss_percent, media.peer.loss_percent), 1),
        of(|media| (media.client.jitter_ms, media.peer.jitter_ms), 1),
        of(|media| (media.client.rtt_ms, media.peer.rtt_ms), 0),
        bytes(session.client_to_peer.bytes),
        bytes(session.peer_to_client.bytes),
    ]
}

fn describe(report: &SessionReport) -> String {
    let session = &report.session;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<13} {value}");
    };
    line("session", &session.id);
    line("user", &session.user);
    line("client", &format!("{} over {} to {}", session.client, session.transport, session.server));
    line("relayed", &session.relayed);
    if let Some(second) = &session.second {
        line("and", &second.relayed);
    }
    let lived = format!(
        "{}, {} ago; ends in {} unless refreshed",
        session.began,
        age(session.age_seconds),
        age(session.expires_in_seconds)
    );
    line("began", &lived);
    line("peers", &format!("{} permissions, {} channels", session.permissions, session.channels));
    for (name, traffic) in [("sent", session.client_to_peer), ("received", session.peer_to_client)] {
        line(name, &format!("{} packets, {}", traffic.packets, bytes(traffic.bytes)));
    }
    if !report.drops.is_empty() {
        let drops: Vec<_> = report.drops.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        line("dropped", &drops.join(", "));
    }
    match &session.media {
        Some(media) => text.push_str(&legs(media)),
        None => line("media", "no RTP so far"),
    }
    text
}

fn legs(media: &SessionMedia) -> String {
    let row =
        |name: &str, leg: &crate::control::admin::LegFigures, dscp: crate::control::admin::DscpChange| {
            let mark = |mark: Option<u8>| mark.map_or_else(|| "-".to_owned(), |mark| mark.to_string());
            vec![
                name.to_owned(),
                figure(leg.mos, 2, ""),
                figure(leg.loss_percent, 2, " %"),
                figure(leg.jitter_ms, 1, " ms"),
                figure(leg.rtt_ms, 1, " ms"),
                format!("{} -> {}", mark(dscp.came), mark(dscp.left)),
            ]
        };
    let rows = [
        row("client", &media.client, media.client_to_peer_dscp),
        row("peer", &media.peer, media.peer_to_client_dscp),
    ];
    let headings = ["Leg", "MOS", "Loss", "Jitter", "Round trip", "DSCP"];
    format!("\n{}", table(&headings, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::{LegFigures, SessionTraffic};

    fn session() -> SessionRow {
        let leg = |mos| LegFigures { mos, loss_percent: Some(1.5), ..LegFigures::default() };
        SessionRow {
            id: "1-2".to_owned(),
            client: "192.0.2.7:5000".to_owned(),
            transport: "tls".to_owned(),
            age_seconds: 61,
            client_to_peer: SessionTraffic { packets: 10, bytes: 1_500 },
            media: Some(SessionMedia { client: leg(Some(4.25)), peer: leg(None), ..SessionMedia::default() }),
            ..SessionRow::default()
        }
    }

    #[test]
    fn a_page_lists_calls_with_both_legs() {
        let page = SessionPage {
            total: 9,
            matched: 3,
            page: 2,
            page_size: 2,
            sessions: vec![session()],
            ..Default::default()
        };
        let text = list(&page);
        let line = text.lines().nth(1).unwrap();
        for part in ["1-2", "192.0.2.7:5000", "tls", "1m 1s", "4.25 / -", "1.5 / 1.5", "1.5 kB"] {
            assert!(line.contains(part), "{part:?} is missing: {line}");
        }
        assert!(text.contains("3 of 9 sessions, page 2 of 2"), "{text}");
        let none = SessionPage { total: 9, ..SessionPage::default() };
        assert_eq!(list(&none), "none of 9 sessions is like that\n");
        assert!(list(&SessionPage { incomplete: true, ..page }).ends_with(MISSING));
    }

    #[test]
    fn one_call_is_told_whole() {
        let report = SessionReport {
            session: session(),
            drops: [("no_permission".to_owned(), 3)].into(),
            media: None,
        };
        let text = describe(&report);
        for part in [
            "client        192.0.2.7:5000 over tls",
            "dropped       3 no_permission",
            "Leg     MOS",
            "10 packets, 1.5 kB",
        ] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
    }
}
