//! What becomes of a relay whose workers die.

use super::*;
use crate::config::{self, Process, Sources};
use crate::engine::auth::FleetKey;
use crate::engine::{Event, OwnerId};
use crate::route::{Endpoint, FiveTuple, RelayId};
use crate::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5};

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
    let process = Process {
        nonce_key: key,
        seed: 1,
        addresses: Vec::new(),
        protected: Vec::new(),
        probe: config::Probe::default(),
    };
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

#[test]
fn a_worker_that_hangs_does_not_answer_until_it_goes_on_and_the_others_do() {
    let server = Server::start(settings(2)).unwrap();
    let hearts = server.hearts();
    let wait_for = |heart: &Heart, question| {
        while !heart.answered(question) {
            thread::sleep(Duration::from_millis(1));
        }
    };
    for heart in &hearts {
        wait_for(heart, heart.ask());
    }
    let (hang, long) = (server.hang(), Duration::from_millis(300));
    let start = Clock::new().now().time;
    assert!(hang(1, long) && !hang(2, Duration::ZERO));
    let question = hearts[1].ask();
    wait_for(&hearts[0], hearts[0].ask());
    wait_for(&hearts[1], question);
    assert!(Clock::new().now().time.since(start) >= long);
    server.kill(1);
    let question = hearts[1].ask();
    wait_for(&hearts[0], hearts[0].ask());
    assert!(!hearts[1].answered(question), "it is dead");
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
fn calls_of_a_dead_worker_are_not_counted_as_going_on() {
    let server = Server::start(settings(2)).unwrap();
    let end: Endpoint = SocketAddr::from(([192, 0, 2, 1], 9)).into();
    let tuple = FiveTuple { client: end, server: end, transport: Transport::Udp };
    for worker in &server.workers {
        let (relay, owner) = (RelayId(1), OwnerId(2));
        worker.counters.event(&Event::Allocated { relay, tuple, owner, is_probe: false });
        worker.counters.quality.open();
    }
    server.kill(1);
    let totals = server.counters();
    assert_eq!((totals.value("allocations", ""), totals.value("allocated", "")), (1, 2));
    assert!(server.calls().rows().is_complete, "what is lost is not missing");
    let media: u64 = server.metrics().iter().map(|worker| worker.counters.quality.sessions()).sum();
    assert_eq!(media, 1);
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

/// A client as small as can be, over UDP.
struct Caller {
    socket: std::net::UdpSocket,
    nonce: Vec<u8>,
    requests: u8,
}

impl Caller {
    fn new(server: &Server) -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.addresses()[0].address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut caller = Self { socket, nonce: Vec::new(), requests: 0 };
        let challenge = caller.request(Method::ALLOCATE, |_| {});
        caller.nonce = Message::parse(&challenge).unwrap().nonce().unwrap().to_vec();
        caller
    }

    fn request(&mut self, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.requests += 1;
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, method, TransactionId([self.requests; 12]));
        fill(&mut writer);
        if !self.nonce.is_empty() {
            writer.attribute(AttributeType::USERNAME, b"ann");
            writer.attribute(AttributeType::REALM, b"tern");
            writer.attribute(AttributeType::NONCE, &self.nonce);
            writer.integrity(&long_term_key_md5(b"ann", b"tern", b"opensesame"));
        }
        writer.finish().unwrap();
        self.socket.send(&bytes).unwrap();
        self.receive().unwrap()
    }

    fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1500];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// A client of that worker, and its relayed address.
    fn of(server: &Server, worker: u8) -> (Self, SocketAddr) {
        loop {
            let mut caller = Self::new(server);
            let answer = caller.request(Method::ALLOCATE, |writer| {
                writer.requested_transport(17);
                writer.even_port(true);
            });
            let answer = Message::parse(&answer).unwrap();
            if answer.reservation_token().unwrap().unwrap()[0] == worker {
                return (caller, answer.xor_address(AttributeType::XOR_RELAYED_ADDRESS).unwrap().unwrap());
            }
        }
    }

    fn bind(&mut self, peer: SocketAddr) {
        let answer = self.request(Method::CHANNEL_BIND, |writer| {
            writer.channel_number(0x4000);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
    }
}

const PACKET: [u8; 5] = [0x40, 0, 0, 1, 7];

fn counted(server: &Server, family: &str, label: &str) -> u64 {
    server.counters().value(family, label)
}

/// Two clients of two workers, of whom the first sends by a lease.
fn leased(server: &Server) -> (Caller, Caller) {
    let ((mut one, at_one), (mut two, at_two)) = (Caller::of(server, 0), Caller::of(server, 1));
    one.bind(at_two);
    two.bind(at_one);
    for _ in 0..1000 {
        one.socket.send(&PACKET).unwrap();
        assert_eq!(two.receive().unwrap(), PACKET);
        if counted(server, "shortcuts", "") > 0 {
            return (one, two);
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no lease");
}

#[test]
fn nothing_goes_by_what_a_dead_worker_has_granted() {
    let server = Server::start(settings(2)).unwrap();
    let (one, two) = leased(&server);
    let before = counted(&server, "shortcuts", "");
    server.kill(1);
    one.socket.send(&PACKET).unwrap();
    // The dead worker's socket is closed, and the system says so.
    let told = one.receive().unwrap();
    assert!(Message::parse(&told).unwrap().icmp().unwrap().is_some());
    assert_eq!((two.receive(), counted(&server, "shortcuts", "")), (None, before));
}

#[test]
fn nothing_goes_by_a_permission_that_has_ended() {
    let server = Server::start(settings(2)).unwrap();
    let (one, two) = leased(&server);
    assert!(server.workers[1].mailbox.command(Command::Expire(std::net::Ipv4Addr::LOCALHOST.into())));
    let lost = || counted(&server, "lost", "peer_not_permitted");
    let settled = || lost() + counted(&server, "packets", "to_client");
    let send = || {
        let before = settled();
        one.socket.send(&PACKET).unwrap();
        while settled() == before {
            thread::sleep(Duration::from_millis(1));
        }
    };
    while lost() == 0 {
        send();
    }
    let (before, passed) = (counted(&server, "shortcuts", ""), counted(&server, "packets", "to_client"));
    (0..20).for_each(|_| send());
    assert_eq!(lost(), 21);
    assert_eq!(
        (counted(&server, "shortcuts", ""), counted(&server, "packets", "to_client")),
        (before, passed)
    );
    drop(two);
}
