use std::io::ErrorKind;
use std::net::TcpStream as StdStream;
use std::os::fd::AsRawFd;

use super::*;
use crate::net::poll::{Events, Interest, Poller};

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn wait_for(fd: &impl AsFd, interest: Interest) {
    let poller = Poller::new().unwrap();
    poller.add(fd, 0, interest).unwrap();
    let mut events = Events::with_capacity(1);
    while poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap() == 0 {}
}

fn accept(listener: &TcpListener) -> Accepted {
    wait_for(listener, Interest::READ);
    listener.accept().unwrap().expect("a connection waits")
}

#[test]
fn nothing_waiting_is_none() {
    let listener = TcpListener::bind(addr("127.0.0.1:0"), &TcpOptions::default()).unwrap();
    assert!(listener.accept().unwrap().is_none());
}

#[test]
fn bytes_pass_and_the_end_is_seen() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(addr(any), &TcpOptions::default()).unwrap();
        let mut client = StdStream::connect(listener.local_addr()).unwrap();
        let accepted = accept(&listener);
        assert_eq!(accepted.peer, client.local_addr().unwrap());
        assert_eq!(accepted.local, listener.local_addr());
        let mut buffer = [0; 16];
        assert_eq!(accepted.stream.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"ping").unwrap();
        wait_for(&accepted.stream, Interest::READ);
        assert_eq!(accepted.stream.read(&mut buffer).unwrap(), 4);
        let slices = [IoSlice::new(b"po"), IoSlice::new(b"ng")];
        assert_eq!(accepted.stream.write(&slices).unwrap(), 4);
        accepted.stream.shutdown_write().unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"pong");
        drop(client);
        wait_for(&accepted.stream, Interest::READ);
        assert_eq!(accepted.stream.read(&mut buffer).unwrap(), 0);
    }
}

#[test]
fn connections_are_set_up_for_a_relay() {
    let listener = TcpListener::bind(addr("127.0.0.1:0"), &TcpOptions::default()).unwrap();
    let _client = StdStream::connect(listener.local_addr()).unwrap();
    let stream = accept(&listener).stream;
    assert!(stream.socket.tcp_nodelay().unwrap());
    assert!(stream.socket.nonblocking().unwrap());
    assert!(stream.socket.keepalive().unwrap());
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", stream.as_fd().as_raw_fd())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let close_on_exec = i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC;
    assert_ne!(close_on_exec, 0);
    assert_eq!(stream.socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}

#[test]
fn a_wildcard_listener_knows_the_address_a_client_used() {
    let listener = TcpListener::bind(addr("0.0.0.0:0"), &TcpOptions::default()).unwrap();
    let port = listener.local_addr().port();
    let _client = StdStream::connect(("127.0.0.2", port)).unwrap();
    assert_eq!(accept(&listener).local, SocketAddr::new("127.0.0.2".parse().unwrap(), port));
}

#[test]
fn an_ipv6_listener_takes_no_ipv4() {
    let v6 = TcpListener::bind(addr("[::]:0"), &TcpOptions::default()).unwrap();
    let port = v6.local_addr().port();
    let v4 =
        TcpListener::bind(SocketAddr::new("0.0.0.0".parse().unwrap(), port), &TcpOptions::default()).unwrap();
    let _client = StdStream::connect(("127.0.0.1", port)).unwrap();
    assert!(accept(&v4).peer.is_ipv4());
    assert!(v6.accept().unwrap().is_none());
}

#[test]
fn workers_share_a_listeners_port_but_strangers_do_not() {
    let shared = TcpOptions { reuse_port: true, ..TcpOptions::default() };
    let first = TcpListener::bind(addr("127.0.0.1:0"), &shared).unwrap();
    let _second = TcpListener::bind(first.local_addr(), &shared).unwrap();
    let error = TcpListener::bind(first.local_addr(), &TcpOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_relayed_port_belongs_to_one_relay() {
    let options = TcpOptions::default();
    let relay = TcpListener::bind_relay(addr("127.0.0.1:0"), &options).unwrap();
    let error = TcpListener::bind_relay(relay.local_addr(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(relay);
}

#[test]
fn a_relay_listens_and_connects_on_the_same_port() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let options = TcpOptions::default();
        let relay = TcpListener::bind_relay(addr(any), &options).unwrap();
        let peer = TcpListener::bind(addr(any), &options).unwrap();
        let other_peer = TcpListener::bind(addr(any), &options).unwrap();

        let out = TcpStream::connect_from(relay.local_addr(), peer.local_addr(), &options).unwrap();
        let second = TcpStream::connect_from(relay.local_addr(), other_peer.local_addr(), &options).unwrap();
        for (stream, peer) in [(&out, &peer), (&second, &other_peer)] {
            wait_for(stream, Interest::WRITE);
            assert!(stream.connected().unwrap());
            assert_eq!(accept(peer).peer, relay.local_addr());
        }

        let incoming = StdStream::connect(relay.local_addr()).unwrap();
        assert_eq!(accept(&relay).peer, incoming.local_addr().unwrap());

        let again = TcpStream::connect_from(relay.local_addr(), peer.local_addr(), &options).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AddrNotAvailable);

        // The port is still nobody else's.
        assert!(TcpListener::bind_relay(relay.local_addr(), &options).is_err());
    }
}

#[test]
fn a_refused_connection_says_so() {
    let options = TcpOptions::default();
    let relay = TcpListener::bind_relay(addr("127.0.0.1:0"), &options).unwrap();
    let closed = {
        let listener = TcpListener::bind(addr("127.0.0.1:0"), &options).unwrap();
        listener.local_addr()
    };
    let error = match TcpStream::connect_from(relay.local_addr(), closed, &options) {
        Ok(stream) => {
            wait_for(&stream, Interest::WRITE);
            stream.connected().unwrap_err()
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_tos_of_an_accepted_connection_can_be_read() {
    for (any, v6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
        let listener = TcpListener::bind(addr(any), &TcpOptions::default()).unwrap();
        let client = Socket::new(Domain::for_address(addr(any)), Type::STREAM, None).unwrap();
        if v6 {
            client.set_tclass_v6(0xb8).unwrap();
        } else {
            client.set_tos_v4(0xb8).unwrap();
        }
        client.connect(&listener.local_addr().into()).unwrap();
        let accepted = accept(&listener);
        assert_eq!(accepted.stream.received_tos(), Some(0xb8), "{any}");
        accepted.stream.set_dscp(46).unwrap();
    }
}

#[test]
fn a_connection_knows_its_round_trip() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(addr(any), &TcpOptions::default()).unwrap();
        let _client = StdStream::connect(listener.local_addr()).unwrap();
        // The handshake is the first round trip.
        let found = accept(&listener).stream.round_trip().unwrap();
        assert!(found < Duration::from_secs(10), "{found:?}");
    }
}

#[test]
fn an_aborted_connection_is_reset() {
    let listener = TcpListener::bind(addr("127.0.0.1:0"), &TcpOptions::default()).unwrap();
    let mut client = StdStream::connect(listener.local_addr()).unwrap();
    accept(&listener).stream.abort();
    let error = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
