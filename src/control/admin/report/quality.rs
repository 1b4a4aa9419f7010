//! How good the calls are, by leg, by network and by class of traffic.
//!
//! A relay hears each direction up to itself: what a leg says here is what has come by it, the client's leg what clients
//! have sent and the peer's leg what peers have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Both legs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualitySummary {
    /// From clients to the relay.
    pub client: LegQuality,
    /// From peers to the relay.
    pub peer: LegQuality,
    /// Sessions with media.
    pub media_sessions: u64,
}

/// How good what has come by one leg was. Nothing stands where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegQuality {
    /// The MOS that half of the voices were above, within the class of its histogram.
    pub mos_p50: Option<f64>,
    /// The share of rated time in which voices were poor or bad (MOS 3.1 and below).
    pub poor_share: Option<f64>,
    /// RTP packets that were lost, of those that were sent.
    pub loss_percent: Option<f64>,
    /// The mean jitter of its streams.
    pub jitter_ms: Option<f64>,
    /// The mean round trip.
    pub rtt_ms: Option<f64>,
}

/// How good the calls are and were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityReport {
    /// By client network and time.
    pub heat_map: HeatMap,
    /// By class of traffic.
    pub dscp: Vec<DscpClass>,
}

/// How good the calls were, by client network and time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeatMap {
    /// How long a column is.
    pub column_seconds: u64,
    /// When each column begins, the oldest first.
    pub columns: Vec<String>,
    /// The busiest networks, then all others together.
    pub rows: Vec<HeatRow>,
}

/// One network of clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeatRow {
    /// Such as "198.51.100.0/24" or "2001:db8:1::/48"; "others" for all that are not shown by themselves.
    pub network: String,
    /// Its sessions at the last look.
    pub sessions: u64,
    /// What came from clients, for each column; nothing where there were no calls.
    pub client: Vec<Option<Cell>>,
    /// What came from their peers.
    pub peer: Vec<Option<Cell>>,
}

/// Means over one network, leg and column. Nothing stands where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cell {
    /// At most so many sessions at a time.
    pub sessions: u64,
    /// MOS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mos: Option<f64>,
    /// Lost packets of those that were sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loss_percent: Option<f64>,
    /// Jitter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jitter_ms: Option<f64>,
    /// Round trip.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rtt_ms: Option<f64>,
}

/// One class of traffic (RFC 2474).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DscpClass {
    /// Its number, 0 to 63; nothing for packets whose mark the system did not tell.
    pub dscp: Option<u8>,
    /// Its name, such as "EF", or its number.
    pub class: String,
    /// Packets that came so from clients.
    pub client_received: u64,
    /// Packets that came so from peers.
    pub peer_received: u64,
    /// Packets from clients that left so, as the configuration has it; nothing where listeners differ.
    pub client_sent: Option<u64>,
    /// Packets from peers that left so, likewise.
    pub peer_sent: Option<u64>,
}
