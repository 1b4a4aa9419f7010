//! What the engine is told and what it asks for: its whole contact with the world.

use std::net::{IpAddr, SocketAddr};

use crate::route::{Client, Delta, Endpoint, LinkId, ListenerId, RelayId};
pub use crate::wire::stun::IcmpError;

/// One event for the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// A STUN message from a client: one datagram, or one frame of a stream. Send indications and
    /// ChannelData do not come here; the data path serves them.
    Message {
        /// Whom to answer.
        client: Client,
        /// The whole message.
        bytes: &'a [u8],
    },
    /// A client's connection or session ended; what depends on it goes.
    ClientClosed {
        /// The connection.
        link: LinkId,
    },
    /// The socket that [`Action::OpenRelay`] asked for is there.
    RelayOpened {
        /// Which.
        relay: RelayId,
    },
    /// It could not be had.
    RelayFailed {
        /// Which.
        relay: RelayId,
        /// Whether another port may do.
        error: OpenError,
    },
    /// The kernel reported an ICMP error for a packet sent from `relay` to `peer` (RFC 8656 section 11.5).
    PeerUnreachable {
        /// From where.
        relay: RelayId,
        /// To whom.
        peer: Endpoint,
        /// What the network said.
        icmp: IcmpError,
    },
    /// The connection of [`Action::ConnectPeer`] stands (RFC 6062).
    PeerConnected {
        /// Which.
        connection: ConnectionId,
    },
    /// It failed: refused, unreachable, or 30 seconds went by.
    PeerConnectFailed {
        /// Which.
        connection: ConnectionId,
    },
    /// A peer connected to a TCP relay; the worker holds it and reads nothing from it until it is spliced.
    PeerAccepted {
        /// The relay it came to.
        relay: RelayId,
        /// Who.
        peer: Endpoint,
        /// The worker's name for the connection, until the engine gives it a [`ConnectionId`].
        link: LinkId,
    },
    /// Either end of a spliced pair, or an unspliced peer connection, ended.
    PeerClosed {
        /// Which.
        connection: ConnectionId,
    },
    /// [`super::Engine::deadline`] has come.
    Timer,
}

/// Why a relay's socket could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Somebody has this port: try another.
    PortTaken,
    /// No descriptors, no memory, no such address: another port does not help.
    Exhausted,
}

/// A TCP connection to a peer, as CONNECTION-ID carries it (RFC 6062 section 6.2.1). The upper byte is the worker's
/// index, the rest is random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u32);

/// One thing the worker must do. Actions are carried out in order.
#[derive(Debug)]
pub enum Action {
    /// Send `bytes` to the client.
    Reply {
        /// To whom.
        client: Client,
        /// A whole STUN message.
        bytes: Vec<u8>,
    },
    /// Send `bytes` from another of the server's addresses, or to another port (RFC 5780): never on a stream.
    ReplyFrom {
        /// The listener whose socket sends.
        source: ListenerId,
        /// To where.
        to: SocketAddr,
        /// A whole STUN message.
        bytes: Vec<u8>,
    },
    /// Bind a socket; answer with [`Input::RelayOpened`] or [`Input::RelayFailed`] at once.
    OpenRelay {
        /// Its name from now on.
        relay: RelayId,
        /// UDP, or a TCP listener (RFC 6062).
        kind: RelayKind,
        /// Where to bind.
        bind: SocketAddr,
        /// For accounting and bandwidth limits.
        owner: OwnerId,
    },
    /// Close it; nothing is reported back.
    CloseRelay {
        /// Which.
        relay: RelayId,
    },
    /// Change the route table.
    Route(Delta),
    /// Connect from the TCP relay's address to `peer`; answer [`Input::PeerConnected`] or `PeerConnectFailed`.
    ConnectPeer {
        /// The relay whose address the connection leaves from.
        relay: RelayId,
        /// Its name.
        connection: ConnectionId,
        /// To whom.
        peer: SocketAddr,
    },
    /// The connection that came as `link` is called `connection` from now on.
    NamePeer {
        /// As reported by [`Input::PeerAccepted`].
        link: LinkId,
        /// Its name.
        connection: ConnectionId,
    },
    /// From here on the client's connection and the peer's are one pipe, both ways (RFC 6062 section 5.4). Bytes
    /// that came behind the ConnectionBind request belong to the peer.
    Splice {
        /// The client's data connection.
        client: LinkId,
        /// The peer's.
        connection: ConnectionId,
    },
    /// Close a peer connection, spliced or not, after what is queued has been written.
    ClosePeer {
        /// Which.
        connection: ConnectionId,
    },
    /// Close a client's connection after what is queued has been written.
    CloseClient {
        /// Which.
        link: LinkId,
    },
    /// The message just handled belongs to another worker: hand it over, with its connection if it has one.
    Forward {
        /// The worker's index.
        worker: u8,
    },
    /// Something to count or log.
    Event(super::Event),
}

/// What a relayed address is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayKind {
    /// A UDP socket.
    Udp,
    /// A listening TCP socket (RFC 6062).
    Tcp,
}

/// Who pays: a number per user name, equal on all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// A relayed address: where its socket is bound and what clients and peers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// Where sockets are bound.
    pub bind: IpAddr,
    /// What the outside sees; equal to `bind` unless a 1:1 NAT lies before it.
    pub external: IpAddr,
}
