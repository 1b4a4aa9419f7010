//! Two speakers, the kernels between them, and the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{A, B};
use crate::announce::bgp::{Input, NeighborView, SessionState, Settings, Speaker};
use crate::announce::io::{Action, ConnectionId, NeighborId};
use crate::announce::policy::Attributes;
use crate::time::{Now, Time, UnixTime};
use crate::wire::bgp::{Codec, Families, Message, Prefix, decode, frame};

const RESET: &str = "reset by the other side";
/// The other end of a connection whose other end knows nothing of it.
const GONE: ConnectionId = ConnectionId(u32::MAX);

/// What a side will be told.
#[derive(Debug)]
enum Delivery {
    Connect(ConnectionId),
    Connected(ConnectionId),
    Failed(ConnectionId),
    /// On the receiver's connection, from the sender's.
    Bytes(ConnectionId, ConnectionId, Vec<u8>),
    Sent(ConnectionId, usize),
    Closed(ConnectionId, &'static str),
}

/// One side.
pub(super) struct Side {
    pub(super) speaker: Speaker,
    /// Its kernel takes connections.
    pub(super) listens: bool,
    /// The other side reads what it sends.
    pub(super) is_read: bool,
    /// Each event, in words.
    pub(super) log: Vec<String>,
    /// Each message that it has sent, in short.
    pub(super) sent: Vec<String>,
    /// And as they were.
    messages: Vec<Vec<u8>>,
    waiting: BTreeMap<ConnectionId, usize>,
    attempts: usize,
}

/// The link.
pub(super) struct Link {
    pub(super) now: Now,
    pub(super) sides: [Side; 2],
    /// Nothing arrives, in neither direction, and nobody is told.
    pub(super) is_cut: bool,
    pub(super) latency: Duration,
    peers: BTreeMap<(usize, ConnectionId), ConnectionId>,
    queue: BTreeMap<(Time, u64), (usize, Delivery)>,
    serial: u64,
    accepted: u32,
}

impl Link {
    /// Both sides, before anything has happened.
    pub(super) fn new(settings: [Settings; 2]) -> Self {
        let now = Now { time: Time::from_secs(1000), unix: UnixTime(1_800_000_000) };
        let side = |settings: &Settings| Side {
            speaker: Speaker::new(now, settings),
            listens: true,
            is_read: true,
            log: Vec::new(),
            sent: Vec::new(),
            messages: Vec::new(),
            waiting: BTreeMap::new(),
            attempts: 0,
        };
        Self {
            now,
            sides: [side(&settings[A]), side(&settings[B])],
            is_cut: false,
            latency: Duration::from_millis(1),
            peers: BTreeMap::new(),
            queue: BTreeMap::new(),
            serial: 0,
            accepted: 1,
        }
    }

    /// Only A connects.
    pub(super) fn one_way() -> Self {
        let mut settings = [super::settings(A), super::settings(B)];
        settings[B].neighbors[0].passive = true;
        Self::new(settings)
    }

    /// The same with a session.
    pub(super) fn established() -> Self {
        let mut link = Self::one_way();
        link.run(Duration::from_millis(100));
        link.assert_established();
        link
    }

    pub(super) fn assert_established(&self) {
        for side in [A, B] {
            assert_eq!(self.state(side), SessionState::Established, "{side}: {:#?}", self.sides[side].log);
        }
    }

    pub(super) fn view(&self, side: usize) -> NeighborView {
        self.sides[side].speaker.view(self.now).remove(0)
    }

    pub(super) fn state(&self, side: usize) -> SessionState {
        self.view(side).state
    }

    /// How often a side has tried to connect.
    pub(super) const fn attempts(&self, side: usize) -> usize {
        self.sides[side].attempts
    }

    pub(super) fn failure(&self, side: usize) -> String {
        self.view(side).last_failure.map(|failure| failure.words).unwrap_or_default()
    }

    pub(super) fn notification(&self, side: usize) -> String {
        let notice = self.view(side).last_notification.unwrap();
        format!("{}: {}", if notice.is_sent { "sent" } else { "received" }, notice.words)
    }

    /// Lets so much time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now.time + duration;
        let mut rounds = 0;
        loop {
            let deadlines = self.sides.iter().filter_map(|side| side.speaker.deadline());
            let next = deadlines.chain(self.queue.keys().map(|(at, _)| *at).take(1)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            if next > self.now.time {
                self.pass(next.since(self.now.time));
                rounds = 0;
            }
            rounds += 1;
            assert!(rounds < 1000, "the time stands still: {:?}", self.queue);
            self.deliver();
            for side in [A, B] {
                if self.sides[side].speaker.deadline().is_some_and(|due| due <= self.now.time) {
                    self.handle(side, Input::Tick);
                }
            }
        }
        self.pass(end.since(self.now.time));
    }

    fn pass(&mut self, duration: Duration) {
        self.now.time = self.now.time + duration;
        self.now.unix = UnixTime(1_800_000_000 + self.now.time.as_nanos() / 1_000_000_000 - 1000);
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now.time) {
            let (side, delivery) = entry.remove();
            let address = |side: usize| SocketAddr::from(([192, 0, 2, u8::try_from(side).unwrap() + 1], 179));
            let (local, remote) = (address(side), address(1 - side));
            match delivery {
                Delivery::Connect(theirs) if !self.sides[side].listens => {
                    self.push(1 - side, self.latency, Delivery::Failed(theirs));
                }
                Delivery::Connect(theirs) => {
                    let connection = ConnectionId(self.accepted);
                    self.accepted += 2;
                    self.peers.insert((side, connection), theirs);
                    self.peers.insert((1 - side, theirs), connection);
                    self.push(1 - side, self.latency, Delivery::Connected(theirs));
                    self.handle(side, Input::Accepted { connection, neighbor: NeighborId(0), local, remote });
                }
                Delivery::Connected(connection) => {
                    self.handle(side, Input::Connected { connection, local, remote });
                }
                Delivery::Failed(connection) => {
                    self.handle(side, Input::Failed { connection, reason: "connection refused" });
                }
                Delivery::Bytes(connection, from, _) if !self.peers.contains_key(&(side, connection)) => {
                    self.push(1 - side, self.latency, Delivery::Closed(from, RESET));
                }
                Delivery::Bytes(connection, _, bytes) => {
                    self.handle(side, Input::Received { connection, bytes: &bytes });
                }
                Delivery::Sent(connection, waiting) => self.handle(side, Input::Sent { connection, waiting }),
                Delivery::Closed(connection, reason) => {
                    self.peers.remove(&(side, connection));
                    self.handle(side, Input::Closed { connection, reason });
                }
            }
        }
    }

    fn push(&mut self, side: usize, after: Duration, delivery: Delivery) {
        self.serial += 1;
        if !self.is_cut || matches!(delivery, Delivery::Sent(..)) {
            self.queue.insert((self.now.time + after, self.serial), (side, delivery));
        }
    }

    /// Tells a side something and does what it wants.
    pub(super) fn handle(&mut self, side: usize, input: Input<'_>) {
        self.sides[side].speaker.handle(self.now, input);
        self.obey(side);
    }

    pub(super) fn set_routes(&mut self, side: usize, routes: &[(&str, Attributes)]) {
        let routes = routes.iter().map(|(text, a)| (super::prefix(text), Some(a.clone()))).collect();
        self.sides[side].speaker.set_routes(self.now, NeighborId(0), routes);
        self.obey(side);
    }

    pub(super) fn reload(&mut self, side: usize, settings: &Settings) {
        self.sides[side].speaker.reload(self.now, settings);
        self.obey(side);
    }

    pub(super) fn stop(&mut self, side: usize) {
        self.sides[side].speaker.stop(self.now);
        self.obey(side);
    }

    fn obey(&mut self, side: usize) {
        while let Some(action) = self.sides[side].speaker.poll() {
            match action {
                Action::Connect { connection, .. } => {
                    self.sides[side].attempts += 1;
                    self.push(1 - side, self.latency, Delivery::Connect(connection));
                }
                Action::Send { connection, bytes } => self.send(side, connection, bytes),
                Action::Close { connection } => self.hang_up(side, connection, "closed by the other side"),
                Action::Abort { connection } => self.hang_up(side, connection, RESET),
                Action::Event(event) => self.sides[side].log.push(event.to_string()),
                other @ (Action::Run { .. } | Action::Hook(_) | Action::Stopped) => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, side: usize, connection: ConnectionId, bytes: Vec<u8>) {
        self.sides[side].sent.extend(describe(&bytes));
        self.sides[side].messages.extend(split(&bytes));
        let waiting = self.sides[side].waiting.entry(connection).or_default();
        if self.sides[side].is_read {
            *waiting = 0;
        } else {
            *waiting += bytes.len();
        }
        let sent = Delivery::Sent(connection, *waiting);
        self.push(side, Duration::ZERO, sent);
        if let Some(peer) = self.peers.get(&(side, connection)).copied().filter(|_| self.sides[side].is_read)
        {
            self.push(1 - side, self.latency, Delivery::Bytes(peer, connection, bytes));
        }
    }

    fn hang_up(&mut self, side: usize, connection: ConnectionId, reason: &'static str) {
        if let Some(peer) = self.peers.remove(&(side, connection)) {
            self.push(1 - side, self.latency, Delivery::Closed(peer, reason));
        }
    }

    /// All connections break, and both sides are told.
    pub(super) fn kill_connections(&mut self) {
        for (side, connection) in std::mem::take(&mut self.peers).into_keys() {
            self.push(side, self.latency, Delivery::Closed(connection, RESET));
        }
    }

    /// The process of a side dies and another one begins in its place. The kernel ends its connections, unless nothing
    /// gets through: then the other side knows nothing.
    pub(super) fn replace(&mut self, side: usize, settings: &Settings) {
        let connections: Vec<_> =
            self.peers.keys().filter(|(of, _)| *of == side).map(|(_, id)| *id).collect();
        for connection in connections {
            let peer = self.peers.remove(&(side, connection)).unwrap();
            self.peers.insert((1 - side, peer), GONE);
            self.push(1 - side, self.latency, Delivery::Closed(peer, RESET));
        }
        self.sides[side].speaker = Speaker::new(self.now, settings);
    }

    /// Connections that stand.
    pub(super) fn connections(&self) -> usize {
        self.peers.len() / 2
    }

    /// Any connection of a side.
    pub(super) fn connection(&self, side: usize) -> ConnectionId {
        self.peers.keys().find(|(of, _)| *of == side).unwrap().1
    }

    /// Bytes that a side's kernel has not taken, over all connections.
    pub(super) fn waiting(&self, side: usize) -> usize {
        self.sides[side].waiting.values().sum()
    }

    /// The kernel takes what has waited.
    pub(super) fn drain(&mut self, side: usize) {
        let waiting: Vec<_> = std::mem::take(&mut self.sides[side].waiting).into_keys().collect();
        for connection in waiting {
            self.handle(side, Input::Sent { connection, waiting: 0 });
        }
    }

    /// The UPDATEs that a side has sent.
    pub(super) fn updates(&self, side: usize) -> Vec<Vec<u8>> {
        self.sides[side].messages.iter().filter(|bytes| bytes[18] == 2).cloned().collect()
    }

    /// What a side has sent since the last time, but for keepalives.
    pub(super) fn take_sent(&mut self, side: usize) -> Vec<String> {
        let sent = std::mem::take(&mut self.sides[side].sent);
        sent.into_iter().filter(|message| message != "KEEPALIVE").collect()
    }
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some(length) = frame(rest).unwrap() {
        let (message, after) = rest.split_at(length);
        found.push(message.to_vec());
        rest = after;
    }
    assert!(rest.is_empty(), "messages are sent whole");
    found
}

/// The messages in `bytes`, in short: `+` announces, `-` withdraws.
pub(super) fn describe(bytes: &[u8]) -> Vec<String> {
    let codec = Codec { four_octet: true, families: Families::BOTH, internal: false };
    let in_short = |message: Vec<u8>| match decode(&message, &codec).unwrap() {
        Message::Open(open) => format!("OPEN {}", open.asn),
        Message::Keepalive => "KEEPALIVE".to_owned(),
        Message::Notification(notification) => notification.to_string(),
        Message::RouteRefresh { family, .. } => format!("REFRESH {family:?}"),
        Message::Update(update) => match update.end_of_rib() {
            Some(family) => format!("END {family}"),
            None => {
                let gone = update.withdrawn().map(|prefix| format!("-{prefix}"));
                let come = update.announced().map(|prefix| format!("+{prefix}"));
                let med = update.med().map(|med| format!("med {med}"));
                gone.chain(come).chain(med).collect::<Vec<_>>().join(" ")
            }
        },
    };
    split(bytes).into_iter().map(in_short).collect()
}

/// The prefixes that a side has announced in its session.
pub(super) fn announced(view: &NeighborView) -> Vec<Prefix> {
    view.session.iter().flat_map(|session| &session.announced).map(|announced| announced.prefix).collect()
}
