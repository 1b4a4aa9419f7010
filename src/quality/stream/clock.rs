//! The rate of a timestamp's clock, where no payload-type map tells it or what it tells is wrong: the least-squares slope of timestamp against
//! arrival, snapped to a rate that exists.
//!
//! A slope is taken only if its own error says that no other rate is meant. It is looked at again after ten seconds: a
//! queue that fills during the first two bends it.

/// The rates that RTP payloads have.
const RATES: [u32; 6] = [8_000, 16_000, 32_000, 44_100, 48_000, 90_000];
/// Slopes may differ from a rate by so much; 44.1 and 48 kHz, the nearest, are 8.8 % apart.
const TOLERANCE: f64 = 0.04;
/// A slope must be off by so many of its standard errors to be mistaken.
const ERRORS: f64 = 3.0;
const LEAST_SAMPLES: f64 = 16.0;
/// In seconds: when it may be known, and when it is known for good.
const EARLY: f64 = 2.0;
const FINAL: f64 = 10.0;
/// A rate that was told is wrong if the slope is so many times as steep, or as flat. Senders whose timestamps stand still
/// while they are silent have flatter ones.
const REFUTED: f64 = 1.4;
/// Nanoseconds of silence that no slope is drawn across.
const SILENCE: u64 = 2_000_000_000;
/// More ticks than the fastest clock has in that time are a jump.
const JUMP: i32 = 180_000;

/// Looks for the rate of a stream.
#[derive(Debug)]
pub(super) struct Search {
    origin: u64,
    last_arrival: u64,
    last_timestamp: u32,
    ticks: i64,
    sums: Sums,
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Not enough, or nothing clear.
    Nothing,
    /// A rate, which may turn out to be another.
    Early(u32),
    /// The rate; the search is over.
    Final(u32),
}

impl Search {
    /// Begins at a packet, with its arrival in nanoseconds.
    pub(super) fn new(arrival: u64, timestamp: u32) -> Self {
        let sums = Sums { count: 1.0, ..Sums::default() };
        Self { origin: arrival, last_arrival: arrival, last_timestamp: timestamp, ticks: 0, sums }
    }

    /// The next packet in order.
    pub(super) fn see(&mut self, arrival: u64, timestamp: u32) -> Found {
        let step = timestamp.wrapping_sub(self.last_timestamp).cast_signed();
        let silence = arrival.saturating_sub(self.last_arrival);
        self.last_arrival = arrival;
        if !(-JUMP..=JUMP).contains(&step) || silence > SILENCE {
            *self = Self::new(arrival, timestamp);
            return Found::Nothing;
        }
        if step <= 0 {
            return Found::Nothing;
        }
        self.last_timestamp = timestamp;
        self.ticks += i64::from(step);
        let seconds = arrival.saturating_sub(self.origin) as f64 * 1e-9;
        self.sums.add(seconds, self.ticks as f64);
        if self.sums.count < LEAST_SAMPLES || seconds < EARLY {
            return Found::Nothing;
        }
        match self.sums.rate() {
            Some(rate) if seconds >= FINAL => Found::Final(rate),
            Some(rate) => Found::Early(rate),
            None => {
                if seconds >= FINAL {
                    *self = Self::new(arrival, timestamp);
                }
                Found::Nothing
            }
        }
    }
}

/// Whether arrivals that show `found` say that the rate cannot be `told`.
pub(super) fn refutes(found: u32, told: u32) -> bool {
    let ratio = f64::from(found) / f64::from(told);
    !(1.0 / REFUTED..=REFUTED).contains(&ratio)
}

/// Of seconds `x` and ticks `y`.
#[derive(Debug, Default)]
struct Sums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
        self.yy += y * y;
    }

    /// The rate that the slope means, if it means one.
    fn rate(&self) -> Option<u32> {
        let xx = self.xx - self.x * self.x / self.count;
        let xy = self.xy - self.x * self.y / self.count;
        let yy = self.yy - self.y * self.y / self.count;
        let slope = xy / xx;
        let residue = (yy - slope * xy).max(0.0) / (self.count - 2.0);
        let error = ERRORS * (residue / xx).sqrt();
        let means = |rate: &u32| {
            let rate = f64::from(*rate);
            (slope - rate).abs() + error <= TOLERANCE * rate
        };
        RATES.into_iter().find(means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// What is found of packets of `frame` ms, each delayed by `delay` of its number, after `seconds`.
    fn search(rate: u32, frame: u64, seconds: u64, delay: impl Fn(u64) -> u64) -> Found {
        let stamp = |n: u64| u32::try_from(n * frame * u64::from(rate) / 1000 % (1 << 32)).unwrap();
        let begin = u32::MAX - 5000;
        let mut search = Search::new(77 * MS + delay(0), begin);
        let mut found = Found::Nothing;
        for n in 1..=seconds * 1000 / frame {
            found = search.see((77 + n * frame) * MS + delay(n), begin.wrapping_add(stamp(n)));
        }
        found
    }

    /// From 0 to `most` ms, as if by chance.
    fn scattered(most: u64, seed: u64) -> impl Fn(u64) -> u64 {
        move |n| {
            let mixed = (n + 1000 * seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((mixed >> 40) * most * MS) >> 24
        }
    }

    #[test]
    fn every_rate_is_found_in_two_seconds_and_kept_after_ten() {
        for rate in RATES {
            assert_eq!(search(rate, 20, 1, |_| 0), Found::Nothing);
            assert_eq!(search(rate, 20, 3, |_| 0), Found::Early(rate));
            assert_eq!(search(rate, 20, 11, |_| 0), Found::Final(rate));
        }
    }

    #[test]
    fn scattered_arrivals_find_the_same() {
        for rate in RATES {
            assert_eq!(search(rate, 20, 11, scattered(80, 1)), Found::Final(rate));
            assert_eq!(search(rate, 33, 11, scattered(80, 1)), Found::Final(rate));
        }
    }

    #[test]
    fn what_is_unclear_is_not_decided() {
        for rate in [44_100, 48_000] {
            for seed in 0..200 {
                let found = search(rate, 60, 2 + seed % 3, scattered(500, seed));
                assert!(found == Found::Nothing || found == Found::Early(rate), "{seed}: {found:?}");
            }
        }
    }

    #[test]
    fn a_rate_that_no_payload_has_is_none() {
        assert_eq!(search(22_050, 20, 9, |_| 0), Found::Nothing);
        assert_eq!(search(60_000, 20, 9, |_| 0), Found::Nothing);
    }

    #[test]
    fn a_queue_that_fills_is_seen_through_in_the_end() {
        // 100 ms more of delay during each of the first two seconds.
        let filling = |n: u64| (2 * n).min(200) * MS;
        assert_eq!(search(48_000, 20, 11, filling), Found::Final(48_000));
    }

    #[test]
    fn a_jump_begins_the_search_anew() {
        let mut search = Search::new(0, 0);
        for n in 1..=90_u32 {
            search.see(u64::from(n) * 20 * MS, n * 160);
        }
        assert_eq!(search.see(91 * 20 * MS, 4_000_000), Found::Nothing);
        let mut found = Found::Nothing;
        for n in 1..=150_u32 {
            found = search.see(u64::from(91 + n) * 20 * MS, 4_000_000 + n * 160);
        }
        assert_eq!(found, Found::Early(8_000));
    }
}
