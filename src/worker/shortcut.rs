//! The short cut: media from one client of this relay to another does not leave the process between the two relayed
//! addresses.
//!
//! Two calls into the kernel and a wake-up less for each packet, and nothing else may differ: both relays count it, take a
//! hop off it, hold their rates and ask their permissions. What the first relay's client may send has been judged when a
//! packet comes here. Whether it may come in is decided by the other relay's table, asked with our relayed address as
//! its client knows it, the one outside a NAT.
//!
//! Only channels and Send indications to one of our own relayed addresses come here at all: the table marks them. What
//! cannot take the short cut, for whichever reason, goes through the sockets.

use std::net::SocketAddr;

use super::counters::{Loss, Path};
use super::datapath::{self, Media};
use super::relays::Way;
use super::run::Worker;
use crate::net::udp::{HEADROOM, SendHeader};
use crate::route::{Client, Delta, Header, RelayId};

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

impl Worker {
    /// Takes the short cut if there is one. The first relay has admitted the packet and not counted it yet.
    pub(super) fn short_cut(&mut self, media: &Media, payload: &[u8], hop: Hop) -> Option<Result<(), Loss>> {
        if !self.settings.media.shortcut || payload.len() > LONGEST {
            return None;
        }
        let stamp = self.homes.look(self.externals.route(media.peer))?;
        if stamp.worker()? != self.index {
            return None;
        }
        let other = self.relays.at(stamp.place())?;
        let from = self.externals.attribute(self.relays.get(media.relay)?.udp()?.local_addr());
        self.counters.pass(Path::ToPeer, payload.len());
        self.counters.pass(Path::FromPeer, payload.len());
        self.counters.shortcuts.add(1);
        Some(self.come_in(other, from, payload, hop))
    }

    /// What the other relay does with it: as in `datapath`, for a packet that came by the network.
    fn come_in(&mut self, relay: RelayId, from: SocketAddr, payload: &[u8], hop: Hop) -> Result<(), Loss> {
        let (client, header) = self.table.peer(relay, from.into()).ok_or(Loss::PeerNotPermitted)?;
        let (client, header) = (*client, header);
        let ttl = datapath::next_hop_limit(hop.ttl)?;
        self.check_rate(relay, Way::ToClient, payload.len())?;
        self.send_to_client(&client, header, from, payload, Hop { ttl, ..hop })
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
            tos: datapath::datagram_tos(&self.settings.media, hop.tos),
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
    }

    /// A relay's socket is open.
    pub(super) fn enter_home(&self, relay: RelayId) {
        if let Some(udp) = self.relays.get(relay).and_then(|relay| relay.udp()) {
            self.homes.enter(udp.local_addr(), relay);
        }
    }

    /// It is about to close.
    pub(super) fn leave_home(&self, relay: RelayId) {
        if let Some(udp) = self.relays.get(relay).and_then(|relay| relay.udp()) {
            self.homes.leave(udp.local_addr());
        }
    }

    /// What may pass a relay is about to change: nothing that others know of it holds any more.
    pub(super) fn touch_home(&self, delta: &Delta) {
        if let Some(udp) = self.relays.get(delta.relay()).and_then(|relay| relay.udp()) {
            self.homes.touch(udp.local_addr());
        }
    }
}
