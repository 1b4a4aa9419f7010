//! `tern credentials`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use super::exit::{Exit, Failure, print};
use crate::clock::Clock;
use crate::config::{self, Period, Sources};
use crate::engine::auth::{self, Credential, Secrets, SharedSecret};
use crate::time::UnixTime;

/// Make and verify credentials.
#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    New(NewArgs),
    Verify(VerifyArgs),
}

/// Where the shared secrets are.
#[derive(Debug, Args)]
struct SecretArgs {
    /// The configuration that names the shared secrets.
    #[arg(long, short, value_name = "FILE", conflicts_with = "secret_file")]
    config: Option<PathBuf>,
    /// A file that holds one shared secret; no configuration is read then.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Make a time-limited credential, or a line of the users file.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// For whom: quotas and bandwidth limits go by this name.
    #[arg(long, short, default_value = "", hide_default_value = true)]
    user: String,
    /// How long it is good for, such as 12h or 7d.
    #[arg(long, default_value = "1d", value_parser = parse_period)]
    lifetime: Period,
    /// The ID of the shared secret to use; the first that is valid now if left out.
    #[arg(long, value_name = "ID")]
    secret_id: Option<String>,
    /// A URL of the relay for the iceServers of --json; may be given several times.
    #[arg(long = "url", value_name = "URL", default_value = "turn:localhost:3478")]
    urls: Vec<String>,
    /// Print iceServers as browsers take them.
    #[arg(long)]
    json: bool,
    /// Instead, make a line of the users file for a password that is asked for, or read from standard input.
    #[arg(long, requires = "user", conflicts_with_all = ["json", "secret_id", "secret_file", "lifetime", "urls"])]
    password: bool,
    /// The realm of the line; that of the configuration if one is named.
    #[arg(long, requires = "password")]
    realm: Option<String>,
}

/// Say whether a credential is good, and under which secret it was made.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// The user name, such as 1767225600:alice.
    username: String,
    /// The password; read from standard input if left out.
    password: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &CredentialsCommand) -> Result<(), Failure> {
    match command {
        CredentialsCommand::New(args) if args.password => new_user(args),
        CredentialsCommand::New(args) => new(args),
        CredentialsCommand::Verify(args) => verify(args),
    }
}

/// A length of time that is one.
pub(super) fn parse_period(text: &str) -> Result<Period, String> {
    Period::parse(text)
        .filter(|period| period.0.as_secs() > 0)
        .ok_or_else(|| "expected a length of time such as 90s, 12h or 7d".into())
}

fn new(args: &NewArgs) -> Result<(), Failure> {
    let secrets = read_secrets(&args.secret)?;
    let now = Clock::new().now().unix;
    let secret = choose(&secrets, args.secret_id.as_deref(), now)?;
    let credential =
        auth::issue(secret, &args.user, UnixTime(now.0.saturating_add(args.lifetime.0.as_secs())));
    if args.json {
        return print(&format!("{:#}\n", ice_servers(&args.urls, &credential)));
    }
    print(&format!("username: {}\npassword: {}\n", credential.username, credential.password))
}

/// What `RTCPeerConnection` takes as its configuration.
pub(super) fn ice_servers(urls: &[String], credential: &Credential) -> Value {
    json!({ "iceServers": [{
        "urls": urls,
        "username": credential.username,
        "credential": credential.password,
    }] })
}

fn choose<'s>(secrets: &'s Secrets, id: Option<&str>, now: UnixTime) -> Result<&'s SharedSecret, Failure> {
    match id {
        Some(id) => secrets.by_id(id).ok_or_else(|| {
            Failure::new(Exit::Failed, format!("tern: there is no shared secret with the ID {id:?}"))
        }),
        None => secrets.valid(now).next().ok_or_else(|| {
            let text = "tern: no shared secret is valid now; add one, or check not_before and not_after";
            Failure::new(Exit::Failed, text)
        }),
    }
}

fn read_secrets(args: &SecretArgs) -> Result<Secrets, Failure> {
    if let Some(path) = &args.secret_file {
        let (secrets, warnings) = config::read_one_secret(path)?;
        if !warnings.is_empty() {
            Failure::new(Exit::Ok, warnings.to_string()).print();
        }
        return Ok(secrets);
    }
    let path = args.config.clone().unwrap_or_else(|| Path::new(config::DEFAULT_PATH).into());
    Ok(config::load(&Sources::new(Some(path), Vec::new()))?.secrets.credentials.secrets)
}

fn new_user(args: &NewArgs) -> Result<(), Failure> {
    let realm = match (&args.realm, &args.secret.config) {
        (Some(realm), _) => realm.clone(),
        (None, Some(path)) => config::load(&Sources::new(Some(path.clone()), Vec::new()))?.config.auth.realm,
        (None, None) => config::Auth::default().realm,
    };
    let password = read_password("Password: ")?;
    let line = auth::user_line(&args.user, &realm, &password)
        .map_err(|fault| Failure::new(Exit::Failed, format!("tern: {fault}")))?;
    print(&format!("{line}\n"))
}

fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let secrets = read_secrets(&args.secret)?;
    let password = match &args.password {
        Some(password) => password.clone(),
        None => read_password("Password: ")?,
    };
    let result = secrets.verify(Clock::new().now().unix, &args.username, &password);
    if args.json {
        let report = match &result {
            Ok(id) => json!({ "ok": true, "secret_id": id }),
            Err(fault) => json!({ "ok": false, "reason": fault.to_string() }),
        };
        print(&format!("{report}\n"))?;
        return result.map(|_| ()).map_err(|_| Failure::silent(Exit::Failed));
    }
    match result {
        Ok(id) => print(&format!("ok: made under the shared secret {id:?}\n")),
        Err(fault) => Err(Failure::new(Exit::Failed, format!("tern: {fault}"))),
    }
}

/// One line of standard input, without its end. On a terminal the user is asked, and the typing does not show.
pub(super) fn read_password(prompt: &str) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let _hidden = if stdin.is_terminal() {
        let hidden =
            HiddenTyping::begin().context("cannot hide what is typed; give the password through a pipe")?;
        let mut terminal = std::io::stderr();
        write!(terminal, "{prompt}")
            .and_then(|()| terminal.flush())
            .context("cannot write to the terminal")?;
        Some(hidden)
    } else {
        None
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password from standard input")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The terminal shows nothing of what is typed but the end of the line, until this is dropped.
struct HiddenTyping(Termios);

impl HiddenTyping {
    fn begin() -> std::io::Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for HiddenTyping {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
