//! Who has changed what: a line of the log for each change, and the last thousand of them for whoever asks.
//!
//! Written when a change has been answered, whether it was done or refused. What callers say is cut; secrets, and names
//! of users, are never in it. What the gate turns away, logins and logouts are kept apart, a few of each caller in a minute:
//! nobody who may change nothing drives out what was changed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use crate::clock::Clock;
use crate::time::Time;

/// Entries that are kept, and of those that were turned away.
const MOST: usize = 1000;
/// Entries of one caller that is turned away, in one minute.
const REFUSED_MAX: u32 = 30;
/// Callers that are told apart in one minute.
const REFUSED_CALLERS: usize = 256;
/// That minute.
const WINDOW: Duration = Duration::from_secs(60);
/// Characters of what was asked for.
const WHAT_MAX: usize = 300;
/// What is asked of these holds secrets or names of users.
const SECRET_PATHS: [&str; 3] = ["/login", "/v1/credentials", "/v1/credentials/verify"];

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Counted from one.
    pub number: u64,
    /// When it was answered.
    pub at: String,
    /// Who wanted it: "uid 0", "token night-shift", "certificate CN=alice (OU=operators, serial 0a1b)"; "nobody" if nobody
    /// knows.
    pub who: String,
    /// "viewer", "operator", or nothing if there is none.
    pub role: String,
    /// From where.
    pub from: String,
    /// How it was asked for.
    pub method: String,
    /// What was asked for.
    pub path: String,
    /// In the caller's words, where they hold no secret.
    pub what: String,
    /// How it was answered.
    pub status: u16,
    /// "done", or why it was not.
    pub outcome: String,
}

/// The last ones.
#[derive(Debug, Default)]
pub(super) struct Audit {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    newest: u64,
    /// What those asked for who may.
    changes: VecDeque<AuditEntry>,
    /// What was turned away, and who came and went.
    others: VecDeque<AuditEntry>,
    /// How much of it in the minute that began then, by who it was.
    began: Time,
    callers: HashMap<String, u32>,
}

/// What somebody wanted who was turned away, and how he was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) status: u16,
}

impl Default for Asked<'_> {
    /// Whatever it was: his token was wrong.
    fn default() -> Self {
        Self { method: "", path: "", status: 401 }
    }
}

impl Audit {
    /// Notes a change that was answered.
    pub(super) fn note(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        body: &[u8],
        status: u16,
        outcome: &str,
    ) {
        let mut entry = AuditEntry {
            number: 0,
            at: Clock::new().now().unix.to_string(),
            who: caller.who.clone(),
            role: caller.role.name().to_owned(),
            from: caller.from.clone(),
            method: method.to_string(),
            path: cut(path),
            what: describe(path, body),
            status,
            outcome: cut(outcome),
        };
        let AuditEntry { who, role, from, path, what, outcome, .. } = &entry;
        tracing::info!(
            who, role, from, %method, path, what, status, outcome,
            "audit: an operator asked for a change"
        );
        let mut kept = self.lock();
        entry.number = kept.count();
        keep(&mut kept.changes, entry);
    }

    /// Notes that somebody was turned away, unless that has happened to him often of late.
    pub(super) fn refuse(&self, who: &str, role: &str, from: &str, asked: &Asked<'_>, outcome: &str) {
        if self.keep_few(who, role, from, asked, outcome) {
            let Asked { method, path, status } = *asked;
            let (method, path) = (cut(method), cut(path));
            tracing::info!(who, role, from, method, path, status, outcome, "audit: somebody was turned away");
        }
    }

    /// Notes that somebody has logged in or out. Whoever may only read can do that as often as he likes.
    pub(super) fn pass(&self, caller: &Caller, path: &str) {
        let asked = Asked { method: "POST", path, status: 200 };
        let (who, role, from) = (caller.who.as_str(), caller.role.name(), caller.from.as_str());
        if self.keep_few(who, role, from, &asked, "done") {
            tracing::info!(who, role, from, path, "audit: somebody has logged in or out");
        }
    }

    /// Whether it was kept: only so many of each caller in a minute are.
    fn keep_few(&self, who: &str, role: &str, from: &str, asked: &Asked<'_>, outcome: &str) -> bool {
        let now = Clock::new().now();
        let mut kept = self.lock();
        if !kept.admits(now.time, who) {
            return false;
        }
        let entry = AuditEntry {
            number: kept.count(),
            at: now.unix.to_string(),
            who: who.to_owned(),
            role: role.to_owned(),
            from: from.to_owned(),
            method: cut(asked.method),
            path: cut(asked.path),
            what: String::new(),
            status: asked.status,
            outcome: outcome.to_owned(),
        };
        keep(&mut kept.others, entry);
        true
    }

    /// Those that came after the one with the number `after`, the oldest first.
    pub(super) fn after(&self, after: u64) -> Vec<AuditEntry> {
        let kept = self.lock();
        let both = kept.changes.iter().chain(&kept.others);
        let mut found: Vec<_> = both.filter(|entry| entry.number > after).cloned().collect();
        found.sort_unstable_by_key(|entry| entry.number);
        found
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    const fn count(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    fn admits(&mut self, now: Time, who: &str) -> bool {
        if now.since(self.began) >= WINDOW {
            self.began = now;
            self.callers.clear();
        }
        if let Some(count) = self.callers.get_mut(who) {
            *count = count.saturating_add(1);
            return *count <= REFUSED_MAX;
        }
        let has_room = self.callers.len() < REFUSED_CALLERS;
        if has_room {
            self.callers.insert(who.to_owned(), 1);
        }
        has_room
    }
}

fn keep(entries: &mut VecDeque<AuditEntry>, entry: AuditEntry) {
    if entries.len() >= MOST {
        entries.pop_front();
    }
    entries.push_back(entry);
}

/// Without what would spoil a log, and no longer than anybody reads.
fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(WHAT_MAX).collect()
}

pub(super) fn describe(path: &str, body: &[u8]) -> String {
    if SECRET_PATHS.contains(&path) {
        return String::new();
    }
    let text = String::from_utf8_lossy(body.get(..body.len().min(4 * WHAT_MAX)).unwrap_or_default());
    cut(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::Role;

    #[test]
    fn the_last_thousand_changes_are_kept_and_no_secret() {
        let audit = Audit::default();
        let caller = Caller { who: "uid 0".into(), role: Role::Operator, from: "socket".into(), csrf: None };
        for _ in 0..1500 {
            audit.note(&caller, &Method::POST, "/v1/drain", br#"{"deadline_seconds": 5}"#, 200, "done");
        }
        let all = audit.after(0);
        assert_eq!((all.len(), all[0].number, all[999].number), (1000, 501, 1500));
        assert_eq!(all[0].what, r#"{"deadline_seconds": 5}"#);
        audit.note(&caller, &Method::POST, "/v1/credentials/verify", b"hunter2", 200, "done");
        let last = audit.after(1500);
        assert_eq!((last.len(), last[0].what.as_str()), (1, ""));
    }

    #[test]
    fn who_is_turned_away_drives_nothing_out() {
        let audit = Audit::default();
        let caller = Caller { who: "uid 0".into(), role: Role::Operator, from: "socket".into(), csrf: None };
        audit.note(&caller, &Method::POST, "/v1/drain", b"", 200, "done");
        let asked = Asked { method: "POST", path: "/v1/drain", status: 403 };
        for number in 0..5000 {
            audit.refuse("token desk", "viewer", "192.0.2.1:1", &asked, "a viewer reads");
            audit.refuse(&format!("uid {number}"), "", "socket", &asked, "nobody");
        }
        let all = audit.after(0);
        assert_eq!((all[0].path.as_str(), all[0].outcome.as_str()), ("/v1/drain", "done"));
        let desk = all.iter().filter(|entry| entry.who == "token desk").count();
        assert!((1..=60).contains(&desk), "{desk}: a minute may have passed");
        assert!(all.len() < 1 + 2 * (REFUSED_CALLERS + 30), "{}", all.len());
        assert!(all.is_sorted_by_key(|entry| entry.number));
        assert!(audit.after(1).iter().all(|entry| entry.status == 403));
    }

    #[test]
    fn who_logs_in_and_out_again_and_again_drives_nothing_out() {
        let audit = Audit::default();
        let caller = |role| Caller { who: "token desk".into(), role, from: "socket".into(), csrf: None };
        audit.note(&caller(Role::Operator), &Method::POST, "/v1/drain", b"", 200, "done");
        for _ in 0..2000 {
            audit.pass(&caller(Role::Viewer), "/logout");
        }
        let all = audit.after(0);
        assert_eq!(all[0].path, "/v1/drain");
        assert!((2..=61).contains(&all.len()), "{}: a minute may have passed", all.len());
    }

    #[test]
    fn what_a_caller_says_is_cut() {
        let audit = Audit::default();
        let caller = Caller { who: "uid 0".into(), role: Role::Operator, from: "socket".into(), csrf: None };
        let long = "x".repeat(10_000);
        audit.note(&caller, &Method::DELETE, &format!("/v1/sessions/{long}"), b"", 404, &long);
        let last = &audit.after(0)[0];
        assert_eq!((last.path.len(), last.outcome.len()), (WHAT_MAX, WHAT_MAX));
        let long = vec![b'x'; 100_000];
        assert_eq!(describe("/v1/drain", &long).len(), WHAT_MAX);
        assert_eq!(describe("/v1/drain", b"a\n\x1b[31mb"), "a[31mb");
    }
}
