//! What the operator decides, as the announcer reads it: checked already, swapped whole on reload.
//!
//! What only the drivers need (keys, TTL, local addresses, the kinds of checks, hooks) is in theirs, in the same order.

use std::time::Duration;

use super::{bgp, health};
use crate::wire::bgp::Asn;

/// Everything that [`super::Announcer`] must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Checks, and what their outcome means.
    pub health: health::Settings,
    /// Neighbours, and what each of them is told in which state.
    pub bgp: bgp::Settings,
    /// Whether the origin of our prefixes is looked up before they are announced.
    pub rpki: Option<RpkiSettings>,
    /// How long the sessions stand after the withdrawal at [`super::Input::Shutdown`], so that calls which still
    /// arrive are served. No time is spent if no session stands.
    pub linger: Duration,
}

impl Default for Settings {
    /// No neighbour and no check.
    fn default() -> Self {
        Self {
            health: health::Settings::default(),
            bgp: bgp::Settings::default(),
            rpki: None,
            linger: Duration::from_secs(1),
        }
    }
}

/// Origin validation of our own prefixes (RFC 6811) by caches that speak RTR (RFC 8210).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpkiSettings {
    /// The caches as the operator wrote them, "host:port", for messages. Their place is what
    /// [`super::Target::Rtr`] names; the first that answers is believed.
    pub caches: Vec<String>,
    /// Who originates our prefixes in the neighbours' eyes; the announcer's own number unless another network
    /// announces them onward as its own.
    pub origin: Asn,
    /// What happens to a prefix that a signed statement forbids this origin.
    pub on_invalid: Doubt,
    /// What happens as long as no cache has answered.
    pub on_unknown: Doubt,
}

/// What is done with a prefix whose origin cannot be vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is not announced.
    Withdraw,
    /// It is announced all the same.
    Announce,
}
