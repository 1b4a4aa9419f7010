//! Any sequence of operations on the BGP speaker: connections, bytes good and bad, time, routes, reloads, and events that a
//! confused driver might report. What always holds is asserted: two connections per neighbour at most, nothing on one
//! that is closed or beyond a NOTIFICATION, whole messages only, bounded output, a session only after two good OPENs, no
//! time that stands still, no neighbour forgotten. What was sent adds up to what the neighbour shall know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tern::announce::bgp::{Input, NeighborSettings, SessionState, Settings, Speaker};
use tern::announce::policy::{Attributes, NextHop};
use tern::announce::{Action, ConnectionId, NeighborId, Target};
use tern::time::{Now, Time, UnixTime};
use tern::wire::bgp::write::{self, OpenSettings};
use tern::wire::bgp::{
    Asn, Codec, Families, Family, GracefulRestart, Message, Prefix, Reason, Role, RouterId, decode, frame,
};

const STEPS_MAX: usize = 300;
const NEIGHBORS: u16 = 3;
/// Less urgent messages wait behind this, and what follows at once is no longer than that again.
const OUTPUT_MAX: usize = 80 * 1024;

/// Checks `data`.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new(settings(bytes.next()));
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        world.step(&mut bytes);
    }
    world.finish();
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    /// Zeros behind the end.
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn some(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// One that connects, one that waits and has a role, one with graceful restart and few prefixes.
fn settings(kind: u8) -> Settings {
    let neighbor = |number: u16| NeighborSettings {
        name: format!("n{number}").into(),
        address: [192, 0, 2, number.to_be_bytes()[1]].into(),
        port: 179,
        asn: asn(number),
        passive: number == 1,
        hold: Duration::from_secs(if kind & 1 == 0 { 9 } else { 0 }),
        connect_retry: Duration::from_secs(5),
        send_hold: Duration::from_secs(20),
        families: if kind & 2 == 0 { Families::BOTH } else { Families::IPV4 },
        max_prefixes: Some(3),
        max_prefixes_restart: (kind & 4 == 0).then_some(Duration::from_secs(60)),
        role: (number == 1).then_some(Role::Provider),
        role_strict: kind & 8 != 0,
        graceful_restart: (number == 2).then_some(60),
        exports: Vec::new(),
        bfd: kind & 16 == 0,
        shutdown: kind & 96 == 96 && number == 0,
        sockets: 0,
    };
    Settings {
        asn: Asn(64512),
        router_id: RouterId(if kind & 128 == 0 { 5 } else { 1 }),
        neighbors: (0..NEIGHBORS).map(neighbor).collect(),
        shutdown_text: "later".into(),
    }
}

fn asn(neighbor: u16) -> Asn {
    Asn(if neighbor == 2 { 4_200_000_000 } else { 65_000 + u32::from(neighbor) })
}

/// A connection as the driver sees it.
#[derive(Default)]
struct Wire {
    neighbor: u16,
    stands: bool,
    /// What the speaker has sent that the kernel has not taken.
    waiting: usize,
    has_sent_open: bool,
    has_sent_notification: bool,
    /// What the neighbour has sent: whole messages are looked at by [`World::hear`].
    heard: Vec<u8>,
    heard_open: Option<Codec>,
    heard_keepalive: bool,
    /// What the neighbour has learnt on it.
    learnt: BTreeSet<Prefix>,
}

struct World {
    now: Now,
    speaker: Speaker,
    settings: Settings,
    wires: BTreeMap<ConnectionId, Wire>,
    used: BTreeSet<ConnectionId>,
    accepted: u32,
    wanted: BTreeMap<u16, BTreeSet<Prefix>>,
    is_stopped: bool,
}

impl World {
    fn new(settings: Settings) -> Self {
        let now = Now { time: Time::from_secs(1000), unix: UnixTime(1_800_000_000) };
        Self {
            now,
            speaker: Speaker::new(now, &settings),
            settings,
            wires: BTreeMap::new(),
            used: BTreeSet::new(),
            accepted: 1,
            wanted: BTreeMap::new(),
            is_stopped: false,
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.next() % 16 {
            0 => self.pass(Duration::from_millis(u64::from(bytes.next()) * 20)),
            1 | 2 => self.jump(),
            3 => self.accept(bytes.next()),
            4 => self.connect(bytes.next()),
            5..=7 => {
                let connection = self.pick(bytes.next());
                let message =
                    some_message(bytes, self.wires.get(&connection).map_or(0, |wire| wire.neighbor));
                self.feed(connection, &message);
            }
            8 => self.shake_hands(bytes.next()),
            9 => {
                let connection = self.pick(bytes.next());
                let share = usize::from(bytes.next() % 5);
                self.sent(connection, share);
            }
            10 => {
                let connection = self.pick(bytes.next());
                self.lose(connection, bytes.next());
            }
            11 => {
                let (neighbor, kind) = (NeighborId((bytes.next() % 4).into()), bytes.next());
                let (up, reason) = (kind & 1 == 0, "because");
                self.handle(if kind & 0x81 == 0x81 {
                    Input::BfdStopped { neighbor, reason }
                } else {
                    Input::Bfd { neighbor, up, reason }
                });
            }
            12 | 13 => self.set_routes(bytes),
            14 => self.reload(bytes.next(), bytes.next()),
            _ if bytes.next() > 250 => {
                self.is_stopped = true;
                self.speaker.stop(self.now);
                self.obey();
                assert!(self.wires.is_empty(), "all connections end with the speaker");
            }
            _ => self.handle(Input::Tick),
        }
        self.assert_sane();
    }

    /// Time passes, and the driver wakes up late.
    fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.tick();
    }

    /// To the deadline.
    fn jump(&mut self) {
        if let Some(deadline) = self.speaker.deadline() {
            self.pass(deadline.since(self.now.time));
        }
    }

    fn tick(&mut self) {
        self.handle(Input::Tick);
        let deadline = self.speaker.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now.time), "the time stands still");
    }

    fn pick(&self, choice: u8) -> ConnectionId {
        let count = self.wires.len().max(1);
        self.wires.keys().nth(usize::from(choice) % count).copied().unwrap_or(ConnectionId(choice.into()))
    }

    fn accept(&mut self, choice: u8) {
        let neighbor = u16::from(choice % 4);
        let connection = ConnectionId(self.accepted);
        self.accepted += 2;
        if neighbor < NEIGHBORS {
            self.used.insert(connection);
            self.wires.insert(connection, Wire { neighbor, stands: true, ..Wire::default() });
        }
        let (local, remote) = addresses(connection);
        let input = Input::Accepted { connection, neighbor: NeighborId(neighbor), local, remote };
        self.speaker.handle(self.now, input);
        if neighbor < NEIGHBORS {
            return self.obey();
        }
        assert_eq!(self.speaker.poll(), Some(Action::Abort { connection }));
    }

    fn connect(&mut self, choice: u8) {
        let asked = self.wires.iter_mut().filter(|(_, wire)| !wire.stands);
        let Some((connection, wire)) = asked.last() else { return };
        let connection = *connection;
        let (local, remote) = addresses(connection);
        if choice & 3 == 0 {
            self.wires.remove(&connection);
            self.handle(Input::Failed { connection, reason: "refused" });
        } else {
            wire.stands = true;
            self.handle(Input::Connected { connection, local, remote });
        }
    }

    /// The neighbour says something; what it said is heard here as well.
    fn feed(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if let Some(wire) = self.wires.get_mut(&connection).filter(|wire| wire.stands) {
            wire.heard.extend_from_slice(bytes);
            hear(wire);
        }
        self.handle(Input::Received { connection, bytes });
    }

    /// Whatever connection there is, good messages on it.
    fn shake_hands(&mut self, choice: u8) {
        let connection = self.pick(choice);
        let Some(neighbor) = self.wires.get(&connection).map(|wire| wire.neighbor) else { return };
        self.feed(connection, &open(neighbor, choice));
        if choice & 64 == 0 {
            let mut bytes = Vec::new();
            write::keepalive(&mut bytes);
            self.feed(connection, &bytes);
        }
    }

    /// The kernel takes some of what waits.
    fn sent(&mut self, connection: ConnectionId, share: usize) {
        if let Some(wire) = self.wires.get_mut(&connection) {
            wire.waiting = wire.waiting * share / 4;
            let waiting = wire.waiting;
            self.handle(Input::Sent { connection, waiting });
        } else {
            self.handle(Input::Sent { connection, waiting: share });
        }
    }

    fn lose(&mut self, connection: ConnectionId, choice: u8) {
        self.wires.remove(&connection);
        let reason = "reset";
        if choice & 7 == 0 {
            self.handle(Input::Failed { connection, reason });
        } else {
            self.handle(Input::Closed { connection, reason });
        }
    }

    fn set_routes(&mut self, bytes: &mut Bytes<'_>) {
        let neighbor = u16::from(bytes.next() % 4);
        let (which, how) = (bytes.next(), bytes.next());
        let routes: Vec<(Prefix, Option<Attributes>)> = ["10.0.0.0/8", "198.51.100.1/32", "2001:db8::/32"]
            .iter()
            .zip(0..)
            .filter_map(|(text, bit)| {
                let wanted = which & 1 << bit != 0;
                Some((text.parse().ok()?, wanted.then(|| attributes(how, bit == 2))))
            })
            .collect();
        let announced = routes.iter().filter(|(_, attributes)| attributes.is_some());
        if usize::from(neighbor) < self.settings.neighbors.len() {
            self.wanted.insert(neighbor, announced.map(|(prefix, _)| *prefix).collect());
        }
        self.speaker.set_routes(self.now, NeighborId(neighbor), routes);
        self.obey();
    }

    /// Names are places here, so that a neighbour's number stays.
    fn reload(&mut self, kind: u8, gone: u8) {
        self.settings = settings(kind);
        if gone & 7 == 0 {
            self.settings.neighbors.pop();
            self.wanted.remove(&(NEIGHBORS - 1));
        }
        self.speaker.reload(self.now, &self.settings);
        self.obey();
    }

    fn handle(&mut self, input: Input<'_>) {
        self.speaker.handle(self.now, input);
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(action) = self.speaker.poll() {
            match action {
                Action::Connect { connection, target: Target::Neighbor(neighbor) } => {
                    assert!(connection.0.is_multiple_of(4) && self.used.insert(connection));
                    self.wires.insert(connection, Wire { neighbor: neighbor.0, ..Wire::default() });
                }
                Action::Send { connection, bytes } => self.send(connection, &bytes),
                Action::Close { connection } => {
                    let wire = self.wires.remove(&connection).expect("only what stands is closed");
                    assert!(wire.stands);
                }
                Action::Abort { connection } => {
                    self.wires.remove(&connection).expect("only what is there is aborted");
                }
                Action::Event(event) => assert!(event.fields.iter().all(|(_, value)| value.len() < 2000)),
                other @ (Action::Connect { .. } | Action::Run { .. } | Action::Hook(_) | Action::Stopped) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let wire = self.wires.get_mut(&connection).expect("nothing is sent on what is gone");
        assert!(wire.stands && !wire.has_sent_notification && !bytes.is_empty());
        wire.waiting += bytes.len();
        assert!(wire.waiting < OUTPUT_MAX, "{} bytes wait", wire.waiting);
        let mut rest = bytes;
        while let Some(length) = frame(rest).expect("what is sent has a header") {
            let (message, after) = rest.split_at(length);
            rest = after;
            check_sent(wire, message);
        }
        assert!(rest.is_empty(), "messages are sent whole");
    }

    fn assert_sane(&self) {
        let views = self.speaker.view(self.now);
        assert_eq!(views.len(), self.settings.neighbors.len());
        for (view, settings) in views.iter().zip(&self.settings.neighbors) {
            let own = || self.wires.values().filter(|wire| wire.neighbor == view.id.0);
            assert!(own().count() <= 2, "{} connections", own().count());
            let rests = own().count() == 0 && view.halted.is_none() && !settings.passive;
            assert!(!rests || view.next_attempt.is_some(), "{} is forgotten", view.name);
            assert!(!self.is_stopped || view.halted.is_some());
            assert!(view.session.is_some() == (view.state == SessionState::Established));
            let Some(session) = &view.session else { continue };
            let connection = ConnectionId(view.remote.map_or(0, |remote| u32::from(remote.port())));
            let wire = self.wires.get(&connection).expect("a session has a connection");
            assert_eq!(wire.neighbor, view.id.0);
            assert!(wire.has_sent_open && wire.heard_keepalive && wire.heard_open.is_some());
            assert!(session.received.iter().all(|(_, count)| *count <= 3));
            let announced: BTreeSet<Prefix> = session.announced.iter().map(|route| route.prefix).collect();
            assert_eq!(announced, wire.learnt, "what the neighbour has learnt is what is shown");
            if wire.waiting < 16 * 1024 {
                let withheld = session.withheld.iter().map(|route| route.prefix);
                let shown: BTreeSet<Prefix> = announced.into_iter().chain(withheld).collect();
                assert_eq!(shown, self.wanted.get(&view.id.0).cloned().unwrap_or_default());
            }
        }
    }

    /// Left alone, the speaker does not run wild; stopped, it rests.
    fn finish(mut self) {
        for _ in 0..50 {
            self.jump();
            self.assert_sane();
        }
        self.speaker.stop(self.now);
        self.obey();
        assert!(self.wires.is_empty());
        assert_eq!(self.speaker.deadline(), None);
    }
}

/// What every message of the speaker is.
fn check_sent(wire: &mut Wire, message: &[u8]) {
    let codec = wire.heard_open.unwrap_or_default();
    match decode(message, &codec).expect("what is sent can be read") {
        Message::Open(_) => {
            assert!(!wire.has_sent_open);
            wire.has_sent_open = true;
        }
        Message::Notification(_) => wire.has_sent_notification = true,
        Message::Keepalive => assert!(wire.has_sent_open && wire.heard_open.is_some()),
        Message::Update(update) => {
            assert!(wire.heard_keepalive, "routes come after the handshake");
            for prefix in update.withdrawn() {
                assert!(wire.learnt.remove(&prefix), "{prefix} was not known");
            }
            wire.learnt.extend(update.announced());
        }
        Message::RouteRefresh { .. } => panic!("nothing is imported"),
    }
}

/// What the neighbour has said so far, read again from the beginning of the stream; what follows something wrong is not
/// looked at.
fn hear(wire: &mut Wire) {
    let heard = std::mem::take(&mut wire.heard);
    let mut rest = heard.as_slice();
    while let Ok(Some(length)) = frame(rest) {
        let (message, after) = rest.split_at(length);
        rest = after;
        match (decode(message, &Codec::default()), wire.heard_open) {
            (Ok(Message::Open(open)), None) if open.asn == asn(wire.neighbor) => {
                wire.heard_open =
                    Some(Codec { four_octet: open.four_octet, families: open.families, internal: false });
            }
            (Ok(Message::Keepalive), Some(_)) => wire.heard_keepalive = true,
            _ => {}
        }
    }
    wire.heard = rest.to_vec();
}

/// The port names the connection again.
fn addresses(connection: ConnectionId) -> (SocketAddr, SocketAddr) {
    let port = u16::try_from(connection.0).unwrap_or(u16::MAX);
    (SocketAddr::from(([192, 0, 2, 200], 179)), SocketAddr::from(([192, 0, 2, 201], port)))
}

fn attributes(how: u8, is_ipv6: bool) -> Attributes {
    let next_hop = match (is_ipv6, how & 8) {
        (true, 0) => NextHop::Address([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1].into()),
        _ => NextHop::Own,
    };
    let communities = if how & 16 == 0 { Vec::new() } else { vec![tern::wire::bgp::Community(1); 1100] };
    Attributes {
        med: Some((how & 3).into()),
        prepend: how & 4,
        communities,
        next_hop,
        ..Attributes::default()
    }
}

fn open(neighbor: u16, kind: u8) -> Vec<u8> {
    let families = if kind & 1 == 0 { Families::BOTH } else { Families::IPV4 };
    let settings = OpenSettings {
        asn: asn(neighbor),
        hold: if kind & 2 == 0 { 90 } else { 3 },
        id: RouterId(if kind & 4 == 0 { 3 } else { 5 }),
        families,
        role: (kind & 8 == 0).then_some(Role::Customer),
        graceful_restart: (kind & 16 != 0).then_some(GracefulRestart {
            time: 9,
            families,
            ..GracefulRestart::default()
        }),
    };
    let mut bytes = Vec::new();
    write::open(&mut bytes, &settings);
    bytes
}

/// Good, damaged, cut, or anything.
fn some_message(input: &mut Bytes<'_>, neighbor: u16) -> Vec<u8> {
    let (kind, detail) = (input.next(), input.next());
    let mut bytes = Vec::new();
    match kind % 10 {
        0 | 1 => bytes = open(neighbor, detail),
        2 => write::keepalive(&mut bytes),
        3 => (0..=detail).for_each(|_| write::keepalive(&mut bytes)),
        4 => {
            let family = if detail & 1 == 0 { Family::Ipv4 } else { Family::Ipv6 };
            (0..=detail / 8).for_each(|_| write::route_refresh(&mut bytes, family));
        }
        5 => write::notification(&mut bytes, Reason { code: detail & 7, subcode: detail >> 4 }, b"\x03why"),
        6 | 7 => routes(&mut bytes, neighbor, detail),
        8 => {
            bytes.extend([0xFF; 16]);
            let body = input.some(usize::from(detail));
            bytes.extend((19 + u16::from(detail)).to_be_bytes());
            bytes.push(input.next() % 6);
            bytes.extend(body);
        }
        _ => bytes = input.some(usize::from(detail)),
    }
    if kind & 0x40 != 0 {
        let at = usize::from(input.next()) % bytes.len().max(1);
        let with = input.next();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= with;
        }
    }
    if kind & 0x80 != 0 {
        bytes.truncate(usize::from(input.next()) % (bytes.len() + 1));
    }
    bytes
}

fn routes(out: &mut Vec<u8>, neighbor: u16, detail: u8) {
    let codec = Codec { four_octet: true, families: Families::BOTH, internal: false };
    let prefixes: Vec<Prefix> = (0..8)
        .filter(|bit| detail & 1 << bit != 0)
        .filter_map(|bit| Prefix::masked([10, bit, 0, 0].into(), 16))
        .collect();
    let route = write::Route {
        prefixes: &prefixes,
        as_path: &[asn(neighbor)],
        next_hop: [192, 0, 2, 1].into(),
        med: None,
        local_pref: None,
        communities: &[],
        large_communities: &[],
        only_to_customer: None,
    };
    if detail & 0x11 == 0x11 {
        write::withdraw(out, Family::Ipv4, &prefixes);
    } else {
        write::announce(out, &route, &codec).expect("a good route");
    }
}
