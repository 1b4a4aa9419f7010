//! What all neighbours share: who we are, the time, and the actions that wait for the driver.

use std::collections::VecDeque;

use super::backoff::Jitter;
use super::settings::Settings;
use crate::announce::io::{Action, ConnectionId, Event, Numbers, Owner};
use crate::time::Now;
use crate::wire::bgp::{Asn, RouterId};

/// Who we are towards every neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) asn: Asn,
    pub(super) router_id: RouterId,
    pub(super) shutdown_text: Box<str>,
}

impl Local {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            asn: settings.asn,
            router_id: settings.router_id,
            shutdown_text: settings.shutdown_text.clone(),
        }
    }
}

/// Passed to whatever a neighbour does.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) now: Now,
    pub(super) local: Local,
    pub(super) jitter: Jitter,
    numbers: Numbers,
    actions: VecDeque<Action>,
}

impl Context {
    pub(super) fn new(now: Now, settings: &Settings) -> Self {
        let local = Local::of(settings);
        let seed = u64::from(local.router_id.0) << 32 | u64::from(local.asn.0);
        Self {
            now,
            local,
            jitter: Jitter::new(seed),
            numbers: Numbers::of(Owner::Bgp),
            actions: VecDeque::new(),
        }
    }

    /// A name for a connection that we open.
    pub(super) const fn name_connection(&mut self) -> ConnectionId {
        self.numbers.draw()
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn log(&mut self, event: Event) {
        self.act(Action::Event(event));
    }

    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}
