//! The TURN server as a state machine: bytes in, actions out, time passed in.
//!
//! One [`Engine`] belongs to one worker and knows the allocations that this worker serves. It is told of every
//! control message and socket event as an [`Input`], and asks for everything else as an [`Action`]. Media does not
//! come here: for each flow that may pass, the engine sends a [`Delta`](crate::route::Delta) to the data path, and
//! another when it may no longer.
//!
//! Nothing is remembered of a client before it has proven a password. Whatever is created has an end: a timer, a
//! connection that closes, or a bound on how many there may be.

mod allocate;
mod allocation;
pub mod auth;
mod binding;
mod event;
mod io;
pub mod limits;
pub mod peer;
mod permission;
pub mod ports;
pub mod random;
mod refresh;
mod refusal;
mod relays;
mod replies;
mod request;
mod room;
mod settings;
mod tcp;
pub mod timer;
mod timers;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use event::{DropReason, Event, ReleaseCause, Who};
pub use io::{Action, ConnectionId, IcmpError, Input, OpenError, OwnerId, RelayAddress, RelayKind};
pub use random::Random;
pub use room::{FamilyPorts, Room};
pub use settings::{
    DefaultFamily, Lifetimes, Limits, ListenerSettings, NatDiscovery, Redirect, RelaySettings, SessionLimits,
    Settings,
};

pub use view::AllocationView;

use allocate::Opening;
use allocation::Allocation;
use auth::Authenticated;
use ports::{PortPool, PortSpace};
use refusal::{Code, Refusal};
use relays::{Holder, Relay, Reservation};
use replies::Replies;
use tcp::Connection;
use timer::TimerQueue;
use timers::Wake;

use crate::route::{Arena, Client, Endpoint, FiveTuple, LinkId, RelayId, Seats};
use crate::time::Now;
use crate::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

/// What the engines of all workers have in common.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Who holds how many allocations.
    pub quotas: Arc<limits::Shared>,
    /// Which relay ports are taken.
    pub ports: PortSpace,
}

impl Shared {
    /// Nobody holds anything.
    #[must_use]
    pub fn new() -> Self {
        Self { quotas: limits::Shared::new(), ports: PortSpace::new() }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The state machine of one worker.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    shared: Shared,
    worker: u8,
    random: Random,
    ticket_key: [u8; 32],
    ports: PortPool,
    allocations: Arena<Allocation>,
    by_tuple: Seats,
    /// Allocations that wait for their sockets.
    openings: Table<u64, Opening>,
    relays: Arena<Relay>,
    reservations: Table<[u8; 8], Reservation>,
    connections: Table<ConnectionId, Connection>,
    connections_of: Table<u64, Vec<ConnectionId>>,
    /// Which allocation's control connection a link is; links that are none are not here.
    by_link: Table<LinkId, u64>,
    replies: Replies,
    timers: TimerQueue<Wake>,
    actions: VecDeque<Action>,
    overloaded: bool,
}

impl Engine {
    /// An engine without clients. `seed` must be unpredictable: ports, tokens and tickets come from it.
    #[must_use]
    pub fn new(settings: Arc<Settings>, shared: Shared, worker: u8, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let ports = PortPool::new(
            shared.ports.clone(),
            &settings.relay.addresses,
            settings.relay.ports.clone(),
            random.fork(),
        );
        Self {
            settings,
            shared,
            worker,
            ticket_key: random.bytes(),
            random,
            ports,
            allocations: Arena::new(),
            by_tuple: Seats::default(),
            openings: Table::default(),
            relays: Arena::new(),
            reservations: Table::default(),
            connections: Table::default(),
            connections_of: Table::default(),
            by_link: Table::default(),
            replies: Replies::default(),
            timers: TimerQueue::new(),
            actions: VecDeque::new(),
            overloaded: false,
        }
    }

    /// Goes on with other settings. What exists stays as it is; what is new follows them.
    pub fn reload(&mut self, settings: Arc<Settings>) {
        self.ports.replace(&settings.relay.addresses, settings.relay.ports.clone());
        self.settings = settings;
    }

    /// Whether new allocations are refused, so that those that there are stay well. Everything else goes on.
    pub fn set_overloaded(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// How many allocations live.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Takes one event in. Ask [`Self::poll`] for what follows from it until there is nothing more.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.run_timers(now);
        match input {
            Input::Message { client, bytes } => self.message(now, client, bytes),
            Input::ClientClosed { link } => self.client_closed(link),
            Input::RelayOpened { relay } => self.relay_opened(now, relay),
            Input::RelayFailed { relay, error } => self.relay_failed(now, relay, error),
            Input::PeerUnreachable { relay, peer, icmp } => self.peer_unreachable(relay, peer, icmp),
            Input::PeerConnected { connection } => self.peer_connected(now, connection),
            Input::PeerConnectFailed { connection } => self.peer_connect_failed(now, connection),
            Input::PeerAccepted { relay, peer, link } => self.peer_accepted(now, relay, peer, link),
            Input::PeerClosed { connection } => self.peer_closed(now, connection),
            Input::Timer => {}
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Ends every allocation, as an operator who stops the relay wants it.
    pub fn close(&mut self) {
        let keys: Vec<u64> = self.allocations.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.release(key, ReleaseCause::Operator);
        }
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn event(&mut self, event: Event) {
        self.push(Action::Event(event));
    }

    fn listener(&self, client: Client) -> Option<&ListenerSettings> {
        self.settings.listeners.get(usize::from(client.listener.0))
    }

    fn realm(&self, client: Client) -> &str {
        self.listener(client).map_or("", |listener| listener.realm.as_str())
    }

    /// The allocation of a five-tuple, open or not.
    fn allocation_of(&self, tuple: &FiveTuple) -> Option<u64> {
        let mut found = self.by_tuple.find(tuple).filter_map(|place| self.allocations.at(place));
        found.find(|(_, allocation)| allocation.client.tuple == *tuple).map(|(key, _)| key)
    }

    /// The client's own allocation: 437 if it has none, 441 if somebody else made it (RFC 8656 section 5).
    fn own_allocation(&self, client: Client, user: &Authenticated) -> Result<u64, Refusal> {
        let key = self.allocation_of(&client.tuple).ok_or(Code::AllocationMismatch)?;
        let allocation = self.allocations.get(key).filter(|allocation| !allocation.opening);
        let allocation = allocation.ok_or(Code::AllocationMismatch)?;
        if allocation.owner() != user.owner {
            return Err(Code::WrongCredentials.into());
        }
        Ok(key)
    }

    /// The worker that a token, ticket or connection names, if it is not this one. It is looked at before the
    /// password: whoever owns what it names will ask for that. A client that has an allocation here stays: one five-tuple
    /// has one allocation, and the other worker does not know of ours.
    fn other_worker(&self, client: Client, message: &Message<'_>) -> Option<u8> {
        if self.allocation_of(&client.tuple).is_some() {
            return None;
        }
        let first = |kind| message.find(kind).and_then(<[u8]>::first).copied();
        let worker = match message.method() {
            Method::ALLOCATE => first(AttributeType::RESERVATION_TOKEN),
            Method::REFRESH => message.mobility_ticket().and_then(refresh::worker_of_ticket),
            Method::CONNECTION_BIND => first(AttributeType::CONNECTION_ID),
            _ => None,
        }?;
        (worker != self.worker && worker < self.settings.workers).then_some(worker)
    }

    /// An allocation ends with the connection that carries it (RFC 8656 section 7.2), unless its client may move.
    fn client_closed(&mut self, link: LinkId) {
        let Some(key) = self.by_link.remove(&link) else { return };
        if self.allocations.get(key).is_some_and(|allocation| allocation.ticket.is_none()) {
            self.release(key, ReleaseCause::Disconnected);
        }
    }

    /// RFC 8656 section 11.5: the client learns what the network said, if it has a permission for that peer.
    fn peer_unreachable(&mut self, relay: RelayId, peer: Endpoint, icmp: IcmpError) {
        let Some(Relay { holder: Holder::Allocation(key), .. }) = self.relays.get(relay.0) else { return };
        let Some(allocation) = self.allocations.get(*key).filter(|held| held.permits(peer.ip())) else {
            return;
        };
        let client = allocation.client;
        let mut bytes = Vec::with_capacity(64);
        let transaction = TransactionId(self.random.bytes());
        let mut writer = Writer::new(&mut bytes, Class::Indication, Method::DATA, transaction);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.socket_addr());
        writer.icmp(icmp.kind, icmp.code, icmp.data);
        self.push(Action::Reply { client, bytes });
    }
}
