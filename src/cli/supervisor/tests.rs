//! What the manager hears, and when.

use std::os::unix::net::UnixDatagram;

use super::*;
use crate::announce::health::CheckSettings;
use crate::config::{self, Probe, Process, Sources};
use crate::engine::auth::FleetKey;
use crate::speaker::checks::CheckKind;

const RELAY: &str = "[server]\nworkers = 2\n[auth]\nusers_file = \"users\"\n[relay]\naddresses = [\"127.0.0.1\"]\n\
                     [[listener]]\naddress = \"127.0.0.1:3478\"\n";

#[test]
fn only_the_process_that_is_watched_gives_signs_of_life() {
    let of = |micros: Option<&str>, pid: Option<&str>| {
        let (micros, pid) = (micros.map(str::to_owned), pid.map(str::to_owned));
        watchdog(|name| if name == "WATCHDOG_PID" { pid.clone() } else { micros.clone() }, 7)
    };
    assert_eq!(of(Some("3000000"), None), Some(Duration::from_secs(3)));
    assert_eq!(of(Some("3000000"), Some("7")), Some(Duration::from_secs(3)));
    assert_eq!(of(Some("3000000"), Some("8")), None);
    assert_eq!(of(None, Some("7")), None);
    assert_eq!(of(Some("0"), None), None);
}

#[test]
fn calls_are_tried_only_where_no_check_makes_them() {
    let tests = |text: &str| load(&format!("{RELAY}{text}")).0.start_tests().len();
    // UDP and TCP, and two workers.
    assert_eq!(tests(""), 4);
    assert_eq!(tests("alternate_servers = [\"127.0.0.1:3479\"]\nredirect = \"always\"\n"), 0);
    assert_eq!(tests("[health]\nenabled = \"on\"\n"), 0);
    assert_eq!(tests("[health]\nenabled = \"off\"\n"), 0);
    assert_eq!(tests("[health.self_test]\nenabled = false\n"), 0);
}

/// A running relay, the manager's socket, and the calls that are to be made.
fn relay() -> (Server, Vec<(CheckSettings, CheckKind)>, Arc<EchoPeers>) {
    let (config, secrets) = load(RELAY);
    let peers = Arc::new(EchoPeers::open(&config.relay_addresses()).unwrap());
    let probe = Probe { secret: Some(peers.secret()), peers: peers.addresses() };
    let process = Process {
        nonce_key: FleetKey::derive(b"of a test"),
        seed: 1,
        addresses: Vec::new(),
        protected: Vec::new(),
        probe,
    };
    let mut settings = config.settings(secrets, &process).unwrap();
    settings.worker.listeners[0].address.set_port(0);
    let server = Server::start(settings).unwrap();
    (server, config.start_tests(), peers)
}

fn load(text: &str) -> (Config, config::Secrets) {
    let folder = tempfile::tempdir().unwrap();
    let (file, users) = (folder.path().join("tern.toml"), folder.path().join("users"));
    std::fs::write(&users, crate::engine::auth::user_line("ann", "tern", "opensesame").unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    let loaded = config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    (loaded.config, loaded.secrets)
}

#[tokio::test]
async fn a_trial_passes_when_calls_come_through_every_worker_and_not_before() {
    let (server, tests, peers) = relay();
    assert!(server.hang()(1, Duration::from_secs(2)));
    let troubles = std::sync::Mutex::new(Vec::new());
    let trial = Trial::prepare(tests, &server, peers).unwrap();
    let told = |trouble: &str| troubles.lock().unwrap().push(trouble.to_owned());
    tokio::time::timeout(Duration::from_secs(60), trial.pass(told)).await.unwrap();
    let troubles = troubles.into_inner().unwrap();
    assert!(troubles.iter().any(|trouble| trouble.contains("worker 1")), "{troubles:?}");
}

#[tokio::test]
async fn a_relay_whose_workers_all_hang_gives_no_sign_of_life() {
    let (server, ..) = relay();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let notices = Arc::new(Notices::open(path.as_os_str()).unwrap());
    let watched = tokio::spawn(keep_alive(notices, server.hearts(), Duration::from_millis(30)));
    let mut text = [0; 64];
    let mut beats = 0;
    while beats < 3 {
        match manager.recv(&mut text) {
            Ok(length) => beats += u32::from(&text[..length] == b"WATCHDOG=1"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    for worker in 0..2 {
        assert!(server.hang()(worker, Duration::from_secs(600)));
    }
    // Those that were under way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    while manager.recv(&mut text).is_ok() {}
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(manager.recv(&mut text).is_err(), "a sign of life of a relay that hangs");
    watched.abort();
    // Its workers are left to the end of the process.
    std::mem::forget(server);
}
