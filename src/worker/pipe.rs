//! Bytes on their way between a client's data connection and a peer (RFC 6062): bounded, and whoever sends faster than
//! the other reads, or than the allocation's bandwidth admits, is not read from.

use std::collections::VecDeque;

/// More is not read while this many bytes wait; one read may exceed it.
const HIGH_WATER: usize = 64 * 1024;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    waiting: VecDeque<u8>,
    /// Bytes that were read and not yet paid for out of the bandwidth: until then nothing more is read. A stream cannot
    /// drop what is too much, so it waits.
    pub(super) owed: usize,
    /// Nothing more comes in.
    pub(super) ended: bool,
    /// The receiver has been told so.
    pub(super) shut: bool,
}

impl Pipe {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
        self.owed = self.owed.saturating_add(bytes.len());
    }

    pub(super) fn has_room(&self) -> bool {
        self.owed == 0 && self.waiting.len() < HIGH_WATER
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next bytes, as far as they lie together.
    pub(super) fn front(&self) -> &[u8] {
        self.waiting.as_slices().0
    }

    /// Forgets what was written. An empty pipe holds no memory.
    pub(super) fn advance(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    /// Whether the end is to be told now.
    pub(super) fn must_shut(&self) -> bool {
        self.ended && !self.shut && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_asks_for_no_more_and_its_end_is_told_after_the_last_byte() {
        let mut pipe = Pipe::default();
        pipe.push(&[7; HIGH_WATER]);
        assert!(!pipe.has_room());
        pipe.ended = true;
        assert!(!pipe.must_shut());
        while !pipe.is_empty() {
            pipe.advance(pipe.front().len());
        }
        assert!(!pipe.has_room(), "not paid for");
        pipe.owed = 0;
        assert!(pipe.has_room() && pipe.must_shut());
        pipe.shut = true;
        assert!(!pipe.must_shut());
        assert_eq!(pipe.waiting.capacity(), 0);
    }
}
