//! TLS over a stream that the worker reads and writes.
//!
//! A [`TlsStream`] holds one rustls session and touches no socket. Bytes from the connection go in and come out
//! as plaintext; plaintext goes in and waits as records until the connection takes them. Versions 1.2 and 1.3;
//! everything older is refused with an alert. RFC 7443's protocol names are chosen when a client asks for one of
//! them; a client that asks for none is served, one that asks only for others is refused as RFC 7301 has it.
//!
//! **Memory.** A session keeps at most one incomplete record, and [`SEND_BUFFER`] of outgoing records; what
//! exceeds that stays in the connection's [`super::queue::OutQueue`], where old media can still be dropped.
//!
//! **Resumption** is stateless: tickets are sealed under keys that live in this process and are replaced every six
//! hours; all sessions with one certificate store understand each other's. No session is remembered. There is no early data.

mod client;

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ResolvesServerCert, ServerConfig, ServerConnection};

pub use client::{TlsClient, TlsConnector};

use super::certs::CertStore;
use crate::time::Time;

/// Names of RFC 7443.
const ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// Bytes of encrypted records that may wait for the connection: enough to keep it busy, little enough that the
/// out queue, which knows what may be dropped, holds the rest.
pub const SEND_BUFFER: usize = 32 * 1024;

/// Makes sessions; one per listener, shared by all workers.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

/// Why a session cannot go on. What there is to tell the client (an alert) has been queued: flush, then close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The client speaks no version of ours, no cipher of ours, or not TLS.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// Broken records after the handshake.
    #[error("broken session: {0}")]
    Broken(String),
    /// The crypto library cannot be used on this system.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// What received bytes have brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsProgress {
    /// The handshake has just been completed.
    pub established: bool,
    /// The client has said that nothing more comes (close_notify).
    pub closed: bool,
}

/// One client's session.
#[derive(Debug)]
pub struct TlsStream {
    connection: ServerConnection,
    deadline: Option<Time>,
}

impl TlsAcceptor {
    /// Sessions with `certs`, always the current ones.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the crypto library has neither version.
    pub fn new(certs: Arc<CertStore>) -> Result<Self, TlsError> {
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let tickets = certs.tickets();
        let resolver: Arc<dyn ResolvesServerCert> = certs;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.ticketer = tickets;
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config) })
    }

    /// A session for a connection that has just been accepted; `deadline` is for its handshake.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the system has no random numbers.
    pub fn accept(&self, now: Time, deadline: Duration) -> Result<TlsStream, TlsError> {
        let mut connection = ServerConnection::new(Arc::clone(&self.config))
            .map_err(|error| TlsError::Setup(error.to_string()))?;
        connection.set_buffer_limit(Some(SEND_BUFFER));
        Ok(TlsStream { connection, deadline: Some(now + deadline) })
    }
}

impl TlsStream {
    /// Take bytes from the connection, all of them, and append what they decrypt to to `plaintext` (at most as
    /// much as came in, plus one record that was incomplete before). Afterwards see [`TlsStream::wants_write`].
    ///
    /// # Errors
    /// When the session is over; flush before closing, an alert may wait.
    pub fn receive(&mut self, mut bytes: &[u8], plaintext: &mut Vec<u8>) -> Result<TlsProgress, TlsError> {
        let mut progress = TlsProgress::default();
        while !bytes.is_empty() {
            let taken = self.connection.read_tls(&mut bytes).map_err(|error| self.fail(&error))?;
            let result = self.connection.process_new_packets();
            let state = result.map_err(|error| self.fail(&error))?;
            self.read_plaintext(state.plaintext_bytes_to_read(), plaintext)?;
            if state.peer_has_closed() {
                progress.closed = true;
            }
            if taken == 0 {
                break;
            }
        }
        if self.deadline.is_some() && !self.connection.is_handshaking() {
            self.deadline = None;
            progress.established = true;
        }
        Ok(progress)
    }

    /// Encrypt as much plaintext as the session's bounded buffer takes now; returns how much. For
    /// [`super::queue::OutQueue::flush`] this is the sink: when the buffer is full it is
    /// [`io::ErrorKind::WouldBlock`], and then [`TlsStream::write_to`] comes first. Before the handshake is
    /// complete nothing is taken.
    ///
    /// # Errors
    /// Would block, as said.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.connection.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.connection.writer().write_vectored(slices)? {
            0 if slices.iter().any(|slice| !slice.is_empty()) => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// Whether encrypted bytes wait to be written to the connection.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Write the encrypted bytes that wait. `sink` is the connection's vectored write. True when nothing waits any more.
    ///
    /// # Errors
    /// The sink's, other than "would block".
    pub fn write_to(&mut self, sink: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<bool> {
        let mut sink = Sink(sink);
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut sink) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Tell the client that nothing more comes. Flush, then close.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// When the handshake must be complete; none once it is.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// The protocol that the client asked for and got, if it asked (RFC 7443): `stun.turn` or `stun.nat-discovery`.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    fn read_plaintext(&mut self, length: usize, plaintext: &mut Vec<u8>) -> Result<(), TlsError> {
        let start = plaintext.len();
        plaintext.resize(start + length, 0);
        let space = plaintext.get_mut(start..).unwrap_or_default();
        let result = self.connection.reader().read_exact(space);
        result.map_err(|error| self.fail(&error))
    }

    fn fail(&self, error: &impl ToString) -> TlsError {
        if self.connection.is_handshaking() {
            TlsError::Handshake(error.to_string())
        } else {
            TlsError::Broken(error.to_string())
        }
    }
}

/// A vectored write as a writer.
struct Sink<F>(F);

impl<F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Sink<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (self.0)(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
