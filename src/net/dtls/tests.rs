use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::net::poll::{Events, Interest, Poller};
use crate::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};

const HANDSHAKE: Duration = Duration::from_secs(10);

fn pair() -> (String, String) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn certs() -> Arc<CertStore> {
    let (chain, key) = pair();
    CertStore::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

fn acceptor() -> DtlsAcceptor {
    DtlsAcceptor::new(certs(), [7; 32], HANDSHAKE, Clock::new()).unwrap()
}

fn path() -> Path {
    Path { client: "192.0.2.1:5000".parse().unwrap(), server: "192.0.2.2:5349".parse().unwrap() }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Version {
    V12,
    V13,
    Auto,
}

/// A client of `dimpl`.
struct TestClient {
    dtls: dimpl::Dtls,
    clock: Clock,
    connected: bool,
    closed: bool,
    received: Vec<Vec<u8>>,
    wake: Time,
}

impl TestClient {
    fn new(version: Version, now: Time) -> Self {
        let (clock, certificate) = (Clock::new(), certs().dtls().unwrap());
        let config = Arc::new(dimpl::Config::builder().build().unwrap());
        let instant = clock.instant(now);
        let mut dtls = match version {
            Version::V12 => dimpl::Dtls::new_12(config, certificate, instant),
            Version::V13 => dimpl::Dtls::new_13(config, certificate, instant),
            Version::Auto => dimpl::Dtls::new_auto(config, certificate, instant),
        };
        dtls.set_active(true);
        dtls.handle_timeout(instant).unwrap();
        Self { dtls, clock, connected: false, closed: false, received: Vec::new(), wake: Time::MAX }
    }

    fn poll(&mut self) -> Vec<Vec<u8>> {
        let (mut out, mut scratch) = (Vec::new(), vec![0; 70_000]);
        loop {
            match self.dtls.poll_output(&mut scratch) {
                dimpl::Output::Packet(bytes) => out.push(bytes.to_vec()),
                dimpl::Output::ApplicationData(bytes) => self.received.push(bytes.to_vec()),
                dimpl::Output::Connected => self.connected = true,
                dimpl::Output::CloseNotify => self.closed = true,
                dimpl::Output::Timeout(instant) => {
                    self.wake = self.clock.time(instant);
                    return out;
                }
                dimpl::Output::PeerCert(_) | dimpl::Output::KeyingMaterial(..) => {}
                dimpl::Output::BufferTooSmall { needed } => panic!("{needed} bytes needed"),
                _ => panic!("an output of a later version"),
            }
        }
    }

    fn receive(&mut self, now: Time, datagram: &[u8]) {
        self.dtls.handle_timeout(self.clock.instant(now)).unwrap();
        self.dtls.handle_packet(datagram).unwrap();
    }
}

/// A client, a server that keeps what the acceptor tells it to keep, and a network that loses what a test says.
struct World {
    now: Time,
    acceptor: DtlsAcceptor,
    session: Option<Box<DtlsSession>>,
    client: TestClient,
    received: Vec<Vec<u8>>,
    established: bool,
    closed: bool,
    /// Numbers datagrams of both directions; true loses one.
    lose: Box<dyn FnMut(usize) -> bool>,
    sent: usize,
    stateless_replies: usize,
}

impl World {
    fn new(version: Version, lose: impl FnMut(usize) -> bool + 'static) -> Self {
        let now = Time::from_secs(200_000);
        Self {
            now,
            acceptor: acceptor(),
            session: None,
            client: TestClient::new(version, now),
            received: Vec::new(),
            established: false,
            closed: false,
            lose: Box::new(lose),
            sent: 0,
            stateless_replies: 0,
        }
    }

    fn passes(&mut self) -> bool {
        self.sent += 1;
        !(self.lose)(self.sent)
    }

    /// Until both are silent.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            for datagram in self.client.poll() {
                moved = true;
                if self.passes() {
                    self.serve(&datagram);
                }
            }
            for datagram in self.poll_server() {
                moved = true;
                if self.passes() {
                    self.client.receive(self.now, &datagram);
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn serve(&mut self, datagram: &[u8]) {
        if let Some(session) = &mut self.session {
            session.receive(self.now, datagram).unwrap();
            return;
        }
        match self.acceptor.accept(self.now, path(), datagram) {
            Accept::Ignore => {}
            Accept::Reply(reply) => {
                assert!(reply.len() <= datagram.len());
                self.stateless_replies += 1;
                if self.passes() {
                    self.client.receive(self.now, &reply);
                }
            }
            Accept::Session(session) => self.session = Some(session),
        }
    }

    fn poll_server(&mut self) -> Vec<Vec<u8>> {
        let (mut out, mut scratch) = (Vec::new(), vec![0; 20_480]);
        let Some(session) = &mut self.session else { return out };
        while let Some(output) = session.poll(&mut scratch) {
            match output {
                DtlsOutput::Send(bytes) => out.push(bytes.to_vec()),
                DtlsOutput::Data(bytes) => self.received.push(bytes.to_vec()),
                DtlsOutput::Established => self.established = true,
                DtlsOutput::Closed => self.closed = true,
            }
        }
        out
    }

    /// Lets time pass until the next retransmission of either side.
    fn sleep(&mut self) {
        let server = self.session.as_ref().and_then(|session| session.deadline()).unwrap_or(Time::MAX);
        self.now = self.client.wake.min(server).max(self.now);
        if server <= self.now {
            self.session.as_mut().unwrap().expire(self.now).unwrap();
        }
        self.client.dtls.handle_timeout(self.client.clock.instant(self.now)).unwrap();
    }

    fn is_connected(&self) -> bool {
        self.established && self.client.connected
    }
}

#[test]
fn every_version_connects_and_carries_data_both_ways() {
    for (version, replies) in [(Version::V12, 1), (Version::V13, 0), (Version::Auto, 0)] {
        let mut world = World::new(version, |_| false);
        world.run();
        assert!(world.is_connected(), "{version:?}");
        assert_eq!(world.stateless_replies, replies, "{version:?}");
        let session = world.session.as_mut().unwrap();
        assert!(session.is_established() && session.is_proven());

        for length in [1, 160, 1_200, 2_000, 9_000, LONGEST_PLAINTEXT] {
            let bytes = vec![0x5a; length];
            world.session.as_mut().unwrap().send(world.now, &bytes).unwrap();
            if length <= 9_000 {
                world.client.dtls.send_application_data(&bytes).unwrap();
            }
            world.run();
            assert_eq!(world.client.received.pop(), Some(bytes.clone()), "{version:?} {length}");
            if length <= 9_000 {
                assert_eq!(world.received.pop(), Some(bytes), "{version:?} {length}");
            }
        }
        let session = world.session.as_mut().unwrap();
        assert_eq!(session.send(world.now, &[0; LONGEST_PLAINTEXT + 1]), Err(DtlsError::TooLong));
        session.send(world.now, b"still here").unwrap();
        world.run();
        assert_eq!(world.client.received.pop().unwrap(), b"still here");

        world.client.dtls.close().unwrap();
        world.run();
        assert!(world.closed, "{version:?}");
    }
}

#[test]
fn the_server_says_goodbye() {
    let mut world = World::new(Version::V12, |_| false);
    world.run();
    world.session.as_mut().unwrap().close(world.now);
    world.run();
    assert!(world.client.closed);
}

#[test]
fn handshakes_survive_any_single_loss() {
    for version in [Version::V12, Version::V13, Version::Auto] {
        for lost in 1..14 {
            let mut world = World::new(version, move |number| number == lost);
            for _ in 0..12 {
                world.run();
                if world.is_connected() {
                    break;
                }
                world.sleep();
            }
            assert!(world.is_connected(), "{version:?} without datagram {lost}");
        }
    }
}

#[test]
fn handshakes_survive_losing_every_third_datagram() {
    for version in [Version::V12, Version::V13] {
        let mut world = World::new(version, |number| number % 3 == 2);
        for _ in 0..30 {
            world.run();
            if world.is_connected() {
                break;
            }
            world.sleep();
        }
        assert!(world.is_connected(), "{version:?}");
    }
}

#[test]
fn nothing_is_kept_before_a_cookie_comes_back() {
    let mut acceptor = acceptor();
    let now = Time::from_secs(200_000);
    let mut client = TestClient::new(Version::V12, now);
    let hello = client.poll().remove(0);
    let Accept::Reply(request) = acceptor.accept(now, path(), &hello) else { panic!("no cookie") };
    assert!(request.len() < hello.len());
    client.receive(now, &request);
    let answer = client.poll().remove(0);

    // From elsewhere, or to elsewhere, the cookie is worth nothing.
    let mut elsewhere = path();
    elsewhere.client.set_port(5001);
    assert!(matches!(acceptor.accept(now, elsewhere, &answer), Accept::Reply(_)));
    elsewhere = path();
    elsewhere.server.set_ip("192.0.2.3".parse().unwrap());
    assert!(matches!(acceptor.accept(now, elsewhere, &answer), Accept::Reply(_)));
    // Nor after two minutes, nor with another key.
    assert!(matches!(acceptor.accept(now + Duration::from_secs(120), path(), &answer), Accept::Reply(_)));
    let mut stranger = DtlsAcceptor::new(certs(), [8; 32], HANDSHAKE, Clock::new()).unwrap();
    assert!(matches!(stranger.accept(now, path(), &answer), Accept::Reply(_)));
    // Nor with another random.
    let mut forged = answer.clone();
    forged[30] ^= 1;
    assert!(matches!(acceptor.accept(now, path(), &forged), Accept::Reply(_)));

    let later = now + Duration::from_secs(59);
    let Accept::Session(session) = acceptor.accept(later, path(), &answer) else { panic!("no session") };
    assert!(session.is_proven() && !session.is_established());
}

#[test]
fn another_worker_takes_the_cookie() {
    let now = Time::from_secs(200_000);
    let mut client = TestClient::new(Version::V12, now);
    let Accept::Reply(request) = acceptor().accept(now, path(), &client.poll()[0]) else { panic!() };
    client.receive(now, &request);
    assert!(matches!(acceptor().accept(now, path(), &client.poll()[0]), Accept::Session(_)));
}

#[test]
fn the_first_records_of_a_session_continue_after_the_client_hellos() {
    let now = Time::from_secs(200_000);
    let mut acceptor = acceptor();
    let mut client = TestClient::new(Version::V12, now);
    let mut hello = client.poll().remove(0);
    hello[10] = 6;
    let Accept::Reply(request) = acceptor.accept(now, path(), &hello) else { panic!() };
    assert_eq!(request[5..11], [0, 0, 0, 0, 0, 6], "the number of the ClientHello");
    client.receive(now, &request);
    let mut answer = client.poll().remove(0);
    answer[10] = 7;
    let Accept::Session(mut session) = acceptor.accept(now, path(), &answer) else { panic!() };
    let mut scratch = vec![0; 20_480];
    let Some(DtlsOutput::Send(first)) = session.poll(&mut scratch) else { panic!() };
    assert_eq!(first[5..11], [0, 0, 0, 0, 0, 7]);
    assert_eq!(first[13], 2, "ServerHello");
}

#[test]
fn an_unproven_session_is_told_from_a_proven_one() {
    let now = Time::from_secs(200_000);
    let hello = TestClient::new(Version::V13, now).poll().remove(0);
    let Accept::Session(session) = acceptor().accept(now, path(), &hello) else { panic!() };
    assert!(!session.is_proven());
}

#[test]
fn an_unfinished_handshake_ends_at_its_deadline() {
    let now = Time::from_secs(200_000);
    let hello = TestClient::new(Version::V13, now).poll().remove(0);
    let Accept::Session(mut session) = acceptor().accept(now, path(), &hello) else { panic!() };
    let mut scratch = vec![0; 20_480];
    let mut sent = 0;
    let mut at;
    let error = loop {
        while session.poll(&mut scratch).is_some() {
            sent += 1;
        }
        at = session.deadline().unwrap();
        if let Err(error) = session.expire(at) {
            break error;
        }
    };
    assert_eq!(error, DtlsError::Timeout);
    assert!(at <= now + HANDSHAKE);
    assert!(sent <= 6, "{sent}");
    assert!(session.receive(at, &hello).is_err());
    assert_eq!(session.poll(&mut scratch), None);
}

#[test]
fn an_old_version_gets_an_alert() {
    let now = Time::from_secs(200_000);
    let mut hello = TestClient::new(Version::V12, now).poll().remove(0);
    hello[1..3].copy_from_slice(&[254, 255]);
    hello[25..27].copy_from_slice(&[254, 255]);
    let Accept::Reply(alert) = acceptor().accept(now, path(), &hello) else { panic!() };
    assert_eq!(alert, [21, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 70]);
}

#[test]
fn what_begins_no_handshake_is_ignored() {
    let now = Time::from_secs(200_000);
    let mut acceptor = acceptor();
    let hello = TestClient::new(Version::V12, now).poll().remove(0);
    for length in 0..hello.len() {
        let cut = acceptor.accept(now, path(), &hello[..length]);
        assert!(matches!(cut, Accept::Ignore), "{length} bytes");
    }
    // Any byte changed: no panic, and nothing longer comes back than was sent.
    for index in 0..hello.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = hello.clone();
            bytes[index] = value;
            match acceptor.accept(now, path(), &bytes) {
                Accept::Reply(reply) => assert!(reply.len() <= bytes.len()),
                Accept::Ignore | Accept::Session(_) => {}
            }
        }
    }
    for kind in [20, 21, 23, 24, 25] {
        let mut bytes = hello.clone();
        bytes[0] = kind;
        assert!(matches!(acceptor.accept(now, path(), &bytes), Accept::Ignore));
    }
}

#[test]
fn garbage_does_not_end_a_session() {
    let mut world = World::new(Version::V12, |_| false);
    world.run();
    let session = world.session.as_mut().unwrap();
    for datagram in [&[][..], &[23], &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 99, 0, 3, 1, 2, 3], &[22; 100]] {
        session.receive(world.now, datagram).unwrap();
    }
    session.send(world.now, b"alive").unwrap();
    world.run();
    assert_eq!(world.client.received, [b"alive"]);
}

#[test]
fn reordered_and_repeated_datagrams_arrive_once_each() {
    let mut world = World::new(Version::V12, |_| false);
    world.run();
    let mut wire = Vec::new();
    for number in 0..4u8 {
        world.client.dtls.send_application_data(&[number]).unwrap();
        wire.extend(world.client.poll());
    }
    for index in [2, 0, 3, 0, 1, 2] {
        world.serve(&wire[index]);
        world.poll_server();
    }
    assert_eq!(world.received, [[2], [0], [3], [1]]);
}

#[test]
fn an_rsa_certificate_is_refused_for_dtls() {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let chain = params.self_signed(&key).unwrap().pem();
    let certs = CertStore::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let error = DtlsAcceptor::new(certs, [0; 32], HANDSHAKE, Clock::new()).unwrap_err();
    assert!(error.to_string().contains("RSA"), "{error}");
}

#[test]
fn too_many_handshakes_push_out_the_oldest() {
    let mut open = HalfOpen::new(2);
    assert_eq!((open.begin(1), open.begin(2), open.begin(3)), (None, None, Some(1)));
    open.end(&2);
    open.end(&9);
    assert_eq!((open.len(), open.begin(4), open.begin(5)), (1, None, Some(3)));
    assert!(!open.is_empty());
}

/// Serves one openssl client: answers each datagram with itself. Returns what came.
fn serve(socket: &UdpSocket, until: impl Fn(&[u8]) -> bool, replies: &mut usize) -> Vec<u8> {
    let poller = Poller::new().unwrap();
    let mut events = Events::with_capacity(1);
    poller.add(socket, 0, Interest::READ).unwrap();
    let (mut acceptor, clock) = (acceptor(), Clock::new());
    let mut session: Option<Box<DtlsSession>> = None;
    let (mut batch, mut out) = (Batch::new(8), SendBatch::new(64));
    let (mut all, mut scratch) = (Vec::new(), vec![0; 20_480]);
    while !until(&all) && poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap() > 0 {
        for index in 0..socket.recv_batch(&mut batch).unwrap() {
            let packet = batch.packet(index).unwrap();
            let now = clock.now().time;
            let path = Path { client: packet.meta.source, server: socket.local_addr() };
            let datagram = &packet.buffer[packet.payload];
            let to = SendHeader::to(path.client);
            if let Some(session) = &mut session {
                session.receive(now, datagram).unwrap();
            } else {
                match acceptor.accept(now, path, datagram) {
                    Accept::Ignore => {}
                    Accept::Reply(bytes) => {
                        *replies += 1;
                        out.push(socket, to, Payload::Copy(&bytes));
                    }
                    Accept::Session(new) => session = Some(new),
                }
            }
            let Some(session) = &mut session else { continue };
            let mut echo = Vec::new();
            while let Some(output) = session.poll(&mut scratch) {
                match output {
                    DtlsOutput::Send(bytes) => assert!(out.push(socket, to, Payload::Copy(bytes))),
                    DtlsOutput::Data(bytes) => echo.extend_from_slice(bytes),
                    DtlsOutput::Established | DtlsOutput::Closed => {}
                }
            }
            if !echo.is_empty() {
                session.send(now, &echo).unwrap();
                while let Some(DtlsOutput::Send(bytes)) = session.poll(&mut scratch) {
                    out.push(socket, to, Payload::Copy(bytes));
                }
                all.extend(echo);
            }
        }
        out.flush(&batch);
    }
    all
}

fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no openssl program here; install openssl to run this test");
    }
    found
}

#[test]
fn openssl_connects_with_dtls_1_2() {
    if !has_openssl() {
        return;
    }
    let socket = UdpSocket::bind_listener("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-quiet", "-connect", &socket.local_addr().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello from openssl\n").unwrap();
    let mut replies = 0;
    let received = serve(&socket, |all| all.ends_with(b"\n"), &mut replies);
    assert_eq!(received, b"hello from openssl\n");
    assert_eq!(replies, 1, "one cookie");
    let mut echo = [0; 19];
    child.stdout.take().unwrap().read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello from openssl\n");
    drop(stdin);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn openssl_with_dtls_1_0_reports_our_alert() {
    if !has_openssl() {
        return;
    }
    let socket = UdpSocket::bind_listener("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_client", "-dtls1", "-cipher", "DEFAULT:@SECLEVEL=0"])
        .args(["-connect", &socket.local_addr().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let poller = Poller::new().unwrap();
    poller.add(&socket, 0, Interest::READ).unwrap();
    poller.wait(&mut Events::with_capacity(1), Some(Duration::from_secs(10))).unwrap();
    let mut batch = Batch::new(1);
    assert_eq!(socket.recv_batch(&mut batch).unwrap(), 1);
    let packet = batch.packet(0).unwrap();
    let path = Path { client: packet.meta.source, server: socket.local_addr() };
    let Accept::Reply(alert) =
        acceptor().accept(Clock::new().now().time, path, &packet.buffer[packet.payload])
    else {
        panic!("no alert")
    };
    let mut out = SendBatch::new(1);
    out.push(&socket, SendHeader::to(path.client), Payload::Copy(&alert));
    assert_eq!(out.flush(&batch).sent, 1);
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    child.wait().unwrap();
    assert!(errors.contains("alert protocol version"), "{errors}");
}
