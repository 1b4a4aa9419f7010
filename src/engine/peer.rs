//! Which peers a client may reach through this relay.
//!
//! A relay sits inside a network that trusts it, so a client that may name any address can reach what it never
//! should: metadata services, databases, the relay's own pages. Every peer's address is first brought into one form
//! (`::ffff:10.0.0.1` is 10.0.0.1) and every IPv4 address inside it is laid open (6to4, NAT64, Teredo and others,
//! also several in one); then each of them is judged, and all must pass. The first of these rules that applies decides:
//!
//! 1. **never**: port 0, unspecified, multicast, broadcast, cloud metadata services, and the relay's own listeners,
//!    admin and store endpoints. No list and no mode admits these.
//! 2. **the relay's own probes**, in their exact ports: sockets of this process that answer nobody but its self-test.
//! 3. **deny list** of the operator.
//! 4. **the relay's own relay addresses**, in the relay port range: two clients of one relay may be each other's
//!    peers, whatever kind of address it has.
//! 5. **allow list** of the operator.
//! 6. **denied by default**: loopback, link-local, private, shared (CGN), unique-local, documentation, benchmarking
//!    and reserved ranges, all of IPv6 that is not global unicast, and the other ports of this host. Development
//!    mode takes loopback, private and shared ranges and this host out of this rule, and nothing else.
//! 7. **everything else is allowed.**
//!
//! The engine asks when a permission, a channel or a connection is made ([`PeerPolicy::check_address`],
//! [`PeerPolicy::check`]); the data path asks [`PeerPolicy::check_port`] for every Send indication, since a permission
//! covers all ports of an address. Built anew on reload.

mod embedded;
mod prefix;
mod special;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use foldhash::HashSet;
use prefix::PrefixSet;
pub use prefix::{Prefix, PrefixError};
use special::Special;

use super::RelayAddress;

/// What the operator and the server know about peers.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Where relayed transport addresses come from.
    pub relays: Vec<RelayAddress>,
    /// Their ports.
    pub ports: RangeInclusive<u16>,
    /// Other addresses of this host, as far as the server can tell.
    pub own: Vec<IpAddr>,
    /// Endpoints that no client may reach through the relay: its listeners, admin pages, stores. An unspecified
    /// address stands for every address of this host.
    pub protected: Vec<SocketAddr>,
    /// Sockets of this process that the self-test's calls go to.
    pub probes: Vec<SocketAddr>,
    /// The operator's allow list.
    pub allow: Vec<Prefix>,
    /// The operator's deny list.
    pub deny: Vec<Prefix>,
    /// Admits loopback and private peers.
    pub development: bool,
}

/// Why a peer is refused (403, RFC 8656 section 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denied {
    /// Port 0.
    Port,
    /// An address that is no single peer: unspecified, multicast, broadcast.
    NotUnicast,
    /// A metadata service of a cloud.
    Metadata,
    /// A listener, admin page or store of this relay.
    Protected,
    /// In the operator's deny list.
    Listed,
    /// This host, outside the relay port range.
    OwnHost,
    /// Loopback.
    Loopback,
    /// Link-local.
    LinkLocal,
    /// Private, unique-local, or shared by a carrier's NAT.
    Private,
    /// For documentation, benchmarks, protocols, or the future.
    Reserved,
}

/// The rules, ready to be asked.
#[derive(Debug)]
pub struct PeerPolicy {
    ports: RangeInclusive<u16>,
    relays: HashSet<IpAddr>,
    own: HashSet<IpAddr>,
    protected: HashSet<SocketAddr>,
    /// Ports that are protected on every address of this host.
    protected_ports: HashSet<u16>,
    probes: HashSet<SocketAddr>,
    /// Addresses of which some ports may be reached and others not; loopback is one without being here.
    watched: HashSet<IpAddr>,
    allow: PrefixSet,
    deny: PrefixSet,
    development: bool,
}

impl PeerPolicy {
    /// The rules that follow from `settings`.
    #[must_use]
    pub fn new(settings: &PeerSettings) -> Self {
        let relays: HashSet<IpAddr> = settings.relays.iter().flat_map(both_sides).collect();
        let own: HashSet<IpAddr> =
            settings.own.iter().map(IpAddr::to_canonical).chain(relays.iter().copied()).collect();
        let (everywhere, protected): (Vec<SocketAddr>, Vec<SocketAddr>) =
            settings.protected.iter().partition(|endpoint| endpoint.ip().to_canonical().is_unspecified());
        let protected: HashSet<SocketAddr> =
            protected.iter().flat_map(|at| seen_from_outside(*at, &settings.relays)).collect();
        let canonical = |at: &SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let probes: HashSet<SocketAddr> = settings.probes.iter().map(canonical).collect();
        // What one port of an address is admitted for, the others are not.
        let watched = protected.iter().chain(&probes).map(SocketAddr::ip).chain(own.iter().copied());
        Self {
            ports: settings.ports.clone(),
            watched: watched.collect(),
            probes,
            protected,
            protected_ports: everywhere.iter().map(SocketAddr::port).collect(),
            relays,
            own,
            allow: PrefixSet::new(&settings.allow),
            deny: PrefixSet::new(&settings.deny),
            development: settings.development,
        }
    }

    /// Whether `peer` may be reached. The address returned is the one to use: what was checked is what is sent to.
    ///
    /// # Errors
    ///
    /// The first rule against it.
    pub fn check(&self, peer: SocketAddr) -> Result<SocketAddr, Denied> {
        let ip = self.check_all(peer.ip(), Some(peer.port()))?;
        Ok(SocketAddr::new(ip, peer.port()))
    }

    /// Whether a permission for `ip` may be installed: whether any of its ports could be reached. Ports are the
    /// matter of [`Self::check`].
    ///
    /// # Errors
    ///
    /// The first rule against it.
    pub fn check_address(&self, ip: IpAddr) -> Result<IpAddr, Denied> {
        self.check_all(ip, None)
    }

    /// Whether a packet to `peer` may leave whose address has a permission: a permission covers all ports of an
    /// address, but not all may be reached on this host and where protected endpoints are. Cheap enough for each
    /// packet; addresses that the policy has come to deny since keep their permission until it ends.
    ///
    /// # Errors
    ///
    /// The first rule against it.
    pub fn check_port(&self, peer: SocketAddr) -> Result<SocketAddr, Denied> {
        let ip = peer.ip().to_canonical();
        if peer.port() == 0 {
            return Err(Denied::Port);
        }
        if self.is_watched(ip) || embedded::addresses(ip).any(|inner| self.is_watched(inner.into())) {
            return self.check(peer);
        }
        Ok(SocketAddr::new(ip, peer.port()))
    }

    fn check_all(&self, ip: IpAddr, port: Option<u16>) -> Result<IpAddr, Denied> {
        let ip = ip.to_canonical();
        self.judge(ip, port)?;
        for inner in embedded::addresses(ip) {
            self.judge(inner.into(), port)?;
        }
        Ok(ip)
    }

    fn judge(&self, ip: IpAddr, port: Option<u16>) -> Result<(), Denied> {
        let special = special::classify(ip);
        self.check_never(ip, port, special)?;
        if port.is_some_and(|port| self.probes.contains(&SocketAddr::new(ip, port))) {
            return Ok(());
        }
        if self.deny.contains(ip) {
            return Err(Denied::Listed);
        }
        let relayed = self.relays.contains(&ip) && port.is_none_or(|port| self.ports.contains(&port));
        if relayed || self.allow.contains(ip) {
            return Ok(());
        }
        self.check_default(ip, special)
    }

    fn check_never(&self, ip: IpAddr, port: Option<u16>, special: Option<Special>) -> Result<(), Denied> {
        match special {
            Some(Special::NotUnicast) => return Err(Denied::NotUnicast),
            Some(Special::Metadata) => return Err(Denied::Metadata),
            _ => {}
        }
        let Some(port) = port else { return Ok(()) };
        if port == 0 {
            return Err(Denied::Port);
        }
        let everywhere = self.protected_ports.contains(&port) && self.is_own(ip);
        if everywhere || self.protected.contains(&SocketAddr::new(ip, port)) {
            return Err(Denied::Protected);
        }
        Ok(())
    }

    fn check_default(&self, ip: IpAddr, special: Option<Special>) -> Result<(), Denied> {
        match special {
            Some(Special::Loopback) if !self.development => Err(Denied::Loopback),
            Some(Special::Private) if !self.development => Err(Denied::Private),
            Some(Special::LinkLocal) => Err(Denied::LinkLocal),
            Some(Special::Reserved) => Err(Denied::Reserved),
            Some(Special::NotUnicast) => Err(Denied::NotUnicast),
            Some(Special::Metadata) => Err(Denied::Metadata),
            Some(Special::Loopback | Special::Private) | None => {
                if self.own.contains(&ip) && !self.development { Err(Denied::OwnHost) } else { Ok(()) }
            }
        }
    }

    fn is_watched(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.watched.contains(&ip)
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.own.contains(&ip)
    }
}

fn both_sides(relay: &RelayAddress) -> [IpAddr; 2] {
    [relay.bind.to_canonical(), relay.external.to_canonical()]
}

/// `endpoint`, and what a 1:1 NAT before one of our relay addresses makes of it: the way back in leads to the same
/// socket.
fn seen_from_outside(endpoint: SocketAddr, relays: &[RelayAddress]) -> Vec<SocketAddr> {
    let ip = endpoint.ip().to_canonical();
    let mapped = relays.iter().map(both_sides).filter(|sides| sides.contains(&ip)).flatten();
    std::iter::once(ip).chain(mapped).map(|ip| SocketAddr::new(ip, endpoint.port())).collect()
}

#[cfg(test)]
mod tests;
