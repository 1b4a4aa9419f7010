//! The command line. What it means is in [`crate::plan`]; nothing is looked up or opened here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::profile::Profile;
use crate::units;

const EXIT_CODES: &str = "Exit codes:
  0   measured, and within --max-loss and --max-p99 where given
  1   measured, but beyond one of them; or this machine said no
  2   usage: the command line makes no sense
  69  the server does not answer
  77  the server refuses: wrong password, denied peer, quota, full";

/// Measures a TURN server: Tern, coturn, or any other.
///
/// Each session is a TURN client with one allocation. A peer on this machine exchanges packets with it through the
/// server; every packet tells when it was sent, and is checked byte for byte when it arrives.
#[derive(Debug, Parser)]
#[command(name = "tern-loadtest", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Loss, latency, jitter and the server's CPU at one rate.
    Steady(SteadyArgs),
    /// The highest rate under a stated loss.
    Knee(KneeArgs),
    /// Allocations per second: challenge, Allocate, ChannelBind, Refresh with lifetime 0.
    Storm(StormArgs),
    /// Memory per allocation, of the server's process and of the kernel.
    Idle(IdleArgs),
    /// Hours of load, looked through for leaks and drift.
    Soak(SoakArgs),
    /// Real peer connections of the webrtc crate, relayed.
    Call(CallArgs),
    /// Two or more servers in turn, A B A B, and their ratios.
    Compare(CompareArgs),
}

/// Options of all modes.
#[derive(Clone, Debug, Args)]
pub struct CommonArgs {
    /// Where the server is and who may use it.
    #[command(flatten)]
    pub server: ServerArgs,
    /// What is sent.
    #[command(flatten)]
    pub load: LoadArgs,
    /// From where to where.
    #[command(flatten)]
    pub sides: SideArgs,
    /// What happens with the result.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where the server is and who may use it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// `HOST[:PORT]`, `turn:HOST[:PORT][?transport=tcp]` or `turns:…`; with NAME= before it, reports call it so. `compare` takes several.
    #[arg(long, short, value_name = "SERVER", required = true)]
    pub server: Vec<String>,
    /// How clients reach the server; that of the URL, else UDP.
    #[arg(long, short, value_enum)]
    pub transport: Option<TransportArg>,
    /// User name; with several servers one for all, or one each.
    #[arg(long, short)]
    pub user: Vec<String>,
    /// Password, likewise.
    #[arg(long, short)]
    pub password: Vec<String>,
    /// Shared secret from which time-limited credentials are made, likewise.
    #[arg(long, conflicts_with = "password")]
    pub secret: Vec<String>,
    /// The realm, if it is not to be learned from the server.
    #[arg(long)]
    pub realm: Option<String>,
    /// The server's process, to measure its CPU and memory; with several servers one each, in their order.
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// TLS and DTLS: take any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// TLS and DTLS: trust the certificates in this file (PEM).
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Reach the server over IPv4.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Reach the server over IPv6.
    #[arg(short = '6', long = "ipv6")]
    pub ipv6: bool,
}

/// What is sent.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Concurrent sessions, each with an allocation.
    #[arg(long, short = 'n', default_value_t = 10, value_name = "N")]
    pub sessions: usize,
    /// Time over which the sessions are opened; 0 opens them as fast as the server answers.
    #[arg(long, default_value = "0", value_parser = units::duration, value_name = "TIME")]
    pub ramp: Duration,
    /// How long to measure.
    #[arg(long, short, default_value = "10s", value_parser = units::duration, value_name = "TIME")]
    pub duration: Duration,
    /// How long media flows before it is measured.
    #[arg(long, default_value = "1s", value_parser = units::duration, value_name = "TIME")]
    pub warm_up: Duration,
    /// opus, pcmu, vp8, or `SIZExRATE[xBURST]`: bytes, packets per second of one session and direction, packets per burst.
    #[arg(long, default_value = "opus")]
    pub profile: Profile,
    /// Which way media flows.
    #[arg(long, value_enum, default_value_t = DirectionArg::Both)]
    pub direction: DirectionArg,
    /// Channels, or permissions with Send and Data indications.
    #[arg(long = "mode", value_enum, default_value_t = CarriageArg::Channel)]
    pub carriage: CarriageArg,
    /// Sessions send to one another's relayed addresses instead of to a peer.
    #[arg(long)]
    pub relay_to_relay: bool,
    /// The peer returns what it receives instead of sending by itself.
    #[arg(long, conflicts_with = "relay_to_relay")]
    pub echo: bool,
    /// Sessions that leave, and new ones that come, per second.
    #[arg(long, default_value = "0", value_parser = units::count, value_name = "RATE")]
    pub churn: f64,
    /// Threads that generate load; each needs a processor that the server does not.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub threads: usize,
    /// Requests in flight while sessions are opened.
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub in_flight: usize,
}

/// From where to where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Addresses")]
pub struct SideArgs {
    /// Addresses that clients use in turn; several get round the limit of ports per address.
    #[arg(long, value_name = "ADDRESS")]
    pub source: Vec<IpAddr>,
    /// The address on which the peer receives, as the server reaches it; by default the one that this machine uses towards the server.
    #[arg(long, value_name = "ADDRESS")]
    pub peer_address: Option<IpAddr>,
    /// Network namespace of the clients: a name of `ip netns`, a path, or a PID.
    #[arg(long, value_name = "NAMESPACE")]
    pub client_netns: Option<String>,
    /// Network namespace of the peer.
    #[arg(long, value_name = "NAMESPACE")]
    pub peer_netns: Option<String>,
    /// Ask for relayed addresses of this family.
    #[arg(long, value_enum)]
    pub relay_family: Option<FamilyArg>,
}

/// What happens with the result.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Result")]
pub struct OutputArgs {
    /// Write the result as JSON to a file, or to standard output (-) in place of the text.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,
    /// Write the text as Markdown: tables for a README or an issue.
    #[arg(long)]
    pub markdown: bool,
    /// Write a page with plots (.html) or a picture (.svg).
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Fail (exit code 1) if more is lost, in the worse direction: 0.1%.
    #[arg(long, value_parser = units::share, value_name = "SHARE")]
    pub max_loss: Option<f64>,
    /// Fail if the 99th percentile of latency is higher, in the worse direction: 5ms.
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    pub max_p99: Option<Duration>,
    /// No progress, only the result.
    #[arg(long, short)]
    pub quiet: bool,
    /// Do not measure the generator's own ceiling against a reflector.
    #[arg(long)]
    pub no_ceiling: bool,
}

/// `steady`.
#[derive(Clone, Debug, Args)]
pub struct SteadyArgs {
    /// Options of all modes.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// How the highest rate is looked for.
#[derive(Clone, Debug, Args)]
pub struct SearchArgs {
    /// knee: the loss that is allowed.
    #[arg(long, default_value = "0.1%", value_parser = units::share, value_name = "SHARE")]
    pub loss: f64,
    /// knee: packets per second to begin with, both directions and all sessions together.
    #[arg(long, default_value = "10k", value_parser = units::count, value_name = "RATE")]
    pub from: f64,
    /// knee: packets per second to end at.
    #[arg(long, default_value = "10M", value_parser = units::count, value_name = "RATE")]
    pub to: f64,
    /// knee: how closely it is found, as a share of it.
    #[arg(long, default_value = "3%", value_parser = units::share, value_name = "SHARE")]
    pub precision: f64,
}

/// `knee`.
#[derive(Clone, Debug, Args)]
pub struct KneeArgs {
    /// Options of all modes; --duration is that of one step.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where it is looked for.
    #[command(flatten)]
    pub search: SearchArgs,
}

/// `storm`.
#[derive(Clone, Debug, Args)]
pub struct StormArgs {
    /// Options of all modes; --in-flight counts, --sessions does not.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `idle`.
#[derive(Clone, Debug, Args)]
pub struct IdleArgs {
    /// Options of all modes.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// Options of all modes; --duration is the whole time.
    #[command(flatten)]
    pub common: CommonArgs,
    /// How long one window of it is; 1m, or a tenth of a --duration below ten minutes.
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    pub window: Option<Duration>,
    /// Fail if the server's memory or descriptors grow by more over the whole time, for certain.
    #[arg(long, default_value = "5%", value_parser = units::share, value_name = "SHARE")]
    pub max_growth: f64,
    /// Fail if its CPU per packet or the 99th percentile of latency does.
    #[arg(long, default_value = "50%", value_parser = units::share, value_name = "SHARE")]
    pub max_drift: f64,
}

/// `call`.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// Options of all modes; --sessions are calls.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// `compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Options of all modes; --duration is that of one window.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Rounds, each with one window per server.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub rounds: usize,
    /// What each window is.
    #[arg(long, value_enum, default_value_t = CompareWhat::Steady)]
    pub what: CompareWhat,
    /// With --what knee.
    #[command(flatten)]
    pub search: SearchArgs,
}

/// What a window of `compare` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareWhat {
    /// One rate.
    Steady,
    /// A search of the highest rate.
    Knee,
    /// Allocations per second.
    Storm,
    /// Memory per allocation.
    Idle,
}

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportArg {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// DTLS over UDP.
    Dtls,
}

/// Which way media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectionArg {
    /// Both ways, independently.
    Both,
    /// Clients to peers.
    Up,
    /// Peers to clients.
    Down,
}

/// How media is carried between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CarriageArg {
    /// ChannelData.
    Channel,
    /// Send and Data indications.
    Permission,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FamilyArg {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Command {
    /// The options that all modes have.
    #[must_use]
    pub const fn common(&self) -> &CommonArgs {
        match self {
            Self::Steady(args) => &args.common,
            Self::Knee(args) => &args.common,
            Self::Storm(args) => &args.common,
            Self::Idle(args) => &args.common,
            Self::Soak(args) => &args.common,
            Self::Call(args) => &args.common,
            Self::Compare(args) => &args.common,
        }
    }
}
