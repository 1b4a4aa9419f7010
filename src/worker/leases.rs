//! Leases: what a worker knows of another worker's relay, so that media between their clients needs neither of the two
//! relays' sockets.
//!
//! The *holder* serves the client that sends, the *owner* the relay that is sent to. Two messages go by mailbox:
//!
//! * **Ask**, to the owner: may packets that leave from my relay's address come in at this address of yours?
//! * **Grant**, to the holder: yes, they go to this client with this header, as long as the stamp of your address is this
//!   one. The owner has asked its table what it asks for a packet from its socket, with the sender's address as its
//!   clients know it, so its client's permission decides. There is no refusal. Whoever gets no answer asks again
//!   when something has changed there, or after a second, then after twice as long each time; meanwhile, as always, packets
//!   go through the sockets.
//!
//! **Revocation is no message**, since that could be lost in a full mailbox or wait behind others. Each address has a stamp
//! ([`super::owners`]), which its owner alone writes: before it changes anything about the relay's permissions, channels or
//! client, when it opens or closes the socket, when its settings change, when it stops; and for a dead worker whoever
//! buries it. The holder compares stamps for every packet, so a lease ends with the change that ends it, not a mailbox's
//! turn later, and a grant that was made before a change is worth nothing when it arrives after it.
//!
//! A lease ends by itself after a minute; one in use is asked for again before that. It is given only for clients over
//! plain UDP, to whom every worker can send from its own socket of the listener, and only while no rates are configured,
//! whose buckets are the owner's.
//!
//! The owner remembers nothing of what it has granted. The holder keeps at most [`PER_RELAY`] leases for each of its
//! relays and [`PER_WORKER`] in all; who comes too late goes through the sockets. What has not been used for two
//! minutes is forgotten.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use foldhash::quality::RandomState;

use super::owners::Stamp;
use crate::route::{Client, Endpoint, Header, RelayId};
use crate::time::Time;

/// Peers behind other workers that one relay has leases for: a large call.
const PER_RELAY: usize = 32;
/// Leases of one worker.
const PER_WORKER: usize = 16_384;
/// How long a lease holds if nothing changes.
const HOLDS: Duration = Duration::from_secs(60);
/// When one in use is asked for again.
const RENEW: Duration = Duration::from_secs(50);
/// Until a question is asked again, at first and at last.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
/// How often what nobody uses is looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// A holder's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// Whom to answer.
    pub(super) holder: u8,
    /// Its relay.
    pub(super) relay: RelayId,
    /// Where the socket of that is bound.
    pub(super) from: SocketAddr,
    /// Where the owner's is.
    pub(super) to: SocketAddr,
}

/// An owner's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The holder's relay.
    pub(super) relay: RelayId,
    /// Where the owner's socket is bound.
    pub(super) to: SocketAddr,
    /// What it is about.
    pub(super) granted: Granted,
}

/// What a lease says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// As long as the address has this stamp.
    pub(super) stamp: Stamp,
    /// The owner's relay.
    pub(super) relay: RelayId,
    /// To whom.
    pub(super) client: Client,
    /// With what before the payload.
    pub(super) header: Header,
}

/// What a packet finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The lease, if there is one.
    pub(super) granted: Option<Granted>,
    /// Whether the owner is to be asked now.
    pub(super) ask: bool,
}

#[derive(Debug)]
struct Lease {
    to: Endpoint,
    /// Of the last packet, or of the grant.
    stamp: Stamp,
    held: Option<(Granted, Time)>,
    /// When to ask next, if there is a packet then.
    ask_at: Time,
    pause: Duration,
}

/// One holder's leases.
#[derive(Debug, Default)]
pub(super) struct Leases {
    relays: HashMap<RelayId, Vec<Lease>, RandomState>,
    len: usize,
    sweep_at: Time,
}

impl Leases {
    /// What holds for a packet from `relay` to `to`, whose stamp is `stamp` now.
    pub(super) fn look(&mut self, relay: RelayId, to: SocketAddr, stamp: Stamp, now: Time) -> Found {
        let to = Endpoint::from(to);
        let known = self.relays.get_mut(&relay).and_then(|leases| leases.iter_mut().find(|l| l.to == to));
        if let Some(lease) = known {
            return lease.look(stamp, now);
        }
        if self.len >= PER_WORKER {
            return Found::default();
        }
        let leases = self.relays.entry(relay).or_default();
        if leases.len() >= PER_RELAY {
            // Somebody may have stopped talking.
            let before = leases.len();
            leases.retain(|lease| !lease.is_stale(now));
            self.len = self.len.saturating_sub(before.saturating_sub(leases.len()));
            if leases.len() >= PER_RELAY {
                return Found::default();
            }
        }
        let mut lease = Lease { to, stamp, held: None, ask_at: now, pause: PAUSE };
        let found = lease.look(stamp, now);
        leases.push(lease);
        self.len = self.len.saturating_add(1);
        found
    }

    /// An owner has answered. What was not asked for, or is not wanted any more, is passed over.
    pub(super) fn grant(&mut self, grant: &Grant, now: Time) {
        let to = Endpoint::from(grant.to);
        let leases = self.relays.get_mut(&grant.relay);
        if let Some(lease) = leases.and_then(|leases| leases.iter_mut().find(|lease| lease.to == to)) {
            lease.held = Some((grant.granted, now + HOLDS));
            lease.stamp = grant.granted.stamp;
            (lease.ask_at, lease.pause) = (now + RENEW, PAUSE);
        }
    }

    /// The holder's own relay is gone.
    pub(super) fn forget(&mut self, relay: RelayId) {
        if let Some(leases) = self.relays.remove(&relay) {
            self.len = self.len.saturating_sub(leases.len());
        }
    }

    /// The holder's settings have changed.
    pub(super) fn clear(&mut self) {
        self.relays = HashMap::default();
        self.len = 0;
    }

    /// Forgets what nobody uses; cheap until it is time.
    pub(super) fn sweep(&mut self, now: Time) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP;
        self.relays.retain(|_, leases| {
            leases.retain(|lease| !lease.is_stale(now));
            !leases.is_empty()
        });
        self.len = self.relays.values().map(Vec::len).sum();
        if self.relays.is_empty() {
            self.relays = HashMap::default();
        }
    }

    /// How many there are, asked for and held.
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Lease {
    fn look(&mut self, stamp: Stamp, now: Time) -> Found {
        if self.stamp != stamp || self.held.is_some_and(|(_, until)| now >= until) {
            self.held = None;
            self.stamp = stamp;
            (self.ask_at, self.pause) = (now, PAUSE);
        }
        let ask = now >= self.ask_at;
        if ask {
            self.ask_at = now + self.pause;
            self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        Found { granted: self.held.map(|(granted, _)| granted), ask }
    }

    /// No packet has met it for at least a minute: it would have asked.
    fn is_stale(&self, now: Time) -> bool {
        now >= self.ask_at + HOLDS
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
