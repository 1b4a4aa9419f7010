//! Changes that were asked for under a key (`Idempotency-Key`), and what was answered: whoever asks again, since no answer
//! came, gets that answer, and nothing is done twice.
//!
//! Bounded in number and bytes. An answer that is too long to be kept is not given again; the change is not done again
//! either.

use std::collections::{HashMap, VecDeque};

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;

use crate::time::Time;

/// Keys that are remembered.
const MOST: usize = 512;
/// Bytes of one answer.
const ANSWER_MAX: usize = 64 * 1024;
/// Bytes of all answers.
const ANSWERS_MAX: usize = 4 * 1024 * 1024;
/// How long.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Whose key it is, and what it says.
pub(super) type Key = (String, String);

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Replays {
    known: HashMap<Key, Known>,
    /// In the order of their beginning.
    order: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Known {
    began: Time,
    /// Of all that was asked for.
    fingerprint: [u8; 32],
    answer: Option<Answer>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// None if it was too long to be kept.
    pub(super) body: Option<Bytes>,
}

/// What a key means now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody has used it.
    New,
    /// It is being worked on.
    Running,
    /// It has been answered.
    Answered(Answer),
    /// It stands for something else.
    Other,
    /// Too many are being worked on.
    Full,
}

impl Replays {
    /// What `key` means for a request with this fingerprint; if it is new, it is taken.
    pub(super) fn begin(&mut self, now: Time, key: &Key, fingerprint: [u8; 32]) -> Meaning {
        let is_over = |known: &Known| known.answer.is_some() && now.since(known.began) > LIFETIME;
        while let Some(key) = self.order.iter().find(|key| self.known.get(*key).is_some_and(is_over)).cloned()
        {
            self.forget(&key);
        }
        if let Some(known) = self.known.get(key) {
            return match (&known.answer, known.fingerprint == fingerprint) {
                (_, false) => Meaning::Other,
                (None, true) => Meaning::Running,
                (Some(answer), true) => Meaning::Answered(answer.clone()),
            };
        }
        if self.order.len() >= MOST && !self.forget_oldest() {
            return Meaning::Full;
        }
        self.known.insert(key.clone(), Known { began: now, fingerprint, answer: None });
        self.order.push_back(key.clone());
        Meaning::New
    }

    /// What is answered from now on.
    pub(super) fn finish(&mut self, key: &Key, status: StatusCode, body: &Bytes) {
        let is_kept = body.len() <= ANSWER_MAX;
        while is_kept && self.bytes + body.len() > ANSWERS_MAX && self.forget_oldest() {}
        let Some(known) = self.known.get_mut(key) else { return };
        let body = is_kept.then(|| body.clone());
        self.bytes += body.as_ref().map_or(0, Bytes::len);
        known.answer = Some(Answer { status, body });
    }

    /// As if it had never been asked for.
    pub(super) fn forget(&mut self, key: &Key) {
        let Some(known) = self.known.remove(key) else { return };
        self.order.retain(|other| other != key);
        self.bytes -= known.size();
    }

    /// False if there is nothing that has been answered.
    fn forget_oldest(&mut self) -> bool {
        let is_answered = |key: &&Key| self.known.get(*key).is_some_and(|known| known.answer.is_some());
        let Some(oldest) = self.order.iter().find(is_answered).cloned() else { return false };
        self.forget(&oldest);
        true
    }
}

impl Known {
    fn size(&self) -> usize {
        self.answer.as_ref().and_then(|answer| answer.body.as_ref()).map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        ("uid 0".to_owned(), text.to_owned())
    }

    #[test]
    fn a_key_is_answered_once_and_stands_for_one_thing() {
        let mut replays = Replays::default();
        let now = Time::from_secs(1);
        assert_eq!(replays.begin(now, &key("a"), [1; 32]), Meaning::New);
        assert_eq!(replays.begin(now, &key("a"), [1; 32]), Meaning::Running);
        assert_eq!(replays.begin(now, &key("a"), [2; 32]), Meaning::Other);
        replays.finish(&key("a"), StatusCode::OK, &Bytes::from_static(b"{}"));
        let answer = Answer { status: StatusCode::OK, body: Some(Bytes::from_static(b"{}")) };
        assert_eq!(replays.begin(now, &key("a"), [1; 32]), Meaning::Answered(answer));
        assert_eq!(
            replays.begin(now, &("uid 7".into(), "a".into()), [1; 32]),
            Meaning::New,
            "somebody else's"
        );
        replays.forget(&key("a"));
        assert_eq!(replays.begin(now, &key("a"), [2; 32]), Meaning::New);
        replays.finish(&key("a"), StatusCode::OK, &Bytes::new());
        let later = now + LIFETIME + Duration::from_secs(1);
        replays.forget(&("uid 7".into(), "a".into()));
        assert_eq!(replays.begin(later, &key("a"), [3; 32]), Meaning::New, "after a day");
    }

    #[test]
    fn memory_is_bounded_and_what_runs_is_not_forgotten() {
        let mut replays = Replays::default();
        let now = Time::from_secs(1);
        assert_eq!(replays.begin(now, &key("running"), [0; 32]), Meaning::New);
        let body = Bytes::from(vec![0; ANSWER_MAX]);
        for number in 0..2000 {
            let key = key(&number.to_string());
            assert_eq!(replays.begin(now, &key, [1; 32]), Meaning::New);
            replays.finish(&key, StatusCode::OK, &body);
            assert!(replays.bytes <= ANSWERS_MAX && replays.known.len() <= MOST);
            assert_eq!(replays.known.len(), replays.order.len());
        }
        assert_eq!(replays.begin(now, &key("running"), [0; 32]), Meaning::Running);
        replays.finish(&key("running"), StatusCode::OK, &Bytes::from(vec![0; ANSWER_MAX + 1]));
        let kept = Answer { status: StatusCode::OK, body: None };
        assert_eq!(replays.begin(now, &key("running"), [0; 32]), Meaning::Answered(kept));
    }

    #[test]
    fn what_has_run_for_longer_than_a_day_is_waited_for_and_keeps_nobody_waiting() {
        let mut replays = Replays::default();
        assert_eq!(replays.begin(Time::ZERO, &key("stuck"), [1; 32]), Meaning::New);
        assert_eq!(replays.begin(Time::ZERO, &key("done"), [1; 32]), Meaning::New);
        replays.finish(&key("done"), StatusCode::OK, &Bytes::new());
        let later = Time::ZERO + LIFETIME + Duration::from_secs(1);
        assert_eq!(replays.begin(later, &key("next"), [1; 32]), Meaning::New);
        assert_eq!(replays.begin(later, &key("done"), [2; 32]), Meaning::New, "it was forgotten");
        assert_eq!(replays.begin(later, &key("stuck"), [1; 32]), Meaning::Running);
    }

    #[test]
    fn what_all_runs_leaves_no_room() {
        let mut replays = Replays::default();
        for number in 0..MOST {
            assert_eq!(replays.begin(Time::ZERO, &key(&number.to_string()), [1; 32]), Meaning::New);
        }
        assert_eq!(replays.begin(Time::ZERO, &key("more"), [1; 32]), Meaning::Full);
    }
}
