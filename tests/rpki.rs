//! The RPKI client against a cache that we did not write: StayRTR, with records from a file of the test's.
//!
//! Records are read again every second there, and changes are notified. The client gets a real connection and the real time;
//! nothing is judged by when something happens, only by whether it does.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed assertion is what this file is for")]

#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use skip::{Missing, need};
use tern::announce::rpki::{Client, Input, Validity};
use tern::announce::{Action, ConnectionId};
use tern::clock::Clock;
use tern::wire::bgp::{Asn, Prefix};
use tern::wire::rtr::Version;

const ORIGIN: Asn = Asn(64500);
/// Never waited for to its end where things work.
const LIMIT: Duration = Duration::from_secs(60);

/// A cache of its own for each test.
struct StayRtr {
    child: Option<Child>,
    folder: tempfile::TempDir,
    address: SocketAddr,
    version: u8,
}

impl StayRtr {
    fn start(version: u8, records: &[(&str, u8, u32)]) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Self { child: None, folder, address: free_port(), version };
        cache.write(records);
        cache.run()?;
        Ok(cache)
    }

    fn run(&mut self) -> Result<(), Missing> {
        let child = Command::new("stayrtr")
            .args(["-checktime=false", "-slurm.refresh=false", "-refresh=1", "-rtr.refresh=1"])
            .arg(format!("-protocol={}", self.version))
            .arg(format!("-bind={}", self.address))
            .arg(format!("-metrics.addr={}", free_port()))
            .arg(format!("-cache={}", self.file().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.map_err(|error| Missing(format!("stayrtr: {error}")))?);
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("records.json")
    }

    fn write(&self, records: &[(&str, u8, u32)]) {
        let record = |(prefix, longest, origin): &(&str, u8, u32)| {
            format!(r#"{{"prefix":"{prefix}","maxLength":{longest},"asn":"AS{origin}","ta":"test"}}"#)
        };
        let records: Vec<String> = records.iter().map(record).collect();
        let text = format!(r#"{{"metadata":{{}},"roas":[{}]}}"#, records.join(","));
        // In one step: it may be read at any moment.
        let fresh = self.folder.path().join("fresh.json");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, self.file()).unwrap();
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for StayRtr {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The client with a socket.
struct Router {
    client: Client,
    cache: SocketAddr,
    clock: Clock,
    open: Option<(ConnectionId, TcpStream)>,
}

impl Router {
    fn new(cache: SocketAddr, prefixes: &[&str]) -> Self {
        let prefixes: Vec<Prefix> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
        let client = Client::new(&[cache.to_string()], &prefixes, 1);
        Self { client, cache, clock: Clock::new(), open: None }
    }

    fn wait_for(&mut self, what: &str, holds: impl Fn(&Client) -> bool) {
        let end = self.clock.now().time + LIMIT;
        while !holds(&self.client) {
            let view = self.client.view(self.clock.now());
            assert!(self.clock.now().time < end, "never: {what}; {view:?}");
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.tell(Input::Tick);
        let Some((connection, stream)) = &mut self.open else {
            std::thread::sleep(Duration::from_millis(10));
            return;
        };
        let connection = *connection;
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes) {
            Ok(0) => self.lose(connection, "closed"),
            Ok(length) => {
                let bytes = bytes.get(..length).unwrap_or_default();
                self.tell(Input::Received { connection, bytes });
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.lose(connection, "reset"),
        }
    }

    fn lose(&mut self, connection: ConnectionId, reason: &str) {
        self.open = None;
        self.tell(Input::Closed { connection, reason });
    }

    fn tell(&mut self, input: Input<'_>) {
        self.client.handle(self.clock.now(), input);
        while let Some(action) = self.client.poll() {
            match action {
                Action::Connect { connection, .. } => self.connect(connection),
                Action::Send { bytes, .. } => {
                    let (_, stream) = self.open.as_mut().unwrap();
                    // What cannot be written will be noticed by the next read.
                    drop(stream.write_all(&bytes));
                }
                Action::Close { .. } | Action::Abort { .. } => self.open = None,
                Action::Event(_) => {}
                Action::Run { .. } | Action::Hook(_) | Action::Stopped => {
                    unreachable!("not a client's to ask for")
                }
            }
        }
    }

    fn connect(&mut self, connection: ConnectionId) {
        match TcpStream::connect(self.cache) {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
                self.open = Some((connection, stream));
                self.tell(Input::Connected { connection });
            }
            Err(_) => self.tell(Input::Failed { connection, reason: "refused" }),
        }
    }
}

fn validity(client: &Client, prefix: &str) -> Validity {
    client.validity(&prefix.parse().unwrap(), ORIGIN)
}

fn is_unknown(client: &Client, prefix: &str) -> bool {
    matches!(validity(client, prefix), Validity::Unknown(_))
}

fn is_invalid(client: &Client, prefix: &str) -> bool {
    matches!(validity(client, prefix), Validity::Invalid(_))
}

const RECORDS: &[(&str, u8, u32)] = &[
    ("192.0.2.0/24", 24, 64500),
    ("198.51.100.0/24", 24, 64501),
    ("2001:db8::/32", 48, 64500),
    ("10.0.0.0/8", 8, 64999),
];

#[test]
fn prefixes_are_valid_invalid_or_not_found_and_follow_the_cache() {
    let cache = need!(StayRtr::start(1, RECORDS));
    let ours = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48", "2001:db8:1::/64"];
    let mut router = Router::new(cache.address, &ours);
    assert!(is_unknown(&router.client, ours[0]));
    router.wait_for("an answer", |client| !is_unknown(client, ours[0]));
    let said = ours.map(|prefix| validity(&router.client, prefix));
    let reason = "AS64500 may not originate 198.51.100.0/24; what may be: 198.51.100.0/24 AS64501";
    assert_eq!(said[0], Validity::Valid);
    assert_eq!(said[1], Validity::Invalid(reason.to_owned()));
    assert_eq!(said[2], Validity::NotFound);
    assert_eq!(said[3], Validity::Valid);
    assert!(is_invalid(&router.client, ours[4]), "longer than the record allows");
    assert_eq!(router.client.view(router.clock.now())[0].records, 3);

    cache.write(&[("192.0.2.0/24", 24, 64501), ("203.0.113.0/24", 24, 64500)]);
    router.wait_for("the change", |client| {
        is_invalid(client, ours[0]) && validity(client, ours[2]) == Validity::Valid
    });
    assert_eq!(validity(&router.client, ours[1]), Validity::NotFound);
    assert_eq!(validity(&router.client, ours[3]), Validity::NotFound);
    assert_eq!(router.client.view(router.clock.now())[0].version, Version::V1);
}

#[test]
fn a_cache_that_goes_is_remembered_and_found_again() {
    let mut cache = need!(StayRtr::start(1, RECORDS));
    let mut router = Router::new(cache.address, &["192.0.2.0/24"]);
    router.wait_for("an answer", |client| validity(client, "192.0.2.0/24") == Validity::Valid);
    cache.stop();
    let clock = router.clock;
    router.wait_for("it is missed", |client| client.view(clock.now())[0].failure.is_some());
    assert_eq!(validity(&router.client, "192.0.2.0/24"), Validity::Valid);
    // It starts with another session, and with other records. Within one second it would take the same session again, and
    // have nothing new to say.
    std::thread::sleep(Duration::from_millis(1100));
    cache.write(&[("192.0.2.0/24", 24, 64501)]);
    need!(cache.run());
    router.wait_for("its new answer", |client| is_invalid(client, "192.0.2.0/24"));
}

#[test]
fn a_cache_that_comes_later_is_found() {
    let mut cache = need!(StayRtr::start(1, RECORDS));
    cache.stop();
    let mut router = Router::new(cache.address, &["192.0.2.0/24"]);
    let clock = router.clock;
    router.wait_for("a failure", |client| client.view(clock.now())[0].failure.is_some());
    assert!(is_unknown(&router.client, "192.0.2.0/24"));
    need!(cache.run());
    router.wait_for("an answer", |client| validity(client, "192.0.2.0/24") == Validity::Valid);
}

#[test]
fn caches_of_older_and_newer_versions_are_understood() {
    for (version, spoken) in [(0, Version::V0), (2, Version::V1)] {
        let cache = need!(StayRtr::start(version, RECORDS));
        let mut router = Router::new(cache.address, &["192.0.2.0/24", "203.0.113.0/24"]);
        router.wait_for("an answer", |client| validity(client, "192.0.2.0/24") == Validity::Valid);
        assert_eq!(router.client.view(router.clock.now())[0].version, spoken, "a cache of version {version}");
        cache.write(&[("203.0.113.0/24", 24, 64500)]);
        router.wait_for("the change", |client| validity(client, "203.0.113.0/24") == Validity::Valid);
        assert_eq!(validity(&router.client, "192.0.2.0/24"), Validity::NotFound);
    }
}
