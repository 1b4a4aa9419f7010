//! How often a network may ask for something, in memory that does not depend on how many networks ask.
//!
//! Used twice: for answers to sources that have proven nothing (a flood of spoofed requests must neither be
//! reflected nor remembered), and for allocations.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::quality::FixedState;

use crate::time::Time;

/// How many, in how long, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval: u64,
    tolerance: u64,
}

impl Pace {
    /// `count` in every `per` in the long run, and `burst` at once. Zero of either means one.
    #[must_use]
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let interval = (per / u64::from(count.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(burst.max(1).into()) }
    }
}

/// Which part of an address counts as one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLengths {
    /// Bits of an IPv4 address, at most 32.
    pub v4: u8,
    /// Bits of an IPv6 address, at most 128.
    pub v6: u8,
}

impl Default for PrefixLengths {
    /// Single IPv4 addresses, and the /56 that providers hand to one household.
    fn default() -> Self {
        Self { v4: 32, v6: 56 }
    }
}

impl PrefixLengths {
    fn key(self, ip: IpAddr) -> u128 {
        let (bits, length) = match ip.to_canonical() {
            // The mapped form: no IPv6 network has the same key unless it is that of the mapped addresses.
            IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), 96 + u32::from(self.v4.min(32))),
            IpAddr::V6(v6) => (v6.to_bits(), u32::from(self.v6.min(128))),
        };
        bits & !u128::MAX.checked_shr(length).unwrap_or(0)
    }
}

/// A limiter of fixed size. May be shared: workers that ask at once never block one another, and admit no more together
/// than one of them would.
///
/// A network is looked up in two rows of cells, by two hashes under a secret seed, and pays in both. It is refused
/// only when both cells are used up, so that one noisy network can hardly stand in another's way; a flood from more
/// networks than there are cells uses up all of them, and then everybody unproven waits together. What a flood
/// cannot do is make this grow.
pub struct PrefixLimiter {
    pace: Pace,
    lengths: PrefixLengths,
    hasher: FixedState,
    mask: u64,
    /// For each cell, when it will have its full burst again. Both rows, one after the other.
    cells: Box<[AtomicU64]>,
}

impl fmt::Debug for PrefixLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixLimiter").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl PrefixLimiter {
    /// 2 × 16,384 cells, a quarter of a mebibyte, are right for a relay of a million calls a day.
    pub const DEFAULT_CELLS: usize = 1 << 14;
    const MAX_CELLS: usize = 1 << 24;

    /// `cells` per row, rounded up to a power of two; all memory is taken now.
    #[must_use]
    pub fn new(pace: Pace, lengths: PrefixLengths, cells: usize, seed: u64) -> Self {
        let cells = cells.clamp(1, Self::MAX_CELLS).next_power_of_two();
        Self {
            pace,
            lengths,
            hasher: FixedState::with_seed(seed),
            mask: (cells - 1) as u64,
            cells: (0..2 * cells).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether the network of `ip` may have one more at `now`. What is refused is not charged.
    #[must_use]
    pub fn allow(&self, now: Time, ip: IpAddr) -> bool {
        let Some((first, second)) = self.cells_of(ip) else { return false };
        let now = now.as_nanos();
        loop {
            let (a, b) = (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
            let full_at = a.min(b).max(now).saturating_add(self.pace.interval);
            if full_at > now.saturating_add(self.pace.tolerance) {
                return false;
            }
            // The emptier cell decides. The other one is raised before it, so that nobody finds that one emptier in between
            // and is admitted by it in the same place: whoever charged it first has raised this one, and the exchange fails.
            let (decides, other, held) = if a <= b { (first, second, a) } else { (second, first, b) };
            other.fetch_max(full_at, Ordering::AcqRel);
            if decides.compare_exchange(held, full_at, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    fn cells_of(&self, ip: IpAddr) -> Option<(&AtomicU64, &AtomicU64)> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u128(self.lengths.key(ip));
        let hash = hasher.finish();
        let row = self.cells.len() / 2;
        let index = |half: u64| usize::try_from(half & self.mask).unwrap_or(0);
        Some((self.cells.get(index(hash))?, self.cells.get(row + index(hash >> 32))?))
    }
}

#[cfg(test)]
#[path = "prefix_tests.rs"]
mod tests;
