use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let rate = Rate::new(1_000_000, 100_000);
    let mut bucket = Bucket::new();
    let start = Time::from_secs(1000);
    assert!((0..100).all(|_| bucket.take(rate, start, 1000)));
    assert!(!bucket.take(rate, start, 1));
    // 1000 bytes come in one millisecond, to the nanosecond.
    assert!(!bucket.take(rate, start + Duration::from_nanos(999_999), 1000));
    assert!(bucket.take(rate, start + Duration::from_millis(1), 1000));
    assert!(!bucket.take(rate, start + Duration::from_millis(1), 1));
}

#[test]
fn what_is_refused_is_not_charged() {
    let rate = Rate::new(65_535, 65_535);
    let mut bucket = Bucket::new();
    assert!(bucket.take(rate, at(0), 65_000));
    assert!((0..1000).all(|_| !bucket.take(rate, at(0), 1200)));
    assert!(bucket.take(rate, at(0), 535));
}

#[test]
fn the_largest_packet_passes_at_any_rate() {
    for slow in [0, 1, 10] {
        assert!(Bucket::new().take(Rate::new(slow, 0), at(0), 65_535));
    }
}

#[test]
fn a_clock_that_stands_or_steps_back_brings_nothing() {
    let rate = Rate::new(1_000_000, 65_535);
    let mut bucket = Bucket::new();
    assert!(bucket.take(rate, at(2_000_000), 65_535));
    assert!(!bucket.take(rate, at(0), 1));
    assert!(!bucket.take(rate, at(2_000_000), 1));
    assert!(bucket.take(rate, at(2_001_000), 1));
}

#[test]
fn a_new_rate_holds_from_the_next_packet() {
    let (slow, fast) = (Rate::new(1_000, 65_535), Rate::new(1_000_000_000, 1_000_000));
    let mut bucket = Bucket::new();
    assert!(bucket.take(slow, at(0), 65_535));
    assert!(!bucket.take(slow, at(100_000), 1000));
    assert!(bucket.take(fast, at(200_000), 65_535));
}

#[test]
fn extremes_do_not_overflow() {
    let rate = Rate::new(u64::MAX, u64::MAX);
    let mut bucket = Bucket::new();
    assert!(bucket.take(rate, Time::MAX, 65_535));
    assert!(bucket.take(rate, Time::MAX, 1_000_000));
    assert!(!bucket.take(rate, Time::MAX, usize::MAX));
    let shared = SharedBucket::new();
    assert!(shared.take(rate, at(0), 1));
    assert!(shared.take(rate, Time::from_secs(1_000_000_000), 65_535));
    assert!(!shared.take(Rate::new(1, 1), at(0), usize::MAX));
}

#[test]
fn a_session_bucket_is_two_words() {
    assert_eq!(size_of::<Bucket>(), 16);
    assert_eq!(size_of::<SharedBucket>(), 8);
}

#[test]
fn a_shared_bucket_starts_with_little_and_fills() {
    let rate = Rate::new(1_000_000, 100_000);
    let bucket = SharedBucket::new();
    assert!(!bucket.take(rate, at(0), 4097));
    assert!(bucket.take(rate, at(0), 4096));
    assert!(!bucket.take(rate, at(0), 1));
    assert!(!bucket.take(rate, at(999_999), 1000));
    assert!(bucket.take(rate, at(1_000_000), 1000));
    // Full after 100 ms, and no fuller for waiting longer.
    let later = Time::from_secs(3600);
    assert!(bucket.take(rate, later, 100_000));
    assert!(!bucket.take(rate, later, 1));
}

#[test]
fn workers_together_get_no_more_than_one_would() {
    const WORKERS: usize = 4;
    let rate = Rate::new(10_000_000, 200_000);
    let bucket = Arc::new(SharedBucket::new());
    let passed: Vec<_> = std::thread::scope(|scope| {
        let work = |_| {
            let bucket = Arc::clone(&bucket);
            // Each asks for 1000 bytes a microsecond: a hundred times the rate of all.
            scope.spawn(move || (0..20_000).filter(|us| bucket.take(rate, at(us * 1000), 1000)).count())
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let bytes = 1000 * passed.iter().sum::<usize>() as u64;
    // 20 ms at the rate. A worker that lags behind in time cannot bring tokens of its own; one that runs ahead
    // brings only those of its time. Nothing passes above the burst and what 20 ms bring.
    assert!(bytes <= SharedBucket::FIRST_BYTES + 200_000, "{bytes}");
    assert!(bytes >= 195_000, "{bytes}");
}

/// Packets as (nanoseconds since the last, bytes).
fn packets() -> impl Strategy<Value = Vec<(u64, usize)>> {
    let gap = prop_oneof![Just(0), 0..1000_u64, 0..1_000_000_u64, 0..2_000_000_000_u64];
    prop::collection::vec((gap, 0..70_000_usize), 1..200)
}

fn rates() -> impl Strategy<Value = Rate> {
    let speed = prop_oneof![1..10_u64, 1000..1_000_000_u64, 1_000_000..2_000_000_000_u64];
    (speed, 0..1_000_000_u64).prop_map(|(speed, burst)| Rate::new(speed, burst))
}

/// Exact arithmetic: billionths of bytes in 128 bits.
struct Model {
    tokens: u128,
    at: u64,
}

impl Model {
    fn take(&mut self, rate: Rate, now: u64, bytes: usize) -> bool {
        self.refill(rate, now);
        let cost = bytes as u128 * 1_000_000_000;
        let enough = cost <= self.tokens;
        if enough {
            self.tokens -= cost;
        }
        enough
    }

    fn refill(&mut self, rate: Rate, now: u64) {
        let fresh = u128::from(now - self.at) * u128::from(rate.bytes_per_second());
        self.tokens = (self.tokens + fresh).min(u128::from(rate.burst()) * 1_000_000_000);
        self.at = now;
    }
}

proptest! {
    #[test]
    fn a_session_bucket_is_exact(rate in rates(), packets in packets()) {
        let mut model = Model { tokens: u128::MAX >> 1, at: 0 };
        let mut bucket = Bucket::new();
        let mut now = 0;
        for (gap, bytes) in packets {
            now += gap;
            prop_assert_eq!(bucket.take(rate, at(now), bytes), model.take(rate, now, bytes));
        }
    }

    #[test]
    fn a_shared_bucket_never_gives_more_and_hardly_less(rate in rates(), packets in packets()) {
        // The first packet starts the bucket.
        let mut now = 0;
        let first = packets.first().map_or(0, |(gap, _)| *gap);
        let mut model = Model { tokens: u128::from(SharedBucket::FIRST_BYTES) * 1_000_000_000, at: first };
        let bucket = SharedBucket::new();
        let mut taken = 0_u128;
        for (gap, bytes) in packets {
            now += gap;
            if bucket.take(rate, at(now), bytes) {
                taken += 1;
                prop_assert!(model.take(rate, now, bytes), "gave what the model has not");
            } else {
                // Each packet before may have cost a sixteenth of a nanosecond too much, and the first and the
                // last comparison round as well.
                model.refill(rate, now);
                let lost = (taken + 3) * u128::from(rate.bytes_per_second()).div_ceil(16);
                prop_assert!(bytes as u128 * 1_000_000_000 + lost > model.tokens, "refused what fits");
            }
        }
    }
}
