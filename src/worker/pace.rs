//! How much a worker tells the journal of what clients may do again and again: failed logins, requests that are refused,
//! late refreshes, moves. Their own begin and end of calls need no pace, they cost the client an allocation.
//!
//! The journal's channel is one for all, so whoever may fill it could have everybody else's entries dropped. Everything here
//! is judged before it: what nobody has proven by the second, what a user does by the minute, and all users together by the
//! second. The same refusal over and over is told the first time, the second, the fourth and so on, each with the number of
//! those that it stands for. What is left out is counted.
//!
//! Users meet in places of a small table: who comes anew forgets who was there before, and then the limit of all holds.

use crate::metrics::{Entry, SessionId, What};
use crate::route::Endpoint;
use crate::time::UnixTime;

/// Per second, of clients that have proven nothing. The journal keeps no more of all workers together.
const UNPROVEN: u32 = 50;
/// Per second, of all others: the journal takes in what 64 workers may tell so, four times a second.
const PROVEN: u32 = 200;
/// Per minute, of one user.
const OWNER: u32 = 32;
/// Users that are remembered.
const OWNERS: usize = 256;
/// In seconds.
const MINUTE: u64 = 60;

/// So many in one second.
#[derive(Debug, Default)]
struct Second {
    at: UnixTime,
    told: u32,
}

impl Second {
    fn admits(&mut self, at: UnixTime, most: u32) -> bool {
        if self.at != at {
            *self = Self { at, told: 0 };
        }
        self.told = self.told.saturating_add(1);
        self.told <= most
    }
}

/// What one refusal has in common with the next.
type Kind = (Option<SessionId>, u16, u16, Option<Endpoint>);

/// What one user has done in a minute.
#[derive(Clone, Debug, Default)]
struct Doings {
    owner: u64,
    since: UnixTime,
    told: u32,
    last: Option<Kind>,
    /// How often that was refused in a row.
    run: u32,
}

impl Doings {
    /// How many refusals in a row an entry stands for; none if it is not to be told.
    fn repeat(&mut self, kind: Kind) -> Option<u32> {
        let is_same = self.last == Some(kind);
        self.run = if is_same { self.run.saturating_add(1) } else { 1 };
        self.last = Some(kind);
        self.run.is_power_of_two().then_some((self.run / 2).max(1))
    }
}

/// What is told and what is not.
#[derive(Debug)]
pub(super) struct Pace {
    unproven: Second,
    proven: Second,
    owners: Vec<Doings>,
    left_out: u32,
    /// When that was told last.
    said: UnixTime,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is told.
    Told,
    /// Another entry stands for it, or will.
    Repeated,
    /// It is left out.
    LeftOut,
}

impl Pace {
    pub(super) fn new() -> Self {
        let (unproven, proven) = (Second::default(), Second::default());
        Self { unproven, proven, owners: vec![Doings::default(); OWNERS], left_out: 0, said: UnixTime(0) }
    }

    /// Whether to tell of it. What stands for more than one says so from here on.
    pub(super) fn judge(&mut self, entry: &mut Entry) -> Judgement {
        let judgement = self.look(entry);
        if judgement == Judgement::LeftOut {
            self.left_out = self.left_out.saturating_add(1);
        }
        judgement
    }

    /// How many were left out, once a second.
    pub(super) fn left_out(&mut self, now: UnixTime) -> Option<u32> {
        if self.left_out == 0 || self.said == now {
            return None;
        }
        self.said = now;
        Some(std::mem::take(&mut self.left_out))
    }

    fn look(&mut self, entry: &mut Entry) -> Judgement {
        let (at, owner) = (entry.at, entry.owner);
        if !entry.is_proven {
            return told_if(self.unproven.admits(at, UNPROVEN));
        }
        let refused = match &mut entry.what {
            What::Allocated { .. } | What::Released(_) => return Judgement::Told,
            What::Refused { method, code, peer, times, .. } => Some((*method, *code, *peer, times)),
            What::Rejected { .. } | What::RefreshedLate { .. } | What::Moved { .. } => None,
        };
        let place = usize::try_from(owner % OWNERS as u64).unwrap_or(0);
        let Some(doings) = self.owners.get_mut(place) else { return Judgement::LeftOut };
        if doings.owner != owner || at.0.saturating_sub(doings.since.0) >= MINUTE {
            *doings = Doings { owner, since: at, ..Doings::default() };
        }
        if let Some((method, code, peer, times)) = refused {
            let Some(stands_for) = doings.repeat((entry.session, method, code, peer)) else {
                return Judgement::Repeated;
            };
            *times = stands_for;
        }
        doings.told = doings.told.saturating_add(1);
        told_if(doings.told <= OWNER && self.proven.admits(at, PROVEN))
    }
}

const fn told_if(is_told: bool) -> Judgement {
    if is_told { Judgement::Told } else { Judgement::LeftOut }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::auth::AuthResult;
    use crate::metrics::{About, Journal, Note};
    use crate::route::Transport;

    fn entry(at: u64, owner: u64, is_proven: bool, what: What) -> Entry {
        let client = std::net::SocketAddr::from(([192, 0, 2, 7], 5000)).into();
        Entry { at: UnixTime(at), client, transport: Transport::Udp, owner, is_proven, session: None, what }
    }

    fn failure(at: u64, owner: u64) -> Entry {
        let reason = AuthResult::WrongPassword;
        entry(at, owner, false, What::Rejected { method: 3, code: 401, reason })
    }

    fn refusal(at: u64, owner: u64, code: u16) -> Entry {
        entry(at, owner, true, What::Refused { method: 3, code, peer: None, times: 1, until: UnixTime(at) })
    }

    fn allocated(at: u64, owner: u64) -> Entry {
        let relayed = std::net::SocketAddr::from(([203, 0, 113, 1], 50_000)).into();
        entry(at, owner, true, What::Allocated { relayed })
    }

    /// Tells a journal that does not listen at the moment; false if its channel is full.
    fn tell(pace: &mut Pace, notes: &std::sync::mpsc::SyncSender<Note>, mut entry: Entry) -> bool {
        pace.judge(&mut entry) != Judgement::Told || notes.try_send(Note::Entry(entry)).is_ok()
    }

    #[test]
    fn a_flood_of_bad_passwords_leaves_room_for_what_is_proven() {
        let (journal, notes) = Journal::new();
        let mut pace = Pace::new();
        for attempt in 0..100_000 {
            assert!(tell(&mut pace, &notes, failure(attempt / 25_000, 1_000 + attempt)));
        }
        assert!(tell(&mut pace, &notes, allocated(4, 7)));
        assert_eq!(journal.explain(&About::Owners(vec![7])).entries.len(), 1);
        assert_eq!(pace.left_out(UnixTime(4)), Some(100_000 - 4 * UNPROVEN));
        assert_eq!(pace.left_out(UnixTime(5)), None);
    }

    #[test]
    fn a_user_who_is_refused_all_the_time_is_told_of_some_times() {
        let mut pace = Pace::new();
        let told = |pace: &mut Pace, mut entry: Entry| pace.judge(&mut entry) == Judgement::Told;
        let alternating = (0..10_000).filter(|n| told(&mut pace, refusal(5, 7, 400 + n % 2))).count();
        assert_eq!(alternating, OWNER as usize);
        assert!(told(&mut pace, refusal(5, 8, 400)), "others are");
        assert!(told(&mut pace, allocated(5, 7)), "and so are calls of his");
        assert!(told(&mut pace, refusal(65, 7, 400)), "another minute");
    }

    #[test]
    fn many_users_who_are_refused_do_not_fill_the_channel() {
        let mut pace = Pace::new();
        let told = (0..100_000).filter(|n| pace.judge(&mut refusal(5, *n, 403)) == Judgement::Told);
        assert_eq!(told.count(), PROVEN as usize);
    }

    #[test]
    fn the_same_refusal_again_and_again_is_told_with_its_number() {
        let mut pace = Pace::new();
        let mut told = Vec::new();
        for _ in 0..100 {
            let mut entry = refusal(5, 7, 437);
            if pace.judge(&mut entry) == Judgement::Told {
                let What::Refused { times, .. } = entry.what else { unreachable!() };
                told.push(times);
            }
        }
        assert_eq!(told, [1, 1, 2, 4, 8, 16, 32]);
        assert_eq!(pace.left_out(UnixTime(6)), None, "nothing was left out");
    }
}
