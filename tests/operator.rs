//! The commands of operators: the real binary against an admin socket whose relay says what it is made to say.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tern::control::admin::{
    Access, AdminSocket, Attributes, BfdSession, Check, Desk, Health, Neighbor, Notification, Operations,
    Parts, Received, Refusal, Report, Route, RpkiCache, Transition, serve_admin,
};
use tern::wire::bgp::Prefix;

/// Notes what it is told.
struct Relay {
    report: Report,
    told: Mutex<Vec<String>>,
}

impl Relay {
    fn note(&self, text: String) -> Result<(), Refusal> {
        self.told.lock().unwrap().push(text);
        Ok(())
    }
}

impl Operations for Relay {
    fn report(&self) -> Result<Report, Refusal> {
        Ok(self.report.clone())
    }

    fn drain(&self, on: bool) -> Result<(), Refusal> {
        if on {
            self.note("drain".to_owned())
        } else {
            Err(Refusal::Busy("the announcer does not answer".into()))
        }
    }

    fn announce(&self, prefix: Option<Prefix>, force: bool) -> Result<(), Refusal> {
        let prefix = prefix.map_or_else(|| "all".to_owned(), |prefix| prefix.to_string());
        self.note(format!("announce {prefix} {force}"))
    }

    fn withdraw(&self, prefix: Option<Prefix>) -> Result<(), Refusal> {
        match prefix {
            Some(prefix) => Err(Refusal::Unknown(format!("{prefix} is none of the relay's prefixes"))),
            None => self.note("withdraw all".to_owned()),
        }
    }

    fn check_now(&self) -> Result<(), Refusal> {
        self.note("check now".to_owned())
    }

    #[cfg(debug_assertions)]
    fn hang(&self, _worker: u8, _time: std::time::Duration) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A relay between two routers, one of which it does not reach.
fn report() -> Report {
    let route = |announced| Route {
        prefix: "10.99.0.1/32".into(),
        announced,
        attributes: Some(Attributes {
            med: Some(20_400),
            prepend: 1,
            communities: vec!["64512:1".into(), "64512:2".into()],
            large_communities: Vec::new(),
            next_hop: "10.0.0.5".into(),
        }),
        withheld: None,
        why: vec!["the state degraded is announced".into(), "ports is poor: 4 % of 16384 are left".into()],
    };
    let near = Neighbor {
        name: "cloud-a".into(),
        address: "10.0.0.1".into(),
        port: 179,
        asn: 64_600,
        state: "established".into(),
        for_seconds: Some(7_984),
        local: Some("10.0.0.5:43210".into()),
        remote: Some("10.0.0.1:179".into()),
        router_id: Some("10.0.0.1".into()),
        hold_time_seconds: Some(60),
        families: vec!["ipv4".into()],
        capabilities: vec!["route refresh".into()],
        received: Received { ipv4: 12, ipv6: 0 },
        announced: 1,
        flaps: 1,
        treated_as_withdraw: 2,
        last_notification: Some(Notification {
            direction: "received".into(),
            age_seconds: 8_000,
            code: 6,
            subcode: 2,
            words: "Cease: Administrative Shutdown: \"maintenance\"".into(),
            ..Notification::default()
        }),
        routes: vec![route(true)],
        bfd: Some(BfdSession { state: "up".into(), for_seconds: 60, ..BfdSession::default() }),
        ..Neighbor::default()
    };
    let far = Neighbor {
        name: "cloud-b".into(),
        address: "10.0.0.2".into(),
        asn: 64_600,
        state: "active".into(),
        for_seconds: None,
        last_failure: Some("connection refused".into()),
        last_failure_seconds: Some(4),
        failure_cause: Some("the neighbour says: Cease: Peer De-configured".into()),
        failure_cause_seconds: Some(90),
        routes: vec![route(false)],
        ..Neighbor::default()
    };
    Report {
        health: Health {
            state: "degraded".into(),
            for_seconds: 65,
            reasons: vec!["ports is poor: 4 % of 16384 are left".into()],
            degraded_at: 1,
            down_at: 100,
            checks: vec![Check {
                name: "ports".into(),
                status: "poor".into(),
                last: Some("poor".into()),
                detail: "4 % of 16384 are left".into(),
                weight: 50,
                streak: 7,
                age_milliseconds: Some(300),
            }],
            transitions: vec![Transition {
                at: "2026-07-01T12:30:00Z".into(),
                from: "healthy".into(),
                to: "degraded".into(),
                reasons: vec!["ports is poor".into()],
            }],
            ..Health::default()
        },
        asn: 64_512,
        router_id: "10.0.0.5".into(),
        neighbors: vec![near, far],
        rpki: vec![RpkiCache {
            address: "rpki:3323".into(),
            state: "in sync".into(),
            records: 2,
            ..RpkiCache::default()
        }],
        ..Report::default()
    }
}

struct Served {
    folder: tempfile::TempDir,
    relay: Arc<Relay>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let relay = Arc::new(Relay { report: report(), told: Mutex::default() });
        let socket = AdminSocket::bind(&folder.path().join("tern.sock"), None, false).unwrap();
        let operations: Arc<dyn Operations> = Arc::clone(&relay) as Arc<dyn Operations>;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let desk = Desk::new(Parts::new(Access::with_group(None), operations));
            runtime.block_on(async { serve_admin(socket, &desk).unwrap().await });
        });
        Self { folder, relay }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tern.sock")
    }

    fn tern(&self, args: &[&str]) -> Output {
        output(&self.socket(), args)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.relay.told.lock().unwrap())
    }
}

fn output(socket: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command
        .args(["60", env!("CARGO_BIN_EXE_tern")])
        .args(args)
        .arg("--socket")
        .arg(socket)
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn show_tells_of_sessions_and_of_what_they_are_told() {
    let expected = "\
relay degraded for 1m 5s: ports is poor: 4 % of 16384 are left
AS 64512, router ID 10.0.0.5
RPKI cache rpki:3323: in sync, 2 records

Neighbor  Address   AS     State        Since   Hold  Received  Announced  Flaps  BFD
cloud-a   10.0.0.1  64600  established  2h 13m  60s   12        1 of 1     1      up
cloud-b   10.0.0.2  64600  active       -       -     -         0 of 1     0      -

cloud-a
  10.0.0.5:43210 to 10.0.0.1:179, its router ID 10.0.0.1
  speaks ipv4; can route refresh
  10.99.0.1/32 announced with MED 20400, prepended 1 more, communities 64512:1 64512:2, next hop 10.0.0.5: the state degraded is announced
  errors in what it sent: 2 UPDATEs taken as withdrawals, 0 attributes ignored
  last NOTIFICATION, received 2h 13m ago: Cease: Administrative Shutdown: \"maintenance\" (6/2)

cloud-b
  10.99.0.1/32 to be announced with MED 20400, prepended 1 more, communities 64512:1 64512:2, next hop 10.0.0.5: the state degraded is announced
  last failure, 4s ago: connection refused
  before that, 1m 30s ago: the neighbour says: Cease: Peer De-configured
";
    assert_eq!(out(&Served::start().tern(&["bgp", "show"])), expected);
}

#[test]
fn why_tells_the_chain_of_reasons_and_can_have_the_checks_run_first() {
    let served = Served::start();
    let expected = "\
10.99.0.1/32 to cloud-a: announced with MED 20400, prepended 1 more, communities 64512:1 64512:2, next hop 10.0.0.5
  the state degraded is announced
  ports is poor: 4 % of 16384 are left
10.99.0.1/32 to cloud-b: to be announced with MED 20400, prepended 1 more, communities 64512:1 64512:2, next hop 10.0.0.5
  there is no session (active): connection refused; before that: the neighbour says: Cease: Peer De-configured
  the state degraded is announced
  ports is poor: 4 % of 16384 are left

relay degraded for 1m 5s: ports is poor: 4 % of 16384 are left

Check  Status  Weight  Last  In a row  Ago    Says
ports  poor    50      poor  7         300ms  4 % of 16384 are left
score 0: degraded from 1, down from 100

2026-07-01T12:30:00Z healthy to degraded: ports is poor
";
    assert_eq!(out(&served.tern(&["bgp", "why", "10.99.0.1/32"])), expected);
    assert!(served.told().is_empty());
    assert_eq!(out(&served.tern(&["bgp", "why", "--now"])), expected);
    assert_eq!(served.told(), ["check now"]);
    let unknown = served.tern(&["bgp", "why", "10.99.0.2/32"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("10.99.0.2/32 is none of the relay's prefixes"), "{}", err(&unknown));
}

#[test]
fn programs_get_the_report_as_the_relay_gave_it() {
    let served = Served::start();
    let read = |args: &[&str]| serde_json::from_str::<Value>(&out(&served.tern(args))).unwrap();
    assert_eq!(read(&["bgp", "show", "--json"]), json!(report()));
    assert_eq!(read(&["drain", "--json"])["report"]["health"]["state"], "degraded");
    let sessions = read(&["bfd", "show", "--json"]);
    assert_eq!(
        (&sessions["sessions"][0]["neighbor"], &sessions["sessions"][0]["state"]),
        (&json!("cloud-a"), &json!("up"))
    );
    let refused = served.tern(&["undrain", "--json"]);
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &answer["error"]["code"]), (Some(75), &json!("busy")));
}

#[test]
fn what_an_operator_orders_reaches_the_relay() {
    let served = Served::start();
    let text = out(&served.tern(&["drain"]));
    assert!(
        text.contains("\nrelay degraded for 1m 5s") && text.contains("10.99.0.1/32 to cloud-a: "),
        "{text}"
    );
    out(&served.tern(&["bgp", "withdraw"]));
    out(&served.tern(&["bgp", "announce", "10.99.0.1/32", "--force"]));
    out(&served.tern(&["bgp", "announce"]));
    assert_eq!(served.told(), ["drain", "withdraw all", "announce 10.99.0.1/32 true", "announce all false"]);
    let session = out(&served.tern(&["bfd", "show"]));
    assert!(session.contains("cloud-a   10.0.0.1  up     1m"), "{session}");
}

#[test]
fn a_refusal_has_its_exit_code_and_says_why() {
    let served = Served::start();
    for (args, code, text) in [
        (
            &["bgp", "withdraw", "10.99.0.9/32"] as &[&str],
            1,
            "tern: 10.99.0.9/32 is none of the relay's prefixes",
        ),
        (&["undrain"], 75, "tern: the announcer does not answer"),
        (&["bgp", "withdraw", "10.99.0.9/24"], 2, "there are bits set beyond its length"),
    ] {
        let refused = served.tern(args);
        assert_eq!(refused.status.code(), Some(code), "{args:?}");
        assert!(err(&refused).contains(text), "{}", err(&refused));
    }
    assert!(served.told().is_empty());
}

#[test]
fn a_relay_that_is_not_there_is_said_with_69() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = output(&folder.path().join("tern.sock"), &["bgp", "show"]);
    assert_eq!(nowhere.status.code(), Some(69));
    assert!(err(&nowhere).contains("no relay answers at"), "{}", err(&nowhere));
    let socket = folder.path().join("silent.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(output(&socket, &["drain"]).status.code(), Some(69));
}

/// Only root can be somebody else.
#[test]
fn other_users_are_kept_out_by_the_file_and_by_the_relay() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run a program as another user");
        return;
    }
    let served = Served::start();
    let shared = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    shared(served.folder.path(), 0o755);
    let copy = served.folder.path().join("tern");
    std::fs::copy(env!("CARGO_BIN_EXE_tern"), &copy).unwrap();
    let as_nobody = || {
        let mut command = Command::new("timeout");
        command.arg("60").arg(&copy).args(["bgp", "withdraw", "--socket"]).arg(served.socket());
        command.uid(65_534).gid(65_534).stdin(Stdio::null()).output().unwrap()
    };
    let refused = as_nobody();
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(err(&refused).contains("join the group of admin.group"), "{}", err(&refused));
    shared(&served.socket(), 0o666);
    let refused = as_nobody();
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(
        err(&refused).contains("only root, the relay's own user and the members of admin.group"),
        "{}",
        err(&refused)
    );
    assert!(served.told().is_empty());
}
