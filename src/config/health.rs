//! `[health]`: what is looked at to know whether the relay can carry calls, and what follows from it.

mod kinds;
mod own;

use serde::{Serialize, Serializer};

pub use kinds::{Certificates, ClockSteps, Limit, MediaQuality, Mos, Pace, Packets};
#[cfg(test)]
pub(super) use own::is_built_in;
pub use own::{Hook, OwnCheck, OwnProbe};

use super::notation::word;
use super::reader::Section;
use super::values::{Period, Words};
use crate::announce::health::{self as judged, CheckSettings};

/// `[health]`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Whether there are checks.
    #[serde(serialize_with = "word")]
    pub enabled: Enabled,
    /// From one run of a check to the next.
    pub interval: Period,
    /// The same while what it says contradicts what it counts as.
    pub fast_interval: Period,
    /// A run without an answer by then is a bad one.
    pub timeout: Period,
    /// Good runs in a row until a failed check counts as passed.
    pub rise: u8,
    /// Bad runs in a row until a passed check counts as failed.
    pub fall: u8,
    /// The weight of failed checks from which on the relay is degraded.
    pub degraded_at: u16,
    /// The same, for down.
    pub down_at: u16,
    /// The least time between two changes among the states that announce.
    pub hold_up: Period,
    /// The least time that the relay stays down.
    pub hold_down: Period,
    /// What flapping costs.
    pub damping: Damping,
    /// A call through the relay's own listeners.
    pub self_test: Pace,
    /// Whether the workers answer.
    pub workers: Pace,
    /// What is lost in our own queues.
    pub queue_loss: Limit,
    /// How busy the workers are.
    pub load: Limit,
    /// Packets per second, of what the machine can do.
    pub packets: Packets,
    /// Relayed ports left.
    pub ports: Limit,
    /// Room left below `limits.max_allocations`.
    pub quota: Limit,
    /// Days that certificates are still good for.
    pub certificates: Certificates,
    /// Whether the clock jumps.
    pub clock: ClockSteps,
    /// How good the calls are.
    pub quality: MediaQuality,
    /// The operator's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub check: Vec<OwnCheck>,
    /// Commands that are run when the state changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hook: Vec<Hook>,
}

impl Default for Health {
    fn default() -> Self {
        let CheckSettings { rise, fall, interval, fast_interval, timeout, .. } = CheckSettings::default();
        let judged = judged::Settings::default();
        let pace = Pace {
            enabled: true,
            weight: CheckSettings::default().weight,
            rise,
            fall,
            interval: Period(interval),
            fast_interval: Period(fast_interval),
            timeout: Period(timeout),
        };
        Self {
            enabled: Enabled::Auto,
            interval: pace.interval,
            fast_interval: pace.fast_interval,
            timeout: pace.timeout,
            rise,
            fall,
            degraded_at: judged.degraded_at,
            down_at: judged.down_at,
            hold_up: Period(judged.hold_up),
            hold_down: Period(judged.hold_down),
            damping: Damping(judged.damping),
            self_test: pace.clone(),
            workers: pace.clone(),
            queue_loss: Limit::new(&pace, kinds::QUEUE_LOSS),
            load: Limit::new(&pace, kinds::LOAD),
            packets: Packets::new(&pace),
            ports: Limit::new(&pace, kinds::PORTS),
            quota: Limit::new(&pace, kinds::QUOTA),
            certificates: Certificates::new(&pace),
            clock: ClockSteps::new(&pace),
            quality: MediaQuality::new(&pace),
            check: Vec::new(),
            hook: Vec::new(),
        }
    }
}

impl Health {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("enabled", &mut out.enabled);
        let base = out.read_base(&mut section);
        out.read_judgement(&mut section);
        out.self_test = Pace::read_section(section.section("self_test"), &base);
        out.workers = Pace::read_section(section.section("workers"), &base);
        out.queue_loss = Limit::read(section.section("queue_loss"), &base, kinds::QUEUE_LOSS);
        out.load = Limit::read(section.section("load"), &base, kinds::LOAD);
        out.packets = Packets::read(section.section("packets"), &base);
        out.ports = Limit::read(section.section("ports"), &base, kinds::PORTS);
        out.quota = Limit::read(section.section("quota"), &base, kinds::QUOTA);
        out.certificates = Certificates::read(section.section("certificates"), &base);
        out.clock = ClockSteps::read(section.section("clock"), &base);
        out.quality = MediaQuality::read(section.section("quality"), &base);
        let checks = section.sections("check").into_iter();
        out.check = checks.filter_map(|check| OwnCheck::read(check, &base)).collect();
        out.hook = section.sections("hook").into_iter().filter_map(Hook::read).collect();
        for (index, check) in out.check.iter().enumerate() {
            if out.check.iter().take(index).any(|earlier| earlier.name == check.name) {
                section.error("check", format!("name {:?} is there twice", check.name));
            }
        }
        section.finish();
        out
    }

    /// What every check has that says nothing of its own.
    fn read_base(&mut self, section: &mut Section<'_>) -> Pace {
        let mut base = self.self_test.clone();
        base.read_times(section);
        (self.rise, self.fall) = (base.rise, base.fall);
        (self.interval, self.fast_interval, self.timeout) = (base.interval, base.fast_interval, base.timeout);
        base
    }

    fn read_judgement(&mut self, section: &mut Section<'_>) {
        section.integer("degraded_at", 1..=u16::MAX, &mut self.degraded_at);
        section.integer("down_at", 1..=u16::MAX, &mut self.down_at);
        if self.down_at < self.degraded_at {
            section.error("down_at", format!("is less than degraded_at, {}", self.degraded_at));
        }
        section.read("hold_up", &mut self.hold_up);
        section.read("hold_down", &mut self.hold_down);
        self.damping = Damping::read(section);
    }

    /// How the outcome of checks is judged, besides the checks themselves.
    #[must_use]
    pub fn judgement(&self) -> judged::Settings {
        judged::Settings {
            degraded_at: self.degraded_at,
            down_at: self.down_at,
            hold_up: self.hold_up.0,
            hold_down: self.hold_down.0,
            damping: self.damping.0,
            ..judged::Settings::default()
        }
    }
}

/// Whether there are checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Where there are neighbours.
    Auto,
    /// Always.
    On,
    /// Never: the relay counts as healthy as long as it runs.
    Off,
}

impl Words for Enabled {
    const EXPECTED: &'static str = "\"auto\" (where there are BGP neighbors), \"on\" or \"off\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("on", Self::On), ("off", Self::Off)];
}

/// What flapping costs; nothing if it is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damping(pub Option<judged::Damping>);

impl Damping {
    /// `true`, `false`, or a table.
    fn read(health: &mut Section<'_>) -> Self {
        if !health.is_table("damping") {
            let wanted = health.optional("damping").unwrap_or(true);
            return Self(wanted.then(judged::Damping::default));
        }
        let mut section = health.section("damping");
        let mut out = judged::Damping::default();
        section.integer("penalty", 1..=1_000_000, &mut out.penalty);
        section.integer("suppress", 1..=10_000_000, &mut out.suppress);
        section.integer("reuse", 1..=10_000_000, &mut out.reuse);
        for (key, target) in [("half_life", &mut out.half_life), ("longest", &mut out.longest)] {
            let mut period = Period(*target);
            section.read(key, &mut period);
            section.refuse_zero(key, period);
            *target = period.0;
        }
        if out.reuse >= out.suppress {
            section.error("reuse", format!("expected less than suppress, which is {}", out.suppress));
        }
        section.finish();
        Self(Some(out))
    }
}

impl Serialize for Damping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let Some(damping) = self.0 else { return serializer.serialize_bool(false) };
        let mut out = serializer.serialize_map(Some(5))?;
        out.serialize_entry("penalty", &damping.penalty)?;
        out.serialize_entry("half_life", &Period(damping.half_life))?;
        out.serialize_entry("suppress", &damping.suppress)?;
        out.serialize_entry("reuse", &damping.reuse)?;
        out.serialize_entry("longest", &Period(damping.longest))?;
        out.end()
    }
}
