//! Relays to test against.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tern::engine::auth::{Authenticator, Credentials, FleetKey, NonceKeys, Users, user_line};
use tern::engine::limits::{Pace, PrefixLengths, PrefixLimiter, Quotas, Rate};
use tern::engine::peer::{PeerPolicy, PeerSettings};
use tern::engine::{self, RelayAddress, RelaySettings};
use tern::route::Transport;
use tern::server::{Server, ServerSettings};
use tern::speaker::checks::EchoPeers;
use tern::worker::{Certificate, ListenerSettings, Prefix, WorkerSettings};

pub(crate) const REALM: &str = "example.org";
pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "opensesame";

/// A running relay.
pub(crate) struct Relay {
    pub(crate) server: Server,
}

/// What a relay is started from.
pub(crate) struct Setup {
    pub(crate) workers: u8,
    pub(crate) worker: WorkerSettings,
    pub(crate) addresses: Vec<RelayAddress>,
    pub(crate) session_rate: Option<Rate>,
    pub(crate) user_rate: Option<Rate>,
    pub(crate) deny: Vec<Prefix>,
    pub(crate) quotas: Quotas,
    /// For calls of the relay itself.
    pub(crate) echo: Option<Arc<EchoPeers>>,
}

impl Setup {
    pub(crate) fn new(transports: &[Transport]) -> Self {
        let mut worker = WorkerSettings::default();
        let encrypted = transports.iter().any(|one| matches!(one, Transport::Tls | Transport::Dtls));
        let certificate = encrypted.then(certificate);
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let mut listener = ListenerSettings::new(SocketAddr::new(ip, 0), transports);
            listener.certificate.clone_from(&certificate);
            worker.listeners.push(listener);
        }
        let same = |ip: IpAddr| RelayAddress { bind: ip, external: ip };
        let addresses = vec![same(Ipv4Addr::LOCALHOST.into()), same(Ipv6Addr::LOCALHOST.into())];
        let (workers, quotas) = (1, Quotas::default());
        Self {
            workers,
            worker,
            addresses,
            session_rate: None,
            user_rate: None,
            deny: Vec::new(),
            quotas,
            echo: None,
        }
    }

    pub(crate) fn settings(&self) -> ServerSettings {
        ServerSettings { workers: self.workers, worker: self.worker.clone(), engine: Arc::new(self.engine()) }
    }

    pub(crate) fn start(&self) -> Relay {
        Relay { server: Server::start(self.settings()).unwrap() }
    }

    fn engine(&self) -> engine::Settings {
        let ports = 20_000..=60_000;
        let line = user_line(USER, REALM, PASSWORD).unwrap();
        let probe = self.echo.as_ref().map(|echo| echo.secret());
        let credentials =
            Credentials { users: Users::parse(&line).unwrap(), probe, ..Credentials::default() };
        let nonces = NonceKeys::new(1, [FleetKey::derive(b"a fleet key of thirty-two bytes..")]).unwrap();
        let limiter = |seed| {
            let pace = Pace::new(1_000_000, Duration::from_secs(1), 1_000_000);
            PrefixLimiter::new(pace, PrefixLengths::default(), 1024, seed)
        };
        let listener = engine::ListenerSettings {
            realm: REALM.to_owned(),
            alternates: Vec::new(),
            redirect: engine::Redirect::WhenFull,
            alternate_domain: None,
        };
        engine::Settings {
            workers: self.workers,
            listeners: vec![listener; self.worker.listeners.len()],
            auth: Authenticator::new(nonces, credentials),
            peers: PeerPolicy::new(&PeerSettings {
                relays: self.addresses.clone(),
                ports: ports.clone(),
                own: Vec::new(),
                protected: Vec::new(),
                probes: self.echo.as_ref().map(|echo| echo.addresses()).unwrap_or_default(),
                allow: Vec::new(),
                deny: self.deny.clone(),
                development: true,
            }),
            limits: engine::Limits {
                quotas: self.quotas,
                answers: limiter(1),
                allocations: limiter(2),
                session_bandwidth: self.session_rate,
                user_bandwidth: self.user_rate,
            },
            relay: RelaySettings {
                addresses: self.addresses.clone(),
                ports,
                default_family: engine::DefaultFamily::Client,
                tcp: true,
                legacy_channels: false,
            },
            lifetimes: engine::Lifetimes::default(),
            session: engine::SessionLimits::default(),
            mobility: true,
            nat_discovery: None,
            software: None,
        }
    }
}

impl Relay {
    pub(crate) fn with(transports: &[Transport]) -> Self {
        Setup::new(transports).start()
    }

    /// Where a transport is served on IPv4.
    pub(crate) fn v4(&self, transport: Transport) -> SocketAddr {
        self.address(transport, false)
    }

    /// Where a transport is served on IPv6.
    pub(crate) fn v6(&self, transport: Transport) -> SocketAddr {
        self.address(transport, true)
    }

    fn address(&self, transport: Transport, v6: bool) -> SocketAddr {
        let wanted = |bound: &&tern::server::BoundAddress| {
            bound.transport == transport && bound.address.is_ipv6() == v6
        };
        self.server.addresses().iter().find(wanted).unwrap().address
    }

    pub(crate) fn lost(&self, reason: &str) -> u64 {
        self.server.counters().value("lost", reason)
    }

    /// Waits until a condition holds; fails after a while in which it never did.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if condition(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("never came: {what}");
    }
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Certificate::Memory {
        chain: made.cert.pem().into_bytes().into(),
        key: made.signing_key.serialize_pem().into_bytes().into(),
    }
}
