//! Datagrams to be sent, collected and handed to the kernel in as few calls as possible.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::AsFd;

use super::{Batch, UdpSocket};
use crate::net::sys::address::RawAddress;
use crate::net::sys::control::ControlBuffer;
use crate::net::sys::message::{self, Outgoing, SEND_CONTROL};

/// Copied payload bytes kept for the next turn; a burst of long ones gives its memory back.
const KEPT_COPIES: usize = 64 * 1024;

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

    /// As control messages; those that say nothing are left out, for each costs the kernel time.
    fn controls(&self) -> ControlBuffer<SEND_CONTROL> {
        let mut controls = ControlBuffer::EMPTY;
        let v6 = self.destination.is_ipv6();
        if let Some(source) = self.source.filter(|source| source.is_ipv6() == v6) {
            controls.push_source(source);
        }
        if self.tos != 0 {
            controls.push_tos(v6, self.tos);
        }
        if let Some(ttl) = self.ttl {
            controls.push_ttl(v6, ttl.max(1));
        }
        controls
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
    /// Elsewhere: copied into the send batch.
    Copy(&'a [u8]),
}

/// What a flush has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams that the kernel took.
    pub sent: u64,
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
    entries: Vec<Entry>,
    /// Consecutive entries that go through one socket the same way. The clone keeps the descriptor from being
    /// closed, and its number from being another socket's, before the flush.
    runs: Vec<Run>,
    copies: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    destination: RawAddress,
    controls: ControlBuffer<SEND_CONTROL>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Slot { index: usize, range: Range<usize> },
    Copy(Range<usize>),
}

#[derive(Debug)]
struct Run {
    socket: UdpSocket,
    dont_fragment: bool,
    entries: Range<usize>,
}

/// Where the payloads of a batch lie.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    copies: &'a [u8],
    received: &'a Batch,
}

impl SendBatch {
    /// Room for `capacity` datagrams (1 to 1,024) before it must be flushed.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 1024);
        Self { capacity, entries: Vec::with_capacity(capacity), runs: Vec::new(), copies: Vec::new() }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the next push needs a flush before it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    /// Add a datagram. False, and nothing added, when the batch is full.
    pub fn push(&mut self, socket: &UdpSocket, header: SendHeader, payload: Payload<'_>) -> bool {
        if self.is_full() {
            return false;
        }
        let place = match payload {
            Payload::Slot { index, range } => Place::Slot { index, range },
            Payload::Copy(bytes) => {
                let start = self.copies.len();
                self.copies.extend_from_slice(bytes);
                Place::Copy(start..self.copies.len())
            }
        };
        let destination = RawAddress::new(header.destination);
        self.entries.push(Entry { destination, controls: header.controls(), place });
        self.extend_run(socket, header.dont_fragment);
        true
    }

    /// Send everything, in order per socket, with one call per run of datagrams through one socket. Never
    /// blocks; what cannot be sent is dropped and counted, and never keeps the next from being sent.
    pub fn flush(&mut self, received: &Batch) -> SendStats {
        let mut stats = SendStats::default();
        for run in &self.runs {
            let entries = self.entries.get(run.entries.clone()).unwrap_or(&[]);
            if run.dont_fragment {
                // DF is an option of the socket, not of the datagram: on for this run, which is rare, then off.
                // A failure, which no live socket shows, costs the bit but not the datagram.
                drop(run.socket.set_dont_fragment(true));
            }
            let bytes = Bytes { copies: &self.copies, received };
            send_run(&run.socket, entries, bytes, run.dont_fragment, &mut stats);
            if run.dont_fragment {
                drop(run.socket.set_dont_fragment(false));
            }
        }
        self.runs.clear();
        self.entries.clear();
        self.copies.clear();
        self.copies.shrink_to(KEPT_COPIES);
        stats
    }

    fn extend_run(&mut self, socket: &UdpSocket, dont_fragment: bool) {
        let end = self.entries.len();
        match self.runs.last_mut() {
            Some(run) if run.dont_fragment == dont_fragment && run.socket.is_same(socket) => {
                run.entries.end = end;
            }
            _ => self.runs.push(Run { socket: socket.clone(), dont_fragment, entries: end - 1..end }),
        }
    }
}

fn send_run(
    socket: &UdpSocket,
    mut entries: &[Entry],
    bytes: Bytes<'_>,
    strict: bool,
    stats: &mut SendStats,
) {
    let mut retried = false;
    while !entries.is_empty() {
        let messages = entries.iter().map(|entry| entry.outgoing(bytes));
        let done = match message::send(socket.as_fd(), messages) {
            Ok(0) => 1,
            Ok(count) => {
                stats.sent += count as u64;
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stats.full += entries.len() as u64;
                return;
            }
            // With the error queue on, an ICMP error of an earlier datagram fails the next call once. So
            // every error is given a second chance before it is believed; but a datagram that is too long to
            // go unfragmented would be reported twice.
            Err(error) if !(retried || strict && is_too_long(&error)) => {
                retried = true;
                continue;
            }
            Err(error) => {
                stats.count(&error);
                note_refused(socket, entries.first(), &error);
                1
            }
        };
        retried = false;
        entries = entries.get(done..).unwrap_or(&[]);
    }
}

fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

fn note_refused(socket: &UdpSocket, entry: Option<&Entry>, error: &io::Error) {
    if is_too_long(error)
        && let Some(peer) = entry.and_then(|entry| entry.destination.decode())
    {
        socket.note_refused(peer);
    }
}

impl Entry {
    fn outgoing<'a>(&'a self, bytes: Bytes<'a>) -> Outgoing<'a> {
        let payload = match &self.place {
            Place::Slot { index, range } => bytes.received.bytes(*index, range.clone()),
            Place::Copy(range) => bytes.copies.get(range.clone()),
        };
        debug_assert!(payload.is_some(), "a batch was flushed with another batch's packets");
        Outgoing {
            destination: &self.destination,
            control: self.controls.used(),
            payload: payload.unwrap_or(&[]),
        }
    }
}

impl SendStats {
    /// Adds another flush's figures.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.full += other.full;
        self.too_long += other.too_long;
        self.unreachable += other.unreachable;
        self.refused += other.refused;
    }

    fn count(&mut self, error: &io::Error) {
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
        *counter += 1;
    }
}
