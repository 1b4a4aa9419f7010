//! What BFD has to say of a neighbour (RFC 5882): its fall ends the session, and none comes back before BFD does.
//!
//! Else the way that BFD has called down would be announced over again a second later. A neighbour whose BFD comes back only
//! after its BGP, or never, is not left without a way: the wait has a limit.

use std::time::Duration;

use super::connection::{Connection, Phase};
use super::context::Context;
use super::neighbor::{Cause, Goodbye, Neighbor, Plan};
use super::record::Complaint;
use crate::announce::io::Event;
use crate::wire::bgp::Reason;

/// For BFD to come back.
const PATIENCE: Duration = Duration::from_secs(60);
/// Why nothing is tried.
pub(super) const WHY: &str = "waits for BFD";

impl Neighbor {
    /// BFD has its say only when it changes its mind: a session may come up before it, and a neighbour that does not
    /// speak it is not shut out (RFC 5882 section 4.3).
    pub(super) fn bfd_changed(&mut self, context: &mut Context, up: bool, reason: &str) {
        self.log_bfd(context, up, reason, false);
        let fell = std::mem::replace(&mut self.bfd_is_up, up) && !up;
        if up {
            return self.wait_no_more(context);
        }
        if !fell || !self.settings.bfd {
            return;
        }
        self.fallen = Some(context.now.time + PATIENCE);
        let words = format!("BFD says that the way to the neighbour is down: {reason}");
        let is_begun = |connection: &&Connection| !matches!(connection.phase, Phase::Waiting { .. });
        let ids: Vec<_> = self.connections.iter().filter(is_begun).map(|connection| connection.id).collect();
        for id in ids {
            let goodbye = Goodbye::Notify(Reason::BFD_DOWN.into());
            self.end(context, id, goodbye, Cause::Failure(words.clone()));
        }
    }

    /// Only the log has to know.
    pub(super) fn bfd_stopped(&mut self, context: &mut Context, reason: &str) {
        self.log_bfd(context, false, reason, true);
    }

    /// Both ways in the log, as often as a neighbour may be complained of. What is said again after a reload is no change.
    fn log_bfd(&mut self, context: &mut Context, up: bool, reason: &str, is_wish: bool) {
        if std::mem::replace(&mut self.bfd_is_told_up, up) == up || !self.settings.bfd {
            return;
        }
        let now = context.now.time;
        let event = if up {
            self.once_in_a_while(Complaint::BfdUp, now, Event::info("BFD session up"))
        } else if is_wish {
            self.once_in_a_while(Complaint::BfdStopped, now, Event::info("BFD session taken down"))
        } else {
            self.once_in_a_while(Complaint::BfdDown, now, Event::warn("BFD session down"))
        };
        context.log(self.event(event).with("reason", reason));
    }

    /// What was said of the way tells nothing any more.
    pub(super) fn forget_bfd(&mut self, context: &mut Context) {
        self.bfd_is_up = false;
        self.bfd_is_told_up = false;
        self.wait_no_more(context);
    }

    /// Goes on with the plan.
    pub(super) fn wait_no_more(&mut self, context: &mut Context) {
        if self.fallen.take().is_none() {
            return;
        }
        match self.plan {
            // Nothing was begun meanwhile, so nothing is under way.
            Plan::Active { connect: None } => self.begin(context),
            Plan::Halted { .. } | Plan::Idle { .. } | Plan::Active { connect: Some(_) } => {
                self.follow_plan(context);
            }
        }
    }
}
