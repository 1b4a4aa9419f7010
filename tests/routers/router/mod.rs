//! The router: one of four daemons that we did not write, with a configuration made for the test, and what its tables say.
//!
//! It imports whatever its neighbours announce, exports nothing of its own, and installs routes where it can (BIRD, FRR).

mod bird;
mod exabgp;
mod frr;
mod gobgp;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

pub(crate) use bird::Bird;

use crate::host::Host;
use crate::lab::{Lab, router_v4};
use crate::process::wait_for;
use crate::skip::Missing;

/// The ASN of every router.
pub(crate) const ROUTER_ASN: u32 = 64512;
/// How long a router may take for anything: a loaded machine stretches it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bird,
    Frr,
    Gobgp,
    Exabgp,
}

/// A neighbour as the router is configured for it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The router's end.
    pub(crate) local: IpAddr,
    /// The neighbour's.
    pub(crate) address: IpAddr,
    pub(crate) asn: u32,
    /// Of TCP MD5.
    pub(crate) key: Option<String>,
    /// Waits for the neighbour to connect.
    pub(crate) passive: bool,
    /// In seconds.
    pub(crate) hold: u16,
    /// BFD with three times so many milliseconds.
    pub(crate) bfd: Option<u16>,
    /// Further lines of the neighbour, in the words of this very daemon.
    pub(crate) further: &'static str,
}

/// What the router is told.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) id: Ipv4Addr,
    pub(crate) asn: u32,
    pub(crate) peers: Vec<Peer>,
    /// What it announces itself, if it is a BIRD.
    pub(crate) exports: Vec<&'static str>,
}

impl Setup {
    /// A router with these neighbours.
    pub(crate) fn of(peers: Vec<Peer>) -> Self {
        Self { id: router_v4(0), asn: ROUTER_ASN, peers, exports: Vec::new() }
    }
}

/// One way to a prefix, as the router shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// As an address.
    pub(crate) next_hop: String,
    pub(crate) med: Option<u32>,
    pub(crate) path: Vec<u32>,
    /// As in `65535:0`.
    pub(crate) communities: BTreeSet<String>,
    /// As in `64500:1:2`.
    pub(crate) large: BTreeSet<String>,
}

/// What each of the daemons can be asked for.
trait Daemon {
    /// Starts it, after its configuration was written.
    fn start(&mut self, host: &Host, folder: &Path, setup: &Setup);
    /// Sends a signal to the BGP daemon.
    fn signal(&self, host: &Host, signal: &str);
    /// Waits until it has gone.
    fn reap(&mut self, host: &Host);
    /// Its ways to a prefix.
    fn routes(&self, host: &Host, prefix: &str) -> Vec<Route>;
    /// Whether the session with this neighbour is established.
    fn is_established(&self, host: &Host, peer: IpAddr) -> bool;
    /// Whether BFD with this neighbour is up.
    fn is_bfd_up(&self, host: &Host, peer: IpAddr) -> bool;
    /// Everything that it has said so far.
    fn output(&self) -> String;
}

/// A running router on a lab's router host.
pub(crate) struct Router<'a> {
    lab: &'a Lab,
    setup: Setup,
    daemon: Box<dyn Daemon>,
}

impl<'a> Router<'a> {
    /// Starts it, or says which program is missing.
    pub(crate) fn start(lab: &'a Lab, kind: Kind, setup: Setup) -> Result<Self, Missing> {
        let daemon: Box<dyn Daemon> = match kind {
            Kind::Bird => Box::new(Bird::new()?),
            Kind::Frr => Box::new(frr::Frr::new()?),
            Kind::Gobgp => Box::new(gobgp::Gobgp::new()?),
            Kind::Exabgp => Box::new(exabgp::Exabgp::new()?),
        };
        let mut router = Self { lab, setup, daemon };
        router.daemon.start(&lab.router, lab.folder(), &router.setup);
        Ok(router)
    }

    /// Sends a signal to the daemon.
    pub(crate) fn signal(&self, signal: &str) {
        self.daemon.signal(&self.lab.router, signal);
    }

    /// Ends the daemon by a signal and waits for its end.
    pub(crate) fn stop(&mut self, signal: &str) {
        self.daemon.signal(&self.lab.router, signal);
        self.daemon.reap(&self.lab.router);
    }

    /// Starts the daemon again after [`Self::stop`].
    pub(crate) fn start_again(&mut self) {
        self.daemon.start(&self.lab.router, self.lab.folder(), &self.setup);
    }

    /// What the router is told when it starts again.
    pub(crate) fn setup_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }

    /// Whether the session with this neighbour is established.
    pub(crate) fn is_established(&self, peer: impl Into<IpAddr>) -> bool {
        self.daemon.is_established(&self.lab.router, peer.into())
    }

    /// Whether BFD with this neighbour is up.
    pub(crate) fn is_bfd_up(&self, peer: impl Into<IpAddr>) -> bool {
        self.daemon.is_bfd_up(&self.lab.router, peer.into())
    }

    /// Its ways to a prefix.
    pub(crate) fn routes(&self, prefix: &str) -> Vec<Route> {
        self.daemon.routes(&self.lab.router, prefix)
    }

    /// The one way to a prefix for which `good` holds, as soon as there is one.
    pub(crate) fn wait_for_route(&self, prefix: &str, good: impl Fn(&Route) -> bool) -> Route {
        let found = wait_for(LIMIT, || self.routes(prefix).into_iter().find(&good));
        found.unwrap_or_else(|| {
            panic!("no such way to {prefix}: {:?}\n{}", self.routes(prefix), self.output())
        })
    }

    /// Waits until there is no way to a prefix.
    pub(crate) fn wait_until_gone(&self, prefix: &str) {
        let gone = wait_for(LIMIT, || self.routes(prefix).is_empty().then_some(()));
        assert!(
            gone.is_some(),
            "there still is a way to {prefix}: {:?}\n{}",
            self.routes(prefix),
            self.output()
        );
    }

    /// Waits until the session is established, or is not.
    pub(crate) fn wait_for_session(&self, peer: impl Into<IpAddr>, established: bool) {
        let peer = peer.into();
        let found = wait_for(LIMIT, || (self.is_established(peer) == established).then_some(()));
        assert!(found.is_some(), "session with {peer}: wanted {established}\n{}", self.output());
    }

    /// Waits until BFD is up, or is not.
    pub(crate) fn wait_for_bfd(&self, peer: impl Into<IpAddr>, up: bool) {
        let peer = peer.into();
        let found = wait_for(LIMIT, || (self.is_bfd_up(peer) == up).then_some(()));
        assert!(found.is_some(), "BFD with {peer}: wanted {up}\n{}", self.output());
    }

    /// Waits until the daemon says this.
    pub(crate) fn wait_for_words(&self, words: &str) {
        let found = wait_for(LIMIT, || self.output().contains(words).then_some(()));
        assert!(found.is_some(), "the router does not say {words:?}:\n{}", self.output());
    }

    /// Everything that it has said so far.
    pub(crate) fn output(&self) -> String {
        self.daemon.output()
    }
}
