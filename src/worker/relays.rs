//! The worker's relay sockets, by the engine's names for them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::tap::Tap;
use crate::engine::OwnerId;
use crate::engine::limits::{Bucket, Rate, UserBandwidth};
use crate::metrics::Loss;
use crate::net::tcp::TcpListener;
use crate::net::udp::UdpSocket;
use crate::route::{RelayId, grow, place};
use crate::time::Time;

/// Which way media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToPeer,
    ToClient,
}

/// What one allocation may carry; its two relays share it.
#[derive(Debug, Default)]
pub(super) struct SessionBandwidth {
    to_peer: Cell<Bucket>,
    to_client: Cell<Bucket>,
}

impl SessionBandwidth {
    fn take(&self, way: Way, rate: Rate, now: Time, bytes: usize) -> bool {
        let cell = match way {
            Way::ToPeer => &self.to_peer,
            Way::ToClient => &self.to_client,
        };
        let mut bucket = cell.get();
        let taken = bucket.take(rate, now, bytes);
        cell.set(bucket);
        taken
    }
}

/// What a relayed address is made of.
#[derive(Debug)]
pub(super) enum RelaySocket {
    Udp(UdpSocket),
    Tcp(Box<TcpListener>),
}

/// What a relay's packets are held to, where anything is limited.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Where allocations have a rate.
    pub(super) session: Option<Rc<SessionBandwidth>>,
    /// Where users have one.
    pub(super) user: Option<Arc<UserBandwidth>>,
}

/// What has passed a relay either way, for operators who look at one call.
#[derive(Debug, Default)]
pub(super) struct Passed {
    packets: [Cell<u64>; 2],
    bytes: [Cell<u64>; 2],
}

impl Passed {
    pub(super) fn add(&self, way: Way, bytes: usize) {
        self.add_many(way, 1, bytes as u64);
    }

    pub(super) fn add_many(&self, way: Way, packets: u64, bytes: u64) {
        let at = way as usize;
        if let (Some(count), Some(sum)) = (self.packets.get(at), self.bytes.get(at)) {
            count.set(count.get().wrapping_add(packets));
            sum.set(sum.get().wrapping_add(bytes));
        }
    }

    /// Packets and bytes.
    pub(super) fn figures(&self, way: Way) -> (u64, u64) {
        let read = |cells: &[Cell<u64>; 2]| cells.get(way as usize).map_or(0, Cell::get);
        (read(&self.packets), read(&self.bytes))
    }
}

/// Packets of one relay that went nowhere, by reason. As long as there are reasons, and in memory only once there was one.
#[derive(Debug, Default)]
pub(super) struct Drops(Vec<(Loss, u64)>);

impl Drops {
    fn add(&mut self, loss: Loss, packets: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == loss) {
            Some((_, sum)) => *sum = sum.wrapping_add(packets),
            None => self.0.push((loss, packets)),
        }
    }
}

/// One relayed address.
#[derive(Debug)]
pub(super) struct Relay {
    id: RelayId,
    pub(super) socket: RelaySocket,
    /// What its media is like; from the first RTP packet on.
    pub(super) tap: Option<Box<Tap>>,
    pub(super) owner: OwnerId,
    rates: Option<Box<Rates>>,
    pub(super) passed: Passed,
    drops: Option<Box<Drops>>,
    /// What the kernel said it has dropped, at the last look.
    pub(super) overflow: u32,
    /// Microseconds that the client took to answer its last challenge; zero if nobody knows.
    pub(super) challenge: u32,
}

impl Relay {
    pub(super) fn new(id: RelayId, socket: RelaySocket, owner: OwnerId) -> Self {
        Self {
            id,
            socket,
            tap: None,
            owner,
            rates: None,
            passed: Passed::default(),
            drops: None,
            overflow: 0,
            challenge: 0,
        }
    }

    /// Counts packets that went nowhere.
    #[cold]
    pub(super) fn lose(&mut self, loss: Loss, packets: u64) {
        self.drops.get_or_insert_default().add(loss, packets);
    }

    /// What was lost of it.
    pub(super) fn drops(&self) -> &[(Loss, u64)] {
        self.drops.as_ref().map_or(&[], |drops| &drops.0)
    }

    /// Its rates, to be set.
    pub(super) fn rates(&mut self) -> &mut Rates {
        self.rates.get_or_insert_default()
    }

    /// The bucket that it has or shares for its allocation.
    pub(super) fn session(&self) -> Option<&Rc<SessionBandwidth>> {
        self.rates.as_ref()?.session.as_ref()
    }

    fn user(&self) -> Option<&UserBandwidth> {
        self.rates.as_ref()?.user.as_deref()
    }

    /// Where its socket is bound.
    pub(super) fn local_addr(&self) -> SocketAddr {
        match &self.socket {
            RelaySocket::Udp(socket) => socket.local_addr(),
            RelaySocket::Tcp(listener) => listener.local_addr(),
        }
    }

    /// Its socket, if it is a UDP relay.
    pub(super) const fn udp(&self) -> Option<&UdpSocket> {
        match &self.socket {
            RelaySocket::Udp(socket) => Some(socket),
            RelaySocket::Tcp(_) => None,
        }
    }

    /// Whether `bytes` may pass under the rate of the allocation. No rate, or no bucket yet, lets everything pass.
    pub(super) fn session_admits(&self, rate: Option<Rate>, way: Way, now: Time, bytes: usize) -> bool {
        let Some(rate) = rate else { return true };
        self.session().is_none_or(|session| session.take(way, rate, now, bytes))
    }

    /// Whether `bytes` may pass under the rate of the user.
    pub(super) fn owner_admits(&self, rate: Option<Rate>, way: Way, now: Time, bytes: usize) -> bool {
        let Some(rate) = rate else { return true };
        self.user().is_none_or(|user| match way {
            Way::ToPeer => user.to_peers.take(rate, now, bytes),
            Way::ToClient => user.to_clients.take(rate, now, bytes),
        })
    }
}

/// All relays. The engine's names are dense in their lower half, so a relay is found without a hash.
#[derive(Debug, Default)]
pub(super) struct Relays(Vec<Option<Relay>>);

impl Relays {
    pub(super) fn insert(&mut self, relay: Relay) {
        let at = place(relay.id.0);
        grow(&mut self.0, at);
        if let Some(slot) = self.0.get_mut(at) {
            *slot = Some(relay);
        }
    }

    pub(super) fn get(&self, id: RelayId) -> Option<&Relay> {
        self.0.get(place(id.0))?.as_ref().filter(|relay| relay.id == id)
    }

    pub(super) fn get_mut(&mut self, id: RelayId) -> Option<&mut Relay> {
        self.0.get_mut(place(id.0))?.as_mut().filter(|relay| relay.id == id)
    }

    pub(super) fn remove(&mut self, id: RelayId) -> Option<Relay> {
        self.get(id)?;
        self.0.get_mut(place(id.0))?.take()
    }

    /// The relay at a place of the list, for the poller's tokens.
    pub(super) fn at(&self, place: usize) -> Option<RelayId> {
        self.0.get(place)?.as_ref().map(|relay| relay.id)
    }

    /// Every relay from a place on, with its place.
    pub(super) fn from(&self, place: usize) -> impl Iterator<Item = (usize, RelayId)> {
        let relays = self.0.iter().enumerate().skip(place);
        relays.filter_map(|(place, relay)| Some((place, relay.as_ref()?.id)))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RelayId> {
        self.0.iter().flatten().map(|relay| relay.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_stays_small() {
        assert!(size_of::<Option<Relay>>() <= 120, "{}", size_of::<Option<Relay>>());
    }
}
