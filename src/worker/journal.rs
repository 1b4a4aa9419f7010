//! Tells the journal what happens to clients and their calls: control messages and ends, never packets.
//!
//! The journal's channel is bounded, and a full one is no reason to wait: the entry is gone, and counted. So that no client
//! can fill it, what clients may do again and again has a pace ([`super::pace`]).

use std::net::SocketAddr;

use super::pace::Judgement;
use super::relays::{Passed, Way};
use super::run::Worker;
use crate::engine::{Event, Who};
use crate::metrics::{EndedCall, Ending, Entry, Note, SessionId, What};
use crate::quality::Directions;
use crate::route::{FiveTuple, RelayId};

impl Worker {
    /// What the engine reports, if it is of interest to somebody who asks about a client or a call. Test calls of the
    /// relay itself are, if they fail.
    pub(super) fn journal(&mut self, event: &Event) {
        let entry = match *event {
            Event::Refused { method, code, client, who, relay, fault, peer, is_probe: _ } => {
                let (owner, is_proven) = match who {
                    Who::Unknown => return,
                    Who::Claims(owner) => (owner, false),
                    Who::Is(owner) => (owner, true),
                };
                let what = match fault {
                    Some(reason) => What::Rejected { method, code, reason },
                    None => {
                        let (peer, until) = (peer.map(SocketAddr::into), self.now.unix);
                        What::Refused { method, code, peer, times: 1, until }
                    }
                };
                // What is only claimed is no part of the call that goes on there.
                let relay = relay.filter(|_| is_proven);
                Entry { is_proven, ..self.entry(&client, owner.0, relay, what) }
            }
            Event::Allocated { relay, tuple, owner, is_probe: false } => {
                let Some(relayed) = self.relays.get(relay).map(|relay| relay.local_addr()) else { return };
                let relayed = self.externals.attribute(relayed).into();
                self.entry(&tuple, owner.0, Some(relay), What::Allocated { relayed })
            }
            Event::RefreshedLate { relay, tuple, owner, left } => {
                self.entry(&tuple, owner.0, Some(relay), What::RefreshedLate { left })
            }
            Event::Moved { relay, owner, from, to, is_probe: false } => {
                self.entry(&to, owner.0, Some(relay), What::Moved { from: from.client })
            }
            Event::Released { relay, second, tuple, owner, began, cause, is_probe: false } => {
                let ids = || [Some(relay), second].into_iter().flatten();
                let ending = Ending {
                    cause,
                    began,
                    second: second.map(|relay| self.session_id(relay)),
                    passed: Directions {
                        client_to_peer: self.passed(ids(), Way::ToPeer),
                        peer_to_client: self.passed(ids(), Way::ToClient),
                    },
                    drops: self.drops_of(ids()).into(),
                };
                self.entry(&tuple, owner.0, Some(relay), What::Released(Box::new(ending)))
            }
            Event::Allocated { is_probe: true, .. }
            | Event::Moved { is_probe: true, .. }
            | Event::Released { is_probe: true, .. }
            | Event::Authenticated { .. }
            | Event::Challenged { .. }
            | Event::Dropped(_)
            | Event::Served { .. }
            | Event::Shed => return,
        };
        self.tell_at_a_pace(entry);
    }

    fn tell_at_a_pace(&mut self, mut entry: Entry) {
        if let Some(left_out) = self.pace.left_out(self.now.unix) {
            self.tell_journal(Note::LeftOut(left_out));
        }
        match self.pace.judge(&mut entry) {
            Judgement::Told => self.tell_journal(Note::Entry(entry)),
            Judgement::Repeated => {}
            Judgement::LeftOut => self.counters.journal_left_out.add(1),
        }
    }

    /// A call with media has ended.
    pub(super) fn journal_end(&self, ended: EndedCall) {
        self.tell_journal(Note::Ended(Box::new(ended)));
    }

    fn tell_journal(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.counters.journal_dropped.add(1);
        }
    }

    fn entry(&self, tuple: &FiveTuple, owner: u64, relay: Option<RelayId>, what: What) -> Entry {
        Entry {
            at: self.now.unix,
            client: tuple.client,
            transport: tuple.transport,
            owner,
            is_proven: true,
            session: relay.map(|relay| self.session_id(relay)),
            what,
        }
    }

    /// Packets and bytes that were let pass by these relays.
    pub(super) fn passed(&self, relays: impl Iterator<Item = RelayId>, way: Way) -> (u64, u64) {
        let figures =
            relays.filter_map(|id| self.relays.get(id)).map(|relay| Passed::figures(&relay.passed, way));
        figures.fold((0, 0), |(packets, bytes), (more, longer)| {
            (packets.wrapping_add(more), bytes.wrapping_add(longer))
        })
    }

    pub(super) const fn session_id(&self, relay: RelayId) -> SessionId {
        SessionId { worker: self.index, relay }
    }
}
