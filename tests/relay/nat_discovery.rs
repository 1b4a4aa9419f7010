//! NAT behaviour discovery (RFC 5780), from a configuration file to the datagrams that come back.

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use tern::config::{self, Process, Sources};
use tern::engine::auth::FleetKey;
use tern::route::Transport;
use tern::server::{Server, ServerSettings};
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::client::{Client, peer, receive, receives_nothing};
use crate::relay::Relay;

const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The flags of CHANGE-REQUEST (RFC 5780 section 7.2).
const CHANGE_IP: u32 = 4;
const CHANGE_PORT: u32 = 2;

/// The four sockets: by address, then by port.
type Square = [[SocketAddr; 2]; 2];

/// Two ports that were free a moment ago, on both addresses.
fn free_ports() -> [u16; 2] {
    loop {
        let held = [0, 0].map(|port| UdpSocket::bind((FIRST, port)).unwrap());
        let ports = held.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let is_free = |port: &u16| {
            UdpSocket::bind((SECOND, *port)).is_ok() && TcpListener::bind((FIRST, *port)).is_ok()
        };
        if ports.iter().all(is_free) {
            return ports;
        }
    }
}

/// What the configuration of an operator makes of `[nat_discovery]`.
fn settings(ports: [u16; 2], workers: u8) -> ServerSettings {
    let folder = tempfile::tempdir().unwrap();
    let (file, secret) = (folder.path().join("tern.toml"), folder.path().join("secret"));
    let [low, high] = ports;
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[server]\nworkers = {workers}\n[[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"secret\"\n\
         [[listener]]\naddress = \"{FIRST}:{low}\"\ntransports = [\"udp\", \"tcp\"]\n\
         [relay]\nports = \"20000-30000\"\n\
         [nat_discovery]\naddresses = [\"{FIRST}\", \"{SECOND}\"]\nports = [{low}, {high}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let sources = Sources { file: Some(file), ..Sources::default() };
    let loaded = config::load(&sources).unwrap();
    let key = FleetKey::derive(b"of a test");
    let process = Process {
        nonce_key: key,
        seed: 1,
        addresses: Vec::new(),
        protected: Vec::new(),
        probe: config::Probe::default(),
    };
    loaded.config.settings(loaded.secrets, &process).unwrap()
}

fn start(workers: u8) -> (Relay, Square) {
    loop {
        let ports = free_ports();
        // Another test may have taken one of the ports meanwhile.
        if let Ok(server) = Server::start(settings(ports, workers)) {
            let square = [FIRST, SECOND].map(|ip| ports.map(|port| SocketAddr::new(ip, port)));
            return (Relay { server }, square);
        }
    }
}

fn binding(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Request, Method::BINDING, TransactionId([3; 12]));
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

fn address(answer: &[u8], kind: AttributeType) -> SocketAddr {
    Message::parse(answer).unwrap().address(kind).unwrap().unwrap()
}

#[test]
fn every_flag_at_every_socket_moves_the_answer() {
    for workers in [1, 2] {
        let (_relay, square) = start(workers);
        let client = peer(FIRST);
        for (a, p) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for (flags, from) in [
                (0, square[a][p]),
                (CHANGE_PORT, square[a][1 - p]),
                (CHANGE_IP, square[1 - a][p]),
                (CHANGE_IP | CHANGE_PORT, square[1 - a][1 - p]),
            ] {
                let request = binding(|writer| {
                    writer.u32(AttributeType::CHANGE_REQUEST, flags);
                });
                client.send_to(&request, square[a][p]).unwrap();
                let (answer, came_from) = receive(&client);
                assert_eq!(came_from, from, "flags {flags} at {}", square[a][p]);
                assert_eq!(address(&answer, AttributeType::RESPONSE_ORIGIN), from);
                let message = Message::parse(&answer).unwrap();
                let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
                assert_eq!(mapped, Some(client.local_addr().unwrap()));
                // It leads from anywhere to the opposite corner, wherever the answer comes from.
                assert_eq!(address(&answer, AttributeType::OTHER_ADDRESS), square[1 - a][1 - p]);
            }
        }
    }
}

#[test]
fn response_port_moves_the_target_to_another_port_of_the_same_client() {
    let (_relay, square) = start(1);
    let (client, target) = (peer(FIRST), peer(FIRST));
    let port = target.local_addr().unwrap().port().to_be_bytes();
    for flags in [0, CHANGE_IP | CHANGE_PORT] {
        let request = binding(|writer| {
            writer.u32(AttributeType::CHANGE_REQUEST, flags);
            writer.attribute(AttributeType::RESPONSE_PORT, &[port[0], port[1], 0, 0]);
        });
        client.send_to(&request, square[0][1]).unwrap();
        let (answer, from) = receive(&target);
        assert_eq!(from, if flags == 0 { square[0][1] } else { square[1][0] });
        let message = Message::parse(&answer).unwrap();
        let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(mapped, Some(client.local_addr().unwrap()));
    }
    assert!(receives_nothing(&client));
}

#[test]
fn a_stream_cannot_be_answered_from_elsewhere() {
    let (relay, _) = start(1);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let answer = client.request(Method::BINDING, |writer| {
        writer.u32(AttributeType::CHANGE_REQUEST, CHANGE_IP);
    });
    assert_eq!(answer.code(), Some(420));
    let answer = client.request(Method::BINDING, |_| {});
    assert_eq!(answer.message().address(AttributeType::OTHER_ADDRESS).unwrap(), None);
}
