//! `tern events`.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use super::{is_passing, query, write};
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
    let (mut place, mut is_first) = (Place::begin(args)?, true);
    let mut is_away = false;
    loop {
        match place.ask(args) {
            Ok((page, text)) => {
                let nothing = is_first && !args.watch && text.is_empty();
                if !write(if nothing { "nothing has happened\n" } else { &text })? || !args.watch {
                    return Ok(());
                }
                (is_first, is_away) = (false, false);
                // What is there already need not be waited for.
                if place.after < page.newest && !page.events.is_empty() {
                    continue;
                }
            }
            // A relay that is started again is one that somebody wants to follow.
            Err(failure) if args.watch && is_passing(failure.exit) => {
                if !std::mem::replace(&mut is_away, true) {
                    failure.print();
                }
            }
            Err(failure) => return Err(failure),
        }
        sleep(INTERVAL);
    }
}

/// How far the events have been read.
#[derive(Debug, Default)]
struct Place {
    after: u64,
    /// When the relay was started whose numbers these are; none while any will do.
    started: Option<String>,
}

impl Place {
    fn begin(args: &EventsArgs) -> Result<Self, Failure> {
        if let Some(after) = args.after {
            return Ok(Self { after, started: None });
        }
        let page: EventPage = args.relay.get("/v1/events?limit=1")?.read()?;
        Ok(Self { after: page.newest.saturating_sub(args.limit), started: Some(page.started) })
    }

    /// What comes next, and how it is shown.
    fn ask(&mut self, args: &EventsArgs) -> Result<(EventPage, String), Failure> {
        loop {
            let pairs = [("after", Some(self.after.to_string())), ("limit", Some(args.limit.to_string()))];
            let answer = args.relay.get(&query("/v1/events", &pairs))?;
            let page: EventPage = answer.read()?;
            if !self.follow(&page) {
                continue;
            }
            let is_whole = args.relay.json && !args.watch;
            let text = if is_whole { answer.json() } else { list(&page.events, args.relay.json) };
            return Ok((page, text));
        }
    }

    /// False if it was asked for by the numbers of another life of the relay: it is to be asked for from the beginning.
    fn follow(&mut self, page: &EventPage) -> bool {
        let is_another = self.started.replace(page.started.clone()).is_some_and(|was| was != page.started);
        if is_another && self.after > 0 {
            self.after = 0;
            return false;
        }
        self.after = page.events.last().map_or(self.after, |event| event.number);
        true
    }
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

    fn page(started: &str, numbers: std::ops::RangeInclusive<u64>) -> EventPage {
        let newest = *numbers.end();
        let events = numbers.map(|number| Event { number, ..Event::default() }).collect();
        EventPage { events, newest, started: started.to_owned(), ..EventPage::default() }
    }

    #[test]
    fn a_relay_that_was_started_again_is_read_from_its_first_event() {
        let mut place = Place::default();
        assert!(place.follow(&page("a", 1..=5)));
        assert!(place.follow(&page("a", 6..=7)));
        assert_eq!(place.after, 7);
        assert!(!place.follow(&page("b", 8..=9)), "1 to 7 of its events would be missed");
        assert_eq!(place.after, 0);
        assert!(place.follow(&page("b", 1..=9)));
        assert_eq!(place.after, 9);
    }

    #[test]
    fn numbers_that_somebody_names_are_of_the_relay_that_answers_first() {
        let mut place = Place { after: 3, started: None };
        assert!(place.follow(&page("a", 4..=4)));
        assert_eq!(place.after, 4);
    }

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
