//! A client made of its parts, so that a test can leave out, change or forge any of them.

mod challenge;
mod credentials;
mod mutation;
mod nonce;
mod oauth;
mod order;
mod vectors;

use std::net::SocketAddr;

use super::*;
use crate::time::{Now, Time, UnixTime};
use crate::wire::stun::{
    AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5, long_term_key_sha256,
};

pub(super) const REALM: &str = "example.org";
pub(super) const START: u64 = 1_700_000_000;
pub(super) const SHA256_ONLY: [u8; 4] = [0, 2, 0, 0];
pub(super) const MD5_ONLY: [u8; 4] = [0, 1, 0, 0];
pub(super) const OFFER: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

pub(super) fn at(unix: u64) -> Now {
    Now { time: Time::from_secs(1), unix: UnixTime(unix) }
}

pub(super) fn source() -> SocketAddr {
    "192.0.2.7:50000".parse().unwrap()
}

pub(super) fn nonce_keys(relay: u16) -> NonceKeys {
    NonceKeys::new(relay, [FleetKey::derive(b"fleet")]).unwrap()
}

/// One user, alice with "secret", in the realm of the tests.
pub(super) fn users() -> Users {
    Users::parse(&user_line("alice", REALM, "secret").unwrap()).unwrap()
}

pub(super) fn secrets(list: &[(&str, &str)]) -> Secrets {
    let secrets = list.iter().map(|(id, secret)| SharedSecret::new(id, secret.as_bytes()).unwrap());
    Secrets::new(secrets.collect()).unwrap()
}

/// A server that knows alice and one shared secret.
pub(super) fn server() -> Authenticator {
    let credentials =
        Credentials { users: users(), secrets: secrets(&[("main", "north")]), ..Credentials::default() };
    Authenticator::new(nonce_keys(1), credentials)
}

/// What a well-behaved client sends; tests alter the fields.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) username: Option<Vec<u8>>,
    pub(super) userhash: Option<Vec<u8>>,
    pub(super) realm: Option<Vec<u8>>,
    pub(super) nonce: Option<Vec<u8>>,
    pub(super) algorithm: Option<Vec<u8>>,
    pub(super) algorithms: Option<Vec<u8>>,
    pub(super) token: Option<Vec<u8>>,
    pub(super) sha1: Option<Vec<u8>>,
    pub(super) sha256: Option<Vec<u8>>,
    pub(super) ticket: Option<Vec<u8>>,
    pub(super) method: Method,
}

impl Request {
    /// Signed as RFC 5389 has it.
    pub(super) fn md5(server: &Authenticator, user: &str, password: &str) -> Self {
        let key = long_term_key_md5(user.as_bytes(), REALM.as_bytes(), password.as_bytes());
        Self {
            username: Some(user.into()),
            userhash: None,
            realm: Some(REALM.into()),
            nonce: Some(challenge(server).nonce),
            algorithm: None,
            algorithms: None,
            token: None,
            sha1: Some(key.to_vec()),
            sha256: None,
            ticket: None,
            method: Method::ALLOCATE,
        }
    }

    /// Signed as RFC 8489 wants it from a client that knows SHA-256.
    pub(super) fn sha256(server: &Authenticator, user: &str, password: &str) -> Self {
        let key = long_term_key_sha256(user.as_bytes(), REALM.as_bytes(), password.as_bytes());
        Self {
            algorithm: Some(SHA256_ONLY.to_vec()),
            algorithms: Some(OFFER.to_vec()),
            sha1: None,
            sha256: Some(key.to_vec()),
            ..Self::md5(server, user, password)
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            Writer::new(&mut bytes, Class::Request, self.method, TransactionId(*b"transaction1"));
        writer.requested_transport(17);
        for (kind, value) in [
            (AttributeType::USERNAME, &self.username),
            (AttributeType::USERHASH, &self.userhash),
            (AttributeType::REALM, &self.realm),
            (AttributeType::NONCE, &self.nonce),
            (AttributeType::PASSWORD_ALGORITHMS, &self.algorithms),
            (AttributeType::PASSWORD_ALGORITHM, &self.algorithm),
            (AttributeType::ACCESS_TOKEN, &self.token),
            (AttributeType::MOBILITY_TICKET, &self.ticket),
        ] {
            if let Some(value) = value {
                writer.attribute(kind, value);
            }
        }
        if let Some(key) = &self.sha1 {
            writer.integrity(key);
        }
        if let Some(key) = &self.sha256 {
            writer.integrity_sha256(key);
        }
        writer.finish().unwrap();
        bytes
    }

    pub(super) fn send(&self, server: &Authenticator) -> Result<Authenticated, Rejection> {
        self.send_at(server, START)
    }

    pub(super) fn send_at(&self, server: &Authenticator, unix: u64) -> Result<Authenticated, Rejection> {
        self.send_for(server, unix, None)
    }

    pub(super) fn send_for(
        &self,
        server: &Authenticator,
        unix: u64,
        session: Option<&Session>,
    ) -> Result<Authenticated, Rejection> {
        let bytes = self.bytes();
        let message = Message::parse(&bytes).unwrap();
        server.authenticate_for(session, at(unix), REALM, source(), &message)
    }
}

/// An answer, taken apart.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) code: u16,
    pub(super) realm: Option<Vec<u8>>,
    pub(super) nonce: Vec<u8>,
    pub(super) algorithms: Option<Vec<u8>>,
    pub(super) third_party: Option<Vec<u8>>,
}

/// What the server answers to a rejected request.
pub(super) fn answer(server: &Authenticator, unix: u64, rejection: &Rejection) -> Answer {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Error, Method::ALLOCATE, TransactionId(*b"transaction1"));
    write(server, unix, rejection, &mut writer);
    writer.finish().unwrap();
    let message = Message::parse(&bytes).unwrap();
    let find = |kind| message.find(kind).map(<[u8]>::to_vec);
    let code = message.error_code().unwrap().unwrap().code;
    Answer {
        code,
        realm: find(AttributeType::REALM),
        nonce: find(AttributeType::NONCE).unwrap_or_default(),
        algorithms: find(AttributeType::PASSWORD_ALGORITHMS),
        third_party: find(AttributeType::THIRD_PARTY_AUTHORIZATION),
        bytes: bytes.clone(),
    }
}

fn write(server: &Authenticator, unix: u64, rejection: &Rejection, writer: &mut Writer<'_>) {
    match rejection {
        Rejection::BadRequest => {
            writer.error_code(400, "");
        }
        Rejection::Challenge(_) => {
            writer.error_code(401, "");
            server.write_challenge(at(unix), REALM, source(), writer);
        }
        Rejection::Stale { key, .. } => {
            writer.error_code(438, "");
            server.write_challenge(at(unix), REALM, source(), writer);
            key.sign(writer);
        }
    }
}

/// The first 401.
pub(super) fn challenge(server: &Authenticator) -> Answer {
    answer(server, START, &Rejection::Challenge(Cause::Unsigned))
}

pub(super) fn is_signed(bytes: &[u8]) -> bool {
    let message = Message::parse(bytes).unwrap();
    message.find(AttributeType::MESSAGE_INTEGRITY).is_some()
        || message.find(AttributeType::MESSAGE_INTEGRITY_SHA256).is_some()
}
