//! `[rpki]`: whether the origin of our prefixes is looked up before they are announced.

use serde::Serialize;

use super::notation::{Text, word};
use super::problem::Place;
use super::reader::Section;
use super::values::Words;
use crate::announce::settings::Doubt;
use crate::wire::bgp::Asn;

/// More caches than anybody runs.
const CACHES_MAX: usize = 8;

/// `[rpki]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rpki {
    /// Caches that speak RTR (RFC 8210), `host:port`; nobody is asked if there are none.
    pub caches: Vec<String>,
    /// Who originates our prefixes in the neighbours' eyes; `bgp.asn` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Text<Asn>>,
    /// What happens to a prefix that a signed statement forbids this origin.
    #[serde(serialize_with = "word")]
    pub on_invalid: Doubt,
    /// What happens as long as no cache has answered.
    #[serde(serialize_with = "word")]
    pub on_unknown: Doubt,
    /// Where the caches are named.
    #[serde(skip)]
    pub(super) place: Place,
}

impl Default for Rpki {
    fn default() -> Self {
        Self {
            caches: Vec::new(),
            origin: None,
            on_invalid: Doubt::Withdraw,
            on_unknown: Doubt::Announce,
            place: Place::Default,
        }
    }
}

impl Rpki {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let mut out = Self {
            caches: section.list("caches").unwrap_or_default(),
            place: section.place_of("caches"),
            ..Self::default()
        };
        for cache in &out.caches {
            if !is_host_and_port(cache) {
                let text = format!(
                    "expected a host and a port such as \"rpki.example.org:3323\" or \"[2001:db8::1]:3323\", found {cache:?}"
                );
                section.error("caches", text);
            }
        }
        if out.caches.len() > CACHES_MAX {
            section.error("caches", format!("there are more than {CACHES_MAX}; leave the farthest out"));
        }
        out.origin = section.optional("origin");
        section.read("on_invalid", &mut out.on_invalid);
        section.read("on_unknown", &mut out.on_unknown);
        section.finish();
        out
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match plain {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'),
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Words for Doubt {
    const EXPECTED: &'static str = "\"withdraw\" or \"announce\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("withdraw", Self::Withdraw), ("announce", Self::Announce)];
}
