//! What the relay holds for one client: addresses, permissions, channels, and when each ends.
//!
//! Whatever changes here and matters to packets is told to the data path as a [`Delta`].

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use smallvec::SmallVec;

use super::OwnerId;
use super::auth::Session;
use super::limits::Hold;
use super::timer::TimerId;
use crate::route::{Client, Delta, Endpoint, RelayId};
use crate::time::Time;
use crate::wire::channel_data::ChannelNumber;
use crate::wire::stun::AddressFamily;

/// RFC 8656 section 9.
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 section 12.
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// After a channel has ended, neither its number nor its peer may be bound otherwise for so long (RFC 8656 section 12.1).
pub(super) const CHANNEL_COOL_DOWN: Duration = Duration::from_secs(300);

/// One allocation. An idle one costs this, with a permission and a channel, and its seat at the five-tuple.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: Client,
    /// Who made it, and with what.
    pub(super) session: Session,
    /// Counted against the user's and the relay's quota for as long as this lives.
    pub(super) _hold: Hold,
    pub(super) expires: Time,
    /// Set to the earliest end of anything here.
    pub(super) timer: Option<TimerId>,
    /// IPv4 and IPv6. TCP allocations have one.
    pub(super) relays: PerFamily<Option<RelayId>>,
    pub(super) permissions: SmallVec<[Permission; 1]>,
    pub(super) channels: SmallVec<[Channel; 1]>,
    /// How often the ticket was renewed, if mobility was asked for (RFC 8016).
    pub(super) ticket: Option<u32>,
    /// In seconds since 1970.
    pub(super) began: u32,
    /// When the last nonce that answered a challenge was issued, see [`super::auth::Turnaround`].
    pub(super) answered: u32,
    /// Relays TCP instead of UDP (RFC 6062).
    pub(super) tcp: bool,
    /// Waits for its sockets; answers nothing else yet.
    pub(super) opening: bool,
}

/// Packets of this peer may pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permission {
    /// IPv4 in its mapped form.
    peer: Ipv6Addr,
    expires: Time,
}

impl Permission {
    pub(super) fn peer(&self) -> IpAddr {
        self.peer.to_canonical()
    }
}

/// A number that stands for a peer, then cools down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel {
    pub(super) peer: Endpoint,
    pub(super) expires: Time,
    pub(super) number: ChannelNumber,
    /// Past its lifetime, in the five minutes in which number and peer stay reserved for each other.
    pub(super) cooling: bool,
}

impl Channel {
    fn ends(&self) -> Time {
        if self.cooling { self.expires + CHANNEL_COOL_DOWN } else { self.expires }
    }
}

pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::V4, AddressFamily::V6];

/// One value for each family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PerFamily<T> {
    v4: T,
    v6: T,
}

impl<T> PerFamily<T> {
    pub(super) const fn both(value: T) -> Self
    where
        T: Copy,
    {
        Self { v4: value, v6: value }
    }

    pub(super) const fn get(&self, family: AddressFamily) -> &T {
        match family {
            AddressFamily::V4 => &self.v4,
            AddressFamily::V6 => &self.v6,
        }
    }

    pub(super) const fn get_mut(&mut self, family: AddressFamily) -> &mut T {
        match family {
            AddressFamily::V4 => &mut self.v4,
            AddressFamily::V6 => &mut self.v6,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.v4, &self.v6].into_iter()
    }
}

/// Why a channel cannot be bound (RFC 8656 section 12.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number stands for another peer, or the peer for another number.
    Taken,
    /// The allocation has as many as it may have.
    Full,
}

impl Allocation {
    pub(super) const fn owner(&self) -> OwnerId {
        self.session.owner()
    }

    /// Any of its relays: the allocation's name in events.
    pub(super) fn first_relay(&self) -> Option<RelayId> {
        self.relays.iter().flatten().next().copied()
    }

    /// The relay that reaches `peer`, if the allocation has its family.
    pub(super) fn relay_for(&self, peer: IpAddr) -> Option<RelayId> {
        *self.relays.get(AddressFamily::of(peer))
    }

    pub(super) fn permits(&self, peer: IpAddr) -> bool {
        let peer = mapped(peer);
        self.permissions.iter().any(|permission| permission.peer == peer)
    }

    /// Installs or refreshes a permission; true if it is new.
    pub(super) fn permit(&mut self, peer: IpAddr, now: Time) -> bool {
        let (peer, expires) = (mapped(peer), now + PERMISSION_LIFETIME);
        if let Some(permission) = self.permissions.iter_mut().find(|permission| permission.peer == peer) {
            permission.expires = expires;
            return false;
        }
        self.permissions.reserve_exact(1);
        self.permissions.push(Permission { peer, expires });
        true
    }

    /// Whether `number` may be bound to `peer` now.
    pub(super) fn may_bind(
        &self,
        number: ChannelNumber,
        peer: Endpoint,
        limit: usize,
    ) -> Result<(), BindError> {
        match self.channels.iter().find(|channel| channel.number == number || channel.peer == peer) {
            Some(channel) if channel.number == number && channel.peer == peer => Ok(()),
            Some(_) => Err(BindError::Taken),
            None if self.channels.len() >= limit => Err(BindError::Full),
            None => Ok(()),
        }
    }

    /// Binds or refreshes; true if the data path must learn of it. Only after [`Self::may_bind`].
    pub(super) fn bind(&mut self, number: ChannelNumber, peer: Endpoint, now: Time) -> bool {
        let expires = now + CHANNEL_LIFETIME;
        if let Some(channel) = self.channels.iter_mut().find(|channel| channel.number == number) {
            let was_cooling = channel.cooling;
            (channel.expires, channel.cooling) = (expires, false);
            return was_cooling;
        }
        self.channels.reserve_exact(1);
        self.channels.push(Channel { peer, expires, number, cooling: false });
        true
    }

    /// The next time anything here ends.
    pub(super) fn next_end(&self) -> Time {
        let permissions = self.permissions.iter().map(|permission| permission.expires);
        let channels = self.channels.iter().map(Channel::ends);
        permissions.chain(channels).fold(self.expires, Time::min)
    }

    /// Ends the permissions and channels that are due, reporting what the data path must forget.
    pub(super) fn expire(&mut self, now: Time, mut forget: impl FnMut(Delta)) {
        let relays = self.relays;
        let relay_of = |peer| *relays.get(AddressFamily::of(peer));
        self.channels.retain_mut(|channel| {
            if !channel.cooling && channel.expires <= now {
                channel.cooling = true;
                if let Some(relay) = relay_of(channel.peer.ip()) {
                    forget(Delta::RemoveChannel { relay, channel: channel.number });
                }
            }
            channel.ends() > now
        });
        self.permissions.retain(|permission| {
            let alive = permission.expires > now;
            let peer = permission.peer();
            if !alive && let Some(relay) = relay_of(peer) {
                forget(Delta::RemovePermission { relay, peer });
            }
            alive
        });
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_stays_small() {
        assert_eq!((size_of::<Permission>(), size_of::<Channel>()), (24, 32));
        assert!(size_of::<Allocation>() <= 272, "{}", size_of::<Allocation>());
    }
}
