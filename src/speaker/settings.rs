//! What only the drivers must know: keys, hop limits, addresses of our end, the kinds of checks, commands. `config` fills
//! it; a reload swaps it whole.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::checks::CheckKind;
use crate::announce;

/// Everything that the threads of this room are started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is decided from.
    pub announce: announce::Settings,
    /// Where we wait for neighbours to connect; nowhere without need for a privilege. A reload opens and closes what
    /// differs.
    pub listen: Vec<SocketAddr>,
    /// One for each of `announce.bgp.neighbors`, in the same order.
    pub neighbors: Vec<NeighborSockets>,
    /// One for each of `announce.health.checks`, in the same order.
    pub checks: Vec<CheckKind>,
    /// Run one after another at each change of state.
    pub hooks: Vec<HookSettings>,
    /// A worker that does no turn for so long takes the sessions of BFD down.
    pub heartbeat_timeout: Duration,
}

impl Default for Settings {
    /// Nobody to talk to and nothing to look at.
    fn default() -> Self {
        Self {
            announce: announce::Settings::default(),
            listen: Vec::new(),
            neighbors: Vec::new(),
            checks: Vec::new(),
            hooks: Vec::new(),
            heartbeat_timeout: Duration::from_millis(200),
        }
    }
}

/// How the sockets towards one neighbour are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborSockets {
    /// Our end; the system's choice without. What comes to another address of ours is not taken for this neighbour.
    pub local_address: Option<IpAddr>,
    /// TCP MD5 (RFC 2385).
    pub key: Option<SecretKey>,
    /// The hop limit of what we send, 1 to 255.
    pub ttl: u8,
    /// How many hops away the neighbour may be at most (RFC 5082), 1 if it is next to us. What is sent then has the hop limit
    /// 255, whatever `ttl` says.
    pub gtsm: Option<u8>,
    /// For how long what we sent may stay without an acknowledgment (TCP_USER_TIMEOUT); the hold time without.
    pub user_timeout: Option<Duration>,
    /// A session of BFD beside that of BGP; there is one exactly if the neighbour's `bfd` says so.
    pub bfd: Option<BfdSettings>,
}

impl NeighborSockets {
    /// Whether a connection made by one could have been made by the other. BFD has sockets of its own.
    pub(super) fn are_made_like(&self, other: &Self) -> bool {
        Self { bfd: None, ..self.clone() } == Self { bfd: None, ..other.clone() }
    }
}

impl Default for NeighborSockets {
    fn default() -> Self {
        Self { local_address: None, key: None, ttl: 64, gtsm: None, user_timeout: None, bfd: None }
    }
}

/// The timers of a BFD session, and the way it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSettings {
    /// Between two packets that we send.
    pub transmit: Duration,
    /// Between two packets that we can take.
    pub receive: Duration,
    /// Packets that may be missing in a row.
    pub multiplier: u8,
    /// The neighbour is not on our link (RFC 5883).
    pub multihop: bool,
}

impl Default for BfdSettings {
    fn default() -> Self {
        let interval = Duration::from_millis(100);
        Self { transmit: interval, receive: interval, multiplier: 3, multihop: false }
    }
}

/// A command of the operator, run at a change of state with `TERN_…` in its environment, without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// It and what it started are killed after that.
    pub timeout: Duration,
}

/// A key of TCP MD5: 1 to 80 bytes. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Box<[u8]>);

impl SecretKey {
    /// What the kernel takes at most.
    pub const LONGEST: usize = 80;

    /// None if it is empty or too long.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::LONGEST).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The key itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_as_long_as_the_kernel_takes_it_and_not_shown() {
        assert!(SecretKey::new(b"").is_none() && SecretKey::new(&[b'x'; 81]).is_none());
        let key = SecretKey::new(&[b'x'; 80]).unwrap();
        assert_eq!(key.as_bytes().len(), 80);
        assert!(!format!("{key:?}").contains('x'));
    }
}
