//! The handshake: what our OPEN offers, and whether theirs is good. What is wrong with it is said twice: to the neighbour
//! by the NOTIFICATION that the RFC wants, to the operator in words that tell what to change.

use std::time::Duration;

use super::context::Local;
use super::settings::NeighborSettings;
use crate::wire::bgp::write::OpenSettings;
use crate::wire::bgp::{
    Asn, Capability, Codec, Families, Fault, GracefulRestart, Open, Reason, Role, RouterId,
};

/// What of the neighbour's capabilities is kept for the operator. There is no need for more to be known than have names.
const CAPABILITIES_SHOWN: usize = 32;

/// What both sides have in common after their OPENs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) id: RouterId,
    pub(super) hold: Duration,
    pub(super) families: Families,
    pub(super) four_octet: bool,
    pub(super) capabilities: Vec<Capability>,
}

impl Agreed {
    pub(super) const fn codec(&self) -> Codec {
        Codec { four_octet: self.four_octet, families: self.families, internal: false }
    }
}

/// Why there is no session with that neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) fault: Fault,
    pub(super) words: String,
}

/// What we offer.
pub(super) fn offer(local: &Local, settings: &NeighborSettings, restarting: bool) -> OpenSettings {
    let families = settings.families;
    OpenSettings {
        asn: local.asn,
        hold: u16::try_from(settings.hold.as_secs()).unwrap_or(u16::MAX),
        id: local.router_id,
        families,
        role: settings.role,
        graceful_restart: settings.graceful_restart.map(|time| GracefulRestart {
            restarting,
            notification: false,
            time,
            families,
            preserved: families,
        }),
    }
}

/// What comes of their OPEN. Its form has been judged by the codec.
pub(super) fn judge(open: &Open<'_>, settings: &NeighborSettings) -> Result<Agreed, Refusal> {
    check_asn(open.asn, settings.asn)?;
    check_role(open.role, settings)?;
    let families = settings.families.and(open.families);
    if families.is_empty() {
        return Err(no_common_family(settings.families, open.families));
    }
    Ok(Agreed {
        id: open.id,
        hold: settings.hold.min(Duration::from_secs(open.hold.into())),
        families,
        four_octet: open.four_octet,
        capabilities: open.capabilities().take(CAPABILITIES_SHOWN).collect(),
    })
}

fn check_asn(theirs: Asn, expected: Asn) -> Result<(), Refusal> {
    if theirs == expected {
        return Ok(());
    }
    let fault = match u16::try_from(theirs.0) {
        Ok(short) => Fault::with_data(Reason::BAD_PEER_AS, &short.to_be_bytes()),
        Err(_) => Fault::with_data(Reason::BAD_PEER_AS, &theirs.0.to_be_bytes()),
    };
    let hint = if theirs == Asn::TRANS && !expected.fits_two_octets() {
        ", which stands for a number of four octets, and does not offer to say the real one"
    } else {
        ""
    };
    let words = format!(
        "the neighbour says it is AS {theirs}{hint}; `asn` of this neighbour is {expected}: one of both is wrong"
    );
    Err(Refusal { fault, words })
}

/// RFC 9234 section 4.2.
fn check_role(theirs: Option<u8>, settings: &NeighborSettings) -> Result<(), Refusal> {
    let Some(ours) = settings.role else { return Ok(()) };
    let needed = ours.counterpart();
    let words = match theirs {
        Some(code) if code == needed.code() => return Ok(()),
        None if !settings.role_strict => return Ok(()),
        Some(code) => {
            let name =
                Role::from_code(code).map_or_else(|| format!("number {code}"), |role| role.to_string());
            format!("our role is {ours}, so the neighbour's must be {needed}; it says {name}")
        }
        None => format!("our role is {ours} and `role_strict` is set; the neighbour names no role"),
    };
    Err(Refusal { fault: Reason::ROLE_MISMATCH.into(), words })
}

/// The data names what we miss, as capabilities (RFC 5492 section 5).
fn no_common_family(ours: Families, theirs: Families) -> Refusal {
    let mut data = Vec::new();
    for family in ours.iter() {
        let [high, low] = family.afi().to_be_bytes();
        data.extend([1, 4, high, low, 0, family.safi()]);
    }
    let words = format!(
        "no address family in common: `families` of this neighbour has {}, the neighbour offers {}",
        list(ours),
        list(theirs)
    );
    Refusal { fault: Fault::with_data(Reason::UNSUPPORTED_CAPABILITY, &data), words }
}

/// "IPv4 and IPv6", "IPv4", or "none that we know".
pub(super) fn list(families: Families) -> String {
    let names: Vec<String> = families.iter().map(|family| family.to_string()).collect();
    if names.is_empty() { "none that we know".to_owned() } else { names.join(" and ") }
}
