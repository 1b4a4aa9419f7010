//! `[auth]`: who may relay. Secrets stand in files of their own, never here.

use std::path::PathBuf;

use serde::Serialize;

use super::listener::check_realm;
use super::problem::Place;
use super::reader::Section;
use super::values::{Moment, Period, Words};
use crate::engine::auth::{Anonymity, FLEET_KEYS_MAX, TokenCipher};

/// `[auth]`.
#[derive(Clone, Debug, Serialize)]
pub struct Auth {
    /// The realm of listeners that name none.
    pub realm: String,
    /// Long-term users, one per line as `tern credentials new --password` writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users_file: Option<PathBuf>,
    /// How long a nonce is good for.
    pub nonce_lifetime: Period,
    /// Whether clients may send a hash of their name instead of the name (RFC 8489 section 9.2).
    #[serde(serialize_with = "anonymity")]
    pub user_anonymity: Anonymity,
    /// Secrets of time-limited credentials; several while one replaces another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_secret: Vec<SharedSecret>,
    /// The fleet's keys for nonces and tickets: the first makes new ones, all are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nonce_key: Vec<NonceKey>,
    /// The name of this relay in OAuth tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_server_name: Option<String>,
    /// Keys of OAuth tokens (RFC 7635).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oauth_key: Vec<OauthKey>,
    /// Where the users file is named.
    #[serde(skip)]
    pub users_place: Place,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            realm: "tern".into(),
            users_file: None,
            nonce_lifetime: Period::secs(3_600),
            user_anonymity: Anonymity::WherePossible,
            shared_secret: Vec::new(),
            nonce_key: Vec::new(),
            oauth_server_name: None,
            oauth_key: Vec::new(),
            users_place: Place::Default,
        }
    }
}

impl Auth {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self::default();
        section.read("realm", &mut out.realm);
        check_realm(&section, Some(&out.realm));
        out.users_file = section.optional("users_file");
        out.users_place = section.place_of("users_file");
        section.read("nonce_lifetime", &mut out.nonce_lifetime);
        if !(60..=86_400).contains(&out.nonce_lifetime.0.as_secs()) {
            section.error("nonce_lifetime", "expected from 1m to 1d");
        }
        section.read("user_anonymity", &mut out.user_anonymity);
        out.shared_secret =
            section.sections("shared_secret").into_iter().filter_map(SharedSecret::read).collect();
        out.nonce_key = section.sections("nonce_key").into_iter().filter_map(NonceKey::read).collect();
        out.oauth_server_name = section.optional("oauth_server_name");
        out.oauth_key = section.sections("oauth_key").into_iter().filter_map(OauthKey::read).collect();
        out.check(&section);
        section.finish();
        out
    }

    fn check(&self, section: &Section<'_>) {
        refuse_twins(section, "shared_secret", self.shared_secret.iter().map(|secret| secret.id.as_str()));
        refuse_twins(section, "nonce_key", self.nonce_key.iter().map(|key| key.id.as_str()));
        refuse_twins(section, "oauth_key", self.oauth_key.iter().map(|key| key.id.as_str()));
        if self.nonce_key.len() > FLEET_KEYS_MAX {
            section.error("nonce_key", format!("there are more than {}; remove the oldest", FLEET_KEYS_MAX));
        }
        if !self.oauth_key.is_empty() && self.oauth_server_name.is_none() {
            section.error("oauth_key", "needs auth.oauth_server_name, the name that tokens are issued for");
        }
    }

    /// Whether anybody could authenticate.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.users_file.is_none() && self.shared_secret.is_empty() && self.oauth_key.is_empty()
    }
}

fn refuse_twins<'i>(section: &Section<'_>, key: &str, ids: impl Iterator<Item = &'i str>) {
    let mut seen = Vec::new();
    for id in ids {
        if seen.contains(&id) {
            section.error(
                key,
                format!("id {id:?} is used twice; each key has its own, so that logs can name it"),
            );
        }
        seen.push(id);
    }
}

/// One `[[auth.shared_secret]]`.
#[derive(Clone, Debug, Serialize)]
pub struct SharedSecret {
    /// Its name in logs and in `tern credentials new --secret-id`.
    pub id: String,
    /// The file that holds it, at least 16 bytes.
    pub secret_file: PathBuf,
    /// Not accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Moment>,
    /// Not accepted from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Moment>,
    /// Where the file is named.
    #[serde(skip)]
    pub place: Place,
}

impl SharedSecret {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required("id");
        let secret_file = section.required("secret_file");
        let (not_before, not_after) = read_validity(&mut section);
        let place = section.place_of("secret_file");
        section.finish();
        Some(Self { id: id?, secret_file: secret_file?, not_before, not_after, place })
    }
}

/// From when and until when something is accepted.
fn read_validity(section: &mut Section<'_>) -> (Option<Moment>, Option<Moment>) {
    let validity = (section.optional("not_before"), section.optional("not_after"));
    if let (Some(from), Some(until)) = validity
        && from >= until
    {
        section.error("not_after", "lies before not_before: it would never be accepted");
    }
    validity
}

/// One `[[auth.nonce_key]]`.
#[derive(Clone, Debug, Serialize)]
pub struct NonceKey {
    /// Its name in logs.
    pub id: String,
    /// The file that holds it, at least 32 bytes.
    pub key_file: PathBuf,
    /// Where the file is named.
    #[serde(skip)]
    pub place: Place,
}

impl NonceKey {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required("id");
        let key_file = section.required("key_file");
        let place = section.place_of("key_file");
        section.finish();
        Some(Self { id: id?, key_file: key_file?, place })
    }
}

/// One `[[auth.oauth_key]]`.
#[derive(Clone, Debug, Serialize)]
pub struct OauthKey {
    /// The key ID (kid) that tokens carry as USERNAME.
    pub id: String,
    /// The file that holds it in base64.
    pub key_file: PathBuf,
    /// The cipher it is for.
    pub algorithm: OauthAlgorithm,
    /// Not accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Moment>,
    /// Not accepted from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Moment>,
    /// Where the file is named.
    #[serde(skip)]
    pub place: Place,
}

impl OauthKey {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required("id");
        let key_file = section.required("key_file");
        let mut algorithm = OauthAlgorithm::Aes256Gcm;
        section.read("algorithm", &mut algorithm);
        let (not_before, not_after) = read_validity(&mut section);
        let place = section.place_of("key_file");
        section.finish();
        Some(Self { id: id?, key_file: key_file?, algorithm, not_before, not_after, place })
    }
}

/// The ciphers of RFC 7635 section 4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OauthAlgorithm {
    /// AEAD_AES_256_GCM, a key of 32 bytes.
    #[serde(rename = "A256GCM")]
    Aes256Gcm,
    /// AEAD_AES_128_GCM, a key of 16 bytes.
    #[serde(rename = "A128GCM")]
    Aes128Gcm,
}

impl Words for OauthAlgorithm {
    const EXPECTED: &'static str = "\"A256GCM\" or \"A128GCM\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("A256GCM", Self::Aes256Gcm), ("A128GCM", Self::Aes128Gcm)];
}

impl From<OauthAlgorithm> for TokenCipher {
    fn from(algorithm: OauthAlgorithm) -> Self {
        match algorithm {
            OauthAlgorithm::Aes256Gcm => Self::Aes256Gcm,
            OauthAlgorithm::Aes128Gcm => Self::Aes128Gcm,
        }
    }
}

impl Words for Anonymity {
    const EXPECTED: &'static str = "\"auto\", \"always\" or \"never\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::WherePossible), ("always", Self::Always), ("never", Self::Never)];
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn anonymity<S: serde::Serializer>(anonymity: &Anonymity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match anonymity {
        Anonymity::WherePossible => "auto",
        Anonymity::Always => "always",
        Anonymity::Never => "never",
    })
}
