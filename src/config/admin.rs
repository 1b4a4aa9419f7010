//! `[admin]`: the socket that `tern drain`, `tern bgp` and others of its kind talk to.

use std::path::PathBuf;

use serde::Serialize;

use super::reader::{FromNode, Section, text};
use super::tree::{Node, Value};

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
    /// Whether somebody asked for this very socket: then the relay does not start without it.
    #[serde(skip)]
    pub is_written: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self { socket: AdminPath::At(DEFAULT_SOCKET.into()), group: None, is_written: false }
    }
}

impl Admin {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self { is_written: section.is_written_key("socket"), ..Self::default() };
        section.read("socket", &mut out.socket);
        out.group = section.optional("group");
        // The kernel's bound for the names of sockets, less what is added while it is made.
        if let AdminPath::At(path) = &out.socket
            && path.as_os_str().len() > 92
        {
            section.error("socket", "expected a path of at most 92 bytes: the system allows no longer names");
        }
        section.finish();
        out
    }
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
