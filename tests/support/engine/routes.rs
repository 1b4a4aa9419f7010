//! The route table as one would write it without caring for speed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use tern::route::{ChannelValue, Client, Delta, Endpoint, FiveTuple, Header, RelayId, Table};
use tern::wire::channel_data::ChannelNumber;

/// Every route, as the deltas told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(HashMap<RelayId, Route>);

/// One relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whom it serves.
    pub client: Client,
    /// Who may pass.
    pub permissions: BTreeSet<IpAddr>,
    /// What numbers stand for.
    pub channels: BTreeMap<u16, SocketAddr>,
}

impl Routes {
    /// One change. What names an unknown relay, or removes what is not there, is a mistake of the engine.
    pub fn apply(&mut self, delta: &Delta) {
        match *delta {
            Delta::AddRelay { relay, client } => {
                let route = Route { client, permissions: BTreeSet::new(), channels: BTreeMap::new() };
                assert!(self.0.insert(relay, route).is_none(), "{relay:?} added twice");
            }
            Delta::MoveRelay { relay, client } => self.route(relay).client = client,
            Delta::RemoveRelay { relay } => {
                assert!(self.0.remove(&relay).is_some(), "{relay:?} removed twice");
            }
            Delta::AddPermission { relay, peer } => {
                assert!(self.route(relay).permissions.insert(peer), "{peer} permitted twice");
            }
            Delta::RemovePermission { relay, peer } => {
                assert!(self.route(relay).permissions.remove(&peer), "{peer} was not permitted");
            }
            Delta::AddChannel { relay, channel, peer } => {
                let old = self.route(relay).channels.insert(channel.0, peer.socket_addr());
                assert!(old.is_none(), "{channel:?} bound twice");
            }
            Delta::RemoveChannel { relay, channel } => {
                assert!(self.route(relay).channels.remove(&channel.0).is_some(), "{channel:?} was not bound");
            }
        }
    }

    fn route(&mut self, relay: RelayId) -> &mut Route {
        self.0.get_mut(&relay).unwrap()
    }

    /// All relays.
    pub fn relays(&self) -> impl Iterator<Item = RelayId> {
        self.0.keys().copied()
    }

    /// One relay's route.
    pub fn get(&self, relay: RelayId) -> Option<&Route> {
        self.0.get(&relay)
    }

    /// The relays of one client.
    pub fn of(&self, tuple: &FiveTuple) -> Vec<&Route> {
        self.0.values().filter(|route| route.client.tuple == *tuple).collect()
    }

    /// Whether packets of `peer` pass any relay of this client.
    pub fn permits(&self, tuple: &FiveTuple, peer: IpAddr) -> bool {
        self.of(tuple).iter().any(|route| route.permissions.contains(&peer))
    }

    /// What a channel of this client stands for.
    pub fn channel(&self, tuple: &FiveTuple, number: u16) -> Option<SocketAddr> {
        self.of(tuple).iter().find_map(|route| route.channels.get(&number).copied())
    }

    /// The real table says the same, however it is asked.
    pub fn assert_equals(&self, table: &Table) {
        assert_eq!(table.len(), self.0.len());
        let mut lines = 0;
        for (id, route) in &self.0 {
            let tuple = &route.client.tuple;
            assert_eq!(table.client(*id), Some(&route.client));
            assert!(table.relays(tuple).any(|relay| relay == *id));
            for ip in &route.permissions {
                lines += 1;
                assert_eq!(table.send(tuple, *ip), Ok(*id));
                let bound = |port| route.channels.values().any(|peer| *peer == SocketAddr::new(*ip, port));
                let free = (1..).find(|port| !bound(*port)).unwrap();
                let other = Endpoint::from(SocketAddr::new(*ip, free));
                assert_eq!(table.peer(*id, other), Some((&route.client, Header::Data)));
            }
            for (number, peer) in &route.channels {
                lines += 1;
                let (number, peer) = (ChannelNumber(*number), Endpoint::from(*peer));
                let permitted = route.permissions.contains(&peer.ip());
                assert_eq!(
                    table.channel(tuple, number).ok().map(ChannelValue::way),
                    permitted.then_some((*id, peer))
                );
                let expected = permitted.then_some((&route.client, Header::Channel(number)));
                assert_eq!(table.peer(*id, peer), expected);
            }
        }
        assert_eq!(table.flows().count(), lines);
    }
}
