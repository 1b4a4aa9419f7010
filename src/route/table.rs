//! The route table of one worker: what a packet meets instead of the engine.
//!
//! Only [`Table::apply`] changes it, with the engine's deltas; each packet reads it once. A channel is found
//! by one hash lookup of its client. A relay's permissions and channels lie in one short sorted list, a permission
//! before the channels of its address, so that a packet needs no hash of its peer and an idle allocation stays small:
//! most have that list, their client and their name in two cache lines, which is all that a packet meets.

use std::net::{IpAddr, Ipv6Addr};

use smallvec::SmallVec;

use super::arena::{grow, place};
use super::seats::Seats;
use super::{Client, Delta, Endpoint, FiveTuple, RelayId};
use crate::wire::channel_data::ChannelNumber;

/// Where a channel leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelValue {
    /// The relay that its packets leave from.
    pub relay: RelayId,
    /// The peer they go to.
    pub peer: Endpoint,
    /// Whether the peer's address is one of our own, see [`Table::set_own`].
    pub own: bool,
}

impl ChannelValue {
    /// From which relay, to whom.
    #[must_use]
    pub const fn way(self) -> (RelayId, Endpoint) {
        (self.relay, self.peer)
    }
}

/// What is put before a peer's packet on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// A ChannelData header with this number.
    Channel(ChannelNumber),
    /// A Data indication.
    Data,
}

/// Why a client's packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The five-tuple has no allocation here.
    Client,
    /// It has, but did not bind this channel.
    Channel,
    /// No permission for the peer's address.
    Permission,
}

/// One thing that may pass: a permission (no channel) or a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The relay.
    pub relay: RelayId,
    /// The peer; a permission has port 0.
    pub peer: Endpoint,
    /// The channel that stands for it.
    pub channel: Option<ChannelNumber>,
}

/// One line of a relay's list, in the order of address and port. Port 0 is the address's permission, with
/// channel 0; any other port is a channel.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    ip: [u8; 16],
    port: [u8; 2],
    channel: [u8; 2],
}

impl Line {
    const fn key(&self) -> ([u8; 16], [u8; 2]) {
        (self.ip, self.port)
    }
}

/// Where the line of a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    line: u32,
    channel: ChannelNumber,
    /// Its peer's address is one of our own.
    own: bool,
}

/// 128 bytes, with what most allocations need: a permission and a channel.
#[derive(Debug)]
struct Relay {
    id: RelayId,
    client: Client,
    /// By address and port.
    lines: SmallVec<[Line; 2]>,
    /// By number.
    marks: SmallVec<[Mark; 2]>,
}

impl Relay {
    const fn new(id: RelayId, client: Client) -> Self {
        Self { id, client, lines: SmallVec::new_const(), marks: SmallVec::new_const() }
    }

    fn find(&self, ip: [u8; 16], port: u16) -> Result<usize, usize> {
        self.lines.binary_search_by_key(&(ip, port.to_be_bytes()), Line::key)
    }

    fn permits(&self, ip: [u8; 16]) -> bool {
        self.find(ip, 0).is_ok()
    }

    /// What a channel stands for, and whether that is one of our own addresses.
    fn channel(&self, channel: ChannelNumber) -> Option<(&Line, bool)> {
        let mark = self.marks.binary_search_by_key(&channel.0, |mark| mark.channel.0).ok()?;
        let mark = self.marks.get(mark)?;
        Some((self.lines.get(mark.line as usize)?, mark.own))
    }

    fn mark_own(&mut self, own: &[[u8; 16]]) {
        for mark in &mut self.marks {
            let line = self.lines.get(mark.line as usize);
            mark.own = line.is_some_and(|line| own.binary_search(&line.ip).is_ok());
        }
    }

    fn insert(&mut self, line: Line, own: bool) {
        let at = match self.lines.binary_search_by_key(&line.key(), Line::key) {
            Ok(at) => {
                self.remove_line(at);
                at
            }
            Err(at) => at,
        };
        self.lines.insert(at, line);
        for mark in self.marks.iter_mut().filter(|mark| mark.line as usize >= at) {
            mark.line += 1;
        }
        if line.port != [0, 0]
            && let Ok(at) = u32::try_from(at)
        {
            let channel = number(line.channel);
            let place = self.marks.partition_point(|mark| mark.channel.0 < channel.0);
            self.marks.insert(place, Mark { line: at, channel, own });
        }
    }

    fn remove(&mut self, ip: [u8; 16], port: u16) {
        if let Ok(at) = self.find(ip, port) {
            self.remove_line(at);
        }
    }

    fn remove_line(&mut self, at: usize) {
        self.lines.remove(at);
        self.marks.retain(|mark| mark.line as usize != at);
        for mark in self.marks.iter_mut().filter(|mark| mark.line as usize > at) {
            mark.line -= 1;
        }
    }
}

/// All flows of a worker.
#[derive(Debug, Default)]
pub struct Table {
    /// By the lower halves of their names, which are dense.
    relays: Vec<Option<Relay>>,
    /// Which of them serve a five-tuple: one, or one of each address family.
    seats: Seats,
    len: usize,
    own: Vec<[u8; 16]>,
}

impl Table {
    /// An empty table whose hashes are seeded at random.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses that relays are bound to or known under. Channels to them are marked, so that packets to everybody
    /// else need not be compared with them.
    pub fn set_own(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.own = addresses.into_iter().map(octets).collect();
        self.own.sort_unstable();
        self.own.dedup();
        for relay in self.relays.iter_mut().flatten() {
            relay.mark_own(&self.own);
        }
    }

    /// Whether the address is one of our own.
    #[must_use]
    pub fn is_own(&self, ip: IpAddr) -> bool {
        self.own.binary_search(&octets(ip)).is_ok()
    }

    /// Makes one change. What names an unknown relay is ignored.
    pub fn apply(&mut self, delta: &Delta) {
        match *delta {
            Delta::AddRelay { relay, client } => self.add_relay(relay, client),
            Delta::MoveRelay { relay, client } => self.move_relay(relay, client),
            Delta::RemoveRelay { relay } => self.remove_relay(relay),
            Delta::AddPermission { relay, peer } => self.set_permission(relay, peer, true),
            Delta::RemovePermission { relay, peer } => self.set_permission(relay, peer, false),
            Delta::AddChannel { relay, channel, peer } => self.add_channel(relay, channel, peer),
            Delta::RemoveChannel { relay, channel } => self.remove_channel(relay, channel),
        }
    }

    /// Where ChannelData of `tuple` on `channel` goes.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn channel(&self, tuple: &FiveTuple, channel: ChannelNumber) -> Result<ChannelValue, Miss> {
        let mut miss = Miss::Client;
        for relay in self.serving(tuple) {
            match relay.channel(channel) {
                Some((line, own)) if relay.permits(line.ip) => {
                    return Ok(ChannelValue { relay: relay.id, peer: endpoint(line), own });
                }
                Some(_) => return Err(Miss::Permission),
                None => miss = Miss::Channel,
            }
        }
        Err(miss)
    }

    /// Which of the client's relays a Send indication to `peer` leaves from: the one that permits the peer,
    /// which is of its family.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn send(&self, tuple: &FiveTuple, peer: IpAddr) -> Result<RelayId, Miss> {
        let ip = octets(peer);
        let mut miss = Miss::Client;
        for relay in self.serving(tuple) {
            if relay.permits(ip) {
                return Ok(relay.id);
            }
            miss = Miss::Permission;
        }
        Err(miss)
    }

    /// To whom, and how, a packet of `peer` that came to `relay` goes; `None` if it may not pass.
    #[must_use]
    pub fn peer(&self, relay: RelayId, peer: Endpoint) -> Option<(&Client, Header)> {
        let relay = self.relay(relay)?;
        let ip = octets(peer.ip());
        if !relay.permits(ip) {
            return None;
        }
        let line = relay.find(ip, peer.port()).ok().and_then(|at| relay.lines.get(at));
        let header = match line.map(|line| line.channel) {
            None | Some([0, 0]) => Header::Data,
            Some(channel) => Header::Channel(number(channel)),
        };
        Some((&relay.client, header))
    }

    /// Whom `relay` serves.
    #[must_use]
    pub fn client(&self, relay: RelayId) -> Option<&Client> {
        self.relay(relay).map(|relay| &relay.client)
    }

    /// Whether the five-tuple has an allocation here.
    #[must_use]
    pub fn serves(&self, tuple: &FiveTuple) -> bool {
        self.serving(tuple).next().is_some()
    }

    /// The relays of a client, at most two.
    pub fn relays(&self, tuple: &FiveTuple) -> impl Iterator<Item = RelayId> {
        self.serving(tuple).map(|relay| relay.id)
    }

    /// How many relays there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every permission and channel, for a listing.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        self.relays.iter().flatten().flat_map(|relay| {
            relay.lines.iter().map(|line| Flow {
                relay: relay.id,
                peer: endpoint(line),
                channel: (line.port != [0, 0]).then(|| number(line.channel)),
            })
        })
    }

    fn serving(&self, tuple: &FiveTuple) -> impl Iterator<Item = &Relay> {
        let relays = self.seats.find(tuple).filter_map(|place| self.relays.get(place)?.as_ref());
        relays.filter(move |relay| relay.client.tuple == *tuple)
    }

    fn relay(&self, id: RelayId) -> Option<&Relay> {
        self.relays.get(place(id.0))?.as_ref().filter(|relay| relay.id == id)
    }

    fn relay_mut(&mut self, id: RelayId) -> Option<&mut Relay> {
        self.relays.get_mut(place(id.0))?.as_mut().filter(|relay| relay.id == id)
    }

    fn add_relay(&mut self, id: RelayId, client: Client) {
        if self.relay(id).is_some() {
            self.move_relay(id, client);
            return;
        }
        let at = place(id.0);
        grow(&mut self.relays, at);
        if let Some(slot) = self.relays.get_mut(at)
            && slot.is_none()
        {
            *slot = Some(Relay::new(id, client));
            self.len += 1;
            self.seats.insert(&client.tuple, at);
        }
    }

    fn move_relay(&mut self, id: RelayId, client: Client) {
        let Some(relay) = self.relay_mut(id) else { return };
        let from = std::mem::replace(&mut relay.client, client).tuple;
        if from != client.tuple {
            self.seats.remove(&from, place(id.0));
            self.seats.insert(&client.tuple, place(id.0));
        }
    }

    fn remove_relay(&mut self, id: RelayId) {
        let Some(tuple) = self.relay(id).map(|relay| relay.client.tuple) else { return };
        self.seats.remove(&tuple, place(id.0));
        if let Some(slot) = self.relays.get_mut(place(id.0)) {
            *slot = None;
            self.len -= 1;
        }
    }

    fn set_permission(&mut self, relay: RelayId, peer: IpAddr, permitted: bool) {
        let Some(relay) = self.relay_mut(relay) else { return };
        let ip = octets(peer);
        if permitted {
            relay.insert(Line { ip, port: [0, 0], channel: [0, 0] }, false);
        } else {
            relay.remove(ip, 0);
        }
    }

    /// The newest binding of a channel or a peer replaces what was bound before, on either relay of the client.
    fn add_channel(&mut self, id: RelayId, channel: ChannelNumber, peer: Endpoint) {
        if peer.port() == 0 || channel.0 == 0 {
            return;
        }
        let Some(tuple) = self.relay(id).map(|relay| relay.client.tuple) else { return };
        let old = self.serving(&tuple).find(|relay| relay.channel(channel).is_some()).map(|relay| relay.id);
        if let Some(old) = old {
            self.remove_channel(old, channel);
        }
        let own = self.is_own(peer.ip());
        if let Some(relay) = self.relay_mut(id) {
            let (ip, port) = (octets(peer.ip()), peer.port().to_be_bytes());
            relay.insert(Line { ip, port, channel: channel.0.to_be_bytes() }, own);
        }
    }

    fn remove_channel(&mut self, id: RelayId, channel: ChannelNumber) {
        let Some(relay) = self.relay_mut(id) else { return };
        let bound = relay.channel(channel).map(|(line, _)| (line.ip, u16::from_be_bytes(line.port)));
        if let Some((ip, port)) = bound {
            relay.remove(ip, port);
        }
    }
}

const fn number(channel: [u8; 2]) -> ChannelNumber {
    ChannelNumber(u16::from_be_bytes(channel))
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn endpoint(line: &Line) -> Endpoint {
    let ip = Ipv6Addr::from(line.ip).to_canonical();
    Endpoint::from(std::net::SocketAddr::new(ip, u16::from_be_bytes(line.port)))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
