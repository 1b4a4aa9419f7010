//! What happens to a neighbour by the passing of time: attempts to connect, and the timers of its connections.

use super::connection::{CONNECT_TIME, Connection, Phase};
use super::context::Context;
use super::neighbor::{Cause, Goodbye, Neighbor, Plan};
use crate::announce::io::{Action, ConnectionId, Target};
use crate::time::Time;
use crate::wire::bgp::Reason;

impl Neighbor {
    /// Does what is due.
    pub(super) fn tick(&mut self, context: &mut Context) {
        let ids: Vec<_> = self.connections.iter().map(|connection| connection.id).collect();
        for id in ids {
            self.tick_connection(context, id);
        }
        self.follow_plan(context);
        self.update_routes(context);
    }

    /// When there is something to do next.
    pub(super) fn deadline(&self) -> Option<Time> {
        let has_session = self.connections.iter().any(|connection| connection.session().is_some());
        let connections = self.connections.iter().filter_map(|connection| connection.deadline(has_session));
        let plan = match self.plan {
            Plan::Halted { until, .. } => until,
            Plan::Idle { until } => Some(until),
            Plan::Active { connect } => connect,
        };
        connections.chain(self.fallen.or(plan)).min()
    }

    /// Begins what the plan has for now.
    pub(super) fn follow_plan(&mut self, context: &mut Context) {
        let now = context.now.time;
        match self.fallen {
            Some(until) if until <= now => return self.wait_no_more(context),
            Some(_) => return,
            None => {}
        }
        match self.plan {
            Plan::Halted { until: Some(until), .. } if until <= now => self.start(context),
            Plan::Idle { until } if until <= now => self.begin(context),
            Plan::Active { connect: Some(connect) } if connect <= now => self.begin(context),
            Plan::Halted { .. } | Plan::Idle { .. } | Plan::Active { .. } => {}
        }
    }

    /// A connection of the neighbour that has waited goes before one of ours.
    pub(super) fn begin(&mut self, context: &mut Context) {
        self.plan = Plan::Active { connect: None };
        let is_waiting = |connection: &&Connection| matches!(connection.phase, Phase::Waiting { .. });
        let waiting = self.connections.iter().find(is_waiting).map(|connection| connection.id);
        if let Some(waiting) = waiting {
            self.open(context, waiting);
        } else if self.connections.is_empty() && !self.settings.passive {
            let connection = context.name_connection();
            self.connections.push(Connection::opening(connection, context.now.time + CONNECT_TIME));
            context.act(Action::Connect { connection, target: Target::Neighbor(self.id) });
        }
    }

    fn tick_connection(&mut self, context: &mut Context, id: ConnectionId) {
        let now = context.now.time;
        let has_session = self.established().is_some();
        let Some(connection) = self.find(id) else { return };
        if connection.stuck().is_some_and(|stuck| stuck <= now) {
            return self.give_up_stuck(context, id);
        }
        match &connection.phase {
            Phase::Connecting { until } if *until <= now => {
                let words = format!(
                    "no answer to the attempt to connect for {} s: is the address right, does a firewall stand \
                     between, do both sides have the same MD5 password?",
                    CONNECT_TIME.as_secs()
                );
                self.end(context, id, Goodbye::Abort, Cause::Loss(words));
            }
            Phase::Waiting { until } if has_session && *until <= now => {
                let goodbye = Goodbye::Notify(Reason::COLLISION_RESOLUTION.into());
                self.end(context, id, goodbye, Cause::Collision);
            }
            Phase::OpenSent { until } if *until <= now => {
                let words = "the connection stands, and the neighbour sends no OPEN".to_owned();
                let goodbye = Goodbye::Notify(Reason::HOLD_TIMER_EXPIRED.into());
                self.end(context, id, goodbye, Cause::Failure(words));
            }
            Phase::OpenConfirm(_, timers) | Phase::Established(_, timers) => {
                let expires = timers.expires().is_some_and(|expires| expires <= now);
                let keepalive = timers.is_keepalive_due(now);
                self.tick_timers(context, id, expires, keepalive);
            }
            Phase::Connecting { .. } | Phase::Waiting { .. } | Phase::OpenSent { .. } => {}
        }
    }

    fn tick_timers(&mut self, context: &mut Context, id: ConnectionId, expires: bool, keepalive: bool) {
        let send_hold = self.settings.send_hold;
        let Some(connection) = self.find(id) else { return };
        if expires {
            let words = match connection.timers().map_or(0, |timers| timers.hold().as_secs()) {
                0 => "the neighbour does not confirm our OPEN".to_owned(),
                hold => format!("nothing came from the neighbour for the hold time of {hold} s"),
            };
            let goodbye = Goodbye::Notify(Reason::HOLD_TIMER_EXPIRED.into());
            self.end(context, id, goodbye, Cause::Failure(words));
        } else if keepalive {
            connection.send_keepalive(context, send_hold);
        }
    }

    /// RFC 9687 section 3: a NOTIFICATION would not get through either.
    fn give_up_stuck(&mut self, context: &mut Context, id: ConnectionId) {
        let words = format!(
            "{}: the neighbour has taken nothing of what we sent for {} s",
            Reason::SEND_HOLD_TIMER_EXPIRED,
            self.settings.send_hold.as_secs()
        );
        self.end(context, id, Goodbye::Abort, Cause::Failure(words));
    }
}
