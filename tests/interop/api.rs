//! The admin API as schemathesis finds it: requests made from the OpenAPI document, good ones and bad ones, none of which
//! may break anything.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::{Running, run, wait_for};
use crate::relay::write_secret;
use crate::skip::{Missing, need};

const TOKEN: &str = "the-operators-token-of-this-test-alone";
/// Of the whole run.
const LIMIT: Duration = Duration::from_secs(300);

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

    let mut command = Command::new("timeout");
    command.args(["280"]).arg(&program).arg("run").arg(format!("http://127.0.0.1:{admin}/openapi.json"));
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
}
