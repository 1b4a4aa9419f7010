//! Received datagrams and the memory they lie in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use super::merging::Brought;
use crate::net::sys::control;
use crate::net::sys::message::{MAX_MESSAGES, Slot};

/// Bytes before each payload where a header can be put without moving the payload.
pub const HEADROOM: usize = 64;

/// Bytes after the longest payload, for padding.
pub const TAILROOM: usize = 64;

/// Most slots of a batch: as many as one call receives.
pub(super) const MAX_SLOTS: usize = MAX_MESSAGES;

/// The longest payload a slot takes: more than any UDP datagram has (65,507 bytes over IPv4, 65,527 over IPv6).
const CAPACITY: usize = 65_536;

/// From slot to slot. No multiple of a page, so that the slots' first bytes do not share cache sets.
const STRIDE: usize = HEADROOM + CAPACITY + TAILROOM;

/// The initial hop limit that most systems use; only for sockets that do not tell.
const USUAL_TTL: u8 = 64;

/// What a datagram's IP header and the kernel say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMeta {
    /// Who sent it.
    pub source: SocketAddr,
    /// The address it was sent to: on a wildcard socket the concrete one.
    pub destination: IpAddr,
    /// DSCP and ECN: the whole octet.
    pub tos: u8,
    /// TTL or hop limit as it arrived; 64 when the kernel did not say.
    pub ttl: u8,
    /// When the kernel received it, in nanoseconds since 1970, if timestamps are on. See
    /// `clock::Reading::arrival`.
    pub timestamp: Option<u64>,
}

/// One received datagram, or several of one flow that the kernel has merged.
#[derive(Debug)]
pub struct Packet<'a> {
    /// What the kernel says about it: of merged datagrams the same holds for each.
    pub meta: PacketMeta,
    /// The slot's memory: [`HEADROOM`], the payload, what is left of the slot.
    pub buffer: &'a mut [u8],
    /// Where in `buffer` the payload lies; of merged datagrams all their payloads, one after the other.
    pub payload: Range<usize>,
    /// The length of each merged datagram, but for the last, which may be shorter; none if it is only one.
    pub segment: Option<usize>,
}

impl Packet<'_> {
    /// How many datagrams it is.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.segment.map_or(1, |segment| self.payload.len().div_ceil(segment))
    }

    /// Where in `buffer` the payload of each lies.
    pub fn segments(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.payload;
        let step = self.segment.unwrap_or(usize::MAX);
        let cut = move |at: usize| {
            let from = start.saturating_add(at.saturating_mul(step)).min(end);
            from..from.saturating_add(step).min(end)
        };
        (0..self.datagrams()).map(cut)
    }
}

/// Room for received datagrams, of one socket or of many: each receive appends to what is there until
/// [`Batch::clear`].
///
/// Each slot spans 64 KiB of address space, so every datagram lies whole and in one piece with room
/// before and behind it. The pages are zero pages until something long is received: a batch of 32 slots that
/// has only met media of 1,500 bytes occupies 64 to 128 KiB.
pub struct Batch {
    memory: Vec<u8>,
    slots: Vec<Slot>,
    received: Vec<Received>,
    overflow: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    meta: PacketMeta,
    segment: Option<usize>,
    overflow: Option<u32>,
}

impl Received {
    /// Whether this and a datagram before it, of these lengths, are a run of one flow.
    fn follows(&self, before: &Self, length: usize, length_before: usize) -> bool {
        let (one, other) = (&self.meta, &before.meta);
        length > 0
            && length <= length_before
            && (one.source, one.tos, one.ttl) == (other.source, other.tos, other.ttl)
            && one.destination == other.destination
    }
}

impl Batch {
    /// Room for `slots` datagrams per call (1 to 64).
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, MAX_SLOTS);
        Self {
            memory: vec![0; slots * STRIDE],
            slots: std::iter::repeat_with(|| Slot::EMPTY).take(slots).collect(),
            received: Vec::with_capacity(slots),
            overflow: None,
        }
    }

    /// How many datagrams it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many more fit.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity().saturating_sub(self.len())
    }

    /// Forgets what it holds.
    pub fn clear(&mut self) {
        self.received.clear();
        self.overflow = None;
    }

    /// One of them.
    pub fn packet(&mut self, index: usize) -> Option<Packet<'_>> {
        let Received { meta, segment, .. } = *self.received.get(index)?;
        let length = self.slots.get(index)?.length;
        let segment = segment.filter(|segment| *segment < length);
        let buffer = self.memory.get_mut(index * STRIDE..(index + 1) * STRIDE)?;
        Some(Packet { meta, buffer, payload: HEADROOM..HEADROOM + length, segment })
    }

    /// How many datagrams the socket that was read last has lost for want of room in its receive buffer, since it
    /// was opened (wraps); none if it has lost none.
    #[must_use]
    pub fn overflow(&self) -> Option<u32> {
        self.overflow
    }

    /// The bytes of a slot, for sending.
    pub(super) fn bytes(&self, index: usize, range: Range<usize>) -> Option<&[u8]> {
        if index >= self.received.len() || range.end > STRIDE {
            return None;
        }
        let start = index * STRIDE;
        self.memory.get(start + range.start..start + range.end)
    }

    /// At most `count` free slots and the memory for their payloads.
    pub(super) fn parts(&mut self, count: usize) -> (&mut [Slot], impl Iterator<Item = &mut [u8]>) {
        self.overflow = None;
        let used = self.received.len();
        let slots = self.slots.get_mut(used..).unwrap_or_default();
        let count = count.min(slots.len());
        let spaces = self.memory.chunks_exact_mut(STRIDE).skip(used);
        let spaces = spaces.filter_map(|slot| slot.get_mut(HEADROOM..HEADROOM + CAPACITY));
        (slots.get_mut(..count).unwrap_or_default(), spaces)
    }

    /// Reads what the kernel says about the next `count` slots, received on a socket bound to `local`.
    pub(super) fn fill(&mut self, count: usize, local: IpAddr) {
        for slot in self.slots.iter().skip(self.received.len()).take(count) {
            debug_assert!(!slot.truncated, "a slot is longer than any datagram");
            let received = describe(slot, local);
            self.received.push(received);
            self.overflow = received.overflow.or(self.overflow);
        }
    }

    /// What a receive has brought, all from one socket.
    pub(super) fn brought(&self, range: Range<usize>) -> Brought {
        let mut brought = Brought { messages: range.len(), ..Brought::default() };
        let mut before: Option<(&Received, usize)> = None;
        let received = self.received.iter().zip(&self.slots).skip(range.start).take(range.len());
        for (received, slot) in received {
            let segment = received.segment.unwrap_or(slot.length).max(1);
            brought.datagrams += slot.length.div_ceil(segment).max(1);
            let follows =
                before.is_some_and(|(before, length)| received.follows(before, slot.length, length));
            brought.neighbours += usize::from(follows);
            before = Some((received, slot.length));
        }
        brought
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("capacity", &self.capacity()).field("received", &self.received).finish()
    }
}

fn describe(slot: &Slot, local: IpAddr) -> Received {
    // The kernel always names the source of a datagram; port 0 can be neither answered nor looked up.
    let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let source = slot.source.decode().unwrap_or(nobody);
    let mut meta = PacketMeta { source, destination: local, tos: 0, ttl: USUAL_TTL, timestamp: None };
    let (mut overflow, mut segment) = (None, None);
    for control in control::iterate(slot.control.used()) {
        // What every datagram brings comes first.
        match (control.level, control.kind) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                meta.ttl = control.ttl().unwrap_or(meta.ttl);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                meta.tos = control.tos().unwrap_or(meta.tos);
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => meta.timestamp = control.timestamp(),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) | (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                meta.destination = control.destination().unwrap_or(meta.destination);
            }
            _ => {
                overflow = control.overflow().or(overflow);
                segment = control.segment().or(segment);
            }
        }
    }
    Received { meta, segment, overflow }
}
