//! Where routers come in, and who may.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Settings;
use super::settings::{NeighborSockets, SecretKey};
use crate::announce::NeighborId;
use crate::announce::bgp::NeighborSettings;
use crate::net::poll::{Interest, Poller};
use crate::net::tcp::peering::Peering;
use crate::net::tcp::{Accepted, TcpListener};
use crate::time::Time;

/// Without a hold time the kernel's patience has to come from somewhere.
const USER_TIMEOUT: Duration = Duration::from_secs(90);

/// The neighbours as the sockets see them.
#[derive(Debug, Default)]
pub(super) struct Neighbors(Vec<Neighbor>);

#[derive(Debug)]
struct Neighbor {
    name: Box<str>,
    address: IpAddr,
    port: u16,
    hold: Duration,
    shutdown: bool,
    sockets: NeighborSockets,
    /// How often `sockets` has changed.
    changes: u32,
}

impl Neighbors {
    pub(super) fn new(settings: &Settings) -> Self {
        let neighbor = |(neighbor, sockets): (&NeighborSettings, &NeighborSockets)| Neighbor {
            name: neighbor.name.clone(),
            address: neighbor.address,
            port: neighbor.port,
            hold: neighbor.hold,
            shutdown: neighbor.shutdown,
            sockets: sockets.clone(),
            changes: neighbor.sockets,
        };
        Self(settings.announce.bgp.neighbors.iter().zip(&settings.neighbors).map(neighbor).collect())
    }

    /// Numbers the sockets of `settings` such that a session ends whose sockets would be made otherwise from now on.
    pub(super) fn number_changes(&self, settings: &mut Settings) {
        for (neighbor, sockets) in settings.announce.bgp.neighbors.iter_mut().zip(&settings.neighbors) {
            if let Some(before) = self.0.iter().find(|before| before.name == neighbor.name) {
                let is_other = !before.sockets.are_made_like(sockets);
                neighbor.sockets = before.changes.wrapping_add(u32::from(is_other));
            }
        }
    }

    /// Whom a connection between these addresses belongs to.
    pub(super) fn find(&self, remote: IpAddr, local: IpAddr) -> Option<(NeighborId, Peering<'_>)> {
        let is_it = |neighbor: &Neighbor| {
            let own = neighbor.sockets.local_address;
            neighbor.address == remote && !neighbor.shutdown && own.is_none_or(|own| own == local)
        };
        let (id, neighbor) = (0..).map(NeighborId).zip(&self.0).find(|(_, neighbor)| is_it(neighbor))?;
        Some((id, neighbor.peering()))
    }

    /// Where one is, and how its connections are set up.
    pub(super) fn target(&self, id: NeighborId) -> Option<(SocketAddr, Peering<'_>)> {
        let neighbor = self.0.get(usize::from(id.0))?;
        Some((SocketAddr::new(neighbor.address, neighbor.port), neighbor.peering()))
    }

    fn keys(&self) -> impl Iterator<Item = (IpAddr, &SecretKey)> {
        self.0.iter().filter_map(|neighbor| Some((neighbor.address, neighbor.sockets.key.as_ref()?)))
    }
}

impl Neighbor {
    fn peering(&self) -> Peering<'_> {
        let patience = if self.hold.is_zero() { USER_TIMEOUT } else { self.hold };
        Peering {
            local: self.sockets.local_address,
            key: self.sockets.key.as_ref().map(SecretKey::as_bytes),
            ttl: self.sockets.ttl,
            gtsm: self.sockets.gtsm,
            user_timeout: self.sockets.user_timeout.unwrap_or(patience),
        }
    }
}

/// One listener.
#[derive(Debug)]
pub(super) struct Listening {
    socket: TcpListener,
    asked: SocketAddr,
    keys: Vec<(IpAddr, SecretKey)>,
    token: u64,
    /// Until when nobody is let in.
    paused: Option<Time>,
}

impl Listening {
    pub(super) fn bind(address: SocketAddr, poller: &Poller, token: u64) -> io::Result<Self> {
        let socket = TcpListener::bind_peering(address)?;
        poller.add(&socket, token, Interest::READ)?;
        Ok(Self { socket, asked: address, keys: Vec::new(), token, paused: None })
    }

    /// Tells the poller by which number it goes from now on.
    pub(super) fn number(&mut self, poller: &Poller, token: u64) {
        self.token = token;
        self.watch(poller);
    }

    /// Lets nobody in until then. Whoever has come waits in the kernel, and would be told of again at once, for nothing.
    pub(super) fn pause(&mut self, poller: &Poller, until: Time) {
        self.paused = Some(until);
        self.watch(poller);
    }

    /// When [`Self::tick`] is due.
    pub(super) const fn deadline(&self) -> Option<Time> {
        self.paused
    }

    /// Ends a pause that has lasted long enough.
    pub(super) fn tick(&mut self, poller: &Poller, now: Time) {
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
            self.watch(poller);
        }
    }

    fn watch(&self, poller: &Poller) {
        let interest = if self.paused.is_some() { Interest::NONE } else { Interest::READ };
        // It fails only for a socket that is not watched.
        drop(poller.modify(&self.socket, self.token, interest));
    }

    /// As the settings have it.
    pub(super) const fn asked(&self) -> SocketAddr {
        self.asked
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    pub(super) fn accept(&self) -> io::Result<Option<Accepted>> {
        self.socket.accept()
    }

    /// Whether nobody could come in from `peer` without `key`.
    pub(super) fn demands(&self, peer: IpAddr, key: &[u8]) -> bool {
        self.keys.iter().any(|(address, own)| *address == peer && own.as_bytes() == key)
    }

    /// Brings the keys up to date. A neighbour whose key cannot be set does not come in: see [`Self::demands`].
    pub(super) fn set_keys(&mut self, neighbors: &Neighbors) {
        let is_ours = |peer: &IpAddr| peer.is_ipv4() == self.asked.is_ipv4();
        let wanted: Vec<_> = neighbors
            .keys()
            .filter(|(peer, _)| is_ours(peer))
            .map(|(peer, key)| (peer, key.clone()))
            .collect();
        for (peer, _) in self.keys.iter().filter(|old| !wanted.contains(old)) {
            // It fails only if there is none.
            drop(self.socket.set_key(*peer, None));
        }
        let old = std::mem::take(&mut self.keys);
        for new in wanted {
            let set =
                if old.contains(&new) { Ok(()) } else { self.socket.set_key(new.0, Some(new.1.as_bytes())) };
            match set {
                Ok(()) => self.keys.push(new),
                Err(error) => {
                    tracing::warn!(neighbor = %new.0, %error, "the TCP MD5 key of a neighbour cannot be set; it is kept out");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bgp::Asn;

    #[test]
    fn a_neighbour_whose_sockets_change_gets_another_number_at_whatever_place() {
        let numbers = |before: &NeighborSockets, after: NeighborSockets| {
            let neighbor =
                |name: &str| NeighborSettings::new(name, IpAddr::from([192, 0, 2, 1]), Asn(64_512));
            let mut settings = Settings::default();
            settings.announce.bgp.neighbors = vec![neighbor("a"), neighbor("b")];
            settings.neighbors = vec![NeighborSockets::default(), before.clone()];
            let neighbors = Neighbors::new(&settings);
            settings.announce.bgp.neighbors = vec![neighbor("b"), neighbor("a"), neighbor("new")];
            settings.neighbors = vec![after, NeighborSockets::default(), NeighborSockets::default()];
            neighbors.number_changes(&mut settings);
            settings.announce.bgp.neighbors.iter().map(|neighbor| neighbor.sockets).collect::<Vec<_>>()
        };
        let plain = NeighborSockets::default;
        let key = |text: &str| NeighborSockets { key: SecretKey::new(text.as_bytes()), ..plain() };
        assert_eq!(numbers(&key("x"), key("x")), [0, 0, 0]);
        for other in [
            key("y"),
            plain(),
            NeighborSockets { ttl: 3, ..key("x") },
            NeighborSockets { gtsm: Some(1), ..key("x") },
            NeighborSockets { local_address: Some([192, 0, 2, 9].into()), ..key("x") },
            NeighborSockets { user_timeout: Some(Duration::from_secs(5)), ..key("x") },
        ] {
            assert_eq!(numbers(&key("x"), other), [1, 0, 0]);
        }
    }

    #[test]
    fn a_connection_belongs_to_the_neighbour_whose_addresses_both_ends_have() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let neighbor = |address: &str| NeighborSettings::new(address, ip(address), Asn(64_512));
        let mut settings = Settings::default();
        settings.announce.bgp.neighbors =
            vec![neighbor("192.0.2.1"), neighbor("192.0.2.2"), neighbor("192.0.2.3")];
        let own = NeighborSockets { local_address: Some(ip("192.0.2.9")), ..NeighborSockets::default() };
        settings.neighbors = vec![NeighborSockets::default(), own, NeighborSockets::default()];
        settings.announce.bgp.neighbors[2].shutdown = true;
        let neighbors = Neighbors::new(&settings);
        let find = |remote, local| neighbors.find(ip(remote), ip(local)).map(|(id, _)| id.0);
        assert_eq!(find("192.0.2.1", "192.0.2.8"), Some(0));
        assert_eq!(find("192.0.2.2", "192.0.2.9"), Some(1));
        assert_eq!(find("192.0.2.2", "192.0.2.8"), None, "another address of ours");
        assert_eq!(find("192.0.2.3", "192.0.2.8"), None, "shut down");
        assert_eq!(find("192.0.2.4", "192.0.2.8"), None, "a stranger");
    }
}
