//! Media: a look into the route table, a header edited in place, a send. No allocation, and between datagrams
//! no copy.

use std::net::SocketAddr;
use std::ops::Range;

use super::dscp::ECN;
use super::relays::Way;
use super::run::{Link, Worker};
use super::shortcut::{Cargo, Hop};
use super::stream::Stage;
use crate::metrics::{Loss, Path};
use crate::net::udp::{Packet, Payload, SendHeader};
use crate::quality::{Direction, Glance};
use crate::route::{ChannelValue, Client, Endpoint, Header, LinkId, ListenerId, Miss, RelayId, Transport};
use crate::time::Time;
use crate::wire::channel_data::{self, HEADER_LEN};
use crate::wire::stun::{self, TransactionId};

/// The first two bytes of a Send indication.
const SEND_INDICATION: [u8; 2] = [0x00, 0x16];

/// Whose bytes these are, and what the IP header of their datagram said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) client: Client,
    /// DSCP and ECN.
    pub(super) tos: u8,
    /// None for a stream, whose segments' headers nobody sees.
    pub(super) ttl: Option<u8>,
    /// When it came, as nearly as is known.
    pub(super) at: Time,
}

/// Where in the received batch a client's message lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) index: usize,
    pub(super) start: usize,
}

/// A payload for a peer.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) relay: RelayId,
    pub(super) peer: SocketAddr,
    /// Within the message.
    pub(super) payload: Range<usize>,
    pub(super) dont_fragment: bool,
    /// The peer's address is one of our own relayed addresses.
    pub(super) own: bool,
}

/// What becomes of a client's message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Relay it.
    ToPeer(Media),
    /// Ask the engine.
    Control,
    /// Another worker serves this client.
    Elsewhere(u8),
    /// Drop it.
    Lost(Loss),
}

/// Why media has no way.
#[derive(Clone, Copy, Debug)]
enum Unroutable {
    /// The client has no allocation with this worker.
    Stranger,
    Lost(Loss),
}

impl From<Miss> for Unroutable {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Client => Self::Stranger,
            Miss::Channel => Self::Lost(Loss::NoChannel),
            Miss::Permission => Self::Lost(Loss::NoPermission),
        }
    }
}

impl Worker {
    /// What a client's message is, and where it goes.
    pub(super) fn judge(&self, client: &Client, bytes: &[u8]) -> Verdict {
        let verdict = match bytes.first() {
            Some(first) if *first < 4 => {
                if bytes.starts_with(&SEND_INDICATION) {
                    self.judge_send(client, bytes)
                } else if self.table.serves(&client.tuple) {
                    return Verdict::Control;
                } else {
                    Err(Unroutable::Stranger)
                }
            }
            Some(_) => self.judge_channel_data(client, bytes),
            None => return Verdict::Lost(Loss::UnknownProtocol),
        };
        match verdict {
            Ok(media) => self.check_link(client, media),
            Err(Unroutable::Lost(loss)) => Verdict::Lost(loss),
            Err(Unroutable::Stranger) => self.judge_stranger(client, bytes),
        }
    }

    /// A permission covers every port of an address, the policy may not.
    fn judge_send(&self, client: &Client, bytes: &[u8]) -> Result<Media, Unroutable> {
        let send = stun::send_indication(bytes).ok_or(Unroutable::Lost(Loss::SendIndication))?;
        let relay = self.table.send(&client.tuple, send.peer.ip())?;
        let peer = self.engine_settings.peers.check_port(Endpoint::from(send.peer).socket_addr());
        let peer = peer.map_err(|_| Unroutable::Lost(Loss::PeerDenied))?;
        let own = self.table.is_own(peer.ip());
        Ok(Media { relay, peer, payload: send.data, dont_fragment: send.dont_fragment, own })
    }

    fn judge_channel_data(&self, client: &Client, bytes: &[u8]) -> Result<Media, Unroutable> {
        let parsed = channel_data::parse(bytes);
        let (channel, payload) = parsed.map_err(|_| Unroutable::Lost(Loss::ChannelData))?;
        let ChannelValue { relay, peer, own } = self.table.channel(&client.tuple, channel)?;
        Ok(Media { relay, peer: peer.socket_addr(), payload, dont_fragment: false, own })
    }

    /// Behind a proxy two connections may claim the same five-tuple: only the one that made the allocation uses it.
    fn check_link(&self, client: &Client, media: Media) -> Verdict {
        if client.link.is_some() && self.table.client(media.relay).is_some_and(|own| own.link != client.link)
        {
            return Verdict::Lost(Loss::NoAllocation);
        }
        Verdict::ToPeer(media)
    }

    /// Nobody this worker serves.
    fn judge_stranger(&self, client: &Client, bytes: &[u8]) -> Verdict {
        let datagrams = client.tuple.transport == Transport::Udp && !self.from_mailbox;
        match self.directory.find(&client.tuple).filter(|worker| datagrams && *worker != self.index) {
            Some(worker) => Verdict::Elsewhere(worker),
            None if bytes.first().is_some_and(|first| *first < 4) && !bytes.starts_with(&SEND_INDICATION) => {
                Verdict::Control
            }
            None => Verdict::Lost(Loss::NoAllocation),
        }
    }

    /// RFC 8656 sections 11.2, 12.6 and 16.
    pub(super) fn send_to_peer(
        &mut self,
        arrival: &Arrival,
        media: &Media,
        bytes: &[u8],
        slot: Option<Slot>,
    ) {
        let payload = bytes.get(media.payload.clone()).unwrap_or_default();
        let glance = self.look(payload, arrival.at, arrival.ttl.map(|_| arrival.tos));
        if let Some(glance) = &glance {
            self.tap(media.relay, Direction::ClientToPeer, media.peer, glance);
        }
        if let Err(loss) = self.try_send_to_peer(arrival, media, bytes, slot, glance) {
            self.lose_of(media.relay, loss, 1);
        }
    }

    fn try_send_to_peer(
        &mut self,
        arrival: &Arrival,
        media: &Media,
        bytes: &[u8],
        slot: Option<Slot>,
        glance: Option<Glance>,
    ) -> Result<(), Loss> {
        let (tos, ttl) = match arrival.ttl {
            Some(ttl) => {
                (self.mark(Path::ToPeer, arrival.client.listener, arrival.tos), next_hop_limit(ttl)?)
            }
            None => (arrival.tos & !ECN, self.settings.media.hop_limit),
        };
        let length = media.payload.len();
        self.check_rate(media.relay, Way::ToPeer, length)?;
        if media.own
            && let Some(cargo) = Cargo::new(bytes, media, slot, glance)
            && let Some(done) = self.short_cut(media, &cargo, Hop { tos, ttl })
        {
            return done;
        }
        if slot.is_none() && self.copies.is_full() {
            self.flush_copies();
        }
        let udp = self.relays.get(media.relay).and_then(|relay| relay.udp()).ok_or(Loss::NoAllocation)?;
        let destination = self.externals.route(media.peer);
        let header =
            SendHeader { destination, source: None, tos, ttl: Some(ttl), dont_fragment: media.dont_fragment };
        match slot {
            Some(Slot { index, start }) => {
                let range =
                    start.saturating_add(media.payload.start)..start.saturating_add(media.payload.end);
                self.sends.push(udp, header, Payload::Slot { index, range });
            }
            None => {
                let payload = bytes.get(media.payload.clone()).ok_or(Loss::ChannelData)?;
                self.copies.push(udp, header, Payload::Copy(payload));
                self.counters.copied.add(length as u64);
            }
        }
        self.counters.pass(Path::ToPeer, length);
        Ok(())
    }

    /// Whether a payload may pass under the rates that hold; one that may is counted as passed.
    pub(super) fn check_rate(&self, relay: RelayId, way: Way, bytes: usize) -> Result<(), Loss> {
        let limits = &self.engine_settings.limits;
        let relay = self.relays.get(relay).ok_or(Loss::NoAllocation)?;
        if !relay.session_admits(limits.session_bandwidth, way, self.now.time, bytes) {
            return Err(Loss::SessionRate);
        }
        if !relay.owner_admits(limits.user_bandwidth, way, self.now.time, bytes) {
            return Err(Loss::OwnerRate);
        }
        relay.passed.add(way, bytes);
        Ok(())
    }

    /// RFC 8656 sections 11.3 and 12.7.
    pub(super) fn peer_datagram(&mut self, relay: RelayId, index: usize, packet: Packet<'_>) {
        self.counters.pass(Path::FromPeer, packet.payload.len());
        if let Err(loss) = self.try_send_to_client(relay, index, packet) {
            self.lose_of(relay, loss, 1);
        }
    }

    fn try_send_to_client(&mut self, relay: RelayId, index: usize, packet: Packet<'_>) -> Result<(), Loss> {
        let Packet { meta, buffer, payload, .. } = packet;
        let peer = self.externals.attribute(meta.source);
        let (client, header) = self.table.peer(relay, peer.into()).ok_or(Loss::PeerNotPermitted)?;
        let (client, header) = (*client, header);
        let seen = buffer.get(payload.clone()).unwrap_or_default();
        if let Some(glance) = self.look(seen, self.arrival(&meta), Some(meta.tos)) {
            self.tap(relay, Direction::PeerToClient, peer, &glance);
        }
        let ttl = next_hop_limit(meta.ttl)?;
        self.check_rate(relay, Way::ToClient, payload.len())?;
        let is_stream = client.tuple.transport.is_stream();
        let transaction = self.next_transaction();
        let range = prepend(header, buffer, payload, peer, is_stream, transaction).ok_or(Loss::TooBig)?;
        let Some(link) = client.link else {
            let length = range.len();
            let hop = Hop { tos: meta.tos, ttl };
            return self.send_by_listener(&client, Payload::Slot { index, range }, length, hop);
        };
        let frame = buffer.get(range).ok_or(Loss::TooBig)?;
        self.send_media_to_link(link, frame)
    }

    /// A frame of `length` bytes to a client over UDP. `hop` has the hop limit that it leaves with.
    pub(super) fn send_by_listener(
        &mut self,
        client: &Client,
        frame: Payload<'_>,
        length: usize,
        hop: Hop,
    ) -> Result<(), Loss> {
        let listener = self.listeners.get(usize::from(client.listener.0)).ok_or(Loss::NoAllocation)?;
        let udp = listener.udp.as_ref().ok_or(Loss::NoAllocation)?;
        let header = SendHeader {
            destination: client.tuple.client.socket_addr(),
            source: listener.answer_from(client.tuple.server.ip()),
            tos: self.mark(Path::ToClient, client.listener, hop.tos),
            ttl: Some(hop.ttl),
            dont_fragment: false,
        };
        self.counters.pass(Path::ToClient, length);
        self.sends.push(udp, header, frame);
        Ok(())
    }

    /// What a datagram leaves with that came with `tos`; `path` is where it goes.
    pub(super) fn mark(&self, path: Path, listener: ListenerId, tos: u8) -> u8 {
        let leaving = self.settings.datagram_tos(listener, tos);
        if (leaving ^ tos) & !ECN != 0 {
            self.counters.remark(path);
        }
        leaving
    }

    pub(super) fn send_media_to_link(&mut self, id: LinkId, frame: &[u8]) -> Result<(), Loss> {
        self.counters.copied.add(frame.len() as u64);
        let now = self.now.time;
        match self.links.get_mut(id.0) {
            Some(Link::Stream(stream)) if stream.stage == Stage::Open => {
                let deadline = now + self.settings.streams.media_deadline;
                // What it drops it counts itself; the flush at the end of the turn reads that.
                if stream.out.push_media(now, frame, deadline) {
                    self.counters.pass(Path::ToClient, frame.len());
                }
                self.mark_dirty(id);
                Ok(())
            }
            Some(Link::Dtls(_)) => {
                self.dtls_send(id, frame);
                Ok(())
            }
            Some(Link::Stream(_)) | None => Err(Loss::NoAllocation),
        }
    }

    /// Indications are answered by nobody, so their identifiers need only be unlike each other.
    pub(super) fn next_transaction(&mut self) -> TransactionId {
        self.indications = self.indications.wrapping_add(1);
        let mut id = [self.index; 12];
        id.iter_mut().zip(self.indications.to_be_bytes()).for_each(|(to, from)| *to = from);
        TransactionId(id)
    }
}

/// A relay counts as a hop (RFC 8656 section 16).
pub(super) fn next_hop_limit(ttl: u8) -> Result<u8, Loss> {
    ttl.checked_sub(1).filter(|left| *left > 0).ok_or(Loss::HopLimit)
}

/// Puts the client's header before `payload` and padding behind it where that belongs; where all of it lies.
pub(super) fn prepend(
    header: Header,
    buffer: &mut [u8],
    payload: Range<usize>,
    peer: SocketAddr,
    is_stream: bool,
    transaction: TransactionId,
) -> Option<Range<usize>> {
    let headroom = buffer.get_mut(..payload.start)?;
    let (header_len, padding) = write_header(header, headroom, payload.len(), peer, is_stream, transaction)?;
    let end = payload.end.checked_add(padding)?;
    buffer.get_mut(payload.end..end)?.fill(0);
    Some(payload.start.checked_sub(header_len)?..end)
}

/// Writes the client's header for a payload of `length` bytes to the end of `headroom`; how many bytes it has, and how
/// many of padding belong behind the payload.
pub(super) fn write_header(
    header: Header,
    headroom: &mut [u8],
    length: usize,
    peer: SocketAddr,
    is_stream: bool,
    transaction: TransactionId,
) -> Option<(usize, usize)> {
    let (header_len, is_padded) = match header {
        Header::Channel(number) => {
            channel_data::write_header(headroom.last_chunk_mut()?, number, u16::try_from(length).ok()?);
            (HEADER_LEN, is_stream)
        }
        Header::Data => (stun::write_data_indication_header(headroom, transaction, peer, length)?, true),
    };
    Some((header_len, if is_padded { stun::padding(length) } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::channel_data::ChannelNumber;
    use crate::wire::stun::{Message, Method};

    const ID: TransactionId = TransactionId([7; 12]);

    #[test]
    fn the_last_hop_is_not_exceeded() {
        assert_eq!(next_hop_limit(64), Ok(63));
        assert_eq!(next_hop_limit(2), Ok(1));
        assert_eq!(next_hop_limit(1), Err(Loss::HopLimit));
        assert_eq!(next_hop_limit(0), Err(Loss::HopLimit));
    }

    #[test]
    fn channel_data_is_padded_on_streams_only() {
        let peer = "192.0.2.1:9".parse().unwrap();
        for (is_stream, expected) in [(false, 60..69), (true, 60..72)] {
            let mut buffer = [0xff; 128];
            let range =
                prepend(Header::Channel(ChannelNumber(0x4001)), &mut buffer, 64..69, peer, is_stream, ID);
            assert_eq!(range, Some(expected.clone()));
            assert_eq!(buffer[60..64], [0x40, 1, 0, 5]);
            assert!(buffer[69..expected.end].iter().all(|byte| *byte == 0));
            assert_eq!(buffer[expected.end], 0xff);
        }
    }

    #[test]
    fn a_data_indication_is_well_formed_for_both_families() {
        for peer in ["192.0.2.1:9", "[2001:db8::1]:9"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let mut buffer = [0xaa; 160];
            let range = prepend(Header::Data, &mut buffer, 64..69, peer, false, ID).unwrap();
            let message = Message::parse(&buffer[range]).unwrap();
            assert_eq!(message.method(), Method::DATA);
            assert_eq!(message.xor_peer_address().unwrap(), Some(peer));
            assert_eq!(message.data(), Some(&[0xaa; 5][..]));
        }
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let peer = "192.0.2.1:9".parse().unwrap();
        let mut buffer = [0; 70];
        assert_eq!(prepend(Header::Data, &mut buffer, 8..12, peer, false, ID), None);
        assert_eq!(prepend(Header::Data, &mut buffer, 64..69, peer, false, ID), None);
        let mut huge = vec![0; 70_000];
        assert_eq!(prepend(Header::Data, &mut huge, 64..65_590, peer, false, ID), None);
    }
}
