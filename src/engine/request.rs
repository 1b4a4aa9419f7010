//! A request under way, and the answers to it.
//!
//! An answer leaves here whole: attributes in the order RFC 8489 section 14 wants, integrity of the kind that the
//! request used, FINGERPRINT where the client sent one.

use super::auth::{AuthResult, Authenticated, IntegrityKey, Rejection, Turnaround};
use super::refusal::{Code, Refusal};
use super::tcp::Connection;
use super::{Action, ConnectionId, DropReason, Engine, Event, Who};
use crate::route::{Client, Transport};
use crate::time::Now;
use crate::wire::stun::{AttributeType, Class, Fingerprint, Message, Method, TransactionId, Writer};

/// What an answer needs to know of its request, also when it comes later.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) client: Client,
    pub(super) method: Method,
    pub(super) transaction: TransactionId,
    pub(super) fingerprint: bool,
    /// Its answer is paid for, out of what unproven sources may have.
    pub(super) paid: bool,
    /// How to sign; none until the request is authenticated.
    pub(super) key: Option<IntegrityKey>,
    /// Who sent it, as far as that is known.
    pub(super) who: Who,
    /// A test call of the relay itself.
    pub(super) is_probe: bool,
    /// Why that is not proven.
    pub(super) fault: Option<AuthResult>,
}

impl Engine {
    /// The front door for STUN messages.
    pub(super) fn message(&mut self, now: Now, client: Client, bytes: &[u8]) {
        match self.try_message(now, client, bytes) {
            Ok(()) => {}
            Err(reason) => self.event(Event::Dropped(reason)),
        }
    }

    fn try_message(&mut self, now: Now, client: Client, bytes: &[u8]) -> Result<(), DropReason> {
        let message = Message::parse(bytes).map_err(|_| DropReason::Malformed)?;
        let fingerprint = message.fingerprint();
        if fingerprint == Fingerprint::Bad {
            return Err(DropReason::Fingerprint);
        }
        if message.class() != Class::Request {
            return Err(DropReason::Unexpected);
        }
        let method = message.method();
        if !is_served(method) {
            return Err(DropReason::UnknownMethod);
        }
        if !is_answerable(client) {
            return Err(DropReason::Source);
        }
        let mut origin = Origin {
            client,
            method,
            transaction: message.transaction_id(),
            fingerprint: fingerprint == Fingerprint::Good,
            paid: false,
            key: None,
            who: Who::Unknown,
            is_probe: false,
            fault: None,
        };
        // Before any password is worked on: a flood of spoofed requests costs one MAC each.
        if !self.proves_address(now, client, &message) {
            self.pay(now, &mut origin)?;
        }
        let result = if method == Method::BINDING {
            self.binding(&origin, &message)
        } else {
            self.authenticated(now, &mut origin, &message)
        };
        match result {
            Ok(()) => Ok(()),
            Err(refusal) => {
                self.pay(now, &mut origin)?;
                self.refuse(now, &origin, &refusal);
                Ok(())
            }
        }
    }

    /// Everything but Binding needs long-term credentials (RFC 8656 section 5).
    fn authenticated(&mut self, now: Now, origin: &mut Origin, message: &Message<'_>) -> Result<(), Refusal> {
        if let Some(worker) = self.other_worker(origin.client, message) {
            self.push(Action::Forward { worker });
            return Ok(());
        }
        let user = match self.authenticate(now, origin, message) {
            Ok(user) => user,
            Err(rejection) => return Err(self.reject(origin, message, &rejection)),
        };
        (origin.key, origin.who) = (Some(user.key), Who::Is(user.owner));
        origin.is_probe = user.is_probe();
        self.event(Event::Authenticated { method: user.method(), result: AuthResult::Accepted });
        check_known(message)?;
        let done = match origin.method {
            Method::ALLOCATE => self.allocate(now, origin, message, &user),
            Method::REFRESH => self.refresh(now, origin, message, &user),
            Method::CREATE_PERMISSION => self.create_permission(now, origin, message, &user),
            Method::CHANNEL_BIND => self.channel_bind(now, origin, message, &user),
            Method::CONNECT => self.connect(now, origin, message, &user),
            _ => self.connection_bind(now, origin, message, &user),
        };
        if let Some(turnaround) = user.turnaround.filter(|_| done.is_ok()) {
            self.note_turnaround(origin.client, turnaround);
        }
        done
    }

    /// The first use of a nonce answers the challenge that it came with.
    fn note_turnaround(&mut self, client: Client, turnaround: Turnaround) {
        let key = self.allocation_of(&client.tuple);
        let Some(allocation) = key.and_then(|key| self.allocations.get_mut(key)) else { return };
        let Turnaround { issued, took } = turnaround;
        if std::mem::replace(&mut allocation.answered, issued) != issued
            && let Some(relay) = allocation.first_relay()
        {
            self.event(Event::Challenged { relay, turnaround: took });
        }
    }

    /// A credential that expired since still holds for the allocation that was made with it: a call outlives it.
    fn authenticate(
        &self,
        now: Now,
        origin: &Origin,
        message: &Message<'_>,
    ) -> Result<Authenticated, Rejection> {
        let source = origin.client.tuple.client.socket_addr();
        let allocation = self.named_allocation(origin, message);
        let session = allocation.and_then(|key| self.allocations.get(key)).map(|held| &held.session);
        let realm = self.realm(origin.client);
        self.settings.auth.authenticate_for(session, now, realm, source, message)
    }

    /// What a client gets that has not proven who it is. Its first request is no attempt yet. One whose nonce is stale
    /// proves nothing: somebody may have listened, and sends it again.
    fn reject(&mut self, origin: &mut Origin, message: &Message<'_>, rejection: &Rejection) -> Refusal {
        origin.fault = AuthResult::of(rejection);
        if let Some(result) = origin.fault {
            let claimed = self.settings.auth.claimed(self.realm(origin.client), message);
            origin.who = claimed.owner.map_or(Who::Unknown, Who::Claims);
            self.event(Event::Authenticated { method: claimed.method, result });
        }
        match rejection {
            Rejection::Challenge(_) => Code::Unauthenticated.into(),
            Rejection::BadRequest => Code::BadRequest.into(),
            Rejection::Stale { key, .. } => {
                origin.key = Some(*key);
                Code::StaleNonce.into()
            }
        }
    }

    /// The allocation that a request is about: by ticket, by connection, or by where it comes from.
    fn named_allocation(&self, origin: &Origin, message: &Message<'_>) -> Option<u64> {
        match origin.method {
            Method::REFRESH if let Some(ticket) = message.mobility_ticket() => self.ticket_holder(ticket),
            Method::CONNECTION_BIND => {
                let id = message.connection_id().ok()??;
                self.connections.get(&ConnectionId(id)).map(Connection::allocation)
            }
            _ => self.allocation_of(&origin.client.tuple),
        }
    }

    /// Sends a success response with what `write` adds.
    pub(super) fn succeed(&mut self, origin: &Origin, write: impl FnOnce(&mut Writer<'_>)) {
        let bytes = self.success_bytes(origin, write);
        self.event(Event::Served { method: origin.method.value() });
        self.push(Action::Reply { client: origin.client, bytes });
    }

    /// The same, without sending it.
    pub(super) fn success_bytes(&self, origin: &Origin, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        let mut writer = Writer::new(&mut bytes, Class::Success, origin.method, origin.transaction);
        write(&mut writer);
        if origin.key.is_some()
            && let Some(software) = &self.settings.software
        {
            writer.attribute(AttributeType::SOFTWARE, software.as_bytes());
        }
        finish(writer, origin);
        bytes
    }

    /// Sends an error response.
    pub(super) fn refuse(&mut self, now: Now, origin: &Origin, refusal: &Refusal) {
        let mut bytes = Vec::with_capacity(160);
        let mut writer = Writer::new(&mut bytes, Class::Error, origin.method, origin.transaction);
        // An answer that anybody can draw is as short as it can be: the phrase is for people, the number suffices.
        let reason = if origin.key.is_some() { refusal.code.reason() } else { "" };
        writer.error_code(refusal.code.number(), reason);
        if refusal.code.challenges() {
            let source = origin.client.tuple.client.socket_addr();
            self.settings.auth.write_challenge(now, self.realm(origin.client), source, &mut writer);
        }
        if refusal.code == Code::UnknownAttribute {
            writer.unknown_attributes(&refusal.unknown);
        }
        if let Some(alternate) = refusal.alternate {
            writer.address(AttributeType::ALTERNATE_SERVER, alternate);
            self.write_alternate_domain(origin.client, &mut writer);
        }
        finish(writer, origin);
        self.event(self.refused(origin, refusal));
        self.push(Action::Reply { client: origin.client, bytes });
    }

    fn refused(&self, origin: &Origin, refusal: &Refusal) -> Event {
        let tuple = &origin.client.tuple;
        let is_known = origin.who != Who::Unknown;
        let key = if is_known { self.allocation_of(tuple) } else { None };
        Event::Refused {
            method: origin.method.value(),
            code: refusal.code.number(),
            client: *tuple,
            who: origin.who,
            relay: key.and_then(|key| self.allocations.get(key)?.first_relay()),
            fault: origin.fault,
            peer: refusal.peer,
            is_probe: origin.is_probe,
        }
    }

    /// A handshake proves that the client receives where it says it is, and so does a nonce that was sent there.
    fn proves_address(&self, now: Now, client: Client, message: &Message<'_>) -> bool {
        let source = client.tuple.client.socket_addr();
        client.tuple.transport != Transport::Udp
            || self.settings.auth.nonce_relay(now, self.realm(client), source, message).is_some()
    }

    /// A spoofed source must not be flooded through us, nor passwords be guessed at the speed of the line: whoever has
    /// proven nothing gets a bounded number of answers per prefix.
    fn pay(&self, now: Now, origin: &mut Origin) -> Result<(), DropReason> {
        let free = origin.paid || origin.key.is_some() || origin.client.tuple.transport != Transport::Udp;
        if free || self.settings.limits.answers.allow(now.time, origin.client.tuple.client.ip()) {
            origin.paid = true;
            Ok(())
        } else {
            Err(DropReason::AnswerRate)
        }
    }

    fn write_alternate_domain(&self, client: Client, writer: &mut Writer<'_>) {
        let secure = matches!(client.tuple.transport, Transport::Tls | Transport::Dtls);
        if let Some(domain) = self.listener(client).and_then(|listener| listener.alternate_domain.as_ref())
            && secure
        {
            writer.attribute(AttributeType::ALTERNATE_DOMAIN, domain.as_bytes());
        }
    }
}

/// RFC 8489 section 6.3.1: unknown comprehension-required attributes of a request are named in the answer.
pub(super) fn check_known(message: &Message<'_>) -> Result<(), Refusal> {
    let unknown = message.unknown_required(AttributeType::is_known);
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::unknown(unknown.as_slice().to_vec())) }
}

fn finish(mut writer: Writer<'_>, origin: &Origin) {
    if let Some(key) = &origin.key {
        key.sign(&mut writer);
    }
    if origin.fingerprint {
        writer.fingerprint();
    }
}

const fn is_served(method: Method) -> bool {
    matches!(
        method,
        Method::BINDING
            | Method::ALLOCATE
            | Method::REFRESH
            | Method::CREATE_PERMISSION
            | Method::CHANNEL_BIND
            | Method::CONNECT
            | Method::CONNECTION_BIND
    )
}

/// Nothing is sent to where no client can be: port 0, no address, everybody.
fn is_answerable(client: Client) -> bool {
    let source = client.tuple.client;
    let ip = source.ip();
    let broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    source.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
