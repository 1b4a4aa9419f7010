//! Relayed transport addresses: which ports of which addresses are free, and which one a client gets.
//!
//! A [`PortSpace`] holds one bit per port and address, shared by all workers, so that they do not run into each
//! other's ports when few are left. A [`PortPool`] is one worker's view of it: the addresses and the range that the
//! operator gave, and the worker's generator. Every free port of every address is as likely as any other, whatever
//! has been handed out before: an outsider who has seen a thousand ports knows nothing of the next
//! (RFC 8656 section 21.3.1, RFC 6056 section 3).
//!
//! The kernel has the last word, since other programs use ports too. When it says that a port is taken, hold on to
//! the [`RelayPort`] until another has been found, so that the same one is not drawn again.
//!
//! UDP and TCP relays draw from the same bits: a port number is in use for one of them at a time.

mod space;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

pub use space::PortSpace;
use space::{PortSet, Wanted};

use super::RelayAddress;
use super::random::Random;
use crate::wire::stun::AddressFamily;

/// Blind draws before counting what is free. With a sixteenth of the ports free they fail one time in three, with
/// half of them one time in 65,536.
const DRAWS: usize = 16;
/// Counting races with other workers; each lost race means that somebody else got a port.
const COUNTS: usize = 8;

/// A relayed transport address. It is this allocation's alone until it is dropped, and may be dropped when the
/// pool has long been given other addresses.
#[derive(Debug)]
pub struct RelayPort {
    address: Arc<PoolAddress>,
    port: u16,
}

impl RelayPort {
    /// The address, as the operator configured it when the port was taken.
    #[must_use]
    pub fn address(&self) -> RelayAddress {
        self.address.relay
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where the socket is bound.
    #[must_use]
    pub fn bind(&self) -> SocketAddr {
        SocketAddr::new(self.address.relay.bind, self.port)
    }

    /// What clients and peers see (XOR-RELAYED-ADDRESS).
    #[must_use]
    pub fn external(&self) -> SocketAddr {
        SocketAddr::new(self.address.relay.external, self.port)
    }
}

impl Drop for RelayPort {
    fn drop(&mut self) {
        self.address.ports.release(self.port);
    }
}

#[derive(Debug)]
struct PoolAddress {
    relay: RelayAddress,
    ports: Arc<PortSet>,
}

/// One worker's way to relay ports.
#[derive(Debug)]
pub struct PortPool {
    space: PortSpace,
    v4: Vec<Arc<PoolAddress>>,
    v6: Vec<Arc<PoolAddress>>,
    range: RangeInclusive<u16>,
    random: Random,
}

impl PortPool {
    /// A pool over `addresses`, each with the ports of `range`. Port 0 is never handed out.
    #[must_use]
    pub fn new(
        space: PortSpace,
        addresses: &[RelayAddress],
        range: RangeInclusive<u16>,
        random: Random,
    ) -> Self {
        let mut pool = Self { space, v4: Vec::new(), v6: Vec::new(), range, random };
        pool.set_addresses(addresses);
        pool
    }

    /// Draws from these from now on. Ports in use stay in use, and are free again when they are dropped, whether
    /// or not the new set has them.
    pub fn replace(&mut self, addresses: &[RelayAddress], range: RangeInclusive<u16>) {
        self.range = range;
        self.set_addresses(addresses);
    }

    /// Any port of any address of `family`; none if all are in use.
    pub fn take(&mut self, family: AddressFamily) -> Option<RelayPort> {
        let (address, port) = self.claim(family, Wanted::Any)?;
        Some(RelayPort { address, port })
    }

    /// An even port (EVEN-PORT with R = 0, RFC 8656 section 7.2).
    pub fn take_even(&mut self, family: AddressFamily) -> Option<RelayPort> {
        let (address, port) = self.claim(family, Wanted::Even)?;
        Some(RelayPort { address, port })
    }

    /// An even port, and the one above it on the same address (EVEN-PORT with R = 1). The second is the caller's
    /// to keep under a RESERVATION-TOKEN.
    pub fn take_pair(&mut self, family: AddressFamily) -> Option<(RelayPort, RelayPort)> {
        let (address, port) = self.claim(family, Wanted::Pair)?;
        let next = RelayPort { address: Arc::clone(&address), port: port | 1 };
        Some((RelayPort { address, port }, next))
    }

    /// Ports of `family` that no worker uses. Counts bits: for reports, not for every packet.
    #[must_use]
    pub fn free(&self, family: AddressFamily) -> usize {
        self.of(family).iter().map(|address| address.ports.count(&self.range, Wanted::Any)).sum()
    }

    /// Ports of `family`, used and free.
    #[must_use]
    pub fn capacity(&self, family: AddressFamily) -> usize {
        let lowest = (*self.range.start()).max(1);
        let ports = self.range.end().checked_sub(lowest).map_or(0, |more| usize::from(more) + 1);
        self.of(family).len() * ports
    }

    /// Whether there is any address of `family`.
    #[must_use]
    pub fn serves(&self, family: AddressFamily) -> bool {
        !self.of(family).is_empty()
    }

    fn of(&self, family: AddressFamily) -> &[Arc<PoolAddress>] {
        match family {
            AddressFamily::V4 => &self.v4,
            AddressFamily::V6 => &self.v6,
        }
    }

    fn set_addresses(&mut self, addresses: &[RelayAddress]) {
        self.v4.clear();
        self.v6.clear();
        for relay in addresses {
            let address = Arc::new(PoolAddress { relay: *relay, ports: self.space.ports_of(relay.bind) });
            match AddressFamily::of(relay.external) {
                AddressFamily::V4 => self.v4.push(address),
                AddressFamily::V6 => self.v6.push(address),
            }
        }
    }

    fn claim(&mut self, family: AddressFamily, wanted: Wanted) -> Option<(Arc<PoolAddress>, u16)> {
        self.draw(family, wanted).or_else(|| self.count_and_claim(family, wanted))
    }

    /// Draws ports until one is free: all free ones are equally likely, and while there are many it costs nothing.
    fn draw(&mut self, family: AddressFamily, wanted: Wanted) -> Option<(Arc<PoolAddress>, u16)> {
        let ports = u32::from(self.range.end().checked_sub(*self.range.start())?) + 1;
        let addresses = u32::try_from(self.of(family).len()).ok()?;
        for _ in 0..DRAWS {
            let address = self.random.below(addresses) as usize;
            let offset = u16::try_from(self.random.below(ports)).ok()?;
            let port = self.range.start().checked_add(offset)?;
            let address = self.of(family).get(address)?;
            if address.ports.claim(port, &self.range, wanted) {
                return Some((Arc::clone(address), port));
            }
        }
        None
    }

    /// Counts the free ports and takes the one of a random rank: as fair as drawing, and finds the last one.
    fn count_and_claim(&mut self, family: AddressFamily, wanted: Wanted) -> Option<(Arc<PoolAddress>, u16)> {
        for _ in 0..COUNTS {
            let free: usize =
                self.of(family).iter().map(|address| address.ports.count(&self.range, wanted)).sum();
            if free == 0 {
                return None;
            }
            let rank = self.random.below(u32::try_from(free).unwrap_or(u32::MAX)) as usize;
            if let Some(found) = self.claim_rank(family, wanted, rank) {
                return Some(found);
            }
        }
        None
    }

    fn claim_rank(
        &self,
        family: AddressFamily,
        wanted: Wanted,
        mut rank: usize,
    ) -> Option<(Arc<PoolAddress>, u16)> {
        for address in self.of(family) {
            match address.ports.nth(&self.range, wanted, rank) {
                Ok(port) => {
                    let claimed = address.ports.claim(port, &self.range, wanted);
                    return claimed.then(|| (Arc::clone(address), port));
                }
                Err(passed) => rank -= passed,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
