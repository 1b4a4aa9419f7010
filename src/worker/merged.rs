//! Datagrams of one peer that the kernel has merged (UDP_GRO): what is asked of the tables is asked once, what is
//! counted and limited is counted for each.
//!
//! Between the payloads is no room for a header. Each gets its own in the send batch's memory, and the kernel gathers
//! the two; no payload moves. Clients' merged datagrams need nothing of this: what is cut off leaves no gap to fill.

use std::net::SocketAddr;
use std::ops::Range;

use super::datapath;
use super::relays::Way;
use super::run::Worker;
use super::shortcut::Hop;
use crate::metrics::{Loss, Path};
use crate::net::udp::{HEADROOM, Packet, Payload};
use crate::quality::Direction;
use crate::route::{Client, Header, RelayId};

/// Where all of them go.
#[derive(Clone, Copy)]
struct Destination {
    relay: RelayId,
    peer: SocketAddr,
    client: Client,
    header: Header,
    hop: Hop,
}

impl Worker {
    /// RFC 8656 sections 11.3 and 12.7, for each of them.
    pub(super) fn peer_datagrams(&mut self, relay: RelayId, index: usize, packet: &Packet<'_>) {
        let destination = self.find_destination(relay, packet);
        let arrival = self.arrival(&packet.meta);
        for range in packet.segments() {
            self.counters.pass(Path::FromPeer, range.len());
            if let Ok(to) = &destination {
                let seen = packet.buffer.get(range.clone()).unwrap_or_default();
                if let Some(glance) = self.look(seen, arrival, Some(packet.meta.tos)) {
                    self.tap(relay, Direction::PeerToClient, to.peer, &glance);
                }
            }
            let sent = destination.and_then(|to| self.send_segment(&to, index, packet.buffer, range));
            if let Err(loss) = sent {
                self.lose_of(relay, loss, 1);
            }
        }
    }

    fn find_destination(&self, relay: RelayId, packet: &Packet<'_>) -> Result<Destination, Loss> {
        let peer = self.externals.attribute(packet.meta.source);
        let (client, header) = self.table.peer(relay, peer.into()).ok_or(Loss::PeerNotPermitted)?;
        let ttl = datapath::next_hop_limit(packet.meta.ttl)?;
        Ok(Destination { relay, peer, client: *client, header, hop: Hop { tos: packet.meta.tos, ttl } })
    }

    fn send_segment(
        &mut self,
        to: &Destination,
        index: usize,
        buffer: &[u8],
        range: Range<usize>,
    ) -> Result<(), Loss> {
        let length = range.len();
        self.check_rate(to.relay, Way::ToClient, length)?;
        if to.client.link.is_some() {
            let payload = buffer.get(range).ok_or(Loss::TooBig)?;
            return self.send_to_client(&to.client, to.header, to.peer, payload, to.hop);
        }
        self.send_gathered(&to.client, to.header, to.peer, (index, range), to.hop)
    }

    /// A payload that stays where it lies in a received slot, to a client over UDP. `hop` is what the packet leaves with.
    pub(super) fn send_gathered(
        &mut self,
        client: &Client,
        header: Header,
        peer: SocketAddr,
        (index, range): (usize, Range<usize>),
        hop: Hop,
    ) -> Result<(), Loss> {
        let length = range.len();
        let mut room = [0; HEADROOM];
        let transaction = self.next_transaction();
        let written = datapath::write_header(header, &mut room, length, peer, false, transaction);
        let (header_len, padding) = written.ok_or(Loss::TooBig)?;
        let header =
            HEADROOM.checked_sub(header_len).and_then(|start| room.get(start..)).ok_or(Loss::TooBig)?;
        let frame = Payload::Framed { header, index, range, padding };
        self.send_by_listener(client, frame, header_len + length + padding, hop)
    }
}
