//! Any sequence of operations on the engine. Half of the inputs are operations of the model in tests/support, with which
//! every answer is compared; the other half are messages with attributes of any kind and value, well signed or damaged,
//! and events that a confused worker might report. Then only what always holds is asserted: sockets opened are sockets
//! held and closed, routes lead to open sockets, both route tables agree, and after two hours nothing is left.

use std::time::Duration;

use tern::engine::{Action, ConnectionId, IcmpError, Input, OpenError};
use tern::route::{Client, LinkId, RelayId};
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::rig::model::{Op, World};
use crate::rig::{Caller, Plan, Rig, Setup, Style, endpoint, tcp, udp};

const STEPS_MAX: usize = 200;

/// Checks `data`.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    if bytes.next() & 1 == 0 { check_model(&mut bytes) } else { Chaos::new().run(&mut bytes) }
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

fn check_model(bytes: &mut Bytes<'_>) {
    let mut world = World::new();
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        let op = read_op(bytes);
        world.step(&op);
    }
    world.finish();
}

fn read_op(bytes: &mut Bytes<'_>) -> Op {
    let kind = bytes.next();
    let caller = bytes.next();
    match kind % 12 {
        0 | 1 => {
            let (families, lifetime, flags) = (bytes.next(), bytes.next(), bytes.next());
            Op::Allocate {
                caller,
                families,
                lifetime,
                mobile: flags & 1 != 0,
                open: [flags & 2 == 0, flags & 4 == 0],
            }
        }
        2 => Op::Refresh { caller, lifetime: bytes.next(), family: bytes.next() },
        3 => {
            let (ticket, address) = (bytes.next(), bytes.next());
            Op::Show { caller, ticket, address, lifetime: bytes.next(), family: bytes.next() }
        }
        4 | 5 => {
            let count = usize::from(bytes.next() % 5);
            Op::Permit { caller, peers: bytes.some(count) }
        }
        6 | 7 => Op::Bind { caller, number: bytes.next(), peer: bytes.next() },
        8 => Op::Hangup { caller },
        9 => Op::Roam { caller, address: bytes.next() },
        10 if caller > 240 => Op::Close,
        10 if caller > 200 => Op::Reload { mobility: caller & 1 != 0, legacy: caller & 2 != 0 },
        _ => {
            let seconds = u16::from_be_bytes([bytes.next(), bytes.next()]);
            Op::Pass { seconds, tick: (caller % 3) as i8 - 1, asleep: caller & 8 != 0 }
        }
    }
}

/// An engine whose clients and worker keep to no rule.
struct Chaos {
    rig: Rig,
    callers: Vec<Caller>,
    /// Values that the engine handed out: tokens, tickets, connection IDs.
    seen: Vec<(AttributeType, Vec<u8>)>,
    links: u64,
}

const METHODS: [Method; 7] = [
    Method::ALLOCATE,
    Method::REFRESH,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method::CONNECT,
    Method::CONNECTION_BIND,
    Method::BINDING,
];
const PEERS: [&str; 4] = ["9.9.9.1:7", "9.9.9.2:8", "[2620:fe::1]:7", "5.9.0.1:50001"];

fn pick<T: Clone>(from: &[T], index: u8) -> Option<T> {
    from.get(usize::from(index).checked_rem(from.len())?).cloned()
}

impl Chaos {
    fn new() -> Self {
        let setup = Setup { workers: 2, ports: 50_000..=50_007, ..Setup::default() };
        let callers = vec![
            Caller::new(udp("84.1.2.3:5000"), "alice"),
            Caller::new(tcp("84.1.2.3:5001", 1), "alice").style(Style::Sha256),
            Caller::new(udp("[2a02::9]:5000"), "bob").style(Style::Userhash),
            Caller::new(tcp("85.1.2.3:5000", 2), "bob"),
            Caller::new(tcp("84.1.2.3:5002", 3), "alice"),
        ];
        Self { rig: Rig::new(&setup), callers, seen: Vec::new(), links: 100 }
    }

    fn run(mut self, bytes: &mut Bytes<'_>) {
        for _ in 0..STEPS_MAX {
            if bytes.is_empty() {
                break;
            }
            self.step(bytes);
            self.rig.check();
        }
        self.rig.plan.clear();
        while !self.rig.held.is_empty() {
            self.rig.answer_open(Plan::Open);
        }
        self.rig.pass(Duration::from_secs(7200));
        self.rig.assert_empty();
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.next() % 16 {
            0..=6 => self.request(bytes),
            7 => self.raw(bytes),
            8 => {
                let seconds = u64::from(bytes.next()) * u64::from(bytes.next() % 16);
                self.rig.pass(Duration::from_secs(seconds));
            }
            9 => self.rig.oversleep(Duration::from_millis(u64::from(bytes.next()) * 3000)),
            10 => {
                let plans = [Plan::Fail(OpenError::PortTaken), Plan::Fail(OpenError::Exhausted), Plan::Hold];
                self.rig.plan.extend(pick(&plans, bytes.next()));
            }
            11 if !self.rig.held.is_empty() => {
                let plan = if bytes.next() & 1 == 0 { Plan::Open } else { Plan::Fail(OpenError::PortTaken) };
                self.rig.answer_open(plan);
            }
            12 => self.report_relay(bytes),
            13 => self.report_connection(bytes),
            14 => self.rig.tell(Input::ClientClosed { link: LinkId(u64::from(bytes.next() % 8)) }),
            15 if bytes.next() > 250 => self.rig.close(),
            _ => self.rig.tell(Input::Timer),
        }
    }

    /// A signed request with any attributes; now and then damaged behind its signature.
    fn request(&mut self, bytes: &mut Bytes<'_>) {
        let (who, method) = (bytes.next(), bytes.next());
        let damage = (bytes.next(), bytes.next(), bytes.next());
        let mut attributes = Vec::new();
        for _ in 0..bytes.next() % 6 {
            attributes.push(self.attribute(bytes));
        }
        let Some(mut caller) = pick(&self.callers, who) else { return };
        if caller.nonce.is_none() {
            caller.greet(&mut self.rig);
        }
        let Some(method) = pick(&METHODS, method) else { return };
        let mut request = caller.sign(method, |writer| {
            if method == Method::ALLOCATE {
                writer.requested_transport(if who & 0x80 == 0 { 17 } else { 6 });
            }
            for (kind, value) in &attributes {
                write(writer, *kind, value);
            }
        });
        if damage.0 > 200 {
            let at = (usize::from(damage.1) * 3) % request.len();
            if let Some(byte) = request.get_mut(at) {
                *byte ^= damage.2;
            }
        }
        let replies = self.rig.send(caller.client, &request);
        self.learn(&mut caller, &replies);
        if let Some(kept) = self.callers.iter_mut().find(|kept| kept.client == caller.client) {
            *kept = caller;
        }
    }

    fn attribute(&self, bytes: &mut Bytes<'_>) -> (AttributeType, Vec<u8>) {
        let kinds = [
            AttributeType::LIFETIME,
            AttributeType::EVEN_PORT,
            AttributeType::REQUESTED_ADDRESS_FAMILY,
            AttributeType::ADDITIONAL_ADDRESS_FAMILY,
            AttributeType::CHANNEL_NUMBER,
            AttributeType::DONT_FRAGMENT,
            AttributeType::MOBILITY_TICKET,
            AttributeType::CONNECTION_ID,
            AttributeType::RESERVATION_TOKEN,
            AttributeType::REQUESTED_TRANSPORT,
        ];
        match bytes.next() % 8 {
            // An address, told apart by its length: the writer needs the transaction.
            0..=2 => (AttributeType::XOR_PEER_ADDRESS, vec![bytes.next()]),
            3 | 4 => pick(&self.seen, bytes.next()).unwrap_or((AttributeType::MOBILITY_TICKET, Vec::new())),
            5 => (AttributeType(u16::from_be_bytes([bytes.next() & 0x80, bytes.next()])), self.value(bytes)),
            6 => (AttributeType::CHANNEL_NUMBER, vec![0x40, bytes.next() & 3, 0, 0]),
            _ => {
                let kind = pick(&kinds, bytes.next()).unwrap_or(AttributeType::LIFETIME);
                let length = match kind {
                    AttributeType::EVEN_PORT => 1,
                    AttributeType::DONT_FRAGMENT | AttributeType::MOBILITY_TICKET => 0,
                    AttributeType::RESERVATION_TOKEN => 8,
                    _ => 4,
                };
                (kind, bytes.some(length))
            }
        }
    }

    fn value(&self, bytes: &mut Bytes<'_>) -> Vec<u8> {
        let length = usize::from(bytes.next() % 40);
        bytes.some(length)
    }

    fn learn(&mut self, caller: &mut Caller, replies: &[(Client, Vec<u8>)]) {
        for (_, reply) in replies {
            let message = Message::parse(reply).expect("a reply that is no message");
            if let Some(nonce) = message.find(AttributeType::NONCE) {
                caller.nonce = Some(nonce.to_vec());
            }
            let kinds = [
                AttributeType::RESERVATION_TOKEN,
                AttributeType::MOBILITY_TICKET,
                AttributeType::CONNECTION_ID,
            ];
            for kind in kinds {
                self.seen.extend(message.find(kind).map(|value| (kind, value.to_vec())));
            }
        }
    }

    /// Bytes that nobody signed, behind a header or without one.
    fn raw(&mut self, bytes: &mut Bytes<'_>) {
        let Some(caller) = pick(&self.callers, bytes.next()) else { return };
        let method = bytes.next();
        let value = self.value(bytes);
        let mut message = Vec::new();
        if let Some(method) = pick(&METHODS, method).filter(|_| method & 0x40 == 0) {
            let class = if method == Method::BINDING { Class::Indication } else { Class::Request };
            let mut writer = Writer::new(&mut message, class, method, TransactionId([7; 12]));
            writer.attribute(AttributeType(u16::from(bytes.next()) << 8 | u16::from(bytes.next())), &value);
        } else {
            message = value;
        }
        let replies = self.rig.send(caller.client, &message);
        assert!(replies.iter().all(|(_, reply)| reply.len() < 200), "a stranger drew a long answer");
    }

    fn some_relay(&self, index: u8) -> RelayId {
        let mut relays: Vec<RelayId> = self.rig.sockets.keys().copied().collect();
        relays.sort_by_key(|relay| relay.0);
        pick(&relays, index).unwrap_or(RelayId(u64::from(index)))
    }

    fn report_relay(&mut self, bytes: &mut Bytes<'_>) {
        let relay = self.some_relay(bytes.next());
        let peer = endpoint(pick(&PEERS, bytes.next()).unwrap_or("9.9.9.1:7"));
        match bytes.next() % 5 {
            0 => self.rig.tell(Input::RelayOpened { relay }),
            1 => self.rig.tell(Input::RelayFailed { relay: RelayId(7), error: OpenError::PortTaken }),
            2 => {
                let icmp = IcmpError { kind: bytes.next(), code: bytes.next(), data: 0 };
                self.rig.tell(Input::PeerUnreachable { relay, peer, icmp });
            }
            _ => {
                self.links += 1;
                self.rig.accept(relay, peer.socket_addr(), LinkId(self.links));
            }
        }
    }

    fn report_connection(&mut self, bytes: &mut Bytes<'_>) {
        let mut pipes: Vec<ConnectionId> = self.rig.pipes.iter().copied().collect();
        pipes.sort_by_key(|pipe| pipe.0);
        let index = bytes.next();
        let connection = pick(&pipes, index).unwrap_or(ConnectionId(u32::from(index)));
        match bytes.next() % 4 {
            0 => {
                self.rig.pipes.remove(&connection);
                self.rig.tell(Input::PeerClosed { connection });
            }
            1 => {
                let before = self.rig.out.len();
                self.rig.tell(Input::PeerConnectFailed { connection });
                // An answer shows that it was connecting: then the worker has nothing left of it.
                if self.rig.out.len() > before {
                    self.rig.pipes.remove(&connection);
                }
            }
            _ => self.rig.tell(Input::PeerConnected { connection }),
        }
        let mut replies = Vec::new();
        for action in self.rig.take_out() {
            if let Action::Reply { client, bytes } = action {
                replies.push((client, bytes));
            }
        }
        if let Some(mut caller) = pick(&self.callers, 0) {
            self.learn(&mut caller, &replies);
        }
    }
}

fn write(writer: &mut Writer<'_>, kind: AttributeType, value: &[u8]) {
    match (kind, value) {
        (AttributeType::XOR_PEER_ADDRESS, [index]) => {
            let peer = pick(&PEERS, *index).unwrap_or("9.9.9.1:7");
            writer.xor_address(kind, endpoint(peer).socket_addr());
        }
        _ => _ = writer.attribute(kind, value),
    }
}
