//! The command line: one file per subcommand. Everything a user types ends in an [`Exit`].

mod announcing;
mod bfd;
mod bgp;
mod certificate;
mod certs;
mod check;
mod client;
mod completions;
mod credentials;
mod descriptors;
mod development;
mod doctor;
mod drain;
mod exit;
mod logging;
mod machine;
mod man;
mod observed;
mod operators;
mod pages;
mod probe;
mod reload;
mod remote;
mod run;
mod signals;
mod supervisor;
mod table;
mod warnings;
mod watching;

use clap::{CommandFactory, Parser, Subcommand};

pub use exit::{Exit, Failure};

/// What `--help` says about exit codes.
const EXIT_CODES: &str = "Exit codes:
  0   ok
  1   failed: the machine, the network or a file said no
  2   usage: the command line makes no sense
  69  the relay to talk to is not running
  75  busy: try again
  78  the configuration is wrong";

/// A STUN/TURN media relay for WebRTC.
///
/// Without a subcommand, a development relay starts: `tern run --dev`.
#[derive(Debug, Parser)]
#[command(name = "tern", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Status(remote::status::StatusArgs),
    #[command(subcommand)]
    Sessions(remote::sessions::SessionsCommand),
    Explain(remote::explain::ExplainArgs),
    Alerts(remote::alerts::AlertsArgs),
    Events(remote::events::EventsArgs),
    Top(remote::top::TopArgs),
    Reload(remote::reload::ReloadArgs),
    #[command(subcommand)]
    Log(remote::log::LogCommand),
    #[command(subcommand)]
    Bgp(bgp::BgpCommand),
    #[command(subcommand)]
    Bfd(bfd::BfdCommand),
    Drain(drain::DrainArgs),
    Undrain(drain::UndrainArgs),
    Probe(probe::ProbeArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Credentials(credentials::CredentialsCommand),
    #[command(subcommand)]
    Certs(certs::CertsCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs what the arguments of this process ask for.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap; a closed pipe behind them is not worth a word.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let result = match cli.command.unwrap_or_else(|| Command::Run(run::RunArgs::development())) {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Status(args) => remote::status::run(&args),
        Command::Sessions(command) => remote::sessions::run(&command),
        Command::Explain(args) => remote::explain::run(&args),
        Command::Alerts(args) => remote::alerts::run(&args),
        Command::Events(args) => remote::events::run(&args),
        Command::Top(args) => remote::top::run(&args),
        Command::Reload(args) => remote::reload::run(&args),
        Command::Log(command) => remote::log::run(&command),
        Command::Bgp(command) => bgp::run(&command),
        Command::Bfd(command) => bfd::run(&command),
        Command::Drain(args) => drain::drain(&args),
        Command::Undrain(args) => drain::undrain(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Credentials(command) => credentials::run(&command),
        Command::Certs(command) => certs::run(&command),
        Command::Completions(args) => completions::run(&args, &mut command()),
        Command::Man(args) => man::run(&args, command()),
    };
    match result {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

/// The whole command line, for completions, manual pages and tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
