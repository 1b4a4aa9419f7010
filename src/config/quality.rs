//! `[quality]`: how good the calls are, what is assumed for it, and where that is written.

mod codec;

use std::path::PathBuf;

use serde::Serialize;

pub use codec::QualityCodec;

use super::dscp::Dscp;
use super::reader::{FromNode, Section, text};
use super::tree::Node;
use super::values::{Period, Words};
use crate::quality::codec::Codecs;
use crate::quality::{JitterBuffer, Settings};

/// `[quality]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Whether media is looked at.
    pub enabled: bool,
    /// How long the receivers are taken to wait for what is late.
    #[serde(serialize_with = "jitter_buffer")]
    pub jitter_buffer: JitterBuffer,
    /// How those who send mark voice, as far as the operator knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_dscp: Option<Dscp>,
    /// Where a call's record goes at its end.
    pub records: Records,
    /// How far back the ten-second intervals of a call are kept.
    pub history: Period,
    /// What payload types stand for, besides the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codec: Vec<QualityCodec>,
}

/// An interval, in seconds.
const INTERVAL: u64 = 10;
/// The longest history, in seconds.
const HISTORY_MAX: u64 = Settings::HISTORY_MAX as u64 * INTERVAL;

impl Default for Quality {
    fn default() -> Self {
        Self {
            enabled: true,
            jitter_buffer: JitterBuffer::default(),
            expected_dscp: None,
            records: Records::Log,
            history: Period::secs(HISTORY_MAX),
            codec: Vec::new(),
        }
    }
}

impl Quality {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("enabled", &mut out.enabled);
        section.read("jitter_buffer", &mut out.jitter_buffer);
        out.expected_dscp = section.optional("expected_dscp");
        if out.expected_dscp == Some(Dscp(0)) {
            section.error("expected_dscp", "0 is no mark, so nothing could be missed; leave the key out");
        }
        section.read("records", &mut out.records);
        section.read("history", &mut out.history);
        if out.history.0.as_millis() > u128::from(HISTORY_MAX) * 1_000 {
            section.error("history", format!("expected at most {}", Period::secs(HISTORY_MAX)));
        }
        out.codec = section.sections("codec").into_iter().filter_map(QualityCodec::read).collect();
        out.refuse_twins(&section);
        section.finish();
        out
    }

    fn refuse_twins(&self, section: &Section<'_>) {
        for (index, codec) in self.codec.iter().enumerate() {
            if self.codec.iter().take(index).any(|earlier| earlier.payload_type == codec.payload_type) {
                section.error("codec", format!("payload_type {} stands twice", codec.payload_type));
            }
        }
    }

    /// What sessions are told; nothing if media is not looked at.
    #[must_use]
    pub fn settings(&self) -> Option<Settings> {
        self.enabled.then(|| Settings {
            codecs: Codecs::with(self.codec.iter().map(|own| (own.payload_type, own.codec()))),
            jitter_buffer: self.jitter_buffer,
            expected_dscp: self.expected_dscp.map(|dscp| dscp.0),
            history: usize::try_from(self.history.0.as_secs() / INTERVAL).unwrap_or(usize::MAX),
        })
    }
}

impl Words for JitterBuffer {
    const EXPECTED: &'static str = "\"40ms\", \"60ms\", \"100ms\" or \"200ms\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Ms40.name(), Self::Ms40),
        (Self::Ms60.name(), Self::Ms60),
        (Self::Ms100.name(), Self::Ms100),
        (Self::Ms200.name(), Self::Ms200),
    ];
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn jitter_buffer<S: serde::Serializer>(depth: &JitterBuffer, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(depth.name())
}

/// Where one JSON object per call goes, when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// Nowhere.
    Off,
    /// Into the log.
    #[default]
    Log,
    /// To the end of a file, one line each.
    File(PathBuf),
}

impl FromNode for Records {
    const EXPECTED: &'static str = "\"log\", \"off\" or the path of a file";

    fn from_node(node: &Node) -> Option<Self> {
        match text(node)?.trim() {
            "" => None,
            "off" => Some(Self::Off),
            "log" => Some(Self::Log),
            path => Some(Self::File(path.into())),
        }
    }
}

impl Serialize for Records {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Log => serializer.serialize_str("log"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}
