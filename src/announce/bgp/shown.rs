//! How a neighbour is shown.

use super::connection::{Connection, Phase, Timers};
use super::fall;
use super::neighbor::{Neighbor, Plan};
use super::rib::Wanted;
use super::session::Session;
use super::view::{Announced, NeighborView, SessionState, SessionView, Withheld};
use crate::time::{Now, Time};

impl Neighbor {
    pub(super) fn view(&self, now: Now) -> NeighborView {
        let plan = self.shown_plan();
        let furthest = self.connections.iter().max_by_key(|connection| state(connection, &plan));
        let (halted, next_attempt) = match plan {
            Plan::Halted { why, until } => (Some(why), until),
            Plan::Idle { until } => (None, Some(until)),
            Plan::Active { connect } => (None, connect),
        };
        NeighborView {
            id: self.id,
            name: self.settings.name.clone(),
            address: self.settings.address,
            port: self.settings.port,
            asn: self.settings.asn,
            passive: self.settings.passive,
            state: furthest.map_or_else(|| resting(&plan), |furthest| state(furthest, &plan)),
            since: self.record.since,
            halted,
            next_attempt: next_attempt.map(|at| at.since(now.time)),
            local: furthest.and_then(|furthest| furthest.local),
            remote: furthest.and_then(|furthest| furthest.remote),
            session: furthest.and_then(|furthest| self.view_session(furthest, now.time)),
            established: self.record.established,
            lost: self.record.lost,
            treated_as_withdraw: self.record.treated_as_withdraw,
            discarded: self.record.discarded,
            last_notification: self.record.last_notification.clone(),
            last_failure: self.record.last_failure.clone(),
            failure_cause: self.record.cause.clone(),
            bfd: self.settings.bfd.then_some(self.bfd_is_up),
        }
    }

    /// While BFD is waited for, that is what holds everything up.
    fn shown_plan(&self) -> Plan {
        match (&self.plan, self.fallen) {
            (Plan::Idle { .. } | Plan::Active { .. }, Some(until)) => {
                Plan::Halted { why: fall::WHY, until: Some(until) }
            }
            (plan, _) => plan.clone(),
        }
    }

    fn view_session(&self, connection: &Connection, now: Time) -> Option<SessionView> {
        match &connection.phase {
            Phase::Established(session, timers) => Some(view(session, timers, self.wanted.as_ref(), now)),
            Phase::Connecting { .. }
            | Phase::Waiting { .. }
            | Phase::OpenSent { .. }
            | Phase::OpenConfirm(..) => None,
        }
    }
}

fn view(session: &Session, timers: &Timers, wanted: Option<&Wanted>, now: Time) -> SessionView {
    let families = session.agreed.families;
    let announced =
        |(prefix, attributes): (&_, &_)| Announced { prefix: *prefix, attributes: Clone::clone(attributes) };
    let withheld = wanted.map(|wanted| session.rib.withheld(wanted, &session.terms)).unwrap_or_default();
    SessionView {
        router_id: session.agreed.id,
        hold: timers.hold(),
        keepalive: timers.keepalive_interval(),
        hold_left: timers.expires().map(|expires| expires.since(now)),
        families: families.iter().collect(),
        capabilities: session.agreed.capabilities.iter().map(ToString::to_string).collect(),
        received: families.iter().map(|family| (family, session.imports.count(family))).collect(),
        announced: session.rib.told().iter().map(announced).collect(),
        withheld: withheld
            .into_iter()
            .map(|(prefix, obstacle)| Withheld { prefix, reason: obstacle.words() })
            .collect(),
    }
}

const fn state(connection: &Connection, plan: &Plan) -> SessionState {
    match connection.phase {
        Phase::Connecting { .. } => SessionState::Connect,
        Phase::Waiting { .. } => resting(plan),
        Phase::OpenSent { .. } => SessionState::OpenSent,
        Phase::OpenConfirm(..) => SessionState::OpenConfirm,
        Phase::Established(..) => SessionState::Established,
    }
}

const fn resting(plan: &Plan) -> SessionState {
    match plan {
        Plan::Halted { .. } | Plan::Idle { .. } => SessionState::Idle,
        Plan::Active { .. } => SessionState::Active,
    }
}
