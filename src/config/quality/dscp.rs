//! DSCP values by the names that routers' configurations use, or by number.

use std::fmt;

use serde::Serialize;

use super::super::reader::{FromNode, text};
use super::super::tree::Node;

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
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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
