//! From an event at the relay to the change of the route at the router, measured in the router's kernel.
//!
//! ```console
//! # cargo bench --bench failover -- [--count N] [NAME...]
//! ```
//!
//! Needs root, BIRD and FRR. Each event is brought about so many times (20) on a lab of its own; the table has the
//! median and the worst of them, beside what a BIRD in the relay's place takes for the same. The clock starts just
//! before the event and ends when the router's kernel says that the route has changed, so that the router's own part is
//! included. Only an event by the relay's command line includes that program's start.
//!
//! Workers are hung by a debug hook, which a release does not have: those events need `--profile dev`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement ends at the first thing that it did not expect"
)]

#[path = "../../tests/routers/anchor.rs"]
mod anchor;
mod events;
#[path = "../../tests/support/host.rs"]
#[allow(dead_code, reason = "made for tests, which need more of it")]
mod host;
#[path = "../../tests/routers/lab.rs"]
#[allow(dead_code, reason = "made for tests, which need more of it")]
mod lab;
#[path = "../../tests/support/process.rs"]
mod process;
#[path = "../../tests/routers/relay.rs"]
#[allow(dead_code, reason = "made for tests, which need more of it")]
mod relay;
#[path = "../../tests/routers/router/mod.rs"]
#[allow(dead_code, reason = "made for tests, which need more of it")]
mod router;
#[path = "../../tests/support/skip.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "made for tests, which need more of it")]
mod skip;
mod watch;

use std::time::Duration;

use events::{EVENTS, Event};

/// What the command line asks for.
struct Wanted {
    count: usize,
    names: Vec<String>,
}

impl Wanted {
    fn read() -> Self {
        let mut wanted = Self { count: 20, names: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // cargo's own.
                "--bench" => {}
                "--count" => {
                    let count = arguments.next().and_then(|count| count.parse().ok());
                    wanted.count =
                        count.filter(|count| *count > 0).expect("--count needs a number from 1 on");
                }
                _ => wanted.names.push(argument),
            }
        }
        wanted
    }

    fn includes(&self, event: &Event) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| event.name.contains(name.as_str()))
    }
}

fn main() {
    let wanted = Wanted::read();
    println!(
        "{:<58} {:>3} {:>8} {:>8} {:>8}",
        "event -> change in the router's kernel (ms)", "n", "median", "worst", "limit"
    );
    let mut late = 0;
    for event in EVENTS.iter().filter(|event| wanted.includes(event)) {
        match (event.measure)(wanted.count) {
            Ok(mut times) => {
                times.sort_unstable();
                let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
                let limit = event.limit.map_or(String::new(), |limit| limit.to_string());
                let over = event.limit.is_some_and(|limit| worst > Duration::from_millis(limit));
                late += u32::from(over);
                println!(
                    "{:<58} {:>3} {:>8.1} {:>8.1} {limit:>8}{}",
                    event.name,
                    times.len(),
                    median.as_secs_f64() * 1e3,
                    worst.as_secs_f64() * 1e3,
                    if over { "  LATE" } else { "" }
                );
            }
            Err(missing) => println!("{:<58} SKIP: {} is missing", event.name, missing.0),
        }
    }
    std::process::exit(i32::from(late > 0));
}
