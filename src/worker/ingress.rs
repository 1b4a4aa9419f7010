//! Datagrams from the sockets: clients' on the listeners, peers' on the relays.

use std::net::SocketAddr;
use std::ops::Range;

use super::datapath::{Arrival, Slot, Verdict};
use super::relays::RelaySocket;
use super::run::{Worker, token};
use crate::engine::Input;
use crate::metrics::{Loss, Path, Traffic};
use crate::net::poll::{Event, Interest};
use crate::net::udp::{Batch, Packet, UdpSocket};
use crate::route::{ListenerId, RelayId, Transport};
use crate::wire::demux::{Kind, classify};

/// Entries of a relay's error queue per turn.
const ERRORS: usize = 16;

impl Worker {
    /// What one of a listener's sockets usually has.
    pub(super) fn listener_ready(&mut self, at: usize, number: usize, batch: &mut Batch) {
        let Some(expected) = self.listener_socket(at, number).map(UdpSocket::expects) else { return };
        self.make_room(expected, batch);
        let Some(udp) = self.listener_socket(at, number) else { return };
        let received = receive(udp, batch);
        if let (Some(total), Some(listener)) = (batch.overflow(), self.listeners.get_mut(at)) {
            self.counters.lose_many(Loss::ReceiveOverflow, u64::from(listener.dropped(number, total)));
        }
        self.count_received(Traffic::FromClients, received.clone(), batch);
        for index in received {
            self.make_send_room(index, batch);
            if let Some(packet) = batch.packet(index) {
                for range in packet.segments() {
                    self.client_datagram(at, index, &packet, range);
                }
            }
        }
    }

    fn listener_socket(&self, at: usize, number: usize) -> Option<&UdpSocket> {
        self.listeners.get(at)?.socket(number)
    }

    /// Serves what the kernel gives to the socket of a worker that has died. The calls of the others stay where they are:
    /// were the socket closed, the kernel would deal out all of them anew.
    pub(super) fn adopt_socket(&mut self, listener: ListenerId, udp: UdpSocket) {
        let index = u64::from(listener.0);
        let Some(listener) = self.listeners.get_mut(usize::from(listener.0)) else { return };
        let number = listener.adopt(udp);
        let token = token::UDP | (number as u64) << 32 | index;
        let watched = listener.socket(number).map(|udp| self.poller.add(udp, token, Interest::READ));
        if !matches!(watched, Some(Ok(()))) {
            self.counters.lose(Loss::AcceptFailed);
        }
    }

    fn client_datagram(&mut self, at: usize, index: usize, packet: &Packet<'_>, range: Range<usize>) {
        let Some(listener) = self.listeners.get(at) else { return };
        let start = range.start;
        let Some(bytes) = packet.buffer.get(range) else { return };
        let meta = packet.meta;
        let server = SocketAddr::new(meta.destination, listener.port());
        let came = self.arrival(&meta);
        match classify(bytes, self.engine_settings.relay.legacy_channels) {
            Kind::Stun | Kind::ChannelData if listener.settings.speaks(Transport::Udp) => {
                let client = listener.client(Transport::Udp, meta.source, server, None);
                let arrival = Arrival { client, tos: meta.tos, ttl: Some(meta.ttl), at: came };
                let slot = Slot { index, start };
                self.client_bytes(&arrival, bytes, Some(slot));
            }
            Kind::Dtls if listener.dtls.is_some() => {
                let client = listener.client(Transport::Dtls, meta.source, server, None);
                let arrival = Arrival { client, tos: meta.tos, ttl: Some(meta.ttl), at: came };
                self.dtls_datagram(at, arrival, bytes);
            }
            Kind::Stun | Kind::ChannelData | Kind::Dtls => self.counters.lose(Loss::NotSpoken),
            Kind::Zrtp | Kind::Rtp | Kind::Quic | Kind::Unknown => self.counters.lose(Loss::UnknownProtocol),
        }
    }

    /// One message or media frame of a client, over whichever transport. `slot` is where it lies in the turn's batch, if it
    /// does.
    pub(super) fn client_bytes(&mut self, arrival: &Arrival, bytes: &[u8], slot: Option<Slot>) {
        self.counters.pass(Path::FromClient, bytes.len());
        match self.judge(&arrival.client, bytes) {
            Verdict::ToPeer(media) => self.send_to_peer(arrival, &media, bytes, slot),
            Verdict::Control => self.message(arrival, bytes),
            Verdict::Elsewhere(worker) => self.hand_over_datagram(worker, arrival, bytes),
            Verdict::Lost(loss) => self.lose_of_client(&arrival.client, loss),
        }
    }

    /// A message for the engine. For a client with a connection the caller looks at `forward` afterwards.
    fn message(&mut self, arrival: &Arrival, bytes: &[u8]) {
        self.feed(Input::Message { client: arrival.client, bytes });
        if arrival.client.link.is_none()
            && let Some(worker) = self.forward.take()
        {
            self.hand_over_datagram(worker, arrival, bytes);
        }
    }

    /// What a relay usually has, or its errors, or its connections.
    pub(super) fn relay_ready(&mut self, id: RelayId, event: Event, batch: &mut Batch) {
        let Some(relay) = self.relays.get(id) else { return };
        let RelaySocket::Udp(udp) = &relay.socket else {
            self.accept_peers(id);
            return;
        };
        let expected = udp.expects();
        if event.error {
            let udp = udp.clone();
            self.read_errors(id, &udp);
        }
        if !event.readable {
            return;
        }
        self.make_room(expected, batch);
        let Some(udp) = self.relays.get(id).and_then(|relay| relay.udp()) else { return };
        let received = receive(udp, batch);
        if let (Some(total), Some(relay)) = (batch.overflow(), self.relays.get_mut(id)) {
            let fresh = total.wrapping_sub(std::mem::replace(&mut relay.overflow, total));
            if fresh > 0 {
                self.lose_of(id, Loss::ReceiveOverflow, u64::from(fresh));
            }
        }
        self.count_received(Traffic::FromPeers, received.clone(), batch);
        for index in received {
            self.make_send_room(index, batch);
            match batch.packet(index) {
                Some(packet) if packet.segment.is_some() => self.peer_datagrams(id, index, &packet),
                Some(packet) => self.peer_datagram(id, index, packet),
                None => {}
            }
        }
    }

    /// What the network said about packets to peers (RFC 8656 section 11.5).
    fn read_errors(&mut self, relay: RelayId, udp: &UdpSocket) {
        for _ in 0..ERRORS {
            let Ok(Some(error)) = udp.recv_error() else { return };
            let peer = self.externals.attribute(error.peer).into();
            self.feed(Input::PeerUnreachable { relay, peer, icmp: error.icmp });
        }
    }

    /// Room for `expected` more datagrams behind what other sockets have brought during this turn.
    fn make_room(&mut self, expected: usize, batch: &mut Batch) {
        if expected > batch.free() {
            self.flush_media(batch);
        }
    }

    /// Room to send all that was merged in a slot.
    fn make_send_room(&mut self, index: usize, batch: &mut Batch) {
        if batch.packet(index).is_some_and(|packet| packet.datagrams() > self.sends.free()) {
            self.flush_sends(batch);
        }
    }

    fn count_received(&self, traffic: Traffic, received: Range<usize>, batch: &mut Batch) {
        let (mut datagrams, mut merged) = (0, 0);
        for packet in received.filter_map(|index| batch.packet(index).map(|packet| packet.datagrams() as u64))
        {
            datagrams += packet;
            merged += if packet > 1 { packet } else { 0 };
        }
        self.counters.batch(traffic, 1, datagrams, merged);
    }

    /// Sends the media of the datagrams in `batch`, whose room is free then.
    pub(super) fn flush_media(&mut self, batch: &mut Batch) {
        self.flush_sends(batch);
        batch.clear();
    }

    fn flush_sends(&mut self, batch: &Batch) {
        if !self.sends.is_empty() {
            let stats = self.sends.flush(batch);
            self.count_sends(stats);
        }
    }
}

/// An error here is none that a datagram could cause; the socket will be reported again.
fn receive(udp: &UdpSocket, batch: &mut Batch) -> Range<usize> {
    udp.recv_usual(batch).unwrap_or_default()
}
