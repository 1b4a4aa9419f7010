//! The operator page in Chromium. Each test gives a script of `node/` a browser, a relay and a task, and judges its report.

mod announcing;
mod operator;
mod soak;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Running, find_program, run, wait_for};
use crate::relay::{PORT, has_listener};
use crate::skip::Missing;

/// Where the relays of the tests here serve operators, on their loopback interface.
const ADMIN_PORT: u16 = 9480;

/// Chromium and what it is driven by, or what is missing.
fn browser() -> Result<Value, Missing> {
    let chromium = find_program("chromium").ok_or_else(|| Missing("the program chromium".into()))?;
    let modules = scripts().join("node_modules");
    if !["playwright-core", "axe-core"].iter().all(|name| modules.join(name).is_dir()) {
        return Err(Missing("playwright-core and axe-core (npm ci in tests/interop/node)".into()));
    }
    Ok(json!(chromium))
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/node")
}

/// The load test's program.
fn loadtest() -> Result<String, Missing> {
    let program = Path::new(env!("CARGO_BIN_EXE_tern")).with_file_name("tern-loadtest");
    let found = program.is_file().then(|| program.to_str().expect("a path of text").to_owned());
    found.ok_or_else(|| Missing("tern-loadtest (cargo build --workspace)".into()))
}

/// Runs a script by `node`, a command for Node.js, and returns its report.
fn browse(mut node: Command, script: &str, mut task: Value, folder: &Path, limit: Duration) -> Value {
    task["screenshots"] = json!(std::env::var("TERN_SCREENSHOTS").ok());
    node.arg(scripts().join(script)).arg(task.to_string());
    node.env("HOME", folder).env("TMPDIR", folder);
    let (status, output) = run(node, folder, limit);
    assert!(status.success(), "{script} failed: {status}\n{output}");
    let report = output.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
    report.expect("the script prints a report")
}

/// The first line of JSON that a process has printed for which there is something.
fn told<T>(process: &mut Running, found: impl Fn(&Value) -> Option<T>) -> T {
    let line = wait_for(Duration::from_secs(60), || {
        assert!(process.status().is_none(), "it has ended:\n{}", process.output());
        let output = process.output();
        output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|line| found(&line))
    });
    line.unwrap_or_else(|| panic!("it does not say so:\n{}", process.output()))
}

/// Waits until a relay that is alone in its network namespace serves clients and operators.
fn wait_until_up(relay: &mut Running) {
    let up = wait_for(Duration::from_secs(60), || {
        assert!(relay.status().is_none(), "the relay has ended:\n{}", relay.output());
        // Until it is the relay, the process stands in the namespace of all, where another relay may listen.
        let program = std::fs::read_link(format!("/proc/{}/exe", relay.id())).unwrap_or_default();
        let mut wanted = [("udp", PORT), ("tcp", ADMIN_PORT)].into_iter();
        let listens = wanted.all(|(table, port)| has_listener(relay.id(), table, port));
        (program == Path::new(env!("CARGO_BIN_EXE_tern")) && listens).then_some(())
    });
    assert!(up.is_some(), "the relay does not listen:\n{}", relay.output());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The browser had nothing to complain about, and axe found no barrier.
fn is_clean(report: &Value) {
    for nothing in ["complaints", "violations", "overflows"] {
        assert_eq!(report[nothing], json!([]), "{nothing}");
    }
}
