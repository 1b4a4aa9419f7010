//! Relayed addresses behind a 1:1 NAT, as on AWS and GCP: sockets are bound to one address, the world sees
//! another.
//!
//! The NAT does not send back what goes to the outside address from the inside. So what a client addresses to
//! one of our own outside addresses goes to the inside one, and what comes from there is attributed to the
//! outside one, under which the client knows it and has given its permission.

use std::net::SocketAddr;

use crate::engine::RelayAddress;

/// The addresses that have two faces; mostly none.
#[derive(Debug, Default)]
pub(super) struct Externals(Vec<RelayAddress>);

impl Externals {
    pub(super) fn new(addresses: &[RelayAddress]) -> Self {
        Self(addresses.iter().copied().filter(|address| address.bind != address.external).collect())
    }

    /// Where to send what a client addressed to `peer`.
    pub(super) fn route(&self, peer: SocketAddr) -> SocketAddr {
        let found = self.find(|address| address.external == peer.ip());
        found.map_or(peer, |address| SocketAddr::new(address.bind, peer.port()))
    }

    /// Whom a packet from `source` came from, as clients know it.
    pub(super) fn attribute(&self, source: SocketAddr) -> SocketAddr {
        let found = self.find(|address| address.bind == source.ip());
        found.map_or(source, |address| SocketAddr::new(address.external, source.port()))
    }

    fn find(&self, wanted: impl Fn(&RelayAddress) -> bool) -> Option<RelayAddress> {
        self.0.iter().copied().find(wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn our_outside_address_is_reached_inside_and_attributed_outside() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let inside_out = RelayAddress { bind: ip("10.0.0.5"), external: ip("203.0.113.5") };
        let plain = RelayAddress { bind: ip("2001:db8::5"), external: ip("2001:db8::5") };
        let externals = Externals::new(&[inside_out, plain]);
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(externals.route(at("203.0.113.5:7")), at("10.0.0.5:7"));
        assert_eq!(externals.attribute(at("10.0.0.5:7")), at("203.0.113.5:7"));
        for other in ["198.51.100.1:7", "[2001:db8::5]:7"] {
            assert_eq!((externals.route(at(other)), externals.attribute(at(other))), (at(other), at(other)));
        }
    }
}
