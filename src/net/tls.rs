//! TLS over a stream that the worker reads and writes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::certs::CertStore;
use crate::time::Time;

/// Makes sessions; one per listener, shared by all workers.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    _todo: Arc<()>,
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
    _todo: (),
}

impl TlsAcceptor {
    /// Sessions with `certs`, always the current ones.
    #[must_use]
    pub fn new(certs: Arc<CertStore>) -> Self {
        let _ = certs;
        unimplemented!()
    }

    /// A session for a connection that has just been accepted; `deadline` is for its handshake.
    ///
    /// # Errors
    /// None in practice.
    pub fn accept(&self, now: Time, deadline: Duration) -> Result<TlsStream, TlsError> {
        let _ = (now, deadline);
        unimplemented!()
    }
}

impl TlsStream {
    /// Take bytes from the connection, all of them, and append what they decrypt to to `plaintext` (never longer
    /// than what came in). Afterwards see [`TlsStream::wants_write`].
    ///
    /// # Errors
    /// When the session is over; flush before closing, an alert may wait.
    pub fn receive(&mut self, bytes: &[u8], plaintext: &mut Vec<u8>) -> Result<TlsProgress, TlsError> {
        let _ = (bytes, plaintext);
        unimplemented!()
    }

    /// Encrypt as much plaintext as the session's bounded buffer takes now; returns how much. For
    /// [`super::queue::OutQueue::flush`] this is the sink: when the buffer is full it is
    /// [`io::ErrorKind::WouldBlock`], and then [`TlsStream::write_to`] comes first. Before the handshake is
    /// complete nothing is taken.
    ///
    /// # Errors
    /// Would block, as said.
    pub fn write(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let _ = slices;
        unimplemented!()
    }

    /// Whether encrypted bytes wait to be written to the connection.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        unimplemented!()
    }

    /// Write the encrypted bytes that wait. `sink` is the connection's vectored write. True when nothing waits any more.
    ///
    /// # Errors
    /// The sink's, other than "would block".
    pub fn write_to(
        &mut self,
        sink: impl FnMut(&[io::IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let _ = sink;
        unimplemented!()
    }

    /// Tell the client that nothing more comes. Flush, then close.
    pub fn close(&mut self) {
        unimplemented!()
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        unimplemented!()
    }

    /// When the handshake must be complete; none once it is.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        unimplemented!()
    }

    /// The protocol that the client asked for and got, if it asked (RFC 7443): `stun.turn` or `stun.nat-discovery`.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        unimplemented!()
    }
}
