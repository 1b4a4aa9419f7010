//! The configuration: TOML into checked types.
//!
//! A value is taken from the command line, else from the environment (`TERN__SECTION__KEY`), else from the
//! file, else it has its default. Everything that is wrong is reported at once, each with its file, line and
//! column. Nothing below `server` knows of this module: [`Config::settings`] makes the plain structs that it
//! starts from.

mod admin;
mod announce;
mod announcer;
mod auth;
mod bfd;
mod bgp;
mod check;
mod diff;
mod dscp;
mod health;
mod limits;
mod listener;
mod load;
mod media;
mod metrics;
mod notation;
mod problem;
mod quality;
mod reader;
mod relay;
mod rpki;
mod secrets;
mod server;
mod settings;
mod speaker;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

pub use admin::{Admin, AdminClient, AdminPath, AdminToken, DEFAULT_SOCKET, Group};
pub use announce::{Announce, AnnouncedPrefix, Med, NextHops, Rung, Rungs};
pub use auth::{Auth, NonceKey, OauthAlgorithm, OauthKey, SharedSecret};
pub use bfd::{Bfd, NeighborBfd};
pub use bgp::{Bgp, Neighbor};
pub use diff::{Change, Effect, diff};
pub use dscp::Dscp;
pub use health::{
    Certificates, ClockSteps, Damping, Enabled, Health, Hook, Limit, MediaQuality, Mos, OwnCheck, OwnProbe,
    Pace, Packets,
};
pub use limits::{Limits, Peers};
pub use listener::Listener;
pub use load::{Development, Loaded, Sources, load};
pub use media::{Dtls, Media, Streams};
pub use metrics::Metrics;
pub use notation::Text;
pub use problem::{Place, Problem, Problems, Severity};
pub use quality::{Quality, QualityCodec, Records};
pub use relay::{Address, NatDiscovery, Relay};
pub use rpki::Rpki;
pub use secrets::{Password, Secrets, read_one_secret};
pub use server::{Level, Log, LogFormat, Server};
pub use settings::{Probe, Process};
pub use tree::ENV_PREFIX;
pub use values::{BitRate, Cidr, Moment, Period, PortRange, transport_word};
pub use watch::{Alerts, Capacity};

/// The default path of the configuration.
pub const DEFAULT_PATH: &str = "/etc/tern/tern.toml";

/// A whole configuration, each field a section of the file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[[listener]]`.
    pub listener: Vec<Listener>,
    /// `[relay]`.
    pub relay: Relay,
    /// `[auth]`.
    pub auth: Auth,
    /// `[limits]`.
    pub limits: Limits,
    /// `[capacity]`.
    pub capacity: Capacity,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[peers]`.
    pub peers: Peers,
    /// `[nat_discovery]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_discovery: Option<NatDiscovery>,
    /// `[media]`.
    pub media: Media,
    /// `[streams]`.
    pub streams: Streams,
    /// `[dtls]`.
    pub dtls: Dtls,
    /// `[quality]`.
    pub quality: Quality,
    /// `[announce]`.
    pub announce: Announce,
    /// `[health]`.
    pub health: Health,
    /// `[bgp]`.
    pub bgp: Bgp,
    /// `[bfd]`.
    pub bfd: Bfd,
    /// `[rpki]`.
    pub rpki: Rpki,
    /// `[admin]`.
    pub admin: Admin,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[log]`.
    pub log: Log,
    /// What relative paths start from.
    #[serde(skip)]
    pub base: PathBuf,
    /// The cores of this machine when it was read: as many workers run if [`Server::workers`] is 0.
    #[serde(skip)]
    pub cores: u8,
    /// Where systemd has put the credentials of this service.
    #[serde(skip)]
    pub credentials_directory: Option<PathBuf>,
    /// Set in the development mode only: private and loopback peers are admitted then.
    #[serde(skip)]
    pub development: Option<Arc<Development>>,
}

impl Config {
    /// The configuration as TOML, every default written out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }
}
