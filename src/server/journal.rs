//! The thread that takes in what workers tell the journal, so that its channel does not fill while nobody asks.
//!
//! It looks four times a second instead of being woken: a worker that tells something makes no system call for it.

use std::io;
use std::thread;
use std::time::Duration;

use crate::metrics::Journal;

const INTERVAL: Duration = Duration::from_millis(250);

/// Collects for as long as somebody has the journal.
pub(super) fn keep_collecting(journal: &Journal) -> io::Result<()> {
    let collector = journal.collector();
    let run = move || {
        while collector.collect() {
            thread::sleep(INTERVAL);
        }
    };
    thread::Builder::new().name("tern-journal".to_owned()).spawn(run).map(drop)
}
