//! The short cut: media from one client of this relay to another does not leave the process between the two relayed
//! addresses.
//!
//! Two calls into the kernel and a wake-up less for each packet, and nothing else may differ: both relays count it, take a
//! hop off it, hold their rates and ask their permissions. What the first relay's client may send has been judged when a
//! packet comes here. Whether it may come in is decided by the other relay's table, asked with our relayed address as
//! its client knows it, the one outside a NAT.
//!
//! Where the other relay is another worker's, that one has been asked before and its answer is a lease
//! ([`super::leases`]).
//!
//! Only channels and Send indications to one of our own relayed addresses come here at all: the table marks them. What
//! cannot take the short cut, for whichever reason, goes through the sockets.

use std::net::SocketAddr;
use std::ops::Range;

use super::datapath::{self, Media, Slot};
use super::leases::{Ask, Grant, Granted};
use super::mailbox::Transfer;
use super::owners::Stamp;
use super::relays::Way;
use super::run::Worker;
use crate::metrics::{Loss, Path};
use crate::net::udp::{HEADROOM, SendHeader};
use crate::quality::{Direction, Glance};
use crate::route::{Client, Header, RelayId, Transport};

/// What a datagram over IPv4 carries at most; more cannot pass between two sockets.
const LONGEST: usize = 65_507;
/// For the padding behind a payload.
const PADDING: usize = 3;

/// What the first relay's packet says in its IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    /// DSCP and ECN.
    pub(super) tos: u8,
    /// Hop limit.
    pub(super) ttl: u8,
}

/// A payload on its way.
#[derive(Clone, Debug)]
pub(super) struct Cargo<'a> {
    payload: &'a [u8],
    /// Where it lies, if that is a received slot: then it stays there until it is sent.
    slot: Option<(usize, Range<usize>)>,
    /// What was seen of it, if anybody looks.
    glance: Option<Glance>,
}

impl<'a> Cargo<'a> {
    /// The payload of a client's message.
    pub(super) fn new(
        message: &'a [u8],
        media: &Media,
        slot: Option<Slot>,
        glance: Option<Glance>,
    ) -> Option<Self> {
        let Range { start, end } = media.payload;
        let within =
            |slot: Slot| (slot.index, slot.start.saturating_add(start)..slot.start.saturating_add(end));
        Some(Self { payload: message.get(start..end)?, slot: slot.map(within), glance })
    }

    /// What the second relay sees: what leaves the first.
    fn leaving(&self, hop: Hop) -> Option<Glance> {
        self.glance.map(|glance| Glance { tos: Some(hop.tos), ..glance })
    }
}

impl Worker {
    /// Takes the short cut if there is one. The first relay has admitted the packet and not counted it yet.
    pub(super) fn short_cut(
        &mut self,
        media: &Media,
        cargo: &Cargo<'_>,
        hop: Hop,
    ) -> Option<Result<(), Loss>> {
        let length = cargo.payload.len();
        if !self.settings.media.shortcut || length > LONGEST {
            return None;
        }
        let to = self.externals.route(media.peer);
        let stamp = self.homes.look(to)?;
        let socket = self.relays.get(media.relay)?.udp()?.local_addr();
        let from = self.externals.attribute(socket);
        if stamp.worker()? == self.index {
            let other = self.relays.at(stamp.place())?;
            self.count_short_cut(length);
            return Some(self.come_in(other, from, cargo, hop));
        }
        let Granted { relay, client, header, .. } = self.lease(media.relay, socket, to, stamp)?;
        self.count_short_cut(length);
        self.report(stamp.worker()?, relay, from, length, cargo.leaving(hop));
        let sent = datapath::next_hop_limit(hop.ttl)
            .and_then(|ttl| self.deliver(&client, header, from, cargo, Hop { ttl, ..hop }));
        Some(sent)
    }

    /// Out of one relay and into the other.
    fn count_short_cut(&self, bytes: usize) {
        self.counters.pass(Path::ToPeer, bytes);
        self.counters.pass(Path::FromPeer, bytes);
        self.counters.shortcuts.add(1);
    }

    /// What another worker has granted, asking it where that is due.
    fn lease(&mut self, relay: RelayId, from: SocketAddr, to: SocketAddr, stamp: Stamp) -> Option<Granted> {
        if self.holds_rates() {
            return None;
        }
        let found = self.leases.look(relay, to, stamp, self.now.time);
        if found.ask {
            self.tell(stamp.worker()?, Transfer::Ask(Ask { holder: self.index, relay, from, to }));
        }
        found.granted
    }

    /// The buckets of an allocation and of a user are its own worker's.
    fn holds_rates(&self) -> bool {
        let limits = &self.engine_settings.limits;
        limits.session_bandwidth.is_some() || limits.user_bandwidth.is_some()
    }

    /// Another worker asks what may come in here. No answer is a refusal.
    pub(super) fn answer(&self, ask: &Ask) {
        if let Some(granted) = self.grant(ask) {
            self.tell(ask.holder, Transfer::Grant(Grant { relay: ask.relay, to: ask.to, granted }));
        }
    }

    /// As for a packet that comes from there to the socket.
    fn grant(&self, ask: &Ask) -> Option<Granted> {
        if !self.settings.media.shortcut || self.holds_rates() {
            return None;
        }
        let stamp = self.homes.look(ask.to).filter(|stamp| stamp.worker() == Some(self.index))?;
        let relay = self.relays.at(stamp.place())?;
        let (client, header) = self.table.peer(relay, self.externals.attribute(ask.from).into())?;
        let is_plain = client.link.is_none() && client.tuple.transport == Transport::Udp;
        is_plain.then_some(Granted { stamp, relay, client: *client, header })
    }

    /// What does not fit its mailbox is asked again some time.
    fn tell(&self, worker: u8, transfer: Transfer) {
        let mailbox = self.mailboxes.get(usize::from(worker));
        if !mailbox.is_some_and(|mailbox| mailbox.transfer(transfer)) {
            self.counters.lose(Loss::MailboxFull);
        }
    }

    /// What the other relay does with it: as in `datapath`, for a packet that came by the network.
    fn come_in(&mut self, relay: RelayId, from: SocketAddr, cargo: &Cargo<'_>, hop: Hop) -> Result<(), Loss> {
        let (client, header) = self.table.peer(relay, from.into()).ok_or(Loss::PeerNotPermitted)?;
        let (client, header) = (*client, header);
        if let Some(glance) = cargo.leaving(hop) {
            self.tap(relay, Direction::PeerToClient, from, &glance);
        }
        let ttl = datapath::next_hop_limit(hop.ttl)?;
        self.check_rate(relay, Way::ToClient, cargo.payload.len())?;
        self.deliver(&client, header, from, cargo, Hop { ttl, ..hop })
    }

    fn deliver(
        &mut self,
        client: &Client,
        header: Header,
        from: SocketAddr,
        cargo: &Cargo<'_>,
        hop: Hop,
    ) -> Result<(), Loss> {
        match &cargo.slot {
            Some(slot) if client.link.is_none() => {
                self.send_gathered(client, header, from, slot.clone(), hop)
            }
            Some(_) | None => self.send_to_client(client, header, from, cargo.payload, hop),
        }
    }

    /// A payload that lies somewhere else than in a received slot of its own, to a client over any transport. `hop` is what
    /// the packet leaves with.
    pub(super) fn send_to_client(
        &mut self,
        client: &Client,
        header: Header,
        from: SocketAddr,
        payload: &[u8],
        hop: Hop,
    ) -> Result<(), Loss> {
        let mut buffer = std::mem::take(&mut self.frame);
        buffer.clear();
        buffer.resize(HEADROOM, 0);
        buffer.extend_from_slice(payload);
        self.counters.copied.add(payload.len() as u64);
        buffer.resize(buffer.len().saturating_add(PADDING), 0);
        let sent = self.send_framed(client, header, from, &mut buffer, hop);
        self.frame = buffer;
        sent
    }

    fn send_framed(
        &mut self,
        client: &Client,
        header: Header,
        from: SocketAddr,
        buffer: &mut [u8],
        hop: Hop,
    ) -> Result<(), Loss> {
        let payload = HEADROOM..buffer.len().saturating_sub(PADDING);
        let is_stream = client.tuple.transport.is_stream();
        let transaction = self.next_transaction();
        let range = datapath::prepend(header, buffer, payload, from, is_stream, transaction);
        let frame = range.and_then(|range| buffer.get(range)).ok_or(Loss::TooBig)?;
        if let Some(link) = client.link {
            return self.send_media_to_link(link, frame);
        }
        let listener = self.listeners.get(usize::from(client.listener.0)).ok_or(Loss::NoAllocation)?;
        let header = SendHeader {
            destination: client.tuple.client.socket_addr(),
            source: listener.answer_from(client.tuple.server.ip()),
            tos: self.mark(Path::ToClient, client.listener, hop.tos),
            ttl: Some(hop.ttl),
            dont_fragment: false,
        };
        self.send_datagram(client.listener, header, frame);
        Ok(())
    }

    /// Where relayed addresses may lie, from the start or a reload on.
    pub(super) fn learn_homes(&mut self) {
        let addresses = &self.engine_settings.relay.addresses;
        for address in addresses {
            self.homes.add(self.directory.owners(), address.bind);
        }
        self.table.set_own(addresses.iter().flat_map(|address| [address.bind, address.external]));
        // What has been granted, here and by others, was so under other settings.
        self.leases.clear();
        for relay in self.relays.ids() {
            self.touch_home(relay);
        }
    }

    /// A relay's socket is open.
    pub(super) fn enter_home(&self, relay: RelayId) {
        if let Some(udp) = self.relays.get(relay).and_then(|relay| relay.udp()) {
            self.homes.enter(udp.local_addr(), relay);
        }
    }

    /// It is about to close.
    pub(super) fn leave_home(&mut self, relay: RelayId) {
        self.leases.forget(relay);
        if let Some(udp) = self.relays.get(relay).and_then(|relay| relay.udp()) {
            self.homes.leave(udp.local_addr());
        }
    }

    /// What may pass a relay is about to change: nothing that others know of it holds any more.
    pub(super) fn touch_home(&self, relay: RelayId) {
        if let Some(udp) = self.relays.get(relay).and_then(|relay| relay.udp()) {
            self.homes.touch(udp.local_addr());
        }
    }
}
