//! What one session has been told, and the UPDATEs that lead from there to what it shall know.
//!
//! Nothing is sent that the neighbour knows already. What goes is withdrawn before what comes is announced, and what was
//! there from the beginning comes before End-of-RIB. Prefixes with the same attributes share a message.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::announce::policy::{Attributes, NextHop};
use crate::wire::bgp::write::{self, Route, RouteError};
use crate::wire::bgp::{Asn, Codec, Families, Family, Prefix};

/// What shall be known, whether or not there is a session.
pub(super) type Wanted = BTreeMap<Prefix, Attributes>;

/// What messages of a session have to fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) asn: Asn,
    /// Our address on the session.
    pub(super) local: Option<IpAddr>,
    pub(super) codec: Codec,
    /// Routes are marked as going down to customers only (RFC 9234).
    pub(super) only_to_customer: bool,
}

/// Why a prefix that should be announced is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    NotNegotiated(Family),
    NoNextHop(Family),
    TooLong(RouteError),
}

impl Obstacle {
    /// For the operator, with what to do.
    pub(super) fn words(self) -> String {
        match self {
            Self::NotNegotiated(family) => {
                format!("the session does not carry {family}: `families` of both sides must have it")
            }
            Self::NoNextHop(family) => {
                format!("our address on the session is not {family}: give the prefix a `next_hop`")
            }
            Self::TooLong(error) => error.to_string(),
        }
    }
}

/// What a neighbour has been told in this session. Next hops are addresses here.
#[derive(Debug, Default)]
pub(super) struct RibOut {
    told: Wanted,
    /// End-of-RIB is still to come.
    unfinished: Families,
}

impl RibOut {
    pub(super) fn new(families: Families) -> Self {
        Self { told: Wanted::new(), unfinished: families }
    }

    pub(super) const fn told(&self) -> &Wanted {
        &self.told
    }

    /// The messages that make the neighbour know what is `wanted`, one behind the other; nothing if it does. Of `again` it
    /// hears all there is once more (RFC 2918).
    pub(super) fn update(&mut self, wanted: &Wanted, terms: &Terms, again: Families) -> Vec<u8> {
        let mut fit: Wanted = wanted.iter().filter_map(|(prefix, a)| terms.fit(*prefix, a).ok()).collect();
        let fresh = fit.iter().filter(|&(prefix, attributes)| {
            again.contains(prefix.family()) || self.told.get(prefix) != Some(attributes)
        });
        let (announcements, refused) = announce(fresh, terms);
        fit.retain(|prefix, _| !refused.contains(prefix));
        let mut out = Vec::new();
        let gone: Vec<Prefix> =
            self.told.keys().filter(|prefix| !fit.contains_key(prefix)).copied().collect();
        withdraw(&mut out, &gone);
        out.extend(announcements);
        self.told = fit;
        for family in std::mem::take(&mut self.unfinished).iter() {
            write::end_of_rib(&mut out, family);
        }
        out
    }

    /// What is wanted and not told, once an update has been made.
    pub(super) fn withheld(&self, wanted: &Wanted, terms: &Terms) -> Vec<(Prefix, Obstacle)> {
        let missing = wanted.iter().filter(|(prefix, _)| !self.told.contains_key(prefix));
        let reason = |(prefix, attributes): (&Prefix, &Attributes)| match terms.fit(*prefix, attributes) {
            Err(obstacle) => (*prefix, obstacle),
            Ok(_) => (*prefix, Obstacle::TooLong(RouteError::TooLong)),
        };
        missing.map(reason).collect()
    }
}

impl Terms {
    /// The prefix with its next hop as an address, if this session can carry it.
    fn fit(&self, prefix: Prefix, attributes: &Attributes) -> Result<(Prefix, Attributes), Obstacle> {
        let family = prefix.family();
        if !self.codec.families.contains(family) {
            return Err(Obstacle::NotNegotiated(family));
        }
        let next_hop = match attributes.next_hop {
            NextHop::Own => self.local,
            NextHop::Address(address) => Some(address),
        };
        let next_hop = next_hop.filter(|address| Family::of(*address) == family);
        let next_hop = NextHop::Address(next_hop.ok_or(Obstacle::NoNextHop(family))?);
        Ok((prefix, Attributes { next_hop, ..attributes.clone() }))
    }

    fn append(
        &self,
        out: &mut Vec<u8>,
        attributes: &Attributes,
        prefixes: &[Prefix],
    ) -> Result<(), RouteError> {
        let NextHop::Address(next_hop) = attributes.next_hop else { return Err(RouteError::Family) };
        let as_path = vec![self.asn; usize::from(attributes.prepend) + 1];
        let route = Route {
            prefixes,
            as_path: &as_path,
            next_hop,
            med: attributes.med,
            local_pref: None,
            communities: &attributes.communities,
            large_communities: &attributes.large_communities,
            only_to_customer: self.only_to_customer.then_some(self.asn),
        };
        write::announce(out, &route, &self.codec).map(|_| ())
    }
}

/// The announcements, and what no message can say.
fn announce<'a>(
    routes: impl Iterator<Item = (&'a Prefix, &'a Attributes)>,
    terms: &Terms,
) -> (Vec<u8>, Vec<Prefix>) {
    let mut groups: Vec<(&Attributes, Vec<Prefix>)> = Vec::new();
    for (prefix, attributes) in routes {
        match groups.iter_mut().find(|(shared, _)| *shared == attributes) {
            Some((_, prefixes)) => prefixes.push(*prefix),
            None => groups.push((attributes, vec![*prefix])),
        }
    }
    let (mut out, mut refused) = (Vec::new(), Vec::new());
    for (attributes, prefixes) in groups {
        if terms.append(&mut out, attributes, &prefixes).is_err() {
            refused.extend(prefixes);
        }
    }
    (out, refused)
}

fn withdraw(out: &mut Vec<u8>, prefixes: &[Prefix]) {
    for family in Family::ALL {
        let gone: Vec<Prefix> = prefixes.iter().filter(|prefix| prefix.family() == family).copied().collect();
        if !gone.is_empty() {
            write::withdraw(out, family, &gone);
        }
    }
}
