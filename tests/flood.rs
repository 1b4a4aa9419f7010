//! A million Allocates without credentials, from changing addresses and ports: the relay remembers none of them, and
//! serves its one real client throughout.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed assertion is what this file is for"
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tern::engine::auth::{SharedSecret, issue};
use tern::time::UnixTime;
use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5};

const FLOOD: u32 = 1_000_000;
/// The relay's buffers, tables and allocator have seen everything by then.
const WARM_UP: u32 = 50_000;
/// After so many, a packet of the real client goes through the relay and back: it proves the service, and that the
/// relay has taken in all that was sent before it.
const STRIDE: u32 = 100;
const UDP: u8 = 17;
const CHANNEL: u16 = 0x4000;
const SECRET: &[u8] = b"the secret of this test, and of nothing else";

/// Ends the relay however the test ends.
struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_million_unauthenticated_allocates_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (relay, server) = start(folder.path());
    let mut client = Client::connect(server);
    flood(server, &mut client, 0..WARM_UP);
    let before = resident_kib(relay.0.id());
    flood(server, &mut client, WARM_UP..WARM_UP + FLOOD);
    let after = resident_kib(relay.0.id());
    println!("resident before {before} KiB, after {after} KiB, echoes {}", client.echoes);
    assert!(after < before + 1024, "the relay grew from {before} to {after} KiB");
}

fn flood(server: SocketAddr, client: &mut Client, numbers: std::ops::Range<u32>) {
    let mut bytes = Vec::new();
    for number in numbers {
        let [_, b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
        let source = UdpSocket::bind((Ipv4Addr::new(127, b, c, d.clamp(1, 254)), 0)).unwrap();
        bytes.clear();
        let mut id = [0; 12];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let mut writer = Writer::new(&mut bytes, Class::Request, Method::ALLOCATE, TransactionId(id));
        writer.requested_transport(UDP);
        source.send_to(&bytes, server).unwrap();
        if number % STRIDE == STRIDE - 1 {
            client.echo(number);
        }
    }
}

/// A client with an allocation and a channel to a peer of its own.
struct Client {
    server: SocketAddr,
    socket: UdpSocket,
    peer: UdpSocket,
    echoes: u32,
}

impl Client {
    fn connect(server: SocketAddr) -> Self {
        let (socket, peer) = (bind(), bind());
        let mut client = Self { server, socket, peer, echoes: 0 };
        let expiry = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
        let expiry = expiry.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 86_400;
        let credential = issue(&SharedSecret::new("test", SECRET).unwrap(), "flood", UnixTime(expiry));
        let challenge = client.ask(Method::ALLOCATE, |writer| {
            writer.requested_transport(UDP);
        });
        let challenge = Message::parse(&challenge).unwrap();
        let (realm, nonce) = (challenge.realm().unwrap(), challenge.nonce().unwrap());
        let key = long_term_key_md5(credential.username.as_bytes(), realm, credential.password.as_bytes());
        let sign = |writer: &mut Writer<'_>| {
            writer.attribute(AttributeType::USERNAME, credential.username.as_bytes());
            writer
                .attribute(AttributeType::REALM, realm)
                .attribute(AttributeType::NONCE, nonce)
                .integrity(&key);
        };
        let allocated = client.ask(Method::ALLOCATE, |writer| {
            writer.requested_transport(UDP);
            sign(writer);
        });
        assert_eq!(Message::parse(&allocated).unwrap().class(), Class::Success);
        let peer = client.peer.local_addr().unwrap();
        let bound = client.ask(Method::CHANNEL_BIND, |writer| {
            writer.channel_number(CHANNEL).xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            sign(writer);
        });
        assert_eq!(Message::parse(&bound).unwrap().class(), Class::Success);
        client
    }

    fn ask(&mut self, method: Method, write: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        let mut request = Vec::new();
        let mut id = [0xAA; 12];
        id[..2].copy_from_slice(&method.value().to_be_bytes());
        write(&mut Writer::new(&mut request, Class::Request, method, TransactionId(id)));
        let mut buffer = [0; 1500];
        for _ in 0..100 {
            self.socket.send_to(&request, self.server).unwrap();
            if let Ok(length) = self.socket.recv(&mut buffer) {
                return buffer[..length].to_vec();
            }
        }
        panic!("no answer to {method:?}");
    }

    /// One packet to the peer and back, sent again should a full buffer have dropped it.
    fn echo(&mut self, number: u32) {
        let mut data = vec![0x40, 0, 0, 4];
        data.extend(number.to_be_bytes());
        let mut buffer = [0; 64];
        for _ in 0..100 {
            self.socket.send_to(&data, self.server).unwrap();
            let Ok((length, relayed)) = self.peer.recv_from(&mut buffer) else { continue };
            self.peer.send_to(&buffer[..length], relayed).unwrap();
            while let Ok(length) = self.socket.recv(&mut buffer) {
                if buffer[..length] == data[..] {
                    self.echoes += 1;
                    return;
                }
            }
        }
        panic!("the client is not served any more at packet {number}");
    }
}

fn bind() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket
}

/// One worker, so that the client's echo stands behind everything sent before it.
fn start(folder: &Path) -> (Relay, SocketAddr) {
    // A loopback address that no other test has, so that its port is free.
    let [.., high, low] = std::process::id().to_be_bytes();
    let server = SocketAddr::from((Ipv4Addr::new(127, 200, high, low), 3478));
    fs::write(folder.join("secret"), SECRET).unwrap();
    let configuration = format!(
        r#"
        [server]
        workers = 1
        [[listener]]
        address = "{server}"
        transports = ["udp"]
        [relay]
        addresses = ["127.0.0.1"]
        [auth]
        realm = "tern.test"
        [[auth.shared_secret]]
        id = "test"
        secret_file = "secret"
        [peers]
        allow = ["127.0.0.0/8"]
        "#
    );
    let file = folder.join("tern.toml");
    fs::write(&file, configuration).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tern"))
        .env("TERN__ADMIN__SOCKET", "off")
        .args(["run", "--config"])
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (Relay(child), server)
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
