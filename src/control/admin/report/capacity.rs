//! How much more a relay can carry, and what runs out first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What there is of everything that can run out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// Allocations.
    pub sessions: Room,
    /// Bits per second that come from clients and peers.
    pub bits_per_second: Room,
    /// Packets per second that come from clients and peers.
    pub packets_per_second: Room,
    /// Relayed ports.
    pub ports: Room,
    /// The share of its time that the busiest worker was busy.
    pub worker_busy: f64,
    /// What runs out first: of what there is a known limit, the one with the least free share.
    pub binds: Option<Resource>,
}

/// One thing that can run out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Room {
    /// How much is used.
    pub used: f64,
    /// How much there is; nothing if nobody knows.
    pub limit: Option<f64>,
    /// The share that is left, 0 to 1.
    pub free_share: Option<f64>,
    /// How the limit is known.
    pub basis: Basis,
}

/// How a limit is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It is written in the configuration, or counted.
    Configured,
    /// It follows from how busy the workers are with what they have.
    Measured,
    /// It is not known: nothing is configured, and there is too little load to tell.
    #[default]
    Unknown,
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Allocations.
    Sessions,
    /// Bits per second.
    Bandwidth,
    /// Packets per second.
    Packets,
    /// Relayed ports.
    Ports,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sessions, Self::Bandwidth, Self::Packets, Self::Ports];

    /// As metrics and JSON have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Bandwidth => "bandwidth",
            Self::Packets => "packets",
            Self::Ports => "ports",
        }
    }
}

impl Capacity {
    /// The room of one resource.
    #[must_use]
    pub const fn room(&self, resource: Resource) -> &Room {
        match resource {
            Resource::Sessions => &self.sessions,
            Resource::Bandwidth => &self.bits_per_second,
            Resource::Packets => &self.packets_per_second,
            Resource::Ports => &self.ports,
        }
    }
}
