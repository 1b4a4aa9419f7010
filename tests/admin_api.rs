//! The admin API of the real relay: reloads that are confirmed and undone, calls that are listed and ended, draining,
//! credentials that work, the log, events as they happen, and what the OpenAPI document says of all that.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/caller.rs"]
mod caller;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "it serves other tests too, which need more of it")]
mod process;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use caller::Caller;
use process::{Running, leashed, wait_for};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A relay on loopback with a socket for operators.
struct Relay {
    folder: tempfile::TempDir,
    port: u16,
    process: Running,
}

impl Relay {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let secret = folder.path().join("rest.secret");
        std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        configure(folder.path(), port, more);
        let mut command = leashed(env!("CARGO_BIN_EXE_tern"));
        command.args(["run", "--config"]).arg(folder.path().join("tern.toml"));
        command.env_remove("CREDENTIALS_DIRECTORY");
        let process = Running::start(command, folder.path());
        let mut relay = Self { folder, port, process };
        let ready = wait_for(PATIENCE, || {
            assert!(relay.process.status().is_none(), "the relay ended:\n{}", relay.process.output());
            UnixStream::connect(relay.socket()).ok()
        });
        assert!(ready.is_some(), "no socket:\n{}", relay.process.output());
        relay
    }

    fn configure(&self, more: &str) {
        configure(self.folder.path(), self.port, more);
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tern.sock")
    }

    fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: tern\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // Long answers come in chunks, which never split what is looked at here.
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

fn configure(folder: &std::path::Path, port: u16, more: &str) {
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:{port}\"\n[[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"rest.secret\"\n\
         [server]\nworkers = 1\n[peers]\nallow = [\"127.0.0.0/8\"]\n[admin]\nsocket = \"{}\"\n{more}",
        folder.join("tern.sock").display()
    );
    std::fs::write(folder.join("tern.toml"), text).unwrap();
}

/// A port below the relay's range that was free a moment ago, for UDP and TCP, on loopback.
fn free_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    loop {
        let port = start + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = ("127.0.0.1", port);
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return port;
        }
    }
}

#[test]
fn a_reload_that_nobody_confirms_is_undone() {
    let relay = Relay::start("");
    relay.configure("[limits]\nmax_allocations = 7\n");
    let (status, dry) = relay.ask("POST /v1/reload", r#"{"dry_run": true}"#);
    assert_eq!(
        (status, &dry["applied"], &dry["dry_run"]),
        (200, &json!(["limits.max_allocations"]), &json!(true))
    );
    let (status, done) = relay.ask("POST /v1/reload", r#"{"confirm_within_seconds": 1}"#);
    assert_eq!((status, &done["applied"]), (200, &json!(["limits.max_allocations"])), "{done}");
    assert!(done["confirm_by"].is_string());
    let undone = wait_for(PATIENCE, || {
        let (_, state) = relay.ask("GET /v1/reload", "");
        (state["last"]["outcome"] == "undone").then_some(state)
    });
    assert_eq!(undone.expect("it is undone")["pending"], Value::Null);
    // The same change is one again.
    let (_, again) = relay.ask("POST /v1/reload", "");
    assert_eq!(again["applied"], json!(["limits.max_allocations"]));
}

#[test]
fn a_reload_is_kept_when_it_is_confirmed_and_goes_when_it_is_undone() {
    let relay = Relay::start("");
    assert_eq!(relay.ask("POST /v1/reload/confirm", "").0, 409);
    assert_eq!(relay.ask("POST /v1/reload/undo", "").0, 409);
    relay.configure("[limits]\nmax_allocations = 7\n");
    let wish = r#"{"confirm_within_seconds": 3600}"#;
    assert_eq!(relay.ask("POST /v1/reload", wish).0, 200);
    let (status, refused) = relay.ask("POST /v1/reload", "");
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("pointless")), "one waits already");
    assert_eq!(relay.ask("POST /v1/reload", r#"{"dry_run": true}"#).0, 200, "that changes nothing");
    let (_, state) = relay.ask("POST /v1/reload/undo", "");
    assert_eq!((&state["last"]["outcome"], &state["pending"]), (&json!("undone"), &Value::Null));
    assert_eq!(relay.ask("POST /v1/reload", wish).1["applied"], json!(["limits.max_allocations"]));
    let (_, state) = relay.ask("POST /v1/reload/confirm", "");
    assert_eq!(state["last"]["outcome"], "confirmed");
    assert_eq!(relay.ask("POST /v1/reload", "").1["applied"], json!([]), "it holds");
    relay.configure("[limits]\nmax_alocations = 7\n");
    let before = relay.ask("GET /v1/reload", "").1;
    assert_eq!(relay.ask("POST /v1/reload", r#"{"dry_run": true}"#).0, 422);
    assert_eq!(relay.ask("GET /v1/reload", "").1, before, "nobody wanted it to hold");
    let (status, wrong) = relay.ask("POST /v1/reload", "");
    assert_eq!((status, &wrong["error"]["code"]), (422, &json!("wrong")));
    assert!(wrong["error"]["text"].as_str().unwrap().contains("did you mean `max_allocations`?"), "{wrong}");
    relay.configure("[limits]\nmax_allocations = 7\n[metrics]\naddress = \"127.0.0.1:1\"\n");
    let (_, restart) = relay.ask("POST /v1/reload", "");
    assert_eq!(restart["needs_restart"], json!(["metrics.address"]), "{restart}");
}

#[test]
fn a_relay_that_announces_nothing_can_be_emptied_too() {
    let relay = Relay::start("");
    assert_eq!(relay.ask("GET /readyz", "").1, json!({ "ready": true, "reasons": [] }));
    let health = || {
        let (status, health) = relay.ask("GET /v1/health", "");
        (status, health["state"].as_str().unwrap_or_default().to_owned(), health["draining"] == true)
    };
    assert_eq!(health(), (200, "healthy".to_owned(), false));
    let (status, drained) = relay.ask("POST /v1/drain", r#"{"deadline_seconds": 60, "min_sessions": 2}"#);
    assert_eq!(health(), (200, "draining".to_owned(), true));
    assert_eq!(relay.ask("GET /v1/status", "").1["state"], "draining");
    assert_eq!((status, &drained["draining"]["done"]), (200, &json!(true)), "{drained}");
    assert_eq!((&drained["draining"]["min_sessions"], &drained["report"]), (&json!(2), &Value::Null));
    let (status, ready) = relay.ask("GET /readyz", "");
    assert_eq!((status, &ready["ready"]), (503, &json!(false)));
    assert_eq!(relay.ask("GET /livez", "").0, 200);
    assert_eq!(relay.ask("POST /v1/drain", r#"{"name": "another relay"}"#).0, 422);
    assert_eq!(relay.ask("POST /v1/undrain", "").1["draining"], Value::Null);
    let ready = wait_for(PATIENCE, || (relay.ask("GET /readyz", "").0 == 200).then_some(()));
    assert!(ready.is_some());
}

#[test]
fn the_log_says_more_until_somebody_says_otherwise() {
    let relay = Relay::start("");
    let level = |level: &str| json!({ "level": level, "configured": "info" });
    assert_eq!(relay.ask("GET /v1/log", "").1, level("info"));
    assert_eq!(relay.ask("PUT /v1/log", r#"{"level": "debug"}"#), (200, level("debug")));
    assert_eq!(relay.ask("POST /v1/reload", "").0, 200);
    assert_eq!(
        relay.ask("GET /v1/log", "").1,
        level("debug"),
        "a reload that says nothing of it changes nothing"
    );
    assert_eq!(relay.ask("PUT /v1/log", r#"{"level": "loud"}"#).0, 422);
    assert_eq!(relay.ask("PUT /v1/log", "").0, 400);
}

#[test]
fn a_credential_is_made_and_judged_as_the_relay_would() {
    let relay = Relay::start("");
    let (status, made) = relay.ask("POST /v1/credentials", r#"{"user": "alice", "ttl_seconds": 600}"#);
    assert_eq!(status, 200, "{made}");
    let url = format!("turn:127.0.0.1:{}?transport=udp", relay.port);
    assert_eq!(made["ice_servers"][0]["urls"][0], json!(url));
    let shown = json!({ "username": made["username"], "password": made["password"] });
    let (_, good) = relay.ask("POST /v1/credentials/verify", &shown.to_string());
    assert_eq!((&good["ok"], &good["secret_id"]), (&json!(true), &json!("a")));
    let shown = json!({ "username": made["username"], "password": "wrong" });
    let (_, bad) = relay.ask("POST /v1/credentials/verify", &shown.to_string());
    assert_eq!(bad["ok"], false);
    assert!(bad["reason"].as_str().unwrap().contains("password is wrong"), "{bad}");
    let (_, log) = relay.ask("GET /v1/audit", "");
    assert!(!log.to_string().contains("alice") && !log.to_string().contains("wrong"), "{log}");
    assert_eq!(log["entries"].as_array().unwrap().len(), 3);
}

/// An allocation of Alice's, for as long as it is refreshed: its client's socket.
fn allocate(relay: &Relay) -> Caller {
    let (_, made) = relay.ask("POST /v1/credentials", r#"{"user": "alice"}"#);
    Caller::allocate(relay.port, made["username"].as_str().unwrap(), made["password"].as_str().unwrap())
}

#[test]
fn a_call_is_listed_shown_explained_and_ended() {
    let relay = Relay::start("");
    let (_, none) = relay.ask("GET /v1/sessions", "");
    assert_eq!((&none["total"], &none["sessions"]), (&json!(0), &json!([])));
    let client = allocate(&relay);
    let (_, page) = wait_for(PATIENCE, || {
        let found = relay.ask("GET /v1/sessions?search=alice", "");
        (found.1["matched"] == 1).then_some(found)
    })
    .expect("the call is found by its user");
    let row = &page["sessions"][0];
    assert_eq!(row["client"], json!(client.socket.local_addr().unwrap().to_string()));
    assert_eq!(
        (&row["transport"], &row["family"], &row["media"]),
        (&json!("udp"), &json!("ipv4"), &Value::Null)
    );
    let id = row["id"].as_str().unwrap();
    let (_, shown) = relay.ask(&format!("GET /v1/sessions/{id}"), "");
    assert_eq!(shown["session"]["relayed"], row["relayed"]);
    let (_, story) = relay.ask("GET /v1/explain?user=alice", "");
    assert_eq!((&story["user"], &story["sessions"][0]["id"]), (&row["user"], &row["id"]));
    let kinds = |story: &Value| -> Vec<String> {
        let entries = story["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(kinds(&story).contains(&"allocated".to_owned()), "{story}");
    assert_eq!(relay.ask(&format!("DELETE /v1/sessions/{id}"), ""), (200, json!({ "ended": id })));
    assert_eq!(relay.ask(&format!("DELETE /v1/sessions/{id}"), "").0, 404);
    assert_eq!(relay.ask(&format!("GET /v1/sessions/{id}"), "").0, 404);
    let (_, story) = relay.ask(&format!("GET /v1/explain?session={id}"), "");
    let last = story["entries"].as_array().unwrap().last().unwrap();
    assert!(last["text"].as_str().unwrap().contains("an operator ended it"), "{story}");
    assert_eq!(relay.ask("GET /v1/explain", "").0, 400);
    assert_eq!(relay.ask("GET /v1/explain?user=nobody", "").1["entries"], json!([]));
}

#[test]
fn whoever_reads_along_gets_the_whole_first_and_then_what_changes() {
    let relay = Relay::start("");
    let mut stream = UnixStream::connect(relay.socket()).unwrap();
    write!(stream, "GET /v1/stream HTTP/1.1\r\nHost: tern\r\nLast-Event-ID: 0\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    let mut message = || -> (String, Value) {
        let name = lines.by_ref().find_map(|line| line.strip_prefix("event: ").map(ToOwned::to_owned));
        let data = lines.by_ref().find_map(|line| line.strip_prefix("data: ").map(ToOwned::to_owned));
        (name.unwrap(), serde_json::from_str(&data.unwrap()).unwrap())
    };
    let (name, whole) = message();
    assert_eq!(name, "status");
    assert!(whole["version"].is_string() && whole["capacity"].is_object() && whole["draining"].is_null());
    let (name, alerts) = message();
    assert_eq!((name.as_str(), &alerts["alerts"]), ("alert", &whole["alerts"]));
    let (name, first) = message();
    assert_eq!((name.as_str(), &first["number"]), ("event", &json!(1)));
    assert_eq!(relay.ask("POST /v1/drain", "").0, 200);
    // Which of both comes first is not said.
    let (mut event, mut change) = (None, None);
    while event.is_none() || change.is_none() {
        match message() {
            (name, value) if name == "event" && value["kind"] == "drain" => event = Some(value),
            (name, value) if name == "status" && !value["draining"].is_null() => change = Some(value),
            _ => {}
        }
    }
    assert!(event.unwrap()["number"].as_u64() > Some(1));
    assert!(change.unwrap()["version"].is_null(), "what stays is not said again");
}

#[test]
fn whoever_has_read_an_earlier_relay_gets_all_events_of_this_one() {
    let relay = Relay::start("");
    let mut stream = UnixStream::connect(relay.socket()).unwrap();
    write!(stream, "GET /v1/stream HTTP/1.1\r\nHost: tern\r\nLast-Event-ID: 123456\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line == "id: 1"));
}

#[test]
fn streams_are_few_and_their_places_come_back() {
    let relay = Relay::start("");
    let open = || {
        let mut stream = UnixStream::connect(relay.socket()).unwrap();
        write!(stream, "GET /v1/stream HTTP/1.1\r\nHost: tern\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (String::from_utf8_lossy(&status[9..]).into_owned(), stream)
    };
    let all: Vec<_> = (0..16).map(|_| open()).collect();
    assert!(all.iter().all(|(status, _)| status == "200"));
    assert_eq!(open().0, "503");
    drop(all);
    assert!(wait_for(PATIENCE, || (open().0 == "200").then_some(())).is_some());
}

#[test]
fn what_was_asked_of_the_relay_is_among_its_events() {
    let relay = Relay::start("");
    relay.ask("POST /v1/drain", "");
    relay.ask("POST /v1/undrain", "");
    relay.ask("POST /v1/reload", "");
    relay.ask("PUT /v1/log", r#"{"level": "warn"}"#);
    let (_, page) = relay.ask("GET /v1/events?after=0&limit=1000", "");
    let kinds: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "drain").count(), 2, "{kinds:?}");
    assert!(kinds.contains(&"reload") && kinds.contains(&"relay"), "{kinds:?}");
    let change = page["events"].as_array().unwrap().iter().find(|event| event["kind"] == "operator").unwrap();
    assert_eq!(change["fields"]["request"], "PUT /v1/log");
    assert_eq!(relay.ask("GET /v1/events?limit=0", "").0, 400);
}

#[test]
fn the_last_hour_is_there_from_its_first_point_on() {
    let relay = Relay::start("");
    let client = allocate(&relay);
    let (status, history) = relay.ask("GET /v1/history", "");
    assert_eq!((status, &history["step_seconds"]), (200, &json!(10)), "{history}");
    assert_eq!(history["points"][0]["sessions"], json!(0));
    let seen = wait_for(PATIENCE, || {
        let (_, history) = relay.ask("GET /v1/history", "");
        history["points"].as_array().unwrap().iter().find(|point| point["sessions"] == 1).cloned()
    })
    .expect("the call is seen by a point");
    assert_eq!(seen["ready"], json!(true));
    assert!(seen["at"].as_str() > history["points"][0]["at"].as_str(), "{seen}");
    assert!(seen["free_share"].as_f64() > Some(0.9), "{seen}");
    drop(client);
}
