//! From reports of checks to the state of the relay, with the reasons.
//!
//! [`check`] counts the reports of one check, [`gate`] decides how fast a judgement may change, [`monitor`] puts them
//! together with what the operator wants. It asks for runs and says what has changed; what neighbours hear of it is for
//! [`super::policy`] to say.

mod check;
mod damping;
mod gate;
mod monitor;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;

pub use monitor::{Monitor, Output};
pub use settings::{CheckSettings, Damping, FailBack, OnDown, Settings};

use crate::time::Now;

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The outcome.
    pub verdict: Verdict,
    /// In words, for the operator; empty if there is nothing to say.
    pub detail: Box<str>,
}

impl Report {
    /// A report with this outcome.
    #[must_use]
    pub fn new(verdict: Verdict, detail: impl Into<Box<str>>) -> Self {
        Self { verdict, detail: detail.into() }
    }
}

/// The outcome of a run, or what a check counts as after several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it. Never takes the relay down.
    Poor,
    /// It does not work.
    Bad,
}

/// What the relay is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// All is well.
    Healthy,
    /// It carries calls, and others would carry them better; or it stands by.
    Degraded,
    /// The operator wants it empty.
    Draining,
    /// It does not carry calls, or nobody knows yet.
    Down,
    /// It stands in for another relay.
    Takeover,
}

impl State {
    /// As configuration, commands and messages have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Takeover => "takeover",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change of state that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Now,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why: one sentence each, the immediate cause first.
    pub reasons: Vec<String>,
}

/// Health as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthView {
    /// What the relay is.
    pub state: State,
    /// For how long.
    pub since: Now,
    /// Whether it was looked at for long enough to say: down means failed then, and not merely unknown.
    pub is_known: bool,
    /// Why, at this moment: one sentence each.
    pub reasons: Vec<String>,
    /// The weight of the checks that have failed.
    pub score: u16,
    /// The operator wants it empty.
    pub draining: bool,
    /// It stands in for another relay.
    pub takeover: bool,
    /// How many other relays are healthy, if somebody knows.
    pub others: Option<u16>,
    /// By [`super::CheckId`].
    pub checks: Vec<CheckView>,
    /// The last ones, the oldest first.
    pub transitions: Vec<Transition>,
}

/// One check as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckView {
    /// Its name.
    pub name: Box<str>,
    /// What it counts as, if it has run often enough.
    pub counts_as: Option<Verdict>,
    /// The last report, if there was one.
    pub last: Option<Report>,
    /// When that came.
    pub at: Option<Now>,
    /// How many in a row have had that outcome.
    pub streak: u32,
    /// What its failure adds to the score.
    pub weight: u16,
}
