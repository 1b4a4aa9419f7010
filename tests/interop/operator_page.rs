//! The operator page in Chromium: a development relay with calls of the load test, and an operator who looks at every view
//! and does everything that can be done there.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Running, find_program, leashed, run, wait_for};
use crate::skip::{Missing, need};

/// Calls of the load test.
const CALLS: u64 = 40;
/// Three looks at each of seven views, each searched for barriers; a loaded machine stretches that.
const LIMIT: Duration = Duration::from_secs(300);

/// A development relay, and what it says of itself.
fn relay(folder: &Path) -> (Running, Value) {
    let mut command = leashed(env!("CARGO_BIN_EXE_tern"));
    command.args(["run", "--dev", "--json"]);
    let mut relay = Running::start(command, folder);
    let told = wait_for(Duration::from_secs(60), || {
        assert!(relay.status().is_none(), "the relay ended:\n{}", relay.output());
        let output = relay.output();
        output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| !line["operator"].is_null())
    });
    let told =
        told.unwrap_or_else(|| panic!("the relay does not say where operators go:\n{}", relay.output()));
    (relay, told)
}

/// Calls through it, for longer than the test lasts.
fn calls(folder: &Path, told: &Value) -> Result<Running, Missing> {
    let program = Path::new(env!("CARGO_BIN_EXE_tern")).with_file_name("tern-loadtest");
    if !program.is_file() {
        return Err(Missing("tern-loadtest (cargo build --workspace)".into()));
    }
    let server = &told["iceServers"][1];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let listener = text(&told["listeners"][0]["address"]);
    let port = listener.rsplit(':').next().expect("a port");
    let mut command = leashed(program.to_str().expect("a path of text"));
    command.args(["steady", "--server", &format!("turn:127.0.0.1:{port}?transport=udp")]);
    command.args(["--user", &text(&server["username"]), "--password", &text(&server["credential"])]);
    command.args(["--sessions", &CALLS.to_string(), "--duration", "600s"]);
    Ok(Running::start(command, folder))
}

#[test]
fn an_operator_sees_and_does_everything_in_chromium() {
    let chromium = need!(find_program("chromium").ok_or_else(|| Missing("the program chromium".into())));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/node");
    let installed =
        ["playwright-core", "axe-core"].iter().all(|name| scripts.join("node_modules").join(name).is_dir());
    if !installed {
        need!(Err::<(), _>(Missing("playwright-core and axe-core (npm ci in tests/interop/node)".into())));
    }
    let folder = TempDir::new().unwrap();
    let (_relay, told) = relay(folder.path());
    let _calls = need!(calls(folder.path(), &told));
    let url = told["operator"]["url"].as_str().unwrap().trim_end_matches('/');
    let task = json!({
        "chromium": chromium, "url": url, "token": told["operator"]["token"], "sessions": CALLS, "seconds": 10,
        "screenshots": std::env::var("TERN_SCREENSHOTS").ok(),
    });
    let mut command = leashed("node");
    command.arg(scripts.join("operator_page.mjs")).arg(task.to_string());
    command.env("HOME", folder.path()).env("TMPDIR", folder.path());
    let (status, output) = run(command, folder.path(), LIMIT);
    assert!(status.success(), "the operator's script failed: {status}\n{output}");
    let report = output.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
    judge(&report.expect("the script prints a report"));
}

fn judge(report: &Value) {
    for nothing in ["complaints", "violations", "overflows", "figures"] {
        assert_eq!(report[nothing], json!([]), "{nothing}");
    }
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {report}")).to_owned();

    // Who may see it.
    assert_eq!([&report["sentTo"], &report["afterLogOut"]], [&json!("/login"), &json!("/login")]);
    assert_eq!(report["refusal"], "This token is not known.");
    assert_eq!(report["cookie"], json!({ "httpOnly": true, "sameSite": "Strict" }));
    assert_eq!(report["scriptsSee"], "");

    // What is shown is what the API says, and what the load test does.
    let views = report["views"].as_array().unwrap();
    assert_eq!(views.len(), 21);
    assert!(views.iter().all(|view| text(view).ends_with(" 200")), "{views:?}");
    assert_eq!(report["plain"]["sessions"], CALLS.to_string());
    assert!(text(&report["plain"]["answer"]).contains("it takes calls"), "{report}");
    assert_eq!(report["plain"]["rows"], CALLS);
    assert_eq!(
        [&report["shown"]["api"], &report["shown"]["sessions"]["udp"]],
        [&json!(CALLS), &json!(CALLS)]
    );
    assert_eq!([&report["charts"], &report["rowsInAll"]], [&json!(4), &json!(CALLS)]);

    // One call, from the list to its end.
    let detail = &report["detail"];
    assert_eq!(report["found"], json!([detail["id"]]));
    assert!(text(&detail["text"]).contains(&text(&detail["client"])), "{detail}");
    assert!(text(&report["explained"]).contains("allocated"), "{}", report["explained"]);
    assert_eq!(report["ended"], true);

    // The drain.
    assert_eq!(report["liveCalls"], (CALLS - 1).to_string());
    assert!(text(&report["wrongName"]).contains("not the name"), "{report}");
    assert_eq!([&report["afterWrongName"], &report["undrained"]], [&Value::Null, &Value::Null]);
    assert!(text(&report["draining"]["answer"]).contains("no new calls"), "{report}");
    assert!(text(&report["timeline"]).contains("drain"), "{}", report["timeline"]);
    let audit = report["audit"].to_string();
    assert!(audit.contains("/v1/drain") && audit.contains("/v1/sessions/"), "{audit}");

    // An open page does not grow.
    let growth = &report["growth"];
    let grown = |what: &str, by: f64| {
        let (first, last) = (growth["first"][what].as_f64().unwrap(), growth["last"][what].as_f64().unwrap());
        assert!(last < first * by, "{what}: {growth}");
    };
    grown("heap", 1.5);
    grown("nodes", 2.0);
    grown("listeners", 1.5);
}
