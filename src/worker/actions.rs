//! Carries out what the engine asks for, in order.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::relays::{Relay, RelaySocket};
use super::run::{Link, Worker};
use super::stream::Stage;
use crate::engine::{Action, Event, Input, OpenError, OwnerId, RelayKind};
use crate::metrics::{Loss, Path};
use crate::net::poll::Interest;
use crate::net::tcp::{TcpListener, TcpOptions};
use crate::net::udp::{Payload, SendHeader, UdpOptions, UdpSocket};
use crate::route::{Client, Delta, LinkId, ListenerId, RelayId};

impl Worker {
    /// Does everything that the engine has asked for.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.engine.poll() {
            match action {
                Action::Reply { client, bytes } => self.reply(&client, &bytes),
                Action::ReplyFrom { source, to, bytes } => {
                    self.send_datagram(source, SendHeader::to(to), &bytes);
                }
                Action::OpenRelay { relay, kind, bind, owner } => self.open_relay(relay, kind, bind, owner),
                Action::CloseRelay { relay } => {
                    self.leave_home(relay);
                    self.drop_tap(relay);
                    drop(self.relays.remove(relay));
                }
                Action::Route(delta) => self.change_route(&delta),
                Action::ConnectPeer { relay, connection, peer } => self.connect_peer(relay, connection, peer),
                Action::NamePeer { link, connection } => self.name_peer(link, connection),
                Action::Splice { client, connection } => self.splice(client, connection),
                Action::ClosePeer { connection } => self.close_peer(connection),
                Action::CloseClient { link } => self.close_link(link),
                Action::Forward { worker } => self.forward = Some(worker),
                Action::Event(event) => self.note(&event),
            }
        }
    }

    fn reply(&mut self, client: &Client, bytes: &[u8]) {
        let Some(id) = client.link else {
            let to = client.tuple.client.socket_addr();
            let listener = self.listeners.get(usize::from(client.listener.0));
            let source = listener.and_then(|listener| listener.answer_from(client.tuple.server.ip()));
            self.send_datagram(client.listener, SendHeader { source, ..SendHeader::to(to) }, bytes);
            return;
        };
        match self.links.get_mut(id.0) {
            Some(Link::Stream(stream)) => {
                let queued = stream.push_control(bytes);
                self.counters.pass(Path::ToClient, bytes.len());
                if queued.is_err() {
                    self.drop_link(id, Loss::StuckReader);
                } else {
                    self.mark_dirty(id);
                }
            }
            Some(Link::Dtls(_)) => self.dtls_send(id, bytes),
            None => {}
        }
    }

    /// Sends through a listener's UDP socket.
    pub(super) fn send_datagram(&mut self, listener: ListenerId, header: SendHeader, bytes: &[u8]) {
        if self.copies.is_full() {
            self.flush_copies();
        }
        let listener = self.listeners.get(usize::from(listener.0));
        if let Some(udp) = listener.and_then(|listener| listener.udp.as_ref()) {
            self.counters.pass(Path::ToClient, bytes.len());
            self.copies.push(udp, header, Payload::Copy(bytes));
        }
    }

    fn open_relay(&mut self, relay: RelayId, kind: RelayKind, bind: SocketAddr, owner: OwnerId) {
        let input = match self.try_open_relay(relay, kind, bind, owner) {
            Ok(()) => Input::RelayOpened { relay },
            Err(error) => {
                let is_taken = error.kind() == io::ErrorKind::AddrInUse;
                let error = if is_taken { OpenError::PortTaken } else { OpenError::Exhausted };
                Input::RelayFailed { relay, error }
            }
        };
        self.engine.handle(self.now, input);
    }

    fn try_open_relay(
        &mut self,
        id: RelayId,
        kind: RelayKind,
        bind: SocketAddr,
        owner: OwnerId,
    ) -> io::Result<()> {
        let socket = match kind {
            RelayKind::Udp => {
                let timestamps = self.settings.quality.is_some();
                let udp = UdpSocket::bind_relay(bind, &UdpOptions { timestamps, ..UdpOptions::default() })?;
                self.poller.add(&udp, Self::relay_token(id), Interest::READ)?;
                RelaySocket::Udp(udp)
            }
            RelayKind::Tcp => {
                let listener = TcpListener::bind_relay(bind, &TcpOptions::default())?;
                self.poller.add(&listener, Self::relay_token(id), Interest::READ)?;
                RelaySocket::Tcp(Box::new(listener))
            }
        };
        self.relays.insert(Relay::new(id, socket, owner));
        self.share_user(id);
        self.enter_home(id);
        Ok(())
    }

    pub(super) fn change_route(&mut self, delta: &Delta) {
        let left = match *delta {
            Delta::MoveRelay { relay, .. } | Delta::RemoveRelay { relay } => {
                self.table.client(relay).copied()
            }
            Delta::AddRelay { .. }
            | Delta::AddPermission { .. }
            | Delta::RemovePermission { .. }
            | Delta::AddChannel { .. }
            | Delta::RemoveChannel { .. } => None,
        };
        self.touch_home(delta.relay());
        self.table.apply(delta);
        if let Delta::AddRelay { relay, client } | Delta::MoveRelay { relay, client } = *delta {
            self.client_arrived(relay, &client);
        }
        if let Some(client) = left.filter(|client| !self.table.serves(&client.tuple)) {
            self.client_left(&client);
        }
    }

    /// A client has an allocation now, here.
    fn client_arrived(&mut self, relay: RelayId, client: &Client) {
        self.share_session(relay, client);
        match client.link.and_then(|link| self.links.get_mut(link.0)) {
            Some(Link::Stream(stream)) => {
                if let Some(source) = stream.counted.take() {
                    self.sources.give_back(source);
                }
            }
            Some(Link::Dtls(link)) => {
                if let Some(source) = link.counted.take() {
                    self.sources.give_back(source);
                }
            }
            None if self.from_mailbox && client.link.is_none() => self.claim_flow(client.tuple),
            None => {}
        }
    }

    /// It has none any more.
    fn client_left(&mut self, client: &Client) {
        let Some(id) = client.link else {
            self.disclaim_flow(&client.tuple);
            return;
        };
        match self.links.get_mut(id.0) {
            Some(Link::Stream(stream)) => {
                stream.active = self.now.time;
                self.count_again(id);
            }
            Some(Link::Dtls(link)) => {
                link.active = self.now.time;
                self.count_established(id);
            }
            None => {}
        }
    }

    /// The relays of one allocation draw from one bucket.
    fn share_session(&mut self, relay: RelayId, client: &Client) {
        if self.engine_settings.limits.session_bandwidth.is_none() {
            return;
        }
        let others = self.table.relays(&client.tuple).filter(|other| *other != relay);
        let shared = others.filter_map(|other| self.relays.get(other)?.session().cloned()).next();
        if let Some(relay) = self.relays.get_mut(relay)
            && relay.session().is_none()
        {
            relay.rates().session = Some(shared.unwrap_or_else(Rc::default));
        }
    }

    /// The allocations of one user do, on all workers.
    fn share_user(&mut self, relay: RelayId) {
        if self.engine_settings.limits.user_bandwidth.is_some()
            && let Some(relay) = self.relays.get_mut(relay)
        {
            relay.rates().user = self.shared.quotas.bandwidth(relay.owner);
        }
    }

    /// After a reload a rate may hold where there was none.
    pub(super) fn share_bandwidth(&mut self) {
        let ids: Vec<RelayId> = self.relays.ids().collect();
        for relay in ids {
            self.share_user(relay);
            if let Some(client) = self.table.client(relay).copied() {
                self.share_session(relay, &client);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        self.counters.event(event);
        self.journal(event);
        // A reserved relay outlives the allocation that it was opened for, and perhaps that user's bucket.
        match *event {
            Event::Allocated { relay, .. } => self.share_user(relay),
            Event::Challenged { relay, turnaround } => self.note_challenge(relay, turnaround),
            Event::Dropped(_)
            | Event::Refused { .. }
            | Event::Authenticated { .. }
            | Event::Served { .. }
            | Event::RefreshedLate { .. }
            | Event::Released { .. }
            | Event::Shed
            | Event::Moved { .. } => {}
        }
    }

    /// Puts a stream on the list of those that are written to at the end of the turn.
    pub(super) fn mark_dirty(&mut self, id: LinkId) {
        if let Some(Link::Stream(stream)) = self.links.get_mut(id.0)
            && !std::mem::replace(&mut stream.dirty, true)
        {
            self.dirty.push(id);
        }
    }

    /// Ends a client's connection once everything that is queued has been written.
    pub(super) fn close_link(&mut self, id: LinkId) {
        match self.links.get_mut(id.0) {
            Some(Link::Stream(stream)) => {
                if let Stage::Spliced(_) = stream.stage {
                    self.unsplice(id);
                }
                self.begin_closing(id);
            }
            Some(Link::Dtls(_)) => self.dtls_close(id),
            None => {}
        }
    }
}
