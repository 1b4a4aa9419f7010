//! One neighbour: when it is connected to, which of two connections stays, and what follows when one ends (RFC 4271
//! sections 6.8 and 8). What is said on a connection is in [`super::dialogue`].
//!
//! There are two connections at most: one that we open and one that the neighbour opens, or a session and one that the
//! neighbour has opened beside it. Everything about a neighbour is bounded by that and by its limit of prefixes.

use std::net::SocketAddr;
use std::time::Duration;

use super::backoff::Backoff;
use super::connection::{Connection, Phase};
use super::context::Context;
use super::record::{Complaint, Record};
use super::rib::Wanted;
use super::session::Session;
use super::settings::NeighborSettings;
use crate::announce::io::{Action, ConnectionId, Event, Level, NeighborId};
use crate::time::Time;
use crate::wire::bgp::{Fault, Reason, write};

/// A connection that comes beside a session is a sign that the neighbour has lost that session: for so long it waits for
/// the session to end, then it is refused.
const BESIDE_SESSION: Duration = Duration::from_secs(5);

/// What is done while no connection is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing, and connections are refused, until then or for good.
    Halted { why: &'static str, until: Option<Time> },
    /// A pause after a session or a handshake has failed. Connections that come wait for its end.
    Idle { until: Time },
    /// Connections are welcome, and one is opened at that time.
    Active { connect: Option<Time> },
}

impl Plan {
    /// What is done with a neighbour about which nothing is known.
    fn first(settings: &NeighborSettings, context: &Context) -> Self {
        if settings.shutdown {
            Self::Halted { why: "shut down by configuration", until: None }
        } else {
            Self::Active { connect: Some(context.now.time) }
        }
    }
}

/// How a connection is ended.
#[derive(Debug)]
pub(super) enum Goodbye {
    /// By a NOTIFICATION.
    Notify(Fault),
    /// By a NOTIFICATION, with the operator's text if that belongs there (RFC 9003).
    Wish(Reason),
    /// What waits is still written.
    Close,
    /// At once.
    Abort,
    /// It is gone already.
    Gone,
}

/// What its end means for the neighbour.
#[derive(Debug)]
pub(super) enum Cause {
    /// Something went wrong: words for the operator.
    Failure(String),
    /// The network or the neighbour's kernel ended it, and nobody said why.
    Loss(String),
    /// The neighbour sends too much: words for the operator.
    Excess(String),
    /// Another connection stays.
    Collision,
    /// It was our wish.
    Wish(&'static str),
}

/// A neighbour and its connections.
#[derive(Debug)]
pub(super) struct Neighbor {
    pub(super) id: NeighborId,
    pub(super) settings: NeighborSettings,
    pub(super) connections: Vec<Connection>,
    pub(super) plan: Plan,
    pub(super) backoff: Backoff,
    /// `None` until it has been said for the first time.
    pub(super) wanted: Option<Wanted>,
    pub(super) record: Record,
    pub(super) bfd_is_up: bool,
    /// As the log has it, where an operator's wish counts as well.
    pub(super) bfd_is_told_up: bool,
    /// BFD has called the way down: until then there are no attempts, and connections that come wait.
    pub(super) fallen: Option<Time>,
}

impl Neighbor {
    pub(super) fn new(id: NeighborId, settings: NeighborSettings, context: &Context) -> Self {
        Self {
            id,
            plan: Plan::first(&settings, context),
            settings,
            connections: Vec::new(),
            backoff: Backoff::default(),
            wanted: None,
            record: Record::new(context.now),
            bfd_is_up: false,
            bfd_is_told_up: false,
            fallen: None,
        }
    }

    /// Begins anew, unless the operator does not want it.
    pub(super) fn start(&mut self, context: &mut Context) {
        self.backoff.forget();
        self.plan = Plan::first(&self.settings, context);
        self.follow_plan(context);
    }

    pub(super) fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.id == id)
    }

    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.connections.iter().any(|connection| connection.id == id)
    }

    /// The connection that carries the session.
    pub(super) fn established(&mut self) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.session().is_some())
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.connections.iter().find_map(Connection::session)
    }

    pub(super) fn accepted(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        if let Plan::Halted { .. } = self.plan {
            return refuse(context, id, Reason::CONNECTION_REJECTED);
        }
        // The neighbour has opened another one: it knows of the one before no more, unless that is all but a session.
        let before = self.connections.iter().find(|other| !other.is_ours && other.session().is_none());
        match before.map(|before| (before.id, &before.phase)) {
            Some((_, Phase::OpenConfirm(..))) => return refuse(context, id, Reason::COLLISION_RESOLUTION),
            Some((before, phase)) => {
                let was_greeted = matches!(phase, Phase::OpenSent { .. });
                self.end(context, before, Goodbye::Abort, Cause::Collision);
                if let Some(delay) = was_greeted.then(|| self.backoff.replaced()).flatten() {
                    self.rest(context, delay);
                }
            }
            None => {}
        }
        let until = context.now.time + BESIDE_SESSION;
        self.connections.push(Connection::accepted(id, local, remote, until));
        let send_hold = self.settings.send_hold;
        if let Some(session) = self.established() {
            // If the neighbour has started anew, it answers this with a reset.
            session.send_keepalive(context, send_hold);
        } else if self.fallen.is_none() && !matches!(self.plan, Plan::Idle { .. }) {
            self.open(context, id);
        }
    }

    pub(super) fn connected(
        &mut self,
        context: &mut Context,
        id: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
    ) {
        let Some(connection) = self.find(id) else { return };
        if let Phase::Connecting { .. } = connection.phase {
            connection.local = Some(local);
            connection.remote = Some(remote);
            self.open(context, id);
        }
    }

    pub(super) fn sent(&mut self, context: &mut Context, id: ConnectionId, waiting: usize) {
        let send_hold = self.settings.send_hold;
        if let Some(connection) = self.find(id) {
            connection.sent(context.now.time, send_hold, waiting);
            self.update_routes(context);
        }
    }

    pub(super) fn failed(&mut self, context: &mut Context, id: ConnectionId, reason: &str) {
        let words = format!("cannot connect: {reason}");
        self.end(context, id, Goodbye::Gone, Cause::Loss(words));
    }

    pub(super) fn closed(&mut self, context: &mut Context, id: ConnectionId, reason: &str) {
        let words = format!("the connection was closed without a NOTIFICATION: {reason}");
        self.end(context, id, Goodbye::Gone, Cause::Loss(words));
    }

    /// Ends everything by our wish; `why` there will be no other connection.
    pub(super) fn halt(&mut self, context: &mut Context, reason: Reason, why: &'static str) {
        self.end_all(context, reason, why);
        self.plan = Plan::Halted { why, until: None };
    }

    /// Ends everything by our wish and begins anew.
    pub(super) fn restart(&mut self, context: &mut Context, reason: Reason, why: &'static str) {
        self.end_all(context, reason, why);
        self.start(context);
    }

    fn end_all(&mut self, context: &mut Context, reason: Reason, why: &'static str) {
        let ids: Vec<_> = self.connections.iter().map(|connection| connection.id).collect();
        for id in ids {
            self.end(context, id, Goodbye::Wish(reason), Cause::Wish(why));
        }
    }

    /// The connection is no more: the only way out of [`Self::connections`].
    pub(super) fn end(&mut self, context: &mut Context, id: ConnectionId, goodbye: Goodbye, cause: Cause) {
        let Some(at) = self.connections.iter().position(|connection| connection.id == id) else { return };
        let connection = self.connections.swap_remove(at);
        self.say(context, &connection, goodbye);
        if connection.session().is_some() {
            self.record.session_ended(context.now, !matches!(cause, Cause::Wish(_)));
        }
        match cause {
            Cause::Collision => {}
            Cause::Failure(words) => {
                self.note_failure(context, &connection, words, true);
                self.after_failure(context, &connection);
            }
            Cause::Loss(words) => {
                self.note_failure(context, &connection, words, false);
                self.after_failure(context, &connection);
            }
            Cause::Excess(words) => self.after_excess(context, &connection, words),
            Cause::Wish(why) if connection.session().is_some() => {
                context.log(self.event(Event::info("BGP session ended")).with("reason", why));
            }
            Cause::Wish(_) => {}
        }
    }

    fn say(&mut self, context: &mut Context, connection: &Connection, goodbye: Goodbye) {
        let id = connection.id;
        let stands = !matches!(connection.phase, Phase::Connecting { .. });
        let mut bytes = Vec::new();
        match goodbye {
            Goodbye::Gone => return,
            Goodbye::Close if stands => {}
            Goodbye::Notify(fault) if stands => {
                write::notification(&mut bytes, fault.reason(), fault.data());
                self.record.notified(context.now, true, fault.reason(), fault.to_string());
            }
            Goodbye::Wish(reason) if stands => {
                let text = if speaks(reason) { &*context.local.shutdown_text } else { "" };
                write::shutdown(&mut bytes, reason, text);
                let words = if text.is_empty() { reason.to_string() } else { format!("{reason}: {text:?}") };
                self.record.notified(context.now, true, reason, words);
            }
            Goodbye::Abort | Goodbye::Close | Goodbye::Notify(_) | Goodbye::Wish(_) => {
                return context.act(Action::Abort { connection: id });
            }
        }
        if !bytes.is_empty() {
            context.act(Action::Send { connection: id, bytes });
        }
        context.act(Action::Close { connection: id });
    }

    /// Decides when the next attempt is, and until when connections wait.
    fn after_failure(&mut self, context: &mut Context, ended: &Connection) {
        if matches!(self.plan, Plan::Halted { .. }) {
            return;
        }
        let is_under_way = |other: &Connection| !matches!(other.phase, Phase::Waiting { .. });
        let now = context.now.time;
        match &ended.phase {
            Phase::Waiting { .. } => {}
            Phase::Connecting { .. } if self.connections.iter().any(is_under_way) => {}
            Phase::Connecting { .. } => {
                let delay = self.backoff.unreachable(self.settings.connect_retry);
                match self.plan {
                    Plan::Idle { .. } => self.rest(context, delay),
                    Plan::Halted { .. } | Plan::Active { .. } => {
                        self.plan = Plan::Active { connect: Some(now + context.jitter.shorten(now, delay)) };
                    }
                }
            }
            Phase::OpenSent { .. } | Phase::OpenConfirm(..) => {
                let delay = self.backoff.refused();
                self.rest(context, delay);
            }
            Phase::Established(session, _) => {
                let delay = self.backoff.ended(now.since(session.since.time));
                self.rest(context, delay);
            }
        }
    }

    /// A pause, whoever opened what has failed (DampPeerOscillations of RFC 4271 section 8.1.1). What is under way goes on;
    /// nothing is begun, and what comes waits. No pause is shortened by another one.
    fn rest(&mut self, context: &mut Context, delay: Duration) {
        let now = context.now.time;
        let until = now + context.jitter.shorten(now, delay);
        let until = match self.plan {
            Plan::Idle { until: before } => until.max(before),
            Plan::Halted { .. } | Plan::Active { .. } => until,
        };
        self.plan = Plan::Idle { until };
    }

    fn after_excess(&mut self, context: &mut Context, ended: &Connection, words: String) {
        const WHY: &str = "the neighbour sent more prefixes than `max_prefixes`";
        self.note_failure(context, ended, words, true);
        self.halt(context, Reason::CONNECTION_REJECTED, WHY);
        let until = self.settings.max_prefixes_restart.map(|pause| context.now.time + pause);
        self.plan = Plan::Halted { why: WHY, until };
    }

    fn note_failure(&mut self, context: &mut Context, ended: &Connection, words: String, says_why: bool) {
        self.log_failure(context, ended, &words);
        self.record.failed(context.now, words, says_why);
    }

    /// A session that ends is worth an alert; so is a neighbour that cannot be talked to, once for each reason. How often
    /// is up to the neighbour, so both are said once in a while, with how many were not.
    fn log_failure(&mut self, context: &mut Context, ended: &Connection, words: &str) {
        let now = context.now.time;
        let is_news = self.record.is_news(words);
        let event = match &ended.phase {
            Phase::Established(session, _) => {
                let lasted = now.since(session.since.time).as_secs();
                self.once_in_a_while(Complaint::Lost, now, Event::warn("BGP session lost"))
                    .with("lasted", format_args!("{lasted}s"))
            }
            Phase::OpenSent { .. } | Phase::OpenConfirm(..) if is_news => {
                let event = Event::warn("BGP session cannot be established");
                self.once_in_a_while(Complaint::Refused, now, event)
            }
            Phase::Connecting { .. } if is_news => Event::info("BGP neighbour cannot be reached"),
            Phase::OpenSent { .. } | Phase::OpenConfirm(..) => {
                self.record.keep_quiet(Complaint::Refused);
                Event::debug("BGP connection ended")
            }
            Phase::Connecting { .. } | Phase::Waiting { .. } => Event::debug("BGP connection ended"),
        };
        context.log(self.event(event).with("reason", words));
    }

    /// As loud as it is if it is time for one of its kind.
    pub(super) fn once_in_a_while(&mut self, kind: Complaint, now: Time, event: Event) -> Event {
        match self.record.may_complain(kind, now) {
            Some(0) => event,
            Some(kept_quiet) => event.with("more_since_last", kept_quiet),
            None => Event { level: Level::Debug, ..event },
        }
    }

    pub(super) fn event(&self, event: Event) -> Event {
        event.with("neighbor", &self.settings.name).with("address", self.settings.address)
    }
}

/// Whether a text may follow (RFC 9003).
const fn speaks(reason: Reason) -> bool {
    matches!(reason, Reason::ADMINISTRATIVE_SHUTDOWN | Reason::ADMINISTRATIVE_RESET)
}

/// Ends a connection that never was one of ours.
fn refuse(context: &mut Context, connection: ConnectionId, reason: Reason) {
    let mut bytes = Vec::new();
    write::notification(&mut bytes, reason, &[]);
    context.act(Action::Send { connection, bytes });
    context.act(Action::Close { connection });
}
