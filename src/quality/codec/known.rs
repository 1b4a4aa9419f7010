//! Codecs by name, with the figures that are known of them.

use std::time::Duration;

use super::{Basis, Codec, Impairment, Media, Model, Role};

/// One of them, as a constant can hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    media: Media,
    role: Role,
    clock_rate: Option<u32>,
    impairment: Option<Impairment>,
    frame: Duration,
    lookahead: Duration,
}

impl Known {
    pub(super) fn codec(&self) -> Codec {
        Codec {
            name: self.name.into(),
            media: self.media,
            role: self.role,
            clock_rate: self.clock_rate,
            impairment: self.impairment,
            frame: self.frame,
            lookahead: self.lookahead,
        }
    }

    const fn rated(self, model: Model, basis: Basis, ie: f64, bpl: f64) -> Self {
        Self { impairment: Some(Impairment { model, basis, ie, bpl }), ..self }
    }

    const fn lookahead(self, micros: u64) -> Self {
        Self { lookahead: Duration::from_micros(micros), ..self }
    }

    const fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }
}

pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// WebRTC and telephones send 20 ms at a time.
const FRAME: Duration = Duration::from_millis(20);

const fn audio(name: &'static str, clock_rate: u32) -> Known {
    Known {
        name,
        media: Media::Audio,
        role: Role::Primary,
        clock_rate: Some(clock_rate),
        impairment: None,
        frame: FRAME,
        lookahead: Duration::ZERO,
    }
}

const fn video(name: &'static str) -> Known {
    Known { media: Media::Video, frame: Duration::ZERO, ..audio(name, 90_000) }
}

const fn evs(name: &'static str, ie: f64, bpl: f64) -> Known {
    audio(name, 16_000).lookahead(12_000).rated(Model::Fullband, Basis::Itu, ie, bpl)
}

/// Every name once. G.711 is that of WebRTC, whose receivers conceal losses; without that its Bpl is 4.3.
///
/// G.722 has a published Ie of 13 (wideband) but no Bpl that could be verified, so it has no impairment. No value of
/// the ITU-T exists for Opus: 10.2 / 10 is a stand-in. RED is taken to carry Opus, as in WebRTC, and to repair
/// nothing, since what it repairs is encrypted: with loss, its rating is the least it can be.
pub(super) const KNOWN: &[Known] = &[
    audio("pcmu", 8_000).rated(Model::Narrowband, Basis::Itu, 0.0, 25.1),
    audio("pcma", 8_000).rated(Model::Narrowband, Basis::Itu, 0.0, 25.1),
    audio("g722", 8_000).lookahead(1_500),
    audio("g723", 8_000),
    audio("g728", 8_000),
    audio("g729", 8_000).lookahead(5_000).rated(Model::Narrowband, Basis::Itu, 11.0, 19.0),
    audio("gsm", 8_000),
    audio("gsm-efr", 8_000).rated(Model::Narrowband, Basis::Itu, 5.0, 10.0),
    audio("lpc", 8_000),
    audio("qcelp", 8_000),
    audio("dvi4", 8_000),
    audio("l16", 44_100),
    audio("mpa", 90_000),
    audio("opus", 48_000).lookahead(6_500).rated(Model::Fullband, Basis::Proxy, 10.2, 10.0),
    audio("red", 48_000)
        .lookahead(6_500)
        .rated(Model::Fullband, Basis::Proxy, 10.2, 10.0)
        .role(Role::Redundant),
    evs("evs-swb-16.4", 10.8, 10.3),
    evs("evs-swb-24.4", 7.2, 11.4),
    evs("evs-swb-32", 8.7, 9.3),
    evs("evs-swb-48", 10.2, 9.6),
    audio("cn", 8_000).role(Role::ComfortNoise),
    audio("telephone-event", 8_000).role(Role::TelephoneEvent),
    video("vp8"),
    video("vp9"),
    video("av1"),
    video("h261"),
    video("h263"),
    video("h264"),
    video("h265"),
    video("jpeg"),
    video("mpeg"),
    video("mp2t"),
    video("celb"),
    video("nv"),
    video("rtx").role(Role::Retransmission),
    video("ulpfec").role(Role::Fec),
    video("flexfec").role(Role::Fec),
];
