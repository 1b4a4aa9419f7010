//! What a payload type number stands for: media, clock, and what the codec does to a voice.
//!
//! Owns the table from payload type to codec. A relay never sees the negotiation, so the table is an assumption: the
//! static numbers of RFC 3551, the usual ones of Chrome and Firefox, and what the operator says ([`Codecs::with`]). A
//! number that browsers give to several things is not in it: no codec is better than a wrong one.
//! Made by the configuration, read by sessions on the workers' threads, swapped whole on reload.

mod known;
mod numbers;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// What kind of media a codec carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// Voice and music.
    Audio,
    /// Pictures.
    Video,
    /// Neither, or unknown.
    Other,
}

impl Media {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Video, Self::Other];

    /// As metrics and the configuration have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Other => "other",
        }
    }
}

/// The E-model a codec is rated by, which is the scale of its rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// ITU-T G.107: telephone speech, 300 to 3,400 Hz.
    Narrowband,
    /// ITU-T G.107.1: up to 7 kHz.
    Wideband,
    /// ITU-T G.107.2: up to 20 kHz.
    Fullband,
}

impl Model {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Narrowband, Self::Wideband, Self::Fullband];

    /// As metrics and the configuration have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrowband => "g107",
            Self::Wideband => "g107.1",
            Self::Fullband => "g107.2",
        }
    }
}

/// Where a codec's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// Published by the ITU-T for this codec.
    Itu,
    /// An assumption: no figure has been published.
    Proxy,
}

impl Basis {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Itu, Self::Proxy];

    /// As metrics and the configuration have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Itu => "itu",
            Self::Proxy => "proxy",
        }
    }
}

/// What a codec does to a voice, in the terms of its E-model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// The scale that `ie` lies on.
    pub model: Model,
    /// Where the figures come from.
    pub basis: Basis,
    /// Points of R that the codec costs without any loss.
    pub ie: f64,
    /// How robust it is against random loss, in percent; more than 0, more is better.
    pub bpl: f64,
}

/// What packets of a payload type are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The media itself.
    Primary,
    /// The media with copies of earlier packets (RED, RFC 2198), under the SSRC of the media.
    Redundant,
    /// Sent again (RTX, RFC 4588), under an SSRC of its own.
    Retransmission,
    /// Silence, described (RFC 3389).
    ComfortNoise,
    /// Keys that were pressed (RFC 4733), under the SSRC of the voice; the timestamp stands still.
    TelephoneEvent,
    /// Forward error correction.
    Fec,
}

impl Role {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Primary,
        Self::Redundant,
        Self::Retransmission,
        Self::ComfortNoise,
        Self::TelephoneEvent,
        Self::Fec,
    ];

    /// As records and the configuration have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Redundant => "redundant",
            Self::Retransmission => "retransmission",
            Self::ComfortNoise => "comfort_noise",
            Self::TelephoneEvent => "telephone_event",
            Self::Fec => "fec",
        }
    }
}

/// One codec.
#[derive(Clone, Debug, PartialEq)]
pub struct Codec {
    /// As metrics have it: lower case, one of a few.
    pub name: Box<str>,
    /// What it carries.
    pub media: Media,
    /// What its packets are for.
    pub role: Role,
    /// Ticks of its timestamps per second; to be inferred if unknown.
    pub clock_rate: Option<u32>,
    /// What it does to a voice; without it, no opinion can be given.
    pub impairment: Option<Impairment>,
    /// How much sound one packet has: it must be spoken before the packet can leave. Nothing for video.
    pub frame: Duration,
    /// How much more the encoder must hear before.
    pub lookahead: Duration,
}

impl Codec {
    /// The codec of that name, if its figures are known. Not every one of them has a payload type by default.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        known::find(name).map(known::Known::codec)
    }

    /// Every name that [`Self::known`] knows.
    pub fn known_names() -> impl Iterator<Item = &'static str> {
        known::KNOWN.iter().map(|known| known.name)
    }
}

/// A codec's place in the [`Codecs`] that it was asked of; means nothing to any others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodecId(u8);

/// How many payload types there are: seven bits.
const PAYLOAD_TYPES: usize = 128;

/// Which codec each payload type stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Codecs {
    /// By payload type.
    slots: [Option<CodecId>; PAYLOAD_TYPES],
    /// Each once.
    list: Vec<Codec>,
}

impl Default for Codecs {
    fn default() -> Self {
        let mut codecs = Self { slots: [None; PAYLOAD_TYPES], list: Vec::new() };
        for (payload_type, name, clock_rate) in numbers::USUAL {
            if let Some(codec) = Codec::known(name) {
                codecs.assign(*payload_type, Codec { clock_rate: clock_rate.or(codec.clock_rate), ..codec });
            }
        }
        codecs
    }
}

impl Codecs {
    /// The default table with what the operator says instead. A payload type above 127 is none and is left out.
    #[must_use]
    pub fn with(overrides: impl IntoIterator<Item = (u8, Codec)>) -> Self {
        let mut codecs = Self::default();
        for (payload_type, codec) in overrides {
            codecs.assign(payload_type, codec);
        }
        codecs
    }

    fn assign(&mut self, payload_type: u8, codec: Codec) {
        let Some(slot) = self.slots.get_mut(usize::from(payload_type)) else { return };
        let place = self.list.iter().position(|known| *known == codec).unwrap_or(self.list.len());
        let Ok(id) = u8::try_from(place) else { return };
        *slot = Some(CodecId(id));
        if place == self.list.len() {
            self.list.push(codec);
        }
    }

    /// What `payload_type` stands for.
    #[must_use]
    pub fn id(&self, payload_type: u8) -> Option<CodecId> {
        self.slots.get(usize::from(payload_type)).copied().flatten()
    }

    /// What `payload_type` stands for, looked up.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<&Codec> {
        self.get(self.id(payload_type)?)
    }

    /// The codec that [`Self::id`] has named.
    #[must_use]
    pub fn get(&self, id: CodecId) -> Option<&Codec> {
        self.list.get(usize::from(id.0))
    }

    /// Every codec; different ones may have one name.
    pub fn iter(&self) -> impl Iterator<Item = &Codec> {
        self.list.iter()
    }
}
