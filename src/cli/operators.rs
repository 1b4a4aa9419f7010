//! Where operators ask and tell a running relay: the admin socket, and the listeners beyond it.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;

use super::exit::{Exit, Failure};
use super::run::start_failure;
use crate::config::{AdminPath, Config};
use crate::control::Hosts;
use crate::control::admin::{
    Access, AdminSocket, AnnouncerOperations, Calls, Client, Desk, Orders, Parts, SocketFault, SocketFile,
    Tls, Token, serve_admin, serve_remote,
};
use crate::control::watch::Watch;
use crate::metrics::{About, CallDetail, CallRows, SessionId, Silence, Story};
use crate::net::certs::CertStore;
use crate::route::Transport;
use crate::server::{self, Server};

/// What was opened before the relay serves.
#[derive(Default)]
pub(super) struct Opened {
    socket: Option<AdminSocket>,
    remote: Vec<TcpListener>,
    tls: Option<Identity>,
}

impl Opened {
    /// The certificate that operators are shown, if it is one of their own.
    pub(super) fn certificate(&self) -> Option<&Arc<CertStore>> {
        self.tls.as_ref().map(|(certificate, _)| certificate)
    }
}

/// What operators reach the relay through.
pub(super) struct Operators {
    /// Asks the announcer in their name.
    pub(super) operations: Arc<AnnouncerOperations>,
    desk: Desk,
    file: Option<SocketFile>,
    tls: Option<Identity>,
    watch: Arc<Watch>,
}

/// Opens the socket and the listeners.
pub(super) fn bind(config: &Config) -> Result<Opened, Failure> {
    let bind = |address: &std::net::SocketAddr| {
        TcpListener::bind(address).map_err(|error| start_failure(&server::refuse(*address, "TCP", error)))
    };
    let remote = config.admin.listen.iter().map(bind).collect::<Result<_, _>>()?;
    Ok(Opened { socket: bind_socket(config)?, remote, tls: load_tls(config)? })
}

/// What the listeners show, and what they make of those who come.
type Identity = (Arc<CertStore>, Arc<Tls>);

fn load_tls(config: &Config) -> Result<Option<Identity>, Failure> {
    let (Some(chain), Some(key)) = (&config.admin.certificate_file, &config.admin.key_file) else {
        return Ok(None);
    };
    let certificate = CertStore::load(&config.resolve(chain), &config.resolve(key));
    let certificate = certificate.context("admin.certificate_file")?;
    let authorities = config.admin.client_ca_file.as_ref().map(|path| config.resolve(path));
    let tls = Tls::load(Arc::clone(&certificate), authorities).context("admin.client_ca_file")?;
    Ok(Some((certificate, tls)))
}

/// A relay that was not told where starts without it if it cannot be had, and a development relay has none then.
/// That is worth an alert only where there is something that operators would want to change in a hurry.
fn bind_socket(config: &Config) -> Result<Option<AdminSocket>, Failure> {
    let AdminPath::At(path) = &config.admin.socket else { return Ok(None) };
    if config.development.is_some() && !config.admin.is_written {
        return Ok(None);
    }
    let group = config.admin.group.as_ref().map(|group| group.number);
    match AdminSocket::bind(path, group, config.admin.viewers.is_some()) {
        Ok(socket) => Ok(Some(socket)),
        Err(fault) if config.admin.is_written => Err(failure(&fault)),
        Err(fault) if config.bgp.neighbor.is_empty() => {
            tracing::debug!(reason = %fault, "there is no admin socket");
            Ok(None)
        }
        Err(fault) => {
            tracing::warn!(reason = %fault, "`tern bgp`, `tern bfd` and `tern drain` cannot reach this relay");
            Ok(None)
        }
    }
}

fn failure(fault: &SocketFault) -> Failure {
    Failure::new(Exit::Failed, format!("tern: {fault}"))
}

/// Who is let in from now on.
fn access(config: &Config, tokens: Vec<Token>, addresses: &[IpAddr]) -> Access {
    let admin = &config.admin;
    // Behind a 1:1 NAT nobody outside knows another.
    let externals = config.relay_addresses().into_iter().map(|relay| relay.external);
    let listening = admin.listen.iter().map(std::net::SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    Access {
        viewers: admin.viewers.as_ref().map(|group| group.number),
        tokens,
        clients: admin
            .client
            .iter()
            .map(|client| Client { name: client.name.clone(), role: client.role })
            .collect(),
        hosts: Hosts {
            names: admin.names.clone(),
            addresses: listening.chain(addresses.iter().copied()).chain(externals).collect(),
        },
        ..Access::with_group(admin.group.as_ref().map(|group| group.number))
    }
}

/// What asks the announcer in the name of operators, once there is one.
pub(super) fn operations(server: &Server) -> Arc<AnnouncerOperations> {
    #[cfg(any(test, debug_assertions))]
    let hang = Box::new(server.hang());
    #[cfg(not(any(test, debug_assertions)))]
    let hang = {
        let _ = server;
        Box::new(|_, _| false)
    };
    Arc::new(AnnouncerOperations::new(hang))
}

/// Answers whoever may ask, from now until the runtime ends.
pub(super) fn serve(
    opened: Opened,
    config: &Config,
    tokens: Vec<Token>,
    addresses: &[IpAddr],
    server: &Server,
    (operations, watch, orders): (Arc<AnnouncerOperations>, &Arc<Watch>, Orders),
) -> Result<Operators, Failure> {
    let asked: Arc<AnnouncerOperations> = Arc::clone(&operations);
    let parts = Parts {
        hearts: server.hearts(),
        calls: Arc::new(RelayCalls(server.calls())),
        orders,
        watch: Arc::clone(watch),
        ..Parts::new(access(config, tokens, addresses), asked)
    };
    let desk = Desk::new(parts);
    desk.set_engine(Arc::clone(&server.settings().engine), urls(config));
    let file = opened.socket.as_ref().map(|socket| socket.file().clone());
    if let Some(socket) = opened.socket {
        tokio::spawn(serve_admin(socket, &desk).context("cannot serve the admin socket")?);
    }
    for listener in opened.remote {
        let tls = opened.tls.as_ref().map(|(_, tls)| Arc::clone(tls));
        tokio::spawn(serve_remote(listener, tls, &desk).context("cannot serve operators")?);
    }
    Ok(Operators { operations, desk, file, tls: opened.tls, watch: Arc::clone(watch) })
}

impl Operators {
    /// From now on others are let in, and clients are judged by other settings.
    pub(super) fn reload(&self, config: &Config, tokens: Vec<Token>, addresses: &[IpAddr], server: &Server) {
        self.desk.set_access(access(config, tokens, addresses));
        self.desk.set_engine(Arc::clone(&server.settings().engine), urls(config));
        let opened = self.file.as_ref().map(|file| file.open_to_all(config.admin.viewers.is_some()));
        if let Some(Err(error)) = opened {
            tracing::error!(%error, "the admin socket stays open to whom it was open before");
        }
        self.look_at_authorities();
    }

    /// Who has lost an authority's word loses what it was good for.
    pub(super) fn look_at_authorities(&self) {
        match self.tls.as_ref().map(|(_, tls)| tls.reload_if_changed()) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => tracing::info!("admin.client_ca_file has changed and is used from now on"),
            Some(Err(error)) => {
                tracing::error!(%error, "admin.client_ca_file has changed and cannot be used; the old authorities stay");
            }
        }
    }

    /// Whether the relay is being emptied.
    pub(super) fn is_draining(&self) -> bool {
        self.watch.drain_order().is_some()
    }

    /// The certificate of the listeners, if there is one of their own.
    pub(super) fn certificate(&self) -> Option<&Arc<CertStore>> {
        self.tls.as_ref().map(|(certificate, _)| certificate)
    }
}

/// The calls of the workers, as operators ask for them.
struct RelayCalls(server::Calls);

impl Calls for RelayCalls {
    fn rows(&self) -> CallRows {
        self.0.rows()
    }

    fn detail(&self, id: SessionId) -> Result<Option<CallDetail>, Silence> {
        self.0.detail(id)
    }

    fn end(&self, id: SessionId) -> Result<bool, Silence> {
        self.0.end(id)
    }

    fn explain(&self, about: &About) -> Story {
        self.0.explain(about)
    }

    fn owners(&self, text: &str) -> Vec<u64> {
        self.0.owners(text)
    }
}

/// Where clients find the relay, without TLS: which name its certificate has, clients must be told.
fn urls(config: &Config) -> Vec<String> {
    let mut urls = Vec::new();
    for listener in &config.listener {
        let ip = listener.address.ip();
        let externals = config.relay_addresses().into_iter().map(|relay| relay.external);
        let hosts: Vec<IpAddr> = if ip.is_unspecified() {
            externals.filter(|external| external.is_ipv4() == ip.is_ipv4()).collect()
        } else {
            vec![ip]
        };
        for host in hosts {
            let at = std::net::SocketAddr::new(host, listener.address.port());
            for transport in &listener.transports {
                match transport {
                    Transport::Udp => urls.push(format!("turn:{at}?transport=udp")),
                    Transport::Tcp => urls.push(format!("turn:{at}?transport=tcp")),
                    Transport::Tls | Transport::Dtls => {}
                }
            }
        }
    }
    urls
}
