//! The calls of a running relay, for whoever watches them: asked of the workers that have them, page by page, so that
//! media goes on in between.
//!
//! Usable from any thread that may wait for some milliseconds, and for a second or two if a worker is slow. One that does
//! not answer by then has not said that there is nothing, and who asked is told so. What a dead one had is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Running, Server};
use crate::engine;
use crate::engine::auth::owners;
use crate::metrics::{About, CallDetail, CallRow, CallRows, Journal, SessionId, Silence, Story};
use crate::worker::{CallPage, Command, Mailbox};

/// For a worker's answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Before a worker with as many questions as it may have is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// All calls of a relay.
#[derive(Clone, Debug)]
pub struct Calls {
    workers: Arc<[Asked]>,
    journal: Journal,
    settings: Arc<Mutex<Arc<engine::Settings>>>,
}

/// A worker that is asked.
#[derive(Clone, Debug)]
struct Asked {
    mailbox: Mailbox,
    alive: Arc<AtomicBool>,
}

impl Calls {
    /// Every allocation, one row each. Workers that are slow are asked again when all others have answered.
    #[must_use]
    pub fn rows(&self) -> CallRows {
        let mut rows = Vec::new();
        let workers = self.workers.iter().map(|worker| (worker, 0));
        let mut slow = workers.filter_map(|(worker, from)| worker.rows(from, &mut rows)).collect::<Vec<_>>();
        slow = slow.into_iter().filter_map(|(worker, from)| worker.rows(from, &mut rows)).collect();
        CallRows { rows, is_complete: slow.is_empty() }
    }

    /// One of them, by the name of either of its relayed addresses.
    ///
    /// # Errors
    /// Its worker is too slow to say.
    pub fn detail(&self, id: SessionId) -> Result<Option<CallDetail>, Silence> {
        let Some(worker) = self.workers.get(usize::from(id.worker)) else { return Ok(None) };
        let ask = || worker.ask(|reply| Command::Call { relay: id.relay, reply });
        let found = ask().or_else(|Silence| ask())?.flatten();
        Ok(found.map(|found| *found))
    }

    /// Ends one: its client's connection is closed, and its record is written. False if there is no such call.
    ///
    /// # Errors
    /// Its worker is too slow to say; it may end the call yet.
    pub fn end(&self, id: SessionId) -> Result<bool, Silence> {
        let Some(worker) = self.workers.get(usize::from(id.worker)) else { return Ok(false) };
        // Not asked twice: the second answer would be that there is none.
        let ended = worker.ask(|reply| Command::End { relay: id.relay, reply })?;
        Ok(ended.unwrap_or(false))
    }

    /// What is known of somebody's calls or of one call: what has happened lately, and calls that have ended.
    #[must_use]
    pub fn explain(&self, about: &About) -> Story {
        self.journal.explain(about)
    }

    /// The numbers that a user may stand under, in all realms: by his name in clear, by the whole name of a time-limited
    /// credential, or by its part behind the colon.
    #[must_use]
    pub fn owners(&self, text: &str) -> Vec<u64> {
        let settings = Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        let mut owners: Vec<u64> = settings
            .listeners
            .iter()
            .flat_map(|listener| owners(&listener.realm, text))
            .map(|owner| owner.0)
            .collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }
}

impl Server {
    /// What there is to know of its calls, and how to end one.
    #[must_use]
    pub fn calls(&self) -> Calls {
        Calls {
            workers: self.workers.iter().map(Asked::new).collect(),
            journal: self.journal.clone(),
            settings: Arc::clone(&self.engine_settings),
        }
    }
}

impl Asked {
    fn new(worker: &Running) -> Self {
        Self { mailbox: worker.mailbox.clone(), alive: worker.source().alive }
    }

    /// Adds its rows from a place on. If it does not answer: where to go on.
    fn rows(&self, from: usize, rows: &mut Vec<CallRow>) -> Option<(&Self, usize)> {
        let mut next = Some(from);
        while let Some(from) = next {
            let Ok(page) = self.ask(|reply| Command::Calls { from, reply }) else {
                return Some((self, from));
            };
            let CallPage { rows: more, next: after } = page.unwrap_or_default();
            rows.extend(more);
            next = after;
        }
        None
    }

    /// Its answer; none if it is dead.
    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Result<Option<T>, Silence> {
        let (reply, answer) = sync_channel(1);
        if self.mailbox.command(command(reply)) {
            // One that dies meanwhile drops the question.
            if let Ok(found) = answer.recv_timeout(PATIENCE) {
                return Ok(Some(found));
            }
        } else {
            thread::sleep(PAUSE);
        }
        if self.alive.load(Ordering::Acquire) { Err(Silence) } else { Ok(None) }
    }
}
