//! `tern certs`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::exit::{Exit, Failure, print};
use super::{certificate, doctor};
use crate::clock::Clock;
use crate::config::{self, Sources};

/// Make certificates for development, and see how long those of a relay are good.
#[derive(Debug, Subcommand)]
pub(super) enum CertsCommand {
    Dev(DevArgs),
    Show(ShowArgs),
}

/// Show how long the certificates of a configuration are good, and whether they can be used.
///
/// The files are read, not the relay: it takes changed files by itself within ten seconds, and at once with `tern reload`. The exit
/// code is 1 if one cannot be used.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Make an authority, a certificate and its key: ca.pem, cert.pem and key.pem.
///
/// Clients that trust ca.pem accept the relay. The authority's own key is thrown away, so nobody can sign
/// anything else with it. For production see certs/README.md.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// The folder to write to; made if it is not there.
    #[arg(default_value = "certs")]
    dir: PathBuf,
    /// A host name or address that clients will use; may be given several times. Localhost is always there.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Overwrite what is there.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(command: &CertsCommand) -> Result<(), Failure> {
    match command {
        CertsCommand::Dev(args) => dev(args),
        CertsCommand::Show(args) => show(args),
    }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let loaded = config::load(&Sources::new(Some(args.config.clone()), Vec::new()))?;
    doctor::show_certificates(&loaded.config, args.json)
}

fn dev(args: &DevArgs) -> Result<(), Failure> {
    let paths = ["ca.pem", "cert.pem", "key.pem"].map(|name| args.dir.join(name));
    if let Some(there) = paths.iter().find(|path| path.exists()).filter(|_| !args.force) {
        let text = format!("tern: {} is there already; --force overwrites it", there.display());
        return Err(Failure::new(Exit::Failed, text));
    }
    let made = certificate::generate(Clock::new().now().unix, &names(&args.names))?;
    std::fs::create_dir_all(&args.dir).map_err(|error| cannot_write(&args.dir, &error))?;
    let [authority, chain, key] = &paths;
    write(authority, &made.authority, 0o644)?;
    write(chain, &made.chain, 0o644)?;
    write(key, &made.key, 0o600)?;
    print(&format!(
        "{}  trust this in your clients\n{}  certificate_file\n{}  key_file\n",
        authority.display(),
        chain.display(),
        key.display()
    ))
}

/// What every development certificate is good for, and `more`.
pub(super) fn names(more: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Replaces a file whole: a reader sees the old one or the new one, and a secret never has a wider mode.
pub(super) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let written = std::fs::remove_file(&temporary)
        .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary))
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("tern: cannot write {}: {error}", path.display()))
}
