//! Prefixes against neighbours, and both against the listeners.

use super::super::problem::Problems;
use super::super::{AnnouncedPrefix, Config, Neighbor};
use crate::wire::bgp::Family;

impl Config {
    pub(super) fn check_announcements(&self, problems: &mut Problems) {
        for address in &self.bgp.listen {
            self.refuse_taken("bgp.listen", *address, &self.bgp.listen_place, problems);
        }
        if self.bgp.neighbor.is_empty() {
            return;
        }
        for prefix in &self.announce.prefix {
            self.check_prefix(prefix, problems);
        }
        if !self.is_misread() {
            for neighbor in &self.bgp.neighbor {
                self.check_neighbor(neighbor, problems);
            }
        }
        self.check_use_of_next_hops(problems);
        if self.rpki.caches.is_empty() && self.rpki.origin.is_some() {
            problems.warn(&self.rpki.place, "rpki.origin: nobody is asked; name the caches in rpki.caches");
        }
    }

    /// What could not be read has been told of; what is missing therefore, or seems to be, need not be.
    const fn is_misread(&self) -> bool {
        self.announce.is_misread || self.bgp.is_misread
    }

    fn check_prefix(&self, prefix: &AnnouncedPrefix, problems: &mut Problems) {
        let announced = prefix.prefix.0;
        let is_told = self.bgp.neighbor.iter().any(|neighbor| neighbor.is_told_of(prefix));
        if !is_told && !self.is_misread() {
            let text = format!(
                "announce.prefix: {announced} is announced to nobody; no neighbor has {} among its families and this prefix among its prefixes",
                word(announced.family())
            );
            problems.warn(&prefix.place, text);
        }
        let serves = |ip: std::net::IpAddr| {
            announced.contains(ip) || (ip.is_unspecified() && ip.is_ipv4() == announced.address().is_ipv4())
        };
        let relays = self.relay_addresses().into_iter().any(|relay| serves(relay.bind));
        if !relays && !self.listener.iter().any(|listener| serves(listener.address.ip())) {
            let text = format!(
                "announce.prefix: neither a [[listener]] nor relay.addresses has an address of {announced}: packets would come here for nothing"
            );
            problems.warn(&prefix.place, text);
        }
    }

    fn check_neighbor(&self, neighbor: &Neighbor, problems: &mut Problems) {
        for prefix in self.announce.prefix.iter().filter(|prefix| neighbor.is_told_of(prefix)) {
            self.check_next_hop(neighbor, prefix, problems);
        }
        for wanted in neighbor.prefixes.iter().flatten() {
            if !self.announce.prefix.iter().any(|prefix| prefix.prefix == *wanted) {
                let text = format!("bgp.neighbor.prefixes: {wanted} is not among announce.prefixes");
                problems.error(&neighbor.place, text);
            }
        }
        if !self.announce.prefix.iter().any(|prefix| neighbor.is_told_of(prefix)) {
            let text = format!(
                "bgp.neighbor: {} is told of no prefix; list some in announce.prefixes, and their families in families",
                neighbor.name
            );
            problems.warn(&neighbor.place, text);
        }
    }

    /// Our own end of the session is a next hop for one family only.
    fn check_next_hop(&self, neighbor: &Neighbor, prefix: &AnnouncedPrefix, problems: &mut Problems) {
        let family = prefix.prefix.0.family();
        if family == Family::of(neighbor.address) || self.has_next_hops(neighbor, prefix) {
            return;
        }
        let text = format!(
            "bgp.neighbor.next_hop: {} goes over a session of the other family, to {}, and no next_hop says where its packets shall go; write an {} address of this relay",
            prefix.prefix,
            neighbor.name,
            word(family)
        );
        problems.error(&neighbor.place, text);
    }

    /// Whether every rung on which `prefix` is announced to `neighbor` names one.
    fn has_next_hops(&self, neighbor: &Neighbor, prefix: &AnnouncedPrefix) -> bool {
        use crate::announce::policy::NextHop;
        let ladder = self.ladder(neighbor, prefix);
        let rungs = [ladder.healthy, ladder.degraded, ladder.draining, ladder.takeover, ladder.last_resort];
        rungs.iter().flatten().all(|attributes| attributes.next_hop != NextHop::Own)
    }
}

impl Neighbor {
    /// Whether it is told of `prefix` in any state.
    pub(in super::super) fn is_told_of(&self, prefix: &AnnouncedPrefix) -> bool {
        self.families.contains(&prefix.prefix.0.family())
            && self.prefixes.as_ref().is_none_or(|wanted| wanted.contains(&prefix.prefix))
    }
}

pub(super) const fn word(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}
