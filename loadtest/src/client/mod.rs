//! A TURN client without input or output: requests come out as bytes, answers go in as bytes, time is an argument.
//!
//! It holds one allocation with one channel or permission, as RFC 8656 wants it and as any server understands it
//! (RFC 5389 integrity): challenge, Allocate, ChannelBind or CreatePermission, refreshes in time, Refresh with
//! lifetime 0. One request is in flight at a time.

mod fault;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tern::wire::stun::{AttributeType, Class, Integrity, Message, TransactionId, long_term_key_md5};

pub use fault::Fault;
pub use request::Step;
use request::{Pending, Signer};

use crate::clock::Nanos;
use crate::plan::Credentials;

/// The channel that every session binds.
pub const CHANNEL: u16 = 0x4001;

/// How often credentials may be refused as stale before it is taken for a refusal.
const STALE_MAX: u8 = 3;

/// Permissions live five minutes, channels ten (RFC 8656 sections 9 and 12): both are made anew after less than four.
const RENEWAL: Duration = Duration::from_secs(200);

/// What a client wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// As whom.
    pub credentials: Credentials,
    /// Channel, or permission only.
    pub channel: bool,
    /// Family of the relayed address; none leaves it to the server.
    pub relay_v6: Option<bool>,
    /// Whether the transport loses nothing, so that requests are not sent again.
    pub reliable: bool,
}

/// What has come of something that was received, or of time that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing for the caller.
    Nothing,
    /// There is an allocation: tell [`Client::connect`] to which peer.
    Allocated(SocketAddr),
    /// Media may flow.
    Ready,
    /// The allocation is no more.
    Deleted,
    /// The client has given up.
    Failed(Fault),
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Allocated,
    Ready,
    Over,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    wish: Arc<Wish>,
    signer: Signer,
    state: State,
    pending: Option<Box<Pending>>,
    peer: Option<SocketAddr>,
    /// When permission, channel and allocation are due for renewal.
    renewal: Nanos,
    next_id: u64,
    stale: u8,
    /// Whether the server holds an allocation for it that it has not yet asked to delete, or may hold one.
    holds: bool,
    /// Whether the allocation is deleted as soon as it is there.
    leaving: bool,
    /// Requests sent again.
    pub retransmissions: u32,
    /// All requests sent.
    pub requests: u32,
    /// What the server calls itself.
    pub software: Option<Box<str>>,
}

impl Client {
    /// A client that has sent nothing yet. `seed` tells its transactions from those of others.
    #[must_use]
    pub fn new(wish: Arc<Wish>, seed: u64) -> Self {
        Self {
            wish,
            signer: Signer::default(),
            state: State::Fresh,
            pending: None,
            peer: None,
            renewal: Nanos(u64::MAX),
            next_id: seed,
            stale: 0,
            holds: false,
            leaving: false,
            retransmissions: 0,
            requests: 0,
            software: None,
        }
    }

    /// Asks for an allocation. Like all that sends, it puts one message into `out`, which is emptied before.
    pub fn allocate(&mut self, now: Nanos, out: &mut Vec<u8>) {
        self.send(Step::Allocate, now, out);
    }

    /// Binds the channel, or makes the permission.
    pub fn connect(&mut self, peer: SocketAddr, now: Nanos, out: &mut Vec<u8>) {
        self.peer = Some(peer);
        self.send(Step::Connect, now, out);
    }

    /// Ends the allocation.
    pub fn delete(&mut self, now: Nanos, out: &mut Vec<u8>) {
        self.holds = false;
        self.send(Step::Delete, now, out);
    }

    /// Gives back what the server holds for this client, whatever has become of the client: an Allocate that is on its
    /// way is waited for first, as its answer may come late. Returns whether [`Event::Deleted`] or [`Event::Failed`] will
    /// follow; if not, there is nothing to give back.
    pub fn release(&mut self, now: Nanos, out: &mut Vec<u8>) -> bool {
        out.clear();
        match self.pending.as_ref().map(|pending| pending.step) {
            Some(Step::Allocate) => self.leaving = true,
            Some(Step::Delete) => {}
            Some(Step::Connect | Step::Refresh) | None if self.holds => self.delete(now, out),
            Some(Step::Connect | Step::Refresh) | None => return false,
        }
        true
    }

    /// Whether media may flow.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// When [`Client::tick`] must be called.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.pending.as_ref().map_or(self.renewal, |pending| pending.deadline)
    }

    /// The deadline has come: sends again, gives up, or renews.
    pub fn tick(&mut self, now: Nanos, out: &mut Vec<u8>) -> Event {
        out.clear();
        if now < self.deadline() {
            return Event::Nothing;
        }
        let Some(pending) = &mut self.pending else {
            self.send(Step::Connect, now, out);
            return Event::Nothing;
        };
        if pending.again(now, out) {
            self.retransmissions += 1;
            self.requests += 1;
            return Event::Nothing;
        }
        let step = pending.step;
        // Only the answers may have been lost.
        self.holds |= step == Step::Allocate && self.signer.is_signing();
        self.fail(Fault::Silent(step))
    }

    /// A message has come that is not media. What it makes the client send is put into `out`.
    pub fn receive(&mut self, bytes: &[u8], now: Nanos, out: &mut Vec<u8>) -> Event {
        out.clear();
        let Ok(message) = Message::parse(bytes) else { return Event::Nothing };
        let Some(pending) = self.pending.as_ref().filter(|pending| pending.id == message.transaction_id())
        else {
            return Event::Nothing;
        };
        let step = pending.step;
        if !step.methods().contains(&message.method()) {
            return Event::Nothing;
        }
        match message.class() {
            Class::Success => self.succeed(step, &message, now, out),
            Class::Error => self.refused(step, &message, now, out),
            Class::Request | Class::Indication => Event::Nothing,
        }
    }

    fn succeed(&mut self, step: Step, message: &Message<'_>, now: Nanos, out: &mut Vec<u8>) -> Event {
        // Somebody else's answer is no answer; the real one may still come.
        if self.signer.is_signing() && message.check_integrity(&self.signer.key) != Integrity::Good {
            return Event::Nothing;
        }
        self.pending = None;
        self.stale = 0;
        match step {
            Step::Allocate if self.leaving => {
                self.delete(now, out);
                Event::Nothing
            }
            Step::Allocate => {
                self.holds = true;
                if let Some(name) = message.find(AttributeType::SOFTWARE) {
                    self.software = Some(String::from_utf8_lossy(name).into());
                }
                let Ok(Some(relayed)) = message.xor_address(AttributeType::XOR_RELAYED_ADDRESS) else {
                    return self.fail(Fault::Broken(step, "the answer has no relayed address"));
                };
                self.state = State::Allocated;
                Event::Allocated(relayed)
            }
            Step::Connect if self.state == State::Ready => {
                self.send(Step::Refresh, now, out);
                Event::Nothing
            }
            Step::Connect => {
                self.state = State::Ready;
                self.renew_later(now);
                Event::Ready
            }
            Step::Refresh => {
                self.renew_later(now);
                Event::Nothing
            }
            Step::Delete => {
                self.end();
                Event::Deleted
            }
        }
    }

    fn refused(&mut self, step: Step, message: &Message<'_>, now: Nanos, out: &mut Vec<u8>) -> Event {
        let Ok(Some(error)) = message.error_code() else {
            return self.fail(Fault::Broken(step, "an error without a code"));
        };
        // Nothing was made, and nothing is wanted any more.
        if self.leaving && step == Step::Allocate {
            self.end();
            return Event::Deleted;
        }
        let is_challenge = matches!(error.code, 401 | 438) && message.nonce().is_some();
        let is_first = !self.signer.is_signing();
        if is_challenge && (is_first || error.code == 438) && self.stale < STALE_MAX {
            if !is_first {
                self.stale += 1;
            }
            self.learn(message);
            self.send(step, now, out);
            return Event::Nothing;
        }
        // What is no more need not be ended.
        if error.code == 437 && step == Step::Delete {
            self.end();
            return Event::Deleted;
        }
        let reason = String::from_utf8_lossy(error.reason).trim_end_matches('\0').to_owned();
        let alternate = message.address(AttributeType::ALTERNATE_SERVER).ok().flatten();
        self.fail(Fault::Refused { step, code: error.code, reason, alternate, peer: self.peer })
    }

    fn learn(&mut self, message: &Message<'_>) {
        let credentials = &self.wish.credentials;
        let told = message.realm().unwrap_or_default();
        let realm = credentials.realm.as_ref().map_or(told, String::as_bytes);
        if *self.signer.realm != *realm || !self.signer.is_signing() {
            self.signer.realm = realm.into();
            self.signer.key =
                long_term_key_md5(credentials.user.as_bytes(), realm, credentials.password.as_bytes());
        }
        self.signer.nonce = message.nonce().unwrap_or_default().into();
    }

    fn send(&mut self, step: Step, now: Nanos, out: &mut Vec<u8>) {
        out.clear();
        let id = self.next_transaction();
        request::write(step, id, &self.wish, &self.signer, self.peer, out);
        self.requests += 1;
        self.pending = Some(Box::new(Pending::new(step, id, out, now, self.wish.reliable)));
    }

    fn next_transaction(&mut self) -> TransactionId {
        // An odd multiplier visits every number once: no client repeats itself, and no two are alike.
        self.next_id = self.next_id.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        let [a, b, c, d, e, f, g, h] = self.next_id.to_be_bytes();
        TransactionId([b'T', b'L', b'T', b'1', a, b, c, d, e, f, g, h])
    }

    /// Not all at once: sessions that were opened together are renewed spread over a tenth of the time.
    fn renew_later(&mut self, now: Nanos) {
        let nanos = u64::try_from(RENEWAL.as_nanos()).unwrap_or(u64::MAX);
        self.renewal = now.plus(nanos + self.next_id % (nanos / 10));
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.pending = None;
        self.renewal = Nanos(u64::MAX);
    }

    fn fail(&mut self, fault: Fault) -> Event {
        self.end();
        Event::Failed(fault)
    }
}

#[cfg(test)]
mod tests;
