//! Datagrams to be sent, collected and handed to the kernel in as few calls as possible.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::marks::{Mark, Marks};
use super::outgoing::{Memory, Message, Piece};
use super::transmit::{Trains, count_datagrams, transmit};
use super::{Batch, UdpSocket};
use crate::net::sys::control::ControlBuffer;
use crate::net::sys::message::SEND_CONTROL;

/// Copied payload bytes kept for the next turn; a burst of long ones gives its memory back.
const KEPT_COPIES: usize = 64 * 1024;

/// The most padding that STUN knows.
const ZEROS: [u8; 3] = [0; 3];

/// What a datagram's IP header will say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendHeader {
    /// To whom.
    pub destination: SocketAddr,
    /// From which address; none lets the kernel choose, which is right on a socket bound to one address.
    pub source: Option<IpAddr>,
    /// DSCP and ECN: the whole octet.
    pub tos: u8,
    /// TTL or hop limit, at least 1; none is the system's default.
    pub ttl: Option<u8>,
    /// Set DF and do not fragment here either (RFC 8656 section 15).
    pub dont_fragment: bool,
}

impl SendHeader {
    /// To `destination` with nothing special.
    #[must_use]
    pub const fn to(destination: SocketAddr) -> Self {
        Self { destination, source: None, tos: 0, ttl: None, dont_fragment: false }
    }

    /// As control messages; those that say nothing new are left out, for each costs the kernel time.
    pub(super) fn controls(&self, marks: &Marks) -> ControlBuffer<SEND_CONTROL> {
        let mut controls = ControlBuffer::EMPTY;
        let v6 = self.destination.is_ipv6();
        if let Some(source) = self.source.filter(|source| source.is_ipv6() == v6) {
            controls.push_source(source);
        }
        let (tos, ttl) = marks.missing(self.mark());
        if let Some(tos) = tos {
            controls.push_tos(v6, tos);
        }
        if let Some(ttl) = ttl {
            controls.push_ttl(v6, ttl);
        }
        controls
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { tos: self.tos, ttl: self.ttl }
    }
}

/// Where the bytes to send lie.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// In the slot of a received packet, edited in place. The batch must be given to [`SendBatch::flush`]
    /// before it receives again.
    Slot {
        /// The packet's index in its batch.
        index: usize,
        /// Which bytes of [`super::Packet::buffer`].
        range: Range<usize>,
    },
    /// Likewise, with a header before it for which there is no room in the slot, and zeros behind it.
    Framed {
        /// What comes first: copied into the send batch.
        header: &'a [u8],
        /// The packet's index in its batch.
        index: usize,
        /// Which bytes of [`super::Packet::buffer`].
        range: Range<usize>,
        /// How many zeros follow, at most three.
        padding: usize,
    },
    /// Elsewhere: copied into the send batch.
    Copy(&'a [u8]),
}

/// What a flush has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Those of them that went in trains, which the kernel or the device cuts apart (UDP_SEGMENT).
    pub coupled: u64,
    /// System calls.
    pub calls: u64,
    /// Dropped: the socket's send buffer or the device's queue is full (EAGAIN, ENOBUFS).
    pub full: u64,
    /// Dropped: too long for UDP, or for the path and DONT-FRAGMENT set (EMSGSIZE).
    pub too_long: u64,
    /// Dropped: no route, network down (ENETUNREACH, EHOSTUNREACH, ENETDOWN ...).
    pub unreachable: u64,
    /// Dropped: forbidden by a local filter, or an address that cannot be sent to (EPERM, EACCES, EINVAL ...).
    pub refused: u64,
}

/// Datagrams to be sent.
#[derive(Debug)]
pub struct SendBatch {
    capacity: usize,
    datagrams: usize,
    pieces: Vec<Piece>,
    messages: Vec<Message>,
    /// Consecutive messages that go through one socket the same way. The clone keeps the descriptor from being
    /// closed, and its number from being another socket's, before the flush.
    runs: Vec<Run>,
    copies: Vec<u8>,
    trains: Trains,
}

#[derive(Debug)]
struct Run {
    socket: UdpSocket,
    dont_fragment: bool,
    messages: Range<usize>,
}

impl SendBatch {
    /// Room for `capacity` datagrams (1 to 1,024) before it must be flushed.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 1024);
        Self {
            capacity,
            datagrams: 0,
            pieces: Vec::with_capacity(capacity),
            messages: Vec::new(),
            runs: Vec::new(),
            copies: Vec::new(),
            trains: Trains::new(),
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams == 0
    }

    /// Whether the next push needs a flush before it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.datagrams >= self.capacity
    }

    /// How many more datagrams it takes.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity.saturating_sub(self.datagrams)
    }

    /// Add a datagram. False, and nothing added, when the batch is full.
    pub fn push(&mut self, socket: &UdpSocket, header: SendHeader, payload: Payload<'_>) -> bool {
        if self.is_full() {
            return false;
        }
        let start = self.pieces.len();
        let length = match payload {
            Payload::Slot { index, range } => {
                let length = range.len();
                self.pieces.push(Piece::Slot { index, range });
                length
            }
            Payload::Framed { header, index, range, padding } => {
                let padding = padding.min(ZEROS.len());
                let length = header.len() + range.len() + padding;
                self.push_own(header);
                self.pieces.push(Piece::Slot { index, range });
                if padding > 0 {
                    self.push_own(ZEROS.get(..padding).unwrap_or(&ZEROS));
                }
                length
            }
            Payload::Copy(bytes) => {
                self.push_own(bytes);
                bytes.len()
            }
        };
        self.datagrams += 1;
        self.add_message(socket, header, start..self.pieces.len(), length);
        true
    }

    /// Send everything, in order per socket, with one call per run of datagrams through one socket; neighbours of
    /// one flow and length go as one message. Never blocks; what cannot be sent is dropped and counted, and never
    /// keeps the next from being sent.
    pub fn flush(&mut self, received: &Batch) -> SendStats {
        let mut stats = SendStats::default();
        for run in &self.runs {
            let messages = self.messages.get_mut(run.messages.clone()).unwrap_or_default();
            let marks =
                messages.last().map(|last| run.socket.adopt(last.header().mark())).unwrap_or_default();
            messages.iter_mut().for_each(|message| message.seal(&marks));
            if run.dont_fragment {
                // DF is an option of the socket, not of the datagram: on for this run, which is rare, then off.
                // A failure, which no live socket shows, costs the bit but not the datagram.
                drop(run.socket.set_dont_fragment(true));
            }
            let memory = Memory { pieces: &self.pieces, own: &self.copies, received };
            transmit(&run.socket, messages, memory, run.dont_fragment, &mut self.trains, &mut stats);
            if run.dont_fragment {
                drop(run.socket.set_dont_fragment(false));
            }
        }
        self.runs.clear();
        self.messages.clear();
        self.pieces.clear();
        self.copies.clear();
        self.copies.shrink_to(KEPT_COPIES);
        self.datagrams = 0;
        stats
    }

    fn push_own(&mut self, bytes: &[u8]) {
        let start = self.copies.len();
        self.copies.extend_from_slice(bytes);
        self.pieces.push(Piece::Own(start..self.copies.len()));
    }

    fn add_message(&mut self, socket: &UdpSocket, header: SendHeader, pieces: Range<usize>, length: usize) {
        let run = self.runs.last_mut();
        let run = run.filter(|run| run.dont_fragment == header.dont_fragment && run.socket.is_same(socket));
        if run.is_some()
            && let Some(last) = self.messages.last_mut()
            && self.trains.admit(last.segment)
            && last.couple(&header, &pieces, length)
        {
            return;
        }
        self.messages.push(Message::new(header, pieces, length));
        let end = self.messages.len();
        match run {
            Some(run) => run.messages.end = end,
            None => self.runs.push(Run {
                socket: socket.clone(),
                dont_fragment: header.dont_fragment,
                messages: end - 1..end,
            }),
        }
    }
}

impl SendStats {
    /// Adds another flush's figures.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.coupled += other.coupled;
        self.calls += other.calls;
        self.full += other.full;
        self.too_long += other.too_long;
        self.unreachable += other.unreachable;
        self.refused += other.refused;
    }

    /// The kernel has taken these.
    pub(super) fn note_sent(&mut self, messages: &[Message]) {
        let trains = messages.iter().map(Message::datagrams).filter(|datagrams| *datagrams > 1);
        self.coupled += trains.map(|datagrams| datagrams as u64).sum::<u64>();
        self.sent += count_datagrams(messages);
    }

    /// The kernel has refused so many.
    pub(super) fn count(&mut self, error: &io::Error, datagrams: u64) {
        let counter = match error.raw_os_error() {
            Some(libc::ENOBUFS | libc::ENOMEM) => &mut self.full,
            Some(libc::EMSGSIZE) => &mut self.too_long,
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::ECONNREFUSED
                | libc::ENONET,
            ) => &mut self.unreachable,
            _ => &mut self.refused,
        };
        *counter += datagrams;
    }
}
