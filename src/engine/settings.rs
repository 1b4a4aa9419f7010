//! What the operator decides, as the engine reads it: checked already, and swapped whole on reload.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::RelayAddress;
use super::auth::Authenticator;
use super::limits::{PrefixLimiter, Quotas, Rate};
use super::peer::PeerPolicy;
use crate::route::ListenerId;

/// Everything the engine must know. Shared by all workers, replaced by [`super::Engine::reload`].
#[derive(Debug)]
pub struct Settings {
    /// How many workers there are, for what names one of them.
    pub workers: u8,
    /// By [`ListenerId`].
    pub listeners: Vec<ListenerSettings>,
    /// Users, secrets and nonces.
    pub auth: Authenticator,
    /// Where clients may send to.
    pub peers: PeerPolicy,
    /// How much of everything.
    pub limits: Limits,
    /// Relayed transport addresses.
    pub relay: RelaySettings,
    /// How long allocations live.
    pub lifetimes: Lifetimes,
    /// What one allocation may hold.
    pub session: SessionLimits,
    /// Whether clients may take an allocation along to another address (RFC 8016).
    pub mobility: bool,
    /// The four sockets of NAT behaviour discovery (RFC 5780).
    pub nat_discovery: Option<NatDiscovery>,
    /// Sent as SOFTWARE in answers to authenticated requests; none by default, since it helps attackers more
    /// than operators.
    pub software: Option<String>,
}

/// Limits over all workers.
#[derive(Debug)]
pub struct Limits {
    /// Allocations at a time.
    pub quotas: Quotas,
    /// Answers to sources that have proven nothing, per prefix.
    pub answers: PrefixLimiter,
    /// New allocations, per prefix of the client.
    pub allocations: PrefixLimiter,
    /// Bytes per second and direction of one allocation.
    pub session_bandwidth: Option<Rate>,
    /// Bytes per second and direction of all allocations of one user.
    pub user_bandwidth: Option<Rate>,
}

/// One listener, as far as answers depend on it.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// The realm of its long-term credentials.
    pub realm: String,
    /// Other servers that serve the same clients, for ALTERNATE-SERVER. Only those of the client's address family
    /// are named (RFC 8489 section 10).
    pub alternates: Vec<SocketAddr>,
    /// When clients are sent there.
    pub redirect: Redirect,
    /// The name in the alternate's certificate (ALTERNATE-DOMAIN, RFC 8489 section 14.16), for TLS and DTLS.
    pub alternate_domain: Option<String>,
}

/// When an Allocate is answered with 300 (Try Alternate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirect {
    /// Instead of 486 or 508, when this relay has no room.
    #[default]
    WhenFull,
    /// Always: this relay takes no new calls.
    Always,
}

/// Where relayed transport addresses come from.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// The addresses, of both families.
    pub addresses: Vec<RelayAddress>,
    /// The ports, the same on each.
    pub ports: RangeInclusive<u16>,
    /// Which family an Allocate without REQUESTED-ADDRESS-FAMILY gets.
    pub default_family: DefaultFamily,
    /// Whether RFC 6062 is served.
    pub tcp: bool,
    /// Whether channels 0x5000 to 0x7FFF are admitted, as RFC 5766 had them.
    pub legacy_channels: bool,
}

/// The address family of an allocation whose client names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultFamily {
    /// That of the client's own address, if the relay has one of it; else the other. Browsers name no family, and
    /// one that came over IPv6 may have nothing else.
    #[default]
    Client,
    /// IPv4, to the letter of RFC 8656 section 7.2.
    Ipv4,
}

/// How long allocations live (RFC 8656 section 7.2).
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Granted when the client asks for nothing or less.
    pub default: Duration,
    /// Granted at most.
    pub max: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { default: Duration::from_secs(600), max: Duration::from_secs(3600) }
    }
}

/// What one allocation may hold; more is refused with 508.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Peers' addresses with a permission.
    pub permissions: usize,
    /// Channels, those cooling down included.
    pub channels: usize,
    /// TCP connections to peers, of a TCP allocation.
    pub connections: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { permissions: 256, channels: 256, connections: 64 }
    }
}

/// RFC 5780 needs two addresses and two ports, and a UDP listener on each of the four combinations.
#[derive(Debug, Clone, Copy)]
pub struct NatDiscovery {
    /// `sockets[a][p]` is the listener on address `a` and port `p`.
    pub sockets: [[ListenerId; 2]; 2],
    /// The public addresses of those sockets, for OTHER-ADDRESS and RESPONSE-ORIGIN.
    pub addresses: [[SocketAddr; 2]; 2],
}
