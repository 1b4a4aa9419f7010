//! One bit per port and address, for all workers.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const WORDS: usize = 1024;
const EVEN: u64 = 0x5555_5555_5555_5555;

/// The ports in use on all addresses, shared by the pools of all workers: clones are the same space. An address
/// costs 8 KiB while a pool has it or one of its ports is in use.
#[derive(Clone, Default)]
pub struct PortSpace {
    addresses: Arc<Mutex<HashMap<IpAddr, Weak<PortSet>>>>,
}

impl PortSpace {
    /// Nothing is in use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn ports_of(&self, bind: IpAddr) -> Arc<PortSet> {
        // A thread that panicked with the lock left a map that is still right: each change is one insertion.
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|_, ports| ports.strong_count() > 0);
        if let Some(ports) = addresses.get(&bind).and_then(Weak::upgrade) {
            return ports;
        }
        let ports = Arc::new(PortSet::new());
        addresses.insert(bind, Arc::downgrade(&ports));
        ports
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.addresses.lock().map_or(0, |addresses| addresses.len())
    }
}

impl fmt::Debug for PortSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortSpace(..)")
    }
}

/// What a port must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any.
    Any,
    /// An even one.
    Even,
    /// An even one whose upper neighbour is free as well.
    Pair,
}

impl Wanted {
    /// Which of the free ports of one word will do. A word begins with an even port, so pairs never straddle two.
    const fn among(self, free: u64) -> u64 {
        match self {
            Self::Any => free,
            Self::Even => free & EVEN,
            Self::Pair => free & (free >> 1) & EVEN,
        }
    }

    /// What is taken along with the port of this bit.
    const fn taken_with(self, bit: u64) -> u64 {
        match self {
            Self::Any | Self::Even => bit,
            Self::Pair => bit | bit << 1,
        }
    }
}

/// The ports of one address: a set bit is a port in use.
pub(super) struct PortSet {
    words: [AtomicU64; WORDS],
}

impl PortSet {
    fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS] }
    }

    /// Takes `port`, and its neighbour if a pair is wanted, unless it is in use, not what is wanted, or not in range.
    pub(super) fn claim(&self, port: u16, range: &RangeInclusive<u16>, wanted: Wanted) -> bool {
        let (index, bit) = locate(port);
        let Some(word) = self.words.get(index) else { return false };
        let taken = wanted.taken_with(bit);
        let claim = |used: u64| (wanted.among(!used & mask(index, range)) & bit != 0).then_some(used | taken);
        // The bits guard nothing but themselves: the kernel orders who binds first.
        word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }

    pub(super) fn release(&self, port: u16) {
        let (index, bit) = locate(port);
        if let Some(word) = self.words.get(index) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// How many ports of `range` would do.
    pub(super) fn count(&self, range: &RangeInclusive<u16>, wanted: Wanted) -> usize {
        self.good_words(range, wanted).map(|(_, good)| good.count_ones() as usize).sum()
    }

    /// The port that `rank` others that would do come before, or how many there are.
    pub(super) fn nth(&self, range: &RangeInclusive<u16>, wanted: Wanted, rank: usize) -> Result<u16, usize> {
        let mut passed = 0;
        for (index, mut good) in self.good_words(range, wanted) {
            let here = good.count_ones() as usize;
            if rank < passed + here {
                for _ in passed..rank {
                    good &= good - 1;
                }
                return u16::try_from(index * 64 + good.trailing_zeros() as usize).map_err(|_| passed);
            }
            passed += here;
        }
        Err(passed)
    }

    fn good_words<'a>(
        &'a self,
        range: &'a RangeInclusive<u16>,
        wanted: Wanted,
    ) -> impl Iterator<Item = (usize, u64)> + 'a {
        let (first, last) = (usize::from(*range.start()) / 64, usize::from(*range.end()) / 64);
        let words = self.words.get(first..=last).unwrap_or_default();
        (first..).zip(words).map(move |(index, word)| {
            let free = !word.load(Ordering::Relaxed) & mask(index, range);
            (index, wanted.among(free))
        })
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({} in use)", 65_536 - self.count(&(0..=u16::MAX), Wanted::Any))
    }
}

fn locate(port: u16) -> (usize, u64) {
    (usize::from(port) / 64, 1 << (port % 64))
}

/// Which ports of the word at `index` are in `range`; never port 0.
fn mask(index: usize, range: &RangeInclusive<u16>) -> u64 {
    let base = index * 64;
    let low = usize::from(*range.start()).max(1).saturating_sub(base);
    let past = (usize::from(*range.end()) + 1).saturating_sub(base);
    below(past) & !below(low)
}

const fn below(bit: usize) -> u64 {
    if bit >= 64 { u64::MAX } else { (1 << bit) - 1 }
}
