//! Chance that comes out the same each time.

use std::time::Duration;

/// SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens in this share of cases.
    pub(crate) fn falls(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// From zero to just below `most`, each as likely.
    pub(crate) fn duration(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.share())
    }
}

/// Gilbert's channel: a good state in which everything passes and a bad one in which nothing does.
pub(crate) struct Gilbert {
    /// From good to bad, per packet.
    into: f64,
    /// Back.
    out: f64,
    bad: bool,
}

impl Gilbert {
    pub(crate) const fn new(into: f64, out: f64) -> Self {
        Self { into, out, bad: false }
    }

    /// Whether the next packet is lost.
    pub(crate) fn loses(&mut self, dice: &mut Dice) -> bool {
        self.bad = if self.bad { !dice.falls(self.out) } else { dice.falls(self.into) };
        self.bad
    }
}

#[test]
fn the_same_seed_falls_the_same_way_and_evenly() {
    let throws = |seed| {
        let mut dice = Dice::new(seed);
        (0..10_000).map(|_| dice.share()).collect::<Vec<_>>()
    };
    assert_eq!(throws(7), throws(7));
    assert_ne!(throws(7), throws(8));
    let mean = throws(7).iter().sum::<f64>() / 10_000.0;
    assert!((mean - 0.5).abs() < 0.02, "{mean}");
}

#[test]
fn a_gilbert_channel_loses_in_runs_as_long_and_as_often_as_its_two_numbers_say() {
    let (mut dice, mut channel) = (Dice::new(3), Gilbert::new(0.02, 0.4));
    let lost: Vec<bool> = (0..200_000).map(|_| channel.loses(&mut dice)).collect();
    let count = lost.iter().filter(|lost| **lost).count() as f64;
    let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
    // 0.02 / (0.02 + 0.4) of all, 1 / 0.4 in a row.
    assert!((count / 200_000.0 - 0.0476).abs() < 0.003, "{count}");
    assert!((count / runs - 2.5).abs() < 0.1, "{runs}");
}
