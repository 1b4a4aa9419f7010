//! `[relay]` and `[nat_discovery]`.

use std::net::IpAddr;

use serde::Serialize;
use serde::ser::SerializeStruct;

use super::problem::Place;
use super::reader::{FromNode, Section, text};
use super::tree::{Node, Value};
use super::values::{PortRange, Words};
use crate::engine::{DefaultFamily, RelayAddress};

/// `[relay]`: relayed transport addresses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relay {
    /// Where relayed addresses are taken from; the listeners' own if empty.
    pub addresses: Vec<Address>,
    /// Their ports.
    pub ports: PortRange,
    /// The family of an allocation whose client names none.
    #[serde(serialize_with = "default_family")]
    pub default_family: DefaultFamily,
    /// Whether TCP is relayed (RFC 6062).
    pub tcp: bool,
    /// Whether an allocation may move with its client (RFC 8016).
    pub mobility: bool,
    /// Whether channels 0x5000 to 0x7FFF are admitted for clients older than RFC 8656.
    pub legacy_channels: bool,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            ports: PortRange { first: 49_152, last: 65_535 },
            default_family: DefaultFamily::default(),
            tcp: true,
            mobility: true,
            legacy_channels: false,
        }
    }
}

impl Relay {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut out = Self::default();
        if let Some(addresses) = section.list("addresses") {
            out.addresses = addresses;
        }
        section.read("ports", &mut out.ports);
        section.read("default_family", &mut out.default_family);
        section.read("tcp", &mut out.tcp);
        section.read("mobility", &mut out.mobility);
        section.read("legacy_channels", &mut out.legacy_channels);
        out
    }
}

/// A relayed address, with the address that the outside knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub RelayAddress);

impl FromNode for Address {
    const EXPECTED: &'static str = "an address such as \"192.0.2.1\", or { bind = \"10.0.0.5\", external = \"192.0.2.1\" } behind a 1:1 NAT";

    fn from_node(node: &Node) -> Option<Self> {
        if let Value::Table(table) = &node.value {
            let field = |name: &str| text(&table.get(name)?.node)?.trim().parse::<IpAddr>().ok();
            let address = RelayAddress { bind: field("bind")?, external: field("external")? };
            let matches = table.len() == 2 && address.bind.is_ipv4() == address.external.is_ipv4();
            return matches.then_some(Self(address));
        }
        let bind = IpAddr::from_node(node)?;
        Some(Self(RelayAddress { bind, external: bind }))
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.bind == self.0.external {
            return self.0.bind.serialize(serializer);
        }
        let mut out = serializer.serialize_struct("Address", 2)?;
        out.serialize_field("bind", &self.0.bind)?;
        out.serialize_field("external", &self.0.external)?;
        out.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn default_family<S: serde::Serializer>(family: &DefaultFamily, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match family {
        DefaultFamily::Client => "client",
        DefaultFamily::Ipv4 => "ipv4",
    })
}

impl Words for DefaultFamily {
    const EXPECTED: &'static str = "\"client\" (the family the client came over) or \"ipv4\"";
    const WORDS: &'static [(&'static str, Self)] = &[("client", Self::Client), ("ipv4", Self::Ipv4)];
}

/// `[nat_discovery]`: RFC 5780. Its four sockets are made by themselves where no listener has them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NatDiscovery {
    /// Two addresses of this machine, of one family.
    pub addresses: Vec<Address>,
    /// Two ports.
    pub ports: Vec<u16>,
    /// Where its ports are written.
    #[serde(skip)]
    pub place: Place,
}

impl NatDiscovery {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let written = section.is_written();
        let addresses: Vec<Address> = section.list("addresses").unwrap_or_default();
        let ports = section
            .list::<Port>("ports")
            .map_or(vec![3478, 3479], |ports| ports.iter().map(|p| p.0).collect());
        if written {
            Self::check(&section, &addresses, &ports);
        }
        let place = section.place_of("ports");
        section.finish();
        written.then_some(Self { addresses, ports, place })
    }

    fn check(section: &Section<'_>, addresses: &[Address], ports: &[u16]) {
        match addresses {
            [first, second] => {
                let (first, second) = (first.0, second.0);
                if first.bind == second.bind || first.external == second.external {
                    section.error("addresses", "expected two different addresses");
                } else if first.bind.is_ipv4() != second.bind.is_ipv4() {
                    section.error("addresses", "expected two addresses of one family");
                } else if first.bind.is_unspecified() || second.bind.is_unspecified() {
                    section.error("addresses", "expected two addresses of this machine, not a wildcard");
                }
            }
            _ => section.error("addresses", "expected two addresses: RFC 5780 answers from either"),
        }
        if !matches!(ports, [first, second] if first != second) {
            section.error("ports", "expected two different ports, such as [3478, 3479]");
        }
    }
}

#[derive(Clone, Copy)]
struct Port(u16);

impl FromNode for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535";

    fn from_node(node: &Node) -> Option<Self> {
        u16::try_from(i64::from_node(node)?).ok().filter(|port| *port > 0).map(Self)
    }
}
