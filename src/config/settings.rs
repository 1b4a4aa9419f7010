//! From the configuration to the plain structs that the server, its workers and engines are told.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use super::{Cidr, Config, Listener, NatDiscovery, Secrets};
use crate::engine::auth::{Authenticator, Credentials, FleetKey, FleetKeysFault, NonceKeys, SharedSecret};
use crate::engine::limits::{Pace, PrefixLengths, PrefixLimiter, Quotas, Rate};
use crate::engine::peer::{PeerPolicy, PeerSettings, Prefix};
use crate::engine::{self, Lifetimes, Limits, RelayAddress, RelaySettings, SessionLimits};
use crate::route::{ListenerId, Transport};
use crate::server::ServerSettings;
use crate::worker::{self, Certificate, OverloadSettings, WorkerSettings};

/// What belongs to the process rather than to the configuration, and outlives a reload.
#[derive(Clone, Debug)]
pub struct Process {
    /// For nonces if the configuration names no key.
    pub nonce_key: FleetKey,
    /// Unpredictable; for tables that strangers fill.
    pub seed: u64,
    /// This machine's addresses, as far as they can be found.
    pub addresses: Vec<IpAddr>,
    /// Sockets of this process besides its listeners; no client may reach them through the relay.
    pub protected: Vec<SocketAddr>,
    /// For the self-test's calls.
    pub probe: Probe,
}

/// What the self-test's calls are admitted with.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Their credentials are made under it; none makes no calls.
    pub secret: Option<SharedSecret>,
    /// The peers that they call.
    pub peers: Vec<SocketAddr>,
}

/// Those that this process may use at this moment.
pub(super) fn cores() -> u8 {
    available_parallelism().map_or(1, |cores| u8::try_from(cores.get()).unwrap_or(64).min(64))
}

impl Config {
    /// What a server is started from, or goes on with.
    ///
    /// # Errors
    ///
    /// Nonce keys that cannot be used.
    pub fn settings(&self, secrets: Secrets, process: &Process) -> Result<ServerSettings, FleetKeysFault> {
        let (listeners, nat_discovery) = self.all_listeners();
        let workers = self.worker_count();
        Ok(ServerSettings {
            workers,
            worker: WorkerSettings {
                listeners: listeners.iter().map(|listener| self.worker_listener(listener)).collect(),
                media: self.media.settings(),
                streams: self.streams.settings(),
                dtls: self.dtls.settings(),
                overload: OverloadSettings {
                    busy: self.limits.overload_busy,
                    loss: self.limits.overload_loss,
                },
                quality: self.quality.settings().map(Arc::new),
            },
            engine: Arc::new(engine::Settings {
                workers,
                listeners: listeners.iter().map(|listener| self.engine_listener(listener)).collect(),
                auth: self.authenticator(secrets, process)?,
                peers: self.peer_policy(&listeners, process),
                limits: self.engine_limits(process),
                relay: self.engine_relay(),
                lifetimes: Lifetimes {
                    default: self.limits.default_lifetime.0,
                    max: self.limits.max_lifetime.0,
                },
                session: SessionLimits {
                    permissions: self.limits.max_permissions,
                    channels: self.limits.max_channels,
                    connections: self.limits.max_connections,
                },
                mobility: self.relay.mobility,
                nat_discovery,
                software: self.server.software.clone(),
            }),
        })
    }

    pub(super) fn worker_count(&self) -> u8 {
        if self.server.workers > 0 {
            return self.server.workers;
        }
        if self.cores > 0 { self.cores } else { cores() }
    }

    /// The listeners of the file, then those that NAT discovery needs besides.
    fn all_listeners(&self) -> (Vec<Listener>, Option<engine::NatDiscovery>) {
        let mut listeners = self.listener.clone();
        let discovery = self.nat_discovery.as_ref().and_then(|wanted| add_discovery(&mut listeners, wanted));
        (listeners, discovery)
    }

    fn worker_listener(&self, listener: &Listener) -> worker::ListenerSettings {
        let certificate = match (&listener.certificate_file, &listener.key_file) {
            (Some(chain), Some(key)) if listener.needs_certificate() => {
                Some(Certificate::Files { chain: self.resolve(chain), key: self.resolve(key) })
            }
            _ => self
                .development
                .as_ref()
                .filter(|_| listener.needs_certificate())
                .map(|dev| dev.certificate.clone()),
        };
        worker::ListenerSettings {
            certificate,
            proxy_sources: listener.proxy_protocol_from.iter().map(|range| range.0).collect(),
            dscp: listener.dscp,
            stream_dscp: listener.stream_dscp,
            ..worker::ListenerSettings::new(listener.address, &listener.transports)
        }
    }

    fn authenticator(&self, secrets: Secrets, process: &Process) -> Result<Authenticator, FleetKeysFault> {
        let keys =
            if secrets.nonce_keys.is_empty() { vec![process.nonce_key.clone()] } else { secrets.nonce_keys };
        let nonces = NonceKeys::new(self.server.relay_id, keys)?.with_lifetime(self.auth.nonce_lifetime.0);
        let credentials = Credentials { probe: process.probe.secret.clone(), ..secrets.credentials };
        Ok(Authenticator::new(nonces, credentials))
    }

    fn peer_policy(&self, listeners: &[Listener], process: &Process) -> PeerPolicy {
        let prefixes = |ranges: &[Cidr]| {
            ranges.iter().map(|range| Prefix { base: range.0.base, bits: range.0.bits }).collect()
        };
        let protected = listeners
            .iter()
            .map(|listener| listener.address)
            .chain(self.metrics.address)
            .chain(self.admin.listen.iter().copied())
            .chain(self.bgp.listen.iter().copied());
        PeerPolicy::new(&PeerSettings {
            relays: self.relay_addresses(),
            ports: self.relay.ports.first..=self.relay.ports.last,
            own: process.addresses.clone(),
            protected: protected.chain(process.protected.iter().copied()).collect(),
            probes: process.probe.peers.clone(),
            allow: prefixes(&self.peers.allow),
            deny: prefixes(&self.peers.deny),
            development: self.development.is_some(),
        })
    }

    fn engine_limits(&self, process: &Process) -> Limits {
        let limits = &self.limits;
        let unless_zero = |number: u32| (number > 0).then_some(number);
        let limiter = |rate: u32, burst: u32| {
            let (rate, burst) = if rate == 0 { (u32::MAX, u32::MAX) } else { (rate, burst) };
            let lengths = PrefixLengths { v4: limits.ipv4_prefix, v6: limits.ipv6_prefix };
            let pace = Pace::new(rate, Duration::from_secs(1), burst);
            PrefixLimiter::new(pace, lengths, PrefixLimiter::DEFAULT_CELLS, process.seed)
        };
        let rate = |rate: super::BitRate| Rate::with_default_burst(rate.bytes_per_second());
        Limits {
            quotas: Quotas {
                per_user: unless_zero(limits.max_allocations_per_user),
                total: unless_zero(limits.max_allocations),
            },
            answers: limiter(limits.answer_rate, limits.answer_burst),
            allocations: limiter(limits.allocation_rate, limits.allocation_burst),
            session_bandwidth: limits.bandwidth_per_allocation.map(rate),
            user_bandwidth: limits.bandwidth_per_user.map(rate),
        }
    }

    fn engine_relay(&self) -> RelaySettings {
        RelaySettings {
            addresses: self.relay_addresses(),
            ports: self.relay.ports.first..=self.relay.ports.last,
            default_family: self.relay.default_family,
            tcp: self.relay.tcp,
            legacy_channels: self.relay.legacy_channels,
        }
    }

    fn engine_listener(&self, listener: &Listener) -> engine::ListenerSettings {
        engine::ListenerSettings {
            realm: listener.realm.clone().unwrap_or_else(|| self.auth.realm.clone()),
            alternates: listener.alternate_servers.clone(),
            redirect: listener.redirect,
            alternate_domain: listener.alternate_domain.clone(),
        }
    }

    /// The relayed addresses; without any in the file, those that are listened on.
    #[must_use]
    pub fn relay_addresses(&self) -> Vec<RelayAddress> {
        if !self.relay.addresses.is_empty() {
            return self.relay.addresses.iter().map(|address| address.0).collect();
        }
        let mut addresses: Vec<RelayAddress> = Vec::new();
        for listener in &self.listener {
            let ip = listener.address.ip();
            if addresses.iter().all(|address| address.bind != ip) {
                addresses.push(RelayAddress { bind: ip, external: ip });
            }
        }
        addresses
    }
}

/// Finds the four sockets among the listeners, and adds those that are missing.
fn add_discovery(listeners: &mut Vec<Listener>, wanted: &NatDiscovery) -> Option<engine::NatDiscovery> {
    let ([first, second], [low, high]) = (wanted.addresses.as_slice(), wanted.ports.as_slice()) else {
        return None;
    };
    let mut find = |address: RelayAddress, port: u16| -> Option<(ListenerId, SocketAddr)> {
        let bind = SocketAddr::new(address.bind, port);
        let found =
            listeners.iter().position(|l| l.address == bind && l.transports.contains(&Transport::Udp));
        let index = found.unwrap_or_else(|| {
            listeners.push(Listener::new(bind, &[Transport::Udp]));
            listeners.len() - 1
        });
        Some((ListenerId(u16::try_from(index).ok()?), SocketAddr::new(address.external, port)))
    };
    let sockets =
        [[find(first.0, *low)?, find(first.0, *high)?], [find(second.0, *low)?, find(second.0, *high)?]];
    Some(engine::NatDiscovery {
        sockets: sockets.map(|row| row.map(|(listener, _)| listener)),
        addresses: sockets.map(|row| row.map(|(_, address)| address)),
    })
}
