//! One TCP connection to a neighbour: how far it has come, what of a message has arrived, what the kernel has not taken
//! yet, and its timers. What follows from any of that is decided in [`super::neighbor`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::context::Context;
use super::opening::Agreed;
use super::session::Session;
use crate::announce::io::{Action, ConnectionId};
use crate::time::Time;
use crate::wire::bgp::{Codec, MESSAGE_MAX, write};

/// For the kernels to connect: the first SYN and three more.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// For the neighbour's OPEN. RFC 4271 suggests four minutes; a neighbour that is silent for one is better tried anew.
pub(super) const OPEN_TIME: Duration = Duration::from_secs(60);
/// What the kernel may owe us before less urgent messages wait: routes, answers to ROUTE-REFRESH, keepalives.
const OUTPUT_GATE: usize = 32 * 1024;

/// How far a connection has come. [`Phase::Connecting`] is only for those that we open, [`Phase::Waiting`] only for
/// those that a neighbour opens.
#[derive(Debug)]
pub(super) enum Phase {
    /// The kernel is at it.
    Connecting { until: Time },
    /// It came while there is a session, or too soon after one that failed: nothing is said on it yet. `until` counts
    /// only beside a session.
    Waiting { until: Time },
    /// Our OPEN is on its way.
    OpenSent { until: Time },
    /// Theirs was good and a KEEPALIVE is on its way.
    OpenConfirm(Agreed, Timers),
    /// A session.
    Established(Box<Session>, Timers),
}

/// The hold and keepalive timers.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    hold: Duration,
    expires: Option<Time>,
    keepalive: Option<Time>,
}

impl Timers {
    /// If the hold time is zero there are no keepalives, and a limit only until the neighbour has confirmed our OPEN.
    pub(super) fn start(hold: Duration, context: &mut Context) -> Self {
        let mut timers = Self { hold, expires: Some(context.now.time + OPEN_TIME), keepalive: None };
        if !hold.is_zero() {
            timers.heard(context.now.time);
        }
        timers.spoke(context);
        timers
    }

    /// Something came from the neighbour.
    pub(super) fn heard(&mut self, now: Time) {
        self.expires = (!self.hold.is_zero()).then(|| now + self.hold);
    }

    /// Something that keeps us alive was sent.
    pub(super) fn spoke(&mut self, context: &mut Context) {
        let interval = self.keepalive_interval();
        let now = context.now.time;
        self.keepalive = (!interval.is_zero()).then(|| now + context.jitter.shorten(now, interval));
    }

    pub(super) const fn hold(&self) -> Duration {
        self.hold
    }

    pub(super) fn keepalive_interval(&self) -> Duration {
        self.hold / 3
    }

    pub(super) const fn expires(&self) -> Option<Time> {
        self.expires
    }

    pub(super) fn is_keepalive_due(&self, now: Time) -> bool {
        self.keepalive.is_some_and(|due| due <= now)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.expires.into_iter().chain(self.keepalive).min()
    }
}

/// One connection. It exists from the wish for it until we close it or the driver says that it is gone; no action names
/// it after that.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// We opened it.
    pub(super) is_ours: bool,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) phase: Phase,
    /// The beginning of a message.
    input: Vec<u8>,
    /// What the kernel has not taken, and when that becomes too long (RFC 9687).
    waiting: usize,
    stuck: Option<Time>,
}

impl Connection {
    pub(super) const fn opening(id: ConnectionId, until: Time) -> Self {
        Self::new(id, true, Phase::Connecting { until })
    }

    pub(super) const fn accepted(
        id: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
        until: Time,
    ) -> Self {
        let mut connection = Self::new(id, false, Phase::Waiting { until });
        connection.local = Some(local);
        connection.remote = Some(remote);
        connection
    }

    const fn new(id: ConnectionId, is_ours: bool, phase: Phase) -> Self {
        Self { id, is_ours, local: None, remote: None, phase, input: Vec::new(), waiting: 0, stuck: None }
    }

    /// Our own address on it.
    pub(super) fn local_address(&self) -> Option<IpAddr> {
        self.local.map(|local| local.ip().to_canonical())
    }

    pub(super) const fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Established(session, _) => Some(session),
            Phase::Connecting { .. }
            | Phase::Waiting { .. }
            | Phase::OpenSent { .. }
            | Phase::OpenConfirm(..) => None,
        }
    }

    pub(super) const fn timers(&mut self) -> Option<&mut Timers> {
        match &mut self.phase {
            Phase::OpenConfirm(_, timers) | Phase::Established(_, timers) => Some(timers),
            Phase::Connecting { .. } | Phase::Waiting { .. } | Phase::OpenSent { .. } => None,
        }
    }

    /// What messages mean on it so far.
    pub(super) fn codec(&self) -> Codec {
        match &self.phase {
            Phase::OpenConfirm(agreed, _) => agreed.codec(),
            Phase::Established(session, _) => session.agreed.codec(),
            Phase::Connecting { .. } | Phase::Waiting { .. } | Phase::OpenSent { .. } => Codec::default(),
        }
    }

    /// When something is to be done about it. The time of a connection that waits counts only beside a session.
    pub(super) fn deadline(&self, has_session: bool) -> Option<Time> {
        let own = match &self.phase {
            Phase::Connecting { until } | Phase::OpenSent { until } => Some(*until),
            Phase::Waiting { until } => has_session.then_some(*until),
            Phase::OpenConfirm(_, timers) => timers.deadline(),
            Phase::Established(session, timers) => {
                let refresh = session.refresh_at().filter(|_| self.has_room());
                timers.deadline().into_iter().chain(refresh).min()
            }
        };
        own.into_iter().chain(self.stuck).min()
    }

    /// `bytes` behind what has arrived before. What is not used up goes back by [`Self::keep`].
    pub(super) fn take_input(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        input
    }

    /// Less than a message.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.input = rest.to_vec();
    }

    /// What comes before its time. Whether there is room for it: one message's worth.
    pub(super) fn keep_for_later(&mut self, bytes: &[u8]) -> bool {
        let fits = self.input.len().saturating_add(bytes.len()) <= MESSAGE_MAX;
        if fits {
            self.input.extend_from_slice(bytes);
        }
        fits
    }

    pub(super) fn send(&mut self, context: &mut Context, send_hold: Duration, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.waiting = self.waiting.saturating_add(bytes.len());
        let now = context.now.time;
        self.stuck.get_or_insert_with(|| now + send_hold);
        if let Some(timers) = self.timers() {
            timers.spoke(context);
        }
        context.act(Action::Send { connection: self.id, bytes });
    }

    /// The kernel owes us `waiting` bytes. Only when it takes some is that a sign of life.
    pub(super) fn sent(&mut self, now: Time, send_hold: Duration, waiting: usize) {
        if waiting < self.waiting {
            self.stuck = Some(now + send_hold);
        }
        if waiting == 0 {
            self.stuck = None;
        }
        self.waiting = waiting;
    }

    /// Whether there is room for what is not urgent.
    pub(super) const fn has_room(&self) -> bool {
        self.waiting < OUTPUT_GATE
    }

    pub(super) const fn stuck(&self) -> Option<Time> {
        self.stuck
    }

    pub(super) fn send_keepalive(&mut self, context: &mut Context, send_hold: Duration) {
        if self.has_room() {
            let mut bytes = Vec::new();
            write::keepalive(&mut bytes);
            self.send(context, send_hold, bytes);
        } else if let Some(timers) = self.timers() {
            timers.spoke(context);
        }
    }
}
