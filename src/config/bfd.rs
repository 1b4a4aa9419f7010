//! `bfd = { … }` of a neighbour, and `[bfd]`: how fast the loss of a relay is noticed.

use std::time::Duration;

use serde::Serialize;

use super::reader::Section;
use super::values::Period;
use crate::announce::bfd::Settings;

/// Nothing is faster than the timers of a shared machine.
const FASTEST: Duration = Duration::from_millis(10);
const SLOWEST: Duration = Duration::from_secs(60);

/// `[bfd]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bfd {
    /// A worker that is silent for longer takes every session down.
    pub heartbeat_timeout: Period,
}

impl Default for Bfd {
    fn default() -> Self {
        Self { heartbeat_timeout: Period(Duration::from_millis(200)) }
    }
}

impl Bfd {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("heartbeat_timeout", &mut out.heartbeat_timeout);
        if out.heartbeat_timeout.0 < Duration::from_millis(50) {
            section.error("heartbeat_timeout", "expected at least 50ms: a busy worker is not a hung one");
        }
        section.finish();
        out
    }
}

/// `bfd` of a `[[bgp.neighbor]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighborBfd {
    /// How often to send.
    pub transmit: Period,
    /// How often to hear at most.
    pub receive: Period,
    /// How many packets may be missing.
    pub multiplier: u8,
    /// Whether there are routers between (RFC 5883).
    pub multihop: bool,
}

impl Default for NeighborBfd {
    fn default() -> Self {
        let Settings { transmit, receive, multiplier } = Settings::default();
        Self { transmit: Period(transmit), receive: Period(receive), multiplier, multihop: false }
    }
}

impl NeighborBfd {
    /// `true`, `false`, or a table.
    pub(super) fn read(neighbor: &mut Section<'_>) -> Option<Self> {
        if !neighbor.is_table("bfd") {
            return neighbor.optional("bfd").and_then(|wanted: bool| wanted.then(Self::default));
        }
        let mut section = neighbor.section("bfd");
        let mut out = Self::default();
        for (key, target) in [("transmit", &mut out.transmit), ("receive", &mut out.receive)] {
            section.read(key, target);
            if !(FASTEST..=SLOWEST).contains(&target.0) {
                section.error(key, format!("expected from {} to {}", Period(FASTEST), Period(SLOWEST)));
            }
        }
        section.integer("multiplier", 1..=255, &mut out.multiplier);
        if out.multiplier < 3 {
            section.warn("multiplier", "fewer than 3: a lost packet or two take the routes away");
        }
        section.read("multihop", &mut out.multihop);
        section.finish();
        Some(out)
    }
}
