//! An established session: what was agreed, what the neighbour has been told, what it has sent.

use std::time::Duration;

use super::imports::{Imports, TooMany};
use super::opening::Agreed;
use super::rib::{RibOut, Terms, Wanted};
use crate::time::{Now, Time};
use crate::wire::bgp::{Families, Family, Fault, Update};

/// Answers to ROUTE-REFRESH are so far apart at least, however often it is asked for.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// A session from the KEEPALIVE that confirmed it until its connection ends.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) agreed: Agreed,
    pub(super) since: Now,
    pub(super) terms: Terms,
    pub(super) rib: RibOut,
    pub(super) imports: Imports,
    /// Families that the neighbour wants to hear again, and when it was last answered.
    asked: Families,
    answered: Option<Time>,
}

impl Session {
    pub(super) fn new(agreed: Agreed, since: Now, terms: Terms) -> Self {
        let rib = RibOut::new(agreed.families);
        let imports = Imports::default();
        Self { agreed, since, terms, rib, imports, asked: Families::default(), answered: None }
    }

    /// The neighbour wants to hear all of `family` again. One that was not agreed upon is ignored (RFC 2918 section 4).
    pub(super) fn ask_again(&mut self, family: Family) {
        if self.agreed.families.contains(family) {
            self.asked = self.asked.with(family);
        }
    }

    /// When it hears again what it asked for.
    pub(super) fn refresh_at(&self) -> Option<Time> {
        let at = self.answered.map_or(Time::ZERO, |answered| answered + REFRESH_INTERVAL);
        (!self.asked.is_empty()).then_some(at)
    }

    /// What is to be sent now so that the neighbour knows what is `wanted`.
    pub(super) fn update(&mut self, now: Time, wanted: &Wanted) -> Vec<u8> {
        let mut again = Families::default();
        if self.refresh_at().is_some_and(|at| at <= now) {
            self.answered = Some(now);
            again = std::mem::take(&mut self.asked);
        }
        self.rib.update(wanted, &self.terms, again)
    }

    /// Counts what an UPDATE holds, up to `limit` prefixes of a family. The verdict on it is in what it lists.
    pub(super) fn count(&mut self, update: &Update<'_>, limit: Option<u32>) -> Result<(), Fault> {
        for prefix in update.withdrawn() {
            self.imports.remove(&prefix);
        }
        for prefix in update.announced() {
            if let Err(TooMany { limit }) = self.imports.add(&prefix, limit) {
                return Err(Fault::max_prefixes(prefix.family(), limit));
            }
        }
        Ok(())
    }
}
