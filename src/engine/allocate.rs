//! Allocate (RFC 8656 section 7, RFC 6062 section 5.1).
//!
//! The request is checked, quota is taken, ports are chosen, and the worker is asked to bind them; the answer leaves
//! when the last socket has reported. What the meantime needs stands in [`Opening`].

use std::time::Duration;

use smallvec::SmallVec;

use super::allocation::{Allocation, FAMILIES, PerFamily};
use super::auth::Authenticated;
use super::limits::QuotaError;
use super::ports::RelayPort;
use super::refusal::{Code, Refusal};
use super::relays::Holder;
use super::request::Origin;
use super::settings::{DefaultFamily, Redirect};
use super::{Action, Engine, Event, OpenError, RelayKind, ReleaseCause};
use crate::route::{Client, Delta, RelayId, place};
use crate::time::{Now, UnixTime};
use crate::wire::stun::{AddressFamily, AttributeFault, AttributeType, Message};

const UDP: u8 = 17;
const TCP: u8 = 6;

/// How many other ports are tried when somebody else holds the chosen one.
const TRIES: u8 = 16;

/// What an Allocate asks for, checked.
#[derive(Debug, Clone, Copy)]
struct Wish {
    tcp: bool,
    families: PerFamily<bool>,
    port: Port,
    lifetime: Duration,
    mobility: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    Even,
    /// And the next one is kept for a second allocation.
    EvenWithNext,
    /// The kept one.
    Reserved([u8; 8]),
}

/// An allocation that waits for its sockets.
#[derive(Debug)]
pub(super) struct Opening {
    origin: Origin,
    wish: Wish,
    sockets: PerFamily<Socket>,
    next: Socket,
    /// How long the client took to answer its challenge.
    turnaround: Option<Duration>,
    tries: u8,
    /// Ports that somebody else has, held so that they are not drawn again.
    spent: Vec<RelayPort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Socket {
    #[default]
    Unwanted,
    Asked(RelayId),
    Open(RelayId),
    Failed(Code),
}

impl Engine {
    pub(super) fn allocate(
        &mut self,
        now: Now,
        origin: &Origin,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<(), Refusal> {
        if self.answered_before(now, origin) {
            return Ok(());
        }
        if let Some(key) = self.allocation_of(&origin.client.tuple) {
            // A retransmission while the sockets open gets no 437: its answer is on the way.
            let repeated = self
                .openings
                .get(&key)
                .is_some_and(|opening| opening.origin.transaction == origin.transaction);
            return if repeated { Ok(()) } else { Err(Code::AllocationMismatch.into()) };
        }
        let wish = self.wish(now, origin.client, message, user)?;
        if let Some(elsewhere) = self.redirect(origin.client, Redirect::Always) {
            return Err(elsewhere);
        }
        self.check_load(origin.client, wish.port)?;
        let limits = &self.settings.limits;
        let mut quotas = limits.quotas;
        if user.is_probe() {
            // One per listener, transport and worker. The relay's own room is looked at all the same.
            quotas.per_user = None;
        } else if !limits.allocations.allow(now.time, origin.client.tuple.client.ip()) {
            return Err(Code::QuotaReached.into());
        }
        let hold = self.shared.quotas.reserve(user.owner, quotas).map_err(|error| {
            self.redirect(origin.client, Redirect::WhenFull).unwrap_or_else(|| quota_code(error).into())
        })?;
        let key = self.allocations.insert(Allocation {
            client: origin.client,
            session: user.session(),
            _hold: hold,
            expires: now.time + wish.lifetime,
            timer: None,
            relays: PerFamily::default(),
            permissions: SmallVec::new(),
            channels: SmallVec::new(),
            ticket: wish.mobility.then_some(0),
            began: u32::try_from(now.unix.0).unwrap_or(u32::MAX),
            answered: user.turnaround.map_or(0, |turnaround| turnaround.issued),
            tcp: wish.tcp,
            opening: true,
        });
        self.list(origin.client, key);
        let opening = Opening {
            origin: origin.clone(),
            wish,
            sockets: PerFamily::default(),
            next: Socket::Unwanted,
            turnaround: user.turnaround.map(|turnaround| turnaround.took),
            tries: TRIES,
            spent: Vec::new(),
        };
        self.openings.insert(key, opening);
        self.open_sockets(key);
        self.settle(now, key);
        Ok(())
    }

    /// No new calls while there is too much to do. A reserved port belongs to one that is there: half of it is no use.
    fn check_load(&mut self, client: Client, port: Port) -> Result<(), Refusal> {
        if !self.overloaded || matches!(port, Port::Reserved(_)) {
            return Ok(());
        }
        self.event(Event::Shed);
        let elsewhere = self.redirect(client, Redirect::WhenFull);
        Err(elsewhere.unwrap_or_else(|| Code::InsufficientCapacity.into()))
    }

    /// The checks of RFC 8656 section 7.2 and RFC 6062 section 5.1, in their order.
    fn wish(
        &self,
        now: Now,
        client: Client,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<Wish, Refusal> {
        let bad = |_| Code::BadRequest;
        let transport = message.requested_transport().map_err(bad)?.ok_or(Code::BadRequest)?;
        let tcp = match transport {
            UDP => false,
            TCP if self.settings.relay.tcp => true,
            _ => return Err(Code::UnsupportedTransport.into()),
        };
        let even = message.even_port().map_err(bad)?;
        let token = message.reservation_token().map_err(bad)?;
        let family = message.requested_family().map_err(|error| match error.fault {
            AttributeFault::Family => Code::AddressFamilyNotSupported,
            AttributeFault::Length | AttributeFault::Value => Code::BadRequest,
        })?;
        let additional = message.additional_family().map_err(bad)?;
        let dont_fragment = message.dont_fragment().map_err(bad)?;
        if tcp && (!client.tuple.transport.is_stream() || even.is_some() || token.is_some() || dont_fragment)
        {
            return Err(Code::BadRequest.into());
        }
        if token.is_some() && (even.is_some() || family.is_some() || additional.is_some()) {
            return Err(Code::BadRequest.into());
        }
        if additional.is_some() && (family.is_some() || even == Some(true)) {
            return Err(Code::BadRequest.into());
        }
        let port = match (token, even) {
            (Some(token), _) => Port::Reserved(token),
            (None, None) => Port::Any,
            (None, Some(false)) => Port::Even,
            (None, Some(true)) => Port::EvenWithNext,
        };
        let mobility = self.wants_mobility(message)?;
        Ok(Wish {
            tcp,
            families: match token.and_then(|token| self.reserved_family(token)) {
                Some(kept) => only(kept),
                None => self.families(client, family, additional)?,
            },
            port,
            lifetime: self.lifetime(now, message, user)?,
            mobility,
        })
    }

    fn families(
        &self,
        client: Client,
        requested: Option<AddressFamily>,
        additional: Option<AddressFamily>,
    ) -> Result<PerFamily<bool>, Refusal> {
        // RFC 8656 section 18.11: only IPv6 can be additional, to the IPv4 that goes without saying.
        match additional {
            Some(AddressFamily::V6) => return Ok(PerFamily::both(true)),
            Some(AddressFamily::V4) => return Err(Code::BadRequest.into()),
            None => {}
        }
        let family = requested.unwrap_or_else(|| self.default_family(client));
        if !self.ports.serves(family) {
            return Err(Code::AddressFamilyNotSupported.into());
        }
        Ok(only(family))
    }

    fn default_family(&self, client: Client) -> AddressFamily {
        let wished = match self.settings.relay.default_family {
            DefaultFamily::Client => AddressFamily::of(client.tuple.client.ip()),
            DefaultFamily::Ipv4 => AddressFamily::V4,
        };
        FAMILIES
            .into_iter()
            .filter(|family| self.ports.serves(*family))
            .fold(wished, |chosen, family| if self.ports.serves(chosen) { chosen } else { family })
    }

    /// What the client asked for, within the operator's bounds and those of an access token (RFC 7635 section 8).
    pub(super) fn lifetime(
        &self,
        now: Now,
        message: &Message<'_>,
        user: &Authenticated,
    ) -> Result<Duration, Refusal> {
        let bounds = self.settings.lifetimes;
        let asked = message.lifetime().map_err(|_| Code::BadRequest)?;
        let asked = asked.map_or(bounds.default, |seconds| Duration::from_secs(u64::from(seconds)));
        let granted = asked.clamp(bounds.default.min(bounds.max), bounds.max);
        let token =
            user.expires.map_or(Duration::MAX, |end| Duration::from_secs(end.0.saturating_sub(now.unix.0)));
        Ok(granted.min(token))
    }

    /// Asks for every socket that is wanted and not yet asked for.
    fn open_sockets(&mut self, key: u64) {
        let Some(mut opening) = self.openings.remove(&key) else { return };
        let kind = if opening.wish.tcp { RelayKind::Tcp } else { RelayKind::Udp };
        for family in FAMILIES {
            if *opening.wish.families.get(family) && *opening.sockets.get(family) == Socket::Unwanted {
                let (socket, next) = self.ask(key, family, kind, opening.wish.port);
                *opening.sockets.get_mut(family) = socket;
                if next != Socket::Unwanted {
                    opening.next = next;
                }
            }
        }
        self.openings.insert(key, opening);
    }

    fn ask(&mut self, key: u64, family: AddressFamily, kind: RelayKind, port: Port) -> (Socket, Socket) {
        let full = self.ports.serves(family) || matches!(port, Port::Reserved(_));
        let code = if full { Code::InsufficientCapacity } else { Code::AddressFamilyNotSupported };
        let nothing = (Socket::Failed(code), Socket::Unwanted);
        match port {
            Port::Reserved(token) => match self.claim(token, key) {
                Some(relay) => (Socket::Open(relay), Socket::Unwanted),
                None => nothing,
            },
            Port::Any => self.ports.take(family).map_or(nothing, |port| {
                (Socket::Asked(self.open_relay(port, kind, Holder::Allocation(key))), Socket::Unwanted)
            }),
            Port::Even => self.ports.take_even(family).map_or(nothing, |port| {
                (Socket::Asked(self.open_relay(port, kind, Holder::Allocation(key))), Socket::Unwanted)
            }),
            Port::EvenWithNext => self.ports.take_pair(family).map_or(nothing, |(even, odd)| {
                let even = self.open_relay(even, kind, Holder::Allocation(key));
                let odd = self.open_relay(odd, kind, Holder::Allocation(key));
                (Socket::Asked(even), Socket::Asked(odd))
            }),
        }
    }

    pub(super) fn relay_opened(&mut self, now: Now, relay: RelayId) {
        let Some(key) = self.opening_of(relay) else { return };
        if let Some(opening) = self.openings.get_mut(&key) {
            opening.replace(relay, Socket::Open(relay));
        }
        self.settle(now, key);
    }

    /// Another port, as often as seems reasonable; then the family has failed.
    pub(super) fn relay_failed(&mut self, now: Now, relay: RelayId, error: OpenError) {
        let Some(key) = self.opening_of(relay) else { return };
        let failed = self.relays.remove(relay.0);
        let mut again = false;
        if let Some(opening) = self.openings.get_mut(&key) {
            opening.spent.extend(failed.map(|relay| relay.port));
            again = error == OpenError::PortTaken && opening.tries > 0;
            opening.tries = opening.tries.saturating_sub(1);
            let instead = if again { Socket::Unwanted } else { Socket::Failed(Code::InsufficientCapacity) };
            // Of a pair, neither is any good alone.
            let partner = opening.partner_of(relay);
            opening.replace(relay, instead);
            if let Some(partner) = partner {
                opening.replace(partner, instead);
                self.close_relay(partner);
            }
        }
        if again {
            self.open_sockets(key);
        }
        self.settle(now, key);
    }

    fn opening_of(&self, relay: RelayId) -> Option<u64> {
        match self.relays.get(relay.0)?.holder {
            Holder::Allocation(key) => self.openings.contains_key(&key).then_some(key),
            Holder::Reservation(_) => None,
        }
    }

    /// Answers once nothing is outstanding.
    fn settle(&mut self, now: Now, key: u64) {
        if self.openings.get(&key).is_none_or(Opening::is_waiting) {
            return;
        }
        let Some(opening) = self.openings.remove(&key) else { return };
        if FAMILIES.iter().any(|family| matches!(opening.sockets.get(*family), Socket::Open(_))) {
            self.finish(now, key, &opening);
        } else {
            self.give_up(now, key, &opening);
        }
    }

    fn give_up(&mut self, now: Now, key: u64, opening: &Opening) {
        if let Some(allocation) = self.allocations.remove(key) {
            self.unlist(allocation.client, key);
        }
        // 440 only if that holds for all that was wanted; where something is full, another time may do.
        let full = Socket::Failed(Code::InsufficientCapacity);
        let code = if opening.sockets.iter().any(|socket| *socket == full) {
            Code::InsufficientCapacity
        } else {
            Code::AddressFamilyNotSupported
        };
        let refusal = self.redirect(opening.origin.client, Redirect::WhenFull).unwrap_or_else(|| code.into());
        self.refuse(now, &opening.origin, &refusal);
    }

    fn finish(&mut self, now: Now, key: u64, opening: &Opening) {
        let client = opening.origin.client;
        let mut addresses = Vec::with_capacity(2);
        let mut failed = None;
        for family in FAMILIES {
            match *opening.sockets.get(family) {
                Socket::Open(relay) => {
                    addresses.extend(self.relays.get(relay.0).map(|entry| entry.external()));
                    if let Some(allocation) = self.allocations.get_mut(key) {
                        *allocation.relays.get_mut(family) = Some(relay);
                    }
                    self.push(Action::Route(Delta::AddRelay { relay, client }));
                }
                Socket::Failed(code) => failed = Some((family, code)),
                Socket::Unwanted | Socket::Asked(_) => {}
            }
        }
        let Some(allocation) = self.allocations.get_mut(key) else { return };
        allocation.opening = false;
        let (owner, first) = (allocation.owner(), allocation.first_relay());
        let is_probe = allocation.session.is_probe();
        self.arm(key);
        let token = match opening.next {
            Socket::Open(next) => self.keep_reserved(now, next, owner),
            Socket::Unwanted | Socket::Asked(_) | Socket::Failed(_) => None,
        };
        let ticket = self.ticket(key);
        let lifetime = opening.wish.lifetime;
        let bytes = self.success_bytes(&opening.origin, |writer| {
            for address in &addresses {
                writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, *address);
            }
            writer.u32(AttributeType::LIFETIME, seconds(lifetime));
            if let Some(token) = &token {
                writer.attribute(AttributeType::RESERVATION_TOKEN, token);
            }
            writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, client.tuple.client.socket_addr());
            if let Some(ticket) = &ticket {
                writer.attribute(AttributeType::MOBILITY_TICKET, ticket);
            }
            if let Some((family, code)) = failed {
                writer.address_error_code(family, code.number(), code.reason());
            }
        });
        if let Some(relay) = first {
            self.event(Event::Allocated { relay, tuple: client.tuple, owner, is_probe });
            if let Some(turnaround) = opening.turnaround {
                self.event(Event::Challenged { relay, turnaround });
            }
        }
        self.answer_and_remember(now, &opening.origin, bytes);
    }

    /// Where else this client may go, if the operator wants it to.
    fn redirect(&self, client: Client, when: Redirect) -> Option<Refusal> {
        let listener = self.listener(client)?;
        if when == Redirect::Always && listener.redirect != Redirect::Always {
            return None;
        }
        let same_family =
            |server: &&std::net::SocketAddr| server.is_ipv4() == client.tuple.client.ip().is_ipv4();
        listener.alternates.iter().find(same_family).copied().map(Refusal::alternate)
    }

    pub(super) fn list(&mut self, client: Client, key: u64) {
        self.by_tuple.insert(&client.tuple, place(key));
        if let Some(link) = client.link {
            self.by_link.insert(link, key);
        }
    }

    pub(super) fn unlist(&mut self, client: Client, key: u64) {
        self.by_tuple.remove(&client.tuple, place(key));
        if let Some(link) = client.link {
            self.by_link.remove(&link);
        }
    }

    /// Ends an allocation and everything it holds.
    pub(super) fn release(&mut self, key: u64, cause: ReleaseCause) {
        let Some(allocation) = self.allocations.remove(key) else { return };
        self.unlist(allocation.client, key);
        if let Some(timer) = allocation.timer {
            self.timers.cancel(timer);
        }
        if let Some(opening) = self.openings.remove(&key) {
            opening.relays().for_each(|relay| self.close_relay(relay));
        }
        self.close_connections_of(key);
        // Told while its relays are there, so that what they have counted can be looked at.
        if let Some(relay) = allocation.first_relay() {
            self.event(Event::Released {
                relay,
                second: allocation.relays.iter().flatten().nth(1).copied(),
                tuple: allocation.client.tuple,
                owner: allocation.owner(),
                began: UnixTime(allocation.began.into()),
                cause,
                is_probe: allocation.session.is_probe(),
            });
        }
        for relay in allocation.relays.iter().flatten() {
            self.push(Action::Route(Delta::RemoveRelay { relay: *relay }));
            self.close_relay(*relay);
        }
    }
}

impl Opening {
    fn is_waiting(&self) -> bool {
        let asked = |socket: &Socket| matches!(socket, Socket::Asked(_));
        self.sockets.iter().any(asked) || asked(&self.next)
    }

    fn replace(&mut self, relay: RelayId, by: Socket) {
        let holds = |socket: &Socket| matches!(socket, Socket::Asked(id) | Socket::Open(id) if *id == relay);
        for family in FAMILIES {
            let socket = self.sockets.get_mut(family);
            if holds(socket) {
                *socket = by;
            }
        }
        if holds(&self.next) {
            self.next = if matches!(by, Socket::Failed(_)) { Socket::Unwanted } else { by };
        }
    }

    fn partner_of(&self, relay: RelayId) -> Option<RelayId> {
        let Port::EvenWithNext = self.wish.port else { return None };
        self.relays().find(|other| *other != relay)
    }

    fn relays(&self) -> impl Iterator<Item = RelayId> {
        self.sockets.iter().chain([&self.next]).filter_map(|socket| match socket {
            Socket::Asked(relay) | Socket::Open(relay) => Some(*relay),
            Socket::Unwanted | Socket::Failed(_) => None,
        })
    }
}

fn only(family: AddressFamily) -> PerFamily<bool> {
    let mut families = PerFamily::default();
    *families.get_mut(family) = true;
    families
}

const fn quota_code(error: QuotaError) -> Code {
    match error {
        QuotaError::User => Code::QuotaReached,
        QuotaError::Total => Code::InsufficientCapacity,
    }
}

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
