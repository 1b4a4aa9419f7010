//! What the load test gives back: every allocation that it has made, or may have made, when a run ends early. A canned
//! server answers late, refuses, or loses what it is sent, in an order that it decides by what has come and never by time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so where it stands"
)]

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser;
use tern::wire::stun::{AttributeType, Class, Message, Method, Writer, long_term_key_md5};
use tern_loadtest::cli::Cli;
use tern_loadtest::failure::Failure;
use tern_loadtest::modes;
use tern_loadtest::outcome::Outcome;
use tern_loadtest::plan::Plan;
use tern_loadtest::progress::Progress;

const REALM: &str = "example.org";
const USER: &str = "ann";
const PASSWORD: &str = "opensesame";

/// How the server behaves.
#[derive(Clone, Default)]
struct Manners {
    /// Requests for a peer are refused, once so many allocations have been made.
    refuse_from: usize,
    /// All answers to Allocate but the first are kept until the first allocation is given back.
    late: bool,
    /// Which copy of a request to allocate is answered; the allocation is made by the first.
    answered_copy: usize,
    /// The first request of each client to give back is lost.
    loses_one: bool,
    /// Cancelled when `refuse_from` allocations have been made.
    cancels: Option<Arc<Progress>>,
}

/// What the server knows.
struct Canned {
    socket: UdpSocket,
    manners: Manners,
    /// Clients with an allocation, and all that ever had one.
    standing: HashSet<SocketAddr>,
    made: HashSet<SocketAddr>,
    copies: HashMap<SocketAddr, usize>,
    /// Kept until it is time: answers to Allocate, and requests for a peer.
    late: Vec<(Vec<u8>, SocketAddr)>,
    early: Vec<(Vec<u8>, SocketAddr)>,
    has_deleted: bool,
    lost: HashSet<SocketAddr>,
}

/// A canned server on a thread of its own.
struct Server {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    handle: JoinHandle<Canned>,
}

impl Server {
    fn start(manners: Manners) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let mut canned = Canned {
            socket,
            manners,
            standing: HashSet::new(),
            made: HashSet::new(),
            copies: HashMap::new(),
            late: Vec::new(),
            early: Vec::new(),
            has_deleted: false,
            lost: HashSet::new(),
        };
        let handle = std::thread::spawn(move || {
            let mut space = [0; 2048];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, client)) = canned.socket.recv_from(&mut space) {
                    canned.receive(&space[..length], client);
                }
            }
            canned
        });
        Self { address, is_over, handle }
    }

    /// Runs the load test against it.
    fn run(&self, mode: &str, progress: &Arc<Progress>) -> Result<Outcome, Failure> {
        let line =
            format!("tern-loadtest {mode} --server {} --user {USER} --password {PASSWORD}", self.address);
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        modes::run(&Plan::new(&cli)?, progress)
    }

    /// How many allocations there were, and how many are left as soon as a run has ended.
    fn end(self) -> (usize, usize) {
        self.is_over.store(true, Ordering::Relaxed);
        let canned = self.handle.join().unwrap();
        (canned.made.len(), canned.standing.len())
    }
}

impl Canned {
    fn receive(&mut self, bytes: &[u8], client: SocketAddr) {
        let Ok(message) = Message::parse(bytes) else { return };
        if message.class() != Class::Request {
            return;
        }
        if message.username().is_none() {
            return self.send(&challenge(bytes), client);
        }
        match message.method() {
            Method::ALLOCATE => self.allocate(bytes, client),
            Method::REFRESH if message.lifetime().unwrap() == Some(0) => self.delete(bytes, client),
            Method::CHANNEL_BIND if self.made.len() < self.manners.refuse_from => {
                self.early.push((bytes.to_vec(), client));
            }
            Method::CHANNEL_BIND => self.send(&error(bytes), client),
            _ => {}
        }
    }

    fn allocate(&mut self, bytes: &[u8], client: SocketAddr) {
        let is_first = self.made.is_empty();
        self.made.insert(client);
        self.standing.insert(client);
        let copies = self.copies.entry(client).or_default();
        *copies += 1;
        let is_late = *copies < self.manners.answered_copy;
        if self.manners.late && !is_first && !self.has_deleted {
            self.late.push((success(bytes), client));
        } else if !is_late {
            self.send(&success(bytes), client);
        }
        if self.made.len() >= self.manners.refuse_from {
            for (bytes, client) in std::mem::take(&mut self.early) {
                self.send(&error(&bytes), client);
            }
            if let Some(progress) = &self.manners.cancels {
                progress.cancel();
            }
        }
    }

    fn delete(&mut self, bytes: &[u8], client: SocketAddr) {
        if self.manners.loses_one && self.lost.insert(client) {
            return;
        }
        self.standing.remove(&client);
        self.send(&success(bytes), client);
        self.has_deleted = true;
        for (answer, client) in std::mem::take(&mut self.late) {
            self.send(&answer, client);
        }
    }

    fn send(&self, bytes: &[u8], client: SocketAddr) {
        self.socket.send_to(bytes, client).unwrap();
    }
}

fn answer(request: &[u8], class: Class, fill: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
    let request = Message::parse(request).unwrap();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, class, request.method(), request.transaction_id());
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

fn challenge(request: &[u8]) -> Vec<u8> {
    answer(request, Class::Error, |writer| {
        writer.error_code(401, "Unauthorized");
        writer.attribute(AttributeType::REALM, REALM.as_bytes());
        writer.attribute(AttributeType::NONCE, b"nonce");
    })
}

fn success(request: &[u8]) -> Vec<u8> {
    answer(request, Class::Success, |writer| {
        if Message::parse(request).unwrap().method() == Method::ALLOCATE {
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, "192.0.2.1:50000".parse().unwrap());
        }
        writer.integrity(&key());
    })
}

fn error(request: &[u8]) -> Vec<u8> {
    answer(request, Class::Error, |writer| {
        writer.error_code(403, "Forbidden");
        writer.integrity(&key());
    })
}

fn key() -> [u8; 16] {
    long_term_key_md5(USER.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes())
}

#[test]
fn allocations_that_come_after_the_refusal_are_given_back() {
    for threads in [1, 2] {
        let server = Server::start(Manners { refuse_from: 8, late: true, ..Manners::default() });
        let mode = format!("steady --sessions 8 --no-ceiling --threads {threads}");
        let failure = server.run(&mode, &Arc::default()).unwrap_err();
        assert!(failure.text.contains("403"), "{failure}");
        assert_eq!(server.end(), (8, 0), "with {threads} threads");
    }
}

#[test]
fn what_is_given_back_is_given_back_even_if_a_packet_is_lost() {
    let server = Server::start(Manners { refuse_from: 4, loses_one: true, ..Manners::default() });
    let failure = server.run("steady --sessions 4 --no-ceiling", &Arc::default()).unwrap_err();
    assert!(failure.text.contains("403"), "{failure}");
    assert_eq!(server.end(), (4, 0));
}

#[test]
fn sessions_that_fail_within_a_run_are_given_back() {
    let server = Server::start(Manners { loses_one: true, ..Manners::default() });
    let failure =
        server.run("storm --in-flight 2 --duration 100ms --warm-up 0", &Arc::default()).unwrap_err();
    assert!(failure.text.contains("403"), "{failure}");
    let (made, left) = server.end();
    assert!(made >= 1);
    assert_eq!(left, 0);
}

#[test]
fn who_is_interrupted_while_opening_gives_back() {
    let progress: Arc<Progress> = Arc::default();
    let manners = Manners {
        refuse_from: 4,
        answered_copy: 2,
        cancels: Some(Arc::clone(&progress)),
        ..Manners::default()
    };
    let server = Server::start(manners);
    server.run("steady --sessions 4 --no-ceiling", &progress).unwrap_err();
    assert_eq!(server.end(), (4, 0));
}

#[test]
fn a_storm_waits_for_what_is_still_to_come() {
    let server = Server::start(Manners { answered_copy: 3, ..Manners::default() });
    server.run("storm --in-flight 4 --duration 100ms --warm-up 0", &Arc::default()).unwrap();
    assert_eq!(server.end(), (4, 0));
}

#[test]
fn idle_allocations_whose_peer_is_refused_are_given_back() {
    let server = Server::start(Manners { loses_one: true, ..Manners::default() });
    let mode = format!("idle --sessions 2 --pid {}", std::process::id());
    let failure = server.run(&mode, &Arc::default()).unwrap_err();
    assert!(failure.text.contains("403"), "{failure}");
    assert_eq!(server.end(), (1, 0));
}
