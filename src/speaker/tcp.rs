//! The connections to routers and caches, and the listeners where routers come in.
//!
//! Everything is without blocking, on the announcer's thread, with the poller that it waits at. What has happened is put
//! down ([`Happening`]) for the announcer to be told in order. A connection from an address that is no neighbour's is
//! reset and counted. The announcer keeps few connections of a neighbour; of those that it has done with, a few are kept
//! until their last words have arrived.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, OUTPUT_MAX, Stage};
use super::listening::{Listening, Neighbors};
use super::signatures::Signatures;
use crate::announce::{ConnectionId, NeighborId};
use crate::net::poll::{Event, Poller};
use crate::net::tcp::peering::Peering;
use crate::net::tcp::{Accepted, TcpStream};
use crate::time::Time;

/// For the kernels to connect: the first SYN and three more. The announcer would wait a second longer, and knows less of
/// why there was no answer.
const CONNECT_TIME: Duration = Duration::from_secs(9);
/// For a neighbour to take our last words and say its own.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Connections of one address that wait for that; more are reset.
const CLOSING_MAX: usize = 4;
/// Connections that one look at a listener takes in.
const ACCEPTS: usize = 16;
/// For descriptors to become free when the last one was taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What one look at a connection reads.
pub(super) const READ: usize = 64 * 1024;

/// Tokens of the poller.
pub(super) const LISTENER: u64 = 1 << 60;
pub(super) const CONNECTION: u64 = 2 << 60;
pub(super) const KIND: u64 = 0xf << 60;

/// What the announcer is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happening {
    Accepted { connection: ConnectionId, neighbor: NeighborId, local: SocketAddr, remote: SocketAddr },
    Connected { connection: ConnectionId, local: SocketAddr, remote: SocketAddr },
    Failed { connection: ConnectionId, reason: String },
    Received { connection: ConnectionId, bytes: Vec<u8> },
    Sent { connection: ConnectionId, waiting: usize },
    Closed { connection: ConnectionId, reason: String },
}

/// All connections and listeners.
#[derive(Debug)]
pub(super) struct Connections {
    poller: Arc<Poller>,
    connections: BTreeMap<ConnectionId, Connection>,
    listeners: Vec<Listening>,
    signatures: Signatures,
    /// Of the next connection that comes in.
    next_accepted: u32,
    happened: VecDeque<Happening>,
    scratch: Vec<u8>,
    refused: u64,
}

impl Connections {
    pub(super) fn new(poller: Arc<Poller>) -> Self {
        Self {
            poller,
            connections: BTreeMap::new(),
            listeners: Vec::new(),
            signatures: Signatures::default(),
            next_accepted: 1,
            happened: VecDeque::new(),
            scratch: vec![0; READ],
            refused: 0,
        }
    }

    /// Listens there and nowhere else, with the neighbours' keys.
    ///
    /// # Errors
    /// An address where that is impossible; the others are listened on all the same.
    pub(super) fn listen(
        &mut self,
        addresses: &[SocketAddr],
        neighbors: &Neighbors,
    ) -> Result<(), (SocketAddr, io::Error)> {
        self.listeners.retain(|listener| addresses.contains(&listener.asked()));
        let mut result = Ok(());
        for address in addresses {
            if self.listeners.iter().any(|listener| listener.asked() == *address) {
                continue;
            }
            let bound = Listening::bind(*address, &self.poller, LISTENER);
            match bound {
                Ok(listener) => self.listeners.push(listener),
                Err(error) => result = Err((*address, error)),
            }
        }
        for (index, listener) in (0..).zip(&mut self.listeners) {
            listener.number(&self.poller, LISTENER | index);
            listener.set_keys(neighbors);
        }
        result
    }

    /// Where routers come in, with the ports as the system has chosen them.
    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listening::local).collect()
    }

    /// Connections of strangers so far.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Segments so far whose signature was wrong or missing, of all connections in this network namespace.
    pub(super) fn badly_signed(&self) -> Option<u64> {
        Signatures::badly_signed()
    }

    /// What has happened, in order.
    pub(super) fn next(&mut self) -> Option<Happening> {
        self.happened.pop_front()
    }

    /// Begins to connect; how it goes is put down.
    pub(super) fn connect(
        &mut self,
        now: Time,
        connection: ConnectionId,
        remote: SocketAddr,
        peering: &Peering<'_>,
    ) {
        self.signatures.begin();
        let begun = TcpStream::connect_peering(remote, peering).and_then(|stream| {
            let begun = Connection::new(stream, Stage::Connecting { until: now + CONNECT_TIME }, remote.ip());
            self.poller.add(&begun.stream, token(connection), begun.interest())?;
            Ok(begun)
        });
        match begun {
            Ok(begun) => drop(self.connections.insert(connection, begun)),
            Err(error) => {
                let reason = describe(&error, remote, peering);
                self.happened.push_back(Happening::Failed { connection, reason });
            }
        }
    }

    /// Says that an attempt has failed before there was a socket.
    pub(super) fn fail(&mut self, connection: ConnectionId, reason: String) {
        self.happened.push_back(Happening::Failed { connection, reason });
    }

    pub(super) fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.push(bytes) {
            let reason = format!("it does not read: more than {OUTPUT_MAX} bytes wait for it");
            return self.lose(id, reason);
        }
        self.flush(id);
    }

    /// Closes it when what waits is written, unless too many of the same address are at that.
    pub(super) fn close(&mut self, now: Time, id: ConnectionId) {
        let Some(remote) = self.connections.get(&id).map(|connection| connection.remote) else { return };
        let closing = self.connections.values().filter(|other| other.remote == remote && other.is_closing());
        let is_crowded = closing.count() >= CLOSING_MAX;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.stage {
            Stage::Open if is_crowded => self.abort(id),
            Stage::Connecting { .. } => drop(self.connections.remove(&id)),
            Stage::Open => {
                connection.stage = Stage::Closing { until: now + CLOSE_TIME };
                self.flush(id);
            }
            Stage::Closing { .. } => {}
        }
    }

    /// Closes it at once.
    pub(super) fn abort(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.stream.abort();
        }
    }

    /// Whether last words are still under way.
    pub(super) fn is_closing(&self) -> bool {
        self.connections.values().any(Connection::is_closing)
    }

    /// When something is given up.
    pub(super) fn deadline(&self) -> Option<Time> {
        let paused = self.listeners.iter().filter_map(Listening::deadline);
        self.connections.values().filter_map(Connection::until).chain(paused).min()
    }

    /// Gives up what has had its time.
    pub(super) fn tick(&mut self, now: Time) {
        for listener in &mut self.listeners {
            listener.tick(&self.poller, now);
        }
        let due = |connection: &Connection| connection.until().is_some_and(|until| until <= now);
        let due: Vec<_> =
            self.connections.iter().filter(|(_, connection)| due(connection)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(connection) = self.connections.remove(&id) else { continue };
            if matches!(connection.stage, Stage::Connecting { .. }) {
                let reason = self.signatures.explain_silence(CONNECT_TIME);
                self.happened.push_back(Happening::Failed { connection: id, reason });
            } else {
                connection.stream.abort();
            }
        }
    }

    /// Does what the poller says can be done.
    pub(super) fn ready(&mut self, now: Time, event: Event, neighbors: &Neighbors) {
        let number = event.token & !KIND;
        match event.token & KIND {
            LISTENER => self.accept(now, usize::try_from(number).unwrap_or(usize::MAX), neighbors),
            CONNECTION => {
                if let Ok(id) = u32::try_from(number) {
                    self.connection_ready(ConnectionId(id), event);
                }
            }
            _ => {}
        }
    }

    fn accept(&mut self, now: Time, index: usize, neighbors: &Neighbors) {
        for _ in 0..ACCEPTS {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.accept() {
                Ok(Some(accepted)) => self.admit(accepted, index, neighbors),
                Ok(None) => return,
                Err(error) => {
                    // Without descriptors. Whoever came is left in the queue.
                    tracing::debug!(%error, "a neighbour's connection cannot be accepted");
                    return self.pause(now, index);
                }
            }
        }
    }

    fn pause(&mut self, now: Time, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.pause(&self.poller, now + ACCEPT_PAUSE);
        }
    }

    fn admit(&mut self, accepted: Accepted, index: usize, neighbors: &Neighbors) {
        let Accepted { stream, peer: remote, local } = accepted;
        let listener = self.listeners.get(index);
        let guarded = |peering: &Peering<'_>| {
            peering.key.is_none_or(|key| listener.is_some_and(|listener| listener.demands(remote.ip(), key)))
        };
        let found = neighbors.find(remote.ip(), local.ip()).filter(|(_, peering)| guarded(peering));
        let admitted = found.and_then(|(neighbor, sockets)| {
            stream.apply(&sockets).ok()?;
            let connection = ConnectionId(self.next_accepted);
            let entered = Connection::new(stream, Stage::Open, remote.ip());
            self.poller.add(&entered.stream, token(connection), entered.interest()).ok()?;
            Some((neighbor, connection, entered))
        });
        let Some((neighbor, connection, entered)) = admitted else {
            self.refused = self.refused.wrapping_add(1);
            tracing::debug!(%remote, %local, "a connection to the BGP port that is no neighbour's was refused");
            return;
        };
        self.next_accepted = self.next_accepted.wrapping_add(2);
        self.connections.insert(connection, entered);
        self.happened.push_back(Happening::Accepted { connection, neighbor, local, remote });
    }

    fn connection_ready(&mut self, id: ConnectionId, event: Event) {
        let Some(connection) = self.connections.get(&id) else { return };
        match connection.stage {
            Stage::Connecting { .. } => self.connecting_ready(id),
            Stage::Open | Stage::Closing { .. } => {
                if event.writable {
                    self.flush(id);
                }
                if event.readable || event.error || event.hangup {
                    self.read(id);
                }
            }
        }
    }

    fn connecting_ready(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let ends = connection.stream.connected().and_then(|stands| {
            if !stands {
                return Ok(None);
            }
            Ok(Some((connection.stream.local_addr()?, connection.stream.peer_addr()?)))
        });
        match ends {
            Ok(None) => {}
            Ok(Some((local, remote))) => {
                connection.stage = Stage::Open;
                self.happened.push_back(Happening::Connected { connection: id, local, remote });
                self.watch(id);
            }
            Err(error) => {
                self.connections.remove(&id);
                self.happened.push_back(Happening::Failed { connection: id, reason: words(&error) });
            }
        }
    }

    fn read(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let is_open = connection.stage == Stage::Open;
        match connection.stream.read(&mut self.scratch) {
            Ok(0) if is_open => self.lose(id, "the neighbour has closed it".to_owned()),
            Ok(length) if is_open => {
                let bytes = self.scratch.get(..length).unwrap_or_default().to_vec();
                self.happened.push_back(Happening::Received { connection: id, bytes });
            }
            // What comes now is not listened to.
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_open => self.lose(id, words(&error)),
            // The farewell.
            Ok(0) | Err(_) => drop(self.connections.remove(&id)),
        }
    }

    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let is_open = connection.stage == Stage::Open;
        match connection.flush() {
            Ok(()) if is_open => {
                let waiting = connection.waiting();
                self.happened.push_back(Happening::Sent { connection: id, waiting });
                self.watch(id);
            }
            Ok(()) => self.watch(id),
            Err(error) if is_open => self.lose(id, words(&error)),
            Err(_) => drop(self.connections.remove(&id)),
        }
    }

    fn watch(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        if let Err(error) = self.poller.modify(&connection.stream, token(id), connection.interest()) {
            self.lose(id, words(&error));
        }
    }

    /// The connection is gone without our wish.
    fn lose(&mut self, id: ConnectionId, reason: String) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.stream.abort();
            self.happened.push_back(Happening::Closed { connection: id, reason });
        }
    }
}

const fn token(connection: ConnectionId) -> u64 {
    CONNECTION | connection.0 as u64
}

/// What the system says, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Why an attempt could not even begin, and what to do.
fn describe(error: &io::Error, remote: SocketAddr, peering: &Peering<'_>) -> String {
    match (error.kind(), peering.local) {
        (io::ErrorKind::AddrNotAvailable, Some(local)) => {
            format!("`local_address` {local} is no address of this machine")
        }
        (io::ErrorKind::InvalidInput, Some(local)) if local.is_ipv4() != remote.is_ipv4() => {
            format!("`local_address` {local} is of another family than the neighbour's")
        }
        _ if peering.key.is_some() && error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            "this kernel has no TCP MD5 (CONFIG_TCP_MD5SIG)".to_owned()
        }
        _ => words(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::poll::Events;

    /// A neighbour at 127.0.77.43 without a session.
    fn neighbors() -> Neighbors {
        use crate::announce::bgp::NeighborSettings;
        let mut settings = super::super::Settings::default();
        let address = "127.0.77.43".parse().unwrap();
        settings.announce.bgp.neighbors =
            vec![NeighborSettings::new("gw", address, crate::wire::bgp::Asn(64_513))];
        settings.neighbors = vec![super::super::NeighborSockets::default()];
        Neighbors::new(&settings)
    }

    #[test]
    fn however_often_a_neighbour_is_refused_few_of_its_connections_are_kept_for_their_last_words() {
        let poller = Arc::new(Poller::new().unwrap());
        let mut connections = Connections::new(Arc::clone(&poller));
        let neighbors = neighbors();
        connections.listen(&["127.0.77.42:0".parse().unwrap()], &neighbors).unwrap();
        let at = connections.listening()[0];
        let mut events = Events::with_capacity(16);
        let mut callers = Vec::new();
        let mut refuse_one = |connections: &mut Connections| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&"127.0.77.43:0".parse::<SocketAddr>().unwrap().into()).unwrap();
            socket.connect(&at.into()).unwrap();
            callers.push(std::net::TcpStream::from(socket));
            loop {
                poller.wait(&mut events, Some(Duration::from_secs(60))).unwrap();
                for event in events.iter() {
                    connections.ready(Time::ZERO, event, &neighbors);
                }
                if let Some(Happening::Accepted { connection, .. }) = connections.next() {
                    connections.send(connection, b"no");
                    while connections.next().is_some() {}
                    connections.close(Time::ZERO, connection);
                    return connection;
                }
            }
        };
        let refused: Vec<_> = (0..20).map(|_| refuse_one(&mut connections)).collect();
        let kept: Vec<_> = connections.connections.keys().copied().collect();
        assert_eq!(kept, &refused[..CLOSING_MAX]);
        // The others' time comes when theirs is over.
        connections.tick(Time::ZERO + CLOSE_TIME);
        let next = refuse_one(&mut connections);
        assert_eq!(connections.connections.keys().copied().collect::<Vec<_>>(), [next]);
    }

    #[test]
    fn a_listener_that_cannot_accept_is_left_alone_for_a_while_and_then_tried_again() {
        let poller = Arc::new(Poller::new().unwrap());
        let mut connections = Connections::new(Arc::clone(&poller));
        connections.listen(&["127.0.77.41:0".parse().unwrap()], &Neighbors::default()).unwrap();
        let stranger = std::net::TcpStream::connect(connections.listening()[0]).unwrap();
        let mut events = Events::with_capacity(4);
        let mut told = |patience| {
            poller.wait(&mut events, Some(patience)).unwrap();
            events.iter().map(|event| event.token).collect::<Vec<_>>()
        };
        assert_eq!(told(Duration::from_secs(60)), [LISTENER]);
        connections.pause(Time::ZERO, 0);
        assert!(told(Duration::ZERO).is_empty(), "it would be told of for ever");
        let until = Time::ZERO + ACCEPT_PAUSE;
        assert_eq!(connections.deadline(), Some(until));
        connections.tick(Time::ZERO);
        // Nor does a reload end the pause.
        let listening = connections.listeners[0].asked();
        connections.listen(&[listening], &Neighbors::default()).unwrap();
        assert!(told(Duration::ZERO).is_empty());
        connections.tick(until);
        assert_eq!(connections.deadline(), None);
        assert_eq!(told(Duration::from_secs(60)), [LISTENER]);
        connections.ready(
            until,
            Event { token: LISTENER, readable: true, writable: false, error: false, hangup: false },
            &Neighbors::default(),
        );
        assert_eq!(connections.refused(), 1, "whoever waited was looked at");
        drop(stranger);
    }
}
