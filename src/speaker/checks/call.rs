//! A test call, as a client would make it: Allocate, a challenge on the way; ChannelBind; a payload to the peer and back;
//! Refresh with lifetime 0. Bytes in, bytes out; sockets and time are the caller's.

use std::net::SocketAddr;

use super::fault::Fault;
use crate::announce::health::Verdict;
use crate::client::{Ask, Challenge, Exchange, Login, Refusal, Reply};
use crate::wire::channel_data::{self, ChannelNumber, HEADER_LEN};
use crate::wire::stun::{AttributeType, Message, padding};

/// The channel of every test call.
const CHANNEL: ChannelNumber = ChannelNumber(0x4000);

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
    pub(super) login: Login,
    /// What is sent to the peer, and what is to come back.
    pub(super) payload: Vec<u8>,
    pub(super) echo: Vec<u8>,
    /// Of the first request; later ones count on from there.
    pub(super) transaction: [u8; 12],
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    exchange: Exchange,
    payload: Vec<u8>,
    echo: Vec<u8>,
    cleared: bool,
    is_stream: bool,
    step: Step,
    /// The payload, framed, while it is what waits.
    media: Vec<u8>,
}

impl Call {
    /// Begins with an Allocate, signed if a challenge of this relay is known from an earlier call.
    pub(super) fn new(caller: Caller, challenge: Option<Challenge>, is_stream: bool) -> Self {
        let Caller { login, payload, echo, transaction } = caller;
        let mut call = Self {
            exchange: Exchange::new(login, challenge, transaction),
            payload,
            echo,
            cleared: false,
            is_stream,
            step: Step::Allocate,
            media: Vec::new(),
        };
        call.go(Step::Allocate);
        call
    }

    /// What is to be sent, and sent again if nothing answers to it.
    pub(super) fn waiting(&self) -> &[u8] {
        if self.step == Step::Echo { &self.media } else { self.exchange.waiting() }
    }

    /// What the relay asked for last, for the next call.
    pub(super) const fn challenge(&self) -> Option<&Challenge> {
        self.exchange.challenge()
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
        match self.exchange.receive(frame) {
            Reply::Other => Ok(Progress::Waiting),
            Reply::Again => Ok(Progress::Send),
            // A relay that challenges nobody is open to all.
            Reply::Success(_) if !self.exchange.is_signing() => {
                Err(self.broken("is not signed as it must be"))
            }
            Reply::Success(message) => self.succeeded(&message),
            Reply::Refused(refusal) => self.refused(&refusal),
            Reply::Broken(how) => Err(self.broken(how)),
        }
    }

    fn broken(&self, how: &str) -> Fault {
        Fault::bad(format!("the answer to {} {how}", self.step.name()))
    }

    fn take_payload(&mut self, frame: &[u8]) -> Progress {
        let Ok((CHANNEL, range)) = channel_data::parse(frame) else { return Progress::Waiting };
        if frame.get(range) != Some(self.echo.as_slice()) {
            return Progress::Waiting;
        }
        self.release();
        Progress::Send
    }

    fn succeeded(&mut self, message: &Message<'_>) -> Result<Progress, Fault> {
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

    fn refused(&mut self, refusal: &Refusal) -> Result<Progress, Fault> {
        let name = self.step.name();
        match (refusal.code, self.step) {
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
            (code, _) => {
                let text = format!("{name} answered {code} {}", refusal.reason);
                Err(Fault::bad(text.trim_end()))
            }
        }
    }

    fn go(&mut self, step: Step) -> Progress {
        self.step = step;
        self.exchange.ask(match step {
            Step::Allocate => Ask::Allocate(None),
            Step::Bind(peer) => Ask::Bind(CHANNEL, peer),
            Step::Clear | Step::Echo | Step::Release => Ask::Refresh(0),
        });
        Progress::Send
    }

    fn send_payload(&mut self) -> Progress {
        self.step = Step::Echo;
        let length = self.payload.len();
        let mut header = [0; HEADER_LEN];
        channel_data::write_header(&mut header, CHANNEL, u16::try_from(length).unwrap_or(u16::MAX));
        self.media = [&header, self.payload.as_slice()].concat();
        if self.is_stream {
            self.media.resize(self.media.len() + padding(length), 0);
        }
        Progress::Send
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

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
