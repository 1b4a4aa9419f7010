//! What is remembered of a neighbour over its sessions, for the operator.

use std::time::Duration;

use super::view::{Failure, Notice};
use crate::time::{Now, Time};
use crate::wire::bgp::Reason;

/// Malformed routes are in the log once in so long.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Counts and last words.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) since: Now,
    pub(super) established: u64,
    pub(super) lost: u64,
    pub(super) treated_as_withdraw: u64,
    pub(super) discarded: u64,
    pub(super) last_notification: Option<Notice>,
    pub(super) last_failure: Option<Failure>,
    complained: Option<Time>,
    kept_quiet: u64,
}

impl Record {
    pub(super) const fn new(since: Now) -> Self {
        Self {
            since,
            established: 0,
            lost: 0,
            treated_as_withdraw: 0,
            discarded: 0,
            last_notification: None,
            last_failure: None,
            complained: None,
            kept_quiet: 0,
        }
    }

    pub(super) const fn session_began(&mut self, now: Now) {
        self.since = now;
        self.established = self.established.saturating_add(1);
    }

    pub(super) const fn session_ended(&mut self, now: Now, is_lost: bool) {
        self.since = now;
        if is_lost {
            self.lost = self.lost.saturating_add(1);
        }
    }

    pub(super) fn notified(&mut self, at: Now, is_sent: bool, reason: Reason, words: String) {
        self.last_notification = Some(Notice { is_sent, reason, words, at });
    }

    pub(super) fn failed(&mut self, at: Now, words: String) {
        self.last_failure = Some(Failure { words, at });
    }

    pub(super) fn last_failure_words(&self) -> Option<&str> {
        self.last_failure.as_ref().map(|failure| failure.words.as_str())
    }

    /// Whether something malformed may be logged now: then how many were not logged since the last time.
    pub(super) fn may_complain(&mut self, now: Time) -> Option<u64> {
        if self.complained.is_some_and(|last| now < last + COMPLAINT_INTERVAL) {
            self.kept_quiet = self.kept_quiet.saturating_add(1);
            return None;
        }
        self.complained = Some(now);
        Some(std::mem::take(&mut self.kept_quiet))
    }
}
