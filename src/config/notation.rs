//! What has a notation of its own elsewhere, numbers and prefixes of BGP, and how it stands in the configuration: text that
//! is read and written by the type itself.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::reader::{FromNode, text};
use super::tree::{Node, Value};
use super::values::Words;
use crate::wire::bgp::{Asn, Community, Family, LargeCommunity, Prefix, Role, RouterId};

/// A value that is written as its own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

/// A type whose text is its notation.
pub(super) trait Notation: FromStr + fmt::Display {
    /// Completes "expected …".
    const EXPECTED: &'static str;
}

impl Notation for Asn {
    const EXPECTED: &'static str = "a number of an autonomous system, such as 64512";
}

impl Notation for RouterId {
    const EXPECTED: &'static str = "a router ID, written as an IPv4 address such as \"192.0.2.1\"";
}

impl Notation for Prefix {
    const EXPECTED: &'static str =
        "a prefix without bits beyond its length, such as \"10.99.0.1/32\" or \"2001:db8::/48\"";
}

impl Notation for Community {
    const EXPECTED: &'static str =
        "a community such as \"64512:100\", or \"graceful-shutdown\", \"no-export\" or \"no-advertise\"";
}

impl Notation for LargeCommunity {
    const EXPECTED: &'static str = "a large community of three numbers, such as \"64512:1:2\"";
}

impl<T: Notation> FromNode for Text<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_node(node: &Node) -> Option<Self> {
        if let Value::Integer(number) = &node.value {
            return number.to_string().parse().ok().map(Self);
        }
        text(node)?.trim().parse().ok().map(Self)
    }
}

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes one of a few words.
pub(super) fn word<T: Words + PartialEq, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let found = T::WORDS.iter().find(|(_, other)| other == value);
    serializer.serialize_str(found.map_or("", |(word, _)| word))
}

/// Writes a list of such.
pub(super) fn words<T: Words + PartialEq, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let find = |value: &T| T::WORDS.iter().find(|(_, other)| other == value).map_or("", |(word, _)| word);
    serializer.collect_seq(values.iter().map(find))
}

impl Words for Family {
    const EXPECTED: &'static str = "\"ipv4\" or \"ipv6\"";
    const WORDS: &'static [(&'static str, Self)] = &[("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6)];
}

impl Words for Role {
    const EXPECTED: &'static str =
        "our role: \"customer\", \"provider\", \"peer\", \"route-server\" or \"route-server-client\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("customer", Self::Customer),
        ("provider", Self::Provider),
        ("peer", Self::Peer),
        ("route-server", Self::RouteServer),
        ("route-server-client", Self::RouteServerClient),
    ];
}
