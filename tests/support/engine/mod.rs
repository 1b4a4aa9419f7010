//! An engine with a worker played by the test: sockets open when the plan says so, time moves when told, and every
//! route delta goes both to the real table and to a naive one. What a real worker relies on is asserted on the way, so
//! every test that drives a [`Rig`] checks it.

pub mod caller;
pub mod model;
pub mod routes;
pub mod setup;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tern::engine::{Action, ConnectionId, Engine, Event, Input, OpenError, RelayKind, Shared};
use tern::route::{Client, Endpoint, FiveTuple, LinkId, ListenerId, RelayId, Table, Transport};
use tern::time::{Now, Time, UnixTime};

pub use caller::{Answer, Caller, Login, Style};
use routes::Routes;
pub use setup::Setup;

/// Unix time at the rig's monotonic zero.
pub const EPOCH: u64 = 1_700_000_000;
/// Monotonic time at which a rig begins.
pub const START: u64 = 1_000;

/// What opening a socket leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It opens.
    Open,
    /// It fails.
    Fail(OpenError),
    /// The worker says nothing until [`Rig::answer_open`].
    Hold,
}

/// An engine, its worker and its clock.
#[derive(Debug)]
pub struct Rig {
    /// What is tested.
    pub engine: Engine,
    /// What all workers share.
    pub shared: Shared,
    /// Both clocks.
    pub now: Now,
    /// The real route table, and the naive one beside it.
    pub table: Table,
    /// See [`Self::table`].
    pub routes: Routes,
    /// Sockets that are open.
    pub sockets: HashMap<RelayId, (SocketAddr, RelayKind)>,
    /// Sockets that were asked for and have not been answered.
    pub held: VecDeque<(RelayId, SocketAddr, RelayKind)>,
    /// How the next sockets open; then all do.
    pub plan: VecDeque<Plan>,
    /// Endpoints that somebody else has.
    pub taken: BTreeSet<SocketAddr>,
    /// Peer connections that the worker holds.
    pub pipes: HashSet<ConnectionId>,
    /// What the worker was asked to do and did not do itself, in order.
    pub out: Vec<Action>,
    /// What was reported.
    pub events: Vec<Event>,
    /// Sockets opened and closed so far.
    pub opened: usize,
    /// See [`Self::opened`].
    pub closed: usize,
    /// Every socket that was ever asked for: names are never used twice.
    asked: HashSet<RelayId>,
}

impl Rig {
    /// The first of `setup.workers` workers.
    pub fn new(setup: &Setup) -> Self {
        Self::worker(setup, 0, Shared::new())
    }

    /// Worker `index`, of the family of `shared`.
    pub fn worker(setup: &Setup, index: u8, shared: Shared) -> Self {
        let seed = [index.wrapping_add(setup.seed); 32];
        Self {
            engine: Engine::new(setup.settings(), shared.clone(), index, seed),
            shared,
            now: at(Time::from_secs(START)),
            table: Table::new(),
            routes: Routes::default(),
            sockets: HashMap::new(),
            held: VecDeque::new(),
            plan: VecDeque::new(),
            taken: BTreeSet::new(),
            pipes: HashSet::new(),
            out: Vec::new(),
            events: Vec::new(),
            opened: 0,
            closed: 0,
            asked: HashSet::new(),
        }
    }

    /// Tells the engine something and does what it asks for.
    pub fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        self.carry_out();
    }

    /// Gives the engine a message and returns what it sends in return, to whomever.
    pub fn send(&mut self, client: Client, bytes: &[u8]) -> Vec<(Client, Vec<u8>)> {
        let before = self.out.len();
        self.tell(Input::Message { client, bytes });
        let mut replies = Vec::new();
        for action in self.out.iter().skip(before) {
            if let Action::Reply { client, bytes } = action {
                replies.push((*client, bytes.clone()));
            }
        }
        replies
    }

    /// Takes what the worker was asked to do since the last call.
    pub fn take_out(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.out)
    }

    /// Lets time pass as a worker does: it wakes at each deadline on the way.
    pub fn pass(&mut self, by: Duration) {
        let end = self.now.time + by;
        while let Some(deadline) = self.engine.deadline().filter(|deadline| *deadline <= end) {
            self.now = at(deadline.max(self.now.time));
            self.tell(Input::Timer);
            let next = self.engine.deadline();
            assert!(next.is_none_or(|next| next > self.now.time), "a deadline that never goes");
        }
        self.now = at(end);
    }

    /// Lets time pass to one nanosecond before `by` has gone by.
    pub fn pass_almost(&mut self, by: Duration) {
        self.pass(by - Duration::from_nanos(1));
    }

    /// One nanosecond.
    pub fn pass_tick(&mut self) {
        self.pass(Duration::from_nanos(1));
    }

    /// Lets time pass without waking: a worker that was late.
    pub fn oversleep(&mut self, by: Duration) {
        self.now = at(self.now.time + by);
    }

    /// Ends every allocation.
    pub fn close(&mut self) {
        self.engine.close();
        self.carry_out();
    }

    /// Answers the oldest socket that was held back.
    pub fn answer_open(&mut self, plan: Plan) {
        let (relay, bind, kind) = self.held.pop_front().unwrap();
        self.open(relay, bind, kind, plan);
        self.carry_out();
    }

    /// Connects a peer to a TCP relay.
    pub fn accept(&mut self, relay: RelayId, peer: SocketAddr, link: LinkId) {
        self.tell(Input::PeerAccepted { relay, peer: peer.into(), link });
    }

    /// The relay whose socket is bound to this endpoint.
    pub fn relay_at(&self, at: SocketAddr) -> Option<RelayId> {
        self.sockets.iter().find(|(_, (bind, _))| *bind == at).map(|(relay, _)| *relay)
    }

    /// Both tables agree, the sockets are those that opened and were not closed, and routes lead to open sockets only.
    pub fn check(&self) {
        assert_eq!(self.sockets.len(), self.opened - self.closed);
        self.routes.assert_equals(&self.table);
        for relay in self.routes.relays() {
            assert!(self.sockets.contains_key(&relay), "{relay:?} is routed and has no socket");
        }
    }

    /// Nothing is left: no timer, no socket, no route, no quota.
    pub fn assert_empty(&self) {
        self.check();
        assert_eq!(self.engine.allocations(), 0);
        assert_eq!(self.engine.deadline(), None);
        assert!(self.sockets.is_empty(), "{:?}", self.sockets);
        assert!(self.table.is_empty());
        assert!(self.pipes.is_empty(), "{:?}", self.pipes);
        assert_eq!((self.shared.quotas.total(), self.shared.quotas.users()), (0, 0));
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.engine.poll() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::OpenRelay { relay, kind, bind, .. } => {
                assert!(self.asked.insert(relay), "{relay:?} has been used before");
                let plan = self.plan.pop_front().unwrap_or(Plan::Open);
                self.open(relay, bind, kind, plan);
            }
            Action::CloseRelay { relay } => self.close_socket(relay),
            Action::Route(delta) => {
                self.table.apply(&delta);
                self.routes.apply(&delta);
            }
            Action::Event(event) => self.events.push(event),
            Action::ConnectPeer { relay, connection, .. } => {
                assert!(self.sockets.contains_key(&relay));
                assert!(self.pipes.insert(connection), "{connection:?} is in use");
                self.out.push(action);
            }
            Action::NamePeer { connection, .. } => {
                assert!(self.pipes.insert(connection), "{connection:?} is in use");
                self.out.push(action);
            }
            Action::Splice { connection, .. } => {
                assert!(self.pipes.contains(&connection));
                self.out.push(action);
            }
            Action::ClosePeer { connection } => {
                self.pipes.remove(&connection);
                self.out.push(action);
            }
            Action::Reply { .. }
            | Action::ReplyFrom { .. }
            | Action::CloseClient { .. }
            | Action::Forward { .. } => self.out.push(action),
        }
    }

    fn open(&mut self, relay: RelayId, bind: SocketAddr, kind: RelayKind, plan: Plan) {
        let in_use = self.sockets.values().any(|(other, _)| *other == bind);
        assert!(!in_use, "{bind} was handed out twice");
        let plan = if self.taken.contains(&bind) { Plan::Fail(OpenError::PortTaken) } else { plan };
        match plan {
            Plan::Open => {
                self.opened += 1;
                self.sockets.insert(relay, (bind, kind));
                self.engine.handle(self.now, Input::RelayOpened { relay });
            }
            Plan::Fail(error) => self.engine.handle(self.now, Input::RelayFailed { relay, error }),
            Plan::Hold => self.held.push_back((relay, bind, kind)),
        }
    }

    fn close_socket(&mut self, relay: RelayId) {
        assert!(self.asked.contains(&relay), "{relay:?} was never asked for");
        assert!(self.table.client(relay).is_none(), "{relay:?} is closed under its route");
        if self.sockets.remove(&relay).is_some() {
            self.closed += 1;
        }
        self.held.retain(|(held, ..)| *held != relay);
    }
}

/// Both clocks at this point of the monotonic one.
pub fn at(time: Time) -> Now {
    Now { time, unix: UnixTime(EPOCH + time.as_nanos() / 1_000_000_000) }
}

/// A client over UDP that talks to the first listener.
pub fn udp(addr: &str) -> Client {
    client(addr, Transport::Udp, None)
}

/// A client over TCP on connection `link`.
pub fn tcp(addr: &str, link: u64) -> Client {
    client(addr, Transport::Tcp, Some(LinkId(link)))
}

/// A client over any transport.
pub fn client(addr: &str, transport: Transport, link: Option<LinkId>) -> Client {
    let client: SocketAddr = addr.parse().unwrap();
    let server: SocketAddr =
        if client.is_ipv4() { "5.9.0.1:3478" } else { "[2a01:4f8::1]:3478" }.parse().unwrap();
    let tuple = FiveTuple { client: client.into(), server: server.into(), transport };
    Client { tuple, listener: ListenerId(0), link }
}

/// An endpoint in the form that the engine uses.
pub fn endpoint(addr: &str) -> Endpoint {
    addr.parse::<SocketAddr>().unwrap().into()
}
