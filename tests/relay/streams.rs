//! Clients over TCP.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tern::route::Transport;
use tern::wire::stun::Method;
use tern::worker::{DscpPolicy, ListenerSettings, Prefix};

use crate::client::{Client, Probe, connect, exchange, peer, receive, receives_nothing};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const CHANNEL: u16 = 0x4001;

#[test]
fn a_tcp_client_is_served_on_both_families() {
    let relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    exchange(&mut Client::tcp(relay.v4(Transport::Tcp)), V4);
    exchange(&mut Client::tcp(relay.v6(Transport::Tcp)), V6);
}

#[test]
fn messages_may_come_byte_by_byte_or_many_at_once() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    let frame = [0x40, 1, 0, 1, 0xaa, 0, 0, 0];
    for byte in frame {
        client.send_bytes(&[byte]);
    }
    assert_eq!(receive(&peer).0, [0xaa]);
    client.send_bytes(&[frame, frame, frame].concat());
    for _ in 0..3 {
        assert_eq!(receive(&peer).0, [0xaa]);
    }
}

#[test]
fn media_of_a_stream_leaves_with_the_configured_dscp_and_no_ecn() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.media.stream_dscp = DscpPolicy::Fixed(46);
    setup.worker.media.hop_limit = 33;
    let relay = setup.start();
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let peer = Probe::new(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr());
    client.send_channel(CHANNEL, b"x");
    let meta = peer.receive();
    assert_eq!((meta.tos, meta.ttl), (46 << 2, 33));
}

/// A stopping worker waits half a second for readers that are slow, but for nobody new.
#[test]
fn a_relay_that_stops_lets_nobody_in_while_it_says_goodbye() {
    let mut relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    let (tcp, udp) = (relay.v4(Transport::Tcp), relay.v4(Transport::Udp));
    let mut slow = Client::tcp(tcp);
    let flood = peer(V4);
    let relayed = slow.allocate();
    slow.bind(CHANNEL, flood.local_addr().unwrap());
    // Until the system's buffers are full and something waits for this reader.
    while relay.lost("slow_reader") == 0 {
        flood.send_to(&[1; 8 * 1024], relayed).unwrap();
    }
    let mailbox = peer(V4);
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    relay.server.begin_stop();
    relay.wait_for("the goodbye", |relay| relay.server.counters().value("released", "operator") == 1);
    assert!(TcpStream::connect(tcp).is_err());
    mailbox.send_to(&request, udp).unwrap();
    assert!(receives_nothing(&mailbox));
    relay.server.stop();
}

/// A connection whose segments carry `tos` from the first on.
fn connect_marked(server: SocketAddr, tos: u32) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).unwrap();
    if server.is_ipv6() {
        socket.set_tclass_v6(tos).unwrap();
    } else {
        socket.set_tos_v4(tos).unwrap();
    }
    socket.connect(&server.into()).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket.into()
}

#[test]
fn media_of_a_stream_leaves_as_its_client_has_marked_the_connection() {
    let relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    for (server, ip) in [(relay.v4(Transport::Tcp), V4), (relay.v6(Transport::Tcp), V6)] {
        // EF; AF41 with ECT(0), which is the connection's own and not the media's; nothing.
        for (tos, expected) in [(46 << 2, 46 << 2), (34 << 2 | 2, 34 << 2), (0, 0)] {
            let mut client = Client::stream(connect_marked(server, tos));
            let peer = Probe::new(ip);
            client.allocate();
            client.bind(CHANNEL, peer.local_addr());
            client.send_channel(CHANNEL, b"x");
            assert_eq!(peer.receive().tos, expected, "{ip} {tos:#x}");
        }
    }
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    client.allocate();
    drop(client);
    relay.wait_for("the end", |relay| relay.server.counters().value("released", "disconnected") == 1);
    relay.wait_for("no connection", |relay| relay.server.counters().value("connections", "") == 0);
}

#[test]
fn a_misframed_stream_is_closed_and_counted() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    client.send_bytes(b"GET / HTTP/1.1\r\n\r\n");
    assert!(client.receive_within(Duration::from_secs(5)).is_none());
    assert_eq!(relay.lost("misframed"), 1);
}

#[test]
fn a_strangers_long_message_is_not_waited_for() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    client.send_bytes(&[0x40, 0, 0xff, 0xff]);
    assert!(client.receive_within(Duration::from_secs(5)).is_none());
    assert_eq!(relay.lost("misframed"), 1);
}

#[test]
fn a_silent_connection_is_closed() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.first_message = Duration::from_millis(50);
    let relay = setup.start();
    let mut silent = connect(relay.v4(Transport::Tcp));
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(relay.lost("handshake_timeout"), 1);
}

#[test]
fn an_idle_connection_is_closed_and_one_with_an_allocation_is_not() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.idle = Duration::from_millis(100);
    let relay = setup.start();
    let mut busy = Client::tcp(relay.v4(Transport::Tcp));
    busy.allocate();
    let mut idle = Client::tcp(relay.v4(Transport::Tcp));
    idle.request(Method::BINDING, |_| {});
    assert!(idle.receive_within(Duration::from_secs(5)).is_none());
    relay.wait_for("the count", |relay| relay.lost("idle") == 1);
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(busy.refresh(600).code(), None);
}

#[test]
fn one_source_holds_so_many_connections_without_an_allocation() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.per_source = 2;
    let relay = setup.start();
    let mut first = Client::tcp(relay.v4(Transport::Tcp));
    let mut second = Client::tcp(relay.v4(Transport::Tcp));
    first.request(Method::BINDING, |_| {});
    second.request(Method::BINDING, |_| {});
    let mut third = connect(relay.v4(Transport::Tcp));
    assert_eq!(third.read(&mut [0; 1]).unwrap_or(0), 0);
    relay.wait_for("the count", |relay| relay.lost("source_limit") == 1);
    // One that has an allocation does not count.
    first.allocate();
    let mut fourth = Client::tcp(relay.v4(Transport::Tcp));
    assert_eq!(fourth.request(Method::BINDING, |_| {}).code(), None);
}

#[test]
fn a_connection_whose_allocation_has_ended_counts_again() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.per_source = 2;
    let relay = setup.start();
    let mut clients: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = Client::tcp(relay.v4(Transport::Tcp));
            client.allocate();
            client
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.refresh(0).code(), None);
    }
    // The third is one too many: it gets its answer, and no more.
    assert_eq!(clients[2].receive_within(Duration::from_secs(5)), None);
    relay.wait_for("the end", |relay| relay.server.counters().value("connections", "") == 2);
    assert_eq!(clients[1].request(Method::BINDING, |_| {}).code(), None);
}

#[test]
fn there_are_so_many_connections_in_all() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.connections = 1;
    let relay = setup.start();
    let mut first = Client::tcp(relay.v4(Transport::Tcp));
    first.request(Method::BINDING, |_| {});
    let mut second = connect(relay.v4(Transport::Tcp));
    assert_eq!(second.read(&mut [0; 1]).unwrap_or(0), 0);
    relay.wait_for("the count", |relay| relay.lost("connection_limit") == 1);
}

#[test]
fn a_slow_reader_costs_bounded_memory_and_nobody_else_anything() {
    let mut setup = Setup::new(&[Transport::Udp, Transport::Tcp]);
    setup.worker.streams.queue_bytes = 64 * 1024;
    let relay = setup.start();
    let mut slow = Client::tcp(relay.v4(Transport::Tcp));
    let mut other = Client::udp(relay.v4(Transport::Udp));
    let (flood, friend) = (peer(V4), peer(V4));
    let relayed = slow.allocate();
    slow.bind(CHANNEL, flood.local_addr().unwrap());
    other.allocate();
    other.bind(CHANNEL, friend.local_addr().unwrap());
    // The system's own buffers take some megabytes before the queue here is of any use.
    let chunk = vec![1; 8 * 1024];
    for round in 0..100_000 {
        flood.send_to(&chunk, relayed).unwrap();
        if round % 16 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
        if round % 256 == 0 {
            other.send_channel(CHANNEL, b"still served");
            assert_eq!(receive(&friend).0, b"still served");
            if relay.lost("slow_reader") > 100 {
                break;
            }
        }
    }
    assert!(relay.lost("slow_reader") > 100);
    // What was kept is whole: the stream has not lost its framing.
    for _ in 0..50 {
        slow.expect_channel(CHANNEL, &chunk);
    }
}

#[test]
fn a_proxy_tells_who_the_client_is() {
    for header in [
        b"PROXY TCP4 198.51.100.7 203.0.113.1 1234 3478\r\n".to_vec(),
        [
            &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
            &[198, 51, 100, 7, 203, 0, 113, 1],
            &1234u16.to_be_bytes(),
            &3478u16.to_be_bytes(),
        ]
        .concat(),
    ] {
        let relay = behind_proxy(&[Transport::Tcp]);
        let mut client = Client::tcp(relay.v4(Transport::Tcp));
        client.send_bytes(&header);
        let answer = client.request(Method::BINDING, |_| {});
        assert_eq!(answer.mapped(), "198.51.100.7:1234".parse().unwrap());
        exchange(&mut client, V4);
    }
}

#[test]
fn a_proxy_without_its_header_is_refused_and_a_header_from_others_too() {
    let relay = behind_proxy(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    client.send_bytes(&[0, 1, 0, 0]);
    assert!(client.receive_within(Duration::from_secs(5)).is_none());
    assert_eq!(relay.lost("proxy_header"), 1);
    let open = Relay::with(&[Transport::Tcp]);
    let mut liar = Client::tcp(open.v4(Transport::Tcp));
    liar.send_bytes(b"PROXY TCP4 198.51.100.7 203.0.113.1 1234 3478\r\n");
    assert!(liar.receive_within(Duration::from_secs(5)).is_none());
    assert_eq!(open.lost("misframed"), 1);
}

pub(crate) fn behind_proxy(transports: &[Transport]) -> Relay {
    let mut setup = Setup::new(transports);
    for listener in &mut setup.worker.listeners {
        let ListenerSettings { proxy_sources, .. } = listener;
        proxy_sources.push(Prefix::single(V4));
    }
    setup.start()
}
