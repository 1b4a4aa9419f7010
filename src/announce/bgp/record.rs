//! What is remembered of a neighbour over its sessions, for the operator.

use std::time::Duration;

use super::view::{Failure, Notice};
use crate::time::{Now, Time};
use crate::wire::bgp::Reason;

/// Each kind of complaint is in the log once in so long.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// What a neighbour can bring into the log as often as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// It sends malformed routes.
    Routes,
    /// There is no session with it.
    Refused,
    /// A session with it has ended.
    Lost,
    /// BFD with it has come up.
    BfdUp,
    /// It has failed.
    BfdDown,
    /// It was taken down.
    BfdStopped,
}

/// When one kind was last logged, and how many were not since.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    last: Option<Time>,
    kept: u64,
}

impl Quiet {
    const fn new() -> Self {
        Self { last: None, kept: 0 }
    }

    fn may_speak(&mut self, now: Time) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + COMPLAINT_INTERVAL) {
            self.keep();
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.kept))
    }

    const fn keep(&mut self) {
        self.kept = self.kept.saturating_add(1);
    }
}

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
    /// The last failure that said why, where later ones did not and no session came between.
    pub(super) cause: Option<Failure>,
    /// Whether `last_failure` says why.
    says_why: bool,
    /// There was a session since.
    is_mended: bool,
    /// Complaints by their kind.
    routes: Quiet,
    refused: Quiet,
    sessions: Quiet,
    bfd: [Quiet; 3],
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
            cause: None,
            says_why: false,
            is_mended: false,
            routes: Quiet::new(),
            refused: Quiet::new(),
            sessions: Quiet::new(),
            bfd: [const { Quiet::new() }; 3],
        }
    }

    pub(super) const fn session_began(&mut self, now: Now) {
        self.since = now;
        self.is_mended = true;
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

    /// What says why is not forgotten over connections that end without a word: those are often all that comes after.
    pub(super) fn failed(&mut self, at: Now, words: String, says_why: bool) {
        let before = self.last_failure.replace(Failure { words, at });
        let said_why = std::mem::replace(&mut self.says_why, says_why);
        let is_mended = std::mem::take(&mut self.is_mended);
        if says_why || is_mended {
            self.cause = None;
        } else if said_why {
            self.cause = before;
        }
    }

    /// Whether that is not what is known already. After a session it is, whatever was wrong before.
    pub(super) fn is_news(&self, words: &str) -> bool {
        self.is_mended || self.last_failure.iter().chain(&self.cause).all(|known| known.words != words)
    }

    /// Whether it may be logged now: then how many of its kind were not logged since the last time.
    pub(super) fn may_complain(&mut self, kind: Complaint, now: Time) -> Option<u64> {
        self.quiet(kind).may_speak(now)
    }

    /// It is not logged, and counted.
    pub(super) const fn keep_quiet(&mut self, kind: Complaint) {
        self.quiet(kind).keep();
    }

    const fn quiet(&mut self, kind: Complaint) -> &mut Quiet {
        let [up, down, stopped] = &mut self.bfd;
        match kind {
            Complaint::Routes => &mut self.routes,
            Complaint::Refused => &mut self.refused,
            Complaint::Lost => &mut self.sessions,
            Complaint::BfdUp => up,
            Complaint::BfdDown => down,
            Complaint::BfdStopped => stopped,
        }
    }
}
