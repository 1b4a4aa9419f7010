//! Numbers for jitter, of BFD and of whoever asks a cache again. Anyone may guess them: what must not be guessed, such as a
//! session's discriminator, is passed in.

use std::time::Duration;

/// A generator of the SplitMix kind: its whole future follows from its seed.
#[derive(Clone, Debug)]
pub(in crate::announce) struct Dice(u64);

impl Dice {
    pub(in crate::announce) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any share of `whole` from `low` to `high` percent.
    pub(in crate::announce) fn share(&mut self, whole: Duration, low: u32, high: u32) -> Duration {
        const STEPS: u32 = 1 << 16;
        let step = u32::try_from(self.next() >> 48).unwrap_or(0);
        let percent = |share: u32| whole / 100 * share;
        percent(low) + percent(high.saturating_sub(low)) / STEPS * step
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_reach_from_the_lower_bound_to_the_upper() {
        let mut dice = Dice::new(1);
        let whole = Duration::from_millis(100);
        let shares: Vec<_> = (0..10_000).map(|_| dice.share(whole, 75, 90)).collect();
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!((Duration::from_micros(75_000)..Duration::from_micros(75_100)).contains(least), "{least:?}");
        assert!((Duration::from_micros(89_900)..Duration::from_micros(90_000)).contains(most), "{most:?}");
    }
}
