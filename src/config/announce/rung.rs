//! What a state is announced with: a rung of the ladder. Written in three places, each over the one before: for all, for
//! a prefix, for a neighbour.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::super::notation::Text;
use super::super::problem::Place;
use super::super::reader::{FromNode, Section, text};
use super::super::tree::Node;
use crate::announce::policy::{Attributes, Ladder, NextHop};
use crate::wire::bgp::{Community, Family, LargeCommunity};

/// More than any router wants to see.
const COMMUNITIES_MAX: usize = 32;

/// What is written for one state; what is not comes from the layer below.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rung {
    /// Whether prefixes are announced in this state at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announce: Option<bool>,
    /// The lower one is preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub med: Option<Med>,
    /// How often our number stands in the AS path beyond the once that must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepend: Option<u8>,
    /// Standard communities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communities: Option<Vec<Text<Community>>>,
    /// Large communities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_communities: Option<Vec<Text<LargeCommunity>>>,
    /// Where packets shall go.
    #[serde(skip_serializing_if = "NextHops::is_empty")]
    pub next_hop: NextHops,
}

impl Rung {
    fn new(med: u32, communities: &[Community]) -> Self {
        Self {
            announce: Some(true),
            med: Some(Med(Some(med))),
            prepend: Some(0),
            communities: Some(communities.iter().copied().map(Text).collect()),
            large_communities: Some(Vec::new()),
            next_hop: NextHops::default(),
        }
    }

    fn read(mut section: Section<'_>) -> Self {
        let mut out = Self {
            announce: section.optional("announce"),
            med: section.optional("med"),
            communities: section.list("communities"),
            large_communities: section.list("large_communities"),
            next_hop: NextHops::read(&mut section),
            prepend: None,
        };
        if section.is_written_key("prepend") {
            let mut prepend = 0;
            section.integer("prepend", 0..=16, &mut prepend);
            out.prepend = Some(prepend);
        }
        let counts = [
            ("communities", out.communities.as_ref().map(Vec::len)),
            ("large_communities", out.large_communities.as_ref().map(Vec::len)),
        ];
        for (key, count) in counts {
            if count.is_some_and(|count| count > COMMUNITIES_MAX) {
                section.error(key, format!("there are more than {COMMUNITIES_MAX}"));
            }
        }
        section.finish();
        out
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This one, and what it leaves out from `below`.
    fn over(&self, below: &Self) -> Self {
        Self {
            announce: self.announce.or(below.announce),
            med: self.med.or(below.med),
            prepend: self.prepend.or(below.prepend),
            communities: self.communities.clone().or_else(|| below.communities.clone()),
            large_communities: self.large_communities.clone().or_else(|| below.large_communities.clone()),
            next_hop: self.next_hop.over(&below.next_hop),
        }
    }

    /// What a prefix of `family` is announced with, if it is.
    fn attributes(&self, family: Family) -> Option<Attributes> {
        fn plain<T: Copy>(texts: Option<&Vec<Text<T>>>) -> Vec<T> {
            texts.into_iter().flatten().map(|text| text.0).collect()
        }
        self.announce.unwrap_or(true).then(|| Attributes {
            med: self.med.and_then(|med| med.0),
            prepend: self.prepend.unwrap_or(0),
            communities: plain(self.communities.as_ref()),
            large_communities: plain(self.large_communities.as_ref()),
            next_hop: self.next_hop.of(family).map_or(NextHop::Own, NextHop::Address),
        })
    }
}

/// A rung for each state.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rungs {
    /// All is well.
    #[serde(skip_serializing_if = "Rung::is_empty")]
    pub healthy: Rung,
    /// Something is not, or the relay stands by.
    #[serde(skip_serializing_if = "Rung::is_empty")]
    pub degraded: Rung,
    /// The operator wants it empty.
    #[serde(skip_serializing_if = "Rung::is_empty")]
    pub draining: Rung,
    /// It stands in for another relay.
    #[serde(skip_serializing_if = "Rung::is_empty")]
    pub takeover: Rung,
    /// It is down and nobody is known to be better.
    #[serde(skip_serializing_if = "Rung::is_empty")]
    pub last_resort: Rung,
}

impl Rungs {
    /// The MED steps are wider than what clouds add between regions, so that a state weighs more than distance.
    pub(super) fn standard() -> Self {
        Self {
            takeover: Rung::new(0, &[]),
            healthy: Rung::new(10_200, &[]),
            degraded: Rung::new(20_400, &[]),
            draining: Rung::new(40_800, &[Community::GRACEFUL_SHUTDOWN]),
            last_resort: Rung::new(61_200, &[]),
        }
    }

    pub(in super::super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            healthy: Rung::read(section.section("healthy")),
            degraded: Rung::read(section.section("degraded")),
            draining: Rung::read(section.section("draining")),
            takeover: Rung::read(section.section("takeover")),
            last_resort: Rung::read(section.section("last_resort")),
        }
    }

    /// These, and what they leave out from `below`.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        Self {
            healthy: self.healthy.over(&below.healthy),
            degraded: self.degraded.over(&below.degraded),
            draining: self.draining.over(&below.draining),
            takeover: self.takeover.over(&below.takeover),
            last_resort: self.last_resort.over(&below.last_resort),
        }
    }

    /// These, with a next hop where none is written.
    #[must_use]
    pub fn with_next_hop(&self, next_hop: NextHops) -> Self {
        let rung = Rung { next_hop, ..Rung::default() };
        let all = Self {
            healthy: rung.clone(),
            degraded: rung.clone(),
            draining: rung.clone(),
            takeover: rung.clone(),
            last_resort: rung,
        };
        self.over(&all)
    }

    /// Each by its name.
    pub(in super::super) const fn named(&self) -> [(&'static str, &Rung); 5] {
        [
            ("healthy", &self.healthy),
            ("degraded", &self.degraded),
            ("draining", &self.draining),
            ("takeover", &self.takeover),
            ("last_resort", &self.last_resort),
        ]
    }

    /// What a prefix of `family` is announced with in each state.
    #[must_use]
    pub fn ladder(&self, family: Family) -> Ladder {
        Ladder {
            healthy: self.healthy.attributes(family),
            degraded: self.degraded.attributes(family),
            draining: self.draining.attributes(family),
            takeover: self.takeover.attributes(family),
            last_resort: self.last_resort.attributes(family),
        }
    }
}

/// MULTI_EXIT_DISC, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Med(pub Option<u32>);

impl FromNode for Med {
    const EXPECTED: &'static str = "a number from 0 to 4294967295, or \"none\"";

    fn from_node(node: &Node) -> Option<Self> {
        if text(node) == Some("none") {
            return Some(Self(None));
        }
        u32::try_from(i64::from_node(node)?).ok().map(|med| Self(Some(med)))
    }
}

impl Serialize for Med {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(med) => serializer.serialize_u32(med),
            None => serializer.serialize_str("none"),
        }
    }
}

/// Next hops, one of each family at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHops {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    /// Where they are written.
    pub(in super::super) place: Place,
}

impl NextHops {
    pub(in super::super) fn read(section: &mut Section<'_>) -> Self {
        let mut out = Self::default();
        let Some(written) = section.list::<IpAddr>("next_hop") else { return out };
        out.place = section.place_of("next_hop");
        for address in written {
            let place = if address.is_ipv4() { &mut out.v4 } else { &mut out.v6 };
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                section.error("next_hop", format!("{address} is not an address that routers can send to"));
            }
            if place.replace(address).is_some() {
                section.error("next_hop", "expected one address of each family at most");
            }
        }
        out
    }

    fn over(&self, below: &Self) -> Self {
        let place = if self.is_empty() { &below.place } else { &self.place };
        Self { v4: self.v4.or(below.v4), v6: self.v6.or(below.v6), place: place.clone() }
    }

    /// The one that prefixes of `family` may have.
    #[must_use]
    pub const fn of(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Ipv4 => self.v4,
            Family::Ipv6 => self.v6,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }
}

impl Serialize for NextHops {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.v4.iter().chain(&self.v6))
    }
}
