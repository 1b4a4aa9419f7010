//! The penalty of a relay that flaps (in the manner of RFC 2439): added for each change for the worse, halved as time goes by.

use std::time::Duration;

use super::Damping;
use crate::time::Time;

/// The sum, as of some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Penalty {
    sum: f64,
    at: Time,
    suppressed: bool,
}

impl Penalty {
    /// The sum at this time.
    pub(super) fn sum(&self, settings: &Damping, now: Time) -> f64 {
        let half_lives = now.since(self.at).as_secs_f64() / settings.half_life.as_secs_f64().max(1e-9);
        self.sum * (-half_lives).exp2()
    }

    /// Adds to it. It never grows beyond what decays within [`Damping::longest`].
    pub(super) fn add(&mut self, settings: &Damping, now: Time, penalty: u32) {
        self.suppresses(settings, now);
        let half_lives = settings.longest.as_secs_f64() / settings.half_life.as_secs_f64().max(1e-9);
        let ceiling = f64::from(settings.reuse.max(1)) * half_lives.min(64.0).exp2();
        self.sum = (self.sum(settings, now) + f64::from(penalty)).min(ceiling);
        self.at = now;
        self.suppressed |= self.sum >= f64::from(settings.suppress);
    }

    /// Whether improvements are not believed at this time.
    pub(super) fn suppresses(&mut self, settings: &Damping, now: Time) -> bool {
        self.suppressed &= now < self.end(settings);
        self.suppressed
    }

    /// When improvements are believed again.
    pub(super) fn end(&self, settings: &Damping) -> Time {
        let half_lives = (self.sum / f64::from(settings.reuse.max(1))).log2().max(0.0);
        let left = Duration::try_from_secs_f64(half_lives * settings.half_life.as_secs_f64());
        self.at + left.unwrap_or(Duration::MAX)
    }

    /// The same as of the last question.
    pub(super) const fn is_suppressing(&self) -> bool {
        self.suppressed
    }
}
