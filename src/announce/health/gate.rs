//! How fast a judgement may change: minimum times, damping, and fail-back by hand.
//!
//! What takes the relay down is never delayed; everything else may be.

use std::time::Duration;

use super::damping::Penalty;
use super::{FailBack, Settings};
use crate::time::Time;

/// What the checks say, the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Healthy,
    Degraded,
    Down,
}

/// Why the level is not yet what the checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// A minimum time has not passed yet.
    Hold(Time),
    /// It has flapped too often.
    Damped(Time),
    /// The operator has not let it back.
    StandBy,
}

/// The level that counts.
#[derive(Debug)]
pub(super) struct Gate {
    level: Level,
    since: Time,
    /// What the checks said last.
    asked: Level,
    /// It has been up: what follows is a return and no start.
    was_up: bool,
    stands_by: bool,
    penalty: Penalty,
    bar: Option<Bar>,
}

impl Gate {
    /// Down, since nobody has looked yet.
    pub(super) fn new(now: Time) -> Self {
        Self {
            level: Level::Down,
            since: now,
            asked: Level::Down,
            was_up: false,
            stands_by: false,
            penalty: Penalty::default(),
            bar: None,
        }
    }

    pub(super) const fn level(&self) -> Level {
        self.level
    }

    /// What stands against what the checks say.
    pub(super) const fn bar(&self) -> Option<Bar> {
        self.bar
    }

    pub(super) const fn was_up(&self) -> bool {
        self.was_up
    }

    /// It has flapped too often.
    pub(super) const fn is_damped(&self) -> bool {
        self.penalty.is_suppressing()
    }

    /// The relay may be healthy again, if the checks say so.
    pub(super) fn fail_back(&mut self) {
        self.stands_by &= self.asked != Level::Healthy;
    }

    /// When time alone may change the level.
    pub(super) const fn deadline(&self) -> Option<Time> {
        match self.bar {
            Some(Bar::Hold(at) | Bar::Damped(at)) => Some(at),
            Some(Bar::StandBy) | None => None,
        }
    }

    /// Takes in what the checks say.
    pub(super) fn ask(&mut self, settings: &Settings, now: Time, asked: Level) {
        if asked > self.asked && self.was_up {
            self.punish(settings, now, asked);
        }
        self.asked = asked;
        if settings.fail_back == FailBack::Auto {
            self.stands_by = false;
        }
        let best = if self.stands_by { asked.max(Level::Degraded) } else { asked };
        self.bar = if best == self.level {
            (best != asked).then_some(Bar::StandBy)
        } else {
            self.find_bar(settings, now, best)
        };
        if best != self.level && self.bar.is_none() {
            self.set(settings, now, best);
        }
    }

    fn punish(&mut self, settings: &Settings, now: Time, asked: Level) {
        let Some(damping) = &settings.damping else { return };
        let penalty = if asked == Level::Down { damping.penalty } else { damping.penalty / 2 };
        self.penalty.add(damping, now, penalty);
    }

    fn find_bar(&mut self, settings: &Settings, now: Time, best: Level) -> Option<Bar> {
        if best == Level::Down {
            return None;
        }
        let hold = match self.level {
            Level::Down if !self.was_up => Duration::ZERO,
            Level::Down => settings.hold_down,
            Level::Healthy | Level::Degraded => settings.hold_up,
        };
        let until = self.since + hold;
        if best < self.level
            && let Some(damping) = &settings.damping
            && self.penalty.suppresses(damping, now)
        {
            return Some(Bar::Damped(self.penalty.end(damping).max(until)));
        }
        (now < until).then_some(Bar::Hold(until))
    }

    const fn set(&mut self, settings: &Settings, now: Time, level: Level) {
        if matches!(settings.fail_back, FailBack::Manual) && matches!(self.level, Level::Healthy) {
            self.stands_by = true;
        }
        self.was_up |= !matches!(level, Level::Down);
        self.level = level;
        self.since = now;
    }
}
