//! The checks that the relay brings along: when each runs, what it weighs, and from where on it complains.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::reader::{FromNode, Section};
use super::super::tree::Node;
use super::super::values::Period;
use crate::announce::health::CheckSettings;

/// When a check runs and what it weighs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pace {
    /// Whether it runs.
    pub enabled: bool,
    /// What its failure counts.
    pub weight: u16,
    /// Good runs in a row until it counts as passed.
    pub rise: u8,
    /// Bad runs in a row until it counts as failed.
    pub fall: u8,
    /// From one run to the next.
    pub interval: Period,
    /// The same while it contradicts what it counts as.
    pub fast_interval: Period,
    /// A run without an answer by then is a bad one.
    pub timeout: Period,
}

/// What says that the relay works worse, and not that it does not work: all of them together do not take it down.
const LIGHT: u16 = 10;

impl Pace {
    /// What neither takes a relay down by itself nor changes from one second to the next.
    fn slow(&self) -> Self {
        let interval = Period(self.interval.0.max(Duration::from_secs(10)));
        Self {
            weight: LIGHT,
            interval,
            fast_interval: Period(self.fast_interval.0.max(Duration::from_secs(1))),
            ..self.clone()
        }
    }

    fn light(&self) -> Self {
        Self { weight: LIGHT, ..self.clone() }
    }

    pub(super) fn read_section(mut section: Section<'_>, base: &Self) -> Self {
        let mut out = base.clone();
        out.read(&mut section);
        section.finish();
        out
    }

    /// Overwrites what somebody wrote.
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.read("enabled", &mut self.enabled);
        section.integer("weight", 0..=10_000, &mut self.weight);
        self.read_times(section);
    }

    pub(super) fn read_times(&mut self, section: &mut Section<'_>) {
        section.integer("rise", 1..=100, &mut self.rise);
        section.integer("fall", 1..=100, &mut self.fall);
        for (key, target) in [
            ("interval", &mut self.interval),
            ("fast_interval", &mut self.fast_interval),
            ("timeout", &mut self.timeout),
        ] {
            section.read(key, target);
            if !(Duration::from_millis(50)..=Duration::from_secs(3_600)).contains(&target.0) {
                section.error(key, "expected from 50ms to 1h");
            }
        }
        if self.fast_interval > self.interval {
            section.error("fast_interval", format!("is more than interval, {}", self.interval));
        }
    }

    /// As the announcer takes it.
    #[must_use]
    pub fn settings(&self, name: impl Into<Box<str>>) -> CheckSettings {
        CheckSettings {
            name: name.into(),
            rise: self.rise,
            fall: self.fall,
            interval: self.interval.0,
            fast_interval: self.fast_interval.0,
            timeout: self.timeout.0,
            weight: self.weight,
        }
    }
}

/// A limit in percent: its key, its default.
pub(super) type Percent = (&'static str, u8);

/// Packets lost in our own queues.
pub(super) const QUEUE_LOSS: Percent = ("percent", 1);
/// Of a worker's time.
pub(super) const LOAD: Percent = ("busy", 95);
/// Of all ports.
pub(super) const PORTS: Percent = ("free", 5);
/// Of the quota.
pub(super) const QUOTA: Percent = ("free", 5);

/// A check with one limit, in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// When and how much.
    pub pace: Pace,
    /// From where on it complains.
    pub percent: u8,
    key: &'static str,
}

impl Limit {
    pub(super) fn new(base: &Pace, (key, percent): Percent) -> Self {
        Self { pace: base.light(), percent, key }
    }

    pub(super) fn read(mut section: Section<'_>, base: &Pace, default: Percent) -> Self {
        let mut out = Self::new(base, default);
        out.pace.read(&mut section);
        section.integer(default.0, 1..=100, &mut out.percent);
        section.finish();
        out
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { pace, percent, key } = self;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("enabled", &pace.enabled)?;
        out.serialize_entry("weight", &pace.weight)?;
        out.serialize_entry("rise", &pace.rise)?;
        out.serialize_entry("fall", &pace.fall)?;
        out.serialize_entry("interval", &pace.interval)?;
        out.serialize_entry("fast_interval", &pace.fast_interval)?;
        out.serialize_entry("timeout", &pace.timeout)?;
        out.serialize_entry(key, percent)?;
        out.end()
    }
}

/// `[health.packets]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packets {
    /// When and how much.
    #[serde(flatten)]
    pub pace: Pace,
    /// What the machine can do, as a load test has found; without it nothing is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
}

impl Packets {
    pub(super) fn new(base: &Pace) -> Self {
        Self { pace: base.light(), per_second: None }
    }

    pub(super) fn read(mut section: Section<'_>, base: &Pace) -> Self {
        let mut out = Self::new(base);
        out.pace.read(&mut section);
        if section.is_written_key("per_second") {
            let mut rate = 0;
            section.integer("per_second", 1..=u32::MAX, &mut rate);
            out.per_second = Some(rate);
        }
        section.finish();
        out
    }
}

/// `[health.certificates]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificates {
    /// When and how much.
    #[serde(flatten)]
    pub pace: Pace,
    /// How long they must be good for.
    pub days: u16,
}

impl Certificates {
    pub(super) fn new(base: &Pace) -> Self {
        Self { pace: base.slow(), days: 3 }
    }

    pub(super) fn read(mut section: Section<'_>, base: &Pace) -> Self {
        let mut out = Self::new(base);
        out.pace.read(&mut section);
        section.integer("days", 0..=365, &mut out.days);
        section.finish();
        out
    }
}

/// `[health.clock]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockSteps {
    /// When and how much.
    #[serde(flatten)]
    pub pace: Pace,
    /// How far it may jump.
    pub step: Period,
}

impl ClockSteps {
    pub(super) fn new(base: &Pace) -> Self {
        Self { pace: base.light(), step: Period::secs(5) }
    }

    pub(super) fn read(mut section: Section<'_>, base: &Pace) -> Self {
        let mut out = Self::new(base);
        out.pace.read(&mut section);
        section.read("step", &mut out.step);
        if out.step < Period::secs(1) {
            section.error("step", "expected at least 1s: clocks are put right by less all the time");
        }
        section.finish();
        out
    }
}

/// A rating at which one category of G.109 ends and the next begins, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mos(u16);

impl Mos {
    const LIMITS: [u16; 5] = [258, 310, 360, 403, 434];

    /// As checks take it.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl FromNode for Mos {
    const EXPECTED: &'static str = "one of the limits of G.109: 2.58, 3.1, 3.6, 4.03 or 4.34";

    fn from_node(node: &Node) -> Option<Self> {
        let mos = f64::from_node(node)?;
        Self::LIMITS.into_iter().find(|limit| (f64::from(*limit) / 100.0 - mos).abs() < 1e-6).map(Self)
    }
}

impl Serialize for Mos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

/// `[health.quality]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediaQuality {
    /// When and how much.
    #[serde(flatten)]
    pub pace: Pace,
    /// Time of a voice that is rated below is bad.
    pub mos: Mos,
    /// How many percent of their time may be bad.
    pub percent: u8,
    /// With fewer calls nothing is said.
    pub least: u32,
}

impl MediaQuality {
    /// Off: a bad path of some clients must not empty a healthy region.
    pub(super) fn new(base: &Pace) -> Self {
        Self { pace: Pace { enabled: false, ..base.slow() }, mos: Mos(310), percent: 50, least: 20 }
    }

    pub(super) fn read(mut section: Section<'_>, base: &Pace) -> Self {
        let mut out = Self::new(base);
        out.pace.read(&mut section);
        section.read("mos", &mut out.mos);
        section.integer("percent", 1..=100, &mut out.percent);
        section.integer("least", 1..=1_000_000, &mut out.least);
        section.finish();
        out
    }
}
