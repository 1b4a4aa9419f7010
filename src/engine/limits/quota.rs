//! How many allocations a user and the relay may have, over all workers, and the bandwidth that a user's share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::SharedBucket;
use crate::engine::OwnerId;

/// How many allocations there may be; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of one user.
    pub per_user: Option<u32>,
    /// Of all.
    pub total: Option<u32>,
}

/// Which quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaError {
    /// The user's: 486 (Allocation Quota Reached).
    User,
    /// The relay's: 508 (Insufficient Capacity).
    Total,
}

/// The counts of all workers. A user is known here exactly as long as it has an allocation: memory follows the
/// number of allocations, not that of names ever seen.
#[derive(Default)]
pub struct Shared {
    owners: DashMap<OwnerId, Owner>,
    total: AtomicU32,
}

struct Owner {
    held: u32,
    /// As soon as somebody has asked for it: where users' bandwidth is not limited, nobody does.
    bandwidth: Option<Arc<UserBandwidth>>,
}

/// What all allocations of one user draw from, on whichever workers they are.
#[derive(Debug, Default)]
pub struct UserBandwidth {
    /// From the user's clients to peers.
    pub to_peers: SharedBucket,
    /// From peers to the user's clients.
    pub to_clients: SharedBucket,
}

impl Shared {
    /// Nobody has anything.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts one allocation of `owner`, until the returned [`Hold`] is dropped.
    ///
    /// # Errors
    ///
    /// When the user, or the relay, has as many as `quotas` says; then nothing has been counted.
    pub fn reserve(self: &Arc<Self>, owner: OwnerId, quotas: Quotas) -> Result<Hold, QuotaError> {
        let limit = quotas.per_user.unwrap_or(u32::MAX);
        // The entry is locked from the look to the count: two workers cannot both take a user's last one.
        match self.owners.entry(owner) {
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if known.held >= limit {
                    return Err(QuotaError::User);
                }
                self.count_one(quotas.total)?;
                known.held += 1;
            }
            Entry::Vacant(entry) => {
                if limit == 0 {
                    return Err(QuotaError::User);
                }
                self.count_one(quotas.total)?;
                entry.insert(Owner { held: 1, bandwidth: None });
            }
        }
        Ok(Hold { shared: Arc::clone(self), owner })
    }

    /// What all allocations of `owner` draw from; none if it has no allocation.
    #[must_use]
    pub fn bandwidth(&self, owner: OwnerId) -> Option<Arc<UserBandwidth>> {
        self.owners.get_mut(&owner).map(|mut known| Arc::clone(known.bandwidth.get_or_insert_default()))
    }

    /// Allocations of all users.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    /// Allocations of one user.
    #[must_use]
    pub fn held_by(&self, owner: OwnerId) -> u32 {
        self.owners.get(&owner).map_or(0, |known| known.held)
    }

    /// Users that have an allocation.
    #[must_use]
    pub fn users(&self) -> usize {
        self.owners.len()
    }

    fn count_one(&self, limit: Option<u32>) -> Result<(), QuotaError> {
        let limit = limit.unwrap_or(u32::MAX);
        let more = |total: u32| (total < limit).then(|| total + 1);
        match self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => Err(QuotaError::Total),
        }
    }

    fn release(&self, owner: OwnerId) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        self.owners.remove_if_mut(&owner, |_, known| {
            known.held = known.held.saturating_sub(1);
            known.held == 0
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("total", &self.total()).field("users", &self.users()).finish()
    }
}

/// One counted allocation; dropping it gives the place back, once and on every way out.
pub struct Hold {
    shared: Arc<Shared>,
    owner: OwnerId,
}

impl Hold {
    /// Whose.
    #[must_use]
    pub const fn owner(&self) -> OwnerId {
        self.owner
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.release(self.owner);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.owner).finish()
    }
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
