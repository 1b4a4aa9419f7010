//! Next hops that no announcement can have: a prefix takes one of its own family only.

use super::super::announce::{NextHops, Rungs};
use super::super::problem::Problems;
use super::super::{AnnouncedPrefix, Config, Neighbor};
use super::announce::word;
use crate::wire::bgp::Family;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

impl Config {
    /// Warns of each that is of a family in which nothing is announced there. Where nothing is announced at all, that is
    /// said already.
    pub(super) fn check_use_of_next_hops(&self, problems: &mut Problems) {
        let told = |prefix: &AnnouncedPrefix, neighbor: &Neighbor| neighbor.is_told_of(prefix);
        let (prefixes, neighbors) = (&self.announce.prefix, &self.bgp.neighbor);
        let is_told = |prefix: &&AnnouncedPrefix| neighbors.iter().any(|neighbor| told(prefix, neighbor));
        let all = Use::of(prefixes.iter().filter(is_told), "no neighbor is told of".to_owned());
        all.check_rungs("announce", &self.announce.rungs, problems);
        for prefix in prefixes {
            let here = Use::of([prefix], format!("{} is not", prefix.prefix));
            here.check("announce.prefix", &prefix.next_hop, problems);
            here.check_rungs("announce.prefix", &prefix.rungs, problems);
        }
        for neighbor in neighbors {
            let here = prefixes.iter().filter(|prefix| told(prefix, neighbor));
            let here = Use::of(here, format!("{} is not told of", neighbor.name));
            here.check("bgp.neighbor", &neighbor.next_hop, problems);
            here.check_rungs("bgp.neighbor", &neighbor.rungs, problems);
        }
    }
}

/// The families of what is announced somewhere.
struct Use {
    families: Vec<Family>,
    /// Why there is nothing of another family; "an ipv6 prefix" follows.
    why: String,
}

impl Use {
    fn of<'p>(prefixes: impl IntoIterator<Item = &'p AnnouncedPrefix>, why: String) -> Self {
        Self { families: prefixes.into_iter().map(|prefix| prefix.prefix.0.family()).collect(), why }
    }

    fn check_rungs(&self, key: &str, rungs: &Rungs, problems: &mut Problems) {
        for (name, rung) in rungs.named() {
            self.check(&format!("{key}.{name}"), &rung.next_hop, problems);
        }
    }

    fn check(&self, key: &str, hops: &NextHops, problems: &mut Problems) {
        if self.families.is_empty() {
            return;
        }
        for family in FAMILIES.into_iter().filter(|family| !self.families.contains(family)) {
            if let Some(hop) = hops.of(family) {
                let text = format!(
                    "{key}.next_hop: {hop} is used for nothing: {} an {} prefix",
                    self.why,
                    word(family)
                );
                problems.warn(&hops.place, text);
            }
        }
    }
}
