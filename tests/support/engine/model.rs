//! The engine against a model that is too simple to be wrong: lists and points in time, looked through from end to end.
//!
//! [`World::step`] does the same to both and compares the answer; [`World::compare`] compares everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tern::engine::limits::Quotas;
use tern::engine::{Input, OpenError, SessionLimits};
use tern::route::{Client, FiveTuple, LinkId};
use tern::time::Time;
use tern::wire::stun::{AddressFamily, AttributeType, Method, Writer};

use super::{Caller, Plan, Rig, Setup, tcp, udp};

const USERS: [&str; 4] = ["alice", "alice", "bob", "carol"];
const ADDRESSES: [&str; 5] =
    ["84.1.2.3:5000", "84.1.2.3:5001", "85.1.2.3:5000", "[2a02::9]:5000", "[2a02::a]:5001"];
const PEERS: [&str; 9] = [
    "9.9.9.1:7",
    "9.9.9.1:8",
    "9.9.9.2:7",
    "9.9.9.3:7",
    "[2620:fe::1]:7",
    "[2620:fe::2]:7",
    "[::ffff:9.9.9.4]:7",
    "127.0.0.1:7",
    "[fe80::1]:7",
];
const NUMBERS: [u16; 6] = [0x4000, 0x4001, 0x4002, 0x4FFF, 0x5000, 0x3FFF];
const LIFETIMES: [u32; 6] = [0, 1, 600, 700, 3600, 100_000];
/// The limits that the model knows: all within reach of a short sequence.
const PER_USER: usize = 2;
const TOTAL: usize = 3;
const PER_SESSION: usize = 3;
const PORTS: usize = 2;

/// One operation. Numbers are taken modulo what there is, so that any will do.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of the requests")]
pub enum Op {
    /// Allocate; `open` says which sockets can be had.
    Allocate { caller: u8, families: u8, lifetime: u8, mobile: bool, open: [bool; 2] },
    /// Refresh of all or one family.
    Refresh { caller: u8, lifetime: u8, family: u8 },
    /// Refresh with some ticket, from some address.
    Show { caller: u8, ticket: u8, address: u8, lifetime: u8, family: u8 },
    /// CreatePermission.
    Permit { caller: u8, peers: Vec<u8> },
    /// ChannelBind.
    Bind { caller: u8, number: u8, peer: u8 },
    /// The caller's connection ends, if it has one; it has another at once.
    Hangup { caller: u8 },
    /// The caller is somewhere else from now on.
    Roam { caller: u8, address: u8 },
    /// Time goes by, with or without a worker that wakes.
    Pass { seconds: u16, tick: i8, asleep: bool },
    /// The operator ends everything.
    Close,
    /// Other settings.
    Reload { mobility: bool, legacy: bool },
}

#[derive(Clone, Debug)]
struct Session {
    id: usize,
    user: &'static str,
    client: Client,
    /// Its connection has not ended.
    connected: bool,
    expires: Time,
    families: BTreeSet<u8>,
    permissions: BTreeMap<IpAddr, Time>,
    /// Number, peer, end; for five minutes more it cools down.
    channels: Vec<(u16, SocketAddr, Time)>,
    /// How often its ticket was renewed.
    renewed: Option<u32>,
}

/// The engine and what is expected of it.
#[derive(Debug)]
pub struct World {
    /// The real one.
    pub rig: Rig,
    callers: Vec<Caller>,
    sessions: Vec<Session>,
    tickets: Vec<(Vec<u8>, usize, u32)>,
    mobility: bool,
    legacy: bool,
    ids: usize,
    links: u64,
}

fn family_of(ip: IpAddr) -> u8 {
    AddressFamily::of(ip).value()
}

fn setup(mobility: bool, legacy: bool) -> Setup {
    Setup {
        mobility,
        legacy_channels: legacy,
        ports: 50_000..=50_001,
        quotas: Quotas { per_user: Some(2), total: Some(3) },
        session: SessionLimits { permissions: PER_SESSION, channels: PER_SESSION, connections: 2 },
        ..Setup::default()
    }
}

fn pick<T: Copy>(from: &[T], index: u8) -> T {
    *from.get(usize::from(index) % from.len()).unwrap()
}

fn granted(lifetime: u32) -> u32 {
    lifetime.clamp(600, 3600)
}

/// The families that a number stands for: none named, IPv4, IPv6, both.
fn wanted(families: u8, client: Client) -> Vec<u8> {
    match families % 4 {
        0 => vec![family_of(client.tuple.client.ip())],
        3 => vec![1, 2],
        one => vec![one],
    }
}

fn write_families(families: u8, writer: &mut Writer<'_>) {
    let kind = AttributeType::REQUESTED_ADDRESS_FAMILY;
    match families % 4 {
        0 => {}
        3 => _ = writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6),
        one => _ = writer.attribute(kind, &[one, 0, 0, 0]),
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Four callers, the last over TCP; nobody has anything.
    pub fn new() -> Self {
        let callers = USERS.iter().zip(0_u8..).map(|(user, n)| {
            let address = pick(&ADDRESSES, n);
            Caller::new(if n == 3 { tcp(address, 1) } else { udp(address) }, user)
        });
        Self {
            rig: Rig::new(&setup(true, false)),
            callers: callers
                .enumerate()
                .map(|(n, caller)| Caller { counter: (n as u64) << 32, ..caller })
                .collect(),
            sessions: Vec::new(),
            tickets: Vec::new(),
            mobility: true,
            legacy: false,
            ids: 0,
            links: 1,
        }
    }

    fn now(&self) -> Time {
        self.rig.now.time
    }

    /// Does one thing to both, and compares.
    pub fn step(&mut self, op: &Op) {
        self.expire();
        match op {
            Op::Allocate { caller, families, lifetime, mobile, open } => {
                self.allocate(self.who(*caller), *families, pick(&LIFETIMES, *lifetime), *mobile, *open);
            }
            Op::Refresh { caller, lifetime, family } => {
                self.refresh(self.who(*caller), pick(&LIFETIMES, *lifetime), family % 3);
            }
            Op::Show { caller, ticket, address, lifetime, family } => {
                let who = self.who(*caller);
                self.roam(who, *address);
                self.show(who, *ticket, pick(&LIFETIMES, *lifetime), family % 3);
            }
            Op::Permit { caller, peers } => self.permit(self.who(*caller), peers),
            Op::Bind { caller, number, peer } => {
                self.bind(self.who(*caller), pick(&NUMBERS, *number), pick(&PEERS, *peer));
            }
            Op::Hangup { caller } => self.hang_up(self.who(*caller)),
            Op::Roam { caller, address } => self.roam(self.who(*caller), *address),
            Op::Pass { seconds, tick, asleep } => self.pass(*seconds, *tick, *asleep),
            Op::Close => {
                self.rig.close();
                self.sessions.clear();
            }
            Op::Reload { mobility, legacy } => {
                (self.mobility, self.legacy) = (*mobility, *legacy);
                self.rig.engine.reload(setup(*mobility, *legacy).settings());
            }
        }
        self.compare();
    }

    /// Everything ends by itself, and nothing is left.
    pub fn finish(mut self) {
        self.rig.pass(Duration::from_secs(5000));
        self.rig.assert_empty();
    }

    fn who(&self, caller: u8) -> usize {
        usize::from(caller) % self.callers.len()
    }

    fn caller(&mut self, who: usize) -> &mut Caller {
        self.callers.get_mut(who).unwrap()
    }

    fn client(&self, who: usize) -> Client {
        self.callers.get(who).unwrap().client
    }

    fn at(&self, tuple: FiveTuple) -> Option<usize> {
        self.sessions.iter().position(|session| session.client.tuple == tuple)
    }

    /// The caller's own session, or the error that it gets.
    fn own(&self, who: usize) -> Result<usize, u16> {
        let at = self.at(self.client(who).tuple).ok_or(437_u16)?;
        if self.sessions.get(at).unwrap().user == *USERS.get(who).unwrap() { Ok(at) } else { Err(441) }
    }

    fn ask(&mut self, who: usize, method: Method, body: impl Fn(&mut Writer<'_>)) -> super::Answer {
        let Self { rig, callers, .. } = self;
        callers.get_mut(who).unwrap().request(rig, method, body)
    }

    fn allocate(&mut self, who: usize, families: u8, lifetime: u32, mobile: bool, open: [bool; 2]) {
        let expected = self.expect_allocate(who, families, mobile, open);
        // Sockets are asked for in the order of the families, where there is a port.
        let asked = wanted(families, self.client(who)).into_iter().filter(|family| self.has_port(*family));
        let plan = asked.map(|family| match open.get(usize::from(family) - 1) {
            Some(true) => Plan::Open,
            _ => Plan::Fail(OpenError::Exhausted),
        });
        let plan: Vec<Plan> = plan.collect();
        self.rig.plan.extend(plan);
        let answer = self.ask(who, Method::ALLOCATE, |writer| {
            writer.requested_transport(17).u32(AttributeType::LIFETIME, lifetime);
            write_families(families, writer);
            if mobile {
                writer.flag(AttributeType::MOBILITY_TICKET);
            }
        });
        self.rig.plan.clear();
        assert_eq!(answer.code, expected.as_ref().err().copied().unwrap_or(0), "Allocate");
        let Ok(families) = expected else { return };
        assert_eq!(answer.lifetime(), Some(granted(lifetime)));
        assert_eq!(answer.relayed().iter().map(|at| family_of(at.ip())).collect::<BTreeSet<_>>(), families);
        self.ids += 1;
        self.sessions.push(Session {
            id: self.ids,
            user: USERS.get(who).unwrap(),
            client: self.client(who),
            connected: true,
            expires: self.now() + Duration::from_secs(u64::from(granted(lifetime))),
            families,
            permissions: BTreeMap::new(),
            channels: Vec::new(),
            renewed: mobile.then_some(0),
        });
        assert_eq!(answer.ticket().is_some(), mobile);
        self.tickets.extend(answer.ticket().map(|ticket| (ticket, self.ids, 0)));
    }

    fn expect_allocate(
        &self,
        who: usize,
        families: u8,
        mobile: bool,
        open: [bool; 2],
    ) -> Result<BTreeSet<u8>, u16> {
        let user = *USERS.get(who).unwrap();
        if self.at(self.client(who).tuple).is_some() {
            return Err(437);
        }
        if mobile && !self.mobility {
            return Err(405);
        }
        if self.sessions.iter().filter(|session| session.user == user).count() >= PER_USER {
            return Err(486);
        }
        if self.sessions.len() >= TOTAL {
            return Err(508);
        }
        let opens = |family: &u8| self.has_port(*family) && *open.get(usize::from(*family) - 1).unwrap();
        let got: BTreeSet<u8> = wanted(families, self.client(who)).into_iter().filter(opens).collect();
        if got.is_empty() { Err(508) } else { Ok(got) }
    }

    fn has_port(&self, family: u8) -> bool {
        self.sessions.iter().filter(|session| session.families.contains(&family)).count() < PORTS
    }

    fn refresh(&mut self, who: usize, lifetime: u32, family: u8) {
        let expected = self.own(who).and_then(|at| self.expect_family(at, family));
        let answer = self.ask(who, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime);
            write_families(family, writer);
        });
        assert_eq!(answer.code, expected.err().unwrap_or(0), "Refresh");
        if let Ok(at) = expected {
            self.prolong_or_end(at, lifetime, family, answer.lifetime());
        }
    }

    fn expect_family(&self, at: usize, family: u8) -> Result<usize, u16> {
        let has = family == 0 || self.sessions.get(at).unwrap().families.contains(&family);
        if has { Ok(at) } else { Err(443) }
    }

    fn prolong_or_end(&mut self, at: usize, lifetime: u32, family: u8, answered: Option<u32>) {
        let now = self.now();
        let session = self.sessions.get_mut(at).unwrap();
        if lifetime > 0 {
            assert_eq!(answered, Some(granted(lifetime)));
            session.expires = now + Duration::from_secs(u64::from(granted(lifetime)));
            return;
        }
        assert_eq!(answered, Some(0));
        if family == 0 || session.families.len() == 1 {
            self.sessions.remove(at);
            return;
        }
        session.families.remove(&family);
        session.permissions.retain(|ip, _| family_of(*ip) != family);
        session.channels.retain(|(_, peer, _)| family_of(peer.ip()) != family);
    }

    fn show(&mut self, who: usize, ticket: u8, lifetime: u32, family: u8) {
        if self.tickets.is_empty() {
            return;
        }
        let (bytes, id, renewed) =
            self.tickets.get(usize::from(ticket) % self.tickets.len()).unwrap().clone();
        let expected = self.expect_show(who, id, renewed).and_then(|at| self.expect_family(at, family));
        let answer = self.ask(who, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime).attribute(AttributeType::MOBILITY_TICKET, &bytes);
            write_families(family, writer);
        });
        assert_eq!(answer.code, expected.err().unwrap_or(0), "Refresh with a ticket");
        let Ok(at) = expected else { return };
        let client = self.client(who);
        let session = self.sessions.get_mut(at).unwrap();
        session.connected |= session.client != client;
        session.client = client;
        if lifetime > 0 {
            let renewed = session.renewed.unwrap() + 1;
            session.renewed = Some(renewed);
            self.tickets.push((answer.ticket().unwrap(), id, renewed));
        }
        self.prolong_or_end(at, lifetime, family, answer.lifetime());
    }

    fn expect_show(&self, who: usize, id: usize, renewed: u32) -> Result<usize, u16> {
        if !self.mobility {
            return Err(405);
        }
        let at = self.sessions.iter().position(|session| session.id == id).ok_or(437_u16)?;
        let session = self.sessions.get(at).unwrap();
        if session.user != *USERS.get(who).unwrap() {
            return Err(441);
        }
        let current = session.renewed.unwrap();
        if renewed != current && renewed + 1 != current {
            return Err(400);
        }
        match self.at(self.client(who).tuple) {
            Some(other) if other != at => Err(437),
            _ => Ok(at),
        }
    }

    fn permit(&mut self, who: usize, peers: &[u8]) {
        let peers: Vec<&str> = peers.iter().map(|peer| pick(&PEERS, *peer)).collect();
        let expected = self.own(who).and_then(|at| {
            let all: Result<Vec<SocketAddr>, u16> =
                peers.iter().map(|peer| self.expect_peer(at, peer)).collect();
            let all = all?;
            if all.is_empty() {
                return Err(400);
            }
            self.expect_room(at, &all)?;
            Ok((at, all))
        });
        let Self { rig, callers, .. } = self;
        let code = callers.get_mut(who).unwrap().permit(rig, &peers).code;
        assert_eq!(code, expected.as_ref().err().copied().unwrap_or(0), "CreatePermission {peers:?}");
        if let Ok((at, all)) = expected {
            let end = self.now() + Duration::from_secs(300);
            let session = self.sessions.get_mut(at).unwrap();
            session.permissions.extend(all.into_iter().map(|peer| (peer.ip(), end)));
        }
    }

    fn expect_peer(&self, at: usize, peer: &str) -> Result<SocketAddr, u16> {
        let peer: SocketAddr = peer.parse().unwrap();
        let ip = peer.ip().to_canonical();
        if ip.is_loopback() || ip.to_string().starts_with("fe80") {
            return Err(403);
        }
        let has = self.sessions.get(at).unwrap().families.contains(&family_of(ip));
        if has { Ok(SocketAddr::new(ip, peer.port())) } else { Err(443) }
    }

    fn expect_room(&self, at: usize, peers: &[SocketAddr]) -> Result<(), u16> {
        let known = self.sessions.get(at).unwrap().permissions.keys().copied();
        let all: BTreeSet<IpAddr> = known.chain(peers.iter().map(SocketAddr::ip)).collect();
        if all.len() > PER_SESSION { Err(508) } else { Ok(()) }
    }

    fn bind(&mut self, who: usize, number: u16, peer: &str) {
        let expected = self.own(who).and_then(|at| {
            if number < 0x4000 || (number > 0x4FFF && !self.legacy) {
                return Err(400);
            }
            let peer = self.expect_peer(at, peer)?;
            self.expect_binding(at, number, peer)?;
            self.expect_room(at, &[peer])?;
            Ok((at, peer))
        });
        let Self { rig, callers, .. } = self;
        let code = callers.get_mut(who).unwrap().bind(rig, number, peer).code;
        assert_eq!(code, expected.err().unwrap_or(0), "ChannelBind {number:#x} {peer}");
        if let Ok((at, peer)) = expected {
            let now = self.now();
            let session = self.sessions.get_mut(at).unwrap();
            session.permissions.insert(peer.ip(), now + Duration::from_secs(300));
            session.channels.retain(|(other, ..)| *other != number);
            session.channels.push((number, peer, now + Duration::from_secs(600)));
        }
    }

    fn expect_binding(&self, at: usize, number: u16, peer: SocketAddr) -> Result<(), u16> {
        let channels = &self.sessions.get(at).unwrap().channels;
        if channels.iter().any(|(n, p, _)| (*n == number) != (*p == peer)) {
            return Err(400);
        }
        let known = channels.iter().any(|(n, ..)| *n == number);
        if known || channels.len() < PER_SESSION { Ok(()) } else { Err(508) }
    }

    fn hang_up(&mut self, who: usize) {
        let Some(link) = self.client(who).link else { return };
        self.rig.tell(Input::ClientClosed { link });
        let on_it = |session: &Session| session.client.link == Some(link) && session.connected;
        self.sessions.retain(|session| !on_it(session) || session.renewed.is_some());
        for session in self.sessions.iter_mut().filter(|session| session.client.link == Some(link)) {
            session.connected = false;
        }
        self.links += 1;
        let next = Some(LinkId(self.links));
        self.caller(who).client.link = next;
    }

    /// A stream client that roams connects anew; its old connection lives on.
    fn roam(&mut self, who: usize, address: u8) {
        self.links += 1;
        let (address, link) = (pick(&ADDRESSES, address), self.links);
        let caller = self.caller(who);
        let client = if caller.client.link.is_some() { tcp(address, link) } else { udp(address) };
        if caller.client.tuple != client.tuple {
            caller.client = client;
        }
    }

    fn pass(&mut self, seconds: u16, tick: i8, asleep: bool) {
        let by = i64::from(seconds % 1000) * 1_000_000_000 + i64::from(tick.signum());
        let by = Duration::from_nanos(u64::try_from(by).unwrap_or(0));
        if asleep { self.rig.oversleep(by) } else { self.rig.pass(by) }
    }

    fn expire(&mut self) {
        let now = self.now();
        self.sessions.retain(|session| session.expires > now);
        for session in &mut self.sessions {
            session.permissions.retain(|_, end| *end > now);
            session.channels.retain(|(.., end)| *end + Duration::from_secs(300) > now);
        }
    }

    /// The model's sessions are the engine's, its routes are the table's, and what is counted adds up.
    pub fn compare(&mut self) {
        self.rig.tell(Input::Timer);
        self.expire();
        let now = self.now();
        self.rig.check();
        assert_eq!(self.rig.engine.allocations(), self.sessions.len());
        assert_eq!(self.rig.shared.quotas.total() as usize, self.sessions.len());
        let users: BTreeSet<&str> = self.sessions.iter().map(|session| session.user).collect();
        assert_eq!(self.rig.shared.quotas.users(), users.len());
        let relays: usize = self.sessions.iter().map(|session| session.families.len()).sum();
        assert_eq!((self.rig.sockets.len(), self.rig.table.len()), (relays, relays));
        for session in &self.sessions {
            let routes = self.rig.routes.of(&session.client.tuple);
            assert_eq!(routes.len(), session.families.len());
            assert!(routes.iter().all(|route| route.client == session.client));
            let permitted: BTreeSet<IpAddr> =
                routes.iter().flat_map(|route| route.permissions.iter().copied()).collect();
            assert_eq!(permitted, session.permissions.keys().copied().collect());
            let bound: BTreeSet<(u16, SocketAddr)> =
                routes.iter().flat_map(|route| route.channels.iter().map(|(n, p)| (*n, *p))).collect();
            let live = session.channels.iter().filter(|(.., end)| *end > now);
            assert_eq!(bound, live.map(|(number, peer, _)| (*number, *peer)).collect());
        }
    }
}
