//! `tern top`.

use clap::{Args, ValueEnum as _};

use super::screen::{Key, Screen};
use super::sessions::{self, SortWord, word};
use super::{query, status};
use crate::cli::client::RelayArgs;
use crate::cli::exit::{Exit, Failure};
use crate::control::admin::{SessionPage, Status};

/// Watch a relay live: how it stands, and its calls, the worst first.
///
/// Keys: s orders the calls by something else, r turns the order round, q ends.
#[derive(Debug, Args)]
pub(in crate::cli) struct TopArgs {
    /// What the calls are ordered by at first.
    #[arg(long, value_enum, default_value_t = SortWord::Mos)]
    sort: SortWord,
    #[command(flatten)]
    relay: RelayArgs,
}

pub(in crate::cli) fn run(args: &TopArgs) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Failed, format!("tern: the terminal failed: {error}"));
    let mut view = View { relay: &args.relay, sort: args.sort, turned: false };
    if args.relay.json {
        return Err(Failure::new(
            Exit::Usage,
            "tern: top is for people; programs take `tern status --json --watch`",
        ));
    }
    // What keeps us from the relay is said where it stays to be read.
    let first = view.look()?;
    let Some(screen) = Screen::enter().map_err(failed)? else {
        return crate::cli::exit::print(&first);
    };
    let mut text = first;
    loop {
        screen.show(&text).map_err(failed)?;
        match screen.key().map_err(failed)? {
            Key::Quit => return Ok(()),
            Key::Other(b's') => view.sort = next(view.sort),
            Key::Other(b'r') => view.turned = !view.turned,
            Key::Other(_) | Key::None => {}
        }
        text = view.look().unwrap_or_else(|failure| format!("{}\n\nq ends\n", failure.text));
    }
}

struct View<'a> {
    relay: &'a RelayArgs,
    sort: SortWord,
    turned: bool,
}

impl View<'_> {
    fn look(&self) -> Result<String, Failure> {
        let glance: Status = self.relay.get("/v1/status")?.read()?;
        // The least score is the worst, and the greatest of everything else.
        let ascends = (self.sort == SortWord::Mos) != self.turned;
        let order = if ascends { "asc" } else { "desc" }.to_owned();
        let pairs =
            [("sort", word(self.sort)), ("order", Some(order)), ("page_size", Some("200".to_owned()))];
        let page: SessionPage = self.relay.get(&query("/v1/sessions", &pairs))?.read()?;
        Ok(self.compose(&glance, &page))
    }

    fn compose(&self, glance: &Status, page: &SessionPage) -> String {
        let sort = word(self.sort).unwrap_or_default();
        let turned = if self.turned { ", turned round" } else { "" };
        format!(
            "{}\nCalls by {sort}{turned} (s: by something else, r: the other way, q: end)\n{}",
            status::describe(glance),
            sessions::rows(&page.sessions)
        )
    }
}

fn next(sort: SortWord) -> SortWord {
    let all = SortWord::value_variants();
    let place = all.iter().position(|one| *one == sort).unwrap_or(0);
    all.get((place + 1) % all.len()).copied().unwrap_or(sort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_through_all_orders() {
        let mut seen = vec![SortWord::Mos];
        loop {
            let sort = next(seen[seen.len() - 1]);
            if sort == SortWord::Mos {
                break;
            }
            seen.push(sort);
        }
        assert_eq!(seen.len(), SortWord::value_variants().len());
    }
}
