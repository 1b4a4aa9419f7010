//! Why a way to a server carries nothing.

use std::io;

use crate::net::dtls::DtlsError;
use crate::net::tls::TlsError;

/// What has gone wrong with a [`super::Carrier`].
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The socket could not be bound or connected.
    #[error("the socket failed: {0}")]
    Open(io::Error),
    /// The server's machine says that nobody listens on its UDP port.
    #[error("port unreachable: nobody listens there")]
    Unreachable,
    /// A UDP socket does not do what it is for.
    #[error("the socket failed: {0}")]
    Datagram(io::Error),
    /// A connection does not.
    #[error("the connection broke: {0}")]
    Stream(io::Error),
    /// The server has closed the connection.
    #[error("the relay has closed the connection")]
    Closed,
    /// The server has closed the session.
    #[error("the relay has closed the DTLS session")]
    SessionClosed,
    /// What came is neither STUN nor ChannelData.
    #[error("the relay has sent what is no frame")]
    NoFrame,
    /// The handshake failed, or what came after it.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The same over datagrams.
    #[error("DTLS: {0}")]
    Dtls(#[from] DtlsError),
}
