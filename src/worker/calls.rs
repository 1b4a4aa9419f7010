//! A look at the allocations of a worker, for control, and their end at an operator's word.
//!
//! Runs on the worker's thread between two turns, some hundred allocations at a time: what a row shows is there anyway,
//! so that media does not wait for who looks.

use super::relays::{Relay, Way};
use super::run::Worker;
use super::tap::Tap;
use crate::engine::AllocationView;
use crate::metrics::{
    CallDetail, CallMedia, CallRow, CallTraffic, DscpChange, LegFigures, Loss, SecondAddress, SessionInfo,
};
use crate::quality::{Direction, Directions, Legs, Moment};
use crate::route::{Client, RelayId};

/// Rows that are made in one turn: less than a microsecond each.
const PAGE: usize = 256;
/// Relays that are passed over for them.
const PASSED: usize = 16 * 1024;

/// Some of a worker's allocations.
#[derive(Debug, Default)]
pub(crate) struct CallPage {
    pub(crate) rows: Vec<CallRow>,
    /// Where to go on, if there may be more.
    pub(crate) next: Option<usize>,
}

impl Worker {
    /// The allocations whose first relay lies from a place on, as many as one turn has time for.
    pub(super) fn call_page(&self, from: usize) -> CallPage {
        let mut page = CallPage { rows: Vec::with_capacity(PAGE), next: None };
        let last = from.saturating_add(PASSED);
        for (place, id) in self.relays.from(from) {
            if place >= last || page.rows.len() >= PAGE {
                page.next = Some(place);
                break;
            }
            let view = self.engine.allocation(id).filter(|view| view.first == id);
            page.rows.extend(view.and_then(|view| self.call_row(&view)));
        }
        page
    }

    /// All of one allocation, by either of its relays.
    pub(super) fn call_detail(&self, id: RelayId) -> Option<CallDetail> {
        let view = self.engine.allocation(id)?;
        let row = self.call_row(&view)?;
        let session = row.media.as_ref().and_then(|media| self.detail(media.session.relay));
        let relays = [Some(view.first), view.second].into_iter().flatten();
        Some(CallDetail { drops: self.drops_of(relays), row, session })
    }

    /// Ends an allocation as if its client had, and closes the connection that it came by.
    pub(super) fn end_call(&mut self, id: RelayId) -> bool {
        let ended = self.engine.end_allocation(id);
        self.act();
        ended
    }

    fn call_row(&self, view: &AllocationView) -> Option<CallRow> {
        let first = self.relays.get(view.first)?;
        let second = view.second.and_then(|id| self.relays.get(id).map(|relay| (id, relay)));
        let both = || [Some((view.first, first)), second].into_iter().flatten();
        let traffic = |way| {
            let (packets, bytes) = self.passed(both().map(|(id, _)| id), way);
            CallTraffic { packets, bytes }
        };
        let media = both().find_map(|(id, relay)| self.call_media(id, relay.tap.as_ref()?, view));
        Some(CallRow {
            info: self.call_info(view, first),
            second: second.map(|(id, relay)| SecondAddress {
                id: self.session_id(id),
                relayed: self.externals.attribute(relay.local_addr()),
            }),
            is_tcp: view.is_tcp,
            is_self_test: view.is_probe,
            expires_in: view.expires.since(self.now.time),
            permissions: view.permissions,
            channels: view.channels,
            traffic: Directions {
                client_to_peer: traffic(Way::ToPeer),
                peer_to_client: traffic(Way::ToClient),
            },
            media,
        })
    }

    fn call_info(&self, view: &AllocationView, relay: &Relay) -> SessionInfo {
        let Client { tuple, listener, .. } = view.client;
        SessionInfo {
            id: self.session_id(view.first),
            client: tuple.client.socket_addr(),
            server: tuple.server.socket_addr(),
            transport: tuple.transport,
            listener,
            relayed: self.externals.attribute(relay.local_addr()),
            owner: view.owner.0,
            began: view.began,
        }
    }

    fn call_media(&self, id: RelayId, tap: &Tap, view: &AllocationView) -> Option<CallMedia> {
        self.settings.quality.as_ref()?;
        let last = tap.session.history().next_back();
        let came = Directions::from_fn(|direction| tap.session.dscp(direction));
        let is_datagram = !view.client.tuple.transport.is_stream();
        let left = |dscp: u8| self.settings.datagram_tos(view.client.listener, dscp << 2) >> 2;
        Some(CallMedia {
            session: self.session_id(id),
            began: tap.began,
            idle: self.now.time.since(tap.session.last()),
            legs: last.map(|last| figures(&last)).unwrap_or_default(),
            dscp: Directions::from_fn(|direction| {
                let came = came[direction];
                DscpChange { came, left: came.filter(|_| is_datagram).map(left) }
            }),
        })
    }

    pub(super) fn drops_of(&self, relays: impl Iterator<Item = RelayId>) -> Vec<(Loss, u64)> {
        let mut sum: Vec<(Loss, u64)> = Vec::new();
        for (loss, packets) in
            relays.filter_map(|id| self.relays.get(id)).flat_map(|relay| relay.drops().iter().copied())
        {
            match sum.iter_mut().find(|(known, _)| *known == loss) {
                Some((_, all)) => *all = all.wrapping_add(packets),
                None => sum.push((loss, packets)),
            }
        }
        sum
    }

    /// Counts packets of a relay that went nowhere.
    #[cold]
    pub(super) fn lose_of(&mut self, relay: RelayId, loss: Loss, packets: u64) {
        self.counters.lose_many(loss, packets);
        if let Some(relay) = self.relays.get_mut(relay) {
            relay.lose(loss, packets);
        }
    }

    /// Counts a packet of a client that went nowhere, which may have no allocation.
    #[cold]
    pub(super) fn lose_of_client(&mut self, client: &Client, loss: Loss) {
        // Everybody else is nobody, or what is wrong is found before it is known who it is.
        if matches!(loss, Loss::NoChannel | Loss::NoPermission | Loss::PeerDenied) {
            self.lose_many_of_client(client, loss, 1);
        } else {
            self.counters.lose(loss);
        }
    }

    /// Counts packets of a client's allocation.
    pub(super) fn lose_many_of_client(&mut self, client: &Client, loss: Loss, packets: u64) {
        let relay = self.table.relays(&client.tuple).next();
        match relay {
            Some(relay) => self.lose_of(relay, loss, packets),
            None => self.counters.lose_many(loss, packets),
        }
    }
}

/// What came by a leg shows how that leg is.
fn figures(moment: &Moment) -> Legs<LegFigures> {
    let figures = |direction: Direction| {
        let heard = &moment.directions[direction];
        let loss = f64::from(heard.lost) * 100.0 / f64::from(heard.expected.max(1));
        LegFigures {
            mos: heard.mos,
            loss_percent: (heard.expected > 0).then_some(loss),
            jitter: heard.jitter,
            rtt: moment.rtt[direction.leg()],
        }
    };
    Legs { client: figures(Direction::ClientToPeer), peer: figures(Direction::PeerToClient) }
}
