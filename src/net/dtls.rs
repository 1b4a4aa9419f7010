//! DTLS sessions (RFC 7350), and the cookie exchange before there is one.
//!
//! The protocol itself is `dimpl`'s; this module bounds what it may cost before a client is proven, and puts it
//! behind our types. Like [`super::tls`] it touches no socket and reads no clock.
//!
//! # What is kept before a handshake is complete
//!
//! - **DTLS 1.2: nothing**, until the client has returned a cookie and so proven its address (RFC 6347 section
//!   4.2.1). The cookie is a MAC over both addresses, the client's random and the minute; it is checked
//!   before a session is made. `dimpl` itself keeps its cookie exchange inside a session, so a session that is made
//!   for a proven client is first shown the exchange as it must have been (see `dtls/cookie.rs`).
//! - **DTLS 1.3, and a ClientHello in fragments: one session per first datagram.** What a stateless
//!   HelloRetryRequest needs cannot be given to `dimpl`. It sends its own cookie and does nothing expensive before
//!   that comes back, but it keeps a few kilobytes meanwhile. These sessions are not proven
//!   ([`DtlsSession::is_proven`]); keep them in a [`HalfOpen`] of their own, which makes the oldest go when
//!   there are too many, so that a flood of forged ones can neither grow memory nor push out a proven one.
//! - Every handshake ends at its deadline.
//!
//! # Limits of `dimpl` 0.9
//!
//! - Certificates: ECDSA on P-256 or P-384, the server's own only, no chain: a client that verifies must know the
//!   issuer directly.
//! - DTLS 1.2 only with ECDHE-ECDSA, AES-GCM or ChaCha20-Poly1305, and extended master secret (RFC 7627); no
//!   resumption, no renegotiation, no connection IDs, no ALPN (so RFC 7443's names are neither chosen nor refused).
//! - DTLS 1.0 is not spoken; [`DtlsAcceptor`] answers it with the alert that `dimpl` would not send.
//! - A datagram of plaintext has at most 16,384 bytes, one record.
//! - Plaintext records of a handshake are believed, as the protocol has it: whoever can forge the client's address
//!   and port during its handshake can break that handshake.

mod client;
mod cookie;
mod hello;
mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::certs::{CertError, CertStore};
use crate::clock::Clock;
use crate::time::Time;

pub use client::DtlsConnector;
use cookie::CookieKey;
use hello::ClientHello;
pub use session::{DtlsOutput, DtlsSession};

/// Longest plaintext of one record (RFC 6347 section 4.1).
pub const LONGEST_PLAINTEXT: usize = 16_384;

const ALERT_HANDSHAKE_FAILURE: u8 = 40;
const ALERT_PROTOCOL_VERSION: u8 = 70;

/// Which path a datagram came on: the client's address, and the server's that it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The client.
    pub client: SocketAddr,
    /// The address it sent to.
    pub server: SocketAddr,
}

/// Decides about datagrams that belong to no session. One per listener and worker.
#[derive(Debug)]
pub struct DtlsAcceptor {
    certs: Arc<CertStore>,
    config: Arc<dimpl::Config>,
    cookies: CookieKey,
    handshake: Duration,
    clock: Clock,
}

/// What to do with a datagram that belongs to no session.
#[derive(Debug)]
pub enum Accept {
    /// Nothing: it is no beginning of a handshake.
    Ignore,
    /// Send this back, and keep nothing: a cookie to return (HelloVerifyRequest), or an alert. Never longer than
    /// what came.
    Reply(Vec<u8>),
    /// A session begins. Poll it.
    Session(Box<DtlsSession>),
}

/// Why a session is over, or a datagram was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The handshake was not completed in time, or retransmissions were exhausted.
    #[error("handshake not completed in time")]
    Timeout,
    /// The client wants something that is not served, or breaks the protocol.
    #[error("{0}")]
    Failed(String),
    /// More than [`LONGEST_PLAINTEXT`] to send. The session goes on.
    #[error("too long for one DTLS record")]
    TooLong,
}

impl DtlsAcceptor {
    /// Sessions with `certs`, always the current ones. `cookie_key` is random, and the same at all workers.
    /// A handshake must be complete after `handshake`.
    ///
    /// # Errors
    /// When the certificate cannot be used for DTLS.
    pub fn new(
        certs: Arc<CertStore>,
        cookie_key: [u8; 32],
        handshake: Duration,
        clock: Clock,
    ) -> Result<Self, CertError> {
        certs.check_for_dtls()?;
        let config = dimpl::Config::builder()
            .with_crypto_provider(cookie::provider())
            .require_client_certificate(false)
            .handshake_timeout(handshake.clamp(Duration::from_millis(1), Duration::from_hours(1)))
            .build()
            .map_err(|error| CertError::new(format!("DTLS cannot be set up: {error}")))?;
        let cookies = CookieKey::new(&cookie_key);
        Ok(Self { certs, config: Arc::new(config), cookies, handshake, clock })
    }

    /// Look at a datagram from a path that has no session, or whose session is to be replaced if this proves to
    /// be a new handshake (RFC 6347 section 4.2.8: only when the new one is proven).
    pub fn accept(&mut self, now: Time, path: Path, datagram: &[u8]) -> Accept {
        let Some(hello) = ClientHello::parse(datagram) else { return Accept::Ignore };
        if !hello.is_complete() {
            return self.begin_unproven(now, &hello, datagram);
        }
        if hello.speaks_only_older() {
            return Accept::Reply(hello.alert(ALERT_PROTOCOL_VERSION));
        }
        if hello.offers_dtls13() {
            return self.begin_unproven(now, &hello, datagram);
        }
        if !self.cookies.check(now, path, hello.random(), hello.cookie()) {
            let cookie = self.cookies.make(now, path, hello.random());
            return Accept::Reply(hello.verify_request(&cookie));
        }
        self.begin_proven(now, &hello, datagram)
    }

    fn begin_unproven(&self, now: Time, hello: &ClientHello<'_>, datagram: &[u8]) -> Accept {
        let Ok(certificate) = self.certs.dtls() else { return Accept::Ignore };
        let instant = self.clock.instant(now);
        let dtls = dimpl::Dtls::new_auto(Arc::clone(&self.config), certificate, instant);
        let mut session = DtlsSession::new(dtls, self.clock, now + self.handshake, None);
        match session.receive(now, datagram) {
            Ok(()) => Accept::Session(Box::new(session)),
            Err(_) => Accept::Reply(hello.alert(ALERT_HANDSHAKE_FAILURE)),
        }
    }

    fn begin_proven(&self, now: Time, hello: &ClientHello<'_>, datagram: &[u8]) -> Accept {
        let (Ok(certificate), Some(before)) = (self.certs.dtls(), hello.without_cookie()) else {
            return Accept::Ignore;
        };
        let instant = self.clock.instant(now);
        let dtls = dimpl::Dtls::new_12(Arc::clone(&self.config), certificate, instant);
        let deadline = now + self.handshake;
        let mut session = DtlsSession::new(dtls, self.clock, deadline, Some(hello.record_sequence()));
        let result = cookie::with_cookie(hello.cookie(), || {
            session.receive(now, &before)?;
            session.discard_output();
            session.receive(now, datagram)
        });
        match result {
            Ok(()) => Accept::Session(Box::new(session)),
            Err(_) => Accept::Reply(hello.alert(ALERT_HANDSHAKE_FAILURE)),
        }
    }
}

/// Handshakes under way, oldest first, at most so many. All have the same time to complete, so the oldest is also
/// the first to expire.
#[derive(Debug)]
pub struct HalfOpen<K> {
    keys: VecDeque<K>,
    bound: usize,
}

impl<K: PartialEq> HalfOpen<K> {
    /// At most `bound`, at least one.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { keys: VecDeque::new(), bound: bound.max(1) }
    }

    /// A handshake begins. When there are too many, the oldest is returned: drop its session.
    #[must_use]
    pub fn begin(&mut self, key: K) -> Option<K> {
        let evicted = if self.keys.len() >= self.bound { self.keys.pop_front() } else { None };
        self.keys.push_back(key);
        evicted
    }

    /// It is complete, or over. Costs a search among the `bound`.
    pub fn end(&mut self, key: &K) {
        if let Some(index) = self.keys.iter().position(|other| other == key) {
            self.keys.remove(index);
        }
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
#[path = "dtls/tests.rs"]
mod tests;
