//! One `[[bgp.neighbor]]`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::super::announce::{NextHops, Rungs};
use super::super::bfd::NeighborBfd;
use super::super::notation::{Text, word, words};
use super::super::problem::Place;
use super::super::reader::Section;
use super::super::values::Period;
use crate::announce::bgp::NeighborSettings;
use crate::wire::bgp::{Asn, Family, Prefix, Role};

/// A router that we talk to.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbor {
    /// Its name in logs and commands; its address if left out.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its autonomous system.
    pub asn: Text<Asn>,
    /// Our address on the session; the system's choice if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_address: Option<IpAddr>,
    /// The password of the session (RFC 2385), in a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// We wait for it to connect.
    pub passive: bool,
    /// Not to be talked to at present.
    pub shutdown: bool,
    /// Silence of this length ends the session.
    pub hold_time: Period,
    /// Between two attempts to connect.
    pub connect_retry: Period,
    /// A neighbour that takes no byte for so long is given up (RFC 9687).
    pub send_hold: Period,
    /// Bytes that nobody acknowledges for so long end the connection (TCP_USER_TIMEOUT); `hold_time` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_timeout: Option<Period>,
    /// The hop limit of our packets.
    pub ttl: u8,
    /// How many hops away it is at most, where packets from farther away are refused (RFC 5082).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtsm: Option<u8>,
    /// What the session carries.
    #[serde(serialize_with = "family_words")]
    pub families: Vec<Family>,
    /// The prefixes it is told of; all of its families if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<Text<Prefix>>>,
    /// How many prefixes it may announce to us, per family.
    pub max_prefixes: u32,
    /// When a session that ended for that is tried again; never if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_prefixes_restart: Option<Period>,
    /// Our role in the relation (RFC 9234).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "role_word")]
    pub role: Option<Role>,
    /// Whether a neighbour that names no role is refused.
    pub role_strict: bool,
    /// For how long it shall keep the routes of a relay that died (RFC 4724).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graceful_restart: Option<Period>,
    /// Where packets shall go, as far as this neighbour is concerned.
    #[serde(skip_serializing_if = "NextHops::is_empty")]
    pub next_hop: NextHops,
    /// How its loss is noticed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bfd: Option<NeighborBfd>,
    /// What it is told differently in each state.
    #[serde(flatten)]
    pub rungs: Rungs,
    /// Where its address is written.
    #[serde(skip)]
    pub(in super::super) place: Place,
    /// Where its password file is named.
    #[serde(skip)]
    pub(in super::super) password_place: Place,
}

impl Neighbor {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let address: Option<IpAddr> = section.required("address");
        let asn: Option<Text<Asn>> = section.required("asn");
        let place = section.place_of("address");
        let like = NeighborSettings::new("", address.unwrap_or(IpAddr::from([0; 4])), Asn(0));
        let mut out = Self {
            name: section.optional("name").or_else(|| Some(address?.to_string())).unwrap_or_default(),
            address: like.address,
            port: like.port,
            asn: asn.unwrap_or(Text(Asn(0))),
            local_address: section.optional("local_address"),
            password_file: section.optional("password_file"),
            passive: like.passive,
            shutdown: like.shutdown,
            hold_time: Period(like.hold),
            connect_retry: Period(like.connect_retry),
            send_hold: Period(like.send_hold),
            user_timeout: section.optional("user_timeout"),
            ttl: 64,
            gtsm: None,
            families: read_families(&mut section, like.address),
            prefixes: section.list("prefixes"),
            max_prefixes: 5_000,
            max_prefixes_restart: section.optional("max_prefixes_restart"),
            role: section.optional("role"),
            role_strict: false,
            graceful_restart: section.optional("graceful_restart"),
            next_hop: NextHops::read(&mut section),
            bfd: NeighborBfd::read(&mut section),
            rungs: Rungs::read(&mut section),
            place,
            password_place: section.place_of("password_file"),
        };
        section.integer("port", 1..=u16::MAX, &mut out.port);
        section.read("passive", &mut out.passive);
        section.read("shutdown", &mut out.shutdown);
        section.integer("max_prefixes", 1..=10_000_000, &mut out.max_prefixes);
        section.read("role_strict", &mut out.role_strict);
        out.read_times(&mut section);
        out.read_hops(&mut section);
        out.check(&section);
        section.finish();
        (address.is_some() && asn.is_some()).then_some(out)
    }

    fn read_times(&mut self, section: &mut Section<'_>) {
        for (key, target) in [
            ("hold_time", &mut self.hold_time),
            ("connect_retry", &mut self.connect_retry),
            ("send_hold", &mut self.send_hold),
        ] {
            section.read(key, target);
        }
        let whole = |period: Period| period.0.subsec_nanos() == 0;
        let hold = self.hold_time;
        if !whole(hold) || !(hold.0.is_zero() || (3..=65_535).contains(&hold.0.as_secs())) {
            section.error("hold_time", "expected 3s to 65535s in whole seconds, or 0s for none");
        }
        for (key, period) in
            [("connect_retry", Some(self.connect_retry)), ("user_timeout", self.user_timeout)]
        {
            if period.is_some_and(|period| {
                !(Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&period.0)
            }) {
                section.error(key, "expected from 1s to 1h");
            }
        }
        if self.send_hold <= hold || self.send_hold > Period::secs(86_400) {
            section
                .error("send_hold", format!("expected more than hold_time, which is {hold}, and at most 1d"));
        }
        if self.graceful_restart.is_some_and(|time| !whole(time) || !(1..=4_095).contains(&time.0.as_secs()))
        {
            section.error(
                "graceful_restart",
                "expected 1s to 4095s in whole seconds; leave the key out for none",
            );
        }
        if self.graceful_restart.is_some() {
            section.warn(
                "graceful_restart",
                "the routes of a relay that has died stay that long, and so do lost calls",
            );
        }
    }

    fn read_hops(&mut self, section: &mut Section<'_>) {
        section.integer("ttl", 1..=255, &mut self.ttl);
        if section.is_written_key("gtsm") {
            let mut hops = 1;
            section.integer("gtsm", 1..=254, &mut hops);
            self.gtsm = Some(hops);
            if section.is_written_key("ttl") && self.ttl != u8::MAX {
                section.error("ttl", "leave it out: with gtsm it is 255 at both ends");
            }
            self.ttl = u8::MAX;
        }
    }

    fn check(&self, section: &Section<'_>) {
        let is_host = |ip: IpAddr| !(ip.is_unspecified() || ip.is_multicast());
        if !is_host(self.address) {
            section.error("address", format!("{} is not the address of a router", self.address));
        }
        if self.asn.0.is_reserved() && section.is_written_key("asn") {
            section.error("asn", "is reserved and can be nobody's");
        }
        if self.name.is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            section.error("name", "expected 1 to 64 bytes of text");
        }
        if let Some(local) = self.local_address
            && local.is_ipv4() != self.address.is_ipv4()
        {
            section.error("local_address", format!("{local} is of another family than {}", self.address));
        }
        if self.families.is_empty() {
            section.error("families", "expected at least one of \"ipv4\", \"ipv6\"");
        }
        if self.role_strict && self.role.is_none() {
            section.error("role_strict", "needs role: the neighbor's is judged by ours");
        }
    }
}

/// Those of an address if nobody has written any that could be read.
fn read_families(section: &mut Section<'_>, address: IpAddr) -> Vec<Family> {
    let errors = section.errors();
    let written = section.list("families").filter(|_| section.errors() == errors);
    written.unwrap_or_else(|| vec![Family::of(address)])
}

#[expect(clippy::ptr_arg, reason = "serde passes fields by reference")]
fn family_words<S: serde::Serializer>(families: &Vec<Family>, serializer: S) -> Result<S::Ok, S::Error> {
    words(families, serializer)
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn role_word<S: serde::Serializer>(role: &Option<Role>, serializer: S) -> Result<S::Ok, S::Error> {
    match role {
        Some(role) => word(role, serializer),
        None => serializer.serialize_none(),
    }
}
