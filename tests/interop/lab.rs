//! Two hosts on one wire.
//!
//! Several clients leave loopback addresses out (libnice, libjuice, browsers in part), and nothing here may collide
//! with another test's ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use crate::host::Host;
use crate::process::find_program;
use crate::skip::Missing;

/// The relay's first address.
pub(crate) const RELAY_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Its second, for NAT discovery.
pub(crate) const RELAY_V4_SECOND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
/// Its IPv6 address.
pub(crate) const RELAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// Where clients and peers are.
pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The same in IPv6.
pub(crate) const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// The address family of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// The relay, to its clients.
    pub(crate) const fn relay(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(RELAY_V4),
            Self::V6 => IpAddr::V6(RELAY_V6),
        }
    }

    /// The other host.
    pub(crate) const fn client(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(CLIENT_V4),
            Self::V6 => IpAddr::V6(CLIENT_V6),
        }
    }
}

/// An address as a URL's host.
pub(crate) fn url_host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// A relay's host and a clients' host with a wire between them.
pub(crate) struct Lab {
    relay: Host,
    clients: Host,
}

impl Lab {
    /// Makes both hosts, or says what is missing.
    pub(crate) fn new() -> Result<Self, Missing> {
        let lab = Self { relay: Host::start()?, clients: Host::start()? };
        lab.relay.wire("lan0", &lab.clients, "lan0")?;
        lab.relay.sh(&format!(
            "ip addr add {RELAY_V4}/24 dev lan0; ip addr add {RELAY_V4_SECOND}/24 dev lan0;
             ip addr add {RELAY_V6}/64 dev lan0 nodad; ip link set lan0 up"
        ))?;
        // Clients take the address of the default route for their own.
        lab.clients.sh(&format!(
            "ip addr add {CLIENT_V4}/24 dev lan0; ip addr add {CLIENT_V6}/64 dev lan0 nodad; ip link set lan0 up;
             ip route add default via {RELAY_V4}; ip route add default via {RELAY_V6}"
        ))?;
        for host in [&lab.relay, &lab.clients] {
            host.wait_until_up("lan0")?;
        }
        Ok(lab)
    }

    /// A command on the relay's host, whose process is the program itself.
    pub(crate) fn on_relay(&self, program: &str) -> Command {
        self.relay.direct_command(program)
    }

    /// Does something on the clients' host: sockets and threads that are made there stay there.
    pub(crate) fn among_clients<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.clients.within(work)
    }

    /// A command on the clients' host, or the name of the program that is missing.
    pub(crate) fn on_clients(&self, program: &str) -> Result<Command, Missing> {
        find_program(program).ok_or_else(|| Missing(format!("the program {program}")))?;
        Ok(self.clients.command(program))
    }
}
