//! The route table of one worker: what a packet meets instead of the engine.
//!
//! Only [`Table::apply`] changes it, with the engine's deltas; each packet reads it once. A channel is found
//! by one hash lookup. A relay's permissions and channels lie in one short sorted list, a permission before
//! the channels of its address, so that a peer's packet needs no hash of its address and an idle allocation
//! stays small.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use foldhash::quality::RandomState;

use super::{Client, Delta, Endpoint, FiveTuple, RelayId};
use crate::wire::channel_data::ChannelNumber;

/// What names a channel: the client and its number.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The client's side.
    pub tuple: FiveTuple,
    /// The number, in the byte order of the wire.
    pub channel: [u8; 2],
}

/// Where a channel leads.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelValue {
    /// The relay that its packets leave from.
    pub relay: RelayId,
    /// The peer they go to.
    pub peer: Endpoint,
    /// Whether a permission for the peer's address is in force.
    pub permitted: bool,
    /// Whether the peer's address is one of our own, see [`Table::set_own`].
    pub own: bool,
}

impl ChannelValue {
    /// From which relay, to whom.
    #[must_use]
    pub const fn way(&self) -> (RelayId, Endpoint) {
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

/// The relays of one client: one, or one of each address family.
#[derive(Clone, Copy, Debug)]
struct Relays([RelayId; 2]);

impl Relays {
    /// No engine counts this far.
    const NONE: RelayId = RelayId(u64::MAX);

    fn iter(self) -> impl Iterator<Item = RelayId> {
        self.0.into_iter().filter(|relay| *relay != Self::NONE)
    }

    fn add(&mut self, relay: RelayId) {
        if self.iter().all(|known| known != relay)
            && let Some(free) = self.0.iter_mut().find(|slot| **slot == Self::NONE)
        {
            *free = relay;
        }
    }

    fn remove(&mut self, relay: RelayId) {
        for slot in self.0.iter_mut().filter(|slot| **slot == relay) {
            *slot = Self::NONE;
        }
    }

    fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
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

#[derive(Debug)]
struct Relay {
    client: Client,
    lines: Vec<Line>,
}

impl Relay {
    fn find(&self, ip: [u8; 16], port: u16) -> Result<usize, usize> {
        self.lines.binary_search_by_key(&(ip, port.to_be_bytes()), Line::key)
    }

    fn permits(&self, ip: [u8; 16]) -> bool {
        self.find(ip, 0).is_ok()
    }

    fn channels(&self) -> impl Iterator<Item = ChannelNumber> {
        self.lines.iter().filter(|line| line.port != [0, 0]).map(|line| number(line.channel))
    }

    /// The channels whose peers have this address.
    fn channels_of(&self, ip: [u8; 16]) -> impl Iterator<Item = ChannelNumber> {
        let start = self.find(ip, 0).map_or_else(|at| at, |at| at.saturating_add(1));
        self.lines.iter().skip(start).take_while(move |line| line.ip == ip).map(|line| number(line.channel))
    }

    fn insert(&mut self, line: Line) {
        match self.lines.binary_search_by_key(&line.key(), Line::key) {
            Ok(at) => {
                if let Some(old) = self.lines.get_mut(at) {
                    *old = line;
                }
            }
            Err(at) => {
                if self.lines.len() == self.lines.capacity() {
                    // Most allocations hold a permission and a channel: start there, not at four.
                    self.lines.reserve_exact(self.lines.len().max(2));
                }
                self.lines.insert(at, line);
            }
        }
    }

    fn remove(&mut self, ip: [u8; 16], port: u16) -> Option<Line> {
        let at = self.find(ip, port).ok()?;
        Some(self.lines.remove(at))
    }
}

/// All flows of a worker.
#[derive(Debug)]
pub struct Table {
    clients: HashMap<FiveTuple, Relays, RandomState>,
    channels: HashMap<ChannelKey, ChannelValue, RandomState>,
    relays: HashMap<RelayId, Relay, RandomState>,
    own: Vec<[u8; 16]>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// An empty table whose hashes are seeded at random.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clients: HashMap::with_hasher(RandomState::default()),
            channels: HashMap::with_hasher(RandomState::default()),
            relays: HashMap::with_hasher(RandomState::default()),
            own: Vec::new(),
        }
    }

    /// The addresses that relays are bound to or known under. Channels to them are marked, so that packets to everybody
    /// else need not be compared with them.
    pub fn set_own(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.own = addresses.into_iter().map(octets).collect();
        self.own.sort_unstable();
        self.own.dedup();
        let own = &self.own;
        for value in self.channels.values_mut() {
            value.own = own.binary_search(&octets(value.peer.ip())).is_ok();
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
    pub fn channel(&self, tuple: &FiveTuple, channel: ChannelNumber) -> Result<&ChannelValue, Miss> {
        match self.channels.get(&key(*tuple, channel)) {
            Some(value) if value.permitted => Ok(value),
            Some(_) => Err(Miss::Permission),
            None if self.clients.contains_key(tuple) => Err(Miss::Channel),
            None => Err(Miss::Client),
        }
    }

    /// Which of the client's relays a Send indication to `peer` leaves from: the one that permits the peer,
    /// which is of its family.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn send(&self, tuple: &FiveTuple, peer: IpAddr) -> Result<RelayId, Miss> {
        let relays = self.clients.get(tuple).ok_or(Miss::Client)?;
        let ip = octets(peer);
        relays
            .iter()
            .find(|relay| self.relays.get(relay).is_some_and(|relay| relay.permits(ip)))
            .ok_or(Miss::Permission)
    }

    /// To whom, and how, a packet of `peer` that came to `relay` goes; `None` if it may not pass.
    #[must_use]
    pub fn peer(&self, relay: RelayId, peer: Endpoint) -> Option<(&Client, Header)> {
        let relay = self.relays.get(&relay)?;
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
        self.relays.get(&relay).map(|relay| &relay.client)
    }

    /// Whether the five-tuple has an allocation here.
    #[must_use]
    pub fn serves(&self, tuple: &FiveTuple) -> bool {
        self.clients.contains_key(tuple)
    }

    /// The relays of a client, at most two.
    pub fn relays(&self, tuple: &FiveTuple) -> impl Iterator<Item = RelayId> {
        self.clients.get(tuple).into_iter().flat_map(|relays| relays.iter())
    }

    /// How many relays there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.relays.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// Every permission and channel, for a listing.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        self.relays.iter().flat_map(|(id, relay)| {
            relay.lines.iter().map(|line| Flow {
                relay: *id,
                peer: endpoint(line),
                channel: (line.port != [0, 0]).then(|| number(line.channel)),
            })
        })
    }

    fn add_relay(&mut self, relay: RelayId, client: Client) {
        if self.relays.contains_key(&relay) {
            self.move_relay(relay, client);
            return;
        }
        self.relays.insert(relay, Relay { client, lines: Vec::new() });
        self.clients.entry(client.tuple).or_insert(Relays([Relays::NONE; 2])).add(relay);
    }

    fn move_relay(&mut self, id: RelayId, client: Client) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let from = std::mem::replace(&mut relay.client, client).tuple;
        if from == client.tuple {
            return;
        }
        for channel in relay.channels() {
            if let Some(value) = self.channels.remove(&key(from, channel)) {
                self.channels.insert(key(client.tuple, channel), value);
            }
        }
        self.forget_client(from, id);
        self.clients.entry(client.tuple).or_insert(Relays([Relays::NONE; 2])).add(id);
    }

    fn remove_relay(&mut self, id: RelayId) {
        let Some(relay) = self.relays.remove(&id) else { return };
        for channel in relay.channels() {
            self.channels.remove(&key(relay.client.tuple, channel));
        }
        self.forget_client(relay.client.tuple, id);
    }

    fn forget_client(&mut self, tuple: FiveTuple, relay: RelayId) {
        if let Some(relays) = self.clients.get_mut(&tuple) {
            relays.remove(relay);
            if relays.is_empty() {
                self.clients.remove(&tuple);
            }
        }
    }

    fn set_permission(&mut self, relay: RelayId, peer: IpAddr, permitted: bool) {
        let Some(relay) = self.relays.get_mut(&relay) else { return };
        let ip = octets(peer);
        if permitted {
            relay.insert(Line { ip, port: [0, 0], channel: [0, 0] });
        } else {
            relay.remove(ip, 0);
        }
        for channel in relay.channels_of(ip) {
            if let Some(value) = self.channels.get_mut(&key(relay.client.tuple, channel)) {
                value.permitted = permitted;
            }
        }
    }

    /// The newest binding of a channel or a peer replaces what was bound before, on either relay of the client.
    fn add_channel(&mut self, id: RelayId, channel: ChannelNumber, peer: Endpoint) {
        if peer.port() == 0 || channel.0 == 0 {
            return;
        }
        let Some(relay) = self.relays.get(&id) else { return };
        let tuple = relay.client.tuple;
        if let Some(old) = self.channels.get(&key(tuple, channel)).map(|value| value.relay) {
            self.remove_channel(old, channel);
        }
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let ip = octets(peer.ip());
        if let Some(old) = relay.remove(ip, peer.port()) {
            self.channels.remove(&key(tuple, number(old.channel)));
        }
        relay.insert(Line { ip, port: peer.port().to_be_bytes(), channel: channel.0.to_be_bytes() });
        let permitted = relay.permits(ip);
        let own = self.own.binary_search(&ip).is_ok();
        self.channels.insert(key(tuple, channel), ChannelValue { relay: id, peer, permitted, own });
    }

    fn remove_channel(&mut self, id: RelayId, channel: ChannelNumber) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let key = key(relay.client.tuple, channel);
        let Some(peer) = self.channels.get(&key).filter(|value| value.relay == id).map(|value| value.peer)
        else {
            return;
        };
        relay.remove(octets(peer.ip()), peer.port());
        self.channels.remove(&key);
    }
}

const fn key(tuple: FiveTuple, channel: ChannelNumber) -> ChannelKey {
    ChannelKey { tuple, channel: channel.0.to_be_bytes() }
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
