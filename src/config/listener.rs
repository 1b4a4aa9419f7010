//! `[[listener]]`: where clients reach the relay.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::dscp;
use super::problem::Place;
use super::reader::Section;
use super::values::{Cidr, Words, transport_word};
use crate::engine::Redirect;
use crate::route::Transport;
use crate::worker::DscpPolicy;

/// One `[[listener]]`.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// Where to listen; `0.0.0.0` and `[::]` are every address of their family.
    pub address: SocketAddr,
    /// What is spoken there.
    #[serde(serialize_with = "transports")]
    pub transports: Vec<Transport>,
    /// The realm of its credentials; that of `[auth]` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The certificate chain for TLS and DTLS, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// Its private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Load balancers whose connections begin with a PROXY header.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxy_protocol_from: Vec<Cidr>,
    /// Relays that serve the same clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternate_servers: Vec<SocketAddr>,
    /// The name in the alternates' certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternate_domain: Option<String>,
    /// When clients are sent to the alternates.
    #[serde(serialize_with = "redirect")]
    pub redirect: Redirect,
    /// For media of its clients, in place of what `[media]` says.
    #[serde(serialize_with = "dscp::write_some", skip_serializing_if = "Option::is_none")]
    pub dscp: Option<DscpPolicy>,
    /// Likewise.
    #[serde(serialize_with = "dscp::write_some", skip_serializing_if = "Option::is_none")]
    pub stream_dscp: Option<DscpPolicy>,
    /// Where its address is written.
    #[serde(skip)]
    pub place: Place,
    /// Where its certificate is named, or what wants one.
    #[serde(skip)]
    pub certificate_place: Place,
}

impl Listener {
    /// A listener with every default.
    #[must_use]
    pub fn new(address: SocketAddr, transports: &[Transport]) -> Self {
        Self {
            address,
            transports: transports.to_vec(),
            realm: None,
            certificate_file: None,
            key_file: None,
            proxy_protocol_from: Vec::new(),
            alternate_servers: Vec::new(),
            alternate_domain: None,
            redirect: Redirect::default(),
            dscp: None,
            stream_dscp: None,
            place: Place::Default,
            certificate_place: Place::Default,
        }
    }

    /// Whether any of its transports is encrypted.
    #[must_use]
    pub fn needs_certificate(&self) -> bool {
        self.transports.iter().any(|transport| matches!(transport, Transport::Tls | Transport::Dtls))
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let address: Option<SocketAddr> = section.required("address");
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 1));
        let mut out = Self::new(address.unwrap_or(unspecified), &[Transport::Udp, Transport::Tcp]);
        out.place = section.place_of("address");
        let named =
            if section.is_written_key("certificate_file") { "certificate_file" } else { "transports" };
        out.certificate_place = section.place_of(named);
        if let Some(transports) = section.list("transports") {
            out.transports = transports;
        }
        out.realm = section.optional("realm");
        out.certificate_file = section.optional("certificate_file");
        out.key_file = section.optional("key_file");
        out.proxy_protocol_from = section.list("proxy_protocol_from").unwrap_or_default();
        out.alternate_servers = section.list("alternate_servers").unwrap_or_default();
        out.alternate_domain = section.optional("alternate_domain");
        section.read("redirect", &mut out.redirect);
        out.dscp = dscp::read(&mut section, "dscp");
        out.stream_dscp = dscp::read(&mut section, "stream_dscp");
        out.check(&section);
        section.finish();
        address.is_some().then_some(out)
    }

    fn check(&mut self, section: &Section<'_>) {
        if self.address.port() == 0 {
            section.error(
                "address",
                "port 0 cannot be listened on; the usual ones are 3478, and 5349 or 443 for TLS",
            );
        }
        let mut seen = Vec::new();
        self.transports.retain(|transport| {
            let new = !seen.contains(transport);
            seen.push(*transport);
            new
        });
        if self.transports.is_empty() {
            section.error("transports", "expected at least one of \"udp\", \"tcp\", \"tls\", \"dtls\"");
        }
        check_realm(section, self.realm.as_deref());
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                section.error("certificate_file", "key_file is missing: the private key of this certificate");
            }
            (None, Some(_)) => {
                section.error("key_file", "certificate_file is missing: the chain of this key")
            }
            (Some(_), Some(_)) if !self.needs_certificate() => {
                section.warn("certificate_file", "has no use: neither tls nor dtls is among the transports");
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if !self.proxy_protocol_from.is_empty() && !self.transports.iter().any(|t| t.is_stream()) {
            section.warn("proxy_protocol_from", "has no use: neither tcp nor tls is among the transports");
        }
        if self.redirect == Redirect::Always && self.alternate_servers.is_empty() {
            section.error("redirect", "\"always\" needs alternate_servers to send the clients to");
        }
        if self.alternate_servers.contains(&self.address) {
            section.error("alternate_servers", format!("{} is this listener itself", self.address));
        }
    }
}

/// Whether a realm can be sent and can stand in a users file.
pub(super) fn check_realm(section: &Section<'_>, realm: Option<&str>) {
    let Some(realm) = realm else { return };
    if realm.is_empty() || realm.len() > 128 || realm.chars().any(|c| c.is_control() || c == '"' || c == ':')
    {
        section.error("realm", "expected 1 to 128 bytes without quotes, colons or control characters");
    }
}

fn transports<S: serde::Serializer>(transports: &[Transport], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(transports.iter().map(|transport| transport_word(*transport)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn redirect<S: serde::Serializer>(redirect: &Redirect, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match redirect {
        Redirect::WhenFull => "when-full",
        Redirect::Always => "always",
    })
}

impl Words for Redirect {
    const EXPECTED: &'static str = "\"when-full\" or \"always\"";
    const WORDS: &'static [(&'static str, Self)] = &[("when-full", Self::WhenFull), ("always", Self::Always)];
}
