//! DTLS sessions (RFC 7350), and the cookie exchange before there is one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::certs::{CertError, CertStore};
use crate::clock::Clock;
use crate::time::Time;

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
    _todo: (),
}

/// What to do with a datagram that belongs to no session.
#[derive(Debug)]
pub enum Accept {
    /// Nothing: it is no beginning of a handshake.
    Ignore,
    /// Send this back, and keep nothing: a cookie to return (HelloVerifyRequest), or an alert.
    Reply(Vec<u8>),
    /// A session begins. Poll it.
    Session(Box<DtlsSession>),
}

/// One client's session.
#[derive(Debug)]
pub struct DtlsSession {
    _todo: (),
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The handshake was not completed in time, or retransmissions were exhausted.
    #[error("handshake not completed in time")]
    Timeout,
    /// The client wants something that is not served, or breaks the protocol.
    #[error("{0}")]
    Failed(String),
}

/// What a session has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum DtlsOutput<'a> {
    /// Send this datagram to the client.
    Send(&'a [u8]),
    /// A decrypted datagram came; edit it in place if you like.
    Data(&'a mut [u8]),
    /// The handshake is complete.
    Established,
    /// The client has closed the session.
    Closed,
}

impl DtlsAcceptor {
    /// Sessions with `certs`, always the current ones. `cookie_key` is random, and the same at all workers.
    ///
    /// # Errors
    /// When the certificate cannot be used for DTLS.
    pub fn new(
        certs: Arc<CertStore>,
        cookie_key: [u8; 32],
        handshake: Duration,
        clock: Clock,
    ) -> Result<Self, CertError> {
        let _ = (certs, cookie_key, handshake, clock);
        unimplemented!()
    }

    /// Look at a datagram from a path that has no session, or whose session is to be replaced if this proves to
    /// be a new handshake.
    pub fn accept(&mut self, now: Time, path: Path, datagram: &[u8]) -> Accept {
        let _ = (now, path, datagram);
        unimplemented!()
    }
}

impl DtlsSession {
    /// Take a datagram from the client. Poll afterwards, also when it fails: an alert may wait.
    ///
    /// # Errors
    /// When the session is over.
    pub fn receive(&mut self, now: Time, datagram: &[u8]) -> Result<(), DtlsError> {
        let _ = (now, datagram);
        unimplemented!()
    }

    /// Encrypt a datagram for the client. Poll afterwards, before the next call.
    ///
    /// # Errors
    /// When the session is over or not yet established.
    pub fn send(&mut self, now: Time, plaintext: &[u8]) -> Result<(), DtlsError> {
        let _ = (now, plaintext);
        unimplemented!()
    }

    /// What comes next; none when everything has been said. `scratch` is where it is put, at least 64 KiB long.
    pub fn poll<'a>(&mut self, scratch: &'a mut [u8]) -> Option<DtlsOutput<'a>> {
        let _ = scratch;
        unimplemented!()
    }

    /// When [`DtlsSession::expire`] must be called, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        unimplemented!()
    }

    /// The deadline has come: retransmit, or give up. Poll afterwards.
    ///
    /// # Errors
    /// When the session is over.
    pub fn expire(&mut self, now: Time) -> Result<(), DtlsError> {
        let _ = now;
        unimplemented!()
    }

    /// Say goodbye (close_notify). Poll afterwards.
    pub fn close(&mut self, now: Time) {
        let _ = now;
        unimplemented!()
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        unimplemented!()
    }

    /// Whether the client has proven that it receives at its address: by a cookie before the session was made
    /// (DTLS 1.2), or by completing the handshake. Only a proven session may replace another one.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        unimplemented!()
    }
}
