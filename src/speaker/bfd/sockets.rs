//! Where packets come in, and the ports that they leave from.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Neighbor;
use crate::net::poll::{Interest, Poller};
use crate::net::udp::{UdpOptions, UdpSocket};

/// One hop (RFC 5881 section 4).
pub(super) const SINGLE_HOP: u16 = 3784;
/// Several (RFC 5883 section 5).
pub(super) const MULTIHOP: u16 = 4784;

/// The first port that packets may be sent from; it ends with the last that there is.
const FIRST_SOURCE: u16 = 49_152;
const ATTEMPTS: usize = 32;

impl Neighbor {
    /// The port that packets go to, at both ends.
    pub(super) const fn port(&self) -> u16 {
        if self.way.multihop { MULTIHOP } else { SINGLE_HOP }
    }

    const fn any(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    fn local(&self) -> IpAddr {
        self.local.unwrap_or_else(|| self.any())
    }

    /// Where its packets are waited for: at the wildcard address if any of `others` that come to the same port have no
    /// address of ours, as the port can then be had once only.
    pub(super) fn listens<'a>(&self, mut others: impl Iterator<Item = &'a Self>) -> SocketAddr {
        let shares_wildcard = others
            .any(|other| other.local.is_none() && other.port() == self.port() && other.any() == self.any());
        let address = if shares_wildcard { self.any() } else { self.local() };
        SocketAddr::new(address, self.port())
    }
}

/// The sockets that receive, by their address.
#[derive(Debug, Default)]
pub(super) struct Receivers(BTreeMap<SocketAddr, UdpSocket>);

impl Receivers {
    /// Closes what is not wanted any more.
    pub(super) fn retain(&mut self, wanted: &[SocketAddr]) {
        self.0.retain(|address, _| wanted.contains(address));
    }

    /// Opens what is not open yet, and has `poller` tell with `token` when something comes.
    pub(super) fn open(&mut self, address: SocketAddr, poller: &Poller, token: u64) -> io::Result<()> {
        if let Entry::Vacant(place) = self.0.entry(address) {
            let socket = UdpSocket::bind_listener(address, &UdpOptions::default())?;
            poller.add(&socket, token, Interest::READ)?;
            place.insert(socket);
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &UdpSocket> {
        self.0.values()
    }
}

/// A socket to send to `neighbor` from, on a port of its own. `draw` gives any numbers.
pub(super) fn open_sender(neighbor: &Neighbor, mut draw: impl FnMut() -> u16) -> io::Result<UdpSocket> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let port = FIRST_SOURCE + draw() % (u16::MAX - FIRST_SOURCE);
        // It is never read from: what comes to it does not belong there, and little of it is kept.
        let options = UdpOptions { receive_buffer: Some(0), ..UdpOptions::default() };
        match UdpSocket::bind_listener(SocketAddr::new(neighbor.local(), port), &options) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// What an operator can do about a socket that cannot be had.
pub(super) fn explain(address: SocketAddr, error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!("UDP {address} is taken: end the other BFD daemon, or give the neighbor a local_address")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("{} is no address of this machine: correct local_address, or add it", address.ip())
    } else {
        format!("UDP {address} cannot be opened: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speaker::BfdSettings;

    fn neighbor(address: &str, local: Option<&str>, multihop: bool) -> Neighbor {
        let way = BfdSettings { multihop, ..BfdSettings::default() };
        Neighbor { address: address.parse().unwrap(), local: local.map(|text| text.parse().unwrap()), way }
    }

    #[test]
    fn one_neighbor_without_an_address_of_ours_has_all_of_its_kind_listen_everywhere() {
        let all = [
            neighbor("192.0.2.1", Some("192.0.2.9"), false),
            neighbor("192.0.2.2", None, false),
            neighbor("192.0.2.3", Some("192.0.2.9"), true),
            neighbor("2001:db8::1", Some("2001:db8::9"), false),
        ];
        let listens = all.map(|neighbor| neighbor.listens(all.iter()).to_string());
        assert_eq!(listens, ["0.0.0.0:3784", "0.0.0.0:3784", "192.0.2.9:4784", "[2001:db8::9]:3784"]);
    }

    #[test]
    fn senders_have_ports_of_their_own_in_the_range_of_the_rfc() {
        let neighbor = neighbor("127.0.0.1", Some("127.0.0.1"), false);
        let mut draws = 0..;
        let first = open_sender(&neighbor, || draws.next().unwrap()).unwrap().local_addr().port();
        assert!(first >= FIRST_SOURCE);
        let kept = open_sender(&neighbor, || first - FIRST_SOURCE);
        assert!(kept.is_ok(), "the first one was closed again");
        assert!(open_sender(&neighbor, || first - FIRST_SOURCE).is_err());
    }
}
