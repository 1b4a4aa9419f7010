//! The sessions of a full relay, looked at for long: neither the page nor the relay grows, and the document holds no more rows
//! than are in sight.
//!
//! `TERN_PAGE_SESSIONS` and `TERN_PAGE_SECONDS` say how many and for how long: 10000 and 600 for what the page is made for.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread::scope;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tern::client::{Ask, Exchange, Login, Reply};
use tern::clock::Clock;
use tern::engine::auth::{Credential, SharedSecret, issue};
use tern::time::UnixTime;

use super::{ADMIN_PORT, browse, browser, is_clean, loadtest, wait_until_up};
use crate::host::Host;
use crate::process::Running;
use crate::relay::{SECRET, write_secret};
use crate::skip::{Missing, need};

const TOKEN: &str = "the-operators-token-of-this-test-alone";
/// Users, each with addresses of its own.
const USERS: u64 = 4;
/// Calls with media among them.
const CALLS: u64 = 40;

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
         [limits]\nallocation_rate = 0\nanswer_rate = 0\nmax_allocations_per_user = 0\ndefault_lifetime = \"1h\"\noverload_busy = 0\n\
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

/// Calls of one more user, with media.
fn calls(host: &Host, folder: &Path) -> Result<Running, Missing> {
    let mut command = host.direct_command(&loadtest()?);
    command.args(["steady", "--server", "127.0.0.1:3478", "--secret", SECRET, "--user", "caller"]);
    command.args(["--sessions", &CALLS.to_string(), "--duration", "2h", "--no-ceiling", "-q"]);
    Ok(Running::start(command, folder))
}

/// Allocations of one user that nobody refreshes: they stand for an hour, and cost nothing but what is looked at here. Each
/// has an address and port of its own; its socket is closed once it stands.
fn allocate(user: u64, count: u64) {
    let expiry = UnixTime(Clock::new().now().unix.0 + 86_400);
    let secret = SharedSecret::new("one", SECRET.as_bytes()).unwrap();
    let Credential { username, password } = issue(&secret, &format!("agent{user}"), expiry);
    let login = Login { username, password };
    for number in 0..count {
        let source =
            Ipv4Addr::new(127, 1, u8::try_from(user).unwrap(), u8::try_from(1 + number % 8).unwrap());
        let socket = UdpSocket::bind((source, u16::try_from(20_000 + number).unwrap())).unwrap();
        socket.connect("127.0.0.1:3478").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let transaction = [u8::try_from(user).unwrap(), 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0];
        let mut exchange = Exchange::new(login.clone(), None, transaction);
        exchange.ask(Ask::Allocate(None));
        let is_open = (0..60).any(|_| {
            socket.send(exchange.waiting()).unwrap();
            let mut buffer = [0; 2_048];
            let Ok(length) = socket.recv(&mut buffer) else { return false };
            match exchange.receive(&buffer[..length]) {
                Reply::Success(_) => true,
                Reply::Again | Reply::Other => false,
                no @ (Reply::Refused(_) | Reply::Broken(_)) => panic!("allocation {number}: {no:?}"),
            }
        });
        assert!(is_open, "no answer to allocation {number}");
    }
}

#[test]
fn a_page_of_all_sessions_does_not_grow_and_neither_does_the_relay() {
    let chromium = need!(browser());
    let host = need!(Host::start());
    let folder = TempDir::new().unwrap();
    let (sessions, seconds) = (number("TERN_PAGE_SESSIONS", 2_000), number("TERN_PAGE_SECONDS", 20));
    let relay = relay(&host, folder.path());
    let calls = need!(calls(&host, folder.path()));
    host.within(|| {
        scope(|scope| {
            for user in 1..=USERS {
                scope.spawn(move || allocate(user, sessions / USERS));
            }
        });
    });
    let task = json!({
        "chromium": chromium, "url": format!("http://127.0.0.1:{ADMIN_PORT}"), "token": TOKEN, "relay": relay.id(),
        "sessions": sessions / USERS * USERS, "calls": CALLS, "users": USERS, "seconds": seconds,
    });
    let limit = Duration::from_secs(420 + seconds * 2);
    let report = std::panic::catch_unwind(|| {
        browse(host.direct_command("node"), "soak_page.mjs", task, folder.path(), limit)
    });
    let report =
        report.unwrap_or_else(|_| panic!("the relay:\n{}\ncalls:\n{}", relay.output(), calls.output()));
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
        // The script remembers six pages of a hundred rows.
        assert!(report["last"][page]["nodes"].as_u64() < Some(40_000), "{report}");
        grown(&[page, "listeners"], 1.5, 20.0);
    }
    // Three copies of all rows may exist at a time: the last, the one that is made, the one that is written.
    grown(&["rss"], 1.1, 8e6 + 3.0 * 1e3 * report["sessions"].as_f64().unwrap());
}
