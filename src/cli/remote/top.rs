//! `tern top`.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use clap::{Args, ValueEnum as _};

use super::screen::{Key, Screen};
use super::sessions::{self, word};
use super::{query, status};
use crate::cli::client::RelayArgs;
use crate::cli::exit::{Exit, Failure};
use crate::clock::Clock;
use crate::control::admin::{SessionPage, SortWord, Status};

/// Between two looks at the relay.
const INTERVAL: Duration = Duration::from_secs(1);

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
    let order = Order { sort: args.sort, turned: false };
    if args.relay.json {
        return Err(Failure::new(
            Exit::Usage,
            "tern: top is for people; programs take `tern status --json --watch`",
        ));
    }
    // What keeps us from the relay is said where it stays to be read.
    let first = look(&args.relay, order)?;
    let Some(screen) = Screen::enter().map_err(failed)? else {
        return crate::cli::exit::print(&first);
    };
    let looker = Looker::start(args.relay.clone());
    show(&screen, looker, first, order).map_err(failed)
}

/// Until somebody has had enough. The keyboard waits for no relay.
fn show(screen: &Screen, mut looker: Looker, first: String, mut order: Order) -> std::io::Result<()> {
    let clock = Clock::new();
    let (mut looked, mut is_old) = (clock.now().time, false);
    screen.show(&first)?;
    loop {
        match screen.key()? {
            Key::Quit => return Ok(()),
            Key::Other(b's') => (order.sort, is_old) = (next(order.sort), true),
            Key::Other(b'r') => (order.turned, is_old) = (!order.turned, true),
            Key::Other(_) | Key::None => {}
        }
        if let Some(text) = looker.answer() {
            screen.show(&text)?;
        }
        let now = clock.now().time;
        if (is_old || now.since(looked) >= INTERVAL) && looker.ask(order) {
            (looked, is_old) = (now, false);
        }
    }
}

/// What the calls are ordered by.
#[derive(Clone, Copy, Debug)]
struct Order {
    sort: SortWord,
    turned: bool,
}

/// Asks the relay on a thread of its own, one question at a time: a relay that hangs answers after half a minute or never,
/// and the thread ends with the process.
struct Looker {
    orders: SyncSender<Order>,
    answers: Receiver<String>,
    is_asked: bool,
}

impl Looker {
    fn start(relay: RelayArgs) -> Self {
        let (orders, asked) = sync_channel::<Order>(1);
        let (told, answers) = sync_channel(1);
        std::thread::spawn(move || {
            for order in asked {
                let text =
                    look(&relay, order).unwrap_or_else(|failure| format!("{}\n\nq ends\n", failure.text));
                if told.send(text).is_err() {
                    return;
                }
            }
        });
        Self { orders, answers, is_asked: false }
    }

    /// False while an answer is under way.
    fn ask(&mut self, order: Order) -> bool {
        let is_free = !self.is_asked;
        if is_free {
            self.is_asked = self.orders.try_send(order).is_ok();
        }
        is_free
    }

    fn answer(&mut self) -> Option<String> {
        let text = self.answers.try_recv().ok()?;
        self.is_asked = false;
        Some(text)
    }
}

fn look(relay: &RelayArgs, order: Order) -> Result<String, Failure> {
    let glance: Status = relay.get("/v1/status")?.read()?;
    // The least score is the worst, and the greatest of everything else.
    let ascends = (order.sort == SortWord::Mos) != order.turned;
    let first = if ascends { "asc" } else { "desc" }.to_owned();
    let pairs = [("sort", word(order.sort)), ("order", Some(first)), ("page_size", Some("200".to_owned()))];
    let page: SessionPage = relay.get(&query("/v1/sessions", &pairs))?.read()?;
    Ok(compose(order, &glance, &page))
}

fn compose(order: Order, glance: &Status, page: &SessionPage) -> String {
    let sort = word(order.sort).unwrap_or_default();
    let turned = if order.turned { ", turned round" } else { "" };
    format!(
        "{}\nCalls by {sort}{turned} (s: by something else, r: the other way, q: end)\n{}",
        status::describe(glance),
        sessions::rows(&page.sessions)
    )
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
