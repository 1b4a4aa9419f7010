//! Token buckets over bytes: one for a session, one that all workers share for a user.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Time;

const NANOS: u64 = 1_000_000_000;
/// Eight terabits: nothing is faster, and no rounding shows below it.
const FASTEST: u64 = 1_000_000_000_000;
/// No packet is larger; a bucket that held less would never let one pass.
const LARGEST_PACKET: u64 = 65_535;
/// A capacity above this would not fit a count of billionth bytes: 18 GB.
const LARGEST_BURST: u64 = u64::MAX / NANOS;
/// A shared bucket counts in sixteenths of a nanosecond, so that rounding costs the user less than a thousandth even
/// at 100 Gbit/s; 64 bits of them last 36 years.
const FRACTION: u64 = 16;

/// A bandwidth and how far it may be exceeded for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    bytes_per_second: u64,
    burst: u64,
}

impl Rate {
    /// At most `burst` bytes at once and `bytes_per_second` in the long run. The burst is raised to the largest
    /// packet, which could otherwise never pass. A rate of zero is a rate of one.
    #[must_use]
    pub fn new(bytes_per_second: u64, burst: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.clamp(1, FASTEST),
            burst: burst.clamp(LARGEST_PACKET, LARGEST_BURST),
        }
    }

    /// With the bytes of half a second as burst: video comes in frames, and a key frame is many packets at once.
    #[must_use]
    pub fn with_default_burst(bytes_per_second: u64) -> Self {
        Self::new(bytes_per_second, bytes_per_second / 2)
    }

    /// In the long run.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.bytes_per_second
    }

    /// At once.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }
}

/// A token bucket of one worker: 16 bytes, exact arithmetic, no division. It starts full.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// In billionths of a byte: a nanosecond brings as many of them as the rate has bytes per second.
    tokens: u64,
    at: Time,
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    /// A full bucket, whatever the rate that [`Self::take`] will name.
    #[must_use]
    pub const fn new() -> Self {
        Self { tokens: u64::MAX, at: Time::ZERO }
    }

    /// Whether `bytes` may pass at `now`. What may not is not charged.
    #[must_use]
    pub fn take(&mut self, rate: Rate, now: Time, bytes: usize) -> bool {
        let elapsed = now.as_nanos().saturating_sub(self.at.as_nanos());
        let fresh = elapsed.saturating_mul(rate.bytes_per_second);
        let tokens = self.tokens.saturating_add(fresh).min(rate.burst * NANOS);
        self.at = self.at.max(now);
        let left = tokens.checked_sub((bytes as u64).saturating_mul(NANOS));
        self.tokens = left.unwrap_or(tokens);
        left.is_some()
    }
}

/// A token bucket that all workers take from at once: one atomic number, the time at which the bucket would be full
/// again (the generic cell rate algorithm). Never admits more than the rate and the burst, whatever the interleaving;
/// clocks of workers that differ by a packet's time only shift the burst by as much.
///
/// It does not start full but with [`Self::FIRST_BYTES`]: ending all sessions and starting anew gains nothing.
#[derive(Debug)]
pub struct SharedBucket {
    /// In sixteenths of a nanosecond, or [`UNUSED`].
    full_at: AtomicU64,
}

const UNUSED: u64 = u64::MAX;

impl Default for SharedBucket {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedBucket {
    /// What a new bucket holds: enough for the first connectivity checks, too little to be worth a new session.
    pub const FIRST_BYTES: u64 = 4096;

    /// A new bucket, whatever the rate that [`Self::take`] will name.
    #[must_use]
    pub const fn new() -> Self {
        Self { full_at: AtomicU64::new(UNUSED) }
    }

    /// Whether `bytes` may pass at `now`. What may not is not charged.
    #[must_use]
    pub fn take(&self, rate: Rate, now: Time, bytes: usize) -> bool {
        let now = scaled(now);
        let limit = now.saturating_add(cost_within(rate, rate.burst));
        let cost = cost(rate, bytes as u64);
        // The number stands for itself and guards nothing else: no ordering needed.
        let mut held = self.full_at.load(Ordering::Relaxed);
        if held == UNUSED {
            held = self.start(rate, now);
        }
        loop {
            let full_at = held.max(now).saturating_add(cost);
            if full_at > limit || full_at == UNUSED {
                return false;
            }
            match self.full_at.compare_exchange_weak(held, full_at, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => held = newer,
            }
        }
    }

    #[cold]
    fn start(&self, rate: Rate, now: u64) -> u64 {
        let first = now.saturating_add(cost(rate, rate.burst - Self::FIRST_BYTES)).min(UNUSED - 1);
        match self.full_at.compare_exchange(UNUSED, first, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => first,
            Err(newer) => newer,
        }
    }
}

const fn scaled(time: Time) -> u64 {
    time.as_nanos().saturating_mul(FRACTION)
}

/// How long the rate takes to bring `bytes`, rounded up: against the user.
fn cost(rate: Rate, bytes: u64) -> u64 {
    match bytes.checked_mul(NANOS * FRACTION) {
        Some(product) => product.div_ceil(rate.bytes_per_second),
        None => wide_cost(rate, bytes, u128::div_ceil),
    }
}

/// The same, rounded down, for a limit: against the user as well.
fn cost_within(rate: Rate, bytes: u64) -> u64 {
    match bytes.checked_mul(NANOS * FRACTION) {
        Some(product) => product / rate.bytes_per_second,
        None => wide_cost(rate, bytes, std::ops::Div::div),
    }
}

#[cold]
fn wide_cost(rate: Rate, bytes: u64, divide: fn(u128, u128) -> u128) -> u64 {
    let product = u128::from(bytes) * u128::from(NANOS * FRACTION);
    u64::try_from(divide(product, rate.bytes_per_second.into())).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
