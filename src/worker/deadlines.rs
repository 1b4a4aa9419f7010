//! When connections and sessions must be looked at again.
//!
//! A deadline is a reminder, not a verdict: whoever is reminded computes whether it really is too late, and
//! asks for another reminder if not. So activity costs nothing, and a reminder for something gone is harmless.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::route::LinkId;
use crate::time::Time;

/// Whom to remind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reminder {
    /// A client's connection or session.
    Link(u64),
    /// A connection to a peer.
    Peer(u64),
    /// A pipe that has used up its bandwidth.
    Pipe(u64),
    /// A listener that ran out of descriptors.
    Listener(usize),
    /// A relay that did.
    Relay(u64),
    /// A relay whose session is to be added up.
    Quality(u64),
    /// Another worker, for which something waits.
    Seen(u8),
    /// Another worker, whose calls' sums wait.
    Sums(u8),
}

impl From<LinkId> for Reminder {
    fn from(link: LinkId) -> Self {
        Self::Link(link.0)
    }
}

/// Reminders by time.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Time, Reminder)>>);

impl Deadlines {
    pub(super) fn remind(&mut self, at: Time, whom: impl Into<Reminder>) {
        self.0.push(Reverse((at, whom.into())));
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop(&mut self, now: Time) -> Option<Reminder> {
        let Reverse((at, _)) = self.0.peek()?;
        if *at > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, whom))| whom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_come_in_order_and_not_before_their_time() {
        let mut deadlines = Deadlines::default();
        deadlines.remind(Time::from_secs(2), LinkId(2));
        deadlines.remind(Time::from_secs(1), Reminder::Peer(1));
        assert_eq!(deadlines.next(), Some(Time::from_secs(1)));
        assert_eq!(deadlines.pop(Time::from_nanos(999_999_999)), None);
        assert_eq!(deadlines.pop(Time::from_secs(1)), Some(Reminder::Peer(1)));
        assert_eq!(deadlines.pop(Time::from_secs(1)), None);
        assert_eq!(deadlines.pop(Time::MAX), Some(Reminder::Link(2)));
    }
}
