//! `[capacity]` and `[alerts]`: what the relay can carry, and what operators want to be told.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::Config;
use super::reader::Section;
use super::values::{BitRate, Period};
use crate::control::watch::{CapacityLimits, Thresholds, WatchSettings};

/// `[capacity]`: what is not written is measured, or not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Capacity {
    /// Allocations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Of what comes from clients and peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<BitRate>,
    /// Packets per second from clients and peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u32>,
}

impl Capacity {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut number = |key| {
            let mut number = 0;
            section.integer(key, 1..=u32::MAX, &mut number);
            (number > 0).then_some(number)
        };
        let (sessions, packets) = (number("sessions"), number("packets"));
        let bandwidth = section.optional("bandwidth");
        section.finish();
        Self { sessions, bandwidth, packets }
    }
}

/// `[alerts]`: from where on something is worth one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alerts {
    /// Percent that is free of whatever is scarcest.
    pub headroom: f64,
    /// The same, when it is critical; the relay is not ready for new calls then.
    pub headroom_critical: f64,
    /// Percent of their time in which voices of a leg are poor.
    pub poor_calls: f64,
    /// The mean round trip of a leg.
    pub rtt: Period,
    /// The mean jitter of a leg.
    pub jitter: Period,
    /// Percent of allocations that are refused.
    pub refused: f64,
    /// Percent of logins of new calls that fail.
    pub failed_logins: f64,
    /// Ends of a neighbour's sessions within ten minutes.
    pub flaps: u16,
    /// How long a neighbour is without a session.
    pub session_down: Period,
    /// Days that a certificate is still good for.
    pub certificate_days: u16,
}

impl Default for Alerts {
    fn default() -> Self {
        let thresholds = Thresholds::default();
        Self {
            headroom: thresholds.headroom,
            headroom_critical: thresholds.headroom_critical,
            poor_calls: thresholds.poor_calls,
            rtt: Period(thresholds.rtt),
            jitter: Period(thresholds.jitter),
            refused: thresholds.refused,
            failed_logins: thresholds.failed_logins,
            flaps: u16::try_from(thresholds.flaps).unwrap_or(u16::MAX),
            session_down: Period(thresholds.session_down),
            certificate_days: thresholds.certificate_days,
        }
    }
}

/// Of a share that there is.
const PERCENT: RangeInclusive<f64> = 0.0..=100.0;
/// Of a share that there may be none of.
const SOME_PERCENT: RangeInclusive<f64> = 0.1..=100.0;

impl Alerts {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        for (key, range, target) in [
            ("headroom", PERCENT, &mut out.headroom),
            ("headroom_critical", PERCENT, &mut out.headroom_critical),
            ("poor_calls", SOME_PERCENT, &mut out.poor_calls),
            ("refused", SOME_PERCENT, &mut out.refused),
            ("failed_logins", SOME_PERCENT, &mut out.failed_logins),
        ] {
            *target = section.number(key, range).unwrap_or(*target);
        }
        for (key, target) in [("rtt", &mut out.rtt), ("jitter", &mut out.jitter)] {
            section.read(key, target);
            section.refuse_zero(key, *target);
        }
        section.read("session_down", &mut out.session_down);
        section.integer("flaps", 1..=1_000, &mut out.flaps);
        section.integer("certificate_days", 0..=3_650, &mut out.certificate_days);
        if out.headroom_critical > out.headroom {
            section.error("headroom_critical", format!("is more than headroom, {}", out.headroom));
        }
        section.finish();
        out
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            headroom: self.headroom,
            headroom_critical: self.headroom_critical,
            poor_calls: self.poor_calls,
            rtt: self.rtt.0,
            jitter: self.jitter.0,
            refused: self.refused,
            failed_logins: self.failed_logins,
            flaps: self.flaps.into(),
            session_down: self.session_down.0,
            certificate_days: self.certificate_days,
            ..Thresholds::default()
        }
    }
}

impl Config {
    /// What the relay is watched by. `name` is what it is called if the configuration gives it no name.
    #[must_use]
    pub fn watch_settings(&self, name: &str) -> WatchSettings {
        let Capacity { sessions, bandwidth, packets } = &self.capacity;
        // What a load test has found is what there is.
        let packets = packets.or(self.health.packets.per_second);
        WatchSettings {
            name: self.server.name.clone().unwrap_or_else(|| name.to_owned()),
            limits: CapacityLimits {
                sessions: sessions.map(u64::from),
                bits_per_second: bandwidth.map(|bandwidth| bandwidth.0),
                packets_per_second: packets.map(u64::from),
            },
            thresholds: self.alerts.thresholds(),
        }
    }

    /// What relayed packets leave with that come with this DSCP; none where listeners differ in that.
    #[must_use]
    pub fn leaving_dscp(&self, dscp: u8) -> Option<u8> {
        let has_own = self.listener.iter().any(|listener| listener.dscp.is_some());
        (!has_own && dscp < 64).then(|| self.media.dscp.apply(dscp << 2) >> 2)
    }
}
