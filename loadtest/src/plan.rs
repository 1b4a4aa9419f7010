//! What is to be done, validated: names are resolved, every server has its credentials, and what contradicts itself has
//! been refused with a sentence.

mod target;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use target::{Credentials, Target, Transport};

use crate::cli::{self, Cli, Command};
use crate::failure::Failure;
use crate::outcome::{Method, ServerMethod};
use crate::profile::Profile;

/// More sessions than one machine could hold.
const SESSIONS_MAX: usize = 4_000_000;

/// A window of a soak, unless the user wants another.
const SOAK_WINDOW: Duration = Duration::from_secs(60);

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One, or for `compare` several.
    pub targets: Vec<Target>,
    /// What is sent.
    pub load: Load,
    /// From where to where.
    pub sides: Sides,
    /// Whom TLS and DTLS clients believe.
    pub trust: Trust,
    /// What is measured.
    pub mode: Mode,
    /// Whether the generator's own ceiling is looked for.
    pub ceiling: bool,
    /// What the result must not exceed.
    pub thresholds: Thresholds,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Concurrent sessions.
    pub sessions: usize,
    /// Time over which they are opened.
    pub ramp: Duration,
    /// How long to measure.
    pub duration: Duration,
    /// How long media flows before.
    pub warm_up: Duration,
    /// What one flow sends.
    pub profile: Profile,
    /// Which way.
    pub direction: Direction,
    /// How media is carried between client and server.
    pub carriage: Carriage,
    /// To whom clients send.
    pub pairing: Pairing,
    /// Departures and arrivals per second.
    pub churn: f64,
    /// Generator threads.
    pub threads: usize,
    /// Requests in flight while sessions are opened.
    pub in_flight: usize,
}

/// Which way media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways, independently.
    Both,
    /// Clients to peers.
    Up,
    /// Peers to clients.
    Down,
}

impl Direction {
    /// Whether clients send.
    #[must_use]
    pub const fn up(self) -> bool {
        matches!(self, Self::Both | Self::Up)
    }

    /// Whether peers send.
    #[must_use]
    pub const fn down(self) -> bool {
        matches!(self, Self::Both | Self::Down)
    }
}

/// How media is carried between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// ChannelData.
    Channel,
    /// Send and Data indications.
    Permission,
}

/// To whom clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// A peer that sends by itself.
    Peer,
    /// A peer that returns what it receives.
    Echo,
    /// Each other, through both relayed addresses.
    RelayToRelay,
}

/// From where to where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Addresses that clients use in turn; empty leaves it to the system.
    pub sources: Vec<IpAddr>,
    /// Where the peer receives; none for the address that this machine uses towards the server.
    pub peer: Option<IpAddr>,
    /// Network namespace of the clients, as a path.
    pub client_netns: Option<PathBuf>,
    /// Network namespace of the peer.
    pub peer_netns: Option<PathBuf>,
    /// Family of the relayed addresses to ask for; none asks for none.
    pub relay_v6: Option<bool>,
}

/// Whom TLS and DTLS clients believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's authorities.
    System,
    /// Those in a file.
    File(PathBuf),
    /// Everybody.
    Anybody,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// One rate.
    Steady,
    /// The highest rate under a stated loss.
    Knee(Search),
    /// Allocations per second.
    Storm,
    /// Memory per allocation.
    Idle,
    /// Many windows.
    Soak {
        /// How long one is.
        window: Duration,
        /// What may grow by how much.
        allowed: Growth,
    },
    /// Real peer connections.
    Call,
    /// Servers in turn.
    Compare {
        /// How often round.
        rounds: usize,
        /// What each window is.
        what: Compared,
    },
}

/// By which share of themselves figures may grow over a soak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// The server's memory and descriptors.
    pub memory: f64,
    /// Its CPU per packet, and latency.
    pub cost: f64,
}

/// How the knee is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The loss that is allowed.
    pub loss: f64,
    /// Packets per second to begin with, both directions and all sessions together.
    pub from: f64,
    /// And to end at.
    pub to: f64,
    /// How closely.
    pub precision: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self { loss: 0.001, from: 10e3, to: 10e6, precision: 0.03 }
    }
}

/// What a window of `compare` is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compared {
    /// One rate.
    Steady,
    /// A search.
    Knee(Search),
    /// Allocations per second.
    Storm,
    /// Memory per allocation.
    Idle,
}

/// What the result must not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Share of packets lost, in the worse direction.
    pub loss: Option<f64>,
    /// 99th percentile of latency, in the worse direction.
    pub p99: Option<Duration>,
}

impl Plan {
    /// Makes sense of a command line; resolves names.
    ///
    /// # Errors
    /// A sentence about what makes no sense, or about a name that does not resolve.
    pub fn new(cli: &Cli) -> Result<Self, Failure> {
        let common = cli.command.common();
        let mode = mode(&cli.command);
        let several = matches!(mode, Mode::Compare { .. });
        let targets = target::resolve(&common.server, several)?;
        let load = load(&common.load)?;
        let sides = sides(&common.sides)?;
        check(&load, &sides, &targets, mode)?;
        let trust = match (&common.server.ca, common.server.insecure) {
            (Some(file), _) => Trust::File(file.clone()),
            (None, true) => Trust::Anybody,
            (None, false) => Trust::System,
        };
        let thresholds = Thresholds { loss: common.output.max_loss, p99: common.output.max_p99 };
        Ok(Self { targets, load, sides, trust, mode, ceiling: !common.output.no_ceiling, thresholds })
    }

    /// The only server, or the first.
    ///
    /// # Errors
    /// None for a plan made by [`Plan::new`].
    pub fn target(&self) -> Result<&Target, Failure> {
        self.targets.first().ok_or_else(|| Failure::usage("name a server with --server"))
    }

    /// What was asked for, for the report.
    #[must_use]
    pub fn method(&self) -> Method {
        let load = &self.load;
        Method {
            servers: self.targets.iter().map(describe).collect(),
            sessions: if matches!(self.mode, Mode::Storm) { load.in_flight } else { load.sessions },
            profile: load.profile.to_string(),
            packet_bytes: load.profile.size,
            burst: load.profile.burst,
            flow_rate: load.profile.rate(),
            direction: format!("{:?}", load.direction).to_lowercase(),
            carriage: format!("{:?}", load.carriage).to_lowercase(),
            relay_to_relay: load.pairing == Pairing::RelayToRelay,
            churn: load.churn,
            seconds: load.duration.as_secs_f64(),
            threads: load.threads,
        }
    }
}

fn describe(target: &Target) -> ServerMethod {
    ServerMethod {
        name: target.name.clone(),
        address: target.address.to_string(),
        transport: target.transport.to_string(),
        pid: target.pid,
        software: None,
    }
}

const fn search(args: &cli::SearchArgs) -> Search {
    Search { loss: args.loss, from: args.from, to: args.to, precision: args.precision }
}

fn mode(command: &Command) -> Mode {
    match command {
        Command::Steady(_) => Mode::Steady,
        Command::Knee(args) => Mode::Knee(search(&args.search)),
        Command::Storm(_) => Mode::Storm,
        Command::Idle(_) => Mode::Idle,
        Command::Soak(args) => {
            let allowed = Growth { memory: args.max_growth, cost: args.max_drift };
            let window = args.window.unwrap_or((args.common.load.duration / 10).min(SOAK_WINDOW));
            Mode::Soak { window, allowed }
        }
        Command::Call(_) => Mode::Call,
        Command::Compare(args) => {
            let what = match args.what {
                cli::CompareWhat::Steady => Compared::Steady,
                cli::CompareWhat::Knee => Compared::Knee(search(&args.search)),
                cli::CompareWhat::Storm => Compared::Storm,
                cli::CompareWhat::Idle => Compared::Idle,
            };
            Mode::Compare { rounds: args.rounds, what }
        }
    }
}

fn load(args: &cli::LoadArgs) -> Result<Load, Failure> {
    if args.sessions == 0 || args.sessions > SESSIONS_MAX {
        return Err(Failure::usage(format!("--sessions is {}; give 1 to {SESSIONS_MAX}", args.sessions)));
    }
    if args.threads == 0 || args.threads > 64 || args.in_flight == 0 || args.in_flight > 65_536 {
        return Err(Failure::usage("--threads must be 1 to 64, and --in-flight 1 to 65536"));
    }
    if args.duration.is_zero() {
        return Err(Failure::usage("--duration is 0; nothing can be measured in no time"));
    }
    Ok(Load {
        sessions: args.sessions,
        ramp: args.ramp,
        duration: args.duration,
        warm_up: args.warm_up,
        profile: args.profile,
        direction: match args.direction {
            cli::DirectionArg::Both => Direction::Both,
            cli::DirectionArg::Up => Direction::Up,
            cli::DirectionArg::Down => Direction::Down,
        },
        carriage: match args.carriage {
            cli::CarriageArg::Channel => Carriage::Channel,
            cli::CarriageArg::Permission => Carriage::Permission,
        },
        pairing: match (args.relay_to_relay, args.echo) {
            (true, _) => Pairing::RelayToRelay,
            (false, true) => Pairing::Echo,
            (false, false) => Pairing::Peer,
        },
        churn: args.churn,
        // A thread without sessions has nothing to do.
        threads: args.threads.min(args.sessions),
        in_flight: args.in_flight,
    })
}

fn sides(args: &cli::SideArgs) -> Result<Sides, Failure> {
    Ok(Sides {
        sources: args.source.clone(),
        peer: args.peer_address,
        client_netns: args.client_netns.as_deref().map(netns).transpose()?,
        peer_netns: args.peer_netns.as_deref().map(netns).transpose()?,
        relay_v6: args.relay_family.map(|family| family == cli::FamilyArg::V6),
    })
}

/// A network namespace by name, path or PID.
fn netns(text: &str) -> Result<PathBuf, Failure> {
    let path = if text.contains('/') {
        PathBuf::from(text)
    } else if text.parse::<u32>().is_ok() {
        PathBuf::from(format!("/proc/{text}/ns/net"))
    } else {
        PathBuf::from(format!("/run/netns/{text}"))
    };
    if path.exists() {
        return Ok(path);
    }
    Err(Failure::usage(format!(
        "there is no network namespace {}; `ip netns list` shows their names",
        path.display()
    )))
}

fn check(load: &Load, sides: &Sides, targets: &[Target], mode: Mode) -> Result<(), Failure> {
    if load.pairing == Pairing::RelayToRelay && load.sessions % 2 == 1 {
        return Err(Failure::usage(
            "--relay-to-relay pairs sessions with each other; give an even number of --sessions",
        ));
    }
    if load.pairing == Pairing::Echo && load.direction == Direction::Down {
        return Err(Failure::usage(
            "with --echo the peer only returns what clients send; leave out --direction down",
        ));
    }
    for target in targets {
        let foreign = sides.sources.iter().find(|source| source.is_ipv6() != target.address.is_ipv6());
        if let Some(source) = foreign {
            return Err(Failure::usage(format!(
                "--source {source} cannot reach the server at {}: they are of different families",
                target.address.ip()
            )));
        }
    }
    if let Mode::Knee(search) | Mode::Compare { what: Compared::Knee(search), .. } = mode
        && (search.from < 1.0 || search.to <= search.from || search.precision <= 0.0)
    {
        return Err(Failure::usage(
            "knee searches upwards: --from must be at least 1 and below --to, --precision above 0",
        ));
    }
    if let Mode::Soak { window, .. } = mode
        && (window.is_zero() || window > load.duration)
    {
        return Err(Failure::usage("--window must be longer than 0 and no longer than --duration"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
