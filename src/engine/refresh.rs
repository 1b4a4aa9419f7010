//! Refresh (RFC 8656 section 8), and with a ticket from another address, mobility (RFC 8016).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::allocate::seconds;
use super::auth::Authenticated;
use super::refusal::{Code, Refusal};
use super::request::Origin;
use super::{Action, Engine, Event, ReleaseCause};
use crate::route::{Client, Delta};
use crate::time::Now;
use crate::wire::stun::{AddressFamily, AttributeFault, AttributeType, Message};

/// Worker, allocation, how often renewed, and a MAC over the three: the relay keeps no list of tickets. A client sees it
/// in base64, which makes 32 characters: turnutils_uclient keeps a ticket as text, of that length at most.
const TICKET_BODY: usize = 1 + 8 + 4;
const TICKET_MAC: usize = 11;
const TICKET: usize = TICKET_BODY + TICKET_MAC;

/// A Refresh is late when no more is left than this part of what it asks for: half a minute of ten. Clients come a minute
/// before the end, or halfway.
const LATE: u32 = 20;

impl Engine {
    pub(super) fn refresh(
        &mut self,
        now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        if self.answered_before(now, origin) {
            return Ok(());
        }
        let shown = message.find(AttributeType::MOBILITY_TICKET);
        let key = match shown {
            Some(ticket) => self.check_ticket(origin.client, ticket, user)?,
            None => self.own_allocation(origin.client, user)?,
        };
        let family = self.refreshed_family(key, message)?;
        let lifetime = match message.lifetime().map_err(|_| Code::BadRequest)? {
            Some(0) => Duration::ZERO,
            _ => self.lifetime(now, message, user)?,
        };
        // Nothing can be refused from here on: a client that is told of a refusal has not moved.
        if shown.is_some() {
            self.move_to(key, origin.client);
        }
        let (mut ticket, mut late) = (None, None);
        if lifetime.is_zero() {
            self.end(key, family);
        } else {
            if let Some(allocation) = self.allocations.get_mut(key) {
                let left = allocation.expires.since(now.time);
                if left < lifetime / LATE
                    && let Some(relay) = allocation.first_relay()
                {
                    let (tuple, owner) = (allocation.client.tuple, allocation.owner());
                    late = Some(Event::RefreshedLate { relay, tuple, owner, left });
                }
                allocation.expires = now.time + lifetime;
                // A renewed access token brings a new key, with which the requests to come are signed.
                allocation.session = user.session();
            }
            self.arm(key);
            if let Some(event) = late {
                self.event(event);
            }
            ticket = shown.and_then(|_| self.renew_ticket(key));
        }
        let bytes = self.success_bytes(origin, |writer| {
            writer.u32(AttributeType::LIFETIME, seconds(lifetime));
            if let Some(ticket) = &ticket {
                writer.attribute(AttributeType::MOBILITY_TICKET, ticket);
            }
        });
        // A repeated Refresh does the same again, except where the first one ended or moved something.
        if lifetime.is_zero() || ticket.is_some() {
            self.answer_and_remember(now, origin, bytes);
        } else {
            self.answer(origin, bytes);
        }
        Ok(())
    }

    /// RFC 8656 section 8.2: a family may be named, and must be one that the allocation has.
    fn refreshed_family(&self, key: u64, message: &Message<'_>) -> Result<Option<AddressFamily>, Refusal> {
        let family = message.requested_family().map_err(|error| match error.fault {
            AttributeFault::Family => Code::PeerFamilyMismatch,
            AttributeFault::Length | AttributeFault::Value => Code::BadRequest,
        })?;
        let Some(family) = family else { return Ok(None) };
        let allocation = self.allocations.get(key).ok_or(Code::AllocationMismatch)?;
        allocation.relays.get(family).ok_or(Code::PeerFamilyMismatch)?;
        Ok(Some(family))
    }

    /// Ends one family of two, or everything.
    fn end(&mut self, key: u64, family: Option<AddressFamily>) {
        let Some(allocation) = self.allocations.get_mut(key) else { return };
        let both = allocation.relays.iter().flatten().count() > 1;
        match family {
            Some(family) if both => {
                let Some(relay) = allocation.relays.get_mut(family).take() else { return };
                allocation.permissions.retain(|permission| AddressFamily::of(permission.peer()) != family);
                allocation.channels.retain(|channel| AddressFamily::of(channel.peer.ip()) != family);
                self.push(Action::Route(Delta::RemoveRelay { relay }));
                self.close_relay(relay);
            }
            _ => self.release(key, ReleaseCause::Client),
        }
    }

    /// RFC 8016 section 3.1: an empty MOBILITY-TICKET asks for one.
    pub(super) fn wants_mobility(&self, message: &Message<'_>) -> Result<bool, Refusal> {
        match message.find(AttributeType::MOBILITY_TICKET) {
            None => Ok(false),
            Some(_) if !self.settings.mobility => Err(Code::MobilityForbidden.into()),
            Some([]) => Ok(true),
            Some(_) => Err(Code::BadRequest.into()),
        }
    }

    /// Finds the ticket's allocation, and checks that it is the user's own and may move to where the client is now.
    fn check_ticket(&self, client: Client, ticket: &[u8], user: &Authenticated) -> Result<u64, Refusal> {
        if !self.settings.mobility {
            return Err(Code::MobilityForbidden.into());
        }
        let (key, renewed) = self.open_ticket(ticket).ok_or(Code::BadRequest)?;
        let allocation = self.allocations.get(key).ok_or(Code::AllocationMismatch)?;
        let current = allocation.ticket.ok_or(Code::BadRequest)?;
        if allocation.owner() != user.owner {
            return Err(Code::WrongCredentials.into());
        }
        // The last ticket but one is still good: the answer that carried its successor may have been lost.
        if renewed != current && renewed != current.wrapping_sub(1) {
            return Err(Code::BadRequest.into());
        }
        if self.allocation_of(&client.tuple).is_some_and(|other| other != key) {
            return Err(Code::AllocationMismatch.into());
        }
        // RFC 6062 relays on a stream only, and only to the connection that asked.
        if allocation.tcp && !client.tuple.transport.is_stream() {
            return Err(Code::BadRequest.into());
        }
        Ok(key)
    }

    /// The allocation that a good ticket names.
    pub(super) fn ticket_holder(&self, ticket: &[u8]) -> Option<u64> {
        self.open_ticket(ticket).map(|(key, _)| key)
    }

    fn move_to(&mut self, key: u64, client: Client) {
        let Some(allocation) = self.allocations.get_mut(key).filter(|held| held.client != client) else {
            return;
        };
        let old = std::mem::replace(&mut allocation.client, client);
        let (relays, owner, first) = (allocation.relays, allocation.owner(), allocation.first_relay());
        let is_probe = allocation.session.is_probe();
        self.unlist(old, key);
        self.list(client, key);
        for relay in relays.iter().flatten() {
            self.push(Action::Route(Delta::MoveRelay { relay: *relay, client }));
        }
        if let Some(relay) = first {
            self.event(Event::Moved { relay, owner, from: old.tuple, to: client.tuple, is_probe });
        }
    }

    fn renew_ticket(&mut self, key: u64) -> Option<Vec<u8>> {
        let renewed = self.allocations.get_mut(key)?.ticket.as_mut()?;
        *renewed = renewed.wrapping_add(1);
        self.ticket(key)
    }

    /// The allocation's current ticket, if it may move.
    pub(super) fn ticket(&self, key: u64) -> Option<Vec<u8>> {
        let renewed = self.allocations.get(key)?.ticket?;
        let mut ticket = Vec::with_capacity(TICKET);
        ticket.push(self.worker);
        ticket.extend_from_slice(&key.to_be_bytes());
        ticket.extend_from_slice(&renewed.to_be_bytes());
        let mac = self.ticket_mac(&ticket)?.finalize().into_bytes();
        ticket.extend(mac.iter().take(TICKET_MAC));
        Some(URL_SAFE_NO_PAD.encode(ticket).into_bytes())
    }

    fn open_ticket(&self, ticket: &[u8]) -> Option<(u64, u32)> {
        let ticket = decode_ticket(ticket)?;
        let (body, mac) = ticket.split_at_checked(TICKET_BODY)?;
        self.ticket_mac(body)?.verify_truncated_left(mac).ok()?;
        let (_, numbers) = body.split_first()?;
        let (key, renewed) = numbers.split_first_chunk()?;
        Some((u64::from_be_bytes(*key), u32::from_be_bytes(renewed.try_into().ok()?)))
    }

    fn ticket_mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.ticket_key).ok()?;
        mac.update(body);
        Some(mac)
    }
}

/// The worker that a ticket names, which nothing vouches for.
pub(super) fn worker_of_ticket(ticket: &[u8]) -> Option<u8> {
    decode_ticket(ticket)?.first().copied()
}

fn decode_ticket(text: &[u8]) -> Option<[u8; TICKET]> {
    let mut ticket = [0; TICKET];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut ticket).ok()?;
    (length == TICKET).then_some(ticket)
}
