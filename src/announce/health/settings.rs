//! How health is judged: checks, thresholds, and how fast a judgement may change.

use std::time::Duration;

/// Everything that decides a relay's [`super::State`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// By [`super::super::CheckId`]. Without any the relay counts as healthy.
    pub checks: Vec<CheckSettings>,
    /// The weight of failed checks from which on the relay is degraded.
    pub degraded_at: u16,
    /// The weight of failed checks from which on the relay is down.
    pub down_at: u16,
    /// The least time between two changes among the states that announce. Never delays [`super::State::Down`].
    pub hold_up: Duration,
    /// The least time that the relay stays down.
    pub hold_down: Duration,
    /// Whether a relay that flaps has to be well for a while before it is believed.
    pub damping: Option<Damping>,
    /// What follows when a relay is well again.
    pub fail_back: FailBack,
    /// What a relay does that is down.
    pub on_down: OnDown,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            degraded_at: 1,
            down_at: 100,
            hold_up: Duration::from_secs(5),
            hold_down: Duration::from_secs(10),
            damping: Some(Damping::default()),
            fail_back: FailBack::Auto,
            on_down: OnDown::Withdraw,
        }
    }
}

/// One check, whatever it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// Unique; by it a check is known again after a reload.
    pub name: Box<str>,
    /// Good reports in a row until a failed check counts as passed.
    pub rise: u8,
    /// Bad reports in a row until a passed check counts as failed.
    pub fall: u8,
    /// From one run to the next.
    pub interval: Duration,
    /// The same while reports contradict what the check counts as.
    pub fast_interval: Duration,
    /// A run without a report by then is a bad one.
    pub timeout: Duration,
    /// What its failure adds to the score.
    pub weight: u16,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            name: Box::from(""),
            rise: 3,
            fall: 2,
            interval: Duration::from_secs(1),
            fast_interval: Duration::from_millis(200),
            timeout: Duration::from_millis(500),
            weight: 100,
        }
    }
}

/// A penalty for each change for the worse, halved again and again as time goes by (in the manner of RFC 2439). While
/// it is too high the relay's state may get worse, but not better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damping {
    /// Added when the checks take the relay down; half of it when they degrade it.
    pub penalty: u32,
    /// In this time the sum falls to its half.
    pub half_life: Duration,
    /// At this sum improvements are no longer believed.
    pub suppress: u32,
    /// From this sum downward they are again.
    pub reuse: u32,
    /// So long after the last change for the worse they are believed at the latest.
    pub longest: Duration,
}

impl Default for Damping {
    /// The fourth fall within a few minutes is one too many; it costs four half-lives at most.
    fn default() -> Self {
        Self {
            penalty: 1000,
            half_life: Duration::from_secs(60),
            suppress: 3500,
            reuse: 1000,
            longest: Duration::from_secs(240),
        }
    }
}

/// What follows when a relay is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FailBack {
    /// It is as before.
    #[default]
    Auto,
    /// It stands by as degraded until the operator lets it back ([`super::super::Input::FailBack`]), so that calls
    /// move once and not twice. A relay that has just started is not held back.
    Manual,
}

/// What a relay does that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnDown {
    /// It announces nothing.
    #[default]
    Withdraw,
    /// It announces with the attributes of last resort, which any relay that is well beats, unless it knows that
    /// another one announces.
    LastResort,
}
