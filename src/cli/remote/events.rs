//! `tern events`.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use super::{query, write};
use crate::cli::client::RelayArgs;
use crate::cli::exit::Failure;
use crate::control::admin::{Event, EventPage, EventSeverity};

/// How often a follower looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// List what has happened: states, sessions with routers, reloads, drains, alerts, changes by operators.
#[derive(Debug, Args)]
pub(in crate::cli) struct EventsArgs {
    #[command(flatten)]
    relay: RelayArgs,
    /// At most so many of the newest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    /// Only what came after the event of this number.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Go on and show what comes, a line each, also with --json.
    #[arg(long)]
    watch: bool,
}

pub(in crate::cli) fn run(args: &EventsArgs) -> Result<(), Failure> {
    let mut after = match args.after {
        Some(after) => after,
        None => newest(&args.relay)?.saturating_sub(args.limit),
    };
    let mut is_first = true;
    loop {
        let pairs = [("after", Some(after.to_string())), ("limit", Some(args.limit.to_string()))];
        let answer = args.relay.get(&query("/v1/events", &pairs))?;
        let page: EventPage = answer.read()?;
        let text =
            if args.relay.json && !args.watch { answer.json() } else { list(&page.events, args.relay.json) };
        let nothing = is_first && !args.watch && text.is_empty();
        if !write(if nothing { "nothing has happened\n" } else { &text })? || !args.watch {
            return Ok(());
        }
        let seen = page.events.last().map_or(after, |event| event.number);
        // A relay that was started again counts anew.
        after = seen.min(page.newest);
        is_first = false;
        sleep(INTERVAL);
    }
}

/// The number of the newest one.
fn newest(relay: &RelayArgs) -> Result<u64, Failure> {
    let page: EventPage = relay.get("/v1/events?limit=1")?.read()?;
    Ok(page.newest)
}

fn list(events: &[Event], is_json: bool) -> String {
    let line = |event: &Event| {
        if is_json { serde_json::to_string(event).unwrap_or_default() } else { describe(event) }
    };
    events.iter().map(|event| line(event) + "\n").collect()
}

fn describe(event: &Event) -> String {
    let level = match event.severity {
        EventSeverity::Info => "",
        EventSeverity::Warning => "warning",
        EventSeverity::Critical => "CRITICAL",
    };
    let fields: Vec<_> = event.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = format!("{:>6}  {}  {level:<8}  {}  {}", event.number, event.at, event.text, fields.join(" "));
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::EventKind;

    #[test]
    fn an_event_is_a_line() {
        let event = Event {
            number: 7,
            at: "2026-07-01T12:30:00Z".to_owned(),
            kind: EventKind::Bgp,
            severity: EventSeverity::Warning,
            text: "a session is down".to_owned(),
            fields: [("neighbor".to_owned(), "router-a".to_owned())].into(),
        };
        assert_eq!(
            list(std::slice::from_ref(&event), false),
            "     7  2026-07-01T12:30:00Z  warning   a session is down  neighbor=router-a\n"
        );
        let back: Event = serde_json::from_str(&list(std::slice::from_ref(&event), true)).unwrap();
        assert_eq!(back, event);
    }
}
