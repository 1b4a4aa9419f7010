//! Whether the origin of our prefixes is one that the RPKI allows (RFC 6811), by caches that speak RTR (RFC 8210, RFC 6810).
//!
//! A [`Client`] keeps one session with each configured cache, all of them at the same time; the first in the operator's
//! order that has data is believed. Of what a cache sends it keeps only the records that cover one of our prefixes, and
//! of those no more than [`RECORDS_MAX`]: it holds no routing table's worth of data, and a cache that has gone mad takes
//! no memory.
//!
//! Data of a cache is used until it expires, also while the cache cannot be reached (RFC 8210 section 6). A cache that
//! contradicts itself is told so and asked again from the beginning.
//!
//! The client keeps to the contract of the pure rooms; the announcer passes on what concerns its connections
//! ([`super::Owner::Rpki`]) and asks for [`Client::origin`] whenever [`Client::take_change`] says so.

mod cache;
mod records;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

pub use records::RECORDS_MAX;

use super::dice::Dice;
use super::policy::{Origin, Standing};
use super::settings::{Doubt, RpkiSettings};
use super::{Action, ConnectionId, Numbers, Owner};
use crate::time::{Now, Time, UnixTime};
use crate::wire::bgp::{Asn, Prefix};
use crate::wire::rtr::Version;
use cache::Cache;

/// After the first failure; then twice as long each time.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What the RPKI says of a prefix and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// A record allows it.
    Valid,
    /// There are records for the prefix, and none allows it. In words, with what they allow.
    Invalid(String),
    /// No record speaks of the prefix.
    NotFound,
    /// Nobody knows; why.
    Unknown(&'static str),
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid => f.write_str("RPKI: valid"),
            Self::Invalid(reason) => write!(f, "RPKI: invalid, {reason}"),
            Self::NotFound => f.write_str("RPKI: no record speaks of it"),
            Self::Unknown(reason) => write!(f, "RPKI: unknown, {reason}"),
        }
    }
}

/// What the client is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Only that time has passed.
    Tick,
    /// A connection stands.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// It could not be made.
    Failed {
        /// Which.
        connection: ConnectionId,
        /// In words.
        reason: &'a str,
    },
    /// Bytes came.
    Received {
        /// On which.
        connection: ConnectionId,
        /// In order.
        bytes: &'a [u8],
    },
    /// It is gone.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// In words.
        reason: &'a str,
    },
}

/// One cache, as an operator is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheView {
    /// As it was configured.
    pub name: String,
    /// What is going on, in a word or two.
    pub phase: &'static str,
    /// The version that is spoken, or will be tried.
    pub version: Version,
    /// Its session and serial, if it has answered.
    pub serial: Option<(u16, u32)>,
    /// How many records cover our prefixes.
    pub records: usize,
    /// When it last answered in full.
    pub updated: Option<UnixTime>,
    /// How long its data is used from now on if it does not answer again.
    pub expires: Option<Duration>,
    /// What last went wrong.
    pub failure: Option<(UnixTime, String)>,
}

/// Sessions with all caches.
#[derive(Debug)]
pub struct Client {
    caches: Vec<Cache>,
    /// Not configured any more, and still believed until one that is has answered.
    retired: Vec<Cache>,
    prefixes: Vec<Prefix>,
    context: Context,
}

/// What the sessions share.
#[derive(Debug)]
struct Context {
    now: Now,
    dice: Dice,
    numbers: Numbers,
    actions: VecDeque<Action>,
    changed: bool,
}

impl Context {
    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// How long to wait after so many failures in a row, at most `longest`.
    fn delay(&mut self, failures: u32, longest: Duration) -> Time {
        let delay = FIRST_DELAY.saturating_mul(1 << failures.min(16)).min(longest);
        self.now.time + self.dice.share(delay, 75, 100)
    }
}

impl Client {
    /// A client of `caches`, that wants to know of `prefixes`. It connects with the first [`Client::handle`]. `seed` is for
    /// jitter.
    #[must_use]
    pub fn new(caches: &[String], prefixes: &[Prefix], seed: u64) -> Self {
        let context = Context {
            now: Now::default(),
            dice: Dice::new(seed),
            numbers: Numbers::of(Owner::Rpki),
            actions: VecDeque::new(),
            changed: false,
        };
        let mut client = Self { caches: Vec::new(), retired: Vec::new(), prefixes: Vec::new(), context };
        client.set(caches, prefixes);
        client
    }

    /// Other settings. Sessions with caches that are still configured go on; if there are other prefixes, they begin anew,
    /// and what is known of the prefixes that stay is used until then. What caches have said that are no longer configured
    /// is used until one that is has data, or until [`Client::forget_retired`].
    pub fn reload(&mut self, now: Now, caches: &[String], prefixes: &[Prefix]) {
        self.context.now = now;
        self.set(caches, prefixes);
        self.context.changed = true;
        self.handle(now, Input::Tick);
    }

    fn set(&mut self, names: &[String], prefixes: &[Prefix]) {
        let mut before = std::mem::take(&mut self.caches);
        // A connection is asked for by one octet.
        for name in names.iter().take(usize::from(u8::MAX)) {
            let back = |mut cache: Cache| {
                cache.restart(&mut self.context);
                cache
            };
            let known = take(&mut before, name).or_else(|| take(&mut self.retired, name).map(back));
            self.caches.push(known.unwrap_or_else(|| Cache::new(name)));
        }
        before.iter_mut().for_each(|cache| cache.abandon(&mut self.context));
        before.append(&mut self.retired);
        before.retain(|cache| cache.records().is_some() && !names.is_empty());
        self.retired = before;
        if self.prefixes != prefixes {
            self.prefixes = prefixes.to_vec();
            self.caches.iter_mut().for_each(|cache| cache.restart(&mut self.context));
        }
    }

    /// Nobody waits any longer for a cache to take the place of those that are no longer configured.
    pub fn forget_retired(&mut self) {
        self.context.changed |= !self.retired.is_empty();
        self.retired.clear();
    }

    /// Takes what has happened. What is due by `now` is done whatever the input is.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.context.now = now;
        let connection = match input {
            Input::Tick => None,
            Input::Connected { connection }
            | Input::Failed { connection, .. }
            | Input::Received { connection, .. }
            | Input::Closed { connection, .. } => Some(connection),
        };
        let ours = |cache: &&mut Cache| connection.is_some() && cache.connection() == connection;
        if let Some(cache) = self.caches.iter_mut().find(ours) {
            match input {
                Input::Tick => {}
                Input::Connected { .. } => cache.connected(&mut self.context),
                Input::Failed { reason, .. } | Input::Closed { reason, .. } => {
                    cache.lost(&mut self.context, reason);
                }
                Input::Received { bytes, .. } => cache.receive(&mut self.context, bytes, &self.prefixes),
            }
        }
        for (cache, place) in self.caches.iter_mut().zip(0..) {
            cache.tick(&mut self.context, place);
        }
        // These have no connection and want none; their data expires as any.
        self.retired.iter_mut().for_each(|cache| cache.tick(&mut self.context, 0));
        if self.caches.iter().any(|cache| cache.records().is_some()) {
            self.forget_retired();
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.context.actions.pop_front()
    }

    /// When to call [`Client::handle`] again at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.all().map(Cache::deadline).min()
    }

    /// Whether what [`Client::origin`] says may be another than when this was last asked.
    pub const fn take_change(&mut self) -> bool {
        std::mem::replace(&mut self.context.changed, false)
    }

    /// In the order in which they are believed.
    fn all(&self) -> impl Iterator<Item = &Cache> {
        self.caches.iter().chain(&self.retired)
    }

    /// What the first cache that has data says of `prefix`, announced by `origin`.
    #[must_use]
    pub fn validity(&self, prefix: &Prefix, origin: Asn) -> Validity {
        let records = self.all().filter_map(Cache::records);
        let mut told = records.filter_map(|records| records.validity(prefix, origin));
        told.next().unwrap_or(Validity::Unknown("no cache has answered"))
    }

    /// What follows for the announcement of `prefix`. While `is_awaited`, caches may still be about to answer for the first
    /// time.
    #[must_use]
    pub fn origin(&self, prefix: &Prefix, settings: &RpkiSettings, is_awaited: bool) -> Origin {
        let validity = self.validity(prefix, settings.origin);
        let doubt = match validity {
            Validity::Valid | Validity::NotFound => None,
            Validity::Invalid(_) => Some(settings.on_invalid),
            Validity::Unknown(_) if is_awaited => {
                let said = "RPKI: waiting for the first answer of a cache".to_owned();
                return Origin { standing: Standing::Awaited, said: Some(said) };
            }
            Validity::Unknown(_) => Some(settings.on_unknown),
        };
        let (standing, said) = match doubt {
            Some(Doubt::Withdraw) => (Standing::Refused, validity.to_string()),
            Some(Doubt::Announce) => {
                (Standing::Free, format!("{validity}; announced all the same, as configured"))
            }
            None => (Standing::Free, validity.to_string()),
        };
        Origin { standing, said: Some(said) }
    }

    /// One per cache, in the operator's order.
    #[must_use]
    pub fn view(&self, now: Now) -> Vec<CacheView> {
        self.caches.iter().map(|cache| cache.view(now)).collect()
    }
}

fn take(caches: &mut Vec<Cache>, name: &str) -> Option<Cache> {
    let place = caches.iter().position(|cache| cache.name() == name)?;
    Some(caches.remove(place))
}
