//! Deadlines of one worker: allocations, permissions, channels, reservations, connections.
//!
//! A heap with four children per node, in which every timer knows its place. That makes deadlines exact to the
//! nanosecond (a wheel would round them to a tick and wake early to sort its slots), the next one O(1), and a
//! cancelled or moved timer leaves nothing behind: a client that refreshes a thousand times a second holds as many
//! timers as one that refreshes once. Most timers are set later than those before them, so inserting is O(1) in
//! practice and O(log n) at worst. A timer takes 20 bytes and its key.

use std::num::NonZeroU32;

use crate::route::growth;
use crate::time::Time;

const CHILDREN: usize = 4;
const NONE: u32 = u32::MAX;

/// One timer, until it fires or is cancelled; then the name means nothing any more, and is never reused before
/// four billion other timers have had the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    slot: u32,
    generation: NonZeroU32,
}

/// Timers that each carry a key.
///
/// A timer never fires before its deadline, and is due from the very nanosecond of it. Those of equal deadlines come
/// in an order that depends on nothing but the calls made so far.
#[derive(Debug)]
pub struct TimerQueue<K> {
    /// The heap, in two columns: comparing touches the deadlines only, and four children share a cache line.
    deadlines: Vec<Time>,
    /// Whose deadline that is.
    owners: Vec<u32>,
    slots: Vec<Slot<K>>,
    /// The first of the unused slots.
    vacant: u32,
}

#[derive(Debug)]
struct Slot<K> {
    generation: NonZeroU32,
    /// Where in the heap; in an unused slot, the next unused one.
    place: u32,
    key: Option<K>,
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        Self { deadlines: Vec::new(), owners: Vec::new(), slots: Vec::new(), vacant: NONE }
    }
}

impl<K> TimerQueue<K> {
    /// No timers yet, and no memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many timers run.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether none runs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// The earliest deadline, exactly.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.deadlines.first().copied()
    }

    /// Lets `key` come out of [`Self::pop`] at `deadline`.
    pub fn insert(&mut self, deadline: Time, key: K) -> TimerId {
        let (slot, generation) = self.occupy(key);
        push(&mut self.deadlines, deadline);
        push(&mut self.owners, slot);
        self.sift_up(self.deadlines.len() - 1);
        TimerId { slot, generation }
    }

    /// Stops a timer and returns its key; none if it has fired or was cancelled.
    pub fn cancel(&mut self, timer: TimerId) -> Option<K> {
        let place = self.place_of(timer)?;
        self.remove_at(place)
    }

    /// Moves a running timer's deadline, either way. False if it has fired or was cancelled.
    pub fn reset(&mut self, timer: TimerId, deadline: Time) -> bool {
        let Some(place) = self.place_of(timer) else { return false };
        let Some(held) = self.deadlines.get_mut(place) else { return false };
        *held = deadline;
        self.restore(place);
        true
    }

    /// The key of the earliest timer that is due at `now`. Ask until there is none.
    pub fn pop(&mut self, now: Time) -> Option<K> {
        if self.deadline()? > now {
            return None;
        }
        self.remove_at(0)
    }

    fn place_of(&self, timer: TimerId) -> Option<usize> {
        let slot = self.slots.get(timer.slot as usize)?;
        (slot.generation == timer.generation && slot.key.is_some()).then_some(slot.place as usize)
    }

    fn occupy(&mut self, key: K) -> (u32, NonZeroU32) {
        let index = self.vacant;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.vacant = slot.place;
            slot.key = Some(key);
            return (index, slot.generation);
        }
        // Four billion timers would be 100 GB: the memory ends before the numbers do.
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        push(&mut self.slots, Slot { generation: NonZeroU32::MIN, place: NONE, key: Some(key) });
        (index, NonZeroU32::MIN)
    }

    fn vacate(&mut self, index: u32) -> Option<K> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        slot.place = std::mem::replace(&mut self.vacant, index);
        slot.key.take()
    }

    fn remove_at(&mut self, place: usize) -> Option<K> {
        let owner = *self.owners.get(place)?;
        self.deadlines.swap_remove(place);
        self.owners.swap_remove(place);
        if place < self.owners.len() {
            self.restore(place);
        }
        self.vacate(owner)
    }

    /// What is at `place` may be too early or too late for it.
    fn restore(&mut self, place: usize) {
        let risen = self.sift_up(place);
        self.sift_down(risen);
    }

    fn sift_up(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.deadlines.get(parent) <= self.deadlines.get(place) {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        self.note_place(place);
        place
    }

    fn sift_down(&mut self, mut place: usize) {
        while let Some(child) = self.earliest_child(place) {
            if self.deadlines.get(place) <= self.deadlines.get(child) {
                break;
            }
            self.swap(place, child);
            place = child;
        }
        self.note_place(place);
    }

    fn earliest_child(&self, place: usize) -> Option<usize> {
        let first = place * CHILDREN + 1;
        let end = (first + CHILDREN).min(self.deadlines.len());
        let children = self.deadlines.get(first..end)?;
        (first..end).zip(children).min_by_key(|(_, deadline)| **deadline).map(|(child, _)| child)
    }

    /// Swaps two nodes; the one now at `from` knows its place, the other is told when it has come to rest.
    fn swap(&mut self, from: usize, to: usize) {
        self.deadlines.swap(from, to);
        self.owners.swap(from, to);
        self.note_place(from);
    }

    fn note_place(&mut self, place: usize) {
        let Some(owner) = self.owners.get(place) else { return };
        if let Some(slot) = self.slots.get_mut(*owner as usize) {
            slot.place = u32::try_from(place).unwrap_or(NONE);
        }
    }
}

/// Without the half that a list which doubles may leave unused.
fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(growth(list.len()));
    }
    list.push(value);
}

#[cfg(test)]
#[path = "timer/tests.rs"]
mod tests;
