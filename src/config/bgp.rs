//! `[bgp]`: who we are, and the routers that we talk to.

mod neighbor;

use std::net::SocketAddr;

use serde::Serialize;

pub use neighbor::Neighbor;

use super::notation::Text;
use super::problem::Place;
use super::reader::Section;
use crate::wire::bgp::{Asn, RouterId};

/// More routers than one machine is near to.
const NEIGHBORS_MAX: usize = 64;
/// What RFC 9003 has room for.
const TEXT_MAX: usize = 255;

/// `[bgp]`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bgp {
    /// Our autonomous system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<Text<Asn>>,
    /// Our BGP identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_id: Option<Text<RouterId>>,
    /// Where neighbours may connect to; if nowhere, we connect to them.
    pub listen: Vec<SocketAddr>,
    /// What neighbours read when the relay stops (RFC 9003).
    pub shutdown_text: String,
    /// The routers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub neighbor: Vec<Neighbor>,
    /// Where `listen` is written.
    #[serde(skip)]
    pub(super) listen_place: Place,
    /// Some neighbor could not be read, so that nobody can say whether they fit the prefixes.
    #[serde(skip)]
    pub(super) is_misread: bool,
}

impl Bgp {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let errors = section.errors();
        let neighbor: Vec<_> = section.sections("neighbor").into_iter().filter_map(Neighbor::read).collect();
        let is_misread = section.errors() > errors;
        let mut out = Self {
            asn: section.optional("asn"),
            router_id: section.optional("router_id"),
            listen: section.list("listen").unwrap_or_default(),
            shutdown_text: section.optional("shutdown_text").unwrap_or_default(),
            listen_place: section.place_of("listen"),
            neighbor,
            is_misread,
        };
        if section.is_written() {
            out.check(&section);
        }
        out.name_neighbors(&section);
        section.finish();
        out
    }

    fn check(&self, section: &Section<'_>) {
        if !self.neighbor.is_empty() {
            if self.asn.is_none() && !section.is_written_key("asn") {
                section.error(
                    "asn",
                    "is missing: the number of our autonomous system, such as 64512; one for all relays",
                );
            }
            if self.router_id.is_none() && !section.is_written_key("router_id") {
                section.error(
                    "router_id",
                    "is missing: an IPv4 address that is this relay's alone, such as its own",
                );
            }
        }
        if self.asn.is_some_and(|asn| asn.0.is_reserved()) {
            section.error("asn", "is reserved; private ones are 64512 to 65534 and 4200000000 to 4294967294");
        }
        if self.shutdown_text.len() > TEXT_MAX {
            section.error("shutdown_text", format!("expected at most {TEXT_MAX} bytes"));
        }
        if self.neighbor.len() > NEIGHBORS_MAX {
            section.error("neighbor", format!("there are more than {NEIGHBORS_MAX}"));
        }
        if self.listen.is_empty() && self.neighbor.iter().any(|neighbor| neighbor.passive) {
            section
                .error("listen", "is missing: a passive neighbor connects to us, such as to \"0.0.0.0:179\"");
        }
    }

    /// Each has a name, and names and addresses are each one's own.
    fn name_neighbors(&mut self, section: &Section<'_>) {
        let asn = self.asn;
        for index in 0..self.neighbor.len() {
            let (earlier, rest) = self.neighbor.split_at_mut(index);
            let Some(neighbor) = rest.first_mut() else { return };
            let place = neighbor.place.clone();
            if asn == Some(neighbor.asn) {
                let text = format!(
                    "{} is our own number: the session would be an internal one, which would carry no MED between regions; give the relays a number of their own",
                    neighbor.asn
                );
                section.error_at("neighbor.asn", &place, text);
            }
            if earlier.iter().any(|other| other.name == neighbor.name) {
                section.error_at("neighbor.name", &place, format!("{:?} is there twice", neighbor.name));
            }
            if earlier.iter().any(|other| other.address == neighbor.address) {
                section.error_at("neighbor.address", &place, format!("{} is there twice", neighbor.address));
            }
        }
    }
}
