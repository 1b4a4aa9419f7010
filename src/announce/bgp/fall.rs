//! What BFD has to say of a neighbour (RFC 5882): its fall ends the session, and none comes back before BFD does.
//!
//! Else the way that BFD has called down would be announced over again a second later. A neighbour whose BFD comes back only
//! after its BGP, or never, is not left without a way: the wait has a limit.

use std::time::Duration;

use super::connection::{Connection, Phase};
use super::context::Context;
use super::neighbor::{Cause, Goodbye, Neighbor, Plan};
use crate::wire::bgp::Reason;

/// For BFD to come back.
const PATIENCE: Duration = Duration::from_secs(60);
/// Why nothing is tried.
pub(super) const WHY: &str = "waits for BFD";

impl Neighbor {
    /// BFD has its say only when it changes its mind: a session may come up before it, and a neighbour that does not
    /// speak it is not shut out (RFC 5882 section 4.3).
    pub(super) fn bfd_changed(&mut self, context: &mut Context, up: bool, reason: &str) {
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

    /// What was said of the way tells nothing any more.
    pub(super) fn forget_bfd(&mut self, context: &mut Context) {
        self.bfd_is_up = false;
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
