//! `tern explain`.

use std::fmt::Write as _;

use clap::Args;

use super::words::{both, figure};
use super::{ReadArgs, query};
use crate::cli::exit::Failure;
use crate::cli::table::{age, table};
use crate::control::admin::{EndedSession, Explanation, JournalEntry, QualityHistory};

/// Say all that has happened to a user's calls, or to one call: refusals, drops, quality over time, route changes.
#[derive(Debug, Args)]
#[group(id = "subject", required = true, multiple = false, args = ["user", "session"])]
pub(in crate::cli) struct ExplainArgs {
    /// A user: by name, by the part of a time-limited name behind the time, or by hash.
    user: Option<String>,
    /// One call instead, by its ID.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let path = query("/v1/explain", &[("user", args.user.clone()), ("session", args.session.clone())]);
    args.read.show(&path, |answer| Ok(describe(&answer.read()?)))
}

fn describe(all: &Explanation) -> String {
    let is_empty = all.sessions.is_empty() && all.records.is_empty() && all.entries.is_empty();
    let Some(user) = all.user.as_ref().filter(|_| !is_empty) else {
        return "nothing is known of that: was the call on another relay, or before the last start?\n"
            .to_owned();
    };
    let mut text = format!("user {user}\n");
    if !all.sessions.is_empty() {
        text.push_str("\nCalls now\n");
        text.push_str(&super::sessions::rows(&all.sessions));
    }
    if !all.records.is_empty() {
        text.push_str("\nCalls that have ended\n");
        text.push_str(&ended(&all.records));
    }
    text.push_str("\nWhat has happened\n");
    for line in lines(all) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    if all.suppressed > 0 {
        let _ = writeln!(
            text,
            "and {} attempts and refused requests of all clients, which were too many to keep",
            all.suppressed
        );
    }
    all.quality
        .iter()
        .filter(|history| !history.points.is_empty())
        .for_each(|history| text.push_str(&quality(history)));
    text
}

fn ended(records: &[EndedSession]) -> String {
    let row = |record: &EndedSession| {
        let (client, peer) = (&record.client_leg, &record.peer_leg);
        vec![
            record.id.clone(),
            record.client.clone(),
            record.transport.clone(),
            record.ended.clone(),
            age(Duration(record.seconds).whole()),
            both(client.mean_mos, peer.mean_mos, 2),
            both(client.worst_mos, peer.worst_mos, 2),
            both(client.loss_percent, peer.loss_percent, 1),
            both(client.rtt_ms, peer.rtt_ms, 0),
        ]
    };
    let headings = ["ID", "Client", "Over", "Ended", "Lasted", "MOS", "Worst", "Loss %", "RTT ms"];
    table(&headings, &records.iter().map(row).collect::<Vec<_>>())
}

/// A length of time as JSON has it.
struct Duration(f64);

impl Duration {
    fn whole(&self) -> u64 {
        std::time::Duration::try_from_secs_f64(self.0).unwrap_or_default().as_secs()
    }
}

/// What happened to the user and what the relay told its neighbours, in the order of time.
fn lines(all: &Explanation) -> Vec<String> {
    let of_entry = |entry: &JournalEntry| {
        let proven = if entry.is_proven { "" } else { " (not proven to be this user)" };
        let session = entry.session.as_ref().map_or_else(String::new, |session| format!(" [{session}]"));
        let text = format!(
            "{}  {} over {}: {}{proven}{session}",
            entry.at, entry.client, entry.transport, entry.text
        );
        (entry.at.clone(), text)
    };
    let mut lines: Vec<(String, String)> = all.entries.iter().map(of_entry).collect();
    lines.extend(all.route_changes.iter().map(|event| {
        let fields: Vec<_> = event.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (
            event.at.clone(),
            format!("{}  the relay: {} {}", event.at, event.text, fields.join(" ")).trim_end().to_owned(),
        )
    }));
    // Times of one notation sort as text does.
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines.into_iter().map(|(_, line)| line).collect()
}

fn quality(history: &QualityHistory) -> String {
    let rows: Vec<_> = history
        .points
        .iter()
        .map(|point| {
            let (client, peer) = (&point.client, &point.peer);
            vec![
                point.at.clone(),
                figure(Some(point.seconds), 0, " s"),
                both(client.mos, peer.mos, 2),
                both(client.loss_percent, peer.loss_percent, 1),
                both(client.jitter_ms, peer.jitter_ms, 1),
                both(client.rtt_ms, peer.rtt_ms, 0),
            ]
        })
        .collect();
    let headings = ["From", "For", "MOS", "Loss %", "Jitter ms", "RTT ms"];
    format!("\nQuality of {} (client / peer)\n{}", history.session, table(&headings, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::{Event, LegFigures, QualityPoint};

    #[test]
    fn what_happened_is_told_in_the_order_of_time() {
        let entry = |at: &str, text: &str, is_proven| JournalEntry {
            at: at.to_owned(),
            text: text.to_owned(),
            client: "192.0.2.1:5000".to_owned(),
            transport: "udp".to_owned(),
            is_proven,
            ..JournalEntry::default()
        };
        let point = QualityPoint {
            seconds: 10.0,
            client: LegFigures { mos: Some(3.2), ..LegFigures::default() },
            ..QualityPoint::default()
        };
        let all = Explanation {
            user: Some("u1".to_owned()),
            entries: vec![
                entry("12:00:00Z", "401: the password is wrong", false),
                entry("12:00:09Z", "allocated", true),
            ],
            route_changes: vec![Event {
                at: "12:00:05Z".to_owned(),
                text: "withdrawn".to_owned(),
                ..Event::default()
            }],
            quality: vec![QualityHistory { session: "1-2".to_owned(), points: vec![point] }],
            suppressed: 4,
            ..Explanation::default()
        };
        let text = describe(&all);
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part:?} is missing:\n{text}"));
        assert!(place("password is wrong (not proven") < place("the relay: withdrawn"));
        assert!(place("the relay: withdrawn") < place("udp: allocated\n"));
        assert!(place("and 4 attempts") < place("Quality of 1-2"));
        place("3.20 / -");
    }

    #[test]
    fn of_nobody_nothing_is_known() {
        assert!(describe(&Explanation::default()).starts_with("nothing is known"));
    }
}
