//! The API over a real socket, with a relay that only notes what it is told.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

mod bounds;
mod remote;
mod roles;

use serde_json::{Value, json};

use super::*;
use crate::metrics::{About, CallDetail, CallRows, SessionId, Silence, Story};

/// Notes what it is told; says what it is made to say.
#[derive(Default)]
struct Stub {
    told: Mutex<Vec<String>>,
}

impl Stub {
    fn note(&self, text: String) -> Result<(), Refusal> {
        self.told.lock().unwrap().push(text);
        Ok(())
    }
}

impl Operations for Stub {
    fn report(&self) -> Result<Report, Refusal> {
        let neighbor =
            Neighbor { name: "north".into(), bfd: Some(BfdSession::default()), ..Neighbor::default() };
        let draining = self.told.lock().unwrap().iter().any(|told| told == "drain true");
        let health = Health { state: "healthy".into(), draining, ..Health::default() };
        Ok(Report {
            health,
            asn: 64_512,
            neighbors: vec![neighbor, Neighbor::default()],
            ..Report::default()
        })
    }

    fn drain(&self, on: bool) -> Result<(), Refusal> {
        self.note(format!("drain {on}"))
    }

    fn announce(&self, prefix: Option<Prefix>, force: bool) -> Result<(), Refusal> {
        self.note(format!("announce {prefix:?} {force}"))
    }

    fn withdraw(&self, prefix: Option<Prefix>) -> Result<(), Refusal> {
        let known = prefix.is_none_or(|prefix| prefix.to_string() == "10.99.0.1/32");
        let text = prefix.map_or_else(String::new, |prefix| prefix.to_string());
        if known {
            self.note(format!("withdraw {text}"))
        } else {
            Err(Refusal::Unknown(format!("no {text}")))
        }
    }

    fn check_now(&self) -> Result<(), Refusal> {
        Err(Refusal::Busy("later".into()))
    }

    fn hang(&self, worker: u8, time: Duration) -> Result<(), Refusal> {
        if worker > 0 { panic!("a stub may have defects") } else { self.note(format!("hang {time:?}")) }
    }
}

/// Calls of workers that are too slow to answer.
struct Silent;

impl Calls for Silent {
    fn rows(&self) -> CallRows {
        CallRows::default()
    }

    fn detail(&self, _: SessionId) -> Result<Option<CallDetail>, Silence> {
        Err(Silence)
    }

    fn end(&self, _: SessionId) -> Result<bool, Silence> {
        Err(Silence)
    }

    fn explain(&self, _: &About) -> Story {
        Story::default()
    }

    fn owners(&self, _: &str) -> Vec<u64> {
        Vec::new()
    }
}

struct Served {
    folder: tempfile::TempDir,
    stub: Arc<Stub>,
}

impl Served {
    fn start(access: Access) -> Self {
        Self::start_with(access, Arc::new(sessions::NoCalls))
    }

    fn start_with(access: Access, calls: Arc<dyn Calls>) -> Self {
        let served = Self { folder: tempfile::tempdir().unwrap(), stub: Arc::default() };
        let socket = AdminSocket::bind(&served.path(), None, false).unwrap();
        let operations: Arc<dyn Operations> = Arc::clone(&served.stub) as Arc<dyn Operations>;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let desk = Desk::new(Parts { calls, ..Parts::new(access, operations) });
            runtime.block_on(async { serve_admin(socket, &desk).unwrap().await });
        });
        served
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tern.sock")
    }

    fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        self.ask_with(line, "", body)
    }

    fn ask_with(&self, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut stream = UnixStream::connect(self.path()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: tern\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/json"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.stub.told.lock().unwrap())
    }
}

#[test]
fn a_session_of_a_worker_that_does_not_answer_is_not_said_to_be_gone() {
    let served = Served::start_with(Access::with_group(None), Arc::new(Silent));
    for (request, told) in [("GET", "try again"), ("DELETE", "look whether it is there still")] {
        let (status, answer) = served.ask(&format!("{request} /v1/sessions/0-1"), "");
        assert_eq!((status, &answer["error"]["code"]), (503, &json!("busy")), "{request}");
        assert!(answer["error"]["text"].as_str().unwrap().ends_with(told), "{answer}");
    }
    assert_eq!(served.ask("GET /v1/sessions/nobody", "").0, 404);
    for request in ["GET /v1/sessions", "GET /v1/explain?session=0-1"] {
        let (status, answer) = served.ask(request, "");
        assert_eq!((status, &answer["incomplete"]), (200, &json!(true)), "{request}");
    }
    let served = Served::start(Access::with_group(None));
    assert_eq!(served.ask("GET /v1/sessions", "").1["incomplete"], false);
}

#[test]
fn what_is_read_is_the_report() {
    let served = Served::start(Access::with_group(None));
    assert_eq!(served.ask("GET /v1/health", "").1["state"], "healthy");
    let (status, report) = served.ask("GET /v1/bgp", "");
    assert_eq!((status, &report["neighbors"][0]["name"]), (200, &json!("north")));
    assert_eq!(serde_json::from_value::<Report>(report).unwrap(), served.stub.report().unwrap());
    let (_, bfd) = served.ask("GET /v1/bfd", "");
    assert_eq!(bfd["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(bfd["sessions"][0]["neighbor"], "north");
    assert!(served.told().is_empty());
}

#[test]
fn a_change_answers_with_what_holds_after_it() {
    let served = Served::start(Access::with_group(None));
    let (status, report) = served.ask("POST /v1/drain", "");
    assert_eq!((status, &report["report"]["health"]["draining"]), (200, &json!(true)));
    assert_eq!(report["draining"]["done"], true, "there are no calls");
    served.ask("POST /v1/undrain", "");
    served.ask("POST /v1/bgp/withdraw", "");
    served.ask("POST /v1/bgp/withdraw", r#"{"prefix": "10.99.0.1/32"}"#);
    served.ask("POST /v1/bgp/announce", r#"{"force": true}"#);
    let expected = ["drain true", "drain false", "withdraw ", "withdraw 10.99.0.1/32", "announce None true"];
    assert_eq!(served.told(), expected);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_word_and_a_sentence() {
    let served = Served::start(Access::with_group(None));
    for (line, body, status, code) in [
        ("POST /v1/bgp/withdraw", r#"{"prefix": "10.99.0.2/32"}"#, 404, "unknown"),
        ("POST /v1/bgp/withdraw", r#"{"prefix": "10.99.0.1/24"}"#, 400, "bad_request"),
        ("POST /v1/bgp/withdraw", r#"{"perfix": "10.99.0.1/32"}"#, 400, "bad_request"),
        ("POST /v1/bgp/announce", "now", 400, "bad_request"),
        ("POST /v1/bgp/why", "", 503, "busy"),
        ("GET /v1/drain", "", 405, "method_not_allowed"),
        ("POST /v1/health", "", 405, "method_not_allowed"),
        ("GET /v1/nothing", "", 404, "not_found"),
        ("POST /v1/debug/hang", r#"{"worker": 1}"#, 500, "defect"),
    ] {
        let (found, answer) = served.ask(line, body);
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{line} {body}: {answer}");
        assert!(answer["error"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
    assert!(served.told().is_empty());
}

#[test]
fn whoever_is_not_admitted_neither_reads_nor_changes() {
    // Root is always admitted, so the test's own user stands in for a stranger only where it is not root.
    let own = rustix::process::geteuid().as_raw();
    let served = Served::start(Access { own: own.wrapping_add(1), ..Access::with_group(None) });
    let expected = if own == 0 { 200 } else { 403 };
    assert_eq!(served.ask("GET /v1/health", "").0, expected);
    assert_eq!(served.ask("POST /v1/drain", "").0, expected);
    assert_eq!(served.told().len(), usize::from(own == 0));
}

#[test]
fn a_relay_can_be_made_ill_in_tests() {
    let served = Served::start(Access::with_group(None));
    assert_eq!(served.ask("POST /v1/debug/hang", r#"{"worker": 0, "milliseconds": 20}"#).0, 200);
    assert_eq!(served.told(), ["hang 20ms"]);
    assert_eq!(served.ask("POST /v1/debug/stall", r#"{"milliseconds": 1}"#).0, 200);
}

#[test]
fn every_change_is_in_the_audit_log_and_no_read_is() {
    let served = Served::start(Access::with_group(None));
    served.ask("GET /v1/health", "");
    served.ask("POST /v1/drain", "");
    served.ask("POST /v1/bgp/withdraw", r#"{"prefix": "10.99.0.2/32"}"#);
    let (_, log) = served.ask("GET /v1/audit", "");
    let log: AuditLog = serde_json::from_value(log).unwrap();
    let found: Vec<_> =
        log.entries.iter().map(|one| (one.path.as_str(), one.status, one.outcome.as_str())).collect();
    assert_eq!(found, [("/v1/drain", 200, "done"), ("/v1/bgp/withdraw", 404, "no 10.99.0.2/32")]);
    let last = &log.entries[1];
    let own = format!("uid {}", rustix::process::geteuid().as_raw());
    assert_eq!((&last.who, last.role.as_str(), last.method.as_str()), (&own, "operator", "POST"));
    assert_eq!(last.what, r#"{"prefix": "10.99.0.2/32"}"#);
    assert!(last.from.starts_with("socket, process "), "{}", last.from);
    let (_, rest) = served.ask("GET /v1/audit?after=1", "");
    assert_eq!(rest["entries"].as_array().unwrap().len(), 1);
    assert_eq!(served.ask("GET /v1/audit?after=x", "").0, 400);
}

#[test]
fn what_is_asked_for_again_under_its_key_is_not_done_again() {
    let served = Served::start(Access::with_group(None));
    let ask = |line: &str, key: &str, body: &str| {
        served.ask_with(line, &format!("Idempotency-Key: {key}\r\n"), body)
    };
    let (status, first) = ask("POST /v1/drain", "a", "");
    assert_eq!(status, 200);
    assert_eq!(ask("POST /v1/drain", "a", ""), (200, first));
    assert_eq!(served.told(), ["drain true"]);
    let (status, other) = ask("POST /v1/undrain", "a", "");
    assert_eq!((status, &other["error"]["code"]), (422, &json!("key_reused")));
    let refused = ask("POST /v1/bgp/withdraw", "b", r#"{"prefix": "10.99.0.2/32"}"#);
    assert_eq!(refused.0, 404);
    assert_eq!(ask("POST /v1/bgp/withdraw", "b", r#"{"prefix": "10.99.0.2/32"}"#), refused);
    // What could not be done now is tried again, and what broke may be.
    assert_eq!(ask("POST /v1/bgp/why", "c", "").0, 503);
    assert_eq!(ask("POST /v1/bgp/why", "c", "").0, 503);
    assert_eq!(ask("POST /v1/drain", &"x".repeat(129), "").0, 400);
    assert!(served.told().is_empty());
}

#[test]
fn what_is_too_long_is_refused() {
    let served = Served::start(Access::with_group(None));
    let (status, answer) = served.ask("POST /v1/bgp/announce", "\u{fffd}\u{0}");
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")));
    let (status, answer) = served.ask("POST /v1/drain", &" ".repeat(17 * 1024));
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")));
    assert!(served.told().is_empty());
}

#[tokio::test]
async fn a_worker_that_stops_is_seen_however_often_somebody_asks() {
    use crate::metrics::Pulse;
    use crate::net::poll::Waker;
    let pulse = Arc::<Pulse>::default();
    let heart = Heart::new(0, Arc::clone(&pulse), Waker::new().unwrap());
    let operations: Arc<dyn Operations> = Arc::<Stub>::default();
    let desk = Desk::new(Parts { hearts: vec![heart], ..Parts::new(Access::with_group(None), operations) });
    let ask = || async { probes::live(axum::extract::State(desk.clone())).await.status() };
    let turning = async {
        loop {
            pulse.answer(pulse.question());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        status = ask() => assert_eq!(status, 200),
        () = turning => {}
    }
    // More often than an answer grows old.
    let seen = async {
        while ask().await == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("it says that it is dead");
}

#[test]
fn probes_need_no_login_and_say_why_no_calls_are_wanted() {
    let served = Served::start(Access { own: u32::MAX, ..Access::with_group(None) });
    assert_eq!(served.ask("GET /livez", "").0, 200);
    assert_eq!(served.ask("GET /readyz", ""), (200, json!({ "ready": true, "reasons": [] })));
}
