//! Browsers that have logged in with a token: a bounded table, by the hash of what their cookie says.
//!
//! A session belongs to its token and ends with it, after a day, or after two hours without use; what use is, the gate
//! knows. With its cookie alone nobody can change anything: the page has a second secret, which other sites cannot read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::time::Time;

/// Sessions at a time.
const MOST: usize = 256;
/// Of one token: whoever logs in again and again ends his own sessions and nobody else's.
const OF_TOKEN: usize = 16;
/// Without use.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// In any case.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Browsers {
    sessions: HashMap<[u8; 32], Session>,
}

#[derive(Debug)]
struct Session {
    token: [u8; 32],
    csrf: Arc<str>,
    began: Time,
    used: Time,
}

/// What a login has brought.
#[derive(Debug)]
pub(super) struct Opened {
    /// For the cookie.
    pub(super) id: String,
    /// For the page.
    #[cfg_attr(not(test), expect(dead_code, reason = "the page reads it with its first request"))]
    pub(super) csrf: Arc<str>,
}

impl Browsers {
    /// A session for the holder of the token with this hash; none if the system has no random numbers. Where there are
    /// too many, of this token or of all, the one that was idle the longest ends.
    pub(super) fn open(&mut self, now: Time, token: [u8; 32]) -> Option<Opened> {
        self.sessions.retain(|_, session| session.lives(now));
        self.make_room(OF_TOKEN, |session| session.token == token);
        self.make_room(MOST, |_| true);
        let (id, csrf) = (random_text()?, Arc::<str>::from(random_text()?));
        let session = Session { token, csrf: Arc::clone(&csrf), began: now, used: now };
        self.sessions.insert(hash(&id), session);
        Some(Opened { id, csrf })
    }

    /// The token that the session `id` was opened with, and its second secret.
    pub(super) fn find(&self, now: Time, id: &str) -> Option<([u8; 32], Arc<str>)> {
        let session = self.sessions.get(&hash(id)).filter(|session| session.lives(now))?;
        Some((session.token, Arc::clone(&session.csrf)))
    }

    /// Somebody uses the session `id`.
    pub(super) fn touch(&mut self, now: Time, id: &str) {
        if let Some(session) = self.sessions.get_mut(&hash(id)) {
            session.used = now;
        }
    }

    /// Ends the idlest of those that are meant, if there are so many.
    fn make_room(&mut self, most: usize, is_meant: impl Fn(&Session) -> bool) {
        let meant = || self.sessions.iter().filter(|(_, session)| is_meant(session));
        if meant().count() >= most {
            let idlest = meant().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            idlest.map(|id| self.sessions.remove(&id));
        }
    }

    /// When that was.
    #[cfg(test)]
    pub(super) fn used(&self, id: &str) -> Option<Time> {
        self.sessions.get(&hash(id)).map(|session| session.used)
    }

    /// Ends the session `id`.
    pub(super) fn close(&mut self, id: &str) {
        self.sessions.remove(&hash(id));
    }
}

impl Session {
    fn lives(&self, now: Time) -> bool {
        now.since(self.used) < IDLE && now.since(self.began) < LONGEST
    }
}

/// The table is searched by it, so no comparison says how much of a guess was right.
fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// 256 bits that nobody guesses.
pub(super) fn random_text() -> Option<String> {
    use base64::Engine as _;
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_or_old_or_closed() {
        let mut browsers = Browsers::default();
        let start = Time::from_secs(1_000_000);
        let opened = browsers.open(start, [7; 32]).unwrap();
        let (token, csrf) = browsers.find(start + IDLE - Duration::from_secs(1), &opened.id).unwrap();
        assert_eq!((token, &csrf), ([7; 32], &opened.csrf));
        assert!(browsers.find(start + IDLE * 3, &opened.id).is_none(), "idle");
        assert!(browsers.find(start, "").is_none());

        let opened = browsers.open(start, [7; 32]).unwrap();
        let mut now = start;
        while now.since(start) + IDLE / 2 < LONGEST {
            now = now + IDLE / 2;
            assert!(browsers.find(now, &opened.id).is_some());
            browsers.touch(now, &opened.id);
        }
        assert!(browsers.find(now + IDLE / 2, &opened.id).is_none(), "old");

        let opened = browsers.open(start, [7; 32]).unwrap();
        browsers.close(&opened.id);
        assert!(browsers.find(start, &opened.id).is_none());
    }

    #[test]
    fn whoever_logs_in_often_ends_his_own_idlest_session() {
        let mut browsers = Browsers::default();
        let at = |seconds: u64| Time::from_secs(1_000_000 + seconds);
        let other = browsers.open(at(0), [2; 32]).unwrap();
        let first = browsers.open(at(1), [1; 32]).unwrap();
        let second = browsers.open(at(2), [1; 32]).unwrap();
        browsers.touch(at(3), &first.id);
        for number in 0..15 {
            browsers.open(at(10 + number), [1; 32]).unwrap();
        }
        assert_eq!(browsers.sessions.len(), OF_TOKEN + 1);
        assert!(browsers.find(at(100), &second.id).is_none());
        assert!(browsers.find(at(100), &first.id).is_some() && browsers.find(at(100), &other.id).is_some());
    }

    #[test]
    fn there_are_never_more_than_fit() {
        let mut browsers = Browsers::default();
        for number in 0..40u8 {
            (0..OF_TOKEN).for_each(|_| drop(browsers.open(Time::from_secs(1_000_000), [number; 32])));
        }
        assert_eq!(browsers.sessions.len(), MOST);
    }
}
