//! Amounts and their distribution, with one writer each, as [`Counter`] has.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Counter;

/// A sum that is no whole number.
#[derive(Debug, Default)]
pub(super) struct Amount(AtomicU64);

impl Amount {
    /// Adds. Only the owning worker may call this: two writers would lose amounts.
    pub(super) fn add(&self, more: f64) {
        self.0.store((self.value() + more).to_bits(), Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Observations by size: how many were at most as large as each of `N` edges and larger than the one before.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    edges: &'static [f64; N],
    classes: [Counter; N],
    /// Above the last edge.
    beyond: Counter,
    sum: Amount,
}

impl<const N: usize> Histogram<N> {
    pub(super) fn new(edges: &'static [f64; N]) -> Self {
        let classes = std::array::from_fn(|_| Counter::default());
        Self { edges, classes, beyond: Counter::default(), sum: Amount::default() }
    }

    /// Counts one observation. Only the owning worker may call this.
    pub(super) fn observe(&self, value: f64) {
        let class = self.edges.iter().zip(&self.classes).find(|(edge, _)| value <= **edge);
        class.map_or(&self.beyond, |(_, class)| class).add(1);
        self.sum.add(value);
    }

    /// Counts observations that somebody else has sorted: so many in the class at `place`, which add up to `sum`.
    pub(super) fn fill(&self, place: usize, count: u64, sum: f64) {
        self.classes.get(place).unwrap_or(&self.beyond).add(count);
        self.sum.add(sum);
    }

    /// How many observations there were.
    pub(super) fn count(&self) -> u64 {
        self.classes.iter().chain([&self.beyond]).map(Counter::value).fold(0, u64::wrapping_add)
    }
}

/// Histograms of several workers, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Distribution {
    /// Each edge and how many were in its class alone.
    pub(super) classes: Vec<(f64, u64)>,
    /// All of them.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: f64,
}

impl Distribution {
    /// Adds what one worker has seen. All that are added to one have the same edges.
    pub(super) fn add<const N: usize>(&mut self, histogram: &Histogram<N>) {
        if self.classes.is_empty() {
            self.classes = histogram.edges.iter().map(|edge| (*edge, 0)).collect();
        }
        // The count is made of what was read, so that it agrees with the classes whatever was written meanwhile.
        for ((_, total), class) in self.classes.iter_mut().zip(&histogram.classes) {
            let seen = class.value();
            *total = total.wrapping_add(seen);
            self.count = self.count.wrapping_add(seen);
        }
        self.count = self.count.wrapping_add(histogram.beyond.value());
        self.sum += histogram.sum.value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [f64; 3] = [1.0, 2.0, 4.0];

    #[test]
    fn an_observation_on_an_edge_belongs_below_it() {
        let histogram = Histogram::new(&EDGES);
        for value in [0.0, 1.0, 1.5, 4.0, 9.0] {
            histogram.observe(value);
        }
        let mut seen = Distribution::default();
        seen.add(&histogram);
        assert_eq!(seen.classes, [(1.0, 2), (2.0, 1), (4.0, 1)]);
        assert_eq!((seen.count, seen.sum), (5, 15.5));
    }

    #[test]
    fn workers_add_up() {
        let (one, two) = (Histogram::new(&EDGES), Histogram::new(&EDGES));
        one.observe(1.0);
        two.fill(0, 3, 2.5);
        two.fill(3, 2, 20.0);
        let mut seen = Distribution::default();
        seen.add(&one);
        seen.add(&two);
        assert_eq!(seen, Distribution { classes: vec![(1.0, 4), (2.0, 0), (4.0, 0)], count: 6, sum: 23.5 });
    }
}
