//! Who asks: which end of a connection the kernel or TLS has shown, and whom it was found to be.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{UnixListener, UnixStream};

use super::remote::RemoteListener;
use super::report::Role;
use crate::control::connections::Bounded;
use crate::net::local::peer_groups;

impl Role {
    /// As configurations and answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// The other end of a connection, before anything was asked.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A process of this machine.
    Local(LocalPeer),
    /// Somebody by TCP.
    Remote(RemotePeer),
}

/// The user and groups of a process that connected, as the kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPeer {
    /// Its user, if the kernel knows.
    pub uid: Option<u32>,
    /// All its groups.
    pub groups: Vec<u32>,
    /// Its number, for the log.
    pub pid: Option<i32>,
}

/// Somebody who connected by TCP.
#[derive(Clone, Debug)]
pub struct RemotePeer {
    /// From where.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// The names of its certificate, once the handshake has checked one.
    pub names: Arc<OnceLock<Vec<String>>>,
}

impl LocalPeer {
    /// Who is at the other end of `socket`.
    pub(super) fn of(socket: &UnixStream) -> Self {
        let Ok(credentials) = socket.peer_cred() else { return Self::default() };
        let mut groups = peer_groups(socket).unwrap_or_default();
        groups.push(credentials.gid());
        Self { uid: Some(credentials.uid()), groups, pid: credentials.pid() }
    }
}

impl Connected<IncomingStream<'_, Bounded<UnixListener>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded<UnixListener>>) -> Self {
        Self::Local(LocalPeer::of(stream.io().socket()))
    }
}

impl Connected<IncomingStream<'_, Bounded<RemoteListener>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded<RemoteListener>>) -> Self {
        Self::Remote(stream.io().socket().peer())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(LocalPeer { pid: Some(pid), .. }) => write!(f, "socket, process {pid}"),
            Self::Local(_) => f.write_str("socket"),
            Self::Remote(remote) => write!(f, "{}", remote.address),
        }
    }
}

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A name that the audit log has: "uid 0", "token night-shift", "certificate CN=alice".
    pub who: String,
    /// What it may do.
    pub role: Role,
    /// From where.
    pub from: String,
    /// In a browser: what the page has to send along with a change.
    pub csrf: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_says_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = LocalPeer::of(&one);
        assert_eq!(peer.uid, Some(rustix::process::geteuid().as_raw()));
        assert!(peer.groups.contains(&rustix::process::getegid().as_raw()));
    }
}
