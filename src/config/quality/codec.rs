//! `[[quality.codec]]`: what a payload type stands for, and how its codec is rated.

use std::time::Duration;

use serde::Serialize;

use super::super::reader::{Section, nearest};
use super::super::values::{Period, Words};
use crate::quality::codec::{Basis, Codec, Impairment, Media, Model, Role};

/// One `[[quality.codec]]`, with what is known of a codec of that name filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QualityCodec {
    /// The number in RTP headers.
    pub payload_type: u8,
    /// As metrics have it.
    pub name: String,
    /// What it carries.
    #[serde(serialize_with = "media")]
    pub media: Media,
    /// What its packets are for.
    #[serde(serialize_with = "role")]
    pub role: Role,
    /// Ticks of its timestamps per second; inferred if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_rate: Option<u32>,
    /// What it does to a voice.
    #[serde(flatten, serialize_with = "impairment")]
    pub impairment: Option<Impairment>,
    /// How much sound one packet has.
    pub frame: Period,
    /// How much more its encoder must hear before.
    pub lookahead: Period,
}

/// Of an unknown codec for voice; as nearly all of them.
const FRAME: Duration = Duration::from_millis(20);

impl QualityCodec {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let payload_type = read_payload_type(&mut section);
        let name = read_name(&mut section);
        let known = name.as_deref().and_then(Codec::known);
        let media = read_media(&mut section, name.as_deref(), known.as_ref());
        let mut role = known.as_ref().map_or(Role::Primary, |known| known.role);
        section.read("role", &mut role);
        let clock_rate = read_clock_rate(&mut section).or(known.as_ref().and_then(|known| known.clock_rate));
        let is_audio = media == Some(Media::Audio);
        let figures = known.as_ref().and_then(|known| known.impairment).filter(|_| is_audio);
        let impairment = read_impairment(&mut section, figures);
        let usual = if is_audio { FRAME } else { Duration::ZERO };
        let mut frame = Period(known.as_ref().filter(|_| is_audio).map_or(usual, |known| known.frame));
        let mut lookahead = Period(known.as_ref().map_or(Duration::ZERO, |known| known.lookahead));
        read_delay(&mut section, "frame", &mut frame);
        read_delay(&mut section, "lookahead", &mut lookahead);
        if impairment.is_some() && media.is_some() && !is_audio {
            section.error("media", "only audio can be rated: leave out model, ie and bpl");
        }
        section.finish();
        Some(Self {
            payload_type: payload_type?,
            name: name?,
            media: media?,
            role,
            clock_rate,
            impairment,
            frame,
            lookahead,
        })
    }

    /// As sessions take it.
    #[must_use]
    pub fn codec(&self) -> Codec {
        Codec {
            name: self.name.as_str().into(),
            media: self.media,
            role: self.role,
            clock_rate: self.clock_rate,
            impairment: self.impairment,
            frame: self.frame.0,
            lookahead: self.lookahead.0,
        }
    }
}

fn read_payload_type(section: &mut Section<'_>) -> Option<u8> {
    let number: i64 = section.required("payload_type")?;
    match u8::try_from(number) {
        Ok(64..=95) => {
            section.error(
                "payload_type",
                "64 to 95 look like RTCP on a shared port (RFC 5761): no WebRTC client uses them",
            );
            None
        }
        Ok(payload_type @ 0..=127) => Some(payload_type),
        Ok(128..) | Err(_) => {
            section.error("payload_type", format!("expected a number from 0 to 127, found {number}"));
            None
        }
    }
}

/// A name becomes a label of metrics.
fn read_name(section: &mut Section<'_>) -> Option<String> {
    let name: String = section.required("name")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' || c == '_';
    if name.is_empty() || name.len() > 32 || !name.chars().all(fits) {
        section.error("name", "expected 1 to 32 of a-z, 0-9, dot, dash and underscore, such as \"opus\"");
        return None;
    }
    Some(name)
}

fn read_media(section: &mut Section<'_>, name: Option<&str>, known: Option<&Codec>) -> Option<Media> {
    let written = section.is_written_key("media");
    let media = section.optional("media");
    if written {
        return media;
    }
    let name = name?;
    if let Some(known) = known {
        return Some(known.media);
    }
    let names: Vec<&str> = Codec::known_names().collect();
    let help = match nearest(name, &names) {
        Some(nearest) => format!("did you mean `{nearest}`? Else say what it carries"),
        None => "say what it carries".to_owned(),
    };
    section.error(
        "media",
        format!("is missing, and no codec {name:?} is known; {help}: \"audio\", \"video\" or \"other\""),
    );
    None
}

fn read_clock_rate(section: &mut Section<'_>) -> Option<u32> {
    let mut rate = 0;
    section.integer("clock_rate", 1_000..=384_000, &mut rate);
    (rate > 0).then_some(rate)
}

fn read_delay(section: &mut Section<'_>, key: &'static str, target: &mut Period) {
    section.read(key, target);
    if target.0 > Duration::from_millis(200) {
        section.error(key, "expected at most 200ms");
    }
}

/// Figures of a known codec hold until others are written; who writes others says where they come from, or they are a
/// stand-in.
fn read_impairment(section: &mut Section<'_>, known: Option<Impairment>) -> Option<Impairment> {
    let model = section.optional("model");
    let basis = section.optional("basis");
    let ie = section.number("ie", 0.0..=132.0);
    let bpl = section.number("bpl", 0.1..=100.0);
    let all = ["model", "ie", "bpl"];
    let has_own = all.iter().any(|key| section.is_written_key(key));
    if let Some(known) = known {
        let usual = if has_own { Basis::Proxy } else { known.basis };
        return Some(Impairment {
            model: model.unwrap_or(known.model),
            basis: basis.unwrap_or(usual),
            ie: ie.unwrap_or(known.ie),
            bpl: bpl.unwrap_or(known.bpl),
        });
    }
    if let Some(missing) = all.iter().find(|key| !section.is_written_key(key))
        && (has_own || basis.is_some())
    {
        section.error(missing, "is missing: a rating needs model, ie and bpl, all three");
    }
    Some(Impairment { model: model?, basis: basis.unwrap_or(Basis::Proxy), ie: ie?, bpl: bpl? })
}

impl Words for Media {
    const EXPECTED: &'static str = "\"audio\", \"video\" or \"other\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Audio.name(), Self::Audio),
        (Self::Video.name(), Self::Video),
        (Self::Other.name(), Self::Other),
    ];
}

impl Words for Role {
    const EXPECTED: &'static str = "\"primary\", \"redundant\", \"retransmission\", \"comfort_noise\", \
                                    \"telephone_event\" or \"fec\"";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Primary.name(), Self::Primary),
        (Self::Redundant.name(), Self::Redundant),
        (Self::Retransmission.name(), Self::Retransmission),
        (Self::ComfortNoise.name(), Self::ComfortNoise),
        (Self::TelephoneEvent.name(), Self::TelephoneEvent),
        (Self::Fec.name(), Self::Fec),
    ];
}

impl Words for Model {
    const EXPECTED: &'static str = "\"g107\" (narrowband), \"g107.1\" (wideband) or \"g107.2\" (fullband)";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Narrowband.name(), Self::Narrowband),
        (Self::Wideband.name(), Self::Wideband),
        (Self::Fullband.name(), Self::Fullband),
    ];
}

impl Words for Basis {
    const EXPECTED: &'static str = "\"itu\" or \"proxy\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[(Self::Itu.name(), Self::Itu), (Self::Proxy.name(), Self::Proxy)];
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn media<S: serde::Serializer>(media: &Media, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(media.name())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn role<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.name())
}

/// Beside the other keys, as the user writes them.
fn impairment<S: serde::Serializer>(figures: &Option<Impairment>, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let mut out = serializer.serialize_map(None)?;
    if let Some(Impairment { model, basis, ie, bpl }) = figures {
        out.serialize_entry("model", model.name())?;
        out.serialize_entry("basis", basis.name())?;
        out.serialize_entry("ie", ie)?;
        out.serialize_entry("bpl", bpl)?;
    }
    out.end()
}
