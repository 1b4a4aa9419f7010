//! The development relay: a configuration made for this machine and this run, and what the user is told of it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::{certificate, certs, machine};
use crate::config::{Config, Development, transport_word};
use crate::engine::auth::{self, Credential, SharedSecret};
use crate::route::Transport;
use crate::time::UnixTime;
use crate::worker::Certificate;

/// How long the printed credential is good for.
pub(super) const LIFETIME: u64 = 24 * 3_600;
/// The first port tried for STUN and TURN.
const PORT: u16 = 3478;
/// The first port tried for TLS and DTLS.
const TLS_PORT: u16 = 5349;
/// The first port tried for the page.
pub(super) const PAGE_PORT: u16 = 8478;
/// The first port tried for metrics.
const METRICS_PORT: u16 = 9478;
/// The first port tried for operators.
const ADMIN_PORT: u16 = 9480;

/// What the machine offers, and the configuration that follows from it.
pub(super) struct DevelopmentRelay {
    /// Its own addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// For [`crate::config::Sources`].
    pub(super) configuration: Arc<Development>,
    /// Things the user may wonder about.
    pub(super) notes: Vec<String>,
    /// Whether clients may know the certificate.
    is_own_certificate: bool,
}

impl DevelopmentRelay {
    /// Looks at the machine. `certs` is a folder that `tern certs dev` has filled.
    pub(super) fn prepare(now: UnixTime, certs: Option<&PathBuf>) -> Result<Self, Failure> {
        let addresses = machine::addresses();
        let mut notes = Vec::new();
        let port = choose_port(PORT, &mut notes)?;
        let tls_port = choose_port(TLS_PORT.max(port.saturating_add(1)), &mut notes)?;
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let made = certificate::generate(now, &certs::names(&names))?;
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).context("the system has no random numbers")?;
        let secret = SharedSecret::new("development", STANDARD_NO_PAD.encode(secret).as_bytes())
            .context("the random secret cannot be used")?;
        let metrics_port = choose_port(METRICS_PORT.max(tls_port.saturating_add(1)), &mut notes)?;
        let mut defaults = defaults(&addresses, port, tls_port, certs);
        // Writing to a string cannot fail.
        let _ = writeln!(defaults, "[metrics]\naddress = \"127.0.0.1:{metrics_port}\"");
        let admin_port = choose_port(ADMIN_PORT.max(metrics_port.saturating_add(1)), &mut notes)?;
        let _ = writeln!(defaults, "[admin]\nlisten = [\"127.0.0.1:{admin_port}\"]");
        let mut token = [0u8; 32];
        getrandom::fill(&mut token).context("the system has no random numbers")?;
        let certificate =
            Certificate::Memory { chain: made.chain.into_bytes().into(), key: made.key.into_bytes().into() };
        Ok(Self {
            addresses,
            configuration: Arc::new(Development {
                defaults,
                secret,
                certificate,
                token: URL_SAFE_NO_PAD.encode(token),
            }),
            notes,
            is_own_certificate: certs.is_some(),
        })
    }

    /// A credential for browsers, from now on.
    pub(super) fn credential(&self, now: UnixTime) -> Credential {
        auth::issue(&self.configuration.secret, "developer", UnixTime(now.0 + LIFETIME))
    }

    /// The iceServers of this relay. `turns:` URLs are in it only if clients can trust the certificate.
    pub(super) fn ice_servers(&self, config: &Config, now: UnixTime) -> Value {
        let credential = self.credential(now);
        let entry = |urls: Vec<String>| json!({ "urls": urls, "username": credential.username, "credential": credential.password });
        let mut servers = vec![
            json!({ "urls": self.urls(config, |t| (t == Transport::Udp).then_some("stun")) }),
            entry(self.urls(config, |t| matches!(t, Transport::Udp | Transport::Tcp).then_some("turn"))),
        ];
        if self.is_own_certificate {
            servers.push(entry(self.turns_urls(config)));
        }
        Value::Array(servers)
    }

    /// URLs over TLS.
    pub(super) fn turns_urls(&self, config: &Config) -> Vec<String> {
        self.urls(config, |t| (t == Transport::Tls).then_some("turns"))
    }

    fn urls(&self, config: &Config, scheme: impl Fn(Transport) -> Option<&'static str>) -> Vec<String> {
        let mut urls = Vec::new();
        for listener in &config.listener {
            for host in self.addresses.iter().filter(|ip| reaches(listener.address, **ip)) {
                let host = SocketAddr::new(*host, listener.address.port());
                for transport in &listener.transports {
                    match scheme(*transport) {
                        Some("stun") => urls.push(format!("stun:{host}")),
                        Some(scheme) => {
                            let over = if transport.is_stream() { "tcp" } else { "udp" };
                            urls.push(format!("{scheme}:{host}?transport={over}"));
                        }
                        None => {}
                    }
                }
            }
        }
        urls.dedup();
        urls
    }

    /// One line for programs.
    pub(super) fn describe_json(&self, config: &Config, now: UnixTime, pages: &[SocketAddr]) -> Value {
        let credential = self.credential(now);
        let listeners: Vec<_> = config
            .listener
            .iter()
            .map(|listener| {
                let transports: Vec<_> = listener.transports.iter().map(|t| transport_word(*t)).collect();
                json!({ "address": listener.address, "transports": transports })
            })
            .collect();
        json!({
            "iceServers": self.ice_servers(config, now),
            "turns": self.turns_urls(config),
            "username": credential.username,
            "credential": credential.password,
            "realm": config.auth.realm,
            "expires": now.0 + LIFETIME,
            "page": page_url(pages.first()),
            "metrics": metrics_url(config),
            "operator": { "url": operator_url(config), "token": self.configuration.token },
            "addresses": self.addresses,
            "listeners": listeners,
            "notes": self.notes,
        })
    }

    /// The same for people.
    pub(super) fn describe(&self, config: &Config, now: UnixTime, pages: &[SocketAddr]) -> String {
        let mut text = format!("Tern {} development relay\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<12}{value}");
        };
        for page in pages {
            line("Test page", &page_url(Some(page)));
        }
        line("Metrics", &metrics_url(config));
        line("Operators", &format!("{} with the token {}", operator_url(config), self.configuration.token));
        for listener in &config.listener {
            let transports: Vec<_> = listener.transports.iter().map(|t| transport_word(*t)).collect();
            line("Listening", &format!("{} {}", listener.address, transports.join(" ")));
        }
        let relays: Vec<_> =
            config.relay_addresses().iter().map(|relay| relay.external.to_string()).collect();
        line("Relaying", &format!("on {}, ports {}", relays.join(" and "), config.relay.ports));
        if !self.is_own_certificate {
            line("TLS", "certificate made for this run; for a browser: `tern certs dev`, then --certs certs");
        }
        line("CAUTION", "clients may reach private and loopback addresses: for development only");
        for note in &self.notes {
            line("Note", note);
        }
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\nFor RTCPeerConnection, good for 24 hours:\n\n{:#}\n\nCtrl-C stops it. In production: tern run --config tern.toml\n",
            json!({ "iceServers": self.ice_servers(config, now) })
        );
        text
    }
}

fn reaches(listener: SocketAddr, ip: IpAddr) -> bool {
    listener.ip() == ip || (listener.ip().is_unspecified() && listener.is_ipv4() == ip.is_ipv4())
}

/// Where a page is.
pub(super) fn page_url(page: Option<&SocketAddr>) -> String {
    page.map_or_else(String::new, |page| format!("http://{page}/"))
}

/// Where Prometheus may read.
fn metrics_url(config: &Config) -> String {
    config.metrics.address.map_or_else(String::new, |at| format!("http://{at}/metrics"))
}

/// Where operators ask.
fn operator_url(config: &Config) -> String {
    let scheme = if config.admin.certificate_file.is_some() { "https" } else { "http" };
    config.admin.listen.first().map_or_else(String::new, |at| format!("{scheme}://{at}/"))
}

fn choose_port(first: u16, notes: &mut Vec<String>) -> Result<u16, Failure> {
    let port = machine::free_port(first).ok_or_else(|| {
        Failure::new(Exit::Failed, format!("tern: no free port from {first} on; is another relay running?"))
    })?;
    if port != first {
        notes.push(format!("port {first} is taken, so {port} is used"));
    }
    Ok(port)
}

/// The configuration of this run, as a file would have it.
fn defaults(addresses: &[IpAddr], port: u16, tls_port: u16, certs: Option<&PathBuf>) -> String {
    let mut text = String::new();
    let mut wildcards = vec!["0.0.0.0"];
    if machine::has_ipv6() {
        wildcards.push("[::]");
    }
    let certificate = certs.map_or_else(String::new, |dir| {
        let path = |name: &str| toml::Value::String(dir.join(name).display().to_string());
        format!("certificate_file = {}\nkey_file = {}\n", path("cert.pem"), path("key.pem"))
    });
    // Writing to a string cannot fail.
    for wildcard in &wildcards {
        let _ =
            writeln!(text, "[[listener]]\naddress = \"{wildcard}:{port}\"\ntransports = [\"udp\", \"tcp\"]");
    }
    for wildcard in &wildcards {
        let _ = writeln!(
            text,
            "[[listener]]\naddress = \"{wildcard}:{tls_port}\"\ntransports = [\"tls\", \"dtls\"]\n{certificate}"
        );
    }
    let relays: Vec<_> = addresses.iter().map(|ip| format!("\"{ip}\"")).collect();
    let _ = writeln!(text, "[relay]\naddresses = [{}]", relays.join(", "));
    text
}
