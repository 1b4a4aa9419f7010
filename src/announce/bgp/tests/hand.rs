//! One speaker, side A, and a neighbour whose messages are made by hand.

use std::net::SocketAddr;
use std::time::Duration;

use super::link::describe;
use super::{A, B, asn};
use crate::announce::bgp::{Input, NeighborView, SessionState, Settings, Speaker};
use crate::announce::io::{Action, ConnectionId, Level, NeighborId};
use crate::time::{Now, Time, UnixTime};
use crate::wire::bgp::write::{self, OpenSettings};
use crate::wire::bgp::{Families, RouterId};

/// The first connection that the neighbour opens.
pub(super) const FIRST: ConnectionId = ConnectionId(1);

/// One speaker and what it wants.
pub(super) struct Hand {
    pub(super) now: Now,
    pub(super) speaker: Speaker,
    /// Actions since the last look, in short.
    pub(super) said: Vec<String>,
    pub(super) log: Vec<String>,
    /// Those events that are worth an alert, with their time.
    pub(super) alerts: Vec<(Time, String)>,
    /// Connections that it has asked for.
    pub(super) asked: Vec<ConnectionId>,
    /// The kernel takes what is sent.
    pub(super) is_read: bool,
    written: Vec<ConnectionId>,
}

impl Hand {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Now { time: Time::from_secs(1000), unix: UnixTime(1_800_000_000) };
        let speaker = Speaker::new(now, settings);
        Self {
            now,
            speaker,
            said: Vec::new(),
            log: Vec::new(),
            alerts: Vec::new(),
            asked: Vec::new(),
            is_read: true,
            written: Vec::new(),
        }
    }

    /// Passive, with a connection on which both OPENs are to come.
    pub(super) fn accepted(settings: &Settings) -> Self {
        let mut settings = settings.clone();
        settings.neighbors[0].passive = true;
        let mut hand = Self::new(&settings);
        hand.handle(Input::Tick);
        hand.accept(FIRST);
        assert_eq!(hand.take(), ["1 OPEN 64512"]);
        hand
    }

    /// Passive, with a session on [`FIRST`].
    pub(super) fn established(settings: &Settings) -> Self {
        let mut hand = Self::accepted(settings);
        hand.feed(FIRST, &open(|_| {}));
        hand.feed(FIRST, &keepalive());
        assert_eq!(hand.view().state, SessionState::Established);
        hand.take();
        hand
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.speaker.handle(self.now, input);
        self.collect();
        while let Some(connection) = self.written.pop() {
            self.speaker.handle(self.now, Input::Sent { connection, waiting: 0 });
            self.collect();
        }
    }

    pub(super) fn collect(&mut self) {
        while let Some(action) = self.speaker.poll() {
            match action {
                Action::Connect { connection, .. } => self.asked.push(connection),
                Action::Send { connection, bytes } => {
                    self.written.extend(self.is_read.then_some(connection));
                    self.said
                        .extend(describe(&bytes).iter().map(|words| format!("{} {words}", connection.0)));
                }
                Action::Close { connection } => self.said.push(format!("{} close", connection.0)),
                Action::Abort { connection } => self.said.push(format!("{} abort", connection.0)),
                Action::Event(event) => {
                    if event.level == Level::Warn {
                        self.alerts.push((self.now.time, event.to_string()));
                    }
                    self.log.push(event.to_string());
                }
                other @ (Action::Run { .. } | Action::Hook(_) | Action::Stopped) => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn accept(&mut self, connection: ConnectionId) {
        let (local, remote) = addresses();
        self.handle(Input::Accepted { connection, neighbor: NeighborId(0), local, remote });
    }

    pub(super) fn connect(&mut self, connection: ConnectionId) {
        let (local, remote) = addresses();
        self.handle(Input::Connected { connection, local, remote });
    }

    pub(super) fn feed(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.handle(Input::Received { connection, bytes });
    }

    /// Lets time pass, and says so only at the end.
    pub(super) fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.handle(Input::Tick);
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    pub(super) fn view(&self) -> NeighborView {
        self.speaker.view(self.now).remove(0)
    }

    pub(super) fn failure(&self) -> String {
        self.view().last_failure.map(|failure| failure.words).unwrap_or_default()
    }
}

fn addresses() -> (SocketAddr, SocketAddr) {
    let address = |side: usize| SocketAddr::from(([192, 0, 2, u8::try_from(side).unwrap() + 1], 179));
    (address(A), address(B))
}

/// A good OPEN of side B, changed.
pub(super) fn open(change: impl FnOnce(&mut OpenSettings)) -> Vec<u8> {
    let mut settings = OpenSettings {
        asn: asn(B),
        hold: 90,
        id: RouterId(2),
        families: Families::IPV4,
        role: None,
        graceful_restart: None,
    };
    change(&mut settings);
    let mut bytes = Vec::new();
    write::open(&mut bytes, &settings);
    bytes
}

pub(super) fn keepalive() -> Vec<u8> {
    let mut bytes = Vec::new();
    write::keepalive(&mut bytes);
    bytes
}
