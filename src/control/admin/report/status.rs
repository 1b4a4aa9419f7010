//! A relay at one glance: whether it takes calls, how many it has, how good they are, what is wrong.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Alert, Capacity, QualitySummary};

/// A relay at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// What the operators call it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When it was started.
    pub started: String,
    /// The same as a length of time.
    pub uptime_seconds: u64,
    /// "healthy", "degraded", "draining", "down" or "takeover".
    pub state: String,
    /// Since when.
    pub since: String,
    /// While it is being emptied.
    pub draining: Option<Drain>,
    /// Whether it should be given new calls.
    pub ready: bool,
    /// Why not.
    pub not_ready: Vec<String>,
    /// What at least one neighbour has been told of.
    pub announced: Vec<String>,
    /// Allocations now.
    pub sessions: SessionsByTransport,
    /// What goes on, over the last seconds.
    pub rates: Rates,
    /// How the calls sound, over the last minute.
    pub quality: QualitySummary,
    /// How much more it can carry.
    pub capacity: Capacity,
    /// What somebody should look at now, the worst first.
    pub alerts: Vec<Alert>,
    /// What whoever asked may do.
    pub role: Role,
}

/// The last hour, for charts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// From one point to the next.
    pub step_seconds: u64,
    /// The oldest first.
    pub points: Vec<Point>,
}

/// The relay at one moment of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// When.
    pub at: String,
    /// Allocations.
    pub sessions: u64,
    /// Packets that came, from clients and peers, since the point before.
    pub packets_per_second: f64,
    /// And their bits.
    pub bits_per_second: f64,
    /// New allocations.
    pub allocations_per_second: f64,
    /// Allocations that were refused.
    pub refused_per_second: f64,
    /// The share of its time that the busiest worker was busy.
    pub worker_busy: f64,
    /// The least free share of what can run out; nothing where no limit is known.
    pub free_share: Option<f64>,
    /// The share of rated time in which what came from clients was poor, over the minute before.
    pub client_poor_share: Option<f64>,
    /// The same of what came from peers.
    pub peer_poor_share: Option<f64>,
    /// Whether it was ready for new calls.
    pub ready: bool,
}

/// What somebody may do here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See everything, change nothing.
    #[default]
    Viewer,
    /// Change things as well.
    Operator,
}

/// A relay that is being emptied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    /// Since when.
    pub since: String,
    /// Until when somebody waits for it.
    pub deadline: Option<String>,
    /// With how many sessions left it counts as empty.
    pub min_sessions: u64,
    /// How many there are.
    pub sessions_left: u64,
    /// Whether it counts as empty.
    pub done: bool,
}

/// Allocations, by what lies between client and relay and by the family of the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionsByTransport {
    /// All of them.
    pub total: u64,
    /// Over UDP.
    pub udp: u64,
    /// Over TCP.
    pub tcp: u64,
    /// Over TLS.
    pub tls: u64,
    /// Over DTLS.
    pub dtls: u64,
    /// Of clients with IPv4.
    pub ipv4: u64,
    /// Of clients with IPv6.
    pub ipv6: u64,
}

/// What goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// Packets that came, from clients and peers.
    pub packets_per_second: f64,
    /// And their bits.
    pub bits_per_second: f64,
    /// New allocations.
    pub allocations_per_second: f64,
    /// Allocations that were refused to clients which had proven who they are.
    pub refused_per_second: f64,
    /// Packets that went nowhere.
    pub dropped_per_second: f64,
    /// The share of its time that each worker was busy, by its number.
    pub worker_busy: Vec<f64>,
}
