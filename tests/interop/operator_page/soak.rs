//! The sessions of a full relay, looked at for long: neither the page nor the relay grows, and the document holds no more rows
//! than are in sight.
//!
//! `TERN_PAGE_SESSIONS` and `TERN_PAGE_SECONDS` say how many and for how long: 10000 and 600 for what the page is made for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ADMIN_PORT, browse, browser, is_clean, loadtest, wait_until_up};
use crate::host::Host;
use crate::process::Running;
use crate::relay::{SECRET, write_secret};
use crate::skip::{Missing, need};

const TOKEN: &str = "the-operators-token-of-this-test-alone";
/// Users, each with a load test and addresses of its own.
const USERS: u64 = 4;

/// From the environment, or what a test run has time for.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn relay(host: &Host, folder: &Path) -> Running {
    write_secret(&folder.join("rest"), SECRET);
    write_secret(&folder.join("operator"), TOKEN);
    let file = folder.join("tern.toml");
    // With a short history a call soon has all the memory that it will have.
    let text = format!(
        "[server]\nworkers = 2\nname = \"full\"\n[[listener]]\naddress = \"127.0.0.1:3478\"\n\
         [peers]\nallow = [\"127.0.0.0/8\"]\n[quality]\nhistory = \"20s\"\nrecords = \"off\"\n\
         [limits]\nallocation_rate = 0\nanswer_rate = 0\nmax_allocations_per_user = 0\noverload_busy = 0\n\
         [auth]\n[[auth.shared_secret]]\nid = \"one\"\nsecret_file = \"rest\"\n\
         [admin]\nsocket = \"off\"\nlisten = [\"127.0.0.1:{ADMIN_PORT}\"]\n\
         [[admin.token]]\nid = \"olga\"\nrole = \"operator\"\ntoken_file = \"operator\"\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = host.direct_command(env!("CARGO_BIN_EXE_tern"));
    command.args(["run", "--config"]).arg(&file).env_remove("CREDENTIALS_DIRECTORY");
    let mut relay = Running::start(command, folder);
    wait_until_up(&mut relay);
    relay
}

/// A packet every five seconds each way keeps a call's figures moving.
fn calls(host: &Host, folder: &Path, user: u64, sessions: u64) -> Result<Running, Missing> {
    let mut command = host.direct_command(&loadtest()?);
    command.args([
        "steady",
        "--server",
        "127.0.0.1:3478",
        "--secret",
        SECRET,
        "--user",
        &format!("agent{user}"),
    ]);
    for place in 1..=8 {
        command.args(["--source", &format!("127.1.{user}.{place}")]);
    }
    command.args([
        "--sessions",
        &sessions.to_string(),
        "--profile",
        "160x0.2",
        "--duration",
        "2h",
        "--no-ceiling",
        "-q",
    ]);
    Ok(Running::start(command, folder))
}

#[test]
fn a_page_of_all_sessions_does_not_grow_and_neither_does_the_relay() {
    let chromium = need!(browser());
    let host = need!(Host::start());
    let folder = TempDir::new().unwrap();
    let (sessions, seconds) = (number("TERN_PAGE_SESSIONS", 2_000), number("TERN_PAGE_SECONDS", 20));
    let relay = relay(&host, folder.path());
    let mut all = Vec::new();
    for user in 1..=USERS {
        all.push(need!(calls(&host, folder.path(), user, sessions / USERS)));
    }
    let task = json!({
        "chromium": chromium, "url": format!("http://127.0.0.1:{ADMIN_PORT}"), "token": TOKEN, "relay": relay.id(),
        "sessions": sessions / USERS * USERS, "users": USERS, "seconds": seconds,
    });
    let limit = Duration::from_secs(420 + seconds * 2);
    let report = std::panic::catch_unwind(|| {
        browse(host.direct_command("node"), "soak_page.mjs", task, folder.path(), limit)
    });
    let report = report.unwrap_or_else(|_| {
        let said: Vec<_> = all.iter().map(Running::output).collect();
        panic!("the relay:\n{}\ncalls:\n{said:?}", relay.output())
    });
    println!("{report:#}");
    judge(&report);
}

fn judge(report: &Value) {
    is_clean(report);
    assert!(report["most_rows"].as_u64().unwrap() < 150, "{report}");
    assert_eq!(report["unlike"], json!([]), "what the table shows is what the API says");
    let grown = |what: &[&str], by: f64, more: f64| {
        let of =
            |sample: &Value| what.iter().fold(sample, |value, key| &value[*key]).as_f64().expect("a number");
        let (first, last) = (of(&report["first"]), of(&report["last"]));
        assert!(last < first * by + more, "{what:?} grew from {first} to {last}: {report}");
    };
    for page in ["stays", "moves"] {
        grown(&[page, "heap"], 1.25, 1e6);
        grown(&[page, "nodes"], 1.5, 1_000.0);
        grown(&[page, "listeners"], 1.5, 20.0);
    }
    grown(&["rss"], 1.1, 8e6);
}
