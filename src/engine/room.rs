//! What is left of relayed ports and allocations, over all workers: for health, which asks now and then on a thread of its
//! own.

use super::ports::PortPool;
use super::{Random, RelaySettings, Settings, Shared};
use crate::wire::stun::AddressFamily;

/// How much of what runs out there is, and how much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Relayed addresses and ports of the family that has the smaller share left.
    pub ports: usize,
    /// Those that nobody has.
    pub free_ports: usize,
    /// Allocations there may be; none is no limit.
    pub allocations: Option<u32>,
    /// Those that there are.
    pub held: u32,
}

/// Relayed addresses and ports of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyPorts {
    /// Which.
    pub family: AddressFamily,
    /// All that there are.
    pub all: usize,
    /// Those that nobody has.
    pub free: usize,
}

impl Shared {
    /// The ports of each family under `settings`. Counts bits, as [`Self::room`] does.
    #[must_use]
    pub fn family_ports(&self, settings: &Settings) -> [FamilyPorts; 2] {
        let RelaySettings { addresses, ports, .. } = &settings.relay;
        let pool = PortPool::new(self.ports.clone(), addresses, ports.clone(), Random::new([0; 32]));
        [AddressFamily::V4, AddressFamily::V6].map(|family| FamilyPorts {
            family,
            all: pool.capacity(family),
            free: pool.free(family),
        })
    }

    /// What is left under `settings`. Counts bits: for reports, not for every packet.
    #[must_use]
    pub fn room(&self, settings: &Settings) -> Room {
        let RelaySettings { addresses, ports, .. } = &settings.relay;
        let pool = PortPool::new(self.ports.clone(), addresses, ports.clone(), Random::new([0; 32]));
        let (free_ports, ports) = scarcest(&pool);
        Room { ports, free_ports, allocations: settings.limits.quotas.total, held: self.quotas.total() }
    }
}

/// Free ports and all, of the family that has the smaller share of its own left.
fn scarcest(pool: &PortPool) -> (usize, usize) {
    let count = |family| (pool.free(family), pool.capacity(family));
    let served = [AddressFamily::V4, AddressFamily::V6].map(count).into_iter().filter(|(_, all)| *all > 0);
    served.min_by_key(|(free, all)| (free << 16) / all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RelayAddress;

    #[test]
    fn the_scarcer_family_speaks_for_both() {
        let address =
            |text: &str| RelayAddress { bind: text.parse().unwrap(), external: text.parse().unwrap() };
        let addresses = [address("192.0.2.1"), address("192.0.2.2"), address("2001:db8::1")];
        let shared = Shared::new();
        let mut pool = PortPool::new(shared.ports.clone(), &addresses, 50_000..=50_009, Random::new([1; 32]));
        assert_eq!(scarcest(&pool), (20, 20));
        let held: Vec<_> = (0..12).map(|_| pool.take(AddressFamily::V4).unwrap()).collect();
        assert_eq!(scarcest(&pool), (8, 20));
        let more: Vec<_> = (0..7).map(|_| pool.take(AddressFamily::V6).unwrap()).collect();
        assert_eq!(scarcest(&pool), (3, 10));
        drop((held, more));
        pool.replace(&addresses[2..], 50_000..=50_009);
        assert_eq!(scarcest(&pool), (10, 10));
        pool.replace(&[], 50_000..=50_009);
        assert_eq!(scarcest(&pool), (0, 0));
    }
}
