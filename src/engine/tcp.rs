//! TCP relaying (RFC 6062): Connect, ConnectionBind, and peers that connect to us.
//!
//! A connection to a peer waits thirty seconds for the client's data connection; then both are one pipe, which the
//! worker carries and this module only remembers, to end it with its allocation.

use std::net::SocketAddr;
use std::time::Duration;

use super::auth::Authenticated;
use super::refusal::{Code, Refusal};
use super::request::Origin;
use super::timer::TimerId;
use super::timers::Wake;
use super::{Action, ConnectionId, Engine, OwnerId};
use crate::route::{Endpoint, LinkId, RelayId};
use crate::time::Now;
use crate::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

/// RFC 6062 section 5.3: how long a connection waits for ConnectionBind.
pub(super) const BIND_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection between a relay and a peer.
#[derive(Debug)]
pub(super) struct Connection {
    allocation: u64,
    owner: OwnerId,
    peer: Endpoint,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The worker connects; the answer to Connect waits.
    Connecting(Box<Origin>),
    /// Stands, and waits for the client until the timer rings.
    Waiting(TimerId),
    /// One pipe with this client connection.
    Bound(LinkId),
}

impl Connection {
    pub(super) const fn allocation(&self) -> u64 {
        self.allocation
    }
}

impl Engine {
    /// RFC 6062 section 5.2.
    pub(super) fn connect(
        &mut self,
        _now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        let key = self.own_allocation(origin.client, user)?;
        if !self.allocations.get(key).is_some_and(|allocation| allocation.tcp) {
            return Err(Code::AllocationMismatch.into());
        }
        let peer = message.xor_peer_address().map_err(|_| Code::BadRequest)?.ok_or(Code::BadRequest)?;
        let (relay, peer) = self.admit_peer(key, peer, true)?;
        if self.has_connection(key, peer) {
            return Err(Code::ConnectionExists.into());
        }
        self.check_connection_room(key)?;
        let connection = self.new_connection_id();
        let state = State::Connecting(Box::new(origin.clone()));
        let entry = Connection { allocation: key, owner: user.owner, peer: peer.into(), state };
        self.add_connection(connection, entry);
        self.push(Action::ConnectPeer { relay, connection, peer });
        Ok(())
    }

    pub(super) fn peer_connected(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            self.push(Action::ClosePeer { connection: id });
            return;
        };
        let State::Connecting(origin) = &connection.state else { return };
        let origin = origin.clone();
        let timer = self.timers.insert(now.time + BIND_TIMEOUT, Wake::Connection(id));
        connection.state = State::Waiting(timer);
        self.succeed(&origin, |writer| {
            writer.u32(AttributeType::CONNECTION_ID, id.0);
        });
    }

    pub(super) fn peer_connect_failed(&mut self, now: Now, id: ConnectionId) {
        let connecting = |held: &Connection| matches!(held.state, State::Connecting(_));
        if self.connections.get(&id).is_some_and(connecting)
            && let Some(Connection { state: State::Connecting(origin), .. }) = self.remove_connection(id)
        {
            self.refuse(now, &origin, &Code::ConnectionFailed.into());
        }
    }

    /// RFC 6062 section 5.3: somebody connected to the relay. Without a permission they are turned away.
    pub(super) fn peer_accepted(&mut self, now: Now, relay: RelayId, peer: Endpoint, link: LinkId) {
        let id = self.new_connection_id();
        self.push(Action::NamePeer { link, connection: id });
        let Some(key) = self.permitted_tcp(relay, peer) else {
            self.push(Action::ClosePeer { connection: id });
            return;
        };
        let Some((client, owner)) =
            self.allocations.get(key).map(|allocation| (allocation.client, allocation.owner()))
        else {
            return;
        };
        let timer = self.timers.insert(now.time + BIND_TIMEOUT, Wake::Connection(id));
        self.add_connection(id, Connection { allocation: key, owner, peer, state: State::Waiting(timer) });
        let mut bytes = Vec::with_capacity(48);
        let transaction = TransactionId(self.random.bytes());
        let mut writer = Writer::new(&mut bytes, Class::Indication, Method::CONNECTION_ATTEMPT, transaction);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.socket_addr());
        writer.u32(AttributeType::CONNECTION_ID, id.0);
        self.push(Action::Reply { client, bytes });
    }

    fn permitted_tcp(&self, relay: RelayId, peer: Endpoint) -> Option<u64> {
        let super::relays::Holder::Allocation(key) = self.relays.get(relay.0)?.holder else { return None };
        let allocation = self.allocations.get(key)?;
        let room = self.check_connection_room(key).is_ok();
        (allocation.tcp && allocation.permits(peer.ip()) && room).then_some(key)
    }

    /// RFC 6062 section 5.4: on a connection of its own, which becomes the pipe.
    pub(super) fn connection_bind(
        &mut self,
        _now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        let id = message.connection_id().map_err(|_| Code::BadRequest)?.ok_or(Code::BadRequest)?;
        let id = ConnectionId(id);
        let link = origin.client.link.filter(|_| origin.client.tuple.transport.is_stream());
        let link = link.ok_or(Code::BadRequest)?;
        // The connection of an allocation cannot be a pipe as well.
        if self.allocation_of(&origin.client.tuple).is_some() {
            return Err(Code::BadRequest.into());
        }
        let connection = self.connections.get_mut(&id).ok_or(Code::BadRequest)?;
        let State::Waiting(timer) = connection.state else { return Err(Code::BadRequest.into()) };
        if connection.owner != user.owner {
            return Err(Code::BadRequest.into());
        }
        connection.state = State::Bound(link);
        self.timers.cancel(timer);
        self.succeed(origin, |writer| {
            writer.u32(AttributeType::CONNECTION_ID, id.0);
        });
        self.push(Action::Splice { client: link, connection: id });
        Ok(())
    }

    /// Either end of a pipe is gone, or a waiting peer left. One that had not connected yet has failed to.
    pub(super) fn peer_closed(&mut self, now: Now, id: ConnectionId) {
        match self.remove_connection(id).map(|connection| connection.state) {
            Some(State::Bound(link)) => self.push(Action::CloseClient { link }),
            Some(State::Connecting(origin)) => {
                self.refuse(now, &origin, &Code::ConnectionFailed.into());
            }
            Some(State::Waiting(_)) | None => {}
        }
    }

    /// Nobody came for it.
    pub(super) fn expire_connection(&mut self, id: ConnectionId) {
        self.remove_connection(id);
        self.push(Action::ClosePeer { connection: id });
    }

    /// RFC 6062 section 5.6: the pipes go with their allocation.
    pub(super) fn close_connections_of(&mut self, allocation: u64) {
        for id in self.connections_of.remove(&allocation).unwrap_or_default() {
            let connection = self.remove_connection(id);
            self.push(Action::ClosePeer { connection: id });
            if let Some(Connection { state: State::Bound(link), .. }) = connection {
                self.push(Action::CloseClient { link });
            }
        }
    }

    fn has_connection(&self, allocation: u64, peer: SocketAddr) -> bool {
        let peer = Endpoint::from(peer);
        let ids = self.connections_of.get(&allocation).map_or(&[][..], Vec::as_slice);
        ids.iter().any(|id| self.connections.get(id).is_some_and(|other| other.peer == peer))
    }

    fn check_connection_room(&self, allocation: u64) -> Result<(), Refusal> {
        let held = self.connections_of.get(&allocation).map_or(0, Vec::len);
        if held < self.settings.session.connections { Ok(()) } else { Err(Code::InsufficientCapacity.into()) }
    }

    fn add_connection(&mut self, id: ConnectionId, connection: Connection) {
        self.connections_of.entry(connection.allocation).or_default().push(id);
        self.connections.insert(id, connection);
    }

    fn remove_connection(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let State::Waiting(timer) = connection.state {
            self.timers.cancel(timer);
        }
        if let Some(ids) = self.connections_of.get_mut(&connection.allocation) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.connections_of.remove(&connection.allocation);
            }
        }
        Some(connection)
    }

    /// Unpredictable, unused, and led by this worker's index.
    fn new_connection_id(&mut self) -> ConnectionId {
        loop {
            let [_, a, b, c] = self.random.bytes();
            let id = ConnectionId(u32::from_be_bytes([self.worker, a, b, c]));
            if !self.connections.contains_key(&id) {
                return id;
            }
        }
    }
}
