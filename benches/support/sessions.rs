//! A route table with any number of sessions, each with a permission and a channel, and the pure part of a packet's
//! way through it: lookup and header.

use std::net::SocketAddr;
use std::ops::Range;

use tern::route::{Client, Delta, Endpoint, FiveTuple, Header, ListenerId, RelayId, Table, Transport};
use tern::wire::channel_data::{self, ChannelNumber};
use tern::wire::stun::{TransactionId, write_data_indication_header};

/// Where a payload begins in a receive buffer.
pub(crate) const HEADROOM: usize = 64;
const CHANNEL: ChannelNumber = ChannelNumber(0x4000);

/// One of the sessions.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    tuple: FiveTuple,
    relay: RelayId,
    peer: SocketAddr,
}

/// A table and whom it serves, in an order that has nothing to do with where they lie.
pub(crate) struct Sessions {
    table: Table,
    all: Vec<Session>,
    next: usize,
}

impl Sessions {
    /// `count` clients behind many addresses, each with one peer.
    pub(crate) fn new(count: u32) -> Self {
        let mut table = Table::new();
        let mut all = Vec::new();
        for number in 0..count {
            let session = session(number);
            let client = Client { tuple: session.tuple, listener: ListenerId(0), link: None };
            let relay = session.relay;
            let peer = Endpoint::from(session.peer);
            table.apply(&Delta::AddRelay { relay, client });
            table.apply(&Delta::AddPermission { relay, peer: peer.ip() });
            table.apply(&Delta::AddChannel { relay, channel: CHANNEL, peer });
            all.push(session);
        }
        shuffle(&mut all);
        Self { table, all, next: 0 }
    }

    /// Each in turn.
    pub(crate) fn next(&mut self) -> Session {
        let session = self.all[self.next];
        self.next = if self.next + 1 == self.all.len() { 0 } else { self.next + 1 };
        session
    }

    /// ChannelData from the client: where it goes, and what of it.
    pub(crate) fn to_peer(&self, session: &Session, packet: &[u8]) -> (RelayId, SocketAddr, Range<usize>) {
        let (channel, payload) = channel_data::parse(packet).unwrap();
        let (relay, peer) = self.table.channel(&session.tuple, channel).unwrap().way();
        (relay, peer.socket_addr(), payload)
    }

    /// A payload from the peer behind the headroom of `buffer`: whom it goes to, and from where to send.
    pub(crate) fn to_client(&self, session: &Session, buffer: &mut [u8]) -> (SocketAddr, usize) {
        let (client, header) = self.table.peer(session.relay, session.peer.into()).unwrap();
        let length = buffer.len() - HEADROOM;
        let headroom = &mut buffer[..HEADROOM];
        let used = match header {
            Header::Channel(number) => {
                let length = u16::try_from(length).unwrap();
                channel_data::write_header(headroom.last_chunk_mut().unwrap(), number, length);
                channel_data::HEADER_LEN
            }
            Header::Data => {
                write_data_indication_header(headroom, TransactionId([0; 12]), session.peer, length).unwrap()
            }
        };
        (client.tuple.client.socket_addr(), HEADROOM - used)
    }
}

fn session(number: u32) -> Session {
    // Forty clients behind each address.
    let [_, a, b, c] = (number / 40).to_be_bytes();
    let port = u16::try_from(1_024 + (number % 40) * 997).unwrap();
    let client = SocketAddr::from(([10, a, b, c], port));
    let server = SocketAddr::from(([203, 0, 113, 5], 3478));
    let tuple = FiveTuple { client: client.into(), server: server.into(), transport: Transport::Udp };
    let peer = SocketAddr::from(([198, 51, 100, 1], u16::try_from(1_024 + number % 60_000).unwrap()));
    Session { tuple, relay: RelayId(u64::from(number)), peer }
}

/// Fisher and Yates, with a seed that never changes.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (last as u64 + 1)).unwrap();
        items.swap(last, other);
    }
}
