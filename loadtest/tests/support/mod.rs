//! A development relay for tests, and the load test as a user runs it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The development relay; its end is the test's.
pub(crate) struct Relay {
    child: Child,
    /// Its `turn:` URL over UDP, on loopback.
    pub(crate) url: String,
    /// A user that it knows.
    pub(crate) user: String,
    /// The user's password.
    pub(crate) password: String,
}

impl Relay {
    /// Starts it, with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        // Several that start at once may choose the same free port: all but one of them end.
        let started = std::iter::repeat_with(|| Self::try_start(arguments)).take(10).flatten().next();
        started.expect("the relay prints a line")
    }

    fn try_start(arguments: &[&str]) -> Option<Self> {
        let mut child = Command::new(binary())
            .args(["run", "--dev", "--json", "--set", "relay.addresses=[\"127.0.0.1\"]"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the relay starts");
        let stdout = child.stdout.take().unwrap();
        let mut relay = Self { child, url: String::new(), user: String::new(), password: String::new() };
        let line = BufReader::new(stdout).lines().next()?.unwrap();
        let report: Value = serde_json::from_str(&line).expect("the line is JSON");
        let server = udp_server(&report["iceServers"]);
        (relay.url, relay.user, relay.password) = server;
        Some(relay)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The relay's binary, which the workspace's build leaves beside its test programs' folder.
fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let binary = this.ancestors().nth(2).unwrap().join("tern");
    if !binary.is_file() {
        // Only this crate's tests were asked for.
        let is_release = !cfg!(debug_assertions);
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "tern", "--bin", "tern"])
            .args(is_release.then_some("--release"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the relay can be built");
    }
    assert!(binary.is_file(), "{} is not there: run the tests with --workspace", binary.display());
    binary
}

/// URL, user and password of the first `turn:` server over UDP.
fn udp_server(servers: &Value) -> (String, String, String) {
    for server in servers.as_array().expect("iceServers is a list") {
        // One, or a list.
        let urls = &server["urls"];
        let urls = urls.as_array().map_or_else(|| vec![urls.clone()], Clone::clone);
        for url in urls.iter().filter_map(Value::as_str) {
            if url.starts_with("turn:") && !url.contains("transport=tcp") {
                let text = |key: &str| server[key].as_str().expect("credentials are text").to_owned();
                // The port is the system's choice; this machine's address may be one that is no peer's.
                let port = url.split(['?', ':']).nth(2).expect("a port");
                return (format!("turn:127.0.0.1:{port}"), text("username"), text("credential"));
            }
        }
    }
    panic!("no turn: server over UDP in {servers}");
}

/// Runs the load test.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern-loadtest"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the load test runs")
}
