//! All that is known of a user's calls, or of one call.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Event, LegFigures, SessionRow};

/// What has happened to somebody's calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The hash of the user, if he is known from a call or an attempt.
    pub user: Option<String>,
    /// Calls that live.
    pub sessions: Vec<SessionRow>,
    /// Whether some of them or of their quality may be missing, since a worker of the relay is too slow to tell of them.
    #[serde(default)]
    pub incomplete: bool,
    /// Calls with media that have ended lately, the newest first.
    pub records: Vec<EndedSession>,
    /// What has happened, the oldest first.
    pub entries: Vec<JournalEntry>,
    /// What the relay told its neighbours meanwhile, and how it was.
    pub route_changes: Vec<Event>,
    /// How each call was from one interval to the next, the newest call first.
    pub quality: Vec<QualityHistory>,
    /// How many failed logins and refused requests of all clients were not kept: there were too many of them.
    pub suppressed: u64,
}

/// One thing that has happened to a client or its call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JournalEntry {
    /// When.
    pub at: String,
    /// "rejected" (no login), "refused", "peer_refused", "allocated", "refreshed_late", "moved" or "released".
    pub kind: String,
    /// In words.
    pub text: String,
    /// Where the client was.
    pub client: String,
    /// "udp", "tcp", "tls" or "dtls".
    pub transport: String,
    /// The hash of the user.
    pub user: String,
    /// Whether the client has proven to be that user, or only says so.
    pub is_proven: bool,
    /// The call, if there was one.
    pub session: Option<String>,
}

/// A call with media that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EndedSession {
    /// Its name.
    pub id: String,
    /// The hash of the user.
    pub user: String,
    /// Where the client was.
    pub client: String,
    /// "udp", "tcp", "tls" or "dtls".
    pub transport: String,
    /// The relayed address.
    pub relayed: String,
    /// The first RTP packet.
    pub began: String,
    /// When it ended.
    pub ended: String,
    /// From one to the other.
    pub seconds: f64,
    /// The way between client and relay.
    pub client_leg: EndedLeg,
    /// The way between relay and peer.
    pub peer_leg: EndedLeg,
}

/// How one leg was over a whole call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EndedLeg {
    /// The mean opinion score of what came by it.
    pub mean_mos: Option<f64>,
    /// That of its worst ten seconds.
    pub worst_mos: Option<f64>,
    /// Of the packets that were expected.
    pub loss_percent: Option<f64>,
    /// The greatest one.
    pub max_jitter_ms: Option<f64>,
    /// The mean round trip.
    pub rtt_ms: Option<f64>,
}

/// How a call was from one interval to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityHistory {
    /// Its name.
    pub session: String,
    /// The intervals, the oldest first.
    pub points: Vec<QualityPoint>,
}

/// One interval of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityPoint {
    /// When it began.
    pub at: String,
    /// How long it was.
    pub seconds: f64,
    /// The way between client and relay.
    pub client: LegFigures,
    /// The way between relay and peer.
    pub peer: LegFigures,
}
