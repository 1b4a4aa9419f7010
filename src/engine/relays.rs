//! Relayed transport addresses: who holds which, and the port kept for a second allocation (EVEN-PORT, RFC 8656
//! section 7.2).

use std::net::SocketAddr;
use std::time::Duration;

use super::ports::RelayPort;
use super::timer::TimerId;
use super::timers::Wake;
use super::{Action, Engine, OwnerId, RelayKind};
use crate::route::RelayId;
use crate::time::Now;
use crate::wire::stun::AddressFamily;

/// RFC 8656 section 7.2: "at least 30 seconds".
pub(super) const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// One socket that the worker holds for us.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) port: RelayPort,
    pub(super) holder: Holder,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Allocation(u64),
    Reservation([u8; 8]),
}

/// A port kept for whoever shows the token.
#[derive(Debug)]
pub(super) struct Reservation {
    relay: RelayId,
    owner: OwnerId,
    timer: TimerId,
}

impl Relay {
    /// What clients and peers see.
    pub(super) fn external(&self) -> SocketAddr {
        self.port.external()
    }
}

impl Engine {
    pub(super) fn open_relay(&mut self, port: RelayPort, kind: RelayKind, holder: Holder) -> RelayId {
        let owner = match holder {
            Holder::Allocation(key) => self.allocations.get(key).map(|allocation| allocation.owner()),
            Holder::Reservation(_) => None,
        };
        let bind = port.bind();
        let relay = RelayId(self.relays.insert(Relay { port, holder }));
        self.push(Action::OpenRelay { relay, kind, bind, owner: owner.unwrap_or(OwnerId(0)) });
        relay
    }

    /// Closes the socket and gives its port back.
    pub(super) fn close_relay(&mut self, relay: RelayId) {
        self.relays.remove(relay.0);
        self.push(Action::CloseRelay { relay });
    }

    /// Keeps an open socket for half a minute; the answer is the token that gets it. The first byte leads the message
    /// that shows it to this worker.
    pub(super) fn keep_reserved(&mut self, now: Now, relay: RelayId, owner: OwnerId) -> Option<[u8; 8]> {
        let mut token: [u8; 8] = self.random.bytes();
        if let Some(first) = token.first_mut() {
            *first = self.worker;
        }
        self.relays.get_mut(relay.0)?.holder = Holder::Reservation(token);
        let timer = self.timers.insert(now.time + RESERVATION_LIFETIME, Wake::Reservation(token));
        self.reservations.insert(token, Reservation { relay, owner, timer });
        Some(token)
    }

    /// Hands a kept socket to allocation `key`, if the token is good and the user the same.
    pub(super) fn claim(&mut self, token: [u8; 8], key: u64) -> Option<RelayId> {
        let owner = self.allocations.get(key)?.owner();
        if self.reservations.get(&token)?.owner != owner {
            return None;
        }
        let reservation = self.reservations.remove(&token)?;
        self.timers.cancel(reservation.timer);
        self.relays.get_mut(reservation.relay.0)?.holder = Holder::Allocation(key);
        Some(reservation.relay)
    }

    /// The family of the port that a token keeps: the second allocation has it, whatever its client's own is.
    pub(super) fn reserved_family(&self, token: [u8; 8]) -> Option<AddressFamily> {
        let relay = self.reservations.get(&token)?.relay;
        self.relays.get(relay.0).map(|relay| AddressFamily::of(relay.external().ip()))
    }

    pub(super) fn expire_reservation(&mut self, token: [u8; 8]) {
        if let Some(reservation) = self.reservations.remove(&token) {
            self.close_relay(reservation.relay);
        }
    }
}
