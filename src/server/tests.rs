//! What becomes of a relay whose workers die.

use super::*;
use crate::config::{self, Process, Sources};
use crate::engine::auth::FleetKey;

/// So many that every worker gets some.
const CLIENTS: usize = 32;

/// What a configuration with one UDP listener on loopback says.
pub(crate) fn settings(workers: u8) -> ServerSettings {
    let folder = tempfile::tempdir().unwrap();
    let (file, users) = (folder.path().join("tern.toml"), folder.path().join("users"));
    std::fs::write(&users, crate::engine::auth::user_line("ann", "tern", "opensesame").unwrap()).unwrap();
    let text = format!(
        "[server]\nworkers = {workers}\n[auth]\nusers_file = \"users\"\n[relay]\nports = \"20000-30000\"\n\
         [[listener]]\naddress = \"127.0.0.1:3478\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let loaded = config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    let key = FleetKey::derive(b"of a test");
    let process = Process { nonce_key: key, seed: 1, addresses: Vec::new(), protected: Vec::new() };
    let mut settings = loaded.config.settings(loaded.secrets, &process).unwrap();
    settings.worker.listeners[0].address.set_port(0);
    settings
}

impl Server {
    /// Has a worker die of a panic, and waits for it.
    pub(crate) fn kill(&self, worker: usize) {
        let dead = self.dead_workers().len();
        assert!(self.workers[worker].mailbox.command(Command::Panic));
        while self.dead_workers().len() == dead {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How many clients' Bindings are answered.
fn answered(server: &Server) -> usize {
    let at = server.addresses()[0].address;
    let clients: Vec<_> = (0..CLIENTS).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let request = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    for client in &clients {
        client.send_to(&request, at).unwrap();
    }
    let patience = Some(Duration::from_millis(300));
    let is_answered = |client: &&std::net::UdpSocket| {
        client.set_read_timeout(patience).unwrap();
        client.recv(&mut [0; 128]).is_ok()
    };
    // The first may take long on a busy machine; what has not come by then never will.
    clients.iter().filter(is_answered).count()
}

#[test]
fn a_dead_worker_is_told_with_its_reason_and_the_others_go_on() {
    let mut server = Server::start(settings(3)).unwrap();
    assert!(server.is_healthy() && server.dead_workers().is_empty());
    server.kill(1);
    assert!(!server.is_healthy() && server.is_serving());
    let told = server.dead_workers();
    assert_eq!(told[0].to_string(), "worker 1 has died: it panicked: on purpose");
    // The survivors keep their clients, and share those that the kernel still gives to the dead one.
    assert_eq!(answered(&server), CLIENTS, "two survivors");
    server.kill(0);
    assert_eq!(answered(&server), CLIENTS, "the last one gets all");
    assert!(server.is_serving());
    server.kill(2);
    assert!(!server.is_serving());
    assert_eq!(server.dead_workers().iter().map(|dead| dead.worker).collect::<Vec<_>>(), [1, 0, 2]);
    server.stop();
}

#[test]
fn each_death_rings_the_bell() {
    let server = Server::start(settings(2)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for worker in 0..2 {
            server.kill(worker);
            server.worker_died().await;
        }
    });
}

#[test]
fn a_worker_that_was_told_to_stop_has_not_died() {
    let mut server = Server::start(settings(2)).unwrap();
    server.stop();
    assert!(!server.is_healthy() && server.dead_workers().is_empty());
}
