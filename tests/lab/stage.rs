//! The machine that a lab is made on: a host with a `/run` of its own, and what is seen on it.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::Host;
use crate::process::{Running, find_program, wait_for};
use crate::skip::Missing;

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// One of the lab's relays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relay {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
}

pub(crate) const WEST: Relay = Relay { name: "west", address: "198.18.71.2" };
pub(crate) const EAST: Relay = Relay { name: "east", address: "198.18.72.2" };

/// The machine, until it is dropped, and with it the lab.
pub(crate) struct Stage {
    host: Host,
    folder: TempDir,
    /// What the lab takes for `tern`.
    tern: PathBuf,
    loadtest: PathBuf,
}

impl Stage {
    /// Makes one, or says what is missing.
    pub(crate) fn new() -> Result<Self, Missing> {
        for (program, package) in [("bird", "bird2"), ("birdc", "bird2"), ("prometheus", "prometheus")] {
            find_program(program)
                .ok_or_else(|| Missing(format!("the program {program} (Debian's {package})")))?;
        }
        let built = PathBuf::from(env!("CARGO_BIN_EXE_tern"));
        let loadtest = built.with_file_name("tern-loadtest");
        if !loadtest.is_file() {
            return Err(Missing("tern-loadtest beside tern (cargo build --workspace)".into()));
        }
        let host = Host::start()?;
        let folder = TempDir::new().unwrap();
        let stage = Self { host, folder, tern: built, loadtest };
        // What is first used makes a folder and a mount that stay.
        let prepare = "mount -t tmpfs none /run && ip netns add first && ip netns delete first";
        let status = stage.host.command("sh").args(["-ec", prepare]).status().unwrap();
        if status.success() { Ok(stage) } else { Err(Missing("the privilege to mount a tmpfs".into())) }
    }

    /// From here on `tern` does this first, with the arguments it was given.
    pub(crate) fn write_tern(&self, first: &str) {
        let file = self.folder.path().join("tern");
        let real = env!("CARGO_BIN_EXE_tern");
        fs::write(&file, format!("#!/bin/sh\n{first}\nexec {real} \"$@\"\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn lab(&self, arguments: &[&str]) -> Command {
        let written = self.folder.path().join("tern");
        let mut command = self.host.command(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/lab/lab"));
        command.env("TERN", if written.is_file() { &written } else { &self.tern });
        command.env("TERN_LOADTEST", &self.loadtest).args(arguments);
        command
    }

    /// Starts the lab's script.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Running {
        Running::start(self.lab(arguments), self.folder.path())
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (ExitStatus, String) {
        self.begin(arguments).finish(LIMIT)
    }

    /// The same, and it must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let (status, text) = self.run(arguments);
        assert!(status.success(), "lab {arguments:?}: {status}\n{text}");
        text
    }

    /// Begins calls from the client to the peer. A call that goes astray loses all of one direction, a busy machine a little.
    pub(crate) fn begin_calls(&self, way: &[&str], calls: u32, time: &str) -> Running {
        let calls = calls.to_string();
        let options = ["--sessions", &calls, "--duration", time, "--profile", "160x10", "--max-loss", "25%"];
        self.begin(&[&["call"], way, &options].concat())
    }

    /// Waits for the end of what was begun; it must succeed.
    pub(crate) fn ends_well(&self, running: Running) {
        let (status, text) = running.finish(LIMIT);
        assert!(status.success(), "{status}\n{text}");
    }

    /// Tells a relay something, as its operator.
    pub(crate) fn operate(&self, relay: Relay, arguments: &[&str]) {
        let mut command = self.host.command(self.tern.to_str().unwrap());
        command.args(arguments).arg("--socket").arg(format!("/run/tern-lab/{}/tern.sock", relay.name));
        let (status, text) = Running::start(command, self.folder.path()).finish(LIMIT);
        assert!(status.success(), "tern {arguments:?}: {status}\n{text}");
    }

    /// What is on the machine that a lab could leave behind.
    pub(crate) fn traces(&self) -> String {
        let script = "ip netns list; ip -o link | cut -d: -f2; ip -o address; ip route show table all; ip rule
            find /run | sort; cut -d' ' -f2 /proc/mounts
            for folder in /proc/[0-9]*; do
                case $(readlink $folder/exe) in '' | */cat | */nsenter | */setpriv | *sh | */readlink) ;; *) cat $folder/comm ;; esac
            done";
        let output = self.host.command("sh").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until a program of this name runs.
    pub(crate) fn wait_for_process(&self, name: &str) {
        let script = format!("cat /proc/[0-9]*/comm 2>/dev/null | grep -qx {name}");
        let runs =
            || self.host.command("sh").args(["-c", &script]).status().is_ok_and(|status| status.success());
        wait_for(LIMIT, || runs().then_some(())).unwrap_or_else(|| panic!("{name} does not run"));
    }

    /// By whom a region's router reaches the anycast address, in its kernel.
    pub(crate) fn ways(&self, region: &str) -> Vec<String> {
        let script = format!("ip -n tern-lab-{region} route show 198.18.77.1");
        let output = self.host.command("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut ways: Vec<_> = text.split("via ").skip(1).map(|way| first_word(way).to_owned()).collect();
        ways.sort();
        ways
    }

    /// Waits until it is by these.
    pub(crate) fn wait_for_ways(&self, region: &str, wanted: &[&str]) {
        let found = wait_for(LIMIT, || (self.ways(region) == wanted).then_some(()));
        assert!(found.is_some(), "wanted {wanted:?}: {:?}", self.ways(region));
    }

    /// Cuts a wire between the regions.
    pub(crate) fn cut(&self, wire: &str) {
        let mut command = self.host.command("ip");
        command.args(["-n", "tern-lab-west", "link", "set", wire, "down"]);
        assert!(command.status().unwrap().success());
    }

    /// What Prometheus answers, by region. It is asked from the machine, as by a browser there.
    pub(crate) fn query(&self, expression: &str) -> Vec<(String, f64)> {
        let escaped: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.host.within(|| {
            let stream = TcpStream::connect("198.18.78.2:9090").expect("Prometheus listens");
            get(stream, "198.18.78.2:9090", &format!("/api/v1/query?query={escaped}"), "")
        });
        let results = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
        let mut values: Vec<_> = results
            .iter()
            .map(|result| {
                let value = result["value"][1].as_str().unwrap().parse().unwrap();
                (result["metric"]["region"].as_str().unwrap_or_default().to_owned(), value)
            })
            .collect();
        values.sort_by(|one, other| one.0.cmp(&other.0));
        values
    }

    /// Waits until it answers this.
    pub(crate) fn wait_for_query(&self, expression: &str, wanted: &[(&str, f64)]) {
        let is_so = |found: &[(String, f64)]| {
            found.iter().map(|(region, value)| (region.as_str(), *value)).eq(wanted.iter().copied())
        };
        let found = wait_for(LIMIT, || is_so(&self.query(expression)).then_some(()));
        assert!(found.is_some(), "{expression}: wanted {wanted:?}, is {:?}", self.query(expression));
    }

    /// Waits until Prometheus knows of so many allocations of a relay.
    pub(crate) fn wait_for_calls(&self, relay: Relay, least: u32) {
        let expression =
            format!("sum by (region) (tern_allocations{{region=\"{}\"}}) >= {least}", relay.name);
        let found = wait_for(LIMIT, || (!self.query(&expression).is_empty()).then_some(()));
        assert!(found.is_some(), "{expression}: {:?}", self.query("sum by (region) (tern_allocations)"));
    }

    /// What a relay's page says of the relay to whoever has this token, under the certificate that the lab has made.
    pub(crate) fn ask_page(&self, relay: Relay, token: &str) -> Value {
        let authority = self.host.command("cat").arg("/run/tern-lab/certs/ca.pem").output().unwrap().stdout;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(relay.address).unwrap();
        self.host.within(|| {
            let stream = TcpStream::connect((relay.address, 9480)).expect("the operator page listens");
            let session = ClientConnection::new(Arc::new(config), name).unwrap();
            let token = format!("Authorization: Bearer {token}\r\n");
            get(StreamOwned::new(session, stream), relay.address, "/v1/status", &token)
        })
    }
}

/// One request of HTTP and its answer's JSON.
fn get(mut stream: impl std::io::Read + std::io::Write, host: &str, path: &str, further: &str) -> Value {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{further}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // An end without a farewell of TLS is an end.
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    assert!(first_line(head).contains(" 200 "), "{path}: {answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}
