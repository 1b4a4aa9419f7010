//! What waits in a send batch: messages for the kernel, and the pieces of memory that each is made of.
//!
//! A message is one datagram, or a train of datagrams that differ in nothing but their bytes: all of one length, the
//! last perhaps shorter. The kernel takes a train as one (UDP_SEGMENT), and does most of its work once.

use std::ops::Range;

use super::marks::Marks;
use super::{Batch, SendHeader};
use crate::net::sys::address::RawAddress;
use crate::net::sys::control::ControlBuffer;
use crate::net::sys::message::{self, MAX_PIECES, SEND_CONTROL};

/// Most datagrams of a train: what every kernel takes that has UDP_SEGMENT.
const MAX_TRAIN: usize = 64;
/// Most bytes of a train: with the headers of either family no more than an IP packet can be.
const MAX_TRAIN_BYTES: usize = 65_535 - 48;
/// Most pieces of a datagram: header, payload, padding.
const MAX_DATAGRAM_PIECES: usize = 3;

const _: () = assert!(MAX_TRAIN * MAX_DATAGRAM_PIECES <= MAX_PIECES, "a train fits into one call");

/// Bytes in one place.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Of a received datagram.
    Slot { index: usize, range: Range<usize> },
    /// Of the send batch's own memory.
    Own(Range<usize>),
}

/// Where the pieces lie.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    pub(super) pieces: &'a [Piece],
    pub(super) own: &'a [u8],
    pub(super) received: &'a Batch,
}

impl<'a> Memory<'a> {
    fn bytes(self, piece: &Piece) -> &'a [u8] {
        let bytes = match piece {
            Piece::Slot { index, range } => self.received.bytes(*index, range.clone()),
            Piece::Own(range) => self.own.get(range.clone()),
        };
        debug_assert!(bytes.is_some(), "a batch was flushed with another batch's packets");
        bytes.unwrap_or(&[])
    }
}

/// One message of a system call.
#[derive(Debug)]
pub(super) struct Message {
    header: SendHeader,
    destination: RawAddress,
    marks: Marks,
    controls: ControlBuffer<SEND_CONTROL>,
    pieces: Range<usize>,
    /// Pieces of each datagram: all of a train have equally many.
    each: usize,
    datagrams: usize,
    /// The length of the first; only the last may be shorter.
    pub(super) segment: usize,
    last: usize,
    total: usize,
}

impl Message {
    /// A datagram of `length` bytes in the pieces before `end`.
    pub(super) fn new(header: SendHeader, pieces: Range<usize>, length: usize) -> Self {
        Self {
            destination: RawAddress::new(header.destination),
            marks: Marks::default(),
            controls: ControlBuffer::EMPTY,
            header,
            each: pieces.len(),
            pieces,
            datagrams: 1,
            segment: length,
            last: length,
            total: length,
        }
    }

    /// Appends a datagram, if the two are a train. One without bytes cannot be told from the end of a train; one that
    /// may not be fragmented, and is refused for it, must be named by itself.
    pub(super) fn couple(&mut self, header: &SendHeader, pieces: &Range<usize>, length: usize) -> bool {
        let fits = length > 0
            && length <= self.segment
            && self.last == self.segment
            && self.datagrams < MAX_TRAIN
            && self.total + length <= MAX_TRAIN_BYTES
            && pieces.len() == self.each
            && !header.dont_fragment
            && *header == self.header;
        if fits {
            self.datagrams += 1;
            self.pieces.end = pieces.end;
            self.last = length;
            self.total += length;
        }
        fits
    }

    /// No more datagrams are coming: makes the control messages, for a socket with these options.
    pub(super) fn seal(&mut self, marks: &Marks) {
        self.marks = *marks;
        self.controls = self.header.controls(marks);
        if self.datagrams > 1 {
            self.controls.push_segment(u16::try_from(self.segment).unwrap_or(u16::MAX));
        }
    }

    /// How many datagrams it is.
    pub(super) const fn datagrams(&self) -> usize {
        self.datagrams
    }

    /// To whom.
    pub(super) const fn header(&self) -> &SendHeader {
        &self.header
    }

    /// Each datagram as a message of its own.
    pub(super) fn uncouple(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.datagrams).map(|position| {
            let start = self.pieces.start + position * self.each;
            let length = if position + 1 == self.datagrams { self.last } else { self.segment };
            let mut single = Self::new(self.header, start..start + self.each, length);
            single.seal(&self.marks);
            single
        })
    }

    /// As the kernel wants it.
    pub(super) fn outgoing<'a>(
        &'a self,
        memory: Memory<'a>,
    ) -> message::Outgoing<'a, impl Iterator<Item = &'a [u8]>> {
        let pieces = memory.pieces.get(self.pieces.clone()).unwrap_or(&[]);
        message::Outgoing {
            destination: &self.destination,
            control: self.controls.used(),
            pieces: pieces.iter().map(move |piece| memory.bytes(piece)),
        }
    }
}
