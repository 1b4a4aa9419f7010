//! What the load test says when there is no result, or one that is not good enough: one clear sentence and an exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that it did not expect"
)]

mod support;

use std::process::Output;

use serde_json::Value;
use support::{Relay, run};

/// Denied by the relay of these tests, and an address of this machine.
const DENIED: &str = "127.200.90.1";
/// Nobody listens there: the port of a relay that another test has on all addresses would be there too.
const NOBODY: &str = "127.200.91.1:9";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_sentence(arguments: &[&str], exit: i32, parts: &[&str]) {
    let output = run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
    let said: Vec<&str> = text.lines().filter(|line| line.starts_with("tern-loadtest: ")).collect();
    assert_eq!(said.len(), 1, "{arguments:?} says one sentence: {text}");
    for part in parts {
        assert!(said[0].contains(part), "{arguments:?}: `{part}` is not in: {}", said[0]);
    }
    assert!(output.stdout.is_empty(), "{arguments:?} has no result");
}

#[test]
fn a_command_line_that_makes_no_sense_is_answered_with_a_sentence() {
    let user = ["--user", "u", "--password", "p"];
    let none = u32::MAX.to_string();
    let table: &[(&[&str], &[&str])] = &[
        (&["steady", "--server", "http://x/"], &["is no server", "turns:"]),
        (&["steady", "--server", NOBODY, "--sessions", "0"], &["--sessions is 0"]),
        (&["steady", "--server", NOBODY, "--server", "127.200.91.2"], &["only compare takes several"]),
        (&["steady", "--server", NOBODY, "--pid", &none], &["there is no process", "--pid"]),
        (&["steady", "--server", NOBODY, "--source", "::1"], &["different families"]),
        (&["compare", "--server", NOBODY], &["at least two servers"]),
        (&["idle", "--server", NOBODY], &["--pid"]),
        (&["idle", "--server", NOBODY, "--transport", "tcp", "--pid", "1"], &["UDP"]),
        (&["call", "--server", NOBODY, "--transport", "tls"], &["UDP and IPv4 only"]),
        (&["soak", "--server", NOBODY, "--duration", "1m", "--window", "2m"], &["--window"]),
    ];
    for (arguments, parts) in table {
        let all: Vec<&str> = arguments.iter().copied().chain(user).collect();
        assert_sentence(&all, 2, parts);
    }
    assert_sentence(&["steady", "--server", NOBODY], 2, &["--user and --password", "--secret"]);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    for mode in ["steady", "storm", "soak", "call"] {
        let arguments = [mode, "--server", NOBODY, "--user", "u", "--password", "p"];
        assert_sentence(&arguments, 69, &[NOBODY, "check address, port and --transport"]);
    }
}

#[test]
fn a_refusing_server_is_quoted_and_explained() {
    let denied = format!("peers.deny=[\"{DENIED}\"]");
    let relay = Relay::start(&["--set", &denied]);
    let pid = relay.pid().to_string();
    let wrong = ["--server", &relay.url, "--user", &relay.user, "--password", "wrong"];
    for mode in [&["steady"][..], &["storm"], &["call"], &["idle", "--pid", &pid]] {
        let arguments: Vec<&str> = mode.iter().copied().chain(wrong).collect();
        assert_sentence(&arguments, 77, &["401", "wrong name or password", &relay.user]);
    }
    let right = ["--server", &relay.url, "--user", &relay.user, "--password", &relay.password];
    for mode in [&["steady"][..], &["idle", "--pid", &pid, "--sessions", "3"]] {
        let arguments: Vec<&str> =
            mode.iter().copied().chain(right).chain(["--peer-address", DENIED]).collect();
        assert_sentence(&arguments, 77, &["403", DENIED, "denied"]);
    }
}

#[test]
fn a_missed_threshold_fails_after_the_result() {
    let relay = Relay::start(&[]);
    let arguments = ["steady", "--server", &relay.url, "--user", &relay.user, "--password", &relay.password];
    let short = ["--sessions", "2", "--duration", "1s", "--warm-up", "0", "--no-ceiling"];
    let base: Vec<&str> = arguments.into_iter().chain(short).collect();

    let impossible: Vec<&str> = base.iter().copied().chain(["--max-p99", "1us", "--json", "-"]).collect();
    let output = run(&impossible);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("tern-loadtest: missed: the 99th percentile"), "{}", stderr(&output));
    let value: Value =
        serde_json::from_slice(&output.stdout).expect("standard output is JSON and nothing else");
    assert_eq!((value["schema"].as_u64(), value["passed"].as_bool()), (Some(1), Some(false)));
    assert_eq!(value["result"]["mode"], "steady");
    assert!(value["result"]["window"]["up"]["received"].as_u64().unwrap() > 0);
    assert!(value["machine"]["system"].as_str().unwrap().starts_with("Linux"));

    let easy: Vec<&str> = base.iter().copied().chain(["--max-p99", "1m", "--max-loss", "100%"]).collect();
    let output = run(&easy);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["client to peer", "p99.9", "Method", "Machine"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!output.stderr.contains(&0x1b) && !text.contains('\u{1b}'), "no terminal, no escape sequences");
}

#[test]
fn results_are_written_where_they_are_asked_for() {
    let relay = Relay::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, html, svg) = (file("result.json"), file("result.html"), file("result.svg"));
    let base = ["steady", "--server", &relay.url, "--user", &relay.user, "--password", &relay.password];
    let short =
        ["--sessions", "2", "--duration", "1s", "--warm-up", "0", "--no-ceiling", "--quiet", "--markdown"];
    for outputs in [["--json", &json, "--plot", &html], ["--json", &json, "--plot", &svg]] {
        let arguments: Vec<&str> = base.into_iter().chain(short).chain(outputs).collect();
        let output = run(&arguments);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
        assert!(String::from_utf8(output.stdout).unwrap().contains("|---|"));
    }
    let value: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(value["passed"], true);
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("<svg") && html.contains("Latency over time") && !html.contains("http://"));
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg xmlns"));
}

#[test]
fn memory_per_allocation_is_measured_and_given_back() {
    let relay = Relay::start(&[]);
    let pid = relay.pid().to_string();
    let base = ["idle", "--server", &relay.url, "--user", &relay.user, "--password", &relay.password];
    let more = ["--pid", &pid, "--sessions", "40", "--json", "-", "--quiet"];
    let output = run(&base.into_iter().chain(more).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let idle = &value["result"];
    assert_eq!(idle["allocations"], 40);
    let descriptors = |moment: &str| idle[moment]["process"]["descriptors"].as_u64().unwrap();
    assert_eq!(descriptors("after") - descriptors("before"), 40, "each has a relay socket");
    assert!(idle["process_bytes"].is_number() && idle["kernel_bytes"].is_number());
    assert_eq!(value["notes"].as_array().unwrap().len(), 0, "all were deleted: {}", value["notes"]);
}

#[test]
fn servers_are_compared_round_by_round() {
    // As fast as it goes is more than a relay lets one source have.
    let unlimited = ["--set", "limits.allocation_rate=0"];
    let (one, other) = (Relay::start(&unlimited), Relay::start(&unlimited));
    let (first, second) = (format!("one={}", one.url), format!("other={}", other.url));
    let servers = ["compare", "--what", "storm", "--server", &first, "--server", &second, "--rounds", "2"];
    let users = [
        "--user",
        &one.user,
        "--user",
        &other.user,
        "--password",
        &one.password,
        "--password",
        &other.password,
    ];
    let more = ["--duration", "300ms", "--in-flight", "2", "--json", "-", "--quiet"];
    let output = run(&servers.into_iter().chain(users).chain(more).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let compare = &value["result"];
    assert_eq!(compare["servers"], serde_json::json!(["one", "other"]));
    assert_eq!(compare["rounds"].as_array().unwrap().len(), 2);
    let cycles = &compare["rows"][0];
    assert_eq!((&cycles["figure"], &cycles["advantage"][1]["rounds"]), (&"cycles".into(), &2.into()));
    assert!(cycles["advantage"][1]["median"].as_f64().unwrap() > 0.0);
}

#[cfg(feature = "call")]
#[test]
fn real_calls_are_carried_and_counted() {
    let relay = Relay::start(&[]);
    let base = ["call", "--server", &relay.url, "--user", &relay.user, "--password", &relay.password];
    let more = ["--sessions", "2", "--duration", "3s", "--json", "-", "--quiet"];
    let output = run(&base.into_iter().chain(more).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let call = &value["result"];
    assert_eq!((call["connected"].as_u64(), call["audio"]["corrupted"].as_u64()), (Some(2), Some(0)));
    let count = |of: &str, what: &str| call[of][what].as_u64().unwrap();
    assert!(count("audio", "sent") > 100 && count("audio", "received") > 100, "{}", call["audio"]);
    assert!(count("data", "received") > 20, "{}", call["data"]);
    assert!(call["audio"]["latency"]["p50_us"].as_f64().unwrap() > 0.0);
}
