//! `[admin]`: the socket that `tern drain`, `tern bgp` and others of its kind talk to, and where the API is served by
//! TCP.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::problem::Place;
use super::reader::{FromNode, Section, text};
use super::tree::{Node, Value};
use super::values::Words;
use crate::control::admin::Role;

/// Where the command line looks for a relay.
pub const DEFAULT_SOCKET: &str = "/run/tern/tern.sock";

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Admin {
    /// Where the socket is.
    pub socket: AdminPath,
    /// Whose members may use it, besides root and the relay's own user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Whose members may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<Group>,
    /// Where the API is served by TCP.
    pub listen: Vec<SocketAddr>,
    /// What browsers may call this relay, besides its addresses.
    pub names: Vec<String>,
    /// The certificate chain, without which it is served on loopback only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The authorities whose certificates callers may show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// Secrets that callers may show; several while one replaces another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token: Vec<AdminToken>,
    /// What holders of certificates may do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<AdminClient>,
    /// Whether somebody asked for this very socket: then the relay does not start without it.
    #[serde(skip)]
    pub is_written: bool,
    /// Where `listen` is written.
    #[serde(skip)]
    pub(super) place: Place,
    /// Where the certificate is named.
    #[serde(skip)]
    pub(super) certificate_place: Place,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            socket: AdminPath::At(DEFAULT_SOCKET.into()),
            group: None,
            viewers: None,
            listen: Vec::new(),
            names: Vec::new(),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            token: Vec::new(),
            client: Vec::new(),
            is_written: false,
            place: Place::Default,
            certificate_place: Place::Default,
        }
    }
}

impl Admin {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self { is_written: section.is_written_key("socket"), ..Self::default() };
        section.read("socket", &mut out.socket);
        out.group = section.optional("group");
        out.viewers = section.optional("viewers");
        out.listen = section.list("listen").unwrap_or_default();
        out.names = section.list("names").unwrap_or_default();
        out.certificate_file = section.optional("certificate_file");
        out.key_file = section.optional("key_file");
        out.client_ca_file = section.optional("client_ca_file");
        out.token = section.sections("token").into_iter().filter_map(AdminToken::read).collect();
        out.client = section.sections("client").into_iter().filter_map(AdminClient::read).collect();
        out.place = section.place_of("listen");
        out.certificate_place = section.place_of("certificate_file");
        out.check(&section);
        section.finish();
        out
    }

    fn check(&self, section: &Section<'_>) {
        // The kernel's bound for the names of sockets, less what is added while it is made.
        if let AdminPath::At(path) = &self.socket
            && path.as_os_str().len() > 92
        {
            section.error("socket", "expected a path of at most 92 bytes: the system allows no longer names");
        }
        if self.listen.iter().any(|address| address.port() == 0) {
            section.error("listen", "needs a port that operators can be told, such as 127.0.0.1:9480");
        }
        if self.listen.iter().any(|address| !address.ip().is_loopback()) && self.certificate_file.is_none() {
            section.error(
                "listen",
                "beyond loopback it is served with TLS only: add certificate_file and key_file",
            );
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            section.error("certificate_file", "certificate_file and key_file belong together");
        }
        if !self.client.is_empty() && self.client_ca_file.is_none() {
            section.error("client", "needs client_ca_file, the authority that signs their certificates");
        }
        if self.client_ca_file.is_some() && self.certificate_file.is_none() {
            section.error("client_ca_file", "is of no use without certificate_file and key_file");
        }
        let mut seen = Vec::new();
        for token in &self.token {
            if seen.contains(&&token.id) {
                let text = format!(
                    "id {:?} is used twice; each token has its own, so that the audit log can name it",
                    token.id
                );
                section.error("token", text);
            }
            seen.push(&token.id);
        }
    }
}

/// One `[[admin.token]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdminToken {
    /// Its name in the audit log.
    pub id: String,
    /// What its holder may do.
    pub role: Role,
    /// The file that holds it.
    pub token_file: PathBuf,
    /// Where the file is named.
    #[serde(skip)]
    pub(super) place: Place,
}

impl AdminToken {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id: Option<String> = section.required("id");
        if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 64 || id.contains(char::is_control)) {
            section.error("id", "expected a name of 1 to 64 characters");
        }
        let role = section.required("role");
        let token_file = section.required("token_file");
        let place = section.place_of("token_file");
        section.finish();
        Some(Self { id: id?, role: role?, token_file: token_file?, place })
    }
}

/// One `[[admin.client]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdminClient {
    /// What the certificate must call its holder: "OU=operators", "DNS:ops.example.org" ...
    pub name: String,
    /// What he may do.
    pub role: Role,
}

impl AdminClient {
    fn read(mut section: Section<'_>) -> Option<Self> {
        const KINDS: [&str; 6] = ["OU=", "O=", "CN=", "DNS:", "email:", "URI:"];
        let name: Option<String> = section.required("name");
        let is_known =
            |name: &String| KINDS.iter().any(|kind| name.len() > kind.len() && name.starts_with(kind));
        if !name.as_ref().is_none_or(is_known) {
            section.error("name", "expected one of OU=…, O=…, CN=…, DNS:…, email:… and URI:…");
        }
        let role = section.required("role");
        section.finish();
        Some(Self { name: name?, role: role? })
    }
}

impl Words for Role {
    const EXPECTED: &'static str = "a role: \"viewer\" (reads) or \"operator\" (changes)";
    const WORDS: &'static [(&'static str, Self)] = &[("viewer", Self::Viewer), ("operator", Self::Operator)];
}

/// Where the socket is, if anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPath {
    /// Nowhere.
    Off,
    /// Here.
    At(PathBuf),
}

impl FromNode for AdminPath {
    const EXPECTED: &'static str = "\"off\" or the path of a socket such as \"/run/tern/tern.sock\"";

    fn from_node(node: &Node) -> Option<Self> {
        match text(node)?.trim() {
            "" => None,
            "off" => Some(Self::Off),
            path => Some(Self::At(path.into())),
        }
    }
}

impl Serialize for AdminPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::At(path) => path.serialize(serializer),
        }
    }
}

/// A group of users, by its name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub number: u32,
    /// As it was written.
    text: String,
}

impl FromNode for Group {
    const EXPECTED: &'static str = "the name of a group in /etc/group, or its number";

    fn from_node(node: &Node) -> Option<Self> {
        if let Value::Integer(number) = node.value {
            let number = u32::try_from(number).ok()?;
            return Some(Self { number, text: number.to_string() });
        }
        let text = text(node)?.trim();
        let number =
            text.parse().ok().or_else(|| number_of(&std::fs::read_to_string("/etc/group").ok()?, text))?;
        Some(Self { number, text: text.to_owned() })
    }
}

impl Serialize for Group {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The number of `name` in the text of `/etc/group`.
fn number_of(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        found.then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nadm:x:4:syslog\ntern-ops:x:998:alice,bob\n";
        assert_eq!(number_of(groups, "tern-ops"), Some(998));
        assert_eq!(number_of(groups, "tern"), None);
        assert_eq!(number_of("broken\n", "broken"), None);
    }
}
