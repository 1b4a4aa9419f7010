//! The server under test: the real `tern` binary with a configuration of the test's own.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::lab::{Family, Lab, RELAY_V4, RELAY_V4_SECOND, RELAY_V6, url_host};
use crate::process::{Running, wait_for};

pub(crate) const USER: &str = "kestrel";
pub(crate) const PASSWORD: &str = "over-the-sea";
pub(crate) const REALM: &str = "relay.test";
/// Under which time-limited credentials are made.
pub(crate) const SECRET: &str = "a-secret-for-rest-credentials";
/// UDP and TCP.
pub(crate) const PORT: u16 = 3478;
/// DTLS and TLS.
pub(crate) const SECURE_PORT: u16 = 5349;

/// Where a record of each call goes at its end.
const RECORDS: &str = "records";

/// How users prove themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Login {
    /// By a password that the relay has the hashes of: the only way in which clients may hide their names.
    #[default]
    Password,
    /// By credentials made from a shared secret.
    Rest,
}

/// What a test wants otherwise than by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) login: Login,
    /// turnutils_uclient draws channels from all of RFC 5766's range.
    pub(crate) legacy_channels: bool,
    /// RFC 5780 on the relay host's two IPv4 addresses.
    pub(crate) nat_discovery: bool,
}

/// A relay on a lab's relay host, until it is dropped.
pub(crate) struct Relay {
    process: Running,
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Relay {
    /// Starts one with every listener and waits until it listens.
    pub(crate) fn start(lab: &Lab, setup: Setup) -> Self {
        let folder = TempDir::new().expect("a folder for the relay's files");
        let addresses = [IpAddr::V4(RELAY_V4), IpAddr::V6(RELAY_V6)];
        let authority = Authority::new(folder.path(), &addresses);
        let file = folder.path().join("tern.toml");
        fs::write(&file, configuration(folder.path(), &authority, setup)).unwrap();
        let mut command = lab.on_relay(env!("CARGO_BIN_EXE_tern"));
        command.env("TERN__ADMIN__SOCKET", "off");
        command.args(["run", "--config"]).arg(&file);
        let process = Running::start(command, folder.path());
        let mut relay = Self { process, authority, folder };
        let ready = wait_for(Duration::from_secs(60), || {
            assert!(relay.process.status().is_none(), "the relay ended:\n{}", relay.process.output());
            listens(relay.process.id()).then_some(())
        });
        assert!(ready.is_some(), "the relay does not listen:\n{}", relay.process.output());
        relay
    }

    /// The records of so many calls, as soon as they have ended.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let read = || {
            let text = fs::read_to_string(self.folder().join(RECORDS)).unwrap_or_default();
            let records: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            (records.len() >= count).then_some(records)
        };
        wait_for(Duration::from_secs(30), read).expect("records of all calls")
    }

    /// The test's scratch folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Test runners show it when the test fails.
        println!("---- the relay's output ----\n{}", self.process.output());
    }
}

/// The whole configuration, with its files written beside it.
fn configuration(folder: &Path, authority: &Authority, setup: Setup) -> String {
    let Setup { login, legacy_channels, nat_discovery } = setup;
    let records = folder.join(RECORDS);
    let records = records.display();
    let mut text = format!(
        "[log]\nlevel = \"debug\"\nformat = \"human\"\n\n\
         [quality]\nrecords = \"{records}\"\n\n\
         [relay]\naddresses = [\"{RELAY_V4}\", \"{RELAY_V6}\"]\nlegacy_channels = {legacy_channels}\n\n\
         [peers]\nallow = [\"10.77.0.0/24\", \"fd77::/64\"]\n"
    );
    for family in [Family::V4, Family::V6] {
        let host = url_host(family.relay());
        let (chain, key) = (authority.chain.display(), authority.key.display());
        write!(
            text,
            "\n[[listener]]\naddress = \"{host}:{PORT}\"\ntransports = [\"udp\", \"tcp\"]\n\
             \n[[listener]]\naddress = \"{host}:{SECURE_PORT}\"\ntransports = [\"tls\", \"dtls\"]\n\
             certificate_file = \"{chain}\"\nkey_file = \"{key}\"\n"
        )
        .unwrap();
    }
    if nat_discovery {
        write!(text, "\n[nat_discovery]\naddresses = [\"{RELAY_V4}\", \"{RELAY_V4_SECOND}\"]\n").unwrap();
    }
    text + &auth(folder, login)
}

fn auth(folder: &Path, login: Login) -> String {
    let write = |name: &str, text: &str| write_secret(&folder.join(name), text);
    match login {
        Login::Password => {
            let secret = format!("{USER}:{REALM}:{PASSWORD}");
            let (md5, sha256) = (hex(&Md5::digest(&secret)), hex(&Sha256::digest(&secret)));
            let file = write("users", &format!("{USER}:{REALM}:{md5}:{sha256}\n"));
            format!("\n[auth]\nrealm = \"{REALM}\"\nusers_file = \"{}\"\n", file.display())
        }
        Login::Rest => {
            let file = write("secret", SECRET);
            format!(
                "\n[auth]\nrealm = \"{REALM}\"\n\n[[auth.shared_secret]]\nid = \"one\"\nsecret_file = \"{}\"\n",
                file.display()
            )
        }
    }
}

/// Writes a file that only its owner may read: the relay warns of any other.
pub(crate) fn write_secret(path: &Path, text: &str) -> PathBuf {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the process has all four kinds of its sockets in both families, read off its own network namespace.
fn listens(pid: u32) -> bool {
    let tables = ["udp", "udp6", "tcp", "tcp6"];
    tables.iter().all(|table| [PORT, SECURE_PORT].iter().all(|port| has_listener(pid, table, *port)))
}

/// Whether a process's network namespace has a socket in this table of the kernel's that waits on a port.
pub(crate) fn has_listener(pid: u32, table: &str, port: u16) -> bool {
    // As the kernel writes them: 0A is a listening TCP socket, 07 an unconnected UDP socket.
    let state = if table.starts_with("tcp") { "0A" } else { "07" };
    let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    let end = format!(":{port:04X}");
    text.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(&end));
        local && fields.nth(1) == Some(state)
    })
}
