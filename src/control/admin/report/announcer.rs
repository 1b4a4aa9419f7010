//! How a relay stands towards the network: its health, its neighbours, what they are told and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All of it, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// What the relay thinks of itself.
    pub health: Health,
    /// Our autonomous system.
    pub asn: u32,
    /// Our BGP identifier, as an address.
    pub router_id: String,
    /// The sessions, in the order of the configuration.
    pub neighbors: Vec<Neighbor>,
    /// Caches that are asked whether we may originate our prefixes.
    pub rpki: Vec<RpkiCache>,
    /// Connections of strangers that were refused.
    pub refused_connections: u64,
    /// TCP segments whose signature (MD5) was wrong or missing, of all connections of this network; nothing if the system
    /// does not say.
    pub badly_signed_segments: Option<u64>,
}

/// What the relay thinks of itself, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// "healthy", "degraded", "draining", "down" or "takeover".
    pub state: String,
    /// Since when.
    pub since: String,
    /// The same as a length of time.
    pub for_seconds: u64,
    /// What led to it, the immediate cause first.
    pub reasons: Vec<String>,
    /// Whether the operator drains it.
    pub draining: bool,
    /// The weights of what is wrong, added up.
    pub score: u32,
    /// From which score it is degraded.
    pub degraded_at: u32,
    /// From which score it is down.
    pub down_at: u32,
    /// How many other relays are healthy, where somebody knows.
    pub others: Option<u16>,
    /// What is looked at.
    pub checks: Vec<Check>,
    /// The last changes, the newest first.
    pub transitions: Vec<Transition>,
}

/// One thing that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it counts as: "good", "poor" or "bad"; "pending" before it has run often enough.
    pub status: String,
    /// What it said last: "good", "poor" or "bad"; nothing before.
    pub last: Option<String>,
    /// In its words.
    pub detail: String,
    /// What it counts while it is down.
    pub weight: u32,
    /// How often in a row it has said what it said last.
    pub streak: u32,
    /// How long ago it last said something.
    pub age_milliseconds: Option<u64>,
}

/// A change of state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// When.
    pub at: String,
    /// From which state.
    pub from: String,
    /// To which.
    pub to: String,
    /// What led to it, the immediate cause first.
    pub reasons: Vec<String>,
}

/// A BGP neighbour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Neighbor {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Its autonomous system.
    pub asn: u32,
    /// "idle", "connect", "active", "open_sent", "open_confirm" or "established".
    pub state: String,
    /// Why nothing is tried, if it is not.
    pub halted: Option<String>,
    /// Until the next attempt.
    pub next_attempt_milliseconds: Option<u64>,
    /// Since when there is a session, or none any more; nothing if there never was one.
    pub since: Option<String>,
    /// The same as a length of time.
    pub for_seconds: Option<u64>,
    /// Our end of the session.
    pub local: Option<String>,
    /// Its end.
    pub remote: Option<String>,
    /// Its BGP identifier, as an address.
    pub router_id: Option<String>,
    /// As negotiated.
    pub hold_time_seconds: Option<u64>,
    /// As negotiated.
    pub keepalive_seconds: Option<u64>,
    /// How long until silence ends the session.
    pub hold_left_milliseconds: Option<u64>,
    /// What both ends speak: "ipv4", "ipv6".
    pub families: Vec<String>,
    /// What it said it can do.
    pub capabilities: Vec<String>,
    /// What it has announced to us: counted, and thrown away.
    pub received: Received,
    /// How many prefixes it has been told.
    pub announced: u64,
    /// How often a session was established.
    pub established: u64,
    /// How often one has ended without our wish.
    pub flaps: u64,
    /// UPDATEs whose routes were taken as withdrawn because of an error in them (RFC 7606).
    pub treated_as_withdraw: u64,
    /// UPDATEs of which an attribute was ignored because of an error in it.
    pub discarded_attributes: u64,
    /// The last NOTIFICATION, whoever sent it.
    pub last_notification: Option<Notification>,
    /// Why the last attempt or session ended. It stays after it is mended.
    pub last_failure: Option<String>,
    /// How long ago that was.
    pub last_failure_seconds: Option<u64>,
    /// The last failure that said why, if `last_failure` does not, such as a connection that was refused, and no session
    /// came between.
    pub failure_cause: Option<String>,
    /// How long ago that was.
    pub failure_cause_seconds: Option<u64>,
    /// What it is told of each prefix, and why.
    pub routes: Vec<Route>,
    /// Its BFD session, if there is one.
    pub bfd: Option<BfdSession>,
}

/// Prefixes that a neighbour has announced to us.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Of IPv4.
    pub ipv4: u64,
    /// Of IPv6.
    pub ipv6: u64,
}

/// A message that ends a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// "sent" or "received".
    pub direction: String,
    /// When.
    pub at: String,
    /// How long ago.
    pub age_seconds: u64,
    /// The code of RFC 4271.
    pub code: u8,
    /// The code within it.
    pub subcode: u8,
    /// All of it in words, with what an operator wrote (RFC 9003).
    pub words: String,
}

/// A prefix towards a neighbour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The prefix.
    pub prefix: String,
    /// Whether the neighbour has been told of it.
    pub announced: bool,
    /// With what it has been told, or would be if there were a session; nothing if it is not to be announced.
    pub attributes: Option<Attributes>,
    /// Why the session cannot carry it.
    pub withheld: Option<String>,
    /// What led to it, the immediate cause first.
    pub why: Vec<String>,
}

/// What a prefix is announced with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attributes {
    /// The lower one is preferred.
    pub med: Option<u32>,
    /// How often our number stands in AS_PATH beyond the once that must be.
    pub prepend: u8,
    /// Such as "65535:0".
    pub communities: Vec<String>,
    /// Such as "64512:1:2".
    pub large_communities: Vec<String>,
    /// An address, or "self".
    pub next_hop: String,
}

/// A BFD session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BfdSession {
    /// "admin_down", "down", "init" or "up".
    pub state: String,
    /// Since when.
    pub since: String,
    /// The same as a length of time.
    pub for_seconds: u64,
    /// What the neighbour says of itself.
    pub remote_state: String,
    /// Whether our workers answer: the session stays down while they do not.
    pub healthy: bool,
    /// Whether there may be routers between.
    pub multihop: bool,
    /// Our number of the session.
    pub local_discriminator: u32,
    /// The neighbour's.
    pub remote_discriminator: u32,
    /// How often we send, as negotiated; nothing if the neighbour wants nothing.
    pub transmit_microseconds: Option<u64>,
    /// How often the neighbour would like to send.
    pub remote_transmit_microseconds: u64,
    /// How long silence lasts until it is down; nothing while it is not heard.
    pub detection_microseconds: Option<u64>,
    /// How many packets of ours may be missing.
    pub multiplier: u8,
    /// How many of the neighbour's.
    pub remote_multiplier: u8,
    /// When it was last up no more.
    pub last_down: Option<String>,
    /// Why.
    pub last_down_reason: Option<String>,
    /// What our packets say of that.
    pub diagnostic: String,
    /// What the neighbour's packets say.
    pub remote_diagnostic: String,
    /// Packets sent.
    pub sent: u64,
    /// Packets heard.
    pub received: u64,
    /// Packets from the neighbour's address that were not taken.
    pub refused: u64,
    /// How often it went down.
    pub flaps: u64,
    /// Why there is no socket.
    pub problem: Option<String>,
}

/// All BFD sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BfdReport {
    /// In the order of the configuration.
    pub sessions: Vec<NeighborBfd>,
}

/// A neighbour's BFD session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NeighborBfd {
    /// Its name.
    pub neighbor: String,
    /// Where it is.
    pub address: String,
    /// The session.
    #[serde(flatten)]
    pub session: BfdSession,
}

impl Report {
    /// What it says of BFD.
    #[must_use]
    pub fn bfd(&self) -> BfdReport {
        let session = |neighbor: &Neighbor| {
            let session = neighbor.bfd.clone()?;
            Some(NeighborBfd { neighbor: neighbor.name.clone(), address: neighbor.address.clone(), session })
        };
        BfdReport { sessions: self.neighbors.iter().filter_map(session).collect() }
    }
}

/// A cache of validated statements about the origin of prefixes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RpkiCache {
    /// As configured.
    pub address: String,
    /// How we stand with it, in a word or two.
    pub state: String,
    /// How many of its statements concern our prefixes.
    pub records: u64,
    /// When it last answered in full.
    pub updated: Option<String>,
    /// How long its statements are used if it does not answer again.
    pub expires_seconds: Option<u64>,
    /// What last went wrong.
    pub last_failure: Option<String>,
}
