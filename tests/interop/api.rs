//! The admin API as schemathesis finds it: requests made from the OpenAPI document, good ones and bad ones, none of which
//! may break anything.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::caller::Caller;
use crate::process::{Running, run, wait_for};
use crate::relay::write_secret;
use crate::skip::{Missing, need};

const TOKEN: &str = "the-operators-token-of-this-test-alone";
/// Of the whole run.
const LIMIT: Duration = Duration::from_secs(300);
/// Calls that are there to be found. Some of them are ended by what is found.
const CALLS: usize = 8;

/// A port below the relay's range that was free a moment ago.
fn free_port() -> u16 {
    let start = 12_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let is_free = |port: &u16| {
        UdpSocket::bind(("127.0.0.1", *port)).is_ok() && TcpListener::bind(("127.0.0.1", *port)).is_ok()
    };
    (start..).find(is_free).unwrap()
}

#[test]
fn schemathesis_finds_no_request_that_breaks_the_api() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/.venv/bin/schemathesis");
    let found = if program.is_file() {
        Ok(())
    } else {
        Err(Missing(format!("schemathesis in {}", program.display())))
    };
    need!(found);
    let folder = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port() + 100);
    write_secret(&folder.path().join("rest.secret"), "0123456789abcdef0123456789abcdef");
    write_secret(&folder.path().join("token"), TOKEN);
    let file = folder.path().join("tern.toml");
    let text = format!(
        "[server]\nworkers = 1\n[[listener]]\naddress = \"127.0.0.1:{port}\"\n[auth]\n[[auth.shared_secret]]\nid = \"a\"\n\
         secret_file = \"rest.secret\"\n[admin]\nsocket = \"off\"\nlisten = [\"127.0.0.1:{admin}\"]\n[[admin.token]]\n\
         id = \"test\"\nrole = \"operator\"\ntoken_file = \"token\"\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = crate::process::leashed(env!("CARGO_BIN_EXE_tern"));
    command.args(["run", "--config"]).arg(&file).env_remove("CREDENTIALS_DIRECTORY");
    let mut relay = Running::start(command, folder.path());
    let up = wait_for(Duration::from_secs(60), || TcpStream::connect(("127.0.0.1", admin)).ok());
    assert!(up.is_some(), "the relay does not listen:\n{}", relay.output());

    let callers: Vec<_> = (0..CALLS).map(|_| call(admin, port)).collect();
    let (config, report) = (folder.path().join("schemathesis.toml"), folder.path().join("report.har"));
    let names = sessions(admin);
    // Exactly one of two parameters is beyond what it generates.
    ask(admin, &format!("GET /v1/explain?session={}", names[0]), "");
    assert_eq!(ask(admin, "GET /v1/explain?user=alice", "")["sessions"].as_array().unwrap().len(), CALLS);
    fs::write(&config, configuration(&names)).unwrap();
    let mut command = Command::new("timeout");
    // It leaves what it remembers where it runs.
    command.current_dir(folder.path());
    command.args(["280"]).arg(&program).arg("--config-file").arg(&config).arg("run");
    command.arg("--report-har-path").arg(&report).arg(format!("http://127.0.0.1:{admin}/openapi.json"));
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}"), "--checks"]);
    // It may not read streams that have no end, and wrong logins would shut it out.
    command.args([
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    command.args(["--exclude-path", "/v1/stream", "--exclude-path", "/login", "--exclude-path", "/logout"]);
    command.args(["--max-examples", "40", "--seed", "7", "--no-color", "--generation-database", "none"]);
    let (status, output) = run(command, folder.path(), LIMIT);
    println!("{output}");
    assert!(status.success(), "schemathesis: {status}");
    assert!(relay.status().is_none(), "the relay has ended:\n{}", relay.output());
    assert!(!relay.output().contains("a defect in the relay"), "{}", relay.output());
    let found = answered(&report);
    assert!(found.iter().any(|asked| asked.starts_with("/v1/sessions/")), "no call was shown: {found:?}");
    drop(callers);
}

/// What was asked of the relay by an operator, and how it answered.
fn ask(admin: u16, line: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).unwrap();
    write!(
        stream,
        "{line} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.split(' ').nth(1), Some("200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

/// A call of Alice's.
fn call(admin: u16, port: u16) -> Caller {
    let made = ask(admin, "POST /v1/credentials", r#"{"user": "alice"}"#);
    Caller::allocate(port, made["username"].as_str().unwrap(), made["password"].as_str().unwrap())
}

/// The names of all calls, when they are there.
fn sessions(admin: u16) -> Vec<String> {
    let all = wait_for(Duration::from_secs(60), || {
        let page = ask(admin, "GET /v1/sessions", "");
        let rows = page["sessions"].as_array()?;
        let names: Vec<_> = rows.iter().filter_map(|row| Some(row["id"].as_str()?.to_owned())).collect();
        (names.len() == CALLS).then_some(names)
    });
    all.expect("the calls are listed")
}

/// Half of what reads one call names one that is there. What ends one does not know their names.
fn configuration(names: &[String]) -> String {
    format!(
        "[dictionaries.session]\nvalues = {names:?}\n\
         [[operations]]\ninclude-path = \"/v1/sessions/{{id}}\"\ninclude-method = \"GET\"\n\
         parameters = {{ \"path.id\" = {{ dictionary = \"session\", probability = 0.5 }} }}\n"
    )
}

/// The paths of everything that was answered with 200.
fn answered(report: &Path) -> Vec<String> {
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let entries = report["log"]["entries"].as_array().unwrap().iter();
    let good = entries.filter(|entry| entry["response"]["status"] == 200);
    let urls = good.filter_map(|entry| entry["request"]["url"].as_str());
    urls.filter_map(|url| Some(format!("/v1/{}", url.split_once("/v1/")?.1))).collect()
}
