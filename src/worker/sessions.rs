//! A look at the sessions of a worker, for control: plain values, handed out whole.

use super::run::Worker;
use crate::metrics::{LiveSession, SessionDetail};
use crate::route::RelayId;

/// Sessions that are looked at in one turn: a few microseconds each, during which no packet moves.
const PAGE: usize = 64;
/// Relays that are passed over for them.
const PASSED: usize = 16 * 1024;

/// Some of a worker's sessions.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) sessions: Vec<LiveSession>,
    /// Where to go on, if there may be more.
    pub(crate) next: Option<usize>,
}

impl Worker {
    /// The sessions of the relays from a place on, as many as one turn has time for.
    pub(super) fn page(&self, from: usize) -> Page {
        let mut page = Page::default();
        let last = from.saturating_add(PASSED);
        for (place, id) in self.relays.from(from) {
            if place >= last || page.sessions.len() >= PAGE {
                page.next = Some(place);
                break;
            }
            page.sessions.extend(self.live(id));
        }
        page
    }

    /// One session, with its history.
    pub(super) fn detail(&self, id: RelayId) -> Option<SessionDetail> {
        let live = self.live(id)?;
        let tap = self.relays.get(id)?.tap.as_ref()?;
        Some(SessionDetail { live, history: tap.session.history().collect() })
    }

    fn live(&self, id: RelayId) -> Option<LiveSession> {
        let settings = self.settings.quality.as_ref()?;
        let relay = self.relays.get(id)?;
        let tap = relay.tap.as_ref()?;
        let info = self.session_info(id, relay.udp()?.local_addr(), relay.owner.0, tap);
        Some(LiveSession { info, view: tap.session.view(settings, self.now.time) })
    }
}
