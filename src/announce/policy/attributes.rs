//! What a prefix is announced with, in each state.

use std::fmt;
use std::net::IpAddr;

use crate::wire::bgp::{Community, LargeCommunity};

/// What a prefix is announced with. ORIGIN is always IGP: routers that see different origins do not share load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// MULTI_EXIT_DISC; the lower one is preferred.
    pub med: Option<u32>,
    /// How often our own number stands in AS_PATH beyond the once that must be.
    pub prepend: u8,
    /// Standard communities, in the order in which they are sent.
    pub communities: Vec<Community>,
    /// Large communities (RFC 8092), in the order in which they are sent.
    pub large_communities: Vec<LargeCommunity>,
    /// Where packets shall go.
    pub next_hop: NextHop,
}

/// The next hop of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop {
    /// Our own address on the session.
    #[default]
    Own,
    /// This one, of the prefix's family.
    Address(IpAddr),
}

/// One prefix towards one neighbour: a rung for each state. `None` means that it is not announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// All is well.
    pub healthy: Option<Attributes>,
    /// Something is not, or the relay stands by.
    pub degraded: Option<Attributes>,
    /// The operator wants it empty.
    pub draining: Option<Attributes>,
    /// It stands in for another relay.
    pub takeover: Option<Attributes>,
    /// It is down and nobody is known to be better.
    pub last_resort: Option<Attributes>,
}

/// `MED 10200, 2 prepends, 65535:0`, or nothing at all if there is nothing to say.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        said.extend(self.med.map(|med| format!("MED {med}")));
        match self.prepend {
            0 => {}
            1 => said.push("1 prepend".to_owned()),
            more => said.push(format!("{more} prepends")),
        }
        said.extend(self.communities.iter().map(ToString::to_string));
        said.extend(self.large_communities.iter().map(ToString::to_string));
        if let NextHop::Address(address) = self.next_hop {
            said.push(format!("next hop {address}"));
        }
        f.write_str(&said.join(", "))
    }
}
