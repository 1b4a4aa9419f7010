//! TCP connections to peers (RFC 6062): made, accepted, waiting for the client's data connection, closed.

use std::time::Duration;

use std::net::SocketAddr;

use super::deadlines::Reminder;
use super::pipe::Pipe;
use super::relays::{RelaySocket, Way};
use super::run::{Worker, token};
use super::streams::ACCEPT_PAUSE;
use super::watch::Watch;
use crate::engine::{ConnectionId, Input};
use crate::metrics::Loss;
use crate::net::poll::{Event, Interest};
use crate::net::tcp::{TcpOptions, TcpStream};
use crate::route::{LinkId, RelayId};
use crate::time::Time;

/// Connections accepted per relay and turn.
const ACCEPTS: usize = 16;
/// RFC 6062 section 5.2: how long an attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// For what is queued toward a peer whose connection closes.
const CLOSING: Duration = Duration::from_secs(5);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerStage {
    /// Our SYN is out.
    Connecting,
    /// It stands; nothing is read until the client comes for it.
    Waiting,
    /// One pipe with this client connection.
    Spliced(LinkId),
    /// What is queued is written, then it closes.
    Closing,
}

/// One connection to a peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) tcp: TcpStream,
    /// Whose bandwidth its pipe uses.
    pub(super) relay: RelayId,
    pub(super) stage: PeerStage,
    pub(super) connection: Option<ConnectionId>,
    pub(super) to_peer: Pipe,
    pub(super) to_client: Pipe,
    /// The last write found the system's buffer full.
    pub(super) blocked: bool,
    /// When an attempt, or a close, is given up.
    due: Time,
    watch: Watch,
}

impl Peer {
    fn new(
        tcp: TcpStream,
        relay: RelayId,
        stage: PeerStage,
        connection: Option<ConnectionId>,
        due: Time,
    ) -> Self {
        Self {
            tcp,
            relay,
            stage,
            connection,
            to_peer: Pipe::default(),
            to_client: Pipe::default(),
            blocked: false,
            due,
            watch: Watch::default(),
        }
    }

    /// One of its two directions.
    pub(super) const fn pipe(&self, way: Way) -> &Pipe {
        match way {
            Way::ToPeer => &self.to_peer,
            Way::ToClient => &self.to_client,
        }
    }

    pub(super) const fn pipe_mut(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::ToPeer => &mut self.to_peer,
            Way::ToClient => &mut self.to_client,
        }
    }

    fn wanted(&self) -> Option<Interest> {
        match self.stage {
            PeerStage::Connecting => Some(Interest::WRITE),
            PeerStage::Waiting => Some(Interest::NONE),
            PeerStage::Spliced(_) => {
                let read = self.to_client.has_room() && !self.to_client.ended;
                let interest = Interest { read, write: self.blocked };
                (interest != Interest::NONE).then_some(interest)
            }
            PeerStage::Closing => self.blocked.then_some(Interest::WRITE),
        }
    }
}

impl Worker {
    pub(super) fn connect_peer(&mut self, relay: RelayId, connection: ConnectionId, peer: SocketAddr) {
        let to = self.externals.route(peer);
        let local = self.relays.get(relay).and_then(|relay| match &relay.socket {
            RelaySocket::Tcp(listener) => Some(listener.local_addr()),
            RelaySocket::Udp(_) => None,
        });
        let tcp = local.and_then(|local| TcpStream::connect_from(local, to, &TcpOptions::default()).ok());
        let Some(tcp) = tcp else {
            self.feed(Input::PeerConnectFailed { connection });
            return;
        };
        let due = self.now.time + CONNECT_TIMEOUT;
        let key = self.peers.insert(Peer::new(tcp, relay, PeerStage::Connecting, Some(connection), due));
        self.connections.insert(connection, key);
        self.deadlines.remind(due, Reminder::Peer(key));
        self.watch_peer(key);
    }

    /// Peers that connect to a relay; the engine decides whether they may.
    pub(super) fn accept_peers(&mut self, id: RelayId) {
        for _ in 0..ACCEPTS {
            let Some(relay) = self.relays.get(id) else { return };
            let RelaySocket::Tcp(listener) = &relay.socket else { return };
            let accepted = match listener.accept() {
                Ok(Some(accepted)) => accepted,
                Ok(None) => return,
                Err(_) => {
                    self.counters.lose(Loss::AcceptFailed);
                    self.watch_relay(id, Interest::NONE);
                    return;
                }
            };
            let peer = self.externals.attribute(accepted.peer);
            if self.peers.len() >= self.settings.streams.connections {
                self.counters.lose(Loss::ConnectionLimit);
                accepted.stream.abort();
                continue;
            }
            let key = self.peers.insert(Peer::new(accepted.stream, id, PeerStage::Waiting, None, Time::MAX));
            self.watch_peer(key);
            self.feed(Input::PeerAccepted { relay: id, peer: peer.into(), link: LinkId(key) });
        }
    }

    /// A connection that cannot be accepted waits in the kernel and would be reported again at once, for nothing: the
    /// relay is not watched for a while.
    pub(super) fn watch_relay(&mut self, id: RelayId, interest: Interest) {
        let Some(relay) = self.relays.get(id) else { return };
        let RelaySocket::Tcp(listener) = &relay.socket else { return };
        let changed = self.poller.modify(listener.as_ref(), Self::relay_token(id), interest);
        if changed.is_err() || interest == Interest::NONE {
            self.deadlines.remind(self.now.time + ACCEPT_PAUSE, Reminder::Relay(id.0));
        }
    }

    pub(super) fn name_peer(&mut self, link: LinkId, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(link.0) {
            peer.connection = Some(connection);
            self.connections.insert(connection, link.0);
        }
    }

    /// Tells the poller what this connection waits for.
    pub(super) fn watch_peer(&mut self, key: u64) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let wanted = peer.wanted();
        if peer.watch.set(&self.poller, &peer.tcp, token::PEER | key, wanted).is_err() {
            self.counters.lose(Loss::AcceptFailed);
            self.lose_peer(key);
        }
    }

    pub(super) fn peer_ready(&mut self, key: u64, event: Event) {
        let Some(peer) = self.peers.get(key) else { return };
        match peer.stage {
            PeerStage::Connecting => self.check_connected(key),
            PeerStage::Waiting => self.lose_peer(key),
            PeerStage::Spliced(link) => {
                if event.writable {
                    self.pump_to_peer(key);
                }
                if event.readable || event.hangup || event.error {
                    self.read_peer(key, link, event);
                }
            }
            PeerStage::Closing => self.pump_to_peer(key),
        }
    }

    fn check_connected(&mut self, key: u64) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        match peer.tcp.connected() {
            Ok(false) => {}
            Ok(true) => {
                peer.stage = PeerStage::Waiting;
                let connection = peer.connection;
                self.watch_peer(key);
                if let Some(connection) = connection {
                    self.feed(Input::PeerConnected { connection });
                }
            }
            Err(_) => self.lose_peer(key),
        }
    }

    /// A reminder has come.
    pub(super) fn peer_due(&mut self, key: u64) {
        let Some(peer) = self.peers.get(key) else { return };
        match peer.stage {
            PeerStage::Connecting | PeerStage::Closing if peer.due <= self.now.time => self.lose_peer(key),
            PeerStage::Connecting | PeerStage::Closing | PeerStage::Waiting | PeerStage::Spliced(_) => {}
        }
    }

    /// The connection is over: the engine learns it, and so does the client that was spliced to it.
    pub(super) fn lose_peer(&mut self, key: u64) {
        let Some(peer) = self.remove_peer(key) else { return };
        if let PeerStage::Spliced(link) = peer.stage {
            self.close_link(link);
        }
        let Some(connection) = peer.connection else { return };
        match peer.stage {
            PeerStage::Connecting => self.feed(Input::PeerConnectFailed { connection }),
            PeerStage::Waiting | PeerStage::Spliced(_) => self.feed(Input::PeerClosed { connection }),
            PeerStage::Closing => {}
        }
    }

    fn remove_peer(&mut self, key: u64) -> Option<Peer> {
        let peer = self.peers.remove(key)?;
        if let Some(connection) = peer.connection
            && self.connections.get(&connection) == Some(&key)
        {
            self.connections.remove(&connection);
        }
        Some(peer)
    }

    /// The engine wants it closed.
    pub(super) fn close_peer(&mut self, connection: ConnectionId) {
        let Some(key) = self.connections.get(&connection).copied() else { return };
        match self.peers.get(key).map(|peer| peer.stage) {
            Some(PeerStage::Waiting) => {
                self.counters.lose(Loss::PeerUnclaimed);
                drop(self.remove_peer(key));
            }
            Some(PeerStage::Spliced(_)) => self.begin_closing_peer(key),
            Some(PeerStage::Connecting) => drop(self.remove_peer(key)),
            Some(PeerStage::Closing) | None => {}
        }
    }

    /// What is queued toward the peer is still written.
    pub(super) fn begin_closing_peer(&mut self, key: u64) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.stage = PeerStage::Closing;
        peer.to_peer.ended = true;
        peer.due = self.now.time + CLOSING;
        self.deadlines.remind(peer.due, Reminder::Peer(key));
        self.pump_to_peer(key);
    }
}
