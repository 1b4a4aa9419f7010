//! What the engine wakes up for.

use super::{ConnectionId, Engine, ReleaseCause};
use crate::time::{Now, Time};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// The earliest of an allocation's own end, its permissions' and its channels'.
    Allocation(u64),
    /// A port kept for a second allocation.
    Reservation([u8; 8]),
    /// A peer's connection that nobody bound.
    Connection(ConnectionId),
}

impl Engine {
    /// When [`super::Input::Timer`] should come at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        [self.timers.deadline(), self.replies.deadline()].into_iter().flatten().min()
    }

    /// Ends everything that is due, before anything else is looked at.
    pub(super) fn run_timers(&mut self, now: Now) {
        while let Some(wake) = self.timers.pop(now.time) {
            match wake {
                Wake::Allocation(key) => self.expire_allocation(now.time, key),
                Wake::Reservation(token) => self.expire_reservation(token),
                Wake::Connection(id) => self.expire_connection(id),
            }
        }
        self.replies.forget(now.time);
    }

    fn expire_allocation(&mut self, now: Time, key: u64) {
        let Some(allocation) = self.allocations.get_mut(key) else { return };
        allocation.timer = None;
        if allocation.expires <= now {
            self.release(key, ReleaseCause::Expired);
            return;
        }
        let mut forgotten = Vec::new();
        allocation.expire(now, |delta| forgotten.push(delta));
        self.actions.extend(forgotten.into_iter().map(super::Action::Route));
        self.arm(key);
    }

    /// Sets the allocation's timer to whatever ends first.
    pub(super) fn arm(&mut self, key: u64) {
        let Some(allocation) = self.allocations.get_mut(key) else { return };
        let at = allocation.next_end();
        if !allocation.timer.is_some_and(|timer| self.timers.reset(timer, at)) {
            allocation.timer = Some(self.timers.insert(at, Wake::Allocation(key)));
        }
    }
}
