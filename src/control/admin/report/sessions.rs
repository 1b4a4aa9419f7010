//! Allocations, one row each, and all that is known of one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of all allocations, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionPage {
    /// When they were looked at.
    pub taken_at: String,
    /// How many there were.
    pub total: u64,
    /// How many of them are what was asked for.
    pub matched: u64,
    /// Which part of these this is, counted from one.
    pub page: u64,
    /// How many a part has.
    pub page_size: u64,
    /// Whether some are missing, since a worker of the relay is too slow to tell of them.
    #[serde(default)]
    pub incomplete: bool,
    /// The part.
    pub sessions: Vec<SessionRow>,
}

/// One allocation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionRow {
    /// Its name, that of its first relayed address.
    pub id: String,
    /// Its other relayed address, where it has one of each family.
    pub second: Option<SecondAddress>,
    /// The user, as a hash that is the same on all relays.
    pub user: String,
    /// Where the client is.
    pub client: String,
    /// The address that the client sends to.
    pub server: String,
    /// What lies between: "udp", "tcp", "tls" or "dtls".
    pub transport: String,
    /// Of the relayed address: "ipv4" or "ipv6".
    pub family: String,
    /// The number of the listener that the client came through.
    pub listener: u16,
    /// The relayed address, as peers know it.
    pub relayed: String,
    /// Whether it relays TCP (RFC 6062).
    pub is_tcp: bool,
    /// Whether it is a test call of the relay itself.
    pub is_self_test: bool,
    /// When it was allocated.
    pub began: String,
    /// The same as a length of time.
    pub age_seconds: u64,
    /// What is left of it, unless the client refreshes it.
    pub expires_in_seconds: u64,
    /// Peers' addresses that may send.
    pub permissions: u64,
    /// Channels that are bound.
    pub channels: u64,
    /// What went from the client to its peers.
    pub client_to_peer: SessionTraffic,
    /// And the other way.
    pub peer_to_client: SessionTraffic,
    /// What passes; nothing before the first RTP packet.
    pub media: Option<SessionMedia>,
}

/// The second relayed address of an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecondAddress {
    /// Its name.
    pub id: String,
    /// As peers know it.
    pub relayed: String,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionTraffic {
    /// Datagrams.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// The media of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionMedia {
    /// The name of the relayed address that it passes.
    pub session: String,
    /// The first RTP packet.
    pub began: String,
    /// How long there has been none.
    pub idle_seconds: f64,
    /// How the way between client and relay was, in the last whole interval.
    pub client: LegFigures,
    /// And that between relay and peer.
    pub peer: LegFigures,
    /// How what the client sends is marked.
    pub client_to_peer_dscp: DscpChange,
    /// And what it is sent.
    pub peer_to_client_dscp: DscpChange,
}

/// How a leg was in the last whole interval; nothing before it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegFigures {
    /// The mean opinion score of what came by this leg.
    pub mos: Option<f64>,
    /// Of the packets that were expected.
    pub loss_percent: Option<f64>,
    /// The greatest one.
    pub jitter_ms: Option<f64>,
    /// The mean round trip.
    pub rtt_ms: Option<f64>,
}

/// What becomes of the marks of one direction. Streams have none per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DscpChange {
    /// What most packets came with.
    pub came: Option<u8>,
    /// What those leave with.
    pub left: Option<u8>,
}

/// One allocation, with all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionReport {
    /// Its row.
    pub session: SessionRow,
    /// Packets of it that went nowhere, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Its media, in the form of the records of ended calls, with a history of its last intervals; nothing before the first
    /// RTP packet.
    #[schema(value_type = Option<Object>)]
    pub media: Option<serde_json::Value>,
}
