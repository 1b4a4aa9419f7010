//! The journal itself: what workers have told, the newest of it, found by who, by which call, or by where from.
//!
//! Whoever asks takes in first what workers have told meanwhile; besides, somebody calls [`Journal::collect`] a few times
//! a second so that the channel does not fill. The lock is never a worker's.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::super::session::SessionId;
use super::{EndedCall, Entry, What};
use crate::time::UnixTime;

/// Notes that may wait for the journal: a quarter of a second of 16,000 events each.
const NOTES: usize = 4096;
/// Bytes of entries that tell of the begin or the end of a call: some 40,000.
const CALLS: usize = 6 << 20;
/// Of what else clients have done that have proven who they are.
const DOINGS: usize = 2 << 20;
/// Of those that have not.
const UNPROVEN: usize = 1 << 20;
/// Of calls that have ended.
const ENDED: usize = 16 << 20;
/// How long the same again is a part of what is there, in seconds, and among how many of the newest it is looked for.
const SAME: u64 = 60;
const NEWEST: usize = 64;
/// Entries per second of clients that have proven nothing.
const UNPROVEN_RATE: u32 = 50;
/// Entries and ended calls that one answer has at most, the newest.
const ANSWER: usize = 1000;
/// How long before a call began its client's failures belong to its story, in seconds.
const PRELUDE: u64 = 120;

/// What a worker tells.
#[derive(Debug)]
pub enum Note {
    /// Something has happened.
    Entry(Entry),
    /// A call with media has ended.
    Ended(Box<EndedCall>),
    /// So many entries were left out: their clients did too much.
    LeftOut(u32),
}

/// Whom or what a story is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Somebody who may stand under any of these numbers.
    Owners(Vec<u64>),
    /// A call.
    Session(SessionId),
    /// Whoever came from this address.
    Client(IpAddr),
}

/// What is known.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// What happened, the oldest first.
    pub entries: Vec<Entry>,
    /// Calls that have ended, the oldest first.
    pub ended: Vec<Arc<EndedCall>>,
    /// How many failed logins and refusals were not kept since there were too many: of all clients, not of this story.
    pub suppressed: u64,
}

/// What has happened lately. A clone is the same journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<State>>);

/// For whoever calls [`Journal::collect`] for as long as there is one.
#[derive(Clone, Debug)]
pub(crate) struct Collector(Weak<Mutex<State>>);

impl Collector {
    /// Takes in what has been told; false once nobody has the journal any more.
    pub(crate) fn collect(&self) -> bool {
        let journal = self.0.upgrade().map(Journal);
        if let Some(journal) = &journal {
            journal.collect();
        }
        journal.is_some()
    }
}

#[derive(Debug)]
struct State {
    notes: Receiver<Note>,
    /// Entries in the order in which they were told, which one number goes through in all rings.
    calls: Ring<(u64, Entry)>,
    doings: Ring<(u64, Entry)>,
    unproven: Ring<(u64, Entry)>,
    told: u64,
    ended: Ring<Arc<EndedCall>>,
    /// The second of the newest entry of an unproven client, and how many there were in it.
    pace: (UnixTime, u32),
    suppressed: u64,
}

impl Journal {
    /// An empty one, and what workers tell it by.
    #[must_use]
    pub fn new() -> (Self, SyncSender<Note>) {
        let (sender, notes) = sync_channel(NOTES);
        let state = State {
            notes,
            calls: Ring::new(CALLS),
            doings: Ring::new(DOINGS),
            unproven: Ring::new(UNPROVEN),
            told: 0,
            ended: Ring::new(ENDED),
            pace: (UnixTime(0), 0),
            suppressed: 0,
        };
        (Self(Arc::new(Mutex::new(state))), sender)
    }

    pub(crate) fn collector(&self) -> Collector {
        Collector(Arc::downgrade(&self.0))
    }

    /// Takes in what workers have told since.
    pub fn collect(&self) {
        self.state().collect();
    }

    /// All that is known about somebody or something.
    #[must_use]
    pub fn explain(&self, about: &About) -> Story {
        let mut state = self.state();
        state.collect();
        match about {
            About::Owners(owners) => {
                state.story(|entry| owners.contains(&entry.owner), |ended| owners.contains(&ended.info.owner))
            }
            About::Client(ip) => {
                state.story(|entry| entry.client.ip() == *ip, |ended| ended.info.client.ip() == *ip)
            }
            About::Session(id) => state.explain_call(*id),
        }
    }

    /// Bytes that it holds, of those that it may.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let state = self.state();
        let entries = state.calls.bytes + state.doings.bytes + state.unproven.bytes;
        (entries + state.ended.bytes, CALLS + DOINGS + UNPROVEN + ENDED)
    }

    /// It is whole after each statement that changes it: a panic meanwhile would not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn collect(&mut self) {
        // No more than fit: whoever tells faster than this reads must not keep it here.
        for _ in 0..NOTES {
            let Ok(note) = self.notes.try_recv() else { return };
            match note {
                Note::Ended(ended) => {
                    let size = ended.size();
                    self.ended.push(Arc::new(*ended), size);
                }
                Note::Entry(entry) if entry.is_proven => self.take(entry),
                Note::Entry(entry) => self.admit(entry),
                Note::LeftOut(entries) => self.suppressed = self.suppressed.saturating_add(entries.into()),
            }
        }
    }

    fn take(&mut self, entry: Entry) {
        let is_of_call = matches!(entry.what, What::Allocated { .. } | What::Released(_));
        if !is_of_call && self.fold(&entry) {
            return;
        }
        let (size, number) = (entry.size(), self.next_number());
        let ring = if is_of_call { &mut self.calls } else { &mut self.doings };
        ring.push((number, entry), size);
    }

    /// What has just happened to this client before needs no line of its own.
    fn fold(&mut self, again: &Entry) -> bool {
        let newest = self.doings.newest_mut().take(NEWEST).map(|(_, entry)| entry);
        let mut lately = newest.take_while(|entry| again.at.0.saturating_sub(entry.at.0) < SAME);
        lately.any(|entry| entry.repeat(again))
    }

    fn admit(&mut self, entry: Entry) {
        let (second, count) = self.pace;
        self.pace = if second == entry.at { (second, count.saturating_add(1)) } else { (entry.at, 1) };
        if self.pace.1 > UNPROVEN_RATE {
            self.suppressed = self.suppressed.saturating_add(1);
            return;
        }
        let (size, number) = (entry.size(), self.next_number());
        self.unproven.push((number, entry), size);
    }

    const fn next_number(&mut self) -> u64 {
        self.told = self.told.wrapping_add(1);
        self.told
    }

    fn story(&self, is_meant: impl Fn(&Entry) -> bool, was_meant: impl Fn(&EndedCall) -> bool) -> Story {
        let newest = |ring: &Ring<(u64, Entry)>| -> Vec<(u64, Entry)> {
            ring.iter().rev().filter(|(_, entry)| is_meant(entry)).take(ANSWER).cloned().collect()
        };
        let mut numbered = newest(&self.calls);
        numbered.extend(newest(&self.doings));
        numbered.extend(newest(&self.unproven));
        numbered.sort_unstable_by_key(|(number, _)| *number);
        let superfluous = numbered.len().saturating_sub(ANSWER);
        let entries = numbered.into_iter().skip(superfluous).map(|(_, entry)| entry).collect();
        let mut ended: Vec<_> =
            self.ended.iter().rev().filter(|ended| was_meant(ended)).take(ANSWER).cloned().collect();
        ended.reverse();
        Story { entries, ended, suppressed: self.suppressed }
    }

    /// A call's own, and what its user met without one in the time around: the failures before it came to be.
    fn explain_call(&self, id: SessionId) -> Story {
        let entries = self.calls.iter().chain(self.doings.iter());
        let mut own: Vec<&(u64, Entry)> = entries.filter(|(_, entry)| entry.is_about(id)).collect();
        own.sort_unstable_by_key(|(number, _)| *number);
        let own: Vec<&Entry> = own.into_iter().map(|(_, entry)| entry).collect();
        // Its first relayed address is what its entries are called by.
        let name = own.first().and_then(|entry| entry.session).unwrap_or(id);
        let ended = self.ended.iter().find(|ended| ended.info.id == id);
        let owner = own.first().map(|entry| entry.owner).or(ended.map(|ended| ended.info.owner));
        let first = own.first().map_or(UnixTime(0), |entry| UnixTime(entry.at.0.saturating_sub(PRELUDE)));
        let last = own.last().filter(|entry| entry.kind() == "released").map(|entry| entry.at);
        let is_around = |entry: &Entry| {
            entry.session.is_none()
                && Some(entry.owner) == owner
                && entry.at >= first
                && last.is_none_or(|last| entry.at <= last)
        };
        self.story(
            |entry| entry.is_about(name) || is_around(entry),
            |ended| ended.info.id == id || ended.info.id == name,
        )
    }
}

/// The newest, as many as fit a number of bytes.
#[derive(Debug)]
struct Ring<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    limit: usize,
}

impl<T> Ring<T> {
    const fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, limit }
    }

    fn push(&mut self, item: T, size: usize) {
        let size = size + size_of::<usize>();
        self.items.push_back((item, size));
        self.bytes += size;
        while self.bytes > self.limit
            && let Some((_, size)) = self.items.pop_front()
        {
            self.bytes -= size;
        }
    }

    fn newest_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().rev().map(|(item, _)| item)
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter().map(|(item, _)| item)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
