//! From the configuration to what the announcer and its drivers are told.

use super::{AnnouncedPrefix, Config, Neighbor};
use crate::announce::bgp::{self, Export, NeighborSettings};
use crate::announce::policy::Ladder;
use crate::announce::settings::RpkiSettings;
use crate::wire::bgp::{Asn, RouterId};

impl Config {
    /// What `neighbor` is told of `prefix` in each state: what is written for the neighbour, over what is written for the
    /// prefix, over what is written for all.
    pub(super) fn ladder(&self, neighbor: &Neighbor, prefix: &AnnouncedPrefix) -> Ladder {
        let of_prefix = prefix.rungs.with_next_hop(prefix.next_hop.clone());
        let of_neighbor = neighbor.rungs.with_next_hop(neighbor.next_hop.clone());
        of_neighbor.over(&of_prefix).over(&self.announce.rungs).ladder(prefix.prefix.0.family())
    }

    /// Our side of BGP.
    #[must_use]
    pub fn bgp_settings(&self) -> bgp::Settings {
        bgp::Settings {
            asn: self.own_asn(),
            router_id: self.bgp.router_id.map_or(RouterId(0), |id| id.0),
            neighbors: self.bgp.neighbor.iter().map(|neighbor| self.neighbor_settings(neighbor)).collect(),
            shutdown_text: self.bgp.shutdown_text.as_str().into(),
        }
    }

    fn own_asn(&self) -> Asn {
        self.bgp.asn.map_or(Asn(0), |asn| asn.0)
    }

    fn neighbor_settings(&self, neighbor: &Neighbor) -> NeighborSettings {
        let told = self.announce.prefix.iter().filter(|prefix| neighbor.is_told_of(prefix));
        let exports =
            told.map(|prefix| Export { prefix: prefix.prefix.0, ladder: self.ladder(neighbor, prefix) });
        NeighborSettings {
            port: neighbor.port,
            passive: neighbor.passive,
            hold: neighbor.hold_time.0,
            connect_retry: neighbor.connect_retry.0,
            send_hold: neighbor.send_hold.0,
            families: neighbor.families.iter().copied().collect(),
            max_prefixes: Some(neighbor.max_prefixes),
            max_prefixes_restart: neighbor.max_prefixes_restart.map(|period| period.0),
            role: neighbor.role,
            role_strict: neighbor.role_strict,
            graceful_restart: neighbor
                .graceful_restart
                .map(|time| u16::try_from(time.0.as_secs()).unwrap_or(u16::MAX)),
            exports: exports.collect(),
            bfd: neighbor.bfd.is_some(),
            shutdown: neighbor.shutdown,
            sockets: 0,
            ..NeighborSettings::new(&neighbor.name, neighbor.address, neighbor.asn.0)
        }
    }

    /// Whom to ask about the origin of our prefixes, if anybody.
    #[must_use]
    pub fn rpki_settings(&self) -> Option<RpkiSettings> {
        (!self.rpki.caches.is_empty()).then(|| RpkiSettings {
            caches: self.rpki.caches.clone(),
            origin: self.rpki.origin.map_or_else(|| self.own_asn(), |origin| origin.0),
            on_invalid: self.rpki.on_invalid,
            on_unknown: self.rpki.on_unknown,
        })
    }
}
