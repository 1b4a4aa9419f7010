//! How much more the relay can carry, and what runs out first.
//!
//! Ports are counted. Of the rest the operator may have said how much there is; where not, it follows from how busy the
//! busiest worker is with what it has, once that is enough to tell.

use super::sample::{float, rounded};
use super::settings::CapacityLimits;
use crate::control::admin::{Basis, Capacity, Rates, Resource, Room};
use crate::engine;

/// Below this share of its time a worker is too idle to tell what it could do.
const LEAST_BUSY: f64 = 0.1;
/// At this share of its time a worker is full: what is beyond is for bursts.
const FULL: f64 = 0.9;

/// What there is with so many sessions, at these rates of the last minute.
pub(super) fn capacity(
    limits: &CapacityLimits,
    room: engine::Room,
    rates: &Rates,
    sessions: u64,
) -> Capacity {
    let busy = rates.worker_busy.iter().copied().fold(0.0, f64::max);
    let quota = room.allocations.map(u64::from);
    let configured = limits.sessions.into_iter().chain(quota).min();
    let ports = (room.ports > 0).then_some(room.ports);
    let count = |number: usize| float(u64::try_from(number).unwrap_or(u64::MAX));
    let mut capacity = Capacity {
        sessions: self::room(float(sessions), configured, busy),
        bits_per_second: self::room(rates.bits_per_second, limits.bits_per_second, busy),
        packets_per_second: self::room(rates.packets_per_second, limits.packets_per_second, busy),
        ports: known(count(room.ports.saturating_sub(room.free_ports)), ports.map(count), Basis::Configured),
        worker_busy: rounded(busy),
        binds: None,
    };
    let free = |resource: Resource| Some((resource, capacity.room(resource).free_share?));
    let least =
        Resource::ALL.into_iter().filter_map(free).min_by(|(_, one), (_, other)| one.total_cmp(other));
    capacity.binds = least.map(|(resource, _)| resource);
    capacity
}

fn room(used: f64, configured: Option<u64>, busy: f64) -> Room {
    if let Some(limit) = configured {
        return known(used, Some(float(limit)), Basis::Configured);
    }
    let measured = (busy >= LEAST_BUSY && used > 0.0).then(|| (used * FULL / busy).round());
    known(used, measured, Basis::Measured)
}

fn known(used: f64, limit: Option<f64>, basis: Basis) -> Room {
    let free =
        limit.map(|limit| if limit > 0.0 { rounded((1.0 - used / limit).clamp(0.0, 1.0)) } else { 0.0 });
    let basis = if limit.is_some() { basis } else { Basis::Unknown };
    Room { used: rounded(used), limit, free_share: free, basis }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(busy: f64) -> Rates {
        Rates {
            packets_per_second: 1_000.0,
            bits_per_second: 800_000.0,
            worker_busy: vec![0.01, busy],
            ..Rates::default()
        }
    }

    const PORTS: engine::Room = engine::Room { ports: 100, free_ports: 80, allocations: None, held: 20 };

    #[test]
    fn an_idle_relay_knows_its_ports_and_nothing_else() {
        let found = capacity(&CapacityLimits::default(), PORTS, &rates(0.05), 20);
        assert_eq!(
            found.ports,
            Room { used: 20.0, limit: Some(100.0), free_share: Some(0.8), basis: Basis::Configured }
        );
        let unknown = Room { used: 20.0, limit: None, free_share: None, basis: Basis::Unknown };
        assert_eq!((found.sessions, found.binds), (unknown, Some(Resource::Ports)));
    }

    #[test]
    fn the_busiest_worker_tells_what_the_rest_would_be() {
        let found = capacity(&CapacityLimits::default(), PORTS, &rates(0.45), 20);
        let expected =
            Room { used: 1_000.0, limit: Some(2_000.0), free_share: Some(0.5), basis: Basis::Measured };
        assert_eq!(found.packets_per_second, expected);
        assert_eq!((found.sessions.limit, found.binds), (Some(40.0), Some(Resource::Sessions)));
        let full = capacity(&CapacityLimits::default(), PORTS, &rates(1.0), 20);
        assert_eq!(full.packets_per_second.free_share, Some(0.0));
    }

    #[test]
    fn what_the_operator_says_holds_and_the_quota_too_if_it_is_less() {
        let limits = CapacityLimits {
            sessions: Some(100),
            bits_per_second: Some(1_000_000),
            ..CapacityLimits::default()
        };
        let quota = engine::Room { allocations: Some(25), ..PORTS };
        let found = capacity(&limits, quota, &rates(0.05), 20);
        assert_eq!((found.sessions.limit, found.sessions.free_share), (Some(25.0), Some(0.2)));
        assert_eq!(
            (found.bits_per_second.free_share, found.bits_per_second.basis),
            (Some(0.2), Basis::Configured)
        );
        assert_eq!(found.packets_per_second.basis, Basis::Unknown);
        assert_eq!(capacity(&limits, PORTS, &rates(0.05), 120).sessions.free_share, Some(0.0));
    }

    #[test]
    fn a_relay_without_a_relayed_address_has_no_room_to_speak_of() {
        let none = engine::Room::default();
        assert_eq!(capacity(&CapacityLimits::default(), none, &rates(0.0), 0).binds, None);
    }
}
