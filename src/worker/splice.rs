//! Two connections as one pipe (RFC 6062 section 5.4): bytes both ways, each direction held back when its receiver is
//! slow, each ended on its own when its sender ends.

use super::deadlines::Reminder;
use super::peers::PeerStage;
use super::relays::Way;
use super::run::{Link, Worker};
use super::stream::{Stage, is_transient};
use crate::engine::{ConnectionId, Input};
use crate::metrics::Loss;
use crate::net::poll::Event;
use crate::net::queue::Flushed;
use crate::route::LinkId;

use std::io;
use std::time::Duration;

/// Bandwidth is taken in parts no larger than any bucket.
const PART: usize = 16 * 1024;
/// How long a pipe without bandwidth waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

impl Worker {
    /// Makes both one pipe. A peer that has left meanwhile takes the client's connection along.
    pub(super) fn splice(&mut self, client: LinkId, connection: ConnectionId) {
        let key = self.connections.get(&connection).copied();
        let (Some(key), Some(Link::Stream(stream))) = (key, self.links.get_mut(client.0)) else {
            self.close_link(client);
            return;
        };
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.stage == PeerStage::Waiting) else {
            self.close_link(client);
            return;
        };
        peer.stage = PeerStage::Spliced(client);
        stream.stage = Stage::Spliced(key);
        if let Some(source) = stream.counted.take() {
            self.sources.give_back(source);
        }
        self.watch_peer(key);
        self.mark_dirty(client);
    }

    /// From the client.
    pub(super) fn pipe_to_peer(&mut self, client: LinkId, key: u64, bytes: &[u8]) {
        match self.peers.get_mut(key) {
            Some(peer) if peer.stage == PeerStage::Spliced(client) => {
                peer.to_peer.push(bytes);
                self.pay(key, Way::ToPeer);
                self.pump_to_peer(key);
            }
            Some(_) | None => self.drop_stream(client),
        }
    }

    /// The client sends nothing more; the other direction goes on.
    pub(super) fn client_end_piped(&mut self, client: LinkId, key: u64) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.to_peer.ended = true;
            self.pump_to_peer(key);
            self.watch_stream(client);
        } else {
            self.drop_stream(client);
        }
    }

    /// Writes to the peer as much as it takes.
    pub(super) fn pump_to_peer(&mut self, key: u64) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.blocked = false;
        while !peer.to_peer.is_empty() {
            match peer.tcp.write(&[io::IoSlice::new(peer.to_peer.front())]) {
                Ok(count) if count > 0 => peer.to_peer.advance(count),
                Err(error) if is_transient(&error) => {
                    peer.blocked = true;
                    break;
                }
                Ok(_) | Err(_) => {
                    self.lose_peer(key);
                    return;
                }
            }
        }
        if peer.to_peer.must_shut() {
            peer.to_peer.shut = true;
            // Gone already: the reader will notice.
            drop(peer.tcp.shutdown_write());
        }
        self.pumped(key);
    }

    /// Writes to the client as much as it takes. Its queue is empty, and the last write was not blocked.
    pub(super) fn pump_to_client(&mut self, id: LinkId, key: u64) {
        if self.write_to_client(id, key).is_err() {
            self.drop_stream(id);
            return;
        }
        self.pumped(key);
        self.watch_stream(id);
    }

    fn write_to_client(&mut self, id: LinkId, key: u64) -> io::Result<()> {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return Ok(()) };
        let Some(peer) = self.peers.get_mut(key) else { return Err(io::ErrorKind::NotConnected.into()) };
        while !peer.to_client.is_empty() {
            let count = stream.write_piped(peer.to_client.front())?;
            peer.to_client.advance(count);
            if stream.flush(self.now.time)? == Flushed::Blocked {
                return Ok(());
            }
            if count == 0 {
                stream.blocked = true;
                return Ok(());
            }
        }
        if peer.to_client.must_shut() {
            peer.to_client.shut = true;
            stream.shut_write(self.now.time);
        }
        Ok(())
    }

    /// The client has been told, and everything is written: now the connection itself is told.
    pub(super) fn shut_client(&mut self, id: LinkId) {
        if let Some(Link::Stream(stream)) = self.links.get_mut(id.0) {
            // It may have closed meanwhile: then there is nobody to tell.
            drop(stream.tcp.shutdown_write());
        }
    }

    /// From the peer.
    pub(super) fn read_peer(&mut self, key: u64, client: LinkId, event: Event) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.to_client.ended || !peer.to_client.has_room() {
            if event.error {
                self.lose_peer(key);
            }
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let read = peer.tcp.read(&mut scratch);
        match read {
            Ok(0) => peer.to_client.ended = true,
            Ok(count) => peer.to_client.push(scratch.get(..count).unwrap_or(&[])),
            Err(_) => {}
        }
        self.scratch = scratch;
        match read {
            Err(error) if !is_transient(&error) => self.lose_peer(key),
            Ok(_) | Err(_) => {
                self.pay(key, Way::ToClient);
                self.watch_peer(key);
                self.mark_dirty(client);
            }
        }
    }

    /// Takes what was read out of the allocation's and the user's bandwidth; what is not to be had now, later.
    fn pay(&mut self, key: u64, way: Way) {
        let Some(peer) = self.peers.get(key) else { return };
        let (relay, mut owed) = (peer.relay, peer.pipe(way).owed);
        while owed > 0 {
            let part = owed.min(PART);
            match self.check_rate(relay, way, part) {
                Ok(()) => owed = owed.saturating_sub(part),
                Err(Loss::SessionRate | Loss::OwnerRate) => {
                    self.deadlines.remind(self.now.time + PAUSE, Reminder::Pipe(key));
                    break;
                }
                // The allocation is gone, and the pipe goes with it.
                Err(_) => owed = 0,
            }
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.pipe_mut(way).owed = owed;
        }
    }

    /// Some bandwidth may be there again.
    pub(super) fn pipe_due(&mut self, key: u64) {
        self.pay(key, Way::ToPeer);
        self.pay(key, Way::ToClient);
        self.pumped(key);
    }

    /// After some bytes went on: is there room again, or nothing left to do?
    fn pumped(&mut self, key: u64) {
        let Some(peer) = self.peers.get(key) else { return };
        let is_over = peer.to_peer.shut && (peer.to_client.shut || peer.stage == PeerStage::Closing);
        match peer.stage {
            _ if is_over => self.lose_peer(key),
            PeerStage::Spliced(client) => {
                self.watch_peer(key);
                self.watch_stream(client);
            }
            PeerStage::Connecting | PeerStage::Waiting | PeerStage::Closing => self.watch_peer(key),
        }
    }

    /// The client's side of a pipe ends; the peer gets what is on its way.
    pub(super) fn unsplice(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        let Stage::Spliced(key) = stream.stage else { return };
        stream.stage = Stage::Open;
        let connection = self.peers.get(key).filter(|peer| peer.stage == PeerStage::Spliced(id));
        let Some(connection) = connection.and_then(|peer| peer.connection) else { return };
        self.begin_closing_peer(key);
        self.feed(Input::PeerClosed { connection });
    }
}
