//! `[announce]`: which prefixes the network hears of, with what in which state, and what happens when the relay is down.

mod rung;

use serde::Serialize;

pub use rung::{Med, NextHops, Rung, Rungs};

use super::notation::{Text, word};
use super::problem::Place;
use super::reader::Section;
use super::values::{Period, Words};
use crate::announce::health::{FailBack, OnDown};
use crate::wire::bgp::Prefix;

/// Enough for the anycast addresses and relayed ranges of any relay.
const PREFIXES_MAX: usize = 64;

/// `[announce]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Announce {
    /// What a relay does that is down.
    #[serde(serialize_with = "word")]
    pub on_down: OnDown,
    /// What follows when it is well again.
    #[serde(serialize_with = "word")]
    pub fail_back: FailBack,
    /// How long the sessions stand after the withdrawal when the relay stops.
    pub linger: Period,
    /// What each state is announced with.
    #[serde(flatten)]
    pub rungs: Rungs,
    /// The prefixes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<AnnouncedPrefix>,
    /// Something here could not be read, so that nobody can say whether the rest fits neighbours.
    #[serde(skip)]
    pub(super) is_misread: bool,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            on_down: OnDown::default(),
            fail_back: FailBack::default(),
            linger: Period::secs(1),
            rungs: Rungs::standard(),
            prefix: Vec::new(),
            is_misread: false,
        }
    }
}

/// One prefix, with what is different about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnnouncedPrefix {
    /// The prefix.
    pub prefix: Text<Prefix>,
    /// Where packets to it shall go.
    #[serde(skip_serializing_if = "NextHops::is_empty")]
    pub next_hop: NextHops,
    /// What is different in each state.
    #[serde(flatten)]
    pub rungs: Rungs,
    /// Where it is written.
    #[serde(skip)]
    pub(super) place: Place,
}

impl Announce {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        let errors = section.errors();
        section.read("on_down", &mut out.on_down);
        section.read("fail_back", &mut out.fail_back);
        section.read("linger", &mut out.linger);
        if out.linger > Period::secs(60) {
            section.error("linger", "expected at most 1m: the relay ends only afterwards");
        }
        let rungs = Rungs::read(&mut section);
        if rungs.healthy.announce == Some(false) {
            section
                .warn("healthy", "announce = false: nothing is ever announced, whatever the relay's health");
        }
        out.rungs = rungs.over(&out.rungs);
        let place = section.place_of("prefixes");
        let listed = section.list("prefixes").unwrap_or_default();
        out.prefix.extend(listed.into_iter().map(|prefix| AnnouncedPrefix::new(prefix, place.clone())));
        out.prefix.extend(section.sections("prefix").into_iter().filter_map(AnnouncedPrefix::read));
        out.is_misread = section.errors() > errors;
        out.check(&section);
        section.finish();
        out
    }

    fn check(&self, section: &Section<'_>) {
        for (index, prefix) in self.prefix.iter().enumerate() {
            if self.prefix.iter().take(index).any(|earlier| earlier.prefix == prefix.prefix) {
                section.error("prefix", format!("{} is there twice", prefix.prefix));
            }
        }
        if self.prefix.len() > PREFIXES_MAX {
            section.error(
                "prefix",
                format!("there are more than {PREFIXES_MAX}; announce them as fewer, shorter ones"),
            );
        }
    }
}

impl AnnouncedPrefix {
    fn new(prefix: Text<Prefix>, place: Place) -> Self {
        Self { prefix, next_hop: NextHops::default(), rungs: Rungs::default(), place }
    }

    fn read(mut section: Section<'_>) -> Option<Self> {
        let prefix = section.required("prefix");
        let next_hop = NextHops::read(&mut section);
        let rungs = Rungs::read(&mut section);
        let place = section.place_of("prefix");
        section.finish();
        Some(Self { prefix: prefix?, next_hop, rungs, place })
    }
}

impl Words for OnDown {
    const EXPECTED: &'static str = "\"withdraw\" or \"last-resort\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("withdraw", Self::Withdraw), ("last-resort", Self::LastResort)];
}

impl Words for FailBack {
    const EXPECTED: &'static str = "\"auto\" or \"manual\"";
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("manual", Self::Manual)];
}
