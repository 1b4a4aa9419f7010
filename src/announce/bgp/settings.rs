//! Our side of BGP: who we are, whom we talk to, and what each of them may hear.

use std::net::IpAddr;
use std::time::Duration;

use crate::announce::policy::Ladder;
use crate::wire::bgp::{Asn, Families, Prefix, Role, RouterId};

/// The speaker and its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our number.
    pub asn: Asn,
    /// Our BGP Identifier: not zero, different from each neighbour's.
    pub router_id: RouterId,
    /// By [`crate::announce::NeighborId`].
    pub neighbors: Vec<NeighborSettings>,
    /// What neighbours read when we end their sessions on purpose (RFC 9003): 255 bytes at most, may be empty.
    pub shutdown_text: Box<str>,
}

impl Default for Settings {
    /// Nobody to talk to.
    fn default() -> Self {
        Self { asn: Asn(0), router_id: RouterId(0), neighbors: Vec::new(), shutdown_text: Box::from("") }
    }
}

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborSettings {
    /// Unique; by it a neighbour is known again after a reload.
    pub name: Box<str>,
    /// Where it is. A scope of link-local addresses is the driver's concern.
    pub address: IpAddr,
    /// Its port when we connect.
    pub port: u16,
    /// Its number, which must differ from ours.
    pub asn: Asn,
    /// We wait for it to connect.
    pub passive: bool,
    /// The hold time we offer, in whole seconds: zero (no keepalives), or three and more.
    pub hold: Duration,
    /// The longest time between two attempts to connect. The first ones come after a second, two, four...
    pub connect_retry: Duration,
    /// A neighbour that takes no byte for so long is given up (RFC 9687).
    pub send_hold: Duration,
    /// What is offered by MultiProtocol (RFC 4760).
    pub families: Families,
    /// Prefixes it may send, per family, before the session ends (Cease, RFC 4486); none are kept.
    pub max_prefixes: Option<u32>,
    /// After that the session is tried again so much later; `None`: when the operator wants it.
    pub max_prefixes_restart: Option<Duration>,
    /// Our role in the relation (RFC 9234).
    pub role: Option<Role>,
    /// A neighbour that names no role is refused.
    pub role_strict: bool,
    /// The restart time in seconds we advertise (RFC 4724). Off by default: the routes of a relay that died would
    /// stay so long.
    pub graceful_restart: Option<u16>,
    /// What it may hear; nothing else is ever sent (RFC 8212).
    pub exports: Vec<Export>,
    /// A session of BFD runs beside this one, and its end is this one's end (RFC 5882). This one comes back after it, or after a
    /// minute without it.
    pub bfd: bool,
    /// Not to be talked to at present.
    pub shutdown: bool,
    /// Another number stands for sockets that are made otherwise, which only another session can have. The driver's choice.
    pub sockets: u32,
}

impl NeighborSettings {
    /// A neighbour with everything else as it is by default: both families, and nothing to hear yet.
    #[must_use]
    pub fn new(name: &str, address: IpAddr, asn: Asn) -> Self {
        Self {
            name: Box::from(name),
            address,
            port: 179,
            asn,
            passive: false,
            hold: Duration::from_secs(60),
            connect_retry: Duration::from_secs(5),
            send_hold: Duration::from_secs(120),
            families: Families::BOTH,
            max_prefixes: None,
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
}

/// One prefix towards one neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// What is announced.
    pub prefix: Prefix,
    /// With what, in which state.
    pub ladder: Ladder,
}
