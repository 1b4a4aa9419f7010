//! Policies of DSCP in the configuration: copy, one value, or what becomes of each.

use serde::Serializer;
use serde::ser::SerializeMap;

use super::quality::Dscp;
use super::reader::{FromNode, Section, text};
use super::tree::Node;
use crate::worker::{DscpMap, DscpPolicy};

impl FromNode for DscpPolicy {
    const EXPECTED: &'static str = "\"copy\", a DSCP (0 to 63, or a name such as \"EF\" or \"AF41\"), or a table such as \
                                    { EF = \"AF41\", default = \"copy\" }";

    fn from_node(node: &Node) -> Option<Self> {
        if text(node) == Some("copy") {
            return Some(Self::Copy);
        }
        Dscp::from_node(node).map(|Dscp(value)| Self::Fixed(value))
    }
}

/// The policy at `key`, if somebody wrote one.
pub(super) fn read(section: &mut Section<'_>, key: &'static str) -> Option<DscpPolicy> {
    let Some(entries) = section.entries(key) else { return section.optional(key) };
    let (mut default, mut changes) = (None, Vec::new());
    for (word, entry) in entries {
        let leaving = match text(&entry.node) {
            Some("copy") => Some(None),
            _ => Dscp::from_node(&entry.node).map(|Dscp(value)| Some(value)),
        };
        let Some(leaving) = leaving else {
            let found = entry.node.describe();
            let expected = <Dscp as FromNode>::EXPECTED;
            section.error_in(
                key,
                word,
                &entry.node.place,
                format!("expected \"copy\" or {expected}; found {found}"),
            );
            continue;
        };
        match Dscp::parse(word) {
            Some(Dscp(came)) => changes.push((came, leaving.unwrap_or(came))),
            None if word == "default" => default = leaving,
            None => {
                let expected = <Dscp as FromNode>::EXPECTED;
                section.error_in(
                    key,
                    word,
                    &entry.key,
                    format!("expected \"default\" or {expected} before the ="),
                );
            }
        }
    }
    Some(DscpPolicy::Map(DscpMap::new(default, changes)))
}

/// As it is read.
pub(super) fn write<S: Serializer>(policy: &DscpPolicy, serializer: S) -> Result<S::Ok, S::Error> {
    let map = match policy {
        DscpPolicy::Copy => return serializer.serialize_str("copy"),
        DscpPolicy::Fixed(value) => return serializer.serialize_u8(*value),
        DscpPolicy::Map(map) => map,
    };
    let mut out = serializer.serialize_map(None)?;
    for (came, left) in map.changes() {
        out.serialize_entry(&Dscp(came), &left)?;
    }
    match map.default_value() {
        Some(value) => out.serialize_entry("default", &value)?,
        None => out.serialize_entry("default", "copy")?,
    }
    out.end()
}

/// The same for one that may be left out.
#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
pub(super) fn write_some<S: Serializer>(
    policy: &Option<DscpPolicy>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match policy {
        Some(policy) => write(policy, serializer),
        None => serializer.serialize_none(),
    }
}
