//! Questions to a TURN server and their answers: one at a time, signed once the server has said how. Bytes in, bytes out.

use std::net::SocketAddr;

use crate::wire::channel_data::ChannelNumber;
use crate::wire::stun::{
    AddressFamily, AttributeType, Class, Integrity, Message, Method, TransactionId, Writer, long_term_key_md5,
};

/// UDP, for REQUESTED-TRANSPORT.
const UDP: u8 = 17;
/// Challenges that are answered: the first, and one for a nonce that was stale.
const CHALLENGES: u8 = 2;

/// What a server wants to see in the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// REALM, part of the key.
    pub realm: Vec<u8>,
    /// NONCE.
    pub nonce: Vec<u8>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Login {
    /// USERNAME.
    pub username: String,
    /// The other part of the key.
    pub password: String,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The address that the server sees.
    Binding,
    /// A relayed address, of this family if one is wanted.
    Allocate(Option<AddressFamily>),
    /// To send to and hear from a peer's address.
    Permit(SocketAddr),
    /// The same on a channel.
    Bind(ChannelNumber, SocketAddr),
    /// To keep the allocation for so many seconds; with 0 it ends.
    Refresh(u32),
}

/// The server's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: u16,
    /// Its phrase, as far as it is text.
    pub reason: String,
    /// Where to ask instead.
    pub alternate: Option<SocketAddr>,
}

/// What a received message is to the question that was asked last.
#[derive(Debug)]
pub enum Reply<'a> {
    /// Nothing.
    Other,
    /// A challenge: send what waits, which is signed now.
    Again,
    /// The answer. It is signed if the question was.
    Success(Message<'a>),
    /// No.
    Refused(Refusal),
    /// Not signed as it must be, or an error that says nothing: in words.
    Broken(&'static str),
}

/// One client's questions.
#[derive(Debug)]
pub struct Exchange {
    login: Login,
    challenge: Option<Challenge>,
    challenges: u8,
    /// Of the first request; later ones count on from there in its last four bytes.
    transaction: [u8; 12],
    count: u32,
    ask: Ask,
    waiting: Vec<u8>,
}

impl Exchange {
    /// Asks nothing yet. Requests are signed from the first one on if a challenge of this server is known.
    #[must_use]
    pub const fn new(login: Login, challenge: Option<Challenge>, transaction: [u8; 12]) -> Self {
        Self {
            login,
            challenge,
            challenges: 0,
            transaction,
            count: 0,
            ask: Ask::Binding,
            waiting: Vec::new(),
        }
    }

    /// What is to be sent, and sent again if nothing answers to it.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// What the server asked for last.
    #[must_use]
    pub const fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// Whether requests are signed by now.
    #[must_use]
    pub const fn is_signing(&self) -> bool {
        self.challenge.is_some()
    }

    /// What requests are signed with.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 16]> {
        let realm = &self.challenge.as_ref()?.realm;
        Some(long_term_key_md5(self.login.username.as_bytes(), realm, self.login.password.as_bytes()))
    }

    /// Asks something else from now on.
    pub fn ask(&mut self, ask: Ask) {
        self.ask = ask;
        self.write();
    }

    /// Takes whatever has come.
    pub fn receive<'a>(&mut self, bytes: &'a [u8]) -> Reply<'a> {
        let Ok(message) = Message::parse(bytes) else { return Reply::Other };
        if message.transaction_id() != self.id() {
            return Reply::Other;
        }
        match message.class() {
            Class::Success => self.succeeded(message),
            Class::Error => self.refused(&message),
            Class::Request | Class::Indication => Reply::Other,
        }
    }

    fn succeeded<'a>(&self, message: Message<'a>) -> Reply<'a> {
        let must_be_signed = self.ask != Ask::Binding;
        match self.key() {
            Some(key) if must_be_signed && message.check_integrity(&key) != Integrity::Good => {
                Reply::Broken("is not signed as it must be")
            }
            Some(_) | None => Reply::Success(message),
        }
    }

    fn refused<'a>(&mut self, message: &Message<'_>) -> Reply<'a> {
        let Ok(Some(error)) = message.error_code() else {
            return Reply::Broken("is an error without a code");
        };
        if matches!(error.code, 401 | 438) && self.challenges < CHALLENGES {
            return self.take_challenge(message);
        }
        let reason = String::from_utf8_lossy(error.reason);
        let reason = reason.chars().filter(|one| !one.is_control());
        let alternate = message.address(AttributeType::ALTERNATE_SERVER).ok().flatten();
        Reply::Refused(Refusal { code: error.code, reason: reason.take(80).collect(), alternate })
    }

    fn take_challenge<'a>(&mut self, message: &Message<'_>) -> Reply<'a> {
        let (Some(realm), Some(nonce)) = (message.realm(), message.nonce()) else {
            return Reply::Broken("is a challenge without realm and nonce");
        };
        self.challenges += 1;
        self.challenge = Some(Challenge { realm: realm.to_vec(), nonce: nonce.to_vec() });
        self.write();
        Reply::Again
    }

    fn write(&mut self) {
        self.count += 1;
        let method = match self.ask {
            Ask::Binding => Method::BINDING,
            Ask::Allocate(_) => Method::ALLOCATE,
            Ask::Permit(_) => Method::CREATE_PERMISSION,
            Ask::Bind(..) => Method::CHANNEL_BIND,
            Ask::Refresh(_) => Method::REFRESH,
        };
        let mut bytes = Vec::with_capacity(256);
        let mut writer = Writer::new(&mut bytes, Class::Request, method, self.id());
        match self.ask {
            Ask::Binding => {}
            Ask::Allocate(family) => {
                writer.requested_transport(UDP);
                if let Some(family) = family {
                    writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
                }
            }
            Ask::Permit(peer) => {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            }
            Ask::Bind(channel, peer) => {
                writer.channel_number(channel.0).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            }
            Ask::Refresh(seconds) => {
                writer.u32(AttributeType::LIFETIME, seconds);
            }
        }
        if let (Some(challenge), Some(key)) = (&self.challenge, self.key())
            && self.ask != Ask::Binding
        {
            writer.attribute(AttributeType::USERNAME, self.login.username.as_bytes());
            writer.attribute(AttributeType::REALM, &challenge.realm);
            writer.attribute(AttributeType::NONCE, &challenge.nonce);
            writer.integrity(&key);
        }
        self.waiting = bytes;
    }

    fn id(&self) -> TransactionId {
        let mut id = self.transaction;
        let (_, count) = id.split_at_mut(8);
        count.copy_from_slice(&self.count.to_be_bytes());
        TransactionId(id)
    }
}
