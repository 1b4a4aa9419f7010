//! `tern doctor`: what of this machine would keep a relay from doing its work, each with what to do about it.
//!
//! It looks and changes nothing. Files of the kernel are read through [`machine::Machine`], so that tests can show it any
//! machine; the rest are sockets that are bound for a moment, and one question to a STUN server if one is named.

mod addresses;
mod certificates;
mod finding;
mod limits;
mod machine;
mod ports;
mod sysctl;
mod timekeeping;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::exit::{Exit, Failure, print};
use crate::config::{self, Config, Loaded, Sources};
use finding::{Finding, Level};
use machine::Machine;

/// For the answer of a STUN server.
const PATIENCE: Duration = Duration::from_secs(3);

/// Look for what on this machine would keep the relay from working well.
///
/// Nothing is changed. Each finding comes with its remedy. The exit code is 1 if one is bad. Run it on the relay's machine
/// as the relay's user, or as root to see whose ports are taken.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The configuration to judge the machine by; without a file there, only the machine is looked at.
    #[arg(long, short, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// A STUN server elsewhere, such as stun.example.org:3478, which is asked for the relay's public addresses.
    #[arg(long, value_name = "HOST:PORT")]
    stun: Option<String>,
    /// Print the system settings that a relay wants, as a file for /etc/sysctl.d.
    #[arg(long, conflicts_with_all = ["stun", "json"])]
    sysctl: bool,
    /// Print the limits that a relay wants, as a file beside a systemd unit.
    #[arg(long, conflicts_with_all = ["stun", "json", "sysctl"])]
    limits: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let config = load(args)?;
    let machine = Machine::this();
    if args.sysctl {
        return print(&sysctl::file(&machine, config.as_ref().map(|loaded| &loaded.config)));
    }
    if args.limits {
        return print(&limits::file(config.as_ref().map(|loaded| &loaded.config)));
    }
    let findings = examine(&machine, config.as_ref(), args.stun.as_deref());
    tell(&findings, args.json)
}

/// What is said of the certificates of `config`, for `tern certs show`.
pub(super) fn show_certificates(config: &Config, is_json: bool) -> Result<(), Failure> {
    let mut findings = certificates::examine(config);
    if findings.is_empty() {
        findings.push(Finding::ok("certificate", "none is configured"));
    }
    tell(&findings, is_json)
}

fn tell(findings: &[Finding], is_json: bool) -> Result<(), Failure> {
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    if is_json {
        print(&format!("{}\n", json!({ "ok": worst < Level::Bad, "findings": findings })))?;
    } else {
        print(&finding::text(findings))?;
    }
    if worst < Level::Bad { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

/// A file that was not named need not be there.
fn load(args: &DoctorArgs) -> Result<Option<Loaded>, Failure> {
    if args.config.as_os_str() == config::DEFAULT_PATH && !args.config.exists() {
        return Ok(None);
    }
    Ok(Some(config::load(&Sources::new(Some(args.config.clone()), Vec::new()))?))
}

fn examine(machine: &Machine, loaded: Option<&Loaded>, stun: Option<&str>) -> Vec<Finding> {
    let config = loaded.map(|loaded| &loaded.config);
    let mut findings = vec![Finding::of_configuration(config)];
    if let Some(config) = config {
        findings.extend(ports::examine(machine, config));
        findings.extend(addresses::examine(machine, config, stun, PATIENCE));
        findings.extend(certificates::examine(config));
    }
    findings.extend(sysctl::examine(machine, config));
    findings.extend(limits::examine(machine, config));
    findings.push(timekeeping::examine());
    findings
}

impl Finding {
    fn of_configuration(config: Option<&Config>) -> Self {
        match config {
            Some(config) => Self::ok("configuration", format!("{} listeners", config.listener.len())),
            None => Self::unknown(
                "configuration",
                format!(
                    "there is no {}: ports, addresses and certificates are not looked at",
                    config::DEFAULT_PATH
                ),
                "tern doctor --config FILE",
            ),
        }
    }
}
