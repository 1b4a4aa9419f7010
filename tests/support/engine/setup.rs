//! Settings that a test can bend.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tern::engine::auth::{
    Anonymity, Authenticator, Credentials, FleetKey, NonceKeys, Secrets, SharedSecret, TokenKeys, Users,
    user_line,
};
use tern::engine::limits::{Pace, PrefixLengths, PrefixLimiter, Quotas};
use tern::engine::peer::{PeerPolicy, PeerSettings};
use tern::engine::{
    DefaultFamily, Lifetimes, Limits, ListenerSettings, NatDiscovery, Redirect, RelayAddress, RelaySettings,
    SessionLimits, Settings,
};

/// The realm of every listener here.
pub const REALM: &str = "example.org";
/// The shared secret of time-limited credentials.
pub const SECRET: &[u8] = b"north";

/// What [`Settings`] are made from. The default serves everything, with limits that no test meets by accident.
#[derive(Debug)]
pub struct Setup {
    /// For the engine's generator.
    pub seed: u8,
    /// How many workers there are.
    pub workers: u8,
    /// Long-term users; the password of each is its name and "-pass".
    pub users: Vec<&'static str>,
    /// Whether time-limited credentials are accepted.
    pub rest: bool,
    /// The secret of the relay's own test calls.
    pub probe: Option<&'static [u8]>,
    /// Access tokens.
    pub tokens: Option<fn() -> TokenKeys>,
    /// Relay addresses, bound and seen alike.
    pub addresses: Vec<&'static str>,
    /// And those behind a 1:1 NAT: bound, seen.
    pub mapped: Vec<(&'static str, &'static str)>,
    /// Relay ports.
    pub ports: RangeInclusive<u16>,
    /// For clients that name no family.
    pub default_family: DefaultFamily,
    /// RFC 6062.
    pub tcp: bool,
    /// 0x5000 to 0x7FFF.
    pub legacy_channels: bool,
    /// RFC 8016.
    pub mobility: bool,
    /// Allocations per user and in total.
    pub quotas: Quotas,
    /// Answers to the unproven, per prefix.
    pub answers: Pace,
    /// New allocations, per prefix.
    pub allocations: Pace,
    /// Default and longest.
    pub lifetimes: Lifetimes,
    /// Of each allocation.
    pub session: SessionLimits,
    /// Of nonces.
    pub nonce_lifetime: Duration,
    /// Where else to go.
    pub alternates: Vec<&'static str>,
    /// And when.
    pub redirect: Redirect,
    /// The name in the alternate's certificate.
    pub alternate_domain: Option<&'static str>,
    /// How many listeners, all alike.
    pub listeners: usize,
    /// RFC 5780.
    pub nat_discovery: Option<NatDiscovery>,
    /// SOFTWARE.
    pub software: Option<&'static str>,
    /// Endpoints that no client may reach.
    pub protected: Vec<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        let plenty = Pace::new(1_000_000, Duration::from_secs(1), 1_000_000);
        Self {
            seed: 1,
            workers: 1,
            users: vec!["alice", "bob", "carol"],
            rest: true,
            probe: None,
            tokens: None,
            addresses: vec!["5.9.0.1", "2a01:4f8::1"],
            mapped: Vec::new(),
            ports: 50_000..=50_999,
            default_family: DefaultFamily::Client,
            tcp: true,
            legacy_channels: false,
            mobility: true,
            quotas: Quotas::default(),
            answers: plenty,
            allocations: plenty,
            lifetimes: Lifetimes::default(),
            session: SessionLimits::default(),
            nonce_lifetime: Duration::from_secs(3600),
            alternates: Vec::new(),
            redirect: Redirect::default(),
            alternate_domain: None,
            listeners: 1,
            nat_discovery: None,
            software: None,
            protected: Vec::new(),
        }
    }
}

impl Setup {
    /// The settings, all new: limiters have forgotten everybody.
    pub fn settings(&self) -> Arc<Settings> {
        let relays = self.relays();
        let alternates = self.alternates.iter().map(|server| server.parse().unwrap()).collect();
        let listener = ListenerSettings {
            realm: REALM.to_owned(),
            alternates,
            redirect: self.redirect,
            alternate_domain: self.alternate_domain.map(str::to_owned),
        };
        Arc::new(Settings {
            workers: self.workers,
            listeners: vec![listener; self.listeners],
            auth: self.authenticator(),
            peers: self.peers(&relays),
            limits: Limits {
                quotas: self.quotas,
                answers: PrefixLimiter::new(self.answers, PrefixLengths::default(), 1024, 7),
                allocations: PrefixLimiter::new(self.allocations, PrefixLengths::default(), 1024, 8),
                session_bandwidth: None,
                user_bandwidth: None,
            },
            relay: RelaySettings {
                addresses: relays,
                ports: self.ports.clone(),
                default_family: self.default_family,
                tcp: self.tcp,
                legacy_channels: self.legacy_channels,
            },
            lifetimes: self.lifetimes,
            session: self.session,
            mobility: self.mobility,
            nat_discovery: self.nat_discovery,
            software: self.software.map(str::to_owned),
        })
    }

    fn relays(&self) -> Vec<RelayAddress> {
        let plain = self.addresses.iter().map(|address| (*address, *address));
        let all = plain.chain(self.mapped.iter().copied());
        all.map(|(bind, external)| RelayAddress {
            bind: bind.parse().unwrap(),
            external: external.parse().unwrap(),
        })
        .collect()
    }

    fn authenticator(&self) -> Authenticator {
        let lines: Vec<String> =
            self.users.iter().map(|name| user_line(name, REALM, &password(name)).unwrap()).collect();
        let secrets = if self.rest { vec![SharedSecret::new("main", SECRET).unwrap()] } else { Vec::new() };
        let credentials = Credentials {
            users: Users::parse(&lines.join("\n")).unwrap(),
            secrets: Secrets::new(secrets).unwrap(),
            tokens: self.tokens.map(|make| make()),
            anonymity: Anonymity::WherePossible,
            probe: self.probe.map(|secret| SharedSecret::new("probe", secret).unwrap()),
        };
        let nonces = NonceKeys::new(1, [FleetKey::derive(b"a fleet key of thirty-two bytes!")]).unwrap();
        Authenticator::new(nonces.with_lifetime(self.nonce_lifetime), credentials)
    }

    fn peers(&self, relays: &[RelayAddress]) -> PeerPolicy {
        let protected: Vec<SocketAddr> = self.protected.iter().map(|at| at.parse().unwrap()).collect();
        PeerPolicy::new(&PeerSettings {
            relays: relays.to_vec(),
            ports: self.ports.clone(),
            own: Vec::new(),
            protected,
            probes: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            development: false,
        })
    }
}

/// The password of a long-term user.
pub fn password(name: &str) -> String {
    format!("{name}-pass")
}
