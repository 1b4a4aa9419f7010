//! Clients over DTLS (RFC 7350): one session per five-tuple, on the listener's UDP socket.

use std::net::{IpAddr, SocketAddr};

use super::datapath::Arrival;
use super::run::{Link, Worker};
use crate::engine::Input;
use crate::metrics::Loss;
use crate::net::dtls::{Accept, DtlsError, DtlsOutput, DtlsSession, Path};
use crate::net::udp::SendHeader;
use crate::route::{Client, LinkId};
use crate::time::Time;

/// Datagrams that may wait while a session is being read from.
const PENDING: usize = 64;
/// A DTLS record of a handshake without encryption: content type 22, epoch 0.
const HANDSHAKE: u8 = 22;

/// One session.
#[derive(Debug)]
pub(super) struct DtlsLink {
    /// Out while it is being polled.
    session: Option<Box<DtlsSession>>,
    /// What is to be said once it is back.
    pending: Vec<Box<[u8]>>,
    /// The message that named another worker.
    forwarded: Option<Box<[u8]>>,
    client: Client,
    established: bool,
    since: Time,
    /// Under which address it counts among those without an allocation, while it does.
    pub(super) counted: Option<IpAddr>,
    /// One too many of its source: it ends after its next words.
    surplus: bool,
    /// The last datagram that it could read.
    pub(super) active: Time,
    /// The earliest reminder that was asked for.
    armed: Option<Time>,
}

impl Worker {
    /// A datagram that looks like DTLS, on a listener that speaks it.
    pub(super) fn dtls_datagram(&mut self, at: usize, arrival: Arrival, bytes: &[u8]) {
        let tuple = arrival.client.tuple;
        let known = self.dtls.get(&tuple).copied();
        if known.is_none()
            && !self.from_mailbox
            && let Some(worker) = self.directory.find(&tuple).filter(|worker| *worker != self.index)
        {
            self.hand_over_datagram(worker, &arrival, bytes);
            return;
        }
        match known {
            Some(id) if !self.may_be_new(id, bytes) => self.dtls_receive(id, &arrival, bytes),
            Some(id) => match self.greet(at, &arrival.client, bytes) {
                Accept::Session(session) if session.is_proven() => {
                    self.dtls_drop(id);
                    self.begin_session(session, &arrival);
                }
                Accept::Reply(reply) => self.dtls_say(&arrival.client, &reply),
                Accept::Session(_) | Accept::Ignore => self.dtls_receive(id, &arrival, bytes),
            },
            None => match self.greet(at, &arrival.client, bytes) {
                Accept::Session(session) => self.begin_session(session, &arrival),
                Accept::Reply(reply) => self.dtls_say(&arrival.client, &reply),
                Accept::Ignore => self.counters.lose(Loss::Dtls),
            },
        }
    }

    /// Whether it may be a client that begins anew: not while one that has proven its address shakes hands, and
    /// certainly while somebody does who has not.
    fn may_be_new(&self, id: LinkId, bytes: &[u8]) -> bool {
        let Some(Link::Dtls(link)) = self.links.get(id.0) else { return false };
        let proven = link.session.as_ref().is_some_and(|session| session.is_proven());
        (link.established || !proven) && matches!(bytes, [HANDSHAKE, _, _, 0, 0, ..])
    }

    fn greet(&mut self, at: usize, client: &Client, bytes: &[u8]) -> Accept {
        let acceptor = self.listeners.get_mut(at).and_then(|listener| listener.dtls.as_mut());
        let path =
            Path { client: client.tuple.client.socket_addr(), server: client.tuple.server.socket_addr() };
        acceptor.map_or(Accept::Ignore, |acceptor| acceptor.accept(self.now.time, path, bytes))
    }

    fn begin_session(&mut self, session: Box<DtlsSession>, arrival: &Arrival) {
        if self.dtls.len() >= self.settings.dtls.sessions {
            self.counters.lose(Loss::DtlsLimit);
            return;
        }
        let proven = session.is_proven();
        // One that has proven nothing could be counted against somebody else's address.
        let counted = if proven { self.count_session(&arrival.client) } else { None };
        if proven && counted.is_none() {
            self.counters.lose(Loss::SourceLimit);
            return;
        }
        let now = self.now.time;
        let link = DtlsLink {
            session: Some(session),
            pending: Vec::new(),
            forwarded: None,
            client: arrival.client,
            established: false,
            counted,
            surplus: false,
            since: now,
            active: now,
            armed: None,
        };
        let id = self.insert_dtls(Box::new(link));
        if !proven && let Some(oldest) = self.dtls_half_open.begin(id) {
            self.counters.lose(Loss::DtlsLimit);
            self.dtls_drop(oldest);
        }
        self.dtls_poll(id, arrival);
    }

    fn count_session(&mut self, client: &Client) -> Option<IpAddr> {
        self.sources.take(client.tuple.client.ip(), self.settings.streams.per_source)
    }

    /// It has no allocation. One too many ends, after the answer that may be due.
    pub(super) fn count_established(&mut self, id: LinkId) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        if link.counted.is_some() {
            return;
        }
        let client = link.client;
        let counted = self.count_session(&client);
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        link.counted = counted;
        if link.counted.is_some() {
            return;
        }
        link.surplus = true;
        let is_polled = link.session.is_none();
        self.counters.lose(Loss::SourceLimit);
        if !is_polled {
            self.dtls_close(id);
        }
    }

    fn insert_dtls(&mut self, link: Box<DtlsLink>) -> LinkId {
        let tuple = link.client.tuple;
        let id = LinkId(self.links.insert(Link::Dtls(link)));
        if let Some(Link::Dtls(link)) = self.links.get_mut(id.0) {
            link.client.link = Some(id);
        }
        self.dtls.insert(tuple, id);
        id
    }

    fn dtls_receive(&mut self, id: LinkId, arrival: &Arrival, bytes: &[u8]) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let Some(session) = &mut link.session else { return };
        let result = session.receive(self.now.time, bytes);
        self.dtls_poll(id, arrival);
        if result.is_err() {
            self.counters.lose(Loss::Dtls);
            self.dtls_drop(id);
        }
    }

    /// Does all that the session has to say, then what was to be said through it meanwhile.
    fn dtls_poll(&mut self, id: LinkId, arrival: &Arrival) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let Some(mut session) = link.session.take() else { return };
        let client = link.client;
        let arrival = Arrival { client, ..*arrival };
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut closed = false;
        while let Some(output) = session.poll(&mut scratch) {
            match output {
                DtlsOutput::Send(datagram) => self.dtls_say(&client, datagram),
                DtlsOutput::Data(data) => self.dtls_message(id, &arrival, data),
                DtlsOutput::Established => self.dtls_established(id),
                DtlsOutput::Closed => closed = true,
            }
        }
        self.scratch = scratch;
        // A message may have sent the session to another worker, or closed it.
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        link.session = Some(session);
        let surplus = link.surplus;
        for datagram in std::mem::take(&mut link.pending) {
            self.dtls_send(id, &datagram);
        }
        if let Some(worker) = self.forward.take() {
            self.forward_dtls(worker, id);
        } else if closed {
            self.dtls_drop(id);
        } else if surplus {
            self.dtls_close(id);
        } else {
            self.dtls_arm(id);
        }
    }

    fn dtls_established(&mut self, id: LinkId) {
        if let Some(Link::Dtls(link)) = self.links.get_mut(id.0)
            && !std::mem::replace(&mut link.established, true)
        {
            self.dtls_half_open.end(&id);
            self.count_established(id);
        }
    }

    fn dtls_message(&mut self, id: LinkId, arrival: &Arrival, data: &[u8]) {
        if self.forward.is_some() {
            return;
        }
        self.client_bytes(arrival, data, None);
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        link.active = self.now.time;
        if self.forward.is_some() {
            // The session goes there with it, once it has been polled to its end.
            link.forwarded = Some(data.into());
        }
    }

    fn forward_dtls(&mut self, worker: u8, id: LinkId) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let message = link.forwarded.take().unwrap_or_default();
        self.hand_over_link(worker, id, &message);
    }

    /// Encrypts and sends; what comes while the session is being read from waits for that to end.
    pub(super) fn dtls_send(&mut self, id: LinkId, bytes: &[u8]) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let Some(mut session) = link.session.take() else {
            if link.pending.len() < PENDING {
                link.pending.push(bytes.into());
            } else {
                self.counters.lose(Loss::SlowReader);
            }
            return;
        };
        let client = link.client;
        match session.send(self.now.time, bytes) {
            Ok(()) => {}
            Err(DtlsError::TooLong) => self.counters.lose(Loss::TooBig),
            Err(DtlsError::Timeout | DtlsError::Failed(_)) => self.counters.lose(Loss::Dtls),
        }
        self.say_all(&mut session, &client);
        if let Some(Link::Dtls(link)) = self.links.get_mut(id.0) {
            link.session = Some(session);
        }
    }

    /// Sends what the session has to say. Nothing is read here, so nothing else can come of it.
    fn say_all(&mut self, session: &mut DtlsSession, client: &Client) {
        let mut scratch = std::mem::take(&mut self.spoken);
        if scratch.is_empty() {
            scratch = vec![0; super::run::SCRATCH];
        }
        while let Some(output) = session.poll(&mut scratch) {
            match output {
                DtlsOutput::Send(datagram) => self.dtls_say(client, datagram),
                DtlsOutput::Data(_) | DtlsOutput::Established | DtlsOutput::Closed => {}
            }
        }
        self.spoken = scratch;
    }

    fn dtls_say(&mut self, client: &Client, datagram: &[u8]) {
        let to: SocketAddr = client.tuple.client.socket_addr();
        let listener = self.listeners.get(usize::from(client.listener.0));
        let source = listener.and_then(|listener| listener.answer_from(client.tuple.server.ip()));
        self.send_datagram(client.listener, SendHeader { source, ..SendHeader::to(to) }, datagram);
    }

    /// Asks to be reminded of the session's own deadline, and of ours.
    fn dtls_arm(&mut self, id: LinkId) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let own = if link.established {
            link.active + self.settings.dtls.idle
        } else {
            link.since + self.settings.dtls.handshake
        };
        let due =
            link.session.as_ref().and_then(|session| session.deadline()).map_or(own, |due| due.min(own));
        if link.armed.is_none_or(|armed| due < armed) {
            link.armed = Some(due);
            self.deadlines.remind(due, id);
        }
    }

    /// A reminder has come: retransmit, give up, or go on.
    pub(super) fn dtls_due(&mut self, id: LinkId) {
        let (now, settings) = (self.now.time, &self.settings.dtls);
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        link.armed = None;
        if link.established && self.table.serves(&link.client.tuple) {
            link.active = link.active.max(now - settings.idle / 2);
        }
        let (end, loss) = if link.established {
            (link.active + settings.idle, Loss::Idle)
        } else {
            (link.since + settings.handshake, Loss::HandshakeTimeout)
        };
        if end <= now {
            self.counters.lose(loss);
            self.dtls_close(id);
            return;
        }
        let arrival = Arrival { client: link.client, tos: 0, ttl: None, at: now };
        let expired = link.session.as_mut().filter(|session| session.deadline().is_some_and(|at| at <= now));
        let result = expired.map_or(Ok(()), |session| session.expire(now));
        self.dtls_poll(id, &arrival);
        if result.is_err() {
            self.counters.lose(Loss::HandshakeTimeout);
            self.dtls_drop(id);
        }
    }

    /// Says goodbye and ends the session.
    pub(super) fn dtls_close(&mut self, id: LinkId) {
        let Some(Link::Dtls(link)) = self.links.get_mut(id.0) else { return };
        let client = link.client;
        if let Some(mut session) = link.session.take() {
            session.close(self.now.time);
            self.say_all(&mut session, &client);
        }
        self.dtls_drop(id);
    }

    /// Ends the session; the engine learns it.
    fn dtls_drop(&mut self, id: LinkId) {
        if !matches!(self.links.get(id.0), Some(Link::Dtls(_))) {
            return;
        }
        if let Some(Link::Dtls(mut link)) = self.links.remove(id.0) {
            self.forget_dtls(id, &mut link);
            self.disclaim_flow(&link.client.tuple);
        }
        self.feed(Input::ClientClosed { link: id });
    }

    /// The session leaves this worker.
    pub(super) fn forget_dtls(&mut self, id: LinkId, link: &mut DtlsLink) {
        if let Some(source) = link.counted.take() {
            self.sources.give_back(source);
        }
        if !link.established {
            self.dtls_half_open.end(&id);
        }
        if self.dtls.get(&link.client.tuple) == Some(&id) {
            self.dtls.remove(&link.client.tuple);
        }
    }

    /// Takes a session over from another worker, which sends us its datagrams from now on.
    pub(super) fn adopt_dtls(&mut self, mut link: Box<DtlsLink>, message: &[u8]) {
        link.armed = None;
        link.active = self.now.time;
        let tuple = link.client.tuple;
        let id = self.insert_dtls(link);
        self.claim_flow(tuple);
        self.count_established(id);
        let Some(Link::Dtls(link)) = self.links.get(id.0) else { return };
        let arrival = Arrival { client: link.client, tos: 0, ttl: Some(u8::MAX), at: self.now.time };
        self.client_bytes(&arrival, message, None);
        if self.forward.take().is_some() {
            self.counters.lose(Loss::Misrouted);
        }
        self.dtls_arm(id);
    }
}
