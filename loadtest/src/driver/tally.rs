//! What one generator thread has counted, and how several become a [`Window`].

use hdrhistogram::Histogram;

use crate::media::Tracker;
use crate::outcome::{Count, Flow, Generator, Latency, Tick, Window};

/// Longer latencies are counted as this long.
const LONGEST: u64 = 60_000_000_000;

/// A thread busier than this cannot be relied on to be in time.
const BUSY: f64 = 0.9;

/// Later than this in one of a hundred cases is no open loop any more, in microseconds.
const LATE_US: f64 = 10_000.0;

/// Points of the curve that plots show.
const CURVE: [f64; 16] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999, 1.0];

/// Nanoseconds, counted by size.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// With `digits` significant digits.
    #[must_use]
    pub fn new(digits: u8) -> Self {
        // Bounds and digits are constants that the library takes.
        Self(Histogram::new_with_bounds(1, LONGEST, digits).unwrap_or_else(|_| fallback()))
    }

    /// Counts one.
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        // They have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// How many have been counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// A quantile in microseconds.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { micros(self.0.value_at_quantile(quantile)) }
    }

    /// How it is reported.
    #[must_use]
    pub fn latency(&self) -> Latency {
        if self.0.is_empty() {
            return Latency::default();
        }
        Latency {
            count: self.0.len(),
            min_us: micros(self.0.min()),
            mean_us: self.0.mean() / 1000.0,
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p999_us: self.quantile_us(0.999),
            max_us: micros(self.0.max()),
            curve: CURVE.iter().map(|share| (*share, self.quantile_us(*share))).collect(),
        }
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

#[expect(clippy::expect_used, reason = "a histogram of no stated bounds and one digit can always be made")]
fn fallback() -> Histogram<u64> {
    Histogram::new(1).expect("one digit")
}

/// One direction.
#[derive(Clone, Debug)]
pub(super) struct FlowTally {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) bytes: u64,
    pub(super) duplicated: u64,
    pub(super) reordered: u64,
    pub(super) corrupted: u64,
    pub(super) latency: Times,
    pub(super) jitters: Vec<f64>,
}

impl FlowTally {
    fn new() -> Self {
        Self {
            sent: 0,
            received: 0,
            bytes: 0,
            duplicated: 0,
            reordered: 0,
            corrupted: 0,
            latency: Times::new(3),
            jitters: Vec::new(),
        }
    }

    /// Takes over what one session's receiver has seen; the session starts anew or the window ends.
    pub(super) fn absorb(&mut self, tracker: &Tracker) {
        self.received += tracker.received;
        self.duplicated += tracker.duplicated;
        self.reordered += tracker.reordered;
        if tracker.received > 1 {
            self.jitters.push(tracker.jitter() / 1000.0);
        }
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.bytes += other.bytes;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.latency.add(&other.latency);
        self.jitters.extend_from_slice(&other.jitters);
    }

    fn report(&mut self, seconds: f64) -> Flow {
        self.jitters.sort_by(f64::total_cmp);
        let lost = self.sent.saturating_sub(self.received);
        Flow {
            sent: self.sent,
            received: self.received,
            bytes: self.bytes,
            lost,
            loss: if self.sent == 0 { 0.0 } else { lost as f64 / self.sent as f64 },
            duplicated: self.duplicated,
            reordered: self.reordered,
            corrupted: self.corrupted,
            rate: self.received as f64 / seconds,
            latency: self.latency.latency(),
            jitter_us: self.jitters.get(self.jitters.len() / 2).copied().unwrap_or(0.0),
            jitter_max_us: self.jitters.last().copied().unwrap_or(0.0),
        }
    }
}

/// A moment.
#[derive(Clone, Debug)]
pub(super) struct TickTally {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) latency: Times,
}

impl TickTally {
    fn new() -> Self {
        Self { sent: 0, received: 0, latency: Times::new(2) }
    }
}

/// What one generator thread has counted in a window.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) up: FlowTally,
    pub(super) down: FlowTally,
    pub(super) lateness: Times,
    pub(super) due: u64,
    pub(super) refused: u64,
    pub(super) skipped: u64,
    pub(super) overflowed: u64,
    pub(super) cpu: u64,
    pub(super) busiest: u64,
    pub(super) churned: u64,
    pub(super) failures: Vec<Count>,
    pub(super) ticks: Vec<TickTally>,
    pub(super) tick: TickTally,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            up: FlowTally::new(),
            down: FlowTally::new(),
            lateness: Times::new(3),
            due: 0,
            refused: 0,
            skipped: 0,
            overflowed: 0,
            cpu: 0,
            busiest: 0,
            churned: 0,
            failures: Vec::new(),
            ticks: Vec::new(),
            tick: TickTally::new(),
        }
    }

    /// Ends a moment.
    pub(super) fn end_tick(&mut self) {
        self.ticks.push(std::mem::replace(&mut self.tick, TickTally::new()));
    }

    pub(super) fn count_failure(&mut self, code: u16, what: String) {
        count(&mut self.failures, code, what, 1);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.up.add(&other.up);
        self.down.add(&other.down);
        self.lateness.add(&other.lateness);
        self.due += other.due;
        self.refused += other.refused;
        self.skipped += other.skipped;
        self.overflowed += other.overflowed;
        self.cpu += other.cpu;
        self.busiest = self.busiest.max(other.cpu);
        self.churned += other.churned;
        for failure in &other.failures {
            count(&mut self.failures, failure.code, failure.what.clone(), failure.count);
        }
        for (index, tick) in other.ticks.iter().enumerate() {
            match self.ticks.get_mut(index) {
                Some(own) => {
                    own.sent += tick.sent;
                    own.received += tick.received;
                    own.latency.add(&tick.latency);
                }
                None => self.ticks.push(tick.clone()),
            }
        }
    }

    /// All threads' counts as a window of so many seconds, with a moment every `tick` seconds.
    pub(super) fn window(mut self, seconds: f64, tick: f64) -> Window {
        let generator = self.generator(seconds);
        let ticks = (1u32..).zip(&self.ticks).map(|(number, one)| Tick {
            at: f64::from(number) * tick,
            sent: one.sent,
            received: one.received,
            p50_us: one.latency.quantile_us(0.5),
            p99_us: one.latency.quantile_us(0.99),
            max_us: one.latency.quantile_us(1.0),
            server_busy: None,
            resident: None,
        });
        Window {
            seconds,
            ticks: ticks.collect(),
            up: self.up.report(seconds),
            down: self.down.report(seconds),
            cpu: None,
            generator,
            churned: self.churned,
            failures: self.failures,
        }
    }

    /// What the threads spent themselves.
    pub(super) fn generator(&self, seconds: f64) -> Generator {
        let lateness = self.lateness.latency();
        let share = |nanos: u64| nanos as f64 / 1e9 / seconds.max(1e-9);
        let busiest = share(self.busiest);
        let lost_here = self.refused + self.skipped + self.overflowed;
        Generator {
            cpu_ns: self.cpu,
            busy: share(self.cpu),
            busiest,
            limited: busiest > BUSY || lateness.p99_us > LATE_US || lost_here > 0,
            lateness,
            due: self.due,
            refused: self.refused,
            skipped: self.skipped,
            overflowed: self.overflowed,
        }
    }
}

fn count(counts: &mut Vec<Count>, code: u16, what: String, by: u64) {
    match counts.iter_mut().find(|one| one.code == code && one.what == what) {
        Some(one) => one.count += by,
        None => counts.push(Count { code, what, count: by }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_to_a_window() {
        let mut all = Tally::new();
        for received in [90, 100] {
            let mut one = Tally::new();
            one.up.sent = 100;
            one.up.received = received;
            one.up.jitters = vec![received as f64];
            one.cpu = received * 1_000_000;
            one.count_failure(486, "quota".to_owned());
            one.tick.sent = 7;
            one.end_tick();
            all.add(&one);
        }
        let window = all.window(2.0, 2.0);
        assert_eq!((window.up.sent, window.up.lost, window.up.loss, window.up.rate), (200, 10, 0.05, 95.0));
        assert_eq!(window.up.jitter_max_us, 100.0);
        assert_eq!(window.generator.cpu_ns, 190_000_000);
        assert_eq!(window.generator.busiest, 0.05);
        assert_eq!(window.failures, [Count { code: 486, what: "quota".to_owned(), count: 2 }]);
        assert_eq!((window.ticks.len(), window.ticks[0].sent), (1, 14));
        assert!(!window.generator.limited);
    }

    #[test]
    fn a_generator_that_loses_packets_itself_is_the_limit() {
        for spoil in [
            |tally: &mut Tally| tally.refused = 1,
            |tally: &mut Tally| tally.skipped = 1,
            |tally: &mut Tally| tally.overflowed = 1,
            |tally: &mut Tally| tally.busiest = 950_000_000,
            |tally: &mut Tally| tally.lateness.record(11_000_000),
        ] {
            let mut tally = Tally::new();
            assert!(!tally.generator(1.0).limited);
            spoil(&mut tally);
            assert!(tally.generator(1.0).limited);
        }
    }

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut times = Times::new(3);
        for micros in 1..=1000 {
            times.record(micros * 1000);
        }
        let latency = times.latency();
        assert_eq!(latency.count, 1000);
        assert!((latency.p50_us - 500.0).abs() < 1.0 && (latency.p99_us - 990.0).abs() < 1.0, "{latency:?}");
        assert_eq!(Times::new(3).latency().max_us, 0.0);
    }
}
