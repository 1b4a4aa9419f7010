//! A look at one allocation, for operators; and its end at their word.

use super::relays::{Holder, Relay};
use super::{Action, Engine, OwnerId, ReleaseCause};
use crate::route::{Client, RelayId};
use crate::time::{Time, UnixTime};

/// What an allocation is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocationView {
    /// Whose it is.
    pub client: Client,
    /// Who pays.
    pub owner: OwnerId,
    /// When it came into being.
    pub began: UnixTime,
    /// When it ends, unless it is refreshed.
    pub expires: Time,
    /// Its relay; the IPv4 one if it has both.
    pub first: RelayId,
    /// The other one.
    pub second: Option<RelayId>,
    /// Addresses that may send.
    pub permissions: usize,
    /// Channels that are bound, not counting those that cool down.
    pub channels: usize,
    /// Relays TCP (RFC 6062).
    pub is_tcp: bool,
    /// A test call of the relay itself.
    pub is_probe: bool,
}

impl Engine {
    /// The allocation that has `relay`; none while it waits for its sockets, nor for a relay that is only reserved.
    #[must_use]
    pub fn allocation(&self, relay: RelayId) -> Option<AllocationView> {
        let allocation = self.allocations.get(self.holder(relay)?).filter(|held| !held.opening)?;
        let mut relays = allocation.relays.iter().flatten().copied();
        Some(AllocationView {
            client: allocation.client,
            owner: allocation.owner(),
            began: UnixTime(allocation.began.into()),
            expires: allocation.expires,
            first: relays.next()?,
            second: relays.next(),
            permissions: allocation.permissions.len(),
            channels: allocation.channels.iter().filter(|channel| !channel.cooling).count(),
            is_tcp: allocation.tcp,
            is_probe: allocation.session.is_probe(),
        })
    }

    /// Ends the allocation that has `relay`, and its client's connection; false if there is none. Ask [`Self::poll`] for
    /// what follows.
    pub fn end_allocation(&mut self, relay: RelayId) -> bool {
        let Some(key) = self.holder(relay) else { return false };
        let Some(client) = self.allocations.get(key).filter(|held| !held.opening).map(|held| held.client)
        else {
            return false;
        };
        self.release(key, ReleaseCause::Operator);
        if let Some(link) = client.link {
            self.push(Action::CloseClient { link });
        }
        true
    }

    fn holder(&self, relay: RelayId) -> Option<u64> {
        match self.relays.get(relay.0)? {
            Relay { holder: Holder::Allocation(key), .. } => Some(*key),
            Relay { holder: Holder::Reservation(_), .. } => None,
        }
    }
}
