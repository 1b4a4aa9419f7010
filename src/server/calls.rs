//! The calls of a running relay, for whoever watches them: asked of the workers that have them, page by page, so that
//! media goes on in between.
//!
//! Usable from any thread that may wait for some milliseconds. What a worker does not answer within a second is missing,
//! and so is all that a dead one had.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Server;
use crate::engine;
use crate::engine::auth::owners;
use crate::metrics::{About, CallDetail, CallRow, Journal, SessionId, Story};
use crate::worker::{CallPage, Command, Mailbox};

/// For a worker's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// All calls of a relay.
#[derive(Clone, Debug)]
pub struct Calls {
    workers: Arc<[Mailbox]>,
    journal: Journal,
    settings: Arc<Mutex<Arc<engine::Settings>>>,
}

impl Calls {
    /// Every allocation, one row each.
    #[must_use]
    pub fn rows(&self) -> Vec<CallRow> {
        let mut rows = Vec::new();
        for worker in &*self.workers {
            let mut next = Some(0);
            while let Some(from) = next {
                let page = ask(worker, |reply| Command::Calls { from, reply }).unwrap_or_default();
                let CallPage { rows: more, next: after } = page;
                rows.extend(more);
                next = after;
            }
        }
        rows
    }

    /// One of them, by the name of either of its relayed addresses.
    #[must_use]
    pub fn detail(&self, id: SessionId) -> Option<CallDetail> {
        let worker = self.workers.get(usize::from(id.worker))?;
        let found = ask(worker, |reply| Command::Call { relay: id.relay, reply }).flatten();
        found.map(|found| *found)
    }

    /// Ends one: its client's connection is closed, and its record is written. False if there is no such call.
    #[must_use]
    pub fn end(&self, id: SessionId) -> bool {
        let worker = self.workers.get(usize::from(id.worker));
        worker
            .and_then(|worker| ask(worker, |reply| Command::End { relay: id.relay, reply }))
            .unwrap_or(false)
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
            workers: self.workers.iter().map(|worker| worker.mailbox.clone()).collect(),
            journal: self.journal.clone(),
            settings: Arc::clone(&self.engine_settings),
        }
    }
}

/// A worker's answer. One that has died drops the question.
fn ask<T>(worker: &Mailbox, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
    let (reply, answer) = sync_channel(1);
    worker.command(command(reply)).then(|| answer.recv_timeout(PATIENCE).ok()).flatten()
}
