//! `[server]` and `[log]`.

use serde::Serialize;

use super::reader::Section;
use super::values::Words;

/// `[server]`: the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Server {
    /// Worker threads; 0 is one per core.
    pub workers: u8,
    /// This relay's number in the fleet, unique among relays that share nonce keys.
    pub relay_id: u16,
    /// What operators call it; the name of the machine if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sent as SOFTWARE to authenticated clients; nothing by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
}

impl Server {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.integer("workers", 0..=64, &mut out.workers);
        section.integer("relay_id", 0..=u16::MAX, &mut out.relay_id);
        out.name = section.optional("name");
        if out.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 64) {
            section.error("name", "expected 1 to 64 bytes; leave the key out for the name of the machine");
        }
        out.software = section.optional("software");
        if out.software.as_ref().is_some_and(|name| name.is_empty() || name.len() > 128) {
            section.error("software", "expected 1 to 128 bytes; leave the key out to send nothing");
        }
        section.finish();
        out
    }
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// What is worth a line.
    pub level: Level,
    /// For people or for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Auto }
    }
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("level", &mut out.level);
        section.read("format", &mut out.format);
        section.finish();
        out
    }
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The relay, or a part of it, does not work.
    Error,
    /// Somebody should look.
    Warn,
    /// Starts, stops, reloads.
    Info,
    /// Each call; clients' addresses appear from here on.
    Debug,
    /// Each packet.
    Trace,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// As the user writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Words for Level {
    const EXPECTED: &'static str = "a level: \"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl Words for LogFormat {
    const EXPECTED: &'static str = "a format: \"auto\", \"human\" or \"json\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json)];
}
