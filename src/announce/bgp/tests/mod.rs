//! Scenarios in virtual time: two speakers over a simulated link ([`link`]), and one against messages made by hand
//! ([`hand`]).

mod collision;
mod complaints;
mod hand;
mod hostile;
mod life;
mod link;
mod opens;
mod reload;
mod routes;
mod stalls;
mod timers;

use std::time::Duration;

use super::settings::{NeighborSettings, Settings};
use crate::announce::policy::{Attributes, NextHop};
use crate::wire::bgp::{Asn, Families, PORT, Prefix, RouterId};

const A: usize = 0;
const B: usize = 1;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn med(med: u32) -> Attributes {
    Attributes { med: Some(med), ..Attributes::default() }
}

fn via(next_hop: &str, attributes: Attributes) -> Attributes {
    Attributes { next_hop: NextHop::Address(next_hop.parse().unwrap()), ..attributes }
}

/// A neighbour as side `of` of the link sees the other one.
fn neighbor(of: usize) -> NeighborSettings {
    let other = 1 - of;
    NeighborSettings {
        name: ["b", "a"][of].into(),
        address: format!("192.0.2.{}", other + 1).parse().unwrap(),
        port: PORT,
        asn: asn(other),
        passive: false,
        hold: Duration::from_secs(9),
        connect_retry: Duration::from_secs(5),
        send_hold: Duration::from_secs(20),
        families: Families::IPV4,
        max_prefixes: Some(10),
        max_prefixes_restart: None,
        role: None,
        role_strict: false,
        graceful_restart: None,
        exports: Vec::new(),
        bfd: false,
        shutdown: false,
        sockets: 0,
    }
}

/// B has the higher identifier.
fn settings(of: usize) -> Settings {
    Settings {
        asn: asn(of),
        router_id: RouterId(u32::try_from(of).unwrap() + 1),
        neighbors: vec![neighbor(of)],
        shutdown_text: "maintenance".into(),
    }
}

fn asn(of: usize) -> Asn {
    [Asn(64512), Asn(4_200_000_000)][of]
}
