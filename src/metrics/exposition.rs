//! What `/metrics` says: read from the workers' counters at the moment it is asked for.
//!
//! Called by control, on its thread. A scrape loads each counter once and takes no lock that a worker knows of; what it
//! costs depends on the number of workers and names, not on the number of calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use super::Counters;
use super::families::{self, SHOWN};
use super::quality;
use super::sums::{Family, Sums};
use crate::time::UnixTime;

static UP: Family = Family::gauge(
    "tern_worker_up",
    &["worker"],
    "1 while a worker runs; one that has died does not come back.",
);
static BUILD: Family = Family::gauge("tern_build_info", &["version"], "Always 1; the version is a label.");
static START: Family =
    Family::gauge("process_start_time_seconds", &[], "When the relay was started, in seconds since 1970.");

/// What one worker has to show.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Whether it runs.
    pub alive: Arc<AtomicBool>,
}

/// What somebody else has to show on the same page: numbers that are there already, since a scrape does not wait.
pub trait More: Send + Sync + 'static {
    /// All that there may be, in the order of the page.
    fn families(&self) -> Vec<&'static Family>;

    /// Adds what there is.
    fn add(&self, sums: &mut Sums);
}

/// Everything that is exported of a relay.
#[derive(Clone, Debug)]
pub struct Exposition {
    registry: Registry,
    names: Vec<&'static str>,
    families: Vec<&'static Family>,
}

impl Exposition {
    /// The content type of [`Exposition::text`].
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Of these workers, by their numbers.
    ///
    /// # Errors
    /// Two families of the same name, or a name that Prometheus does not admit: a defect that the tests find.
    pub fn new(workers: Vec<Source>, started: UnixTime) -> Result<Self, prometheus::Error> {
        Self::with(workers, started, Vec::new())
    }

    /// The same, with what others have to show besides.
    ///
    /// # Errors
    /// As [`Exposition::new`].
    pub fn with(
        workers: Vec<Source>,
        started: UnixTime,
        more: Vec<Arc<dyn More>>,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families: Vec<_> =
            families().into_iter().chain(more.iter().flat_map(|more| more.families())).collect();
        let descriptions = families.iter().map(|family| family.describe()).collect::<Result<_, _>>()?;
        let names = families.iter().map(|family| family.name).collect();
        let collector = Workers { workers, started, more, families: families.clone(), descriptions };
        registry.register(Box::new(collector))?;
        Ok(Self { registry, names, families })
    }

    /// What may stand on the page: the names of all families, whether there is anything of them or not.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// The same as families: what each is, and by what it is labelled.
    #[must_use]
    pub fn families(&self) -> &[&'static Family] {
        &self.families
    }

    /// The page, in the text format of Prometheus.
    ///
    /// # Errors
    /// A family without samples: a defect that the tests find.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn families() -> Vec<&'static Family> {
    let counted = SHOWN.iter().map(|shown| &shown.family);
    counted.chain(quality::families()).chain([&UP, &BUILD, &START]).collect()
}

/// The counters of all workers.
struct Workers {
    workers: Vec<Source>,
    started: UnixTime,
    more: Vec<Arc<dyn More>>,
    families: Vec<&'static Family>,
    descriptions: Vec<Desc>,
}

impl Collector for Workers {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut sums = Sums::default();
        for (worker, source) in self.workers.iter().enumerate() {
            let worker = worker.to_string();
            sums.add(&UP, &[&worker], u8::from(source.alive.load(Ordering::Acquire)).into());
            add_counters(&mut sums, &worker, &source.counters);
            quality::add(&mut sums, &source.counters.quality);
        }
        sums.add(&BUILD, &[env!("CARGO_PKG_VERSION")], 1.0);
        sums.add(&START, &[], self.started.0 as f64);
        self.more.iter().for_each(|more| more.add(&mut sums));
        sums.families(&self.families)
    }
}

fn add_counters(sums: &mut Sums, worker: &str, counters: &Counters) {
    counters.each(|key, label, second, value| {
        let Some(shown) = families::find(key, label) else { return };
        let labels = if shown.per_worker { [worker, ""] } else { [label, second] };
        let labels = labels.get(..shown.family.labels.len()).unwrap_or_default();
        sums.add(&shown.family, labels, value as f64 / shown.divisor);
    });
}

#[cfg(test)]
mod tests {
    use super::super::sums::Kind;
    use super::super::{Loss, Path};
    use super::*;

    fn sources(count: usize) -> Vec<Source> {
        let source = || Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) };
        std::iter::repeat_with(source).take(count).collect()
    }

    fn page(sources: &[Source]) -> String {
        Exposition::new(sources.to_vec(), UnixTime(1_700_000_000)).unwrap().text().unwrap()
    }

    #[test]
    fn what_workers_count_is_added_up_under_good_names() {
        let sources = sources(2);
        for source in &sources {
            source.counters.pass(Path::ToPeer, 160);
            source.counters.lose(Loss::SlowReader);
            source.counters.lose(Loss::Tls);
            source.counters.busy.add(1_500_000_000);
        }
        let page = page(&sources);
        for line in [
            "tern_packets_total{path=\"to_peer\"} 2",
            "tern_bytes_total{path=\"to_peer\"} 320",
            "tern_dropped_packets_total{reason=\"slow_reader\"} 2",
            "tern_dropped_connections_total{reason=\"tls\"} 2",
            "tern_worker_busy_seconds_total{worker=\"1\"} 1.5",
            "tern_requests_refused_total{method=\"allocate\",code=\"401\"} 0",
            "# TYPE tern_allocations gauge",
            "process_start_time_seconds 1700000000",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("tern_dropped_packets_total{reason=\"tls\"}"));
    }

    #[test]
    fn a_dead_worker_is_seen() {
        let sources = sources(2);
        sources[1].alive.store(false, Ordering::Release);
        let page = page(&sources);
        assert!(page.contains("tern_worker_up{worker=\"0\"} 1\ntern_worker_up{worker=\"1\"} 0\n"), "{page}");
    }

    #[test]
    fn the_page_grows_with_workers_and_with_nothing_else() {
        let (two, three) = (page(&sources(2)).lines().count(), page(&sources(3)).lines().count());
        assert_eq!(three - two, SHOWN.iter().filter(|shown| shown.per_worker).count() + 1);
    }

    #[test]
    fn names_are_unique_and_counters_are_called_so() {
        let families = families();
        for (at, family) in families.iter().enumerate() {
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(families[..at].iter().all(|other| other.name != family.name), "{}", family.name);
        }
    }
}
