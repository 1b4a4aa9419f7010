//! The counters of all workers together, for reports and tests.

use std::collections::BTreeMap;

use super::Counters;

/// The counters of all workers, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<(&'static str, &'static str, &'static str), u64>);

impl Totals {
    /// Adds a worker's counters.
    pub fn add(&mut self, counters: &Counters) {
        counters.each(|family, label, code, value| {
            let total = self.0.entry((family, label, code)).or_default();
            *total = total.wrapping_add(value);
        });
    }

    /// One number, such as `("lost", "slow_reader")`, or without a label the sum of all; zero for a name that does not
    /// exist.
    #[must_use]
    pub fn value(&self, family: &str, label: &str) -> u64 {
        let is_meant = |f: &str, l: &str| f == family && (label.is_empty() || l == label);
        self.0.iter().filter(|((f, l, _), _)| is_meant(f, l)).map(|(_, value)| *value).sum()
    }

    /// One number of a family with two labels, such as `("allocations", "udp", "ipv4")`; an empty one means all.
    #[must_use]
    pub fn value_of(&self, family: &str, first: &str, second: &str) -> u64 {
        let is_meant = |(f, a, b): &(&str, &str, &str)| {
            *f == family && (first.is_empty() || *a == first) && (second.is_empty() || *b == second)
        };
        self.0.iter().filter(|(names, _)| is_meant(names)).map(|(_, value)| *value).sum()
    }

    /// How many requests of `method` were answered with `code`.
    #[must_use]
    pub fn refused(&self, method: &str, code: &str) -> u64 {
        let known = self.0.iter().find(|((f, m, c), _)| *f == "refused" && *m == method && *c == code);
        known.map_or(0, |(_, value)| *value)
    }

    /// Every number: family, label, second label, value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, u64)> {
        self.0.iter().map(|((family, label, code), value)| (*family, *label, *code, *value))
    }
}
