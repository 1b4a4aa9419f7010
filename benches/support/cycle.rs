//! One client's life with an engine, without input or output: 401, Allocate, ChannelBind, Refresh 0.

use std::net::SocketAddr;
use std::time::Duration;

use tern::engine::{Action, Engine, Input, Shared};
use tern::route::{Client, FiveTuple, ListenerId, Transport};
use tern::time::{Now, Time, UnixTime};
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5};

use crate::setup::{REALM, Setup, password};

const USER: &str = "alice";

/// An engine, a clock and the next client.
pub(crate) struct Office {
    engine: Engine,
    now: Now,
    clients: u32,
}

/// What a client will send, signed beforehand.
pub(crate) struct Cycle {
    client: Client,
    messages: [Vec<u8>; 4],
}

impl Office {
    pub(crate) fn new() -> Self {
        let setup = Setup { addresses: vec!["5.9.0.1"], ports: 49_152..=65_535, ..Setup::default() };
        let engine = Engine::new(setup.settings(), Shared::new(), 0, [7; 32]);
        let now = Now { time: Time::from_secs(1_000), unix: UnixTime(1_700_001_000) };
        Self { engine, now, clients: 0 }
    }

    /// How many allocations live.
    pub(crate) fn allocations(&self) -> usize {
        self.engine.allocations()
    }

    /// A client that nobody has met. A millisecond has gone by since the last.
    pub(crate) fn next_cycle(&mut self) -> Cycle {
        self.clients += 1;
        self.now.time = self.now.time + Duration::from_millis(1);
        let [_, a, b, c] = self.clients.to_be_bytes();
        let client = SocketAddr::from(([10, a, b, c], 5_000));
        let server = SocketAddr::from(([5, 9, 0, 1], 3478));
        let tuple = FiveTuple { client: client.into(), server: server.into(), transport: Transport::Udp };
        let client = Client { tuple, listener: ListenerId(0), link: None };
        let nonce = self.draw_nonce(client);
        Cycle { client, messages: write_messages(self.clients, &nonce) }
    }

    fn draw_nonce(&mut self, client: Client) -> Vec<u8> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Request, Method::ALLOCATE, TransactionId([0; 12]))
            .requested_transport(17);
        let reply = self.handle(client, &bytes).unwrap();
        Message::parse(&reply).unwrap().nonce().unwrap().to_vec()
    }

    /// What [`Self::next_cycle`] prepared, as far as `steps`: the class of the last answer.
    pub(crate) fn run(&mut self, cycle: &Cycle, steps: Range) -> Class {
        let mut class = Class::Error;
        for bytes in &cycle.messages[steps] {
            let reply = self.handle(cycle.client, bytes).unwrap();
            class = Message::parse(&reply).unwrap().class();
        }
        class
    }

    fn handle(&mut self, client: Client, bytes: &[u8]) -> Option<Vec<u8>> {
        self.engine.handle(self.now, Input::Message { client, bytes });
        let mut reply = None;
        while let Some(action) = self.engine.poll() {
            match action {
                Action::OpenRelay { relay, .. } => {
                    self.engine.handle(self.now, Input::RelayOpened { relay });
                }
                Action::Reply { bytes, .. } => reply = Some(bytes),
                _ => {}
            }
        }
        reply
    }
}

/// Some of the four messages.
pub(crate) type Range = std::ops::Range<usize>;

fn write_messages(client: u32, nonce: &[u8]) -> [Vec<u8>; 4] {
    let key = long_term_key_md5(USER.as_bytes(), REALM.as_bytes(), password(USER).as_bytes());
    let peer = SocketAddr::from(([8, 8, 8, 8], 40_000));
    let write = |step: u8, method, fill: &dyn Fn(&mut Writer<'_>)| {
        let mut id = [step; 12];
        id[..4].copy_from_slice(&client.to_be_bytes());
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, method, TransactionId(id));
        fill(&mut writer);
        if step > 1 {
            writer.attribute(AttributeType::USERNAME, USER.as_bytes());
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, nonce);
            writer.integrity(&key);
        }
        writer.finish().unwrap();
        bytes
    };
    let allocate = |writer: &mut Writer<'_>| {
        writer.requested_transport(17);
    };
    let bind = |writer: &mut Writer<'_>| {
        writer.channel_number(0x4000).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    };
    let end = |writer: &mut Writer<'_>| {
        writer.u32(AttributeType::LIFETIME, 0);
    };
    [
        write(1, Method::ALLOCATE, &allocate),
        write(2, Method::ALLOCATE, &allocate),
        write(3, Method::CHANNEL_BIND, &bind),
        write(4, Method::REFRESH, &end),
    ]
}
