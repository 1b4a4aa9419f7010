//! Clients over TCP and TLS: accepting them, reading messages off their streams, writing what is queued,
//! closing them in time.

use std::time::Duration;

use super::datapath::Arrival;
use super::deadlines::Reminder;
use super::run::{Link, Worker, token};
use super::stream::{Stage, Stream, is_transient};
use crate::engine::Input;
use crate::metrics::Loss;
use crate::net::poll::{Event, Interest};
use crate::net::queue::Flushed;
use crate::net::tcp::Accepted;
use crate::route::{LinkId, Transport};
use crate::time::Time;
use crate::wire::framing::{FRAME_MAX, Frame, Framer};
use crate::wire::proxy::{self, Proxy};

/// Connections accepted per listener and turn.
const ACCEPTS: usize = 64;
/// Until a listener that found no descriptor is tried again.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For what is queued on a connection that closes.
const CLOSING: Duration = Duration::from_secs(5);
/// The longest message of a client that has no allocation: a request with an access token and room to spare. Media
/// comes later.
const STRANGER_FRAME_MAX: usize = 8 * 1024;

impl Worker {
    /// New connections of a listener.
    pub(super) fn accept_clients(&mut self, at: usize) {
        for _ in 0..ACCEPTS {
            let Some(tcp) = self.listeners.get(at).and_then(|listener| listener.tcp.as_ref()) else { return };
            match tcp.accept() {
                Ok(Some(accepted)) => self.accept_client(at, accepted),
                Ok(None) => return,
                Err(_) => {
                    self.counters.lose(Loss::AcceptFailed);
                    self.pause_listener(at);
                    return;
                }
            }
        }
    }

    /// The connection waits in the kernel and would be reported again at once, for nothing.
    fn pause_listener(&mut self, at: usize) {
        self.watch_listener(at, None);
        self.deadlines.remind(self.now.time + ACCEPT_PAUSE, Reminder::Listener(at));
    }

    pub(super) fn watch_listener_again(&mut self, at: usize) {
        self.watch_listener(at, Some(Interest::READ));
    }

    fn watch_listener(&mut self, at: usize, interest: Option<Interest>) {
        if let Some(listener) = self.listeners.get_mut(at)
            && let Some(tcp) = &listener.tcp
            && listener.tcp_watch.set(&self.poller, tcp, token::TCP | at as u64, interest).is_err()
        {
            self.deadlines.remind(self.now.time + ACCEPT_PAUSE, Reminder::Listener(at));
        }
    }

    fn accept_client(&mut self, at: usize, accepted: Accepted) {
        let Some(listener) = self.listeners.get(at) else { return };
        let Accepted { stream: tcp, peer, local } = accepted;
        if self.streams >= self.settings.streams.connections {
            self.counters.lose(Loss::ConnectionLimit);
            tcp.abort();
            return;
        }
        let settings = self.settings.listeners.get(at).unwrap_or(&listener.settings);
        let stage = if settings.expects_proxy_header(peer.ip()) { Stage::Proxy } else { Stage::Hello };
        let client = listener.client(Transport::Tcp, peer, local, None);
        let stream = Stream::new(tcp, stage, client, self.settings.streams.queue_bytes, self.now.time);
        let dscp = self.settings.stream_tos(stream.client.listener, stream.tos) >> 2;
        if dscp != 0 {
            // A connection that has ended already needs no mark.
            drop(stream.tcp.set_dscp(dscp));
        }
        let id = self.insert_stream(Box::new(stream));
        if stage == Stage::Hello {
            self.count_source(id);
        }
    }

    fn insert_stream(&mut self, stream: Box<Stream>) -> LinkId {
        let since = stream.since;
        let id = LinkId(self.links.insert(Link::Stream(stream)));
        if let Some(Link::Stream(stream)) = self.links.get_mut(id.0) {
            stream.client.link = Some(id);
        }
        self.streams = self.streams.saturating_add(1);
        let settings = &self.settings.streams;
        self.deadlines.remind(since + settings.first_message.min(settings.idle), id);
        self.watch_stream(id);
        id
    }

    /// Counts the connection against its source, or drops it.
    fn count_source(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        stream.counted = self.sources.take(stream.client.tuple.client.ip(), self.settings.streams.per_source);
        if stream.counted.is_none() {
            self.drop_link(id, Loss::SourceLimit);
        }
    }

    /// Its allocation has ended. One too many is closed after the answer to what ended it.
    pub(super) fn count_again(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        if stream.counted.is_some() || stream.stage == Stage::Closing {
            return;
        }
        stream.counted = self.sources.take(stream.client.tuple.client.ip(), self.settings.streams.per_source);
        if stream.counted.is_none() {
            self.counters.lose(Loss::SourceLimit);
            self.close_link(id);
        }
    }

    /// Tells the poller what this stream waits for.
    pub(super) fn watch_stream(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        let room = match stream.stage {
            Stage::Spliced(peer) => self.peers.get(peer).is_some_and(|peer| peer.to_peer.has_room()),
            Stage::Proxy | Stage::Hello | Stage::Open | Stage::Closing => true,
        };
        let wanted = stream.wanted(room);
        if stream.watch.set(&self.poller, &stream.tcp, token::LINK | id.0, wanted).is_err() {
            self.drop_link(id, Loss::AcceptFailed);
        }
    }

    pub(super) fn stream_ready(&mut self, id: LinkId, event: Event) {
        if event.writable {
            self.mark_dirty(id);
        }
        if event.readable || event.hangup || event.error {
            self.read_stream(id);
        }
    }

    fn read_stream(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        if stream.ended {
            // Only an error can be new.
            self.drop_stream(id);
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        match stream.tcp.read(&mut scratch) {
            Ok(0) => self.stream_ended(id),
            Ok(count) => self.stream_bytes(id, scratch.get(..count).unwrap_or(&[])),
            Err(error) if is_transient(&error) => {}
            Err(_) => self.drop_stream(id),
        }
        self.scratch = scratch;
    }

    /// The client sends nothing more. Only a pipe goes on in the other direction.
    fn stream_ended(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        stream.ended = true;
        if let Stage::Spliced(peer) = stream.stage {
            self.client_end_piped(id, peer);
        } else {
            self.drop_stream(id);
        }
    }

    /// What the client has sent, through each stage that it has still to pass.
    fn stream_bytes(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        match stream.stage {
            Stage::Proxy => self.read_proxy_header(id, bytes),
            Stage::Hello => self.read_hello(id, bytes),
            Stage::Open | Stage::Spliced(_) if stream.tls.is_some() => self.decrypt(id, bytes),
            Stage::Open => self.read_frames(id, bytes),
            Stage::Spliced(peer) => self.pipe_to_peer(id, peer, bytes),
            Stage::Closing => {}
        }
    }

    fn read_proxy_header(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        stream.input.extend_from_slice(bytes);
        match proxy::parse(&stream.input) {
            Proxy::Need(_) => {}
            Proxy::Header { source, dest, length } => {
                let input = std::mem::take(&mut stream.input);
                if let (Some(source), Some(dest)) = (source, dest) {
                    stream.client.tuple.client = source.into();
                    stream.client.tuple.server = dest.into();
                }
                stream.stage = Stage::Hello;
                stream.proxied = true;
                self.count_source(id);
                self.stream_bytes(id, input.get(length..).unwrap_or(&[]));
            }
            Proxy::Invalid => self.drop_link(id, Loss::ProxyHeader),
        }
    }

    fn read_hello(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        let Some(first) = bytes.first() else { return };
        let Some(listener) = self.listeners.get(usize::from(stream.client.listener.0)) else { return };
        let Some(transport) = listener.stream_transport(*first) else { return };
        stream.client.tuple.transport = transport;
        if transport == Transport::Tls {
            let session = listener
                .tls
                .as_ref()
                .and_then(|tls| tls.accept(self.now.time, self.settings.streams.first_message).ok());
            let Some(session) = session else {
                self.drop_link(id, Loss::Tls);
                return;
            };
            stream.tls = Some(Box::new(session));
        }
        stream.stage = Stage::Open;
        self.stream_bytes(id, bytes);
    }

    fn decrypt(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        let Some(tls) = &mut stream.tls else { return };
        let mut plaintext = Vec::new();
        let progress = tls.receive(bytes, &mut plaintext);
        self.mark_dirty(id);
        if !plaintext.is_empty() {
            match self.links.get(id.0) {
                Some(Link::Stream(stream)) if matches!(stream.stage, Stage::Spliced(_)) => {
                    if let Stage::Spliced(peer) = stream.stage {
                        self.pipe_to_peer(id, peer, &plaintext);
                    }
                }
                _ => self.read_frames(id, &plaintext),
            }
        }
        match progress {
            Ok(progress) if progress.closed => self.stream_ended(id),
            Ok(_) => {}
            Err(_) => {
                self.counters.lose(Loss::Tls);
                self.close_link(id);
            }
        }
    }

    /// Serves every whole message; keeps the beginning of the next.
    fn read_frames(&mut self, id: LinkId, fresh: &[u8]) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        let mut kept = std::mem::take(&mut stream.input);
        let bytes = if kept.is_empty() {
            fresh
        } else {
            kept.extend_from_slice(fresh);
            &kept
        };
        let mut rest = bytes;
        loop {
            let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
            match stream.stage {
                Stage::Open => {}
                Stage::Spliced(peer) => {
                    self.pipe_to_peer(id, peer, rest);
                    return;
                }
                Stage::Proxy | Stage::Hello | Stage::Closing => return,
            }
            let served = self.table.serves(&stream.client.tuple);
            let framer = Framer::new(if served { FRAME_MAX } else { STRANGER_FRAME_MAX });
            let (len, whole) = match framer.next_frame(rest) {
                Frame::Need(_) => break,
                Frame::Stun(len) => (len, len),
                Frame::ChannelData { len, padded } => (len, padded),
                Frame::Invalid => {
                    self.drop_link(id, Loss::Misframed);
                    return;
                }
            };
            let (frame, behind) = (rest.get(..len).unwrap_or(&[]), rest.get(whole..).unwrap_or(&[]));
            rest = behind;
            if !self.read_message(id, frame, rest) {
                return;
            }
        }
        if let Some(Link::Stream(stream)) = self.links.get_mut(id.0) {
            stream.input = rest.to_vec();
        }
    }

    /// One whole message; false when the stream has gone to another worker with what is left.
    fn read_message(&mut self, id: LinkId, frame: &[u8], rest: &[u8]) -> bool {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return false };
        stream.greeted = true;
        stream.active = self.now.time;
        let tos = self.settings.stream_tos(stream.client.listener, stream.tos);
        let arrival = Arrival { client: stream.client, tos, ttl: None, at: self.now.time };
        self.client_bytes(&arrival, frame, None);
        let Some(worker) = self.forward.take() else { return true };
        if let Some(Link::Stream(stream)) = self.links.get_mut(id.0) {
            stream.input = rest.to_vec();
        }
        self.hand_over_link(worker, id, frame);
        false
    }

    /// Takes a connection over from another worker.
    pub(super) fn adopt_stream(&mut self, mut stream: Box<Stream>, message: &[u8]) {
        let input = std::mem::take(&mut stream.input);
        stream.since = self.now.time;
        stream.active = self.now.time;
        let id = self.insert_stream(stream);
        self.count_source(id);
        if self.read_message(id, message, &[]) && !input.is_empty() {
            self.read_frames(id, &input);
        }
        self.mark_dirty(id);
    }

    /// The stream leaves this worker.
    pub(super) fn forget_stream(&mut self, stream: &mut Stream) {
        self.streams = self.streams.saturating_sub(1);
        if let Some(source) = stream.counted.take() {
            self.sources.give_back(source);
        }
        stream.dirty = false;
        // It may have been closed by the other end meanwhile: then there is nothing to forget.
        drop(stream.watch.set(&self.poller, &stream.tcp, 0, None));
    }

    /// Writes what is queued. The end of the turn calls this once for each stream that got something.
    pub(super) fn flush_link(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        stream.dirty = false;
        let flushed = stream.flush(self.now.time);
        let dropped = stream.fresh_drops();
        let (stage, shut, client) = (stream.stage, stream.shut, stream.client);
        if dropped > 0 {
            self.lose_many_of_client(&client, Loss::SlowReader, dropped);
        }
        match (flushed, stage) {
            (Err(_), _) => self.drop_stream(id),
            (Ok(Flushed::All), Stage::Closing) => self.finish_closing(id),
            (Ok(Flushed::All), Stage::Spliced(peer)) => {
                if shut {
                    self.shut_client(id);
                }
                self.pump_to_client(id, peer);
            }
            (Ok(_), _) => self.watch_stream(id),
        }
    }

    /// Everything that is queued is written first.
    pub(super) fn begin_closing(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        if stream.stage == Stage::Closing {
            return;
        }
        stream.stage = Stage::Closing;
        stream.since = self.now.time;
        self.deadlines.remind(self.now.time + CLOSING, id);
        self.mark_dirty(id);
    }

    /// Everything is written: now the client is told that nothing more comes. Unread bytes would turn the close into
    /// a reset and could take our last words with it.
    fn finish_closing(&mut self, id: LinkId) {
        let Some(Link::Stream(stream)) = self.links.get_mut(id.0) else { return };
        stream.shut_write(self.now.time);
        if stream.blocked {
            self.watch_stream(id);
        } else {
            self.drop_stream(id);
        }
    }

    /// Counts the reason and ends the connection at once, whatever is queued.
    pub(super) fn drop_link(&mut self, id: LinkId, loss: Loss) {
        self.counters.lose(loss);
        self.drop_stream(id);
    }

    /// Ends the connection at once; the engine learns it, and so does the other end of a pipe.
    pub(super) fn drop_stream(&mut self, id: LinkId) {
        if !matches!(self.links.get(id.0), Some(Link::Stream(_))) {
            return;
        }
        self.unsplice(id);
        if let Some(Link::Stream(mut stream)) = self.links.remove(id.0) {
            self.forget_stream(&mut stream);
        }
        self.feed(Input::ClientClosed { link: id });
    }

    /// A reminder has come: is it really too late?
    pub(super) fn link_due(&mut self, id: LinkId) {
        match self.links.get(id.0) {
            Some(Link::Stream(stream)) => {
                let (due, loss) = self.stream_deadline(stream);
                if due > self.now.time {
                    self.deadlines.remind(due, id);
                } else if stream.stage == Stage::Closing {
                    self.drop_stream(id);
                } else {
                    self.drop_link(id, loss);
                }
            }
            Some(Link::Dtls(_)) => self.dtls_due(id),
            None => {}
        }
    }

    fn stream_deadline(&self, stream: &Stream) -> (Time, Loss) {
        let settings = &self.settings.streams;
        match stream.stage {
            Stage::Closing => (stream.since + CLOSING, Loss::Idle),
            Stage::Spliced(_) => (self.now.time + settings.idle, Loss::Idle),
            Stage::Proxy | Stage::Hello | Stage::Open => {
                if !stream.greeted {
                    (stream.since + settings.first_message, Loss::HandshakeTimeout)
                } else if self.table.serves(&stream.client.tuple) {
                    (self.now.time + settings.idle, Loss::Idle)
                } else {
                    (stream.active + settings.idle, Loss::Idle)
                }
            }
        }
    }

    /// The worker ends: clients learn it after their last queued byte.
    pub(super) fn finish_clients(&mut self) {
        self.engine.close();
        self.act();
        let ids: Vec<u64> = self.links.keys().collect();
        for id in ids {
            self.close_link(LinkId(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_message_is_short() {
        let framer = Framer::new(STRANGER_FRAME_MAX);
        assert_eq!(framer.next_frame(&[0x40, 0, 0xff, 0xff]), Frame::Invalid);
        assert!(matches!(framer.next_frame(&[0x40, 0, 0x0f, 0xff]), Frame::Need(_)));
    }
}
