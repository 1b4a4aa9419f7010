//! The records that cover our prefixes, and what follows from them for an origin (RFC 6811).

use std::collections::BTreeSet;

use super::Validity;
use crate::wire::bgp::{Asn, Prefix};
use crate::wire::rtr::{ErrorCode, Fault, Vrp};

/// How many records of a cache are kept. Real prefixes have a handful.
pub const RECORDS_MAX: usize = 4096;

/// How many records a reason names.
const NAMED_MAX: usize = 3;

/// What one cache has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// Those that were asked about; of others nothing is known.
    prefixes: Vec<Prefix>,
    records: BTreeSet<Vrp>,
}

impl Records {
    /// None yet, about `prefixes`.
    pub(super) fn about(prefixes: &[Prefix]) -> Self {
        Self { prefixes: prefixes.to_vec(), records: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// A record comes or goes. Of records that do not concern us nothing is kept, so nothing about them can be wrong.
    pub(super) fn take(&mut self, announced: bool, vrp: Vrp) -> Result<(), Fault> {
        if !self.prefixes.iter().any(|prefix| vrp.prefix.covers(prefix)) {
            return Ok(());
        }
        if !announced {
            let known = self.records.remove(&vrp);
            let words = "it takes back a record that it had not sent";
            return if known { Ok(()) } else { Err(Fault { code: ErrorCode::UnknownWithdrawal, words }) };
        }
        if self.records.len() >= RECORDS_MAX {
            let words = "more records cover our prefixes than can be meant";
            return Err(Fault { code: ErrorCode::InternalError, words });
        }
        let words = "it sends a record twice";
        let fresh = self.records.insert(vrp);
        if fresh { Ok(()) } else { Err(Fault { code: ErrorCode::DuplicateAnnouncement, words }) }
    }

    /// None about a prefix that was not asked about.
    pub(super) fn validity(&self, prefix: &Prefix, origin: Asn) -> Option<Validity> {
        if !self.prefixes.contains(prefix) {
            return None;
        }
        let covering = || self.records.iter().filter(|vrp| vrp.prefix.covers(prefix));
        Some(if covering().any(|vrp| vrp.allows(prefix, origin)) {
            Validity::Valid
        } else if covering().next().is_none() {
            Validity::NotFound
        } else {
            Validity::Invalid(explain(prefix, origin, covering()))
        })
    }
}

fn explain<'a>(prefix: &Prefix, origin: Asn, covering: impl Iterator<Item = &'a Vrp> + Clone) -> String {
    let count = covering.clone().count();
    let mut named: Vec<String> = covering.take(NAMED_MAX).map(Vrp::to_string).collect();
    if count > NAMED_MAX {
        named.push(format!("{} more", count - NAMED_MAX));
    }
    format!("AS{} may not originate {prefix}; what may be: {}", origin.0, named.join(", "))
}
