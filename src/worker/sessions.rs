//! Sessions as control sees them: what they are known by, a look at those that run, and what is left of one that has
//! ended. Plain values, made by the worker that has the session and handed out whole.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::run::Worker;
use crate::quality::{Moment, Record, View};
use crate::route::{ListenerId, RelayId, Transport};
use crate::time::UnixTime;

/// Sessions that are looked at in one turn: a few microseconds each, during which no packet moves.
const PAGE: usize = 64;
/// Relays that are passed over for them.
const PASSED: usize = 16 * 1024;

/// A session's name: that of its relay, unique for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// Who has it.
    pub worker: u8,
    /// Its relay there.
    pub relay: RelayId,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.worker, self.relay.0)
    }
}

/// It is not the name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a session, such as 0-2a")]
pub struct NoSessionId;

impl FromStr for SessionId {
    type Err = NoSessionId;

    fn from_str(text: &str) -> Result<Self, NoSessionId> {
        let (worker, relay) = text.split_once('-').ok_or(NoSessionId)?;
        let relay = u64::from_str_radix(relay, 16).map_err(|_| NoSessionId)?;
        let id = Self { worker: worker.parse().map_err(|_| NoSessionId)?, relay: RelayId(relay) };
        // One session has one spelling.
        if id.to_string() == text { Ok(id) } else { Err(NoSessionId) }
    }
}

/// Whose media it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// The client's address, as the relay sees it.
    pub client: SocketAddr,
    /// The address that the client sends to.
    pub server: SocketAddr,
    /// What lies between.
    pub transport: Transport,
    /// The listener that the client came through.
    pub listener: ListenerId,
    /// The relayed address, as peers know it.
    pub relayed: SocketAddr,
    /// The user, as a number that is the same on all relays.
    pub owner: u64,
    /// The first RTP packet.
    pub began: UnixTime,
}

/// A session that runs.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// Whose it is.
    pub info: SessionInfo,
    /// How it is.
    pub view: View,
}

/// The same, with what it has been like.
#[derive(Clone, Debug)]
pub struct SessionDetail {
    /// Whose it is, and how.
    pub live: LiveSession,
    /// Its last intervals, oldest first.
    pub history: Vec<Moment>,
}

/// A session that has ended.
#[derive(Clone, Debug)]
pub struct EndedSession {
    /// Whose it was.
    pub info: SessionInfo,
    /// When.
    pub ended: UnixTime,
    /// How it was.
    pub record: Record,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_has_one_spelling() {
        let id = SessionId { worker: 12, relay: RelayId(0x1_0000_002a) };
        assert_eq!(id.to_string(), "12-10000002a");
        assert_eq!("12-10000002a".parse(), Ok(id));
        for other in ["", "12", "12-", "-1", "012-10000002a", "12-010000002a", "12-10000002A", "300-1", "1-x"]
        {
            assert_eq!(other.parse::<SessionId>(), Err(NoSessionId), "{other}");
        }
    }
}
