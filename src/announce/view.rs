//! What an operator may want to see, as plain values.

use super::NeighborId;
use super::bgp::NeighborView;
use super::health::HealthView;
use super::policy::Attributes;
use super::rpki::CacheView;
use crate::wire::bgp::Prefix;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The state, its checks and its history.
    pub health: HealthView,
    /// One per neighbour and prefix, in the order of the settings.
    pub routes: Vec<RouteView>,
    /// By [`NeighborId`].
    pub neighbors: Vec<NeighborView>,
    /// The caches that are asked for the origin of our prefixes, if any are.
    pub caches: Vec<CacheView>,
}

/// What one neighbour is to hear of one prefix, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Who.
    pub neighbor: NeighborId,
    /// What.
    pub prefix: Prefix,
    /// With what; `None` if it is not announced.
    pub attributes: Option<Attributes>,
    /// One sentence each: the deciding rule, what is known of the origin, why the relay is what it is.
    pub why: Vec<String>,
}
