//! Flows that another worker serves than the one to which the kernel hands their packets.
//!
//! They come about when a client moves (RFC 8016) or redeems a reservation from another port: what it names lies with
//! the worker that made it. Consulted only for packets of clients that the receiving worker does not know.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::owners::Owners;
use crate::route::FiveTuple;

/// Who serves a flow, where it is not who receives it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    flows: DashMap<FiveTuple, u8, foldhash::quality::RandomState>,
    /// Mostly zero: then no lock is taken.
    len: AtomicUsize,
    owners: Owners,
}

impl Directory {
    /// The worker that serves `tuple`.
    pub(super) fn find(&self, tuple: &FiveTuple) -> Option<u8> {
        if self.len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.flows.get(tuple).map(|worker| *worker)
    }

    /// Which worker has which relayed address.
    pub(super) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The worker that has a relay's socket at this address; none if nobody has.
    pub(crate) fn owner_of(&self, at: SocketAddr) -> Option<u8> {
        self.owners.ports(at.ip()).look(at.port()).worker()
    }

    pub(super) fn insert(&self, tuple: FiveTuple, worker: u8) {
        if self.flows.insert(tuple, worker).is_none() {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Only what `worker` itself has entered: the flow may have gone on to another.
    pub(super) fn remove(&self, tuple: &FiveTuple, worker: u8) {
        if self.flows.remove_if(tuple, |_, owner| *owner == worker).is_some() {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// `worker` serves nobody any more: whoever receives its flows may.
    pub(crate) fn forget(&self, worker: u8) {
        self.owners.forget(worker);
        self.flows.retain(|_, owner| {
            let stays = *owner != worker;
            if !stays {
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::route::Transport;

    #[test]
    fn a_flow_is_removed_only_by_its_worker() {
        let end = SocketAddr::from(([192, 0, 2, 1], 1)).into();
        let tuple = FiveTuple { client: end, server: end, transport: Transport::Udp };
        let directory = Directory::default();
        assert_eq!(directory.find(&tuple), None);
        directory.insert(tuple, 1);
        directory.insert(tuple, 2);
        directory.remove(&tuple, 1);
        assert_eq!(directory.find(&tuple), Some(2));
        directory.remove(&tuple, 2);
        assert_eq!(directory.find(&tuple), None);
        directory.insert(tuple, 1);
        directory.forget(2);
        assert_eq!(directory.find(&tuple), Some(1));
        directory.forget(1);
        assert_eq!(directory.find(&tuple), None);
        assert_eq!(directory.len.load(Ordering::Relaxed), 0);
    }
}
