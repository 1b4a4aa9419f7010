//! What is said on a connection: OPEN, KEEPALIVE, routes, and what each message of the neighbour leads to in each state
//! (RFC 4271 section 8.2.2).

use super::connection::{Connection, OPEN_TIME, Phase, Timers};
use super::context::Context;
use super::neighbor::{Cause, Goodbye, Neighbor, Plan};
use super::opening::{self, Agreed, Refusal};
use super::record::Complaint;
use super::rib::{Terms, Wanted};
use super::session::Session;
use super::settings::NeighborSettings;
use crate::announce::io::{ConnectionId, Event};
use crate::announce::policy::Attributes;
use crate::wire::bgp::{
    self, Asn, Family, Fault, Flaw, HEADER_LEN, Message, Notification, Open, Prefix, Reason, Role, Update,
    Verdict, write,
};

impl Neighbor {
    /// Sends our OPEN on a connection that stands, and looks at what has come on it meanwhile.
    pub(super) fn open(&mut self, context: &mut Context, id: ConnectionId) {
        let offer = opening::offer(&context.local, &self.settings, self.record.established == 0);
        let send_hold = self.settings.send_hold;
        let Some(connection) = self.find(id) else { return };
        connection.phase = Phase::OpenSent { until: context.now.time + OPEN_TIME };
        let mut bytes = Vec::new();
        write::open(&mut bytes, &offer);
        connection.send(context, send_hold, bytes);
        self.received(context, id, &[]);
    }

    /// What came, message by message. What is not whole yet is kept.
    pub(super) fn received(&mut self, context: &mut Context, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.find(id) else { return };
        match connection.phase {
            Phase::Connecting { .. } => return,
            Phase::Waiting { .. } => {
                if !connection.keep_for_later(bytes) {
                    let words = "the neighbour sends more than an OPEN before ours".to_owned();
                    self.end(context, id, Goodbye::Abort, Cause::Failure(words));
                }
                return;
            }
            Phase::OpenSent { .. } | Phase::OpenConfirm(..) | Phase::Established(..) => {}
        }
        let input = connection.take_input(bytes);
        let mut rest = input.as_slice();
        loop {
            match bgp::frame(rest) {
                Ok(Some(length)) => {
                    let Some((message, after)) = rest.split_at_checked(length) else { return };
                    rest = after;
                    self.message(context, id, message);
                }
                Ok(None) => break,
                Err(fault) => return self.refuse(context, id, fault, explain(&fault)),
            }
            if !self.has(id) {
                return;
            }
        }
        if let Some(connection) = self.find(id) {
            connection.keep(rest);
        }
    }

    fn refuse(&mut self, context: &mut Context, id: ConnectionId, fault: Fault, words: String) {
        self.end(context, id, Goodbye::Notify(fault), Cause::Failure(words));
    }

    fn message(&mut self, context: &mut Context, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.find(id) else { return };
        if let Err(fault) = check_expected(&connection.phase, bytes) {
            return self.refuse(context, id, fault, explain(&fault));
        }
        let message = match bgp::decode(bytes, &connection.codec()) {
            Ok(message) => message,
            Err(fault) => return self.refuse(context, id, fault, explain(&fault)),
        };
        let is_confirmed = connection.session().is_some();
        if let Some(timers) = connection.timers() {
            timers.heard(context.now.time);
        }
        match message {
            Message::Notification(notification) => self.notified(context, id, &notification),
            Message::Open(open) => self.opened(context, id, &open),
            Message::Keepalive if is_confirmed => {}
            Message::Keepalive => self.establish(context, id),
            Message::Update(update) => self.updated(context, id, &update),
            Message::RouteRefresh { family: Some(family), subtype: 0 } => self.asked_again(context, family),
            // Families that we do not know, and answers to what we never ask.
            Message::RouteRefresh { .. } => {}
        }
    }

    fn notified(&mut self, context: &mut Context, id: ConnectionId, notification: &Notification<'_>) {
        let reason = notification.reason;
        self.record.notified(context.now, false, reason, notification.to_string());
        // Beside a session another one only waits: then nothing goes on unless this counts as a failure.
        let is_rival = |other: &Connection| other.id != id && !matches!(other.phase, Phase::Waiting { .. });
        let cause = if reason == Reason::COLLISION_RESOLUTION && self.connections.iter().any(is_rival) {
            Cause::Collision
        } else {
            let advice = advise(reason, context.local.asn, &self.settings);
            Cause::Failure(format!("the neighbour says: {notification}{advice}"))
        };
        self.end(context, id, Goodbye::Close, cause);
    }

    fn opened(&mut self, context: &mut Context, id: ConnectionId, open: &Open<'_>) {
        let agreed = match opening::judge(open, &self.settings) {
            Ok(agreed) => agreed,
            Err(Refusal { fault, words }) => return self.refuse(context, id, fault, words),
        };
        if !self.wins_collision(context, id, &agreed) {
            return;
        }
        let send_hold = self.settings.send_hold;
        let timers = Timers::start(agreed.hold, context);
        let Some(connection) = self.find(id) else { return };
        connection.phase = Phase::OpenConfirm(agreed, timers);
        connection.send_keepalive(context, send_hold);
    }

    /// RFC 4271 section 6.8, with ties broken by the AS number (RFC 6286 section 2.3): of two connections whose OPENs are
    /// good, the one stays that the higher identifier has opened. Whether this one may go on.
    fn wins_collision(&mut self, context: &mut Context, id: ConnectionId, agreed: &Agreed) -> bool {
        let is_rival = |other: &&Connection| other.id != id && matches!(other.phase, Phase::OpenConfirm(..));
        let Some(rival) = self.connections.iter().find(is_rival).map(|rival| rival.id) else { return true };
        let ours_stays = (context.local.router_id, context.local.asn) > (agreed.id, self.settings.asn);
        let this_is_ours = self.find(id).is_some_and(|connection| connection.is_ours);
        let loser = if this_is_ours == ours_stays { rival } else { id };
        self.end(context, loser, Goodbye::Notify(Reason::COLLISION_RESOLUTION.into()), Cause::Collision);
        loser != id
    }

    /// The neighbour has confirmed our OPEN: from here on there is a session, and no other connection beside it.
    fn establish(&mut self, context: &mut Context, id: ConnectionId) {
        let others = self.connections.iter().map(|connection| connection.id).filter(|other| *other != id);
        for other in others.collect::<Vec<_>>() {
            self.end(context, other, Goodbye::Notify(Reason::COLLISION_RESOLUTION.into()), Cause::Collision);
        }
        let (asn, role) = (context.local.asn, self.settings.role);
        let Some(connection) = self.find(id) else { return };
        let Phase::OpenConfirm(agreed, timers) = &connection.phase else { return };
        let codec = agreed.codec();
        let only_to_customer = role.is_some_and(Role::marks_only_to_customer);
        let terms = Terms { asn, local: connection.local_address(), codec, only_to_customer };
        let session = Session::new(agreed.clone(), context.now, terms);
        let event = Event::info("BGP session established")
            .with("router_id", agreed.id)
            .with("families", opening::list(agreed.families))
            .with("hold", format_args!("{}s", agreed.hold.as_secs()));
        connection.phase = Phase::Established(Box::new(session), timers.clone());
        self.plan = Plan::Active { connect: None };
        self.record.session_began(context.now);
        context.log(self.event(event));
        self.update_routes(context);
    }

    fn updated(&mut self, context: &mut Context, id: ConnectionId, update: &Update<'_>) {
        let limit = self.settings.max_prefixes;
        let Some(Phase::Established(session, _)) = self.find(id).map(|connection| &mut connection.phase)
        else {
            return;
        };
        if let Err(fault) = session.count(update, limit) {
            let words = format!("{fault}: check what the neighbour sends, or raise `max_prefixes`");
            return self.end(context, id, Goodbye::Notify(fault), Cause::Excess(words));
        }
        let record = &mut self.record;
        match update.verdict() {
            Verdict::Accept => {}
            Verdict::Discard(flaw) => {
                record.discarded = record.discarded.saturating_add(1);
                self.complain(context, flaw, "attribute ignored");
            }
            Verdict::TreatAsWithdraw(flaw) => {
                record.treated_as_withdraw = record.treated_as_withdraw.saturating_add(1);
                self.complain(context, flaw, "routes taken as withdrawn");
            }
        }
    }

    fn complain(&mut self, context: &mut Context, flaw: Flaw, handling: &'static str) {
        if let Some(kept_quiet) = self.record.may_complain(Complaint::Routes, context.now.time) {
            let event = Event::warn("BGP neighbour sends malformed routes")
                .with("flaw", flaw)
                .with("handling", handling)
                .with("more_since_last", kept_quiet);
            context.log(self.event(event));
        }
    }

    /// What has not been said yet need not be said again.
    fn asked_again(&mut self, context: &mut Context, family: Family) {
        if self.is_undecided() {
            return;
        }
        if let Some(Phase::Established(session, _)) = self.established().map(|found| &mut found.phase) {
            session.ask_again(family);
            self.update_routes(context);
        }
    }

    /// What the neighbour shall know from now on. Saying the same twice sends nothing.
    pub(super) fn set_routes(&mut self, context: &mut Context, routes: Vec<(Prefix, Option<Attributes>)>) {
        let announced = routes.into_iter().filter_map(|(prefix, attributes)| Some((prefix, attributes?)));
        self.wanted = Some(announced.collect());
        self.update_routes(context);
    }

    /// Whether the neighbour keeps our old routes over a restart and nobody has said yet which of them are still good: at
    /// End-of-RIB it lets go of the others.
    const fn is_undecided(&self) -> bool {
        self.wanted.is_none() && self.settings.graceful_restart.is_some()
    }

    /// Sends what the neighbour does not know yet, unless it is behind with reading.
    pub(super) fn update_routes(&mut self, context: &mut Context) {
        if self.is_undecided() {
            return;
        }
        let send_hold = self.settings.send_hold;
        let nothing = Wanted::new();
        let wanted = self.wanted.as_ref().unwrap_or(&nothing);
        let established = self.connections.iter_mut().find(|connection| connection.session().is_some());
        let Some(connection) = established.filter(|found| found.has_room()) else { return };
        if let Phase::Established(session, _) = &mut connection.phase {
            let bytes = session.update(context.now.time, wanted);
            connection.send(context, send_hold, bytes);
        }
    }
}

/// Whether a message of this type may come now (RFC 6608: the data is the type).
fn check_expected(phase: &Phase, message: &[u8]) -> Result<(), Fault> {
    let kind = message.get(HEADER_LEN - 1).copied().unwrap_or(0);
    let (reason, is_expected) = match phase {
        Phase::Connecting { .. } | Phase::Waiting { .. } => (Reason::FSM_ERROR, false),
        Phase::OpenSent { .. } => (Reason::UNEXPECTED_IN_OPEN_SENT, matches!(kind, 1 | 3)),
        Phase::OpenConfirm(..) => (Reason::UNEXPECTED_IN_OPEN_CONFIRM, matches!(kind, 3 | 4)),
        Phase::Established(..) => (Reason::UNEXPECTED_IN_ESTABLISHED, kind != 1),
    };
    if is_expected { Ok(()) } else { Err(Fault::with_data(reason, &[kind])) }
}

/// What is wrong with a message, for the operator.
fn explain(fault: &Fault) -> String {
    let hint = match fault.reason() {
        Reason::UNSUPPORTED_VERSION => "the neighbour speaks another version of BGP",
        Reason::UNACCEPTABLE_HOLD_TIME => "the neighbour's hold time must be 0 or at least 3 s",
        Reason::BAD_BGP_IDENTIFIER => "the neighbour's router ID must not be zero",
        Reason::BAD_PEER_AS => "no neighbour is AS 0",
        Reason::ROLE_MISMATCH => "the neighbour names several roles",
        Reason::NOT_SYNCHRONIZED => "what the neighbour sends is not BGP",
        _ => "the neighbour sent a message that RFC 4271 forbids",
    };
    format!("{hint}: {fault}")
}

/// What the operator can do about a NOTIFICATION of the neighbour.
fn advise(reason: Reason, asn: Asn, settings: &NeighborSettings) -> String {
    match reason {
        Reason::BAD_PEER_AS => format!("; we say AS {asn}, it expects another: one of both is wrong"),
        Reason::BAD_BGP_IDENTIFIER => "; it does not take our `router_id`".to_owned(),
        Reason::UNACCEPTABLE_HOLD_TIME => {
            format!("; it does not take our hold time of {} s", settings.hold.as_secs())
        }
        Reason::UNSUPPORTED_CAPABILITY => "; compare `families` with its configuration".to_owned(),
        Reason::ROLE_MISMATCH => "; compare `role` with its configuration".to_owned(),
        Reason::CONNECTION_REJECTED => "; it may not know us as a neighbour, or holds us down".to_owned(),
        _ => String::new(),
    }
}
