//! The real binary under a service manager, which here is a socket that reads what it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so where it stands"
)]

#[path = "support/process.rs"]
#[allow(dead_code, reason = "made for other tests as well")]
mod process;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use process::{Running, leashed};
use tempfile::TempDir;

/// For anything, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// A manager that waits for less than a relay takes to be ready has not waited.
const A_WHILE: Duration = Duration::from_secs(3);

/// A manager and the folder of the relay that it starts.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
    /// Where the relay listens.
    port: u16,
}

impl Manager {
    /// For a relay on loopback, with further lines of configuration.
    fn new(further: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        fs::create_dir(folder.path().join("credentials")).unwrap();
        let secret = folder.path().join("credentials/rest.secret");
        fs::write(&secret, "a-secret-of-the-service-manager").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
        let manager = Self { folder, socket, port: free_port() };
        manager.write(further);
        manager
    }

    fn write(&self, further: &str) {
        let (folder, port) = (self.folder.path().display(), self.port);
        let text = format!(
            "[server]\nworkers = 2\n[[listener]]\naddress = \"127.0.0.1:{port}\"\n[peers]\nallow = [\"127.0.0.0/8\"]\n\
             [[auth.shared_secret]]\nid = \"one\"\nsecret_file = \"rest.secret\"\n\
             [admin]\nsocket = \"{folder}/tern.sock\"\n{further}\n"
        );
        fs::write(self.folder.path().join("tern.toml"), text).unwrap();
    }

    fn start(&self, watchdog: &str) -> Running {
        let mut command = leashed(env!("CARGO_BIN_EXE_tern"));
        command.args(["run", "--config"]).arg(self.folder.path().join("tern.toml"));
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command.env("CREDENTIALS_DIRECTORY", self.folder.path().join("credentials"));
        command.env("WATCHDOG_USEC", watchdog);
        Running::start(command, self.folder.path())
    }

    /// What it is told until something begins like this, which is the last of it.
    fn hear_until(&self, wanted: &str, limit: Duration) -> Result<Vec<String>, Vec<String>> {
        let mut heard: Vec<String> = Vec::new();
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let found = process::wait_for(limit, || {
            let mut text = [0; 4096];
            let length = self.socket.recv(&mut text).ok()?;
            heard.push(String::from_utf8(text[..length].to_vec()).unwrap());
            heard.last()?.starts_with(wanted).then_some(())
        });
        if found.is_some() { Ok(heard) } else { Err(heard) }
    }

    fn hear(&self, wanted: &str, relay: &Running) -> Vec<String> {
        self.hear_until(wanted, LIMIT)
            .unwrap_or_else(|heard| panic!("no {wanted}: {heard:#?}\n{}", relay.output()))
    }
}

/// Free for UDP and TCP, until somebody else takes it.
fn free_port() -> u16 {
    let found = process::wait_for(LIMIT, || {
        let tcp = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?;
        UdpSocket::bind(tcp).ok().map(|_| tcp.port())
    });
    found.expect("a free port")
}

#[test]
fn the_manager_hears_of_a_relays_whole_life() {
    let manager = Manager::new("[relay]\naddresses = [\"127.0.0.1\"]");
    let relay = manager.start("300000");
    let before = manager.hear("READY=1", &relay);
    assert!(before.iter().any(|notice| notice == "STATUS=the self-test runs"), "{before:#?}");
    manager.hear("STATUS=healthy, takes calls", &relay);
    for _ in 0..3 {
        manager.hear("WATCHDOG=1", &relay);
    }
    relay.signal("HUP");
    manager.hear("RELOADING=1\nMONOTONIC_USEC=", &relay);
    manager.hear("READY=1", &relay);
    // A configuration that is wrong is read, and changes nothing.
    manager.write("nonsense");
    relay.signal("HUP");
    manager.hear("RELOADING=1", &relay);
    manager.hear("READY=1", &relay);
    relay.signal("TERM");
    manager.hear("STOPPING=1", &relay);
    assert!(relay.finish(LIMIT).0.success());
}

#[test]
fn a_relay_whose_checks_fail_does_not_say_that_it_serves_until_they_pass() {
    let manager = Manager::new("");
    let sign = manager.folder.path().join("go");
    manager.write(&format!(
        "[relay]\naddresses = [\"127.0.0.1\"]\n[health]\nenabled = \"on\"\nhold_down = \"0s\"\n\
         [[health.check]]\nname = \"go\"\nfile = {sign:?}\n"
    ));
    let relay = manager.start("");
    let heard = manager.hear("STATUS=not ready", &relay);
    assert!(!heard.iter().any(|notice| notice == "READY=1"), "{heard:#?}");
    let heard = manager.hear_until("READY=1", A_WHILE);
    assert!(heard.is_err(), "{heard:#?}");
    fs::write(&sign, "").unwrap();
    manager.hear("READY=1", &relay);
    // Nobody has asked for signs of life.
    relay.signal("TERM");
    let heard = manager.hear("STOPPING=1", &relay);
    assert!(!heard.iter().any(|notice| notice.starts_with("WATCHDOG")), "{heard:#?}");
    assert!(relay.finish(LIMIT).0.success());
}

#[test]
fn a_relay_that_cannot_relay_from_its_address_does_not_say_that_it_serves() {
    let manager = Manager::new("[relay]\naddresses = [\"192.0.2.77\"]");
    let relay = manager.start("");
    let mut heard = manager.hear("STATUS=not ready: self-test", &relay);
    heard.extend(manager.hear_until("READY=1", A_WHILE).expect_err("it says that it serves"));
    assert!(!heard.iter().any(|notice| notice == "READY=1"), "{heard:#?}");
}

#[test]
fn without_a_wish_for_health_a_relay_says_so_as_soon_as_it_serves() {
    let manager = Manager::new("[relay]\naddresses = [\"192.0.2.77\"]\n[health]\nenabled = \"off\"");
    let relay = manager.start("");
    manager.hear("READY=1", &relay);
}
