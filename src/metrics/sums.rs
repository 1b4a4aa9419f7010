//! Samples of all workers, added up, and what the `prometheus` crate makes of them.

use std::collections::{BTreeMap, HashMap};

use prometheus::core::Desc;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::{self, Distribution};

/// How a family is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is a distribution.
    Histogram,
}

/// A metric family as it is exported.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
}

impl Family {
    /// What only grows. `labels` are the names of its labels.
    #[must_use]
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// What goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it counts or measures.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// "counter", "gauge" or "histogram".
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }

    /// The names of its labels.
    #[must_use]
    pub const fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    pub(super) const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: Kind::Histogram, labels }
    }

    /// As a registry wants to know it beforehand.
    pub(super) fn describe(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }
}

/// What is added up under one name and one set of labels.
#[derive(Debug)]
enum Sum {
    Number(f64),
    Distribution(Distribution),
}

/// Samples, added up by family and labels.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<(&'static str, Vec<String>), Sum>);

impl Sums {
    /// Adds to a counter or a gauge. `labels` are the values, in the family's order.
    pub fn add(&mut self, family: &'static Family, labels: &[&str], more: f64) {
        match self.entry(family, labels).or_insert(Sum::Number(0.0)) {
            Sum::Number(number) => *number += more,
            Sum::Distribution(_) => {}
        }
    }

    /// Adds to a histogram.
    pub(super) fn add_all<const N: usize>(
        &mut self,
        family: &'static Family,
        labels: &[&str],
        more: &histogram::Histogram<N>,
    ) {
        match self.entry(family, labels).or_insert_with(|| Sum::Distribution(Distribution::default())) {
            Sum::Number(_) => {}
            Sum::Distribution(distribution) => distribution.add(more),
        }
    }

    fn entry(
        &mut self,
        family: &'static Family,
        labels: &[&str],
    ) -> std::collections::btree_map::Entry<'_, (&'static str, Vec<String>), Sum> {
        self.0.entry((family.name, labels.iter().map(|label| (*label).to_owned()).collect()))
    }

    /// The families among `known` that have samples.
    pub(super) fn families(self, known: &[&'static Family]) -> Vec<MetricFamily> {
        let mut samples: HashMap<&'static str, Vec<(Vec<String>, Sum)>> = HashMap::new();
        for ((name, labels), sum) in self.0 {
            samples.entry(name).or_default().push((labels, sum));
        }
        let with_samples = known.iter().filter_map(|family| Some((*family, samples.remove(family.name)?)));
        with_samples.map(|(family, samples)| made(family, samples)).collect()
    }
}

fn made(family: &'static Family, samples: Vec<(Vec<String>, Sum)>) -> MetricFamily {
    let mut made = MetricFamily::default();
    made.set_name(family.name.to_owned());
    made.set_help(family.help.to_owned());
    made.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    made.set_metric(samples.into_iter().map(|(labels, sum)| sample(family, labels, &sum)).collect());
    made
}

fn sample(family: &Family, values: Vec<String>, sum: &Sum) -> Metric {
    let pair = |(name, value): (&&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value);
        pair
    };
    let mut metric = Metric::from_label(family.labels.iter().zip(values).map(pair).collect());
    match sum {
        Sum::Number(value) if family.kind == Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(*value);
            metric.set_counter(counter);
        }
        Sum::Number(value) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*value);
            metric.set_gauge(gauge);
        }
        Sum::Distribution(distribution) => metric.set_histogram(histogram_of(distribution)),
    }
    metric
}

/// Prometheus counts in each bucket what is in those below it as well.
fn histogram_of(distribution: &Distribution) -> Histogram {
    let mut below = 0u64;
    let mut bucket = |(edge, count): &(f64, u64)| {
        below = below.wrapping_add(*count);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*edge);
        bucket.set_cumulative_count(below);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(distribution.classes.iter().map(&mut bucket).collect());
    histogram.set_sample_count(distribution.count);
    histogram.set_sample_sum(distribution.sum);
    histogram
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    const NUMBER: Family = Family::gauge("number", &["of"], "A number.");
    const SPREAD: Family = Family::histogram("spread", &[], "A spread.");
    static FAMILIES: [Family; 2] = [NUMBER, SPREAD];

    #[test]
    fn what_has_the_same_labels_is_added_up() {
        let [number, spread] = &FAMILIES;
        let mut sums = Sums::default();
        for (of, more) in [("a", 1.0), ("b", 2.0), ("a", 0.5)] {
            sums.add(number, &[of], more);
        }
        let seen = histogram::Histogram::new(&[1.0, 2.0]);
        [0.5, 1.5, 1.5, 9.0].into_iter().for_each(|value| seen.observe(value));
        sums.add_all(spread, &[], &seen);
        sums.add_all(spread, &[], &seen);
        let page = TextEncoder::new().encode_to_string(&sums.families(&[number, spread])).unwrap();
        assert_eq!(
            page,
            "# HELP number A number.\n# TYPE number gauge\nnumber{of=\"a\"} 1.5\nnumber{of=\"b\"} 2\n\
             # HELP spread A spread.\n# TYPE spread histogram\nspread_bucket{le=\"1\"} 2\nspread_bucket{le=\"2\"} 6\n\
             spread_bucket{le=\"+Inf\"} 8\nspread_sum 25\nspread_count 8\n"
        );
    }
}
