//! What a reload does to a neighbour: a session ends only if what has changed was said in its OPEN, or is where it leads.

use super::context::Context;
use super::neighbor::Neighbor;
use super::settings::NeighborSettings;
use crate::announce::io::NeighborId;
use crate::wire::bgp::Reason;

impl Neighbor {
    /// Takes other settings. `is_other`: who we are has changed as well.
    pub(super) fn reload(
        &mut self,
        context: &mut Context,
        id: NeighborId,
        settings: &NeighborSettings,
        is_other: bool,
    ) {
        self.id = id;
        let before = std::mem::replace(&mut self.settings, settings.clone());
        if before == *settings && !is_other {
            return;
        }
        if settings.shutdown {
            if !before.shutdown {
                self.halt(context, Reason::ADMINISTRATIVE_SHUTDOWN, "shut down by configuration");
            }
        } else if is_other || needs_restart(&before, settings) {
            self.restart(context, Reason::CONFIGURATION_CHANGE, "its configuration has changed");
        } else {
            self.adapt(context);
        }
        if !settings.bfd || before.address != settings.address {
            self.forget_bfd(context);
        }
    }

    /// What holds from now on without another session.
    fn adapt(&mut self, context: &mut Context) {
        if self.connections.is_empty() {
            self.start(context);
        }
    }
}

/// Whether another OPEN would be said, or another one be spoken to, or over other sockets.
fn needs_restart(before: &NeighborSettings, after: &NeighborSettings) -> bool {
    let said = |settings: &NeighborSettings| {
        let whom = (settings.address, settings.port, settings.asn);
        let what = (settings.hold.as_secs(), settings.families, settings.graceful_restart, settings.role);
        (whom, what, settings.role_strict, settings.sockets)
    };
    said(before) != said(after)
}
