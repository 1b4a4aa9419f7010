//! One thing that has happened to a client or its call, and how it is told.

use std::fmt;
use std::time::Duration;

use super::super::counters::{Loss, method_name};
use super::super::session::SessionId;
use crate::engine::ReleaseCause;
use crate::engine::auth::AuthResult;
use crate::quality::Directions;
use crate::route::{Endpoint, Transport};
use crate::time::UnixTime;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: UnixTime,
    /// Where the client was.
    pub client: Endpoint,
    /// How it reached the relay.
    pub transport: Transport,
    /// The user, as a number that is the same on all relays.
    pub owner: u64,
    /// Whether the client has proven to be that user, or only says so.
    pub is_proven: bool,
    /// The call, if there was one: the name of its first relayed address.
    pub session: Option<SessionId>,
    /// What happened.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A client could not prove who it is (401, 438, 400).
    Rejected {
        /// Of the request.
        method: u16,
        /// What it was answered.
        code: u16,
        /// Why.
        reason: AuthResult,
    },
    /// A request of a client that is known was answered with an error.
    Refused {
        /// Of the request.
        method: u16,
        /// What it was answered.
        code: u16,
        /// The peer that may not be reached, if that was the reason.
        peer: Option<Endpoint>,
        /// How often at least: some of those that come in a row are told.
        times: u32,
        /// The last time that is known of.
        until: UnixTime,
    },
    /// An allocation came into being.
    Allocated {
        /// Its address.
        relayed: Endpoint,
    },
    /// It was refreshed when it was nearly over.
    RefreshedLate {
        /// What was left.
        left: Duration,
    },
    /// It moved with its client.
    Moved {
        /// From here.
        from: Endpoint,
    },
    /// It ended.
    Released(Box<Ending>),
}

/// The end of an allocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Why.
    pub cause: ReleaseCause,
    /// When it began.
    pub began: UnixTime,
    /// The name of its second relayed address, if it had one.
    pub second: Option<SessionId>,
    /// Packets and bytes that were let pass.
    pub passed: Directions<(u64, u64)>,
    /// Packets of it that went nowhere.
    pub drops: Box<[(Loss, u64)]>,
}

impl Entry {
    /// A word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.what {
            What::Rejected { .. } => "rejected",
            What::Refused { peer: Some(_), .. } => "peer_refused",
            What::Refused { peer: None, .. } => "refused",
            What::Allocated { .. } => "allocated",
            What::RefreshedLate { .. } => "refreshed_late",
            What::Moved { .. } => "moved",
            What::Released(_) => "released",
        }
    }

    /// A sentence for people.
    #[must_use]
    pub fn text(&self) -> String {
        self.what.to_string()
    }

    /// Whether it is about this call.
    #[must_use]
    pub fn is_about(&self, id: SessionId) -> bool {
        let second = match &self.what {
            What::Released(ending) => ending.second,
            What::Rejected { .. }
            | What::Refused { .. }
            | What::Allocated { .. }
            | What::RefreshedLate { .. }
            | What::Moved { .. } => None,
        };
        self.session == Some(id) || second == Some(id)
    }

    /// Takes in what happened again; false if that was something else, or somewhere else.
    pub(super) fn repeat(&mut self, again: &Self) -> bool {
        let is_same = self.owner == again.owner
            && self.session == again.session
            && (self.client, self.transport) == (again.client, again.transport);
        match (&mut self.what, &again.what) {
            (
                What::Refused { method, code, peer, times, until },
                What::Refused {
                    method: next_method,
                    code: next_code,
                    peer: next_peer,
                    times: more,
                    until: last,
                },
            ) if is_same && (&*method, &*code, &*peer) == (next_method, next_code, next_peer) => {
                *times = times.saturating_add(*more);
                *until = *last;
                true
            }
            _ => false,
        }
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        let more = match &self.what {
            What::Released(ending) => size_of::<Ending>() + size_of_val::<[(Loss, u64)]>(&ending.drops),
            What::Rejected { .. }
            | What::Refused { .. }
            | What::Allocated { .. }
            | What::RefreshedLate { .. }
            | What::Moved { .. } => 0,
        };
        size_of::<Self>() + more
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { method, code, reason } => {
                let method = method_name(*method);
                write!(f, "{method} answered {code}: {}", fault(*reason))
            }
            Self::Refused { method, code, peer, times, until } => {
                write!(f, "{} answered {code} ({})", method_name(*method), meaning(*code))?;
                if let Some(peer) = peer {
                    write!(f, ": the peer {peer}")?;
                }
                if *times > 1 {
                    write!(f, "; at least {times} times until {until}")?;
                }
                Ok(())
            }
            Self::Allocated { relayed } => write!(f, "allocated {relayed}"),
            Self::RefreshedLate { left } => {
                write!(
                    f,
                    "refreshed {} s before its end: a lost packet more, and it had ended",
                    left.as_secs()
                )
            }
            Self::Moved { from } => write!(f, "moved here from {from}"),
            Self::Released(ending) => ending.fmt(f),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause {
            ReleaseCause::Client => "the client ended it",
            ReleaseCause::Expired => "it was not refreshed in time",
            ReleaseCause::Disconnected => "the client's connection closed",
            ReleaseCause::Operator => "an operator ended it",
        };
        let Directions { client_to_peer: (there, _), peer_to_client: (back, _) } = self.passed;
        write!(f, "released: {cause}; {there} packets to peers, {back} to the client")?;
        for (at, (loss, packets)) in self.drops.iter().enumerate() {
            let before = if at == 0 { "; dropped" } else { "," };
            write!(f, "{before} {packets} {}", loss.name())?;
        }
        Ok(())
    }
}

const fn fault(reason: AuthResult) -> &'static str {
    match reason {
        AuthResult::Accepted => "accepted",
        AuthResult::WrongRealm => "signed for another realm",
        AuthResult::UnknownUser => "nobody has this name",
        AuthResult::Expired => "the credential has expired",
        AuthResult::WrongPassword => "wrong password",
        AuthResult::TokenKey => "no key has the token's ID",
        AuthResult::TokenMalformed => "the token is malformed",
        AuthResult::TokenSeal => "the token was sealed under another key, or altered",
        AuthResult::TokenTime => "the token has expired or is not valid yet",
        AuthResult::StaleNonce => "the nonce is too old or of another relay; clients try again at once",
        AuthResult::Malformed => "signed, without all that goes with a signature",
    }
}

/// What an error code says on a relay.
const fn meaning(code: u16) -> &'static str {
    match code {
        300 => "sent to another relay",
        400 => "malformed",
        401 => "not authenticated",
        403 => "forbidden by the peer policy",
        405 => "mobility is off",
        420 => "it holds what this relay does not know",
        437 => "there is no such allocation, or already one",
        438 => "stale nonce",
        440 => "no address of this family",
        441 => "another user's allocation",
        442 => "transport not supported",
        443 => "peer of another family than the allocation",
        446 => "already connected to this peer",
        447 => "the peer cannot be reached",
        486 => "the user's quota is reached",
        508 => "the relay is full",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::RelayId;

    #[test]
    fn an_entry_says_what_happened_in_words() {
        let end = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let drops = vec![(Loss::SessionRate, 7), (Loss::NoPermission, 2)].into();
        let ending = Ending {
            cause: ReleaseCause::Expired,
            began: UnixTime(0),
            second: None,
            passed: Directions { client_to_peer: (5, 500), peer_to_client: (6, 600) },
            drops,
        };
        for (what, text) in [
            (
                What::Rejected { method: 3, code: 401, reason: AuthResult::WrongPassword },
                "allocate answered 401: wrong password",
            ),
            (
                What::Refused {
                    method: 9,
                    code: 403,
                    peer: Some(end("10.0.0.1:5")),
                    times: 1,
                    until: UnixTime(0),
                },
                "channel_bind answered 403 (forbidden by the peer policy): the peer 10.0.0.1:5",
            ),
            (
                What::Refused { method: 4, code: 437, peer: None, times: 8, until: UnixTime(7) },
                "refresh answered 437 (there is no such allocation, or already one); at least 8 times until \
                 1970-01-01T00:00:07Z",
            ),
            (What::Moved { from: end("192.0.2.7:9") }, "moved here from 192.0.2.7:9"),
            (
                What::Released(Box::new(ending)),
                "released: it was not refreshed in time; 5 packets to peers, 6 to the client; \
                 dropped 7 session_rate, 2 no_permission",
            ),
        ] {
            assert_eq!(what.to_string(), text);
        }
    }

    #[test]
    fn the_end_of_a_call_is_found_by_either_of_its_names() {
        let id = |relay| SessionId { worker: 1, relay: RelayId(relay) };
        let ending = Ending {
            cause: ReleaseCause::Client,
            began: UnixTime(0),
            second: Some(id(8)),
            passed: Directions::default(),
            drops: Box::default(),
        };
        let client = Endpoint::from(std::net::SocketAddr::from(([192, 0, 2, 1], 9)));
        let entry = Entry {
            at: UnixTime(5),
            client,
            transport: Transport::Udp,
            owner: 3,
            is_proven: true,
            session: Some(id(7)),
            what: What::Released(Box::new(ending)),
        };
        assert!(entry.is_about(id(7)) && entry.is_about(id(8)) && !entry.is_about(id(9)));
    }
}
