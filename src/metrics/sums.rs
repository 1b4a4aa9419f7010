//! Samples of all workers, added up, and what the `prometheus` crate makes of them.

use std::collections::{BTreeMap, HashMap};

use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// How a family is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A metric family as it is exported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
}

impl Family {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// As a registry wants to know it beforehand.
    pub(super) fn describe(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }
}

/// Samples, added up by family and labels.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<(&'static str, Vec<String>), f64>);

impl Sums {
    /// Adds to a counter or a gauge. `labels` are the values, in the family's order.
    pub(super) fn add(&mut self, family: &'static Family, labels: &[&str], more: f64) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        *self.0.entry((family.name, labels)).or_default() += more;
    }

    /// The families among `known` that have samples.
    pub(super) fn families(self, known: &[&'static Family]) -> Vec<MetricFamily> {
        let mut samples: HashMap<&'static str, Vec<(Vec<String>, f64)>> = HashMap::new();
        for ((name, labels), sum) in self.0 {
            samples.entry(name).or_default().push((labels, sum));
        }
        let with_samples = known.iter().filter_map(|family| Some((*family, samples.remove(family.name)?)));
        with_samples.map(|(family, samples)| made(family, samples)).collect()
    }
}

fn made(family: &'static Family, samples: Vec<(Vec<String>, f64)>) -> MetricFamily {
    let mut made = MetricFamily::default();
    made.set_name(family.name.to_owned());
    made.set_help(family.help.to_owned());
    made.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
    });
    made.set_metric(samples.into_iter().map(|(labels, sum)| sample(family, labels, sum)).collect());
    made
}

fn sample(family: &Family, values: Vec<String>, value: f64) -> Metric {
    let pair = |(name, value): (&&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value);
        pair
    };
    let mut metric = Metric::from_label(family.labels.iter().zip(values).map(pair).collect());
    match family.kind {
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
    }
    metric
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    static NUMBER: Family = Family::gauge("number", &["of"], "A number.");
    static NOTHING: Family = Family::counter("nothing", &[], "Nothing.");

    #[test]
    fn what_has_the_same_labels_is_added_up() {
        let mut sums = Sums::default();
        for (of, more) in [("a", 1.0), ("b", 2.0), ("a", 0.5)] {
            sums.add(&NUMBER, &[of], more);
        }
        let page = TextEncoder::new().encode_to_string(&sums.families(&[&NOTHING, &NUMBER])).unwrap();
        let expected =
            "# HELP number A number.\n# TYPE number gauge\nnumber{of=\"a\"} 1.5\nnumber{of=\"b\"} 2\n";
        assert_eq!(page, expected);
    }
}
