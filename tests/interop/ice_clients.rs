//! ICE stacks other than a browser's, relay-only on both sides, with data both ways.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Family, Lab};
use crate::process::run;
use crate::relay::{PASSWORD, PORT, Relay, SECURE_PORT, Setup, USER};
use crate::skip::{Missing, need};

/// Each script bounds its own waits; this bounds the script.
const LIMIT: Duration = Duration::from_secs(240);

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// Runs a script, whose command is already there but for the task, and returns the report that it prints.
fn report_of(mut command: Command, relay: &Relay, task: &Value) -> Value {
    command.arg(task.to_string());
    let (status, output) = run(command, relay.folder(), LIMIT);
    println!("{output}");
    assert!(status.success(), "the script failed: {status}");
    let report = output.lines().find_map(|line| serde_json::from_str(line).ok().filter(Value::is_object));
    report.expect("the script prints a report")
}

fn task(family: Family, port: u16) -> Value {
    json!({ "host": family.relay().to_string(), "port": port, "username": USER, "password": PASSWORD })
}

fn aioice(family: Family, transport: &str, tls: bool) {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    let python = scripts().join("python/.venv/bin/python");
    let found =
        if python.is_file() { Ok(()) } else { Err(Missing(format!("aioice in {}", python.display()))) };
    need!(found);
    let mut command = need!(lab.on_clients("env"));
    command.arg(python).arg(scripts().join("python/aioice_pair.py"));
    let mut task = task(family, if tls { SECURE_PORT } else { PORT });
    task["transport"] = json!(transport);
    task["ssl"] = json!(tls);
    task["root"] = json!(relay.authority.root);
    let report = report_of(command, &relay, &task);
    assert_eq!(report["received"], json!([200, 200]), "{report}");
    assert_eq!(report["candidates"], json!(["relay", "relay"]), "{report}");
}

#[test]
fn aioice_connects_over_udp_and_ipv4() {
    aioice(Family::V4, "udp", false);
}

#[test]
fn aioice_connects_over_udp_and_ipv6() {
    aioice(Family::V6, "udp", false);
}

#[test]
fn aioice_connects_over_tcp() {
    aioice(Family::V4, "tcp", false);
}

#[test]
fn aioice_connects_over_tls() {
    aioice(Family::V4, "tcp", true);
}

/// libnice through GStreamer's elements for it.
fn libnice(family: Family, transport: &str) {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    // Debian's Python: the one that Debian's bindings are built for.
    let mut probe = Command::new("/usr/bin/python3");
    probe.args(["-c", "import gi; gi.require_version('Nice', '0.1'); gi.require_version('GstApp', '1.0')"]);
    let (status, output) = run(probe, relay.folder(), LIMIT);
    need!(if status.success() { Ok(()) } else { Err(Missing(format!("libnice for Python: {output}"))) });
    let mut command = need!(lab.on_clients("env"));
    command.arg("/usr/bin/python3").arg(scripts().join("python/libnice_pair.py"));
    let mut task = task(family, PORT);
    task["relay"] = json!(transport);
    let report = report_of(command, &relay, &task);
    assert_eq!(report["complete"], json!([true, true]), "{report}");
    assert_eq!(report["relayed"], json!([[true, true], [true, true]]), "{report}");
}

#[test]
fn libnice_connects_over_udp_and_ipv4() {
    libnice(Family::V4, "udp");
}

#[test]
fn libnice_connects_over_udp_and_ipv6() {
    libnice(Family::V6, "udp");
}

#[test]
fn libnice_connects_over_tcp() {
    libnice(Family::V4, "tcp");
}

/// libjuice, in libdatachannel, in node-datachannel.
fn libjuice(family: Family) {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    let found = scripts().join("node/node_modules/node-datachannel").is_dir();
    need!(if found {
        Ok(())
    } else {
        Err(Missing("node-datachannel (npm ci in tests/interop/node)".into()))
    });
    let mut command = need!(lab.on_clients("node"));
    command.arg(scripts().join("node/libjuice.mjs"));
    let report = report_of(command, &relay, &task(family, PORT));
    assert_eq!(report["received"], json!([300, 300]), "{report}");
    assert_eq!(report["inOrder"], json!([true, true]), "{report}");
    let relayed = json!({ "local": "relay", "remote": "relay" });
    assert_eq!(report["pairs"], json!([relayed, relayed]), "{report}");
}

#[test]
fn libjuice_connects_over_ipv4() {
    libjuice(Family::V4);
}

#[test]
fn libjuice_connects_over_ipv6() {
    libjuice(Family::V6);
}
