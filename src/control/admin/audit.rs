//! Who has changed what: a line of the log for each change, and the last thousand of them for whoever asks.
//!
//! Written when a change has been answered, whether it was done or refused. What callers say is cut; secrets, and names
//! of users, are never in it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use crate::clock::Clock;

/// Entries that are kept.
const MOST: usize = 1000;
/// Characters of what was asked for.
const WHAT_MAX: usize = 300;
/// What is asked of these holds secrets or names of users.
const SECRET_PATHS: [&str; 3] = ["/login", "/v1/credentials", "/v1/credentials/verify"];

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Counted from one, without gaps.
    pub number: u64,
    /// When it was answered.
    pub at: String,
    /// Who wanted it: "uid 0", "token night-shift", "certificate CN=alice".
    pub who: String,
    /// "viewer" or "operator".
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
    entries: Mutex<(u64, VecDeque<AuditEntry>)>,
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
            path: path.to_owned(),
            what: describe(path, body),
            status,
            outcome: outcome.to_owned(),
        };
        let AuditEntry { who, role, from, what, .. } = &entry;
        tracing::info!(
            who, role, from, %method, path, what, status, outcome,
            "audit: an operator asked for a change"
        );
        let mut entries = self.lock();
        entries.0 += 1;
        entry.number = entries.0;
        if entries.1.len() >= MOST {
            entries.1.pop_front();
        }
        entries.1.push_back(entry);
    }

    /// Those that came after the one with the number `after`, the oldest first.
    pub(super) fn after(&self, after: u64) -> Vec<AuditEntry> {
        self.lock().1.iter().filter(|entry| entry.number > after).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<AuditEntry>)> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn describe(path: &str, body: &[u8]) -> String {
    if SECRET_PATHS.contains(&path) {
        return String::new();
    }
    let text = String::from_utf8_lossy(body.get(..body.len().min(4 * WHAT_MAX)).unwrap_or_default());
    text.chars().filter(|letter| !letter.is_control()).take(WHAT_MAX).collect::<String>().trim().to_owned()
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
    fn what_a_caller_says_is_cut() {
        let long = vec![b'x'; 100_000];
        assert_eq!(describe("/v1/drain", &long).len(), WHAT_MAX);
        assert_eq!(describe("/v1/drain", b"a\n\x1b[31mb"), "a[31mb");
    }
}
