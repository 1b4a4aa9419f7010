//! Answers that must not be made twice: a retransmitted request gets the same bytes again (RFC 8489 section 6.3.1).
//!
//! Most requests may simply be served again. Those that create, end or move an allocation are remembered for forty
//! seconds, as many as [`CAPACITY`]; past that the oldest is forgotten, and its client's retransmission, should there
//! be one, meets a 437. Only authenticated requests over datagrams come here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::auth::IntegrityKey;
use super::request::Origin;
use super::{Action, Engine, Event};
use crate::route::FiveTuple;
use crate::time::{Now, Time};
use crate::wire::stun::{Method, TransactionId};

/// RFC 8489 section 6.3.1: 40 seconds outlast every retransmission.
const KEPT: Duration = Duration::from_secs(40);
const CAPACITY: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Replies {
    answers: HashMap<(FiveTuple, TransactionId), Remembered, foldhash::fast::RandomState>,
    order: VecDeque<(Time, (FiveTuple, TransactionId))>,
}

/// An answer, and whose it is: transactions are chosen by clients, and two may choose alike.
#[derive(Debug)]
struct Remembered {
    method: Method,
    key: Option<IntegrityKey>,
    bytes: Box<[u8]>,
}

impl Replies {
    fn find(&self, origin: &Origin) -> Option<&[u8]> {
        let answer = self.answers.get(&(origin.client.tuple, origin.transaction))?;
        (answer.method == origin.method && answer.key == origin.key).then_some(&answer.bytes)
    }

    fn remember(&mut self, now: Time, origin: &Origin, bytes: &[u8]) {
        self.forget(now);
        if self.order.len() >= CAPACITY
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        let key = (origin.client.tuple, origin.transaction);
        let answer = Remembered { method: origin.method, key: origin.key, bytes: bytes.into() };
        if self.answers.insert(key, answer).is_none() {
            self.order.push_back((now + KEPT, key));
        }
    }

    /// Drops what is too old, with the memory it took.
    pub(super) fn forget(&mut self, now: Time) {
        while let Some((expires, key)) = self.order.front()
            && *expires <= now
        {
            self.answers.remove(key);
            self.order.pop_front();
        }
        if self.order.is_empty() && self.answers.capacity() > 64 {
            *self = Self::default();
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.order.front().map(|(expires, _)| *expires)
    }
}

impl Engine {
    /// Repeats the answer to a retransmission; false if this is not one.
    pub(super) fn answered_before(&mut self, now: Now, origin: &Origin) -> bool {
        self.replies.forget(now.time);
        let Some(bytes) = self.replies.find(origin).map(<[u8]>::to_vec) else { return false };
        self.push(Action::Reply { client: origin.client, bytes });
        true
    }

    pub(super) fn answer(&mut self, origin: &Origin, bytes: Vec<u8>) {
        self.event(Event::Served { method: origin.method.value() });
        self.push(Action::Reply { client: origin.client, bytes });
    }

    pub(super) fn answer_and_remember(&mut self, now: Now, origin: &Origin, bytes: Vec<u8>) {
        if !origin.client.tuple.transport.is_stream() {
            self.replies.remember(now.time, origin, &bytes);
        }
        self.answer(origin, bytes);
    }
}
