//! A router as the relays see it: takes their connections, speaks BGP by the book, and forgets a relay's routes with its
//! session. It never connects by itself and refuses a second session beside one that stands (RFC 4271 section 6.8).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::announce::{ConnectionId, NeighborId};
use crate::time::Time;
use crate::wire::bgp::{
    self, Asn, Codec, Community, Families, Message, Prefix, Reason, RouterId, Update, write,
};

/// A connection: whose, in which life of its process, and which of its.
pub(super) type Key = (usize, u32, ConnectionId);

/// A route as it was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) med: Option<u32>,
    pub(super) hops: usize,
    pub(super) communities: Vec<Community>,
}

/// What the router wants done.
#[derive(Debug)]
pub(super) enum Output {
    Send(Key, Vec<u8>),
    Close(Key),
}

#[derive(Debug)]
struct Session {
    neighbor: NeighborId,
    input: Vec<u8>,
    codec: Codec,
    is_up: bool,
    hold: Duration,
    expires: Time,
    keepalive: Time,
    routes: BTreeMap<Prefix, Learned>,
}

#[derive(Debug)]
pub(super) struct Router {
    pub(super) asn: Asn,
    pub(super) hold: u16,
    sessions: BTreeMap<Key, Session>,
    /// UPDATEs that said anything, of all relays.
    pub(super) updates: u64,
    /// What NOTIFICATIONs of relays have said.
    pub(super) notifications: Vec<String>,
}

impl Router {
    pub(super) fn new(asn: Asn) -> Self {
        Self { asn, hold: 60, sessions: BTreeMap::new(), updates: 0, notifications: Vec::new() }
    }

    pub(super) fn connected(&mut self, now: Time, key: Key, neighbor: NeighborId) {
        let session = Session {
            neighbor,
            input: Vec::new(),
            codec: Codec::default(),
            is_up: false,
            hold: Duration::from_secs(240),
            expires: now + Duration::from_secs(240),
            keepalive: Time::MAX,
            routes: BTreeMap::new(),
        };
        self.sessions.insert(key, session);
    }

    pub(super) fn closed(&mut self, key: Key) {
        self.sessions.remove(&key);
    }

    pub(super) fn knows(&self, key: Key) -> bool {
        self.sessions.contains_key(&key)
    }

    /// All sessions end, as if the router had been restarted.
    pub(super) fn restart(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.sessions).into_keys().map(Output::Close).collect()
    }

    /// What a relay has announced.
    pub(super) fn routes(&self, relay: usize) -> impl Iterator<Item = (NeighborId, &Prefix, &Learned)> {
        let sessions = self.sessions.iter().filter(move |(key, _)| key.0 == relay);
        sessions.flat_map(|(_, session)| {
            session.routes.iter().map(|(prefix, learned)| (session.neighbor, prefix, learned))
        })
    }

    /// The MED of the only route that a relay announces to its first neighbour.
    pub(super) fn med(&self, relay: usize) -> Option<u32> {
        self.routes(relay).find(|route| route.0 == NeighborId(0)).and_then(|route| route.2.med)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.sessions.values().map(|session| session.expires.min(session.keepalive)).min()
    }

    pub(super) fn tick(&mut self, now: Time) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (key, session) in &mut self.sessions {
            if session.keepalive <= now {
                session.keepalive = now + session.hold / 3;
                let mut bytes = Vec::new();
                write::keepalive(&mut bytes);
                outputs.push(Output::Send(*key, bytes));
            }
        }
        let expired = self.sessions.iter().filter(|(_, session)| session.expires <= now);
        for key in expired.map(|(key, _)| *key).collect::<Vec<_>>() {
            outputs.extend(self.end(key, Reason { code: 4, subcode: 0 }));
        }
        outputs
    }

    fn end(&mut self, key: Key, reason: Reason) -> [Output; 2] {
        self.sessions.remove(&key);
        let mut bytes = Vec::new();
        write::notification(&mut bytes, reason, &[]);
        [Output::Send(key, bytes), Output::Close(key)]
    }

    pub(super) fn received(&mut self, now: Time, key: Key, bytes: &[u8]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let Some(session) = self.sessions.get_mut(&key) else { return outputs };
        session.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut session.input);
        while let Some(length) = bgp::frame(&input).expect("a relay's message is well-formed") {
            let message: Vec<u8> = input.drain(..length).collect();
            self.message(now, key, &message, &mut outputs);
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.input = input;
        }
        outputs
    }

    fn message(&mut self, now: Time, key: Key, message: &[u8], outputs: &mut Vec<Output>) {
        let has_other =
            self.sessions.iter().any(|(other, session)| other.0 == key.0 && *other != key && session.is_up);
        let other_of = |neighbor| {
            let mut others = self.sessions.iter().filter(|(other, _)| other.0 == key.0 && **other != key);
            has_other && others.any(|(_, session)| session.is_up && session.neighbor == neighbor)
        };
        let Some(session) = self.sessions.get(&key) else { return };
        let is_second = other_of(session.neighbor);
        let codec = session.codec;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.expires = now + session.hold;
        match bgp::decode(message, &codec).expect("a relay's message is well-formed") {
            Message::Open(_) if is_second => outputs.extend(self.end(key, Reason { code: 6, subcode: 7 })),
            Message::Open(open) => {
                session.codec =
                    Codec { four_octet: open.four_octet, families: open.families, internal: false };
                session.hold = Duration::from_secs(open.hold.min(self.hold).into());
                session.expires = now + session.hold;
                session.keepalive = now + session.hold / 3;
                let mut bytes = Vec::new();
                let ours = write::OpenSettings {
                    asn: self.asn,
                    hold: self.hold,
                    id: RouterId(0x0A00_0001),
                    families: Families::BOTH,
                    role: None,
                    graceful_restart: None,
                };
                write::open(&mut bytes, &ours);
                write::keepalive(&mut bytes);
                outputs.push(Output::Send(key, bytes));
            }
            Message::Keepalive => session.is_up = true,
            Message::Update(update) => {
                self.updates += u64::from(update.end_of_rib().is_none());
                learn(session, &update);
            }
            Message::Notification(notification) => {
                self.notifications.push(notification.to_string());
                self.sessions.remove(&key);
                outputs.push(Output::Close(key));
            }
            Message::RouteRefresh { .. } => {}
        }
    }
}

fn learn(session: &mut Session, update: &Update<'_>) {
    assert!(matches!(update.verdict(), bgp::Verdict::Accept), "{update:?}");
    for prefix in update.withdrawn() {
        assert!(session.routes.remove(&prefix).is_some(), "{prefix} was withdrawn and never announced");
    }
    let learned = Learned {
        med: update.med(),
        hops: update.as_path().map_or(0, Iterator::count),
        communities: update.communities().collect(),
    };
    for prefix in update.announced() {
        let before = session.routes.insert(prefix, learned.clone());
        assert_ne!(before.as_ref(), Some(&learned), "{prefix} was announced again and nothing has changed");
    }
}
