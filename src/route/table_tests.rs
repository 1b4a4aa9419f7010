use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::route::{ListenerId, Transport};

fn tuple(port: u16) -> FiveTuple {
    FiveTuple {
        client: SocketAddr::from(([192, 0, 2, 1], port)).into(),
        server: SocketAddr::from(([198, 51, 100, 1], 3478)).into(),
        transport: Transport::Udp,
    }
}

fn client(port: u16) -> Client {
    Client { tuple: tuple(port), listener: ListenerId(0), link: None }
}

fn peer(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

const R: RelayId = RelayId(1);
const R6: RelayId = RelayId(2);
const CH: ChannelNumber = ChannelNumber(0x4000);

fn bound() -> Table {
    let mut table = Table::new();
    table.apply(&Delta::AddRelay { relay: R, client: client(1) });
    table.apply(&Delta::AddPermission { relay: R, peer: peer("203.0.113.9:0").ip() });
    table.apply(&Delta::AddChannel { relay: R, channel: CH, peer: peer("203.0.113.9:5000") });
    table
}

#[test]
fn a_permitted_channel_passes_both_ways() {
    let table = bound();
    assert_eq!(table.channel(&tuple(1), CH).unwrap().way(), (R, peer("203.0.113.9:5000")));
    let (to, header) = table.peer(R, peer("203.0.113.9:5000")).unwrap();
    assert_eq!((to.tuple, header), (tuple(1), Header::Channel(CH)));
}

#[test]
fn channels_to_our_own_addresses_are_marked_whenever_they_were_bound() {
    let mut table = bound();
    let is_own = |table: &Table| table.channel(&tuple(1), CH).unwrap().own;
    assert!(!is_own(&table));
    table.set_own([peer("198.51.100.1:0").ip(), peer("[::ffff:203.0.113.9]:0").ip()]);
    assert!(is_own(&table) && table.is_own(peer("203.0.113.9:0").ip()));
    table.apply(&Delta::AddChannel { relay: R, channel: CH, peer: peer("203.0.113.9:5001") });
    assert!(is_own(&table));
    table.set_own([peer("198.51.100.1:0").ip()]);
    assert!(!is_own(&table) && !table.is_own(peer("203.0.113.9:0").ip()));
}

#[test]
fn another_port_of_a_permitted_address_comes_as_data() {
    let table = bound();
    assert_eq!(table.peer(R, peer("203.0.113.9:5001")).unwrap().1, Header::Data);
    assert_eq!(table.send(&tuple(1), peer("203.0.113.9:1").ip()), Ok(R));
}

#[test]
fn a_channel_without_a_permission_passes_nothing_in_either_direction() {
    let mut table = bound();
    table.apply(&Delta::RemovePermission { relay: R, peer: peer("203.0.113.9:0").ip() });
    assert_eq!(table.channel(&tuple(1), CH), Err(Miss::Permission));
    assert_eq!(table.peer(R, peer("203.0.113.9:5000")), None);
    table.apply(&Delta::AddPermission { relay: R, peer: peer("203.0.113.9:0").ip() });
    assert!(table.channel(&tuple(1), CH).is_ok());
}

#[test]
fn misses_say_what_is_missing() {
    let table = bound();
    assert_eq!(table.channel(&tuple(2), CH), Err(Miss::Client));
    assert_eq!(table.channel(&tuple(1), ChannelNumber(0x4001)), Err(Miss::Channel));
    assert_eq!(table.send(&tuple(1), peer("203.0.113.10:0").ip()), Err(Miss::Permission));
    assert_eq!(table.send(&tuple(2), peer("203.0.113.9:0").ip()), Err(Miss::Client));
}

#[test]
fn a_dual_allocation_sends_from_the_relay_of_the_peers_family() {
    let mut table = bound();
    table.apply(&Delta::AddRelay { relay: R6, client: client(1) });
    table.apply(&Delta::AddPermission { relay: R6, peer: peer("[2001:db8::1]:0").ip() });
    assert_eq!(table.send(&tuple(1), peer("[2001:db8::1]:0").ip()), Ok(R6));
    assert_eq!(table.send(&tuple(1), peer("203.0.113.9:0").ip()), Ok(R));
    table.apply(&Delta::RemoveRelay { relay: R6 });
    assert_eq!(table.send(&tuple(1), peer("[2001:db8::1]:0").ip()), Err(Miss::Permission));
    assert!(table.serves(&tuple(1)));
}

#[test]
fn a_moved_client_takes_its_channels_along() {
    let mut table = bound();
    table.apply(&Delta::MoveRelay { relay: R, client: client(7) });
    assert_eq!(table.channel(&tuple(1), CH), Err(Miss::Client));
    assert!(table.channel(&tuple(7), CH).is_ok());
    assert_eq!(table.peer(R, peer("203.0.113.9:5000")).unwrap().0.tuple, tuple(7));
}

#[test]
fn nothing_is_left_of_a_removed_relay() {
    let mut table = bound();
    table.apply(&Delta::RemoveRelay { relay: R });
    assert!(table.is_empty() && table.seats.len() == 0);
    assert_eq!(table.flows().count(), 0);
}

#[test]
fn a_relay_has_no_padding_to_spare() {
    assert_eq!(size_of::<FiveTuple>(), 37);
    assert_eq!(size_of::<Line>(), 20);
    assert_eq!(size_of::<Option<Relay>>(), 136);
}

/// The same, as plain sets.
#[derive(Default)]
struct Model(BTreeMap<u64, Entry>);

/// Whom a relay serves, its permissions, its channels.
type Entry = (Client, BTreeSet<IpAddr>, BTreeMap<u16, Endpoint>);

impl Model {
    fn apply(&mut self, delta: &Delta) {
        match *delta {
            Delta::AddRelay { relay, client } => {
                self.0.entry(relay.0).or_insert((client, BTreeSet::new(), BTreeMap::new())).0 = client;
            }
            Delta::MoveRelay { relay, client } => {
                if let Some(entry) = self.0.get_mut(&relay.0) {
                    entry.0 = client;
                }
            }
            Delta::RemoveRelay { relay } => {
                self.0.remove(&relay.0);
            }
            Delta::AddPermission { relay, peer } => {
                if let Some(entry) = self.0.get_mut(&relay.0) {
                    entry.1.insert(peer);
                }
            }
            Delta::RemovePermission { relay, peer } => {
                if let Some(entry) = self.0.get_mut(&relay.0) {
                    entry.1.remove(&peer);
                }
            }
            Delta::AddChannel { relay, channel, peer } => {
                let Some(tuple) = self.0.get(&relay.0).map(|entry| entry.0.tuple) else { return };
                for entry in self.0.values_mut().filter(|entry| entry.0.tuple == tuple) {
                    entry.2.remove(&channel.0);
                }
                let entry = self.0.get_mut(&relay.0).unwrap();
                entry.2.retain(|_, bound| *bound != peer);
                entry.2.insert(channel.0, peer);
            }
            Delta::RemoveChannel { relay, channel } => {
                if let Some(entry) = self.0.get_mut(&relay.0) {
                    entry.2.remove(&channel.0);
                }
            }
        }
    }

    fn channel(&self, tuple: FiveTuple, channel: u16) -> Option<(RelayId, Endpoint)> {
        self.0.iter().filter(|(_, entry)| entry.0.tuple == tuple).find_map(|(relay, entry)| {
            let peer = entry.2.get(&channel)?;
            entry.1.contains(&peer.ip()).then_some((RelayId(*relay), *peer))
        })
    }

    fn send(&self, tuple: FiveTuple, peer: IpAddr) -> bool {
        self.0.values().any(|entry| entry.0.tuple == tuple && entry.1.contains(&peer))
    }

    fn peer(&self, relay: RelayId, peer: Endpoint) -> Option<(Client, Header)> {
        let entry = self.0.get(&relay.0)?;
        let channel = entry.2.iter().find(|(_, bound)| **bound == peer);
        let header = channel.map_or(Header::Data, |(number, _)| Header::Channel(ChannelNumber(*number)));
        entry.1.contains(&peer.ip()).then_some((entry.0, header))
    }
}

/// Relays 2n and 2n+1 belong to the same client, as the two families of an allocation do.
fn deltas() -> impl Strategy<Value = Delta> {
    let relay = 0u64..6;
    let peers =
        (0u8..3, 1u16..4).prop_map(|(host, port)| SocketAddr::from(([203, 0, 113, host], port)).into());
    let number = (0x4000u16..0x4004).prop_map(ChannelNumber);
    (0u8..10, relay, 0u16..2, peers, number).prop_map(
        |(kind, relay, place, peer, channel): (_, _, _, Endpoint, _)| {
            let pair = u16::try_from(relay / 2).unwrap();
            let relay = RelayId(relay);
            match kind {
                0 | 1 => Delta::AddRelay { relay, client: client(100 + pair) },
                2 => Delta::MoveRelay { relay, client: client(100 + pair + 10 * place) },
                3 => Delta::RemoveRelay { relay },
                4 | 5 => Delta::AddPermission { relay, peer: peer.ip() },
                6 => Delta::RemovePermission { relay, peer: peer.ip() },
                7 | 8 => Delta::AddChannel { relay, channel, peer },
                _ => Delta::RemoveChannel { relay, channel },
            }
        },
    )
}

/// Whether two relays of different clients, or the same channel of two relays, would meet at one five-tuple:
/// the engine never asks for it.
fn meets(model: &Model, delta: &Delta) -> bool {
    let (Delta::MoveRelay { relay, client } | Delta::AddRelay { relay, client }) = delta else {
        return false;
    };
    let Some(own) = model.0.get(&relay.0) else { return false };
    model.0.iter().any(|(other, entry)| {
        *other != relay.0
            && entry.0.tuple == client.tuple
            && own.2.keys().any(|number| entry.2.contains_key(number))
    })
}

proptest! {
    #[test]
    fn the_table_agrees_with_plain_sets(script in prop::collection::vec(deltas(), 1..120)) {
        let (mut table, mut model) = (Table::new(), Model::default());
        for delta in script.iter() {
            if meets(&model, delta) {
                continue;
            }
            table.apply(delta);
            table.apply(delta);
            model.apply(delta);
            for port in [100, 101, 102, 110, 111, 112] {
                for number in 0x4000..0x4004 {
                    let got = table.channel(&tuple(port), ChannelNumber(number)).ok().map(ChannelValue::way);
                    prop_assert_eq!(got, model.channel(tuple(port), number), "{:?}", delta);
                }
                for host in 0..3 {
                    let ip = IpAddr::from([203, 0, 113, host]);
                    prop_assert_eq!(table.send(&tuple(port), ip).is_ok(), model.send(tuple(port), ip));
                }
            }
            for relay in (0..6).map(RelayId) {
                for (host, port) in (0..3).flat_map(|host| (1..4).map(move |port| (host, port))) {
                    let peer = Endpoint::from(SocketAddr::from(([203, 0, 113, host], port)));
                    let got = table.peer(relay, peer).map(|(client, header)| (*client, header));
                    prop_assert_eq!(got, model.peer(relay, peer));
                }
            }
        }
        for relay in (0..6).map(RelayId) {
            table.apply(&Delta::RemoveRelay { relay });
        }
        prop_assert!(table.is_empty() && table.seats.len() == 0);
    }
}
