//! What checks look at: handles of a running relay, made by whoever has started it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::EchoPeers;
use crate::engine::{Settings, Shared};
use crate::metrics::{Heart, Source};
use crate::net::certs::CertStore;
use crate::route::{ListenerId, Transport};

/// Tells which worker has the relayed address at which a socket is bound.
pub type FindOwner = Arc<dyn Fn(SocketAddr) -> Option<u8> + Send + Sync>;

/// Whether a listener wants a PROXY header from an address.
pub type IsProxy = Arc<dyn Fn(ListenerId, IpAddr) -> bool + Send + Sync>;

/// The context as it is now. Whoever reloads the relay stores another; checks that begin from then on look at that.
pub type SharedContext = Arc<ArcSwap<Context>>;

/// Handles of a relay.
#[derive(Clone)]
pub struct Context {
    /// Every worker's heart, by number.
    pub hearts: Vec<Heart>,
    /// Every worker's counters, by number.
    pub workers: Vec<Source>,
    /// The certificates in use.
    pub certificates: Vec<Arc<CertStore>>,
    /// Where the listeners are reached.
    pub addresses: Vec<(ListenerId, Transport, SocketAddr)>,
    /// What the engines go by.
    pub settings: Arc<Settings>,
    /// What they have in common.
    pub shared: Shared,
    /// Whose a relayed address is.
    pub owner: FindOwner,
    /// Who has to introduce himself, ourselves perhaps included.
    pub is_proxy: IsProxy,
    /// The peers that are called.
    pub peers: Arc<EchoPeers>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("workers", &self.workers.len())
            .field("addresses", &self.addresses)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}
