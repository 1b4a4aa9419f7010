//! DSCP in the configuration: a value, by its name or its number, and policies: copy, one value, or what becomes of each.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::reader::{FromNode, Section, text};
use super::tree::Node;
use crate::worker::{DscpMap, DscpPolicy};

/// The names of the IANA registry; a value with two is written by the first.
const NAMES: &[(&str, u8)] = &[
    ("CS0", 0),
    ("DF", 0),
    ("LE", 1),
    ("CS1", 8),
    ("AF11", 10),
    ("AF12", 12),
    ("AF13", 14),
    ("CS2", 16),
    ("AF21", 18),
    ("AF22", 20),
    ("AF23", 22),
    ("CS3", 24),
    ("AF31", 26),
    ("AF32", 28),
    ("AF33", 30),
    ("CS4", 32),
    ("AF41", 34),
    ("AF42", 36),
    ("AF43", 38),
    ("CS5", 40),
    ("VA", 44),
    ("EF", 46),
    ("CS6", 48),
    ("CS7", 56),
];

/// A DSCP, 0 to 63: `"EF"`, `"AF41"` or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dscp(pub u8);

impl Dscp {
    /// Reads a name in any case, or a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let value = named.map_or_else(|| text.parse().ok(), |(_, value)| Some(*value));
        value.filter(|value| *value < 64).map(Self)
    }
}

impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, value)| *value == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Dscp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromNode for Dscp {
    const EXPECTED: &'static str = "a DSCP: a name such as \"EF\" or \"AF41\", or a number from 0 to 63";

    fn from_node(node: &Node) -> Option<Self> {
        match text(node) {
            Some(text) => Self::parse(text.trim()),
            None => u8::try_from(i64::from_node(node)?).ok().filter(|value| *value < 64).map(Self),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_and_names_are_written() {
        for (text, value, written) in
            [("EF", 46, "EF"), ("af41", 34, "AF41"), ("46", 46, "EF"), ("df", 0, "CS0"), ("63", 63, "63")]
        {
            let dscp = Dscp::parse(text).unwrap();
            assert_eq!((dscp.0, dscp.to_string().as_str()), (value, written), "{text}");
            assert_eq!(Dscp::parse(written), Some(dscp));
        }
        for text in ["", "64", "-1", "AF44", "EF "] {
            assert_eq!(Dscp::parse(text), None, "{text:?}");
        }
    }
}
