//! Commands that ask a running relay and show its answer: once, or again and again until somebody ends it.

pub(super) mod alerts;
pub(super) mod events;
pub(super) mod explain;
pub(super) mod log;
pub(super) mod reload;
pub(super) mod sessions;
pub(super) mod status;
pub(super) mod top;

mod screen;
mod words;

use std::io::{IsTerminal as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use super::client::{Answer, RelayArgs};
use super::exit::{Exit, Failure, print};
use crate::config::Period;
use crate::control::url;

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[H";
/// Nobody reads faster, and every look costs the relay something.
const FASTEST: Duration = Duration::from_millis(200);

/// Which relay, for whom the answer is, and how often.
#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    pub(super) relay: RelayArgs,
    /// Look again and again, every two seconds unless said otherwise; with --json a line for each look.
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s", value_parser = parse_interval)]
    watch: Option<Period>,
}

impl ReadArgs {
    /// Shows what is at `path`, in words by `describe`.
    pub(super) fn show(
        &self,
        path: &str,
        describe: impl Fn(&Answer) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.show_with(|relay| relay.get(path), describe)
    }

    /// The same, however the relay is asked.
    pub(super) fn show_with(
        &self,
        ask: impl Fn(&RelayArgs) -> Result<Answer, Failure>,
        describe: impl Fn(&Answer) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let look = || -> Result<String, Failure> {
            let answer = ask(&self.relay)?;
            if self.relay.json { Ok(answer.json()) } else { describe(&answer) }
        };
        let first = look()?;
        let Some(Period(interval)) = self.watch else { return print(&first) };
        let clears = !self.relay.json && std::io::stdout().is_terminal();
        let mut text = first;
        loop {
            if clears {
                text.insert_str(0, CLEAR);
            }
            if !write(&text)? {
                return Ok(());
            }
            sleep(interval);
            text = match look() {
                Ok(text) => text,
                // A relay that is started again is one that somebody wants to watch.
                Err(failure) if !self.relay.json && is_passing(failure.exit) => format!("{}\n", failure.text),
                Err(failure) => return Err(failure),
            };
        }
    }
}

const fn is_passing(exit: Exit) -> bool {
    matches!(exit, Exit::Unreachable | Exit::Retry)
}

/// Whether anybody still reads.
pub(super) fn write(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Failure::new(Exit::Failed, format!("tern: cannot write to standard output: {error}")))
        }
    }
}

fn parse_interval(text: &str) -> Result<Period, String> {
    Period::parse(text)
        .filter(|period| period.0 >= FASTEST)
        .ok_or_else(|| "expected a length of time such as 500ms, 2s or 1m, at least 200ms".to_owned())
}

/// A path with what is asked of it; what is not there is left out.
pub(super) fn query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let values: Vec<_> =
        pairs.iter().map(|(name, value)| (*name, value.as_deref().unwrap_or_default())).collect();
    url::query(path, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_more_often_than_five_times_a_second() {
        assert_eq!(parse_interval("200ms").unwrap().0, FASTEST);
        for text in ["100ms", "0s", "soon"] {
            parse_interval(text).unwrap_err();
        }
    }
}
