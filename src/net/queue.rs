//! What a stream's reader has not taken yet.
//!
//! A client that reads slowly must not grow memory, and it must not stall a worker. So each stream has one
//! of these, bounded in bytes. It drops the oldest media that it may drop: media whose deadline has passed,
//! and media at all when room is needed. It never drops control messages; when these alone fill the bound,
//! the connection must be closed. A frame of which a part is on the wire stays, whatever it is: cutting it
//! would break the stream's framing.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use crate::time::Time;

/// What an entry costs besides its bytes, so that many small frames do not slip under the bound.
pub const ENTRY_OVERHEAD: usize = 64;

/// How many frames one write takes together.
const GATHER: usize = 16;

/// What a queue has dropped since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Media whose deadline had passed.
    pub late: u64,
    /// Media that had to give way, or found no room.
    pub full: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// A control message that finds no room: the reader is gone or hostile, the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader is too slow for control messages: close the connection")]
pub struct Overflow;

/// How far a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left.
    All,
    /// The sink takes no more for now: wait until it is writable.
    Blocked,
}

/// Frames on their way to one stream.
#[derive(Debug)]
pub struct OutQueue {
    entries: VecDeque<Entry>,
    /// Bytes of the first entry that are on the wire already.
    written: usize,
    /// Bytes not yet on the wire, with overhead.
    size: usize,
    /// How much of that could be dropped: media of which nothing is on the wire.
    droppable: usize,
    /// No droppable media expires before this.
    earliest: Time,
    bound: usize,
    dropped: Dropped,
}

#[derive(Debug)]
struct Entry {
    bytes: Box<[u8]>,
    /// None for control.
    deadline: Option<Time>,
}

impl Entry {
    fn size(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD
    }
}

impl OutQueue {
    /// An empty queue for at most `bound` bytes, each frame counted with [`ENTRY_OVERHEAD`]. Holds no memory
    /// while it is empty.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        let dropped = Dropped { late: 0, full: 0, bytes: 0 };
        Self {
            entries: VecDeque::new(),
            written: 0,
            size: 0,
            droppable: 0,
            earliest: Time::MAX,
            bound,
            dropped,
        }
    }

    /// Whether everything has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Frames that wait, a partly written one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What counts against the bound now.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What has been dropped so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Add a message that must arrive. Media gives way to it, oldest first.
    ///
    /// # Errors
    /// [`Overflow`] when control messages alone, with a partly written frame, fill the queue.
    pub fn push_control(&mut self, frame: &[u8]) -> Result<(), Overflow> {
        let needed = frame.len() + ENTRY_OVERHEAD;
        if !self.make_room(needed) {
            return Err(Overflow);
        }
        self.append(frame, None);
        Ok(())
    }

    /// Add media that is worth nothing after `deadline`. Older media gives way to it; when that does not
    /// suffice, it is itself dropped and false returned.
    pub fn push_media(&mut self, now: Time, frame: &[u8], deadline: Time) -> bool {
        self.expire(now);
        let needed = frame.len() + ENTRY_OVERHEAD;
        if now > deadline || !self.make_room(needed) {
            self.dropped.count(frame.len(), now > deadline);
            return false;
        }
        self.append(frame, Some(deadline));
        true
    }

    /// Drop the media whose deadline has passed, except a frame that is partly written.
    pub fn expire(&mut self, now: Time) {
        if now <= self.earliest {
            return;
        }
        self.earliest = Time::MAX;
        let mut started = self.started();
        self.entries.retain(|entry| {
            let is_started = std::mem::take(&mut started) > 0;
            let Some(deadline) = entry.deadline.filter(|_| !is_started) else {
                return true;
            };
            if deadline < now {
                self.size -= entry.size();
                self.droppable -= entry.size();
                self.dropped.count(entry.bytes.len(), true);
                return false;
            }
            self.earliest = self.earliest.min(deadline);
            true
        });
    }

    /// Write as much as `sink` takes. It gets frames in order and returns how many bytes it has taken, like
    /// a vectored write of a non-blocking socket.
    ///
    /// # Errors
    /// The sink's, other than "would block" and "interrupted". Taking nothing is
    /// [`io::ErrorKind::WriteZero`].
    pub fn flush(
        &mut self,
        now: Time,
        mut sink: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        self.expire(now);
        while !self.is_empty() {
            match self.write_some(&mut sink) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.entries = VecDeque::new();
        Ok(Flushed::All)
    }

    fn write_some(&self, sink: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); GATHER];
        let mut used = 0;
        for (slot, entry) in slices.iter_mut().zip(&self.entries) {
            let skip = if used == 0 { self.written } else { 0 };
            *slot = IoSlice::new(entry.bytes.get(skip..).unwrap_or(&[]));
            used += 1;
        }
        sink(slices.get(..used).unwrap_or(&[]))
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(head) = self.entries.front() {
            if self.written == 0 && head.deadline.is_some() && (count > 0 || head.bytes.is_empty()) {
                self.droppable -= head.size();
            }
            let left = head.bytes.len() - self.written;
            if count < left {
                self.written += count;
                self.size -= count;
                return;
            }
            count -= left;
            self.size -= left + ENTRY_OVERHEAD;
            self.written = 0;
            self.entries.pop_front();
        }
    }

    fn append(&mut self, frame: &[u8], deadline: Option<Time>) {
        let entry = Entry { bytes: frame.into(), deadline };
        self.size += entry.size();
        if let Some(deadline) = deadline {
            self.droppable += entry.size();
            self.earliest = self.earliest.min(deadline);
        }
        self.entries.push_back(entry);
    }

    /// Drops as much of the oldest media as it takes to fit `needed` more bytes. Drops nothing when even all
    /// of it would not suffice.
    fn make_room(&mut self, needed: usize) -> bool {
        let room = self.bound.saturating_sub(needed);
        if needed > self.bound || self.size - self.droppable > room {
            return false;
        }
        let mut index = self.started();
        while self.size > room {
            match self.entries.get(index) {
                Some(entry) if entry.deadline.is_none() => index += 1,
                Some(entry) => {
                    self.size -= entry.size();
                    self.droppable -= entry.size();
                    self.dropped.count(entry.bytes.len(), false);
                    self.entries.remove(index);
                }
                None => return false,
            }
        }
        true
    }

    /// How many entries at the front are partly written: none or one.
    fn started(&self) -> usize {
        usize::from(self.written > 0)
    }
}

impl Dropped {
    fn count(&mut self, length: usize, late: bool) {
        if late {
            self.late += 1;
        } else {
            self.full += 1;
        }
        self.bytes += length as u64;
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
