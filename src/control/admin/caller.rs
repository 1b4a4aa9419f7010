//! Who asks: which end of a connection the kernel or TLS has shown, and whom it was found to be.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::net::UnixStream;

use super::access::Holder;
use super::report::Role;
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
    /// Its certificate, once the handshake has checked one.
    pub shown: Shown,
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

/// What a client has shown of itself, if it did.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// With the count of below at that time; set once, by the handshake.
    holder: Arc<OnceLock<(u64, Holder)>>,
    /// Counts what has become of the authorities: who was known by the old ones is not known by the new.
    authorities: Arc<AtomicU64>,
}

impl Shown {
    /// Nothing yet, by authorities that are counted here.
    pub(super) fn to(authorities: &Arc<AtomicU64>) -> Self {
        Self { holder: Arc::default(), authorities: Arc::clone(authorities) }
    }

    /// How the authorities are counted now.
    pub(super) fn count(&self) -> u64 {
        self.authorities.load(Ordering::Relaxed)
    }

    /// The certificate of `holder` was good when authorities were counted so.
    pub(super) fn set(&self, count: u64, holder: Holder) {
        // There is one handshake.
        let _ = self.holder.set((count, holder));
    }

    /// Whether it was vouched for by authorities that are not asked any more.
    pub(super) fn is_over(&self) -> bool {
        self.holder.get().is_some_and(|(count, _)| *count != self.count())
    }

    /// Whose certificate it is, as long as those who vouch for it are asked.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        let (count, holder) = self.holder.get()?;
        (*count == self.count()).then_some(holder)
    }
}

impl fmt::Display for LocalPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid {
            Some(uid) => write!(f, "uid {uid}"),
            None => f.write_str("an unknown user"),
        }
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
    /// A name that the audit log has: "uid 0", "token night-shift", "certificate CN=alice (OU=operators, serial 0a1b)".
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
