//! A test call, as a client would make it: Allocate, a challenge on the way; ChannelBind; a payload to the peer and back;
//! Refresh with lifetime 0. Bytes in, bytes out; sockets and time are the caller's.

use std::net::SocketAddr;

use super::fault::Fault;
use crate::announce::health::Verdict;
use crate::wire::channel_data::{self, ChannelNumber, HEADER_LEN};
use crate::wire::stun::{
    AttributeType, Class, Integrity, Message, Method, TransactionId, Writer, long_term_key_md5, padding,
};

/// The channel of every test call.
const CHANNEL: ChannelNumber = ChannelNumber(0x4000);
/// UDP, for REQUESTED-TRANSPORT.
const UDP: u8 = 17;
/// Challenges that one call answers: the first, and one for a nonce that was stale.
const CHALLENGES: u8 = 2;

/// What the caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Wait: that was no answer to us.
    Waiting,
    /// Send what waits.
    Send,
    /// There is an allocation with this address: [`Call::bind`] a peer, or [`Call::release`] it.
    Allocated(SocketAddr),
    /// The allocation is gone as it should, and if a peer was bound, its payload was here.
    Over,
}

/// What a relay wants to see in the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Allocate,
    /// There was an allocation left of an earlier call, whose end the relay has not heard of.
    Clear,
    Bind(SocketAddr),
    Echo,
    Release,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) username: String,
    pub(super) password: String,
    /// What is sent to the peer, and what is to come back.
    pub(super) payload: Vec<u8>,
    pub(super) echo: Vec<u8>,
    /// Of the first request; later ones count on from there.
    pub(super) transaction: [u8; 12],
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    caller: Caller,
    challenge: Option<Challenge>,
    challenges: u8,
    cleared: bool,
    is_stream: bool,
    step: Step,
    transaction: u32,
    waiting: Vec<u8>,
}

impl Call {
    /// Begins with an Allocate, signed if a challenge of this relay is known from an earlier call.
    pub(super) fn new(caller: Caller, challenge: Option<Challenge>, is_stream: bool) -> Self {
        let mut call = Self {
            caller,
            challenge,
            challenges: 0,
            cleared: false,
            is_stream,
            step: Step::Allocate,
            transaction: 0,
            waiting: Vec::new(),
        };
        call.ask();
        call
    }

    /// What is to be sent, and sent again if nothing answers to it.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// What the relay asked for last, for the next call.
    pub(super) const fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// Binds the peer and sends it the payload. Then send what waits.
    pub(super) fn bind(&mut self, peer: SocketAddr) {
        self.go(Step::Bind(peer));
    }

    /// Ends the allocation. Then send what waits.
    pub(super) fn release(&mut self) {
        self.go(Step::Release);
    }

    /// Whether there is one that is to be ended.
    pub(super) const fn has_allocation(&self) -> bool {
        matches!(self.step, Step::Bind(_) | Step::Echo)
    }

    /// What has not come, for when time is over.
    pub(super) fn missing(&self) -> String {
        if self.step == Step::Echo {
            return "the payload did not come back from the peer".to_owned();
        }
        format!("no answer to {}", self.step.name())
    }

    /// Takes a STUN message or a ChannelData message.
    pub(super) fn receive(&mut self, frame: &[u8]) -> Result<Progress, Fault> {
        if self.step == Step::Echo {
            return Ok(self.take_payload(frame));
        }
        let Ok(message) = Message::parse(frame) else { return Ok(Progress::Waiting) };
        if message.transaction_id() != self.id() {
            return Ok(Progress::Waiting);
        }
        match message.class() {
            Class::Success => self.succeeded(&message),
            Class::Error => self.refused(&message),
            Class::Request | Class::Indication => Ok(Progress::Waiting),
        }
    }

    fn take_payload(&mut self, frame: &[u8]) -> Progress {
        let Ok((CHANNEL, range)) = channel_data::parse(frame) else { return Progress::Waiting };
        if frame.get(range) != Some(self.caller.echo.as_slice()) {
            return Progress::Waiting;
        }
        self.release();
        Progress::Send
    }

    fn succeeded(&mut self, message: &Message<'_>) -> Result<Progress, Fault> {
        let key = self.key().unwrap_or_default();
        if message.check_integrity(&key) != Integrity::Good {
            return Err(Fault::bad(format!(
                "the answer to {} is not signed as it must be",
                self.step.name()
            )));
        }
        match self.step {
            Step::Allocate => {
                let relayed = message.xor_address(AttributeType::XOR_RELAYED_ADDRESS);
                let relayed = relayed
                    .ok()
                    .flatten()
                    .ok_or_else(|| Fault::bad("no relayed address in the answer to Allocate"))?;
                Ok(Progress::Allocated(relayed))
            }
            Step::Clear => Ok(self.go(Step::Allocate)),
            Step::Bind(_) => Ok(self.send_payload()),
            Step::Echo | Step::Release => Ok(Progress::Over),
        }
    }

    fn refused(&mut self, message: &Message<'_>) -> Result<Progress, Fault> {
        let name = self.step.name();
        let Ok(Some(error)) = message.error_code() else {
            return Err(Fault::bad(format!("an error without a code in the answer to {name}")));
        };
        match (error.code, self.step) {
            (401 | 438, _) if self.challenges < CHALLENGES => self.take_challenge(message),
            (401, _) => Err(Fault::bad(format!(
                "{name} answered 401: the relay does not know the self-test's credential"
            ))),
            (437, Step::Allocate) if !self.cleared => {
                self.cleared = true;
                Ok(self.go(Step::Clear))
            }
            // It was gone already.
            (437, Step::Clear) => Ok(self.go(Step::Allocate)),
            (300, Step::Allocate) => {
                Err(Fault::new(Verdict::Poor, "Allocate answered 300: it sends new calls to another relay"))
            }
            (code @ (486 | 508), Step::Allocate) => Err(Fault::new(
                Verdict::Poor,
                format!("Allocate answered {code}: there is no room for another call"),
            )),
            (403, Step::Bind(peer)) => Err(Fault::bad(format!(
                "ChannelBind answered 403: the self-test's own peer {peer} is denied"
            ))),
            (code, _) => Err(Fault::bad(
                format!("{name} answered {code} {}", phrase(error.reason)).trim_end().to_owned(),
            )),
        }
    }

    fn take_challenge(&mut self, message: &Message<'_>) -> Result<Progress, Fault> {
        let find = |kind| message.find(kind).map(<[u8]>::to_vec);
        let (Some(realm), Some(nonce)) = (find(AttributeType::REALM), find(AttributeType::NONCE)) else {
            return Err(Fault::bad("a challenge without realm and nonce"));
        };
        self.challenges += 1;
        self.challenge = Some(Challenge { realm, nonce });
        Ok(self.ask())
    }

    fn go(&mut self, step: Step) -> Progress {
        self.step = step;
        self.ask()
    }

    /// Writes the request of this step.
    fn ask(&mut self) -> Progress {
        self.transaction += 1;
        let method = match self.step {
            Step::Allocate => Method::ALLOCATE,
            Step::Bind(_) => Method::CHANNEL_BIND,
            Step::Clear | Step::Echo | Step::Release => Method::REFRESH,
        };
        let mut bytes = Vec::with_capacity(256);
        let mut writer = Writer::new(&mut bytes, Class::Request, method, self.id());
        match self.step {
            Step::Allocate => {
                writer.requested_transport(UDP);
            }
            Step::Bind(peer) => {
                writer.channel_number(CHANNEL.0).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            }
            Step::Clear | Step::Echo | Step::Release => {
                writer.u32(AttributeType::LIFETIME, 0);
            }
        }
        if let (Some(challenge), Some(key)) = (&self.challenge, self.key()) {
            writer.attribute(AttributeType::USERNAME, self.caller.username.as_bytes());
            writer.attribute(AttributeType::REALM, &challenge.realm);
            writer.attribute(AttributeType::NONCE, &challenge.nonce);
            writer.integrity(&key);
        }
        self.waiting = bytes;
        Progress::Send
    }

    fn send_payload(&mut self) -> Progress {
        self.step = Step::Echo;
        let length = self.caller.payload.len();
        let mut header = [0; HEADER_LEN];
        channel_data::write_header(&mut header, CHANNEL, u16::try_from(length).unwrap_or(u16::MAX));
        self.waiting = [&header, self.caller.payload.as_slice()].concat();
        if self.is_stream {
            self.waiting.resize(self.waiting.len() + padding(length), 0);
        }
        Progress::Send
    }

    fn key(&self) -> Option<[u8; 16]> {
        let realm = &self.challenge.as_ref()?.realm;
        Some(long_term_key_md5(self.caller.username.as_bytes(), realm, self.caller.password.as_bytes()))
    }

    fn id(&self) -> TransactionId {
        let mut id = self.caller.transaction;
        let (_, count) = id.split_at_mut(8);
        count.copy_from_slice(&self.transaction.to_be_bytes());
        TransactionId(id)
    }
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Allocate => "Allocate",
            Self::Clear => "Refresh, to end what an earlier call has left,",
            Self::Bind(_) => "ChannelBind",
            Self::Echo => "the payload",
            Self::Release => "Refresh with lifetime 0",
        }
    }
}

/// A reason phrase, as far as it is text.
fn phrase(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason).chars().filter(|one| !one.is_control()).take(80).collect()
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
