//! `[media]`, `[streams]` and `[dtls]`: how packets leave, and what connections may cost.

use serde::Serialize;

use super::dscp;
use super::reader::Section;
use super::values::{Period, Words};
use crate::worker::{DscpPolicy, DtlsSettings, EcnPolicy, MediaSettings, StreamSettings};

/// `[media]`: the IP header of relayed packets, and their way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Media {
    /// `"copy"`, a DSCP or a map of them, from UDP to UDP.
    #[serde(serialize_with = "dscp::write")]
    pub dscp: DscpPolicy,
    /// `"copy"` or `"clear"`, from UDP to UDP.
    #[serde(serialize_with = "ecn")]
    pub ecn: EcnPolicy,
    /// The same, from a stream to UDP; `"copy"` is as the connection came.
    #[serde(serialize_with = "dscp::write")]
    pub stream_dscp: DscpPolicy,
    /// Of packets that came over a stream.
    pub hop_limit: u8,
    /// Whether media between two clients of this relay stays within the process.
    pub shortcut: bool,
}

impl Default for Media {
    fn default() -> Self {
        let MediaSettings { dscp, ecn, stream_dscp, hop_limit, shortcut } = MediaSettings::default();
        Self { dscp, ecn, stream_dscp, hop_limit, shortcut }
    }
}

impl Media {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        out.dscp = dscp::read(&mut section, "dscp").unwrap_or(out.dscp);
        section.read("ecn", &mut out.ecn);
        out.stream_dscp = dscp::read(&mut section, "stream_dscp").unwrap_or(out.stream_dscp);
        section.integer("hop_limit", 1..=255, &mut out.hop_limit);
        section.read("shortcut", &mut out.shortcut);
        section.finish();
        out
    }

    /// As the workers take it.
    #[must_use]
    pub const fn settings(&self) -> MediaSettings {
        MediaSettings {
            dscp: self.dscp,
            ecn: self.ecn,
            stream_dscp: self.stream_dscp,
            hop_limit: self.hop_limit,
            shortcut: self.shortcut,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn ecn<S: serde::Serializer>(policy: &EcnPolicy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match policy {
        EcnPolicy::Copy => "copy",
        EcnPolicy::Clear => "clear",
    })
}

impl Words for EcnPolicy {
    const EXPECTED: &'static str = "\"copy\" or \"clear\"";
    const WORDS: &'static [(&'static str, Self)] = &[("copy", Self::Copy), ("clear", Self::Clear)];
}

/// `[streams]`: what a TCP or TLS client may cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Streams {
    /// From accepting a connection to its first message, handshakes included.
    pub first_message_timeout: Period,
    /// Silence after which a connection without an allocation is closed.
    pub idle_timeout: Period,
    /// Per worker.
    pub max_connections: usize,
    /// From one source address without an allocation, DTLS sessions included, per worker.
    pub max_connections_per_source: u32,
    /// What may wait for one slow reader, in bytes.
    pub queue_bytes: usize,
    /// Media that waited longer is dropped.
    pub media_deadline: Period,
}

impl Default for Streams {
    fn default() -> Self {
        let settings = StreamSettings::default();
        Self {
            first_message_timeout: Period(settings.first_message),
            idle_timeout: Period(settings.idle),
            max_connections: settings.connections,
            max_connections_per_source: settings.per_source,
            queue_bytes: settings.queue_bytes,
            media_deadline: Period(settings.media_deadline),
        }
    }
}

impl Streams {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("first_message_timeout", &mut out.first_message_timeout);
        section.read("idle_timeout", &mut out.idle_timeout);
        section.integer("max_connections", 1..=10_000_000, &mut out.max_connections);
        section.integer("max_connections_per_source", 1..=1_000_000, &mut out.max_connections_per_source);
        section.integer("queue_bytes", 65_536..=67_108_864, &mut out.queue_bytes);
        section.read("media_deadline", &mut out.media_deadline);
        section.refuse_zero("first_message_timeout", out.first_message_timeout);
        section.refuse_zero("idle_timeout", out.idle_timeout);
        section.refuse_zero("media_deadline", out.media_deadline);
        section.finish();
        out
    }

    /// As the workers take it.
    #[must_use]
    pub const fn settings(&self) -> StreamSettings {
        StreamSettings {
            first_message: self.first_message_timeout.0,
            idle: self.idle_timeout.0,
            connections: self.max_connections,
            per_source: self.max_connections_per_source,
            queue_bytes: self.queue_bytes,
            media_deadline: self.media_deadline.0,
        }
    }
}

/// `[dtls]`: what DTLS clients may cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dtls {
    /// Under way at a time, per worker.
    pub max_handshakes: usize,
    /// Handshakes included, per worker.
    pub max_sessions: usize,
    /// For a handshake.
    pub handshake_timeout: Period,
    /// Silence after which a session without an allocation is closed.
    pub idle_timeout: Period,
}

impl Default for Dtls {
    fn default() -> Self {
        let settings = DtlsSettings::default();
        Self {
            max_handshakes: settings.handshakes,
            max_sessions: settings.sessions,
            handshake_timeout: Period(settings.handshake),
            idle_timeout: Period(settings.idle),
        }
    }
}

impl Dtls {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.integer("max_handshakes", 1..=1_000_000, &mut out.max_handshakes);
        section.integer("max_sessions", 1..=10_000_000, &mut out.max_sessions);
        section.read("handshake_timeout", &mut out.handshake_timeout);
        section.read("idle_timeout", &mut out.idle_timeout);
        section.refuse_zero("handshake_timeout", out.handshake_timeout);
        section.refuse_zero("idle_timeout", out.idle_timeout);
        section.finish();
        out
    }

    /// As the workers take it.
    #[must_use]
    pub const fn settings(&self) -> DtlsSettings {
        DtlsSettings {
            handshakes: self.max_handshakes,
            sessions: self.max_sessions,
            handshake: self.handshake_timeout.0,
            idle: self.idle_timeout.0,
        }
    }
}
