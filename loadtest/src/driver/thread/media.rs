//! Packets: sending what is due, recognising what has come.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::Ordering;

use tern::wire::channel_data::{self, ChannelNumber};
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, padding};

use super::{Generator, TURNS};
use crate::client::{CHANNEL, Fault};
use crate::clock::{self, Nanos};
use crate::driver::Work;
use crate::driver::link::Sent;
use crate::driver::slot::Phase;
use crate::failure::Failure;
use crate::media::{Stamp, Way};
use crate::plan::Pairing;

/// Who is later than this gives up what was due: an open loop that never catches up measures only itself.
const GIVE_UP: u64 = 1_000_000_000;

/// Batches that are read from the peer's socket before others get their turn.
const BATCHES: usize = 8;

impl Generator {
    /// Sends what is due.
    pub(super) fn send_due(&mut self, now: Nanos) -> Result<(), Failure> {
        let Some(running) = self.running.as_mut().filter(|one| one.sending && one.job.work == Work::Media)
        else {
            return Ok(());
        };
        let (until, burst) = (running.job.until, running.job.profile.burst);
        let counting = running.counting;
        if now.since(running.schedule.due()) > GIVE_UP {
            let skipped = running.schedule.skip_to(now) * burst as u64;
            self.tally.skipped += if counting { skipped } else { 0 };
        }
        for _ in 0..TURNS {
            let Some(running) = &mut self.running else { break };
            let due = running.schedule.due();
            let now = clock::now();
            if due > now || due >= until {
                break;
            }
            let flow = running.schedule.take();
            if counting {
                let late = now.since(due);
                self.tally.lateness.record(late);
                self.share.progress.highest_lateness.fetch_max(late, Ordering::Relaxed);
            }
            self.send_burst(flow, burst, counting, now)?;
        }
        self.flush_trains(counting);
        let refused = self.peer.flush();
        self.refuse_down(refused, counting);
        Ok(())
    }

    /// Hands clients' bursts to the kernel.
    fn flush_trains(&mut self, counting: bool) {
        if self.trains.is_empty() {
            return;
        }
        // All is copied: no slot of a received batch is sent.
        let stats = self.trains.flush(&self.arrived);
        if counting {
            let refused = stats.full + stats.too_long + stats.unreachable + stats.refused;
            self.tally.refused += refused;
            self.tally.up.sent = self.tally.up.sent.saturating_sub(refused);
        }
    }

    fn refuse_down(&mut self, refused: u64, counting: bool) {
        if counting {
            self.tally.refused += refused;
            self.tally.down.sent = self.tally.down.sent.saturating_sub(refused);
        }
    }

    fn send_burst(&mut self, flow: u64, burst: usize, counting: bool, now: Nanos) -> Result<(), Failure> {
        let load = &self.share.load;
        let both = load.pairing == Pairing::Peer && load.direction.up() && load.direction.down();
        let (index, is_down) = match (load.pairing, both) {
            (Pairing::Peer, true) => (flow / 2, flow % 2 == 1),
            (Pairing::Peer, false) => (flow, load.direction.down()),
            (Pairing::Echo | Pairing::RelayToRelay, _) => (flow, false),
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get(index) else { return Ok(()) };
        if !slot.is_ready() {
            return Ok(());
        }
        // A pair that is only half there cannot receive.
        if self.share.load.pairing == Pairing::RelayToRelay && !self.has_ready_partner(index) {
            return Ok(());
        }
        for _ in 0..burst {
            if is_down {
                self.send_down(index, counting, now)
            } else {
                self.send_up(index, burst, counting, now)?
            }
        }
        self.share.progress.sent.fetch_add(burst as u64, Ordering::Relaxed);
        Ok(())
    }

    fn has_ready_partner(&self, index: usize) -> bool {
        let own = self.slots.get(index).and_then(|slot| slot.relayed);
        let partner = self.slots.get(Self::partner(index));
        // Only one that knows this session's present address takes its packets.
        partner.is_some_and(|partner| partner.is_ready() && partner.peer == own)
    }

    fn send_down(&mut self, index: usize, counting: bool, now: Nanos) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(relayed) = slot.relayed else { return };
        let session = u32::try_from(index).unwrap_or(u32::MAX);
        let (generation, sequence) = (slot.generation, slot.down.next);
        Stamp { session, way: Way::Down, generation, sequence, sent: now }.write(&mut self.payload);
        slot.down.next += 1;
        let refused = self.peer.send(relayed, &self.payload);
        self.tally.due += u64::from(counting);
        self.tally.down.sent += u64::from(counting);
        self.tally.tick.sent += u64::from(counting);
        self.refuse_down(refused, counting);
    }

    fn send_up(&mut self, index: usize, burst: usize, counting: bool, now: Nanos) -> Result<(), Failure> {
        if self.trains.is_full() {
            self.flush_trains(counting);
        }
        let has_channels = self.has_channels();
        let is_stream = self.share.target.transport.is_stream();
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let (Some(link), Some(peer)) = (&mut slot.link, slot.peer) else { return Ok(()) };
        let session = u32::try_from(index).unwrap_or(u32::MAX);
        let (generation, sequence) = (slot.generation, slot.up.next);
        Stamp { session, way: Way::Up, generation, sequence, sent: now }.write(&mut self.payload);
        self.frame.clear();
        if has_channels {
            channel_frame(&self.payload, is_stream, &mut self.frame);
        } else {
            send_indication(peer, sequence, &self.payload, &mut self.frame);
        }
        if burst > 1 && link.couple(&self.frame, &mut self.trains) {
            slot.up.next += 1;
            self.tally.due += u64::from(counting);
            self.tally.up.sent += u64::from(counting);
            self.tally.tick.sent += u64::from(counting);
            return Ok(());
        }
        let result = link.send(&self.frame).and_then(|sent| {
            link.watch(&self.poller, index as u64)?;
            Ok(sent)
        });
        self.tally.due += u64::from(counting);
        match result {
            Ok(Sent::Yes) => {
                slot.up.next += 1;
                self.tally.up.sent += u64::from(counting);
                self.tally.tick.sent += u64::from(counting);
                Ok(())
            }
            Ok(Sent::Full) => {
                self.tally.refused += u64::from(counting);
                Ok(())
            }
            Err(error) => self.lose(index, Fault::Disconnected(error.to_string())),
        }
    }

    /// Reads what has come to the peer.
    pub(super) fn receive_at_peer(&mut self) -> Result<(), Failure> {
        for _ in 0..BATCHES {
            let asked = self.peer.socket.expects();
            let count = self.peer.receive().map_err(|error| Failure::machine("the peer's socket", &error))?;
            let now = clock::now();
            if let Some(overflow) = self.peer.received.overflow() {
                self.overflow = overflow;
            }
            for index in 0..count {
                let Some(packet) = self.peer.received.packet(index) else { continue };
                let source = packet.meta.source;
                for range in packet.segments() {
                    self.peer_packet(index, range, source, now);
                }
            }
            if self.share.load.pairing == Pairing::Echo {
                self.peer.flush();
            }
            if count < asked {
                break;
            }
        }
        Ok(())
    }

    /// A packet, which may be one of several in a slot of the batch.
    fn peer_packet(&mut self, number: usize, range: Range<usize>, source: SocketAddr, now: Nanos) {
        let Some(packet) = self.peer.received.packet(number) else { return };
        let bytes = packet.buffer.get(range.clone()).unwrap_or_default();
        let length = bytes.len();
        let mirrored = self.share.mirrored;
        let way = if mirrored { Way::Down } else { Way::Up };
        let stamp = Stamp::read(bytes).ok().filter(|stamp| stamp.way == way);
        let slot = stamp.and_then(|stamp| self.slots.get_mut(stamp.session as usize));
        let flow = if mirrored { &mut self.tally.down } else { &mut self.tally.up };
        let (Some(stamp), Some(slot)) = (stamp, slot) else {
            flow.corrupted += 1;
            return;
        };
        if slot.generation != stamp.generation {
            return;
        }
        // Behind a NAT the address may be another than the one told to the client; the port is the relay's own.
        if slot.relayed.is_some_and(|relayed| relayed.port() != source.port()) {
            flow.corrupted += 1;
            return;
        }
        let end = if mirrored { &mut slot.down } else { &mut slot.up };
        if end.tracker.receive(stamp.sequence, stamp.sent, now) {
            flow.bytes += length as u64;
            flow.latency.record(now.since(stamp.sent));
            self.count_arrival(now.since(stamp.sent), length);
        }
        if self.share.load.pairing == Pairing::Echo {
            self.echo(number, range, stamp, source);
        }
    }

    /// Returns a packet to where it came from, renumbered only by being counted.
    fn echo(&mut self, number: usize, range: Range<usize>, stamp: Stamp, source: SocketAddr) {
        let Some(slot) = self.slots.get_mut(stamp.session as usize) else { return };
        slot.down.next = stamp.sequence + 1;
        let counting = self.running.as_ref().is_some_and(|running| running.counting);
        let Some(packet) = self.peer.received.packet(number) else { return };
        let Some(bytes) = packet.buffer.get(range) else { return };
        self.frame.clear();
        self.frame.extend_from_slice(bytes);
        let refused = self.peer.send(source, &self.frame);
        self.tally.down.sent += u64::from(counting);
        self.refuse_down(refused, counting);
    }

    /// Reads what has come to a client.
    pub(super) fn receive_at_client(&mut self, index: usize, writable: bool) -> Result<(), Failure> {
        if writable {
            self.flush_client(index)?;
        }
        // Where one packet is usual, a second receive would only find nothing; the poller will tell of more.
        let burst = self.share.load.profile.burst;
        if burst > 1
            && let Some(link) = self.slots.get(index).and_then(|slot| slot.link.as_ref())
            && let Some(received) = link.receive_trains(&mut self.arrived)
        {
            return self.take_trains(index, received);
        }
        let is_stream = self.share.target.transport.is_stream();
        let limit = if is_stream { usize::MAX } else { burst };
        let mut count = 0;
        while count < limit {
            let Some(link) = self.slots.get_mut(index).and_then(|slot| slot.link.as_mut()) else {
                return Ok(());
            };
            match link.receive(&mut self.space) {
                Ok(Some(length)) => self.client_message(index, length)?,
                // A handshake may have brought something to be sent.
                Ok(None) if is_stream => return self.flush_client(index),
                Ok(None) => break,
                Err(error) => return self.lose(index, Fault::Disconnected(error.to_string())),
            }
            count += 1;
        }
        Ok(())
    }

    /// What has come in trains, packet by packet.
    fn take_trains(&mut self, index: usize, received: std::io::Result<usize>) -> Result<(), Failure> {
        let count = match received {
            Ok(count) => count,
            Err(error) => return self.lose(index, Fault::Disconnected(error.to_string())),
        };
        for number in 0..count {
            let Some(packet) = self.arrived.packet(number) else { continue };
            for range in packet.segments() {
                let Some(packet) = self.arrived.packet(number) else { break };
                let Some(bytes) = packet.buffer.get(range) else { break };
                let Some(space) = self.space.get_mut(..bytes.len()) else { break };
                space.copy_from_slice(bytes);
                let length = bytes.len();
                self.client_message(index, length)?;
            }
        }
        Ok(())
    }

    fn flush_client(&mut self, index: usize) -> Result<(), Failure> {
        let Some(link) = self.slots.get_mut(index).and_then(|slot| slot.link.as_mut()) else { return Ok(()) };
        match link.flush().and_then(|()| link.watch(&self.poller, index as u64)) {
            Ok(()) => Ok(()),
            Err(error) => self.lose(index, Fault::Disconnected(error.to_string())),
        }
    }

    fn client_message(&mut self, index: usize, length: usize) -> Result<(), Failure> {
        let now = clock::now();
        let Some(bytes) = self.space.get(..length) else { return Ok(()) };
        if let Ok((number, range)) = channel_data::parse(bytes) {
            let payload = bytes.get(range).unwrap_or_default();
            let stamp = Stamp::read(payload).ok().filter(|_| number == ChannelNumber(CHANNEL));
            self.client_packet(index, stamp, payload.len(), now);
            return Ok(());
        }
        match data_indication(bytes, self.share.mirrored) {
            Some(payload) => {
                let (stamp, length) = (Stamp::read(payload).ok(), payload.len());
                self.client_packet(index, stamp, length, now);
                Ok(())
            }
            None => self.receive_control(index, length, now),
        }
    }

    fn client_packet(&mut self, index: usize, stamp: Option<Stamp>, length: usize, now: Nanos) {
        let pairing = self.share.load.pairing;
        let from = if pairing == Pairing::RelayToRelay { Self::partner(index) } else { index };
        let mirrored = self.share.mirrored;
        let way = if pairing == Pairing::Peer && !mirrored { Way::Down } else { Way::Up };
        let is_up = pairing == Pairing::RelayToRelay || mirrored;
        let flow = if is_up { &mut self.tally.up } else { &mut self.tally.down };
        let stamp = stamp.filter(|stamp| stamp.way == way && stamp.session as usize == from);
        let (Some(stamp), Some(slot)) = (stamp, self.slots.get_mut(from)) else {
            flow.corrupted += 1;
            self.share.progress.corrupted.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if stamp.generation != slot.generation || matches!(slot.phase, Phase::Closed(_)) {
            return;
        }
        let ends = if is_up { &mut slot.up } else { &mut slot.down };
        if ends.tracker.receive(stamp.sequence, stamp.sent, now) {
            flow.bytes += length as u64;
            flow.latency.record(now.since(stamp.sent));
            self.count_arrival(now.since(stamp.sent), length);
        }
    }

    fn count_arrival(&mut self, nanos: u64, length: usize) {
        self.tally.tick.received += 1;
        self.tally.tick.latency.record(nanos);
        let progress = &self.share.progress;
        progress.received.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(length as u64, Ordering::Relaxed);
        progress.highest_latency.fetch_max(nanos, Ordering::Relaxed);
    }
}

/// ChannelData; padded in streams, and only there.
fn channel_frame(payload: &[u8], is_stream: bool, frame: &mut Vec<u8>) {
    let mut header = [0; channel_data::HEADER_LEN];
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    channel_data::write_header(&mut header, ChannelNumber(CHANNEL), length);
    frame.extend_from_slice(&header);
    frame.extend_from_slice(payload);
    if is_stream {
        frame.resize(frame.len() + padding(payload.len()), 0);
    }
}

fn send_indication(peer: SocketAddr, sequence: u32, payload: &[u8], frame: &mut Vec<u8>) {
    let [a, b, c, d] = sequence.to_be_bytes();
    let id = TransactionId([b'T', b'L', b'T', b'S', 0, 0, 0, 0, a, b, c, d]);
    let mut writer = Writer::new(frame, Class::Indication, Method::SEND, id);
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    writer.attribute(AttributeType::DATA, payload);
    // Profiles have no packets of a length that does not fit.
    let _ = writer.finish();
}

/// What a Data indication carries; a reflector leaves it the Send indication that it was.
fn data_indication(bytes: &[u8], mirrored: bool) -> Option<&[u8]> {
    let message = Message::parse(bytes).ok()?;
    let method = if mirrored { Method::SEND } else { Method::DATA };
    let is_data = message.class() == Class::Indication && message.method() == method;
    message.data().filter(|_| is_data)
}
