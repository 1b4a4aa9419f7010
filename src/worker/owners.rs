//! Which worker has which relayed address, so that a packet from one client of this relay to another need not leave the
//! process to find out.
//!
//! One number per port of each relayed address. Only the worker whose socket is bound to the port writes it; everybody
//! reads it, without a lock. Its upper half counts changes: of the socket, and of everything that may pass there. Whoever
//! has learnt something about a port knows that it still holds as long as the number is the same.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::route::{RelayId, place};

/// One number for each port there can be.
const PORTS: usize = 1 << 16;
/// Bits of a relay's place; above them stands its worker, counted from 1.
const PLACE_BITS: u32 = 25;
const PLACE: u64 = (1 << PLACE_BITS) - 1;
/// Who, without how often it has changed.
const HOLDER: u64 = u32::MAX as u64;
/// One change more.
const CHANGE: u64 = 1 << 32;

/// All relayed addresses of the process.
#[derive(Debug, Default)]
pub(super) struct Owners(DashMap<IpAddr, Arc<Ports>, foldhash::quality::RandomState>);

impl Owners {
    /// The ports of the address that sockets are bound to; made when they are first asked for.
    pub(super) fn ports(&self, bind: IpAddr) -> Arc<Ports> {
        Arc::clone(&self.0.entry(bind).or_default())
    }

    /// `worker` has no sockets any more.
    pub(super) fn forget(&self, worker: u8) {
        for ports in &self.0 {
            ports.forget(worker);
        }
    }
}

/// The ports of one address: half a megabyte, whatever they carry.
#[derive(Debug)]
pub(super) struct Ports(Box<[AtomicU64]>);

impl Default for Ports {
    fn default() -> Self {
        // Not zero, so that the memory is there from the start and no allocation seems to cost some of it.
        Self((0..PORTS).map(|_| AtomicU64::new(CHANGE)).collect())
    }
}

impl Ports {
    /// What is known of `port`.
    pub(super) fn look(&self, port: u16) -> Stamp {
        Stamp(self.0.get(usize::from(port)).map_or(0, |at| at.load(Ordering::Acquire)))
    }

    /// `worker` has bound a socket there.
    fn enter(&self, port: u16, worker: u8, relay: RelayId) {
        let place = u64::try_from(place(relay.0)).unwrap_or(u64::MAX);
        // A place that does not fit is not entered: its packets go through the sockets.
        let holder = if place <= PLACE { (u64::from(worker) + 1) << PLACE_BITS | place } else { 0 };
        self.set(port, |_| holder);
    }

    /// Something has changed for the socket there.
    fn touch(&self, port: u16) {
        self.set(port, |holder| holder);
    }

    fn set(&self, port: u16, holder: impl Fn(u64) -> u64) {
        let Some(at) = self.0.get(usize::from(port)) else { return };
        // One writer at a time: whoever has the port.
        let old = at.load(Ordering::Relaxed);
        let changes = (old & !HOLDER).wrapping_add(CHANGE);
        at.store(changes | holder(old & HOLDER), Ordering::Release);
    }

    fn forget(&self, worker: u8) {
        for at in &self.0 {
            let old = at.load(Ordering::Acquire);
            if Stamp(old).worker() == Some(worker) {
                let changed = (old & !HOLDER).wrapping_add(CHANGE);
                // It fails where another worker has got the port meanwhile.
                let _ = at.compare_exchange(old, changed, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }
}

/// What was known of a port at some time. An equal one says that nothing has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// Who has a socket there.
    pub(super) fn worker(self) -> Option<u8> {
        u8::try_from((self.0 & HOLDER) >> PLACE_BITS).ok()?.checked_sub(1)
    }

    /// The place of its relay among those of that worker.
    pub(super) const fn place(self) -> usize {
        (self.0 & PLACE) as usize
    }
}

/// What one worker keeps at hand: the addresses it has met. Those that a reload takes away stay, since calls go on there.
#[derive(Debug)]
pub(super) struct Homes {
    worker: u8,
    addresses: Vec<(IpAddr, Arc<Ports>)>,
}

impl Homes {
    pub(super) const fn new(worker: u8) -> Self {
        Self { worker, addresses: Vec::new() }
    }

    /// Sockets are bound to `bind` from now on. A wildcard is the address of nothing in particular.
    pub(super) fn add(&mut self, owners: &Owners, bind: IpAddr) {
        if !bind.is_unspecified() && self.find(bind).is_none() {
            self.addresses.push((bind, owners.ports(bind)));
        }
    }

    /// What is known of a socket's address; none if there can be no relay.
    pub(super) fn look(&self, at: SocketAddr) -> Option<Stamp> {
        self.find(at.ip()).map(|ports| ports.look(at.port()))
    }

    /// We have bound a socket there.
    pub(super) fn enter(&self, at: SocketAddr, relay: RelayId) {
        if let Some(ports) = self.find(at.ip()) {
            ports.enter(at.port(), self.worker, relay);
        }
    }

    /// Something that may pass our socket there has changed.
    pub(super) fn touch(&self, at: SocketAddr) {
        if let Some(ports) = self.find(at.ip()) {
            ports.touch(at.port());
        }
    }

    /// We are about to close our socket there.
    pub(super) fn leave(&self, at: SocketAddr) {
        if let Some(ports) =
            self.find(at.ip()).filter(|ports| ports.look(at.port()).worker() == Some(self.worker))
        {
            ports.set(at.port(), |_| 0);
        }
    }

    fn find(&self, ip: IpAddr) -> Option<&Ports> {
        self.addresses.iter().find(|(bind, _)| *bind == ip).map(|(_, ports)| ports.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn homes(owners: &Owners, worker: u8) -> Homes {
        let mut homes = Homes::new(worker);
        homes.add(owners, IP);
        homes
    }

    #[test]
    fn everybody_sees_who_has_a_port() {
        let owners = Owners::default();
        let (one, two) = (homes(&owners, 0), homes(&owners, 63));
        let at = |port| SocketAddr::new(IP, port);
        assert_eq!(two.look(at(7)).unwrap().worker(), None);
        one.enter(at(7), RelayId(5 << 32 | 3));
        two.enter(at(65_535), RelayId(PLACE));
        let seen = two.look(at(7)).unwrap();
        assert_eq!((seen.worker(), seen.place()), (Some(0), 3));
        let seen = one.look(at(65_535)).unwrap();
        assert_eq!((seen.worker(), seen.place()), (Some(63), usize::try_from(PLACE).unwrap()));
        // Nobody leaves for another.
        two.leave(at(7));
        assert_eq!(two.look(at(7)).unwrap().worker(), Some(0));
        one.leave(at(7));
        assert_eq!(two.look(at(7)).unwrap().worker(), None);
        assert_eq!(one.look("127.0.0.2:7".parse().unwrap()), None);
    }

    #[test]
    fn every_change_makes_another_stamp() {
        let owners = Owners::default();
        let home = homes(&owners, 2);
        let at = SocketAddr::new(IP, 7);
        let mut seen = vec![home.look(at).unwrap()];
        let mut changed = |home: &Homes| {
            let stamp = home.look(at).unwrap();
            assert!(!seen.contains(&stamp));
            seen.push(stamp);
        };
        for _ in 0..2 {
            home.enter(at, RelayId(1));
            changed(&home);
            home.touch(at);
            changed(&home);
            home.leave(at);
            changed(&home);
        }
        home.enter(at, RelayId(1));
        changed(&home);
        owners.forget(1);
        assert_eq!(home.look(at).unwrap().worker(), Some(2));
        owners.forget(2);
        changed(&home);
        assert_eq!(home.look(at).unwrap().worker(), None);
    }

    #[test]
    fn a_place_that_does_not_fit_is_not_entered() {
        let owners = Owners::default();
        let home = homes(&owners, 2);
        let at = SocketAddr::new(IP, 7);
        home.enter(at, RelayId(PLACE + 1));
        assert_eq!(home.look(at).unwrap().worker(), None);
    }

    #[test]
    fn a_wildcard_is_no_home() {
        let mut home = Homes::new(0);
        home.add(&Owners::default(), Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(home.look(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 7)), None);
    }
}
