//! `tern probe`: a call through any TURN server, as a browser would make it, and what the way did to it.
//!
//! Two allocations are made, and one sends to the other through both, fifty packets of RTP a second; the other sends each
//! back. Where a server does not give a second one, a socket of this machine is the peer. Everything runs on this thread,
//! one question at a time, so that what fails first is what is named.

mod bearer;
mod media;
mod report;
mod stage;
mod steps;
mod target;
mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::credentials::read_password;
use super::exit::{Exit, Failure, print};
use crate::client::Login;
use crate::clock::Clock;
use crate::config;
use crate::engine::auth;
use crate::time::UnixTime;
use target::{Target, parse_target};

/// How long a credential holds that is made for a probe.
const CREDENTIAL: u64 = 600;

/// Make a call through a TURN server and say how it was: loss, round trip, jitter, opinion.
///
/// Any server will do. Two allocations are made and media goes from one to the other and back, through the server both
/// times. The exit code is 1 if a step fails, nothing comes back, or the call is worse than --min-mos.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tern probe turn:relay.example.org --username 1767225600:ann --credential abc
  tern probe 'turns:relay.example.org?transport=tcp' --secret-file rest.secret
  tern probe 'turns:relay.example.org?transport=udp' --secret-file rest.secret   (DTLS)")]
pub(super) struct ProbeArgs {
    /// Whom to call.
    #[arg(
        value_name = "URL",
        value_parser = parse_target,
        help = "turn:HOST[:PORT][?transport=udp|tcp], or turns: for TLS, with transport=udp for DTLS"
    )]
    url: Target,
    /// As whom; with --secret-file, the part behind the time.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    username: String,
    /// The password; asked for, or read from standard input, if only a user name is given.
    #[arg(long, value_name = "PASSWORD", conflicts_with = "secret_file", requires = "username")]
    credential: Option<String>,
    /// A file with the server's shared secret, from which a credential for ten minutes is made.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long to send.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=240))]
    seconds: u64,
    /// How long to wait for each answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// Who sends the media back.
    #[arg(long, value_enum, default_value_t = PeerKind::Auto)]
    peer: PeerKind,
    /// Send without a channel, as Firefox does.
    #[arg(long)]
    indications: bool,
    /// Reach the server over IPv4.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Reach the server over IPv6.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Certificates of authorities to trust, instead of this machine's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Take any certificate. DTLS always does.
    #[arg(long)]
    insecure: bool,
    /// Fail if either direction has a lower opinion score (1 to 4.4).
    #[arg(long, value_name = "MOS")]
    min_mos: Option<f64>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Who sends the media back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PeerKind {
    /// A second allocation, or a socket if the server gives no second one.
    Auto,
    /// A second allocation.
    Allocation,
    /// A UDP socket of this machine, which the server must be able to reach.
    Socket,
}

pub(super) fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let plan = steps::Plan {
        target: args.url.clone(),
        family: match (args.ipv4, args.ipv6) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            (false, false) => None,
        },
        login: login(args)?,
        trust: trust(args)?,
        duration: Duration::from_secs(args.seconds),
        patience: Duration::from_secs(args.timeout),
        peer: args.peer,
        indications: args.indications,
    };
    let mut report = steps::probe(&plan);
    if let Some(least) = args.min_mos {
        report.demand(least);
    }
    if args.json {
        print(&format!("{}\n", report.json()))?;
    } else {
        print(&report.text())?;
    }
    if report.ok { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

fn login(args: &ProbeArgs) -> Result<Login, Failure> {
    if let Some(path) = &args.secret_file {
        let (secrets, warnings) = config::read_one_secret(path)?;
        if !warnings.is_empty() {
            Failure::new(Exit::Ok, warnings.to_string()).print();
        }
        let now = Clock::new().now().unix;
        let user = if args.username.is_empty() { "probe" } else { &args.username };
        let secret = secrets.valid(now).next();
        let secret =
            secret.ok_or_else(|| Failure::new(Exit::Failed, "tern: the shared secret is not valid"))?;
        let made = auth::issue(secret, user, UnixTime(now.0.saturating_add(CREDENTIAL)));
        return Ok(Login { username: made.username, password: made.password });
    }
    let password = match &args.credential {
        Some(password) => password.clone(),
        None if args.username.is_empty() => String::new(),
        None => read_password("Password: ")?,
    };
    Ok(Login { username: args.username.clone(), password })
}

fn trust(args: &ProbeArgs) -> Result<stage::Trust, Failure> {
    if args.insecure {
        return Ok(stage::Trust::Anyone);
    }
    let Some(path) = &args.ca else { return Ok(stage::Trust::System) };
    let pem = std::fs::read(path).map_err(|error| {
        Failure::new(Exit::Failed, format!("tern: cannot read {}: {error}", path.display()))
    })?;
    Ok(stage::Trust::File(pem))
}
