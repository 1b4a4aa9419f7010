//! A router in the middle, and around it, on a wire each, the hosts of relays and a host of clients.
//!
//! The router forwards. Every relay's host has the anycast addresses on its loopback interface; where they lead to is
//! what the router learns from the relays.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use tempfile::TempDir;

use crate::host::Host;
use crate::skip::Missing;

/// The anycast address of all relays.
pub(crate) const ANYCAST_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 88, 1);
/// Its companion in IPv6.
pub(crate) const ANYCAST_V6: Ipv6Addr = Ipv6Addr::new(0xfd88, 0xffff, 0, 0, 0, 0, 0, 1);
/// The prefix of [`ANYCAST_V4`].
pub(crate) const PREFIX_V4: &str = "198.18.88.1/32";
/// The prefix of [`ANYCAST_V6`].
pub(crate) const PREFIX_V6: &str = "fd88:ffff::1/128";
/// Where clients are.
pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 88, 200, 2);

/// The router on the wire of a relay.
pub(crate) const fn router_v4(relay: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 88, relay, 1)
}

/// A relay on its wire.
pub(crate) const fn relay_v4(relay: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 88, relay, 2)
}

/// The router on the wire of a relay.
pub(crate) const fn router_v6(relay: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd88, 0, 0, relay as u16, 0, 0, 0, 1)
}

/// A relay on its wire.
pub(crate) const fn relay_v6(relay: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd88, 0, 0, relay as u16, 0, 0, 0, 2)
}

/// The hosts, until it is dropped.
pub(crate) struct Lab {
    pub(crate) router: Host,
    pub(crate) relays: Vec<Host>,
    pub(crate) clients: Host,
    folder: TempDir,
}

impl Lab {
    /// Makes a router with so many relays' hosts around it, or says what is missing.
    pub(crate) fn new(relays: u8) -> Result<Self, Missing> {
        let mut lab = Self {
            router: Host::start()?,
            relays: Vec::new(),
            clients: Host::start()?,
            folder: TempDir::new().expect("a folder"),
        };
        // A flow goes by its ports, not by its addresses alone.
        lab.router.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;
            echo 1 >/proc/sys/net/ipv4/fib_multipath_hash_policy; echo 1 >/proc/sys/net/ipv6/fib_multipath_hash_policy")?;
        for relay in 0..relays {
            let host = lab.add_relay(relay)?;
            lab.relays.push(host);
        }
        lab.wire_clients()?;
        for relay in 0..relays {
            lab.router.wait_until_up(&format!("relay{relay}"))?;
        }
        Ok(lab)
    }

    fn add_relay(&self, relay: u8) -> Result<Host, Missing> {
        let host = Host::start()?;
        self.router.wire(&format!("relay{relay}"), &host, "uplink")?;
        let (near_v4, near_v6, far_v4, far_v6) =
            (router_v4(relay), router_v6(relay), relay_v4(relay), relay_v6(relay));
        self.router.sh(&format!(
            "ip addr add {near_v4}/24 dev relay{relay}; ip addr add {near_v6}/64 dev relay{relay} nodad
             ip link set relay{relay} up"
        ))?;
        host.sh(&format!(
            "ip addr add {far_v4}/24 dev uplink; ip addr add {far_v6}/64 dev uplink nodad; ip link set uplink up
             ip addr add {ANYCAST_V4}/32 dev lo; ip addr add {ANYCAST_V6}/128 dev lo nodad
             ip route add default via {near_v4}; ip route add default via {near_v6}"
        ))?;
        Ok(host)
    }

    fn wire_clients(&self) -> Result<(), Missing> {
        self.router.wire("clients", &self.clients, "lan0")?;
        self.router.sh("ip addr add 10.88.200.1/24 dev clients; ip link set clients up")?;
        self.clients.sh(&format!(
            "ip addr add {CLIENT_V4}/24 dev lan0; ip link set lan0 up; ip route add default via 10.88.200.1"
        ))?;
        self.clients.wait_until_up("lan0")
    }

    /// Loses everything between the router and a relay from now on, both ways; nobody is told.
    pub(crate) fn silence(&self, relay: u8) {
        self.mislead("replace", "lladdr 02:00:00:00:00:99 nud permanent", relay);
    }

    /// Undoes [`Self::silence`].
    pub(crate) fn restore(&self, relay: u8) {
        self.mislead("del", "", relay);
    }

    /// Frames for a station that is not on the wire are lost there.
    fn mislead(&self, action: &str, what: &str, relay: u8) {
        let toward = |host: &Host, interface: &str, addresses: [IpAddr; 2]| {
            for address in addresses {
                host.sh(&format!("ip neigh {action} {address} {what} dev {interface}")).unwrap();
            }
        };
        let near = [router_v4(relay).into(), router_v6(relay).into()];
        let far = [relay_v4(relay).into(), relay_v6(relay).into()];
        toward(&self.router, &format!("relay{relay}"), far);
        toward(&self.relays[usize::from(relay)], "uplink", near);
    }

    /// A folder for files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
