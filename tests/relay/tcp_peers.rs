//! TCP relaying (RFC 6062).

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tern::engine::limits::Rate;
use tern::route::Transport;
use tern::wire::stun::{AttributeType, Message, Method};

use crate::client::{Client, Frame, Wire, connect};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A control connection with a TCP relay.
pub(crate) fn control(relay: &Relay) -> (Client, SocketAddr) {
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let relayed = client.allocate_with(6, |_| {}).relayed();
    client.permit(V4);
    (client, relayed)
}

pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((V4, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

pub(crate) fn start_connect(client: &mut Client, peer: SocketAddr) -> u32 {
    let answer = client.request(Method::CONNECT, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    assert_eq!(answer.code(), None, "connect");
    answer.message().connection_id().unwrap().unwrap()
}

pub(crate) fn bind_connection(client: &mut Client, id: u32) {
    let answer = client.request(Method::CONNECTION_BIND, |writer| {
        writer.u32(AttributeType::CONNECTION_ID, id);
    });
    assert_eq!(answer.code(), None, "connection bind");
}

pub(crate) fn read_exactly(from: &mut (impl Read + ?Sized), count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

pub(crate) fn pipe(client: &mut Client) -> &mut dyn crate::client::Stream {
    let Wire::Stream(stream) = &mut client.wire else { panic!("a datagram client") };
    stream.as_mut()
}

#[test]
fn a_client_connects_to_a_peer_and_both_are_one_pipe() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, relayed) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (mut peer, from) = listener.accept().unwrap();
    assert_eq!(from, relayed);
    // What comes before the client is there waits.
    peer.write_all(b"early").unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    assert_eq!(read_exactly(pipe(&mut data), 5), b"early");
    pipe(&mut data).write_all(b"request").unwrap();
    assert_eq!(read_exactly(&mut peer, 7), b"request");
    // Each direction ends on its own.
    pipe(&mut data).tcp().shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    peer.write_all(b"answer").unwrap();
    drop(peer);
    let mut answer = Vec::new();
    pipe(&mut data).read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
    relay.wait_for("the end", |relay| relay.server.counters().value("peer_connections", "") == 0);
    // The control connection goes on.
    assert_eq!(client.refresh(600).code(), None);
}

#[test]
fn bytes_behind_connection_bind_belong_to_the_peer() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (mut peer, _) = listener.accept().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    // A challenge first, so that the next request is signed.
    data.request(Method::REFRESH, |_| {});
    let (_, mut bytes) = data.signed(Method::CONNECTION_BIND, &|writer| {
        writer.u32(AttributeType::CONNECTION_ID, id);
    });
    bytes.extend(b"GET / HTTP/1.1\r\n\r\n");
    data.send_bytes(&bytes);
    assert_eq!(read_exactly(&mut peer, 18), b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn a_peer_connects_to_a_client() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, relayed) = control(&relay);
    let mut peer = connect(relayed);
    let Frame::Stun(bytes) = client.receive() else { panic!("channel data") };
    let attempt = Message::parse(&bytes).unwrap();
    assert_eq!(attempt.method(), Method::CONNECTION_ATTEMPT);
    assert_eq!(attempt.xor_peer_address().unwrap(), Some(peer.local_addr().unwrap()));
    let id = attempt.connection_id().unwrap().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    peer.write_all(b"hello").unwrap();
    assert_eq!(read_exactly(pipe(&mut data), 5), b"hello");
}

#[test]
fn a_peer_without_permission_is_turned_away() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let relayed = client.allocate_with(6, |_| {}).relayed();
    let mut peer = connect(relayed);
    assert_eq!(peer.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(client.receives_nothing());
}

#[test]
fn a_refused_connection_is_answered_with_447() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, _) = control(&relay);
    let gone = listener().1;
    let answer = client.request(Method::CONNECT, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, gone);
    });
    assert_eq!(answer.code(), Some(447));
}

#[test]
fn a_slow_end_holds_the_other_back_and_loses_nothing() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (peer, _) = listener.accept().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    const TOTAL: usize = 12 * 1024 * 1024;
    let writer = std::thread::spawn({
        let mut peer = peer.try_clone().unwrap();
        move || {
            peer.write_all(&pattern(TOTAL)).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    let mut got = Vec::new();
    pipe(&mut data).read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == pattern(TOTAL), "{} bytes", got.len());
    // The other direction, the same way.
    let reader = std::thread::spawn(move || slow_read(peer, TOTAL));
    pipe(&mut data).write_all(&pattern(TOTAL)).unwrap();
    assert!(reader.join().unwrap() == pattern(TOTAL));
}

#[test]
fn pipes_end_with_their_allocation() {
    let relay = Relay::with(&[Transport::Tcp]);
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (mut peer, _) = listener.accept().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    assert_eq!(client.refresh(0).code(), None);
    assert_eq!(peer.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(pipe(&mut data).read(&mut [0; 1]).unwrap_or(0), 0);
    relay.wait_for("one connection", |relay| relay.server.counters().value("connections", "") == 1);
}

pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn slow_read(mut peer: TcpStream, count: usize) -> Vec<u8> {
    std::thread::sleep(Duration::from_millis(100));
    read_exactly(&mut peer, count)
}

#[test]
fn a_pipe_keeps_to_its_rate_without_losing_a_byte() {
    // A second's worth is far more than the burst: the rest waits its turn, and comes.
    const BYTES: usize = 400_000;
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.session_rate = Some(Rate::new(1_000_000, 0));
    let relay = setup.start();
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (mut peer, _) = listener.accept().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    let sent: Vec<u8> = (0u8..=250).cycle().take(BYTES).collect();
    let down = std::thread::spawn({
        let sent = sent.clone();
        move || {
            peer.write_all(&sent).unwrap();
            read_exactly(&mut peer, BYTES)
        }
    });
    assert_eq!(read_exactly(pipe(&mut data), BYTES), sent);
    pipe(&mut data).write_all(&sent).unwrap();
    assert_eq!(down.join().unwrap(), sent);
}

#[test]
fn a_pipe_without_bandwidth_reads_no_more_than_it_began_with() {
    // The burst is the largest packet there can be, and one read may exceed it.
    const MOST: usize = 3 * 65 * 1024;
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.user_rate = Some(Rate::new(1, 0));
    let relay = setup.start();
    let (mut client, _) = control(&relay);
    let (listener, at) = listener();
    let id = start_connect(&mut client, at);
    let (peer, _) = listener.accept().unwrap();
    let mut data = Client::tcp(relay.v4(Transport::Tcp));
    bind_connection(&mut data, id);
    // Ends when the test closes its end: the relay never takes all of it.
    let writer = std::thread::spawn({
        let mut peer = peer.try_clone().unwrap();
        move || peer.write_all(&[1; 64 << 20])
    });
    let mut received = 0;
    pipe(&mut data).tcp().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut buffer = [0; 8192];
    while let Ok(count) = pipe(&mut data).read(&mut buffer) {
        received += count;
    }
    assert!((1..MOST).contains(&received), "{received} bytes");
    peer.shutdown(Shutdown::Both).unwrap();
    assert!(writer.join().unwrap().is_err());
}
