//! Clients over DTLS (RFC 7350).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use tern::clock::Clock;
use tern::route::Transport;
use tern::wire::stun::{AttributeType, Method};

use crate::client::{Client, Datagrams, exchange, peer, receive};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const CHANNEL: u16 = 0x4004;

#[test]
fn a_dtls_client_is_served_on_both_families_and_in_both_versions() {
    let relay = Relay::with(&[Transport::Dtls]);
    exchange(&mut dtls(relay.v4(Transport::Dtls), Version::V12), V4);
    exchange(&mut dtls(relay.v6(Transport::Dtls), Version::V12), V6);
    exchange(&mut dtls(relay.v4(Transport::Dtls), Version::V13), V4);
}

#[test]
fn one_port_serves_udp_and_dtls() {
    let relay = Relay::with(&[Transport::Udp, Transport::Dtls]);
    let at = relay.v4(Transport::Udp);
    assert_eq!(at, relay.v4(Transport::Dtls));
    exchange(&mut dtls(at, Version::V12), V4);
    exchange(&mut Client::udp(at), V4);
}

#[test]
fn a_listener_without_udp_takes_no_plain_stun() {
    let relay = Relay::with(&[Transport::Dtls]);
    let mut client = Client::udp(relay.v4(Transport::Dtls));
    client.send_bytes(&client.signed(Method::BINDING, &|_| {}).1);
    relay.wait_for("the loss", |relay| relay.lost("not_spoken") == 1);
}

#[test]
fn a_session_ends_with_its_client() {
    let relay = Relay::with(&[Transport::Dtls]);
    let mut client = dtls(relay.v4(Transport::Dtls), Version::V12);
    client.allocate();
    assert_eq!(relay.server.counters().value("dtls_sessions", ""), 1);
    client.close();
    relay.wait_for("the end", |relay| relay.server.counters().value("dtls_sessions", "") == 0);
    assert_eq!(relay.server.counters().value("released", "disconnected"), 1);
}

#[test]
fn a_client_may_begin_anew_from_the_same_port() {
    let relay = Relay::with(&[Transport::Dtls]);
    let at = relay.v4(Transport::Dtls);
    let socket = UdpSocket::bind((V4, 0)).unwrap();
    socket.connect(at).unwrap();
    let mut first = dtls_over(socket.try_clone().unwrap(), Version::V12);
    first.allocate();
    // It has forgotten everything.
    let mut second = dtls_over(socket, Version::V12);
    exchange(&mut second, V4);
    assert_eq!(relay.server.counters().value("dtls_sessions", ""), 1);
}

#[test]
fn idle_sessions_end_and_those_with_an_allocation_do_not() {
    let mut setup = Setup::new(&[Transport::Dtls]);
    setup.worker.dtls.idle = Duration::from_millis(200);
    let relay = setup.start();
    let mut busy = dtls(relay.v4(Transport::Dtls), Version::V12);
    busy.allocate();
    let mut idle = dtls(relay.v4(Transport::Dtls), Version::V12);
    idle.request(Method::BINDING, |_| {});
    relay.wait_for("the end", |relay| relay.lost("idle") == 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(busy.refresh(600).code(), None);
}

#[test]
fn unproven_handshakes_give_way_to_newer_ones() {
    let mut setup = Setup::new(&[Transport::Dtls]);
    setup.worker.dtls.handshakes = 4;
    let relay = setup.start();
    let at = relay.v4(Transport::Dtls);
    let mut hello = None;
    let half_open: Vec<UdpSocket> = (0..10)
        .map(|_| {
            let socket = UdpSocket::bind((V4, 0)).unwrap();
            socket.connect(at).unwrap();
            let bytes = hello.get_or_insert_with(|| first_flight(Version::V13));
            socket.send(bytes).unwrap();
            socket
        })
        .collect();
    relay.wait_for("the limit", |relay| relay.lost("dtls_limit") == 6);
    assert_eq!(relay.server.counters().value("dtls_sessions", ""), 4);
    exchange(&mut dtls(at, Version::V12), V4);
    drop(half_open);
}

#[test]
fn one_source_holds_so_many_sessions_without_an_allocation() {
    for version in [Version::V12, Version::V13] {
        let mut setup = Setup::new(&[Transport::Dtls]);
        setup.worker.streams.per_source = 2;
        let relay = setup.start();
        let at = relay.v4(Transport::Dtls);
        let mut first = dtls(at, version);
        let mut second = dtls(at, version);
        first.request(Method::BINDING, |_| {});
        second.request(Method::BINDING, |_| {});
        let third = begin(at, version);
        relay.wait_for("the count", |relay| relay.lost("source_limit") > 0);
        relay.wait_for("the end", |relay| relay.server.counters().value("dtls_sessions", "") == 2);
        drop(third);
        // One that has an allocation does not count, until that has ended.
        first.allocate();
        let mut fourth = dtls(at, version);
        assert_eq!(fourth.request(Method::BINDING, |_| {}).code(), None);
        assert_eq!(first.refresh(0).code(), None);
        relay.wait_for("the end", |relay| relay.server.counters().value("dtls_sessions", "") == 2);
        assert_eq!(second.request(Method::BINDING, |_| {}).code(), None);
    }
}

#[test]
fn a_session_moves_to_the_worker_that_its_message_names() {
    let mut setup = Setup::new(&[Transport::Dtls]);
    setup.workers = 2;
    let relay = setup.start();
    for _ in 0..8 {
        let mut first = dtls(relay.v4(Transport::Dtls), Version::V12);
        let answer = first.allocate_with(17, |writer| {
            writer.even_port(true);
        });
        let token = answer.message().reservation_token().unwrap().unwrap();
        let mut second = dtls(relay.v4(Transport::Dtls), Version::V12);
        let next = second.allocate_with(17, |writer| {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        });
        assert_eq!(next.relayed().port(), answer.relayed().port() + 1);
        let peer = peer(V4);
        second.bind(CHANNEL, peer.local_addr().unwrap());
        second.send_channel(CHANNEL, b"over");
        let (data, from) = receive(&peer);
        assert_eq!(data, b"over");
        peer.send_to(b"back", from).unwrap();
        second.expect_channel(CHANNEL, b"back");
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Version {
    V12,
    V13,
}

pub(crate) fn dtls(server: SocketAddr, version: Version) -> Client {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).unwrap();
    socket.connect(server).unwrap();
    dtls_over(socket, version)
}

/// As much of a handshake as half a second brings.
fn begin(server: SocketAddr, version: Version) -> Session {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).unwrap();
    socket.connect(server).unwrap();
    let mut session = Session::new(socket, version);
    for _ in 0..5 {
        session.step(Duration::from_millis(100));
    }
    session
}

fn dtls_over(socket: UdpSocket, version: Version) -> Client {
    let mut session = Session::new(socket, version);
    for _ in 0..100 {
        session.step(Duration::from_millis(100));
        if session.connected {
            return Client::datagrams(session);
        }
    }
    panic!("no handshake");
}

fn client_session(version: Version) -> Dtls {
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let certificate = DtlsCertificate {
        certificate: made.cert.der().to_vec(),
        private_key: made.signing_key.serialize_der(),
    };
    let config = Arc::new(Config::builder().build().unwrap());
    let mut dtls = match version {
        Version::V12 => Dtls::new_12(config, certificate, now()),
        Version::V13 => Dtls::new_13(config, certificate, now()),
    };
    dtls.set_active(true);
    dtls
}

/// What a client says first.
fn first_flight(version: Version) -> Vec<u8> {
    let mut dtls = client_session(version);
    dtls.handle_timeout(now()).unwrap();
    let mut scratch = vec![0; 70_000];
    match dtls.poll_output(&mut scratch) {
        Output::Packet(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn now() -> std::time::Instant {
    let clock = Clock::new();
    clock.instant(clock.now().time)
}

struct Session {
    dtls: Dtls,
    socket: UdpSocket,
    received: Vec<Vec<u8>>,
    connected: bool,
}

impl Session {
    fn new(socket: UdpSocket, version: Version) -> Self {
        let mut dtls = client_session(version);
        dtls.handle_timeout(now()).unwrap();
        Self { dtls, socket, received: Vec::new(), connected: false }
    }

    /// Sends what there is to send, then waits for one datagram.
    fn step(&mut self, patience: Duration) {
        self.flush();
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = vec![0; 65_536];
        self.dtls.handle_timeout(now()).unwrap();
        if let Ok(count) = self.socket.recv(&mut buffer) {
            drop(self.dtls.handle_packet(&buffer[..count]));
        }
        self.flush();
    }

    fn flush(&mut self) {
        let mut scratch = vec![0; 70_000];
        loop {
            match self.dtls.poll_output(&mut scratch) {
                Output::Packet(bytes) => drop(self.socket.send(bytes).unwrap()),
                Output::ApplicationData(bytes) => self.received.push(bytes.to_vec()),
                Output::Connected => self.connected = true,
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

impl Datagrams for Session {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.dtls.send_application_data(bytes).unwrap();
        self.flush();
    }

    fn receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        for _ in 0..20 {
            if !self.received.is_empty() {
                return Some(self.received.remove(0));
            }
            self.step(patience / 20);
        }
        None
    }

    fn close(&mut self) {
        drop(self.dtls.close());
        self.flush();
    }
}
