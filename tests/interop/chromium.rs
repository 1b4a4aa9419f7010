//! Chromium through the relay: relay-only on both sides, over every client transport and both address families.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Family, Lab, url_host};
use crate::process::{find_program, run};
use crate::relay::{PASSWORD, PORT, Relay, SECURE_PORT, Setup, USER};
use crate::skip::{Missing, need};

/// A browser starts, calls for ten seconds and ends; a loaded machine stretches that.
const LIMIT: Duration = Duration::from_secs(180);

/// How the browser speaks with the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    fn url(self, host: IpAddr) -> String {
        let host = url_host(host);
        match self {
            Self::Udp => format!("turn:{host}:{PORT}?transport=udp"),
            Self::Tcp => format!("turn:{host}:{PORT}?transport=tcp"),
            Self::Tls => format!("turns:{host}:{SECURE_PORT}?transport=tcp"),
        }
    }

    /// As statistics name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Makes a home directory whose certificate store trusts `root`: where Chromium looks on Linux.
fn trusting_home(folder: &Path, root: &Path) -> Result<PathBuf, Missing> {
    let home = folder.join("home");
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).unwrap();
    let database = format!("sql:{}", store.display());
    let root = root.display().to_string();
    let steps: [&[&str]; 2] = [
        &["-N", "--empty-password", "-d", &database],
        &["-A", "-t", "C,,", "-n", "interop", "-i", &root, "-d", &database],
    ];
    find_program("certutil").ok_or_else(|| Missing("the program certutil (libnss3-tools)".into()))?;
    for arguments in steps {
        let mut command = crate::process::leashed("certutil");
        command.args(arguments);
        let (status, output) = run(command, folder, Duration::from_secs(60));
        assert!(status.success(), "certutil {arguments:?}: {output}");
    }
    Ok(home)
}

/// Runs the page's script with `task` and returns its report.
pub(crate) fn browse(lab: &Lab, relay: &Relay, mut task: Value) -> Result<Value, Missing> {
    let chromium = find_program("chromium").ok_or_else(|| Missing("the program chromium".into()))?;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/node");
    if !scripts.join("node_modules/playwright-core").is_dir() {
        return Err(Missing("playwright-core (npm ci in tests/interop/node)".into()));
    }
    let home = trusting_home(relay.folder(), &relay.authority.root)?;
    task["chromium"] = json!(chromium);
    let mut command = lab.on_clients("node")?;
    command.arg(scripts.join("chromium.mjs")).arg(task.to_string());
    command.env("HOME", &home).env("TMPDIR", relay.folder());
    let (status, output) = run(command, relay.folder(), LIMIT);
    println!("{output}");
    assert!(status.success(), "the browser's script failed: {status}");
    let report = output.lines().find_map(|line| serde_json::from_str(line).ok());
    Ok(report.expect("the script prints a report"))
}

fn call(family: Family, transport: Transport) {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    let server = json!({
        "urls": [transport.url(family.relay())], "username": USER, "credential": PASSWORD,
    });
    let task = json!({ "iceServers": [server], "seconds": 10, "expect": "call" });
    let report = need!(browse(&lab, &relay, task));

    assert_eq!(report["inOrder"], json!([true, true]), "data channel: {report}");
    for side in 0..2 {
        let (pair, audio) = (&report["pairs"][side], &report["audio"][side]);
        assert_eq!((&pair["local"], &pair["remote"]), (&json!("relay"), &json!("relay")), "{report}");
        assert_eq!(pair["relayProtocol"], transport.name(), "{report}");
        assert!(pair["bytesSent"].as_u64() > Some(0) && pair["bytesReceived"].as_u64() > Some(0), "{report}");
        assert_eq!(audio["lost"], 0, "{report}");
        assert!(audio["received"].as_u64() > Some(0), "{report}");
        assert_eq!(audio["received"], report["audio"][1 - side]["sent"], "{report}");
    }
}

#[test]
fn chromium_calls_over_udp_and_ipv4() {
    call(Family::V4, Transport::Udp);
}

#[test]
fn chromium_calls_over_udp_and_ipv6() {
    call(Family::V6, Transport::Udp);
}

#[test]
fn chromium_calls_over_tcp_and_ipv4() {
    call(Family::V4, Transport::Tcp);
}

#[test]
fn chromium_calls_over_tcp_and_ipv6() {
    call(Family::V6, Transport::Tcp);
}

#[test]
fn chromium_calls_over_tls_and_ipv4() {
    call(Family::V4, Transport::Tls);
}

#[test]
fn chromium_calls_over_tls_and_ipv6() {
    call(Family::V6, Transport::Tls);
}

#[test]
fn chromium_reports_a_wrong_password_as_401() {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    let server = json!({
        "urls": [Transport::Udp.url(Family::V4.relay())], "username": USER, "credential": "not-the-password",
    });
    let report = need!(browse(&lab, &relay, json!({ "iceServers": [server], "expect": "error" })));
    let codes: Vec<_> =
        report["errors"].as_array().unwrap().iter().map(|error| &error["errorCode"]).collect();
    assert!(codes.contains(&&json!(401)), "{report}");
    assert_eq!(report["candidates"], 0, "{report}");
}
