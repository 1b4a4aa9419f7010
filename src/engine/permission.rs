//! CreatePermission and ChannelBind (RFC 8656 sections 10 and 12).

use std::net::SocketAddr;

use super::allocation::BindError;
use super::auth::Authenticated;
use super::refusal::{Code, Refusal};
use super::request::Origin;
use super::{Action, Engine};
use crate::route::{Delta, RelayId};
use crate::time::Now;
use crate::wire::channel_data::ChannelNumber;
use crate::wire::stun::Message;

/// More peers than this in one CreatePermission are refused: a message of 64 kB could name thousands.
const PEERS_PER_REQUEST: usize = 64;

impl Engine {
    /// All peers or none (RFC 8656 section 10.2).
    pub(super) fn create_permission(
        &mut self,
        now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        let key = self.own_allocation(origin.client, user)?;
        let mut peers = Vec::new();
        for peer in message.xor_peer_addresses() {
            let peer = peer.map_err(|_| Code::BadRequest)?;
            if peers.len() >= PEERS_PER_REQUEST {
                return Err(Code::InsufficientCapacity.into());
            }
            peers.push(self.admit_peer(key, peer, false)?);
        }
        peers.sort_unstable_by_key(|(_, peer)| peer.ip());
        peers.dedup_by_key(|(_, peer)| peer.ip());
        if peers.is_empty() {
            return Err(Code::BadRequest.into());
        }
        self.check_permission_room(key, &peers)?;
        for (relay, peer) in peers {
            self.permit(now, key, relay, peer);
        }
        self.arm(key);
        self.succeed(origin, |_| {});
        Ok(())
    }

    /// RFC 8656 section 12.2.
    pub(super) fn channel_bind(
        &mut self,
        now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        let key = self.own_allocation(origin.client, user)?;
        // RFC 6062 section 5.1: a TCP allocation has no channels.
        if self.allocations.get(key).is_some_and(|allocation| allocation.tcp) {
            return Err(Code::BadRequest.into());
        }
        let number = message.channel_number().map_err(|_| Code::BadRequest)?.ok_or(Code::BadRequest)?;
        let channel = ChannelNumber(number);
        let peer = message.xor_peer_address().map_err(|_| Code::BadRequest)?.ok_or(Code::BadRequest)?;
        if !channel.is_allowed(self.settings.relay.legacy_channels) {
            return Err(Code::BadRequest.into());
        }
        let (relay, peer) = self.admit_peer(key, peer, true)?;
        let limit = self.settings.session.channels;
        let allocation = self.allocations.get(key).ok_or(Code::AllocationMismatch)?;
        allocation.may_bind(channel, peer.into(), limit).map_err(|error| match error {
            BindError::Taken => Code::BadRequest,
            BindError::Full => Code::InsufficientCapacity,
        })?;
        self.check_permission_room(key, &[(relay, peer)])?;
        self.permit(now, key, relay, peer);
        if let Some(allocation) = self.allocations.get_mut(key)
            && allocation.bind(channel, peer.into(), now.time)
        {
            self.push(Action::Route(Delta::AddChannel { relay, channel, peer: peer.into() }));
        }
        self.arm(key);
        self.succeed(origin, |_| {});
        Ok(())
    }

    /// Checks one peer: its family (443), the operator's policy (403). Answers with the address in the form in which
    /// it was checked, so that no other form of it can be used.
    pub(super) fn admit_peer(
        &self,
        key: u64,
        peer: SocketAddr,
        with_port: bool,
    ) -> Result<(RelayId, SocketAddr), Refusal> {
        let allocation = self.allocations.get(key).ok_or(Code::AllocationMismatch)?;
        let checked = if with_port {
            self.settings.peers.check(peer)
        } else {
            self.settings.peers.check_address(peer.ip()).map(|ip| SocketAddr::new(ip, peer.port()))
        };
        let peer = checked.map_err(|_| Refusal::of_peer(Code::Forbidden, peer))?;
        let relay = allocation.relay_for(peer.ip());
        let relay = relay.ok_or_else(|| Refusal::of_peer(Code::PeerFamilyMismatch, peer))?;
        Ok((relay, peer))
    }

    fn check_permission_room(&self, key: u64, peers: &[(RelayId, SocketAddr)]) -> Result<(), Refusal> {
        let allocation = self.allocations.get(key).ok_or(Code::AllocationMismatch)?;
        let new = peers.iter().filter(|(_, peer)| !allocation.permits(peer.ip())).count();
        if allocation.permissions.len() + new > self.settings.session.permissions {
            return Err(Code::InsufficientCapacity.into());
        }
        Ok(())
    }

    fn permit(&mut self, now: Now, key: u64, relay: RelayId, peer: SocketAddr) {
        if let Some(allocation) = self.allocations.get_mut(key)
            && allocation.permit(peer.ip(), now.time)
        {
            self.push(Action::Route(Delta::AddPermission { relay, peer: peer.ip() }));
        }
    }
}
