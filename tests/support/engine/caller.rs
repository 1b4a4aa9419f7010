//! A client that signs as it should, and reads answers with suspicion.

use std::net::SocketAddr;

use tern::engine::auth::{SharedSecret, issue};
use tern::route::Client;
use tern::time::UnixTime;
use tern::wire::stun::{
    AddressFamily, AttributeType, Class, Fingerprint, Integrity, Message, Method, PasswordAlgorithm,
    TransactionId, Writer, long_term_key_md5, long_term_key_sha256, userhash,
};

use super::setup::{REALM, SECRET, password};
use super::{EPOCH, Rig};

/// How requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As every browser does: MD5 key, HMAC-SHA1.
    Sha1,
    /// RFC 8489: SHA-256 key, HMAC-SHA256, algorithms named.
    Sha256,
    /// The same, with the name hidden.
    Userhash,
}

/// What a client knows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// USERNAME.
    pub name: String,
    /// The password, or the session key of a token.
    pub secret: Secret,
    /// ACCESS-TOKEN, while it is to be sent.
    pub token: Option<Vec<u8>>,
}

/// What a client signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Hashed with name and realm.
    Password(String),
    /// As it is.
    Key(Vec<u8>),
}

impl Login {
    /// A user of the file.
    pub fn user(name: &str) -> Self {
        Self { name: name.to_owned(), secret: Secret::Password(password(name)), token: None }
    }

    /// A time-limited credential that ends `seconds` after the rig's zero.
    pub fn timed(user: &str, seconds: u64) -> Self {
        let secret = SharedSecret::new("main", SECRET).unwrap();
        let credential = issue(&secret, user, UnixTime(EPOCH + seconds));
        Self { name: credential.username, secret: Secret::Password(credential.password), token: None }
    }
}

/// One client.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From where.
    pub client: Client,
    /// Who.
    pub login: Login,
    /// How.
    pub style: Style,
    /// The realm that it signs for.
    pub realm: String,
    /// The nonce of the last answer that had one.
    pub nonce: Option<Vec<u8>>,
    /// Whether FINGERPRINT is sent.
    pub fingerprint: bool,
    /// Transactions so far.
    pub counter: u64,
}

impl Caller {
    /// A user of the file, signing as browsers do.
    pub fn new(client: Client, user: &str) -> Self {
        Self::with(client, Login::user(user))
    }

    /// Anybody.
    pub fn with(client: Client, login: Login) -> Self {
        let realm = REALM.to_owned();
        Self { client, login, style: Style::Sha1, realm, nonce: None, fingerprint: false, counter: 0 }
    }

    /// The same, signing otherwise.
    pub fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// A transaction ID that nobody here has used.
    pub fn transaction(&mut self) -> TransactionId {
        self.counter += 1;
        let mut id = [0; 12];
        let port = self.client.tuple.client.port();
        id[..2].copy_from_slice(&port.to_be_bytes());
        id[2..10].copy_from_slice(&self.counter.to_be_bytes());
        id[10] = self.login.name.bytes().fold(0, |sum, byte| sum.wrapping_mul(31) ^ byte);
        TransactionId(id)
    }

    /// What it signs with.
    pub fn key(&self) -> Vec<u8> {
        let (name, realm) = (self.login.name.as_bytes(), self.realm.as_bytes());
        match (&self.login.secret, self.style) {
            (Secret::Key(key), _) => key.clone(),
            (Secret::Password(word), Style::Sha1) => long_term_key_md5(name, realm, word.as_bytes()).to_vec(),
            (Secret::Password(word), _) => long_term_key_sha256(name, realm, word.as_bytes()).to_vec(),
        }
    }

    /// A signed request with what `body` writes.
    pub fn sign(&mut self, method: Method, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let id = self.transaction();
        self.sign_as(id, method, body)
    }

    /// The same, in a given transaction.
    pub fn sign_as(&self, id: TransactionId, method: Method, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, method, id);
        body(&mut writer);
        self.add_credentials(&mut writer);
        if self.fingerprint {
            writer.fingerprint();
        }
        writer.finish().unwrap();
        bytes
    }

    fn add_credentials(&self, writer: &mut Writer<'_>) {
        let (name, realm) = (self.login.name.as_bytes(), self.realm.as_bytes());
        if self.style == Style::Userhash {
            writer.attribute(AttributeType::USERHASH, &userhash(name, realm));
        } else {
            writer.attribute(AttributeType::USERNAME, name);
        }
        writer.attribute(AttributeType::REALM, realm);
        writer.attribute(AttributeType::NONCE, self.nonce.as_deref().unwrap_or_default());
        if let Some(token) = &self.login.token {
            writer.attribute(AttributeType::ACCESS_TOKEN, token);
        }
        if self.style == Style::Sha1 {
            writer.integrity(&self.key());
        } else {
            writer.password_algorithms();
            writer.password_algorithm(PasswordAlgorithm::SHA256);
            writer.integrity_sha256(&self.key());
        }
    }

    /// Draws a challenge and keeps its nonce.
    pub fn greet(&mut self, rig: &mut Rig) {
        let id = self.transaction();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, Method::ALLOCATE, id);
        writer.requested_transport(17);
        let replies = rig.send(self.client, &bytes);
        let [(client, bytes)] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!(*client, self.client);
        let answer = Answer::new(bytes.clone());
        assert_eq!(answer.code, 401);
        self.learn(&answer);
    }

    /// Keeps the nonce of an answer, if it has one.
    pub fn learn(&mut self, answer: &Answer) {
        if let Some(nonce) = answer.find(AttributeType::NONCE) {
            self.nonce = Some(nonce.to_vec());
        }
    }

    /// Sends a signed request and reads its answer. The first time it fetches a nonce before; a stale one it renews.
    pub fn request(&mut self, rig: &mut Rig, method: Method, body: impl Fn(&mut Writer<'_>)) -> Answer {
        let answer = self.request_once(rig, method, &body);
        if answer.code == 438 { self.request_once(rig, method, &body) } else { answer }
    }

    /// Sends a signed request and reads its answer, whatever it is.
    pub fn request_once(&mut self, rig: &mut Rig, method: Method, body: impl Fn(&mut Writer<'_>)) -> Answer {
        if self.nonce.is_none() {
            self.greet(rig);
        }
        let bytes = self.sign(method, body);
        self.exchange(rig, &bytes).unwrap_or_else(|| panic!("no answer to {method:?}"))
    }

    /// Sends a request as it is; none if there is no answer yet.
    pub fn exchange(&mut self, rig: &mut Rig, bytes: &[u8]) -> Option<Answer> {
        let replies = rig.send(self.client, bytes);
        let id = Message::parse(bytes).unwrap().transaction_id();
        let mine =
            replies.into_iter().find(|(_, reply)| Message::parse(reply).unwrap().transaction_id() == id);
        let (client, reply) = mine?;
        assert_eq!(client, self.client, "answered somebody else");
        let answer = Answer::new(reply);
        self.learn(&answer);
        self.check(&answer, bytes);
        Some(answer)
    }

    /// Signed with our key in the attribute that we understand, unless it is one that cannot be.
    fn check(&self, answer: &Answer, request: &[u8]) {
        let (message, request) = (answer.message(), Message::parse(request).unwrap());
        assert_eq!(message.method(), request.method());
        let has = request.fingerprint() != Fingerprint::Absent;
        let expected = if has { Fingerprint::Good } else { Fingerprint::Absent };
        assert_eq!(message.fingerprint(), expected);
        let key = self.key();
        let verdicts = (message.check_integrity(&key), message.check_integrity_sha256(&key));
        let expected = match self.style {
            _ if !answer.is_signed() => (Integrity::Absent, Integrity::Absent),
            Style::Sha1 => (Integrity::Good, Integrity::Absent),
            Style::Sha256 | Style::Userhash => (Integrity::Absent, Integrity::Good),
        };
        assert_eq!(verdicts, expected, "{}", answer.code);
        if answer.code == 0 || answer.code >= 402 {
            assert!(answer.is_signed(), "{} is not signed", answer.code);
        }
    }

    /// Allocate, with what `body` adds to REQUESTED-TRANSPORT UDP.
    pub fn allocate(&mut self, rig: &mut Rig, body: impl Fn(&mut Writer<'_>)) -> Answer {
        self.request(rig, Method::ALLOCATE, |writer| {
            writer.requested_transport(17);
            body(writer);
        })
    }

    /// Allocate of a TCP relay.
    pub fn allocate_tcp(&mut self, rig: &mut Rig) -> Answer {
        self.request(rig, Method::ALLOCATE, |writer| {
            writer.requested_transport(6);
        })
    }

    /// Refresh with this LIFETIME.
    pub fn refresh(&mut self, rig: &mut Rig, lifetime: u32) -> Answer {
        self.request(rig, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime);
        })
    }

    /// CreatePermission for these peers.
    pub fn permit(&mut self, rig: &mut Rig, peers: &[&str]) -> Answer {
        self.request(rig, Method::CREATE_PERMISSION, |writer| {
            for peer in peers {
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap());
            }
        })
    }

    /// ChannelBind.
    pub fn bind(&mut self, rig: &mut Rig, number: u16, peer: &str) -> Answer {
        self.request(rig, Method::CHANNEL_BIND, |writer| {
            writer.channel_number(number);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap());
        })
    }

    /// Connect (RFC 6062) without waiting for its answer; the bytes that were sent.
    pub fn connect(&mut self, rig: &mut Rig, peer: &str) -> Option<Answer> {
        if self.nonce.is_none() {
            self.greet(rig);
        }
        let bytes = self.sign(Method::CONNECT, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap());
        });
        self.exchange(rig, &bytes)
    }

    /// ConnectionBind.
    pub fn bind_connection(&mut self, rig: &mut Rig, connection: u32) -> Answer {
        self.request(rig, Method::CONNECTION_BIND, |writer| {
            writer.u32(AttributeType::CONNECTION_ID, connection);
        })
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Zero for success.
    pub code: u16,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads an answer; it must be one, and a fingerprint on it right.
    pub fn new(bytes: Vec<u8>) -> Self {
        let message = Message::parse(&bytes).unwrap();
        assert_ne!(message.fingerprint(), Fingerprint::Bad);
        let error = message.error_code().unwrap();
        let code = match (message.class(), error) {
            (Class::Success, None) => 0,
            (Class::Error, Some(error)) => error.code,
            other => panic!("not an answer: {other:?}"),
        };
        Self { code, bytes }
    }

    /// The message.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    /// An attribute's value.
    pub fn find(&self, kind: AttributeType) -> Option<&[u8]> {
        self.message().find(kind)
    }

    /// Whether it carries any integrity attribute.
    pub fn is_signed(&self) -> bool {
        self.find(AttributeType::MESSAGE_INTEGRITY).is_some()
            || self.find(AttributeType::MESSAGE_INTEGRITY_SHA256).is_some()
    }

    /// Every XOR-RELAYED-ADDRESS.
    pub fn relayed(&self) -> Vec<SocketAddr> {
        let message = self.message();
        let kind = AttributeType::XOR_RELAYED_ADDRESS;
        let values = message.attributes().filter(|attribute| attribute.kind == kind);
        values.map(|attribute| read_alone(&message, kind, attribute.value)).collect()
    }

    /// LIFETIME.
    pub fn lifetime(&self) -> Option<u32> {
        self.message().lifetime().unwrap()
    }

    /// RESERVATION-TOKEN.
    pub fn token(&self) -> Option<[u8; 8]> {
        self.message().reservation_token().unwrap()
    }

    /// MOBILITY-TICKET.
    pub fn ticket(&self) -> Option<Vec<u8>> {
        self.find(AttributeType::MOBILITY_TICKET).map(<[u8]>::to_vec)
    }

    /// CONNECTION-ID.
    pub fn connection(&self) -> Option<u32> {
        self.message().connection_id().unwrap()
    }

    /// ADDRESS-ERROR-CODE.
    pub fn address_error(&self) -> Option<(AddressFamily, u16)> {
        self.message().address_error_code().unwrap().map(|(family, error)| (family, error.code))
    }

    /// Asserts success.
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "refused");
        self
    }
}

/// Readers find the first attribute of a kind only: puts one value into a message of its own.
fn read_alone(message: &Message<'_>, kind: AttributeType, value: &[u8]) -> SocketAddr {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, message.class(), message.method(), message.transaction_id());
    writer.attribute(kind, value);
    Message::parse(&bytes).unwrap().xor_address(kind).unwrap().unwrap()
}
