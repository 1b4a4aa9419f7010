//! A development relay with calls of the load test, and an operator who looks at every view and does everything that can be
//! done there.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{browse, browser, is_clean, loadtest, text, told};
use crate::process::{Running, leashed};
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
    let said = told(&mut relay, |line| (!line["operator"].is_null()).then(|| line.clone()));
    (relay, said)
}

/// Calls through it, for longer than the test lasts.
fn calls(folder: &Path, said: &Value) -> Result<Running, Missing> {
    let server = &said["iceServers"][1];
    let listener = text(&said["listeners"][0]["address"]);
    let port = listener.rsplit(':').next().expect("a port");
    let mut command = leashed(&loadtest()?);
    command.args(["steady", "--server", &format!("turn:127.0.0.1:{port}?transport=udp")]);
    command.args(["--user", &text(&server["username"]), "--password", &text(&server["credential"])]);
    command.args(["--sessions", &CALLS.to_string(), "--duration", "600s"]);
    Ok(Running::start(command, folder))
}

#[test]
fn an_operator_sees_and_does_everything_in_chromium() {
    let chromium = need!(browser());
    let folder = TempDir::new().unwrap();
    let (_relay, said) = relay(folder.path());
    let _calls = need!(calls(folder.path(), &said));
    let task = json!({
        "chromium": chromium, "url": text(&said["operator"]["url"]).trim_end_matches('/'),
        "token": said["operator"]["token"], "sessions": CALLS, "seconds": 10,
    });
    judge(&browse(leashed("node"), "operator_page.mjs", task, folder.path(), LIMIT));
}

fn judge(report: &Value) {
    is_clean(report);
    assert_eq!(report["figures"], json!([]));

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
    assert_eq!(report["rowsInAll"], CALLS);
    // Of the six nothing was measured yet for one perhaps.
    assert!(report["hour"]["charts"].as_u64() >= Some(5), "{}", report["hour"]);

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

    // What went wrong was said.
    let troubles = &report["troubles"];
    assert_eq!([&troubles["none"], &troubles["noneLater"]], [true, false]);
    assert!(troubles["filled"].as_u64() > Some(0), "{troubles}");
    assert!(text(&troubles["old"]).contains("This cannot be shown: "), "{troubles}");
    assert_eq!([&troubles["stays"], &troubles["drained"], &troubles["learnt"]], [true, true, true]);
    assert!(text(&troubles["logOut"]).starts_with("You are still logged in."), "{troubles}");
    assert_eq!(troubles["still"], "/");

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
