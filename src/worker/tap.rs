//! The tap: what passes a relayed address is shown to the session of that address as it comes in, once for each relay.
//!
//! A payload is looked at before anything is decided about it but that it may pass: what a rate or a full buffer drops
//! here was not lost on its way here. A session begins with the first RTP packet and ends with its relay; whoever carries
//! no RTP costs a look at the first bytes of each payload. Every ten seconds its figures are added to the worker's, and
//! its record goes to control when it ends. That queue is bounded: a record that finds no room is dropped and counted.
//!
//! All of this is on the worker's thread. Only packets on the short cut to another worker's relay are seen by one worker
//! and counted by another ([`super::seen`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use super::deadlines::Reminder;
use super::relays::Way;
use super::run::{Link, Worker};
use super::seen::{Seen, Sum};
use crate::metrics::{EndedCall, EndedSession, SessionId, SessionInfo};
use crate::quality::{Direction, Glance, Leg, RttSource, Session, Settings};
use crate::route::{Client, RelayId};
use crate::time::{Time, UnixTime};

/// How often figures are taken.
const INTERVAL: Duration = Duration::from_secs(10);

/// A relay's session, and whose it is.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) session: Session,
    /// As it was at the last look.
    client: Client,
    pub(super) began: UnixTime,
    /// When its interval ends.
    due: Time,
}

impl Worker {
    /// What there is to see of a payload, if anybody looks. `tos` is what its datagram said.
    #[inline]
    pub(super) fn look(&self, payload: &[u8], at: Time, tos: Option<u8>) -> Option<Glance> {
        self.settings.quality.as_ref()?;
        Some(Glance::of(payload, at, tos))
    }

    /// It passes `relay`, to or from `peer`.
    #[inline]
    pub(super) fn tap(&mut self, relay: RelayId, direction: Direction, peer: SocketAddr, glance: &Glance) {
        self.show(relay, direction, tag(peer), glance);
    }

    /// What another worker has seen.
    pub(super) fn take_seen(&mut self, seen: &[Seen]) {
        for Seen { relay, peer, glance } in seen {
            if let Some(relay) = self.relays.get(*relay) {
                relay.passed.add(Way::ToClient, glance.length.into());
            }
            self.show(*relay, Direction::PeerToClient, *peer, glance);
        }
    }

    /// What another worker has let pass without a look.
    pub(super) fn take_sums(&self, sums: &[Sum]) {
        for Sum { relay, packets, bytes } in sums {
            if let Some(relay) = self.relays.get(*relay) {
                relay.passed.add_many(Way::ToClient, *packets, *bytes);
            }
        }
    }

    #[inline]
    fn show(&mut self, id: RelayId, direction: Direction, peer: u32, glance: &Glance) {
        let Some(settings) = &self.settings.quality else { return };
        let Some(relay) = self.relays.get_mut(id) else { return };
        match &mut relay.tap {
            Some(tap) => tap.session.see(settings, direction, peer, glance),
            None if glance.is_rtp() => self.begin_tap(id, direction, peer, glance),
            None => {}
        }
    }

    #[cold]
    fn begin_tap(&mut self, id: RelayId, direction: Direction, peer: u32, glance: &Glance) {
        let Some(settings) = self.settings.quality.as_deref() else { return };
        let Some(client) = self.table.client(id).copied() else { return };
        let Some(relay) = self.relays.get_mut(id) else { return };
        let now = self.now.time;
        let mut session = Session::new(now);
        if relay.challenge > 0 {
            let took = Duration::from_micros(relay.challenge.into());
            session.note_rtt(Leg::Client, RttSource::Challenge, took, now);
        }
        session.see(settings, direction, peer, glance);
        relay.tap = Some(Box::new(Tap { session, client, began: self.now.unix, due: now + INTERVAL }));
        self.counters.quality.open();
        self.deadlines.remind(now + INTERVAL, Reminder::Quality(id.0));
        self.note_connection(id);
    }

    /// An interval of this relay's session has ended.
    pub(super) fn quality_due(&mut self, id: RelayId) {
        let Some(settings) = self.settings.quality.clone() else { return };
        self.note_connection(id);
        let client = self.table.client(id).copied();
        let now = self.now.time;
        let Some(tap) = self.relays.get_mut(id).and_then(|relay| relay.tap.as_mut()) else { return };
        // A reminder of a session that this relay had before, until nobody listened for a while.
        if now < tap.due {
            return;
        }
        tap.due = now + INTERVAL;
        tap.client = client.unwrap_or(tap.client);
        let interval = tap.session.close_interval(&settings, now);
        self.counters.quality.add(&interval, &settings.codecs);
        self.deadlines.remind(now + INTERVAL, Reminder::Quality(id.0));
    }

    /// What the kernel knows of the way to a stream client.
    fn note_connection(&mut self, id: RelayId) {
        let link = self.table.client(id).and_then(|client| client.link);
        let took = match link.and_then(|link| self.links.get(link.0)) {
            Some(Link::Stream(stream)) => stream.round_trip(),
            Some(Link::Dtls(_)) | None => None,
        };
        if let (Some(took), Some(relay)) = (took, self.relays.get_mut(id))
            && let Some(tap) = &mut relay.tap
        {
            tap.session.note_rtt(Leg::Client, RttSource::TcpInfo, took, self.now.time);
        }
    }

    /// A client has answered a challenge. Its relays have one way to it.
    pub(super) fn note_challenge(&mut self, relay: RelayId, took: Duration) {
        let Some(client) = self.table.client(relay) else { return };
        for id in self.table.relays(&client.tuple) {
            let Some(relay) = self.relays.get_mut(id) else { continue };
            relay.challenge = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
            if let Some(tap) = &mut relay.tap {
                tap.session.note_rtt(Leg::Client, RttSource::Challenge, took, self.now.time);
            }
        }
    }

    /// The relay has ended, or nobody looks any more: the last figures, and the record.
    pub(super) fn end_tap(&mut self, id: RelayId, relayed: SocketAddr, owner: u64, tap: Tap) {
        let Some(settings) = self.settings.quality.clone() else { return };
        let info = self.session_info(id, relayed, owner, &tap);
        let (last, record, past) = tap.session.end_with_past(&settings, self.now.time);
        self.counters.quality.add(&last, &settings.codecs);
        self.counters.quality.close();
        self.journal_end(EndedCall::new(info.clone(), self.now.unix, &record, past));
        let ended = Box::new(EndedSession { info, ended: self.now.unix, record });
        if let Err(TrySendError::Full(_)) = self.records.try_send(ended) {
            self.counters.records_dropped.add(1);
        }
    }

    /// Other settings hold from now on; the old ones still do.
    pub(super) fn change_quality(&mut self, settings: Option<&Arc<Settings>>) {
        if settings.is_some() == self.settings.quality.is_some() {
            return;
        }
        let ids: Vec<RelayId> = self.relays.ids().collect();
        for id in ids {
            self.watch_arrivals(id, settings.is_some());
            if settings.is_none() {
                self.drop_tap(id);
            }
        }
        for listener in &self.listeners {
            for udp in listener.sockets() {
                // Without them the turn's time stands in.
                drop(udp.set_timestamps(settings.is_some()));
            }
        }
    }

    fn watch_arrivals(&self, id: RelayId, on: bool) {
        if let Some(udp) = self.relays.get(id).and_then(|relay| relay.udp()) {
            drop(udp.set_timestamps(on));
        }
    }

    /// Ends the session of a relay, if it has one.
    pub(super) fn drop_tap(&mut self, id: RelayId) {
        let Some(relay) = self.relays.get_mut(id) else { return };
        let Some(tap) = relay.tap.take() else { return };
        let (owner, relayed) = (relay.owner.0, relay.udp().map(|udp| udp.local_addr()));
        if let Some(relayed) = relayed {
            self.end_tap(id, relayed, owner, *tap);
        }
    }

    /// What a session is known by. `relayed` is where its socket is bound.
    pub(super) fn session_info(
        &self,
        id: RelayId,
        relayed: SocketAddr,
        owner: u64,
        tap: &Tap,
    ) -> SessionInfo {
        let Client { tuple, listener, .. } = tap.client;
        SessionInfo {
            id: SessionId { worker: self.index, relay: id },
            client: tuple.client.socket_addr(),
            server: tuple.server.socket_addr(),
            transport: tuple.transport,
            listener,
            relayed: self.externals.attribute(relayed),
            owner,
            began: tap.began,
        }
    }
}

/// Tells one peer of a relay from another. Whoever wants two to have one tag gets two streams for one, in his own
/// session.
pub(super) fn tag(peer: SocketAddr) -> u32 {
    let fold = |sum: u32, part: u32| sum.rotate_left(5).wrapping_mul(0x9e37_79b1) ^ part;
    let ip = match peer.ip() {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let word = |shift: u32| u32::try_from(bits >> shift & 0xffff_ffff).unwrap_or(0);
            [96, 64, 32, 0].map(word).into_iter().fold(0, fold)
        }
    };
    fold(ip, peer.port().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_told_apart_by_address_and_port() {
        let tags = ["192.0.2.1:5", "192.0.2.1:6", "192.0.2.2:5", "[2001:db8::1]:5", "[2001:db8:0:1::1]:5"]
            .map(|peer| tag(peer.parse().unwrap()));
        for (at, one) in tags.iter().enumerate() {
            assert!(tags[..at].iter().all(|other| other != one), "{tags:x?}");
        }
    }
}
