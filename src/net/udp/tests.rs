//! Real sockets on loopback.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::net::poll::{Events, Interest, Poller};

#[path = "merging_tests.rs"]
mod merging;
#[path = "train_tests.rs"]
mod trains;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn relay(text: &str) -> UdpSocket {
    UdpSocket::bind_relay(addr(text), &UdpOptions::default()).unwrap()
}

fn listener(text: &str) -> UdpSocket {
    UdpSocket::bind_listener(addr(text), &UdpOptions::default()).unwrap()
}

/// Loopback delivers within the sending call, but another core may do it: wait, for as long as it takes.
fn wait_for(socket: &UdpSocket) {
    let poller = Poller::new().unwrap();
    poller.add(socket, 0, Interest::READ).unwrap();
    let mut events = Events::with_capacity(1);
    let count = poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap();
    assert_eq!(count, 1, "nothing came");
}

fn receive(socket: &UdpSocket, batch: &mut Batch) -> usize {
    wait_for(socket);
    socket.recv_batch(batch).unwrap()
}

fn payload(batch: &mut Batch, index: usize) -> Vec<u8> {
    let packet = batch.packet(index).unwrap();
    packet.buffer[packet.payload].to_vec()
}

fn send_one(socket: &UdpSocket, header: SendHeader, bytes: &[u8]) -> SendStats {
    let mut out = SendBatch::new(1);
    assert!(out.push(socket, header, Payload::Copy(bytes)));
    SendStats { calls: 0, ..out.flush(&Batch::new(1)) }
}

const SENT: SendStats =
    SendStats { sent: 1, coupled: 0, calls: 0, full: 0, too_long: 0, unreachable: 0, refused: 0 };

#[test]
fn a_batch_comes_back_in_order_with_headers_put_before_each_payload() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (server, client) = (listener(any), relay(any));
        let mut batch = Batch::new(8);
        let mut out = SendBatch::new(64);
        for number in 0..20u8 {
            let header = SendHeader::to(server.local_addr());
            assert!(out.push(&client, header, Payload::Copy(&[number; 100])));
        }
        assert_eq!(out.flush(&batch).sent, 20);
        assert!(out.is_empty());

        let mut seen = 0;
        while seen < 20 {
            let count = receive(&server, &mut batch);
            assert!(count <= 8);
            for index in 0..count {
                let packet = batch.packet(index).unwrap();
                assert_eq!(packet.meta.source, client.local_addr());
                assert_eq!(packet.meta.destination, server.local_addr().ip());
                assert_eq!(packet.meta.timestamp, None);
                assert_eq!(packet.buffer[packet.payload.clone()], [seen; 100]);
                assert_eq!(packet.payload.start, HEADROOM);
                assert!(packet.buffer.len() >= packet.payload.end + TAILROOM);
                let range = packet.payload.start - 4..packet.payload.end + 1;
                packet.buffer[range.start..packet.payload.start].copy_from_slice(b"HEAD");
                packet.buffer[packet.payload.end] = b'T';
                seen += 1;
                let to = SendHeader::to(client.local_addr());
                assert!(out.push(&server, to, Payload::Slot { index, range }));
            }
            assert_eq!(out.flush(&batch).sent, count as u64);
        }
        assert!(batch.packet(8).is_none());

        let mut back = 0;
        while back < 20 {
            for index in 0..receive(&client, &mut batch) {
                let bytes = payload(&mut batch, index);
                assert_eq!(bytes.len(), 105);
                assert_eq!((&bytes[..4], bytes[4], bytes[104]), (&b"HEAD"[..], back, b'T'));
                back += 1;
            }
        }
    }
}

#[test]
fn datagrams_of_several_sockets_share_a_batch_and_leave_through_several() {
    let sockets: Vec<_> = (0..5).map(|_| relay("127.0.0.1:0")).collect();
    let (client, server) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    for (number, socket) in (0u8..).zip(&sockets) {
        let to = SendHeader::to(socket.local_addr());
        (0..=number).for_each(|_| assert_eq!(send_one(&client, to, &[number; 9]), SENT));
    }
    let (mut batch, mut out) = (Batch::new(16), SendBatch::new(16));
    let mut held = 0;
    for (number, socket) in (0u8..).zip(&sockets) {
        wait_for(socket);
        let range = socket.recv_more(&mut batch, 4).unwrap();
        let count = usize::from(number + 1).min(4);
        assert_eq!((range.clone(), batch.len()), (held..held + count, held + count));
        held += count;
        for index in range {
            let packet = batch.packet(index).unwrap();
            assert_eq!(packet.meta.source, client.local_addr());
            let range = packet.payload.start - 1..packet.payload.end;
            packet.buffer[range.start] = b'H';
            let through = if index % 2 == 0 { socket } else { &client };
            assert!(out.push(through, SendHeader::to(server.local_addr()), Payload::Slot { index, range }));
        }
    }
    assert_eq!((held, batch.free()), (14, 2));
    assert_eq!(sockets[4].recv_more(&mut batch, 9).unwrap(), 14..15, "what was left before");
    assert_eq!(sockets[4].recv_more(&mut batch, 9).unwrap(), 15..15);
    assert_eq!(out.flush(&batch).sent, 14);
    batch.clear();
    assert_eq!((batch.len(), batch.free()), (0, 16));
    assert!(batch.packet(0).is_none());

    let mut seen = Vec::new();
    while seen.len() < 14 {
        let range = 0..receive(&server, &mut batch);
        seen.extend(range.map(|index| payload(&mut batch, index)));
    }
    let expected = [0u8, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4].map(|number| {
        let mut bytes = vec![number; 10];
        bytes[0] = b'H';
        bytes
    });
    assert_eq!(seen, expected);
}

#[test]
fn a_socket_is_asked_for_what_it_usually_has() {
    let (a, b) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    let mut batch = Batch::new(64);
    let mut most = 0;
    for _ in 0..6 {
        let mut out = SendBatch::new(64);
        // None like the other: what is alike would come merged.
        for length in [5, 6, 7, 8, 5, 6, 7, 8] {
            assert!(out.push(&a, SendHeader::to(b.local_addr()), Payload::Copy(&[1; 8][..length])));
        }
        assert_eq!(out.flush(&batch).sent, 8);
        let mut received = 0;
        while received < 8 {
            wait_for(&b);
            batch.clear();
            let count = b.recv_usual(&mut batch).unwrap().len();
            (received, most) = (received + count, most.max(count));
        }
    }
    assert!(most >= 4);
    for _ in 0..30 {
        assert_eq!(send_one(&a, SendHeader::to(b.local_addr()), b"x"), SENT);
        wait_for(&b);
        batch.clear();
        assert_eq!(b.recv_usual(&mut batch).unwrap(), 0..1);
    }
    assert!(b.expects() <= 2);
}

#[test]
fn nothing_waiting_is_no_packet() {
    let socket = relay("127.0.0.1:0");
    let mut batch = Batch::new(2);
    assert_eq!(socket.recv_batch(&mut batch).unwrap(), 0);
    assert!(batch.is_empty() && batch.packet(0).is_none());
    assert_eq!(socket.recv_error().unwrap(), None);
}

#[test]
fn what_is_usual_on_a_socket_changes_nothing_for_what_is_not() {
    let (voice, video) = ((0xb8, Some(63)), (0x8a, Some(17)));
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (relay(any), listener(any));
        let mut batch = Batch::new(4);
        let to = SendHeader::to(b.local_addr());
        // Long enough for voice to become the socket's options, then video, each time with others in between.
        let script = [
            vec![voice; 20],
            vec![(0, None), (0xb8, Some(9)), voice, (3, None)],
            vec![video; 20],
            vec![(0, None), voice, (0x8a, None), video],
        ];
        for (tos, ttl) in script.concat() {
            assert_eq!(send_one(&a, SendHeader { tos, ttl, ..to }, b"x"), SENT);
            assert_eq!(receive(&b, &mut batch), 1);
            let meta = batch.packet(0).unwrap().meta;
            assert_eq!((meta.tos, meta.ttl), (tos, ttl.unwrap_or(64)), "{any}");
        }
    }
}

#[test]
fn tos_and_hop_limit_arrive_as_they_were_sent() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (relay(any), listener(any));
        let mut batch = Batch::new(4);
        let to = SendHeader::to(b.local_addr());
        for (tos, ttl) in [(0xb8, Some(17)), (0x03, None), (0, Some(255)), (0, None), (0xff, Some(1))] {
            assert_eq!(send_one(&a, SendHeader { tos, ttl, ..to }, b"x"), SENT);
            assert_eq!(receive(&b, &mut batch), 1);
            let meta = batch.packet(0).unwrap().meta;
            assert_eq!(meta.tos, tos, "{any}");
            assert_eq!(meta.ttl, ttl.unwrap_or(64), "{any}");
        }
    }
}

#[test]
fn headers_differ_within_one_batch() {
    let (a, b) = (relay("127.0.0.1:0"), listener("127.0.0.1:0"));
    let mut out = SendBatch::new(4);
    for tos in [0u8, 0x20, 0x40] {
        let header = SendHeader { tos, ttl: Some(tos / 4 + 9), ..SendHeader::to(b.local_addr()) };
        assert!(out.push(&a, header, Payload::Copy(&[tos])));
    }
    let mut batch = Batch::new(4);
    assert_eq!(out.flush(&batch).sent, 3);
    for _ in 0..3 {
        wait_for(&b);
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        for index in 0..receive(&b, &mut batch) {
            let packet = batch.packet(index).unwrap();
            seen.push((packet.buffer[packet.payload.start], packet.meta.tos, packet.meta.ttl));
        }
    }
    assert_eq!(seen, [(0, 0, 9), (0x20, 0x20, 17), (0x40, 0x40, 25)]);
}

#[test]
fn a_wildcard_socket_tells_and_uses_the_address_a_client_sent_to() {
    let server = listener("0.0.0.0:0");
    let client = relay("127.0.0.1:0");
    let mut batch = Batch::new(1);
    for used in ["127.0.0.2", "127.0.0.1"] {
        let used: IpAddr = used.parse().unwrap();
        let to = SocketAddr::new(used, server.local_addr().port());
        assert_eq!(send_one(&client, SendHeader::to(to), b"ask"), SENT);
        assert_eq!(receive(&server, &mut batch), 1);
        assert_eq!(batch.packet(0).unwrap().meta.destination, used);
        let answer = SendHeader { source: Some(used), ..SendHeader::to(client.local_addr()) };
        assert_eq!(send_one(&server, answer, b"answer"), SENT);
        assert_eq!(receive(&client, &mut batch), 1);
        assert_eq!(batch.packet(0).unwrap().meta.source, to);
    }
}

#[test]
fn an_ipv6_wildcard_socket_tells_the_address_and_takes_no_ipv4() {
    let server = listener("[::]:0");
    let client = relay("[::1]:0");
    let mut batch = Batch::new(1);
    let used: IpAddr = "::1".parse().unwrap();
    let to = SocketAddr::new(used, server.local_addr().port());
    assert_eq!(send_one(&client, SendHeader::to(to), b"ask"), SENT);
    assert_eq!(receive(&server, &mut batch), 1);
    assert_eq!(batch.packet(0).unwrap().meta.destination, used);
    let answer = SendHeader { source: Some(used), ..SendHeader::to(client.local_addr()) };
    assert_eq!(send_one(&server, answer, b"answer"), SENT);
    assert_eq!(receive(&client, &mut batch), 1);

    // The IPv4 side of the same port is somebody else's.
    let v4 = SocketAddr::new("0.0.0.0".parse().unwrap(), server.local_addr().port());
    UdpSocket::bind_listener(v4, &UdpOptions::default()).unwrap();
}

#[test]
fn timestamps_come_when_asked_for() {
    let options = UdpOptions { timestamps: true, ..UdpOptions::default() };
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let socket = UdpSocket::bind_listener(addr(any), &options).unwrap();
        let before = crate::clock::Clock::new().read().now;
        assert_eq!(send_one(&socket, SendHeader::to(socket.local_addr()), b"x"), SENT);
        let mut batch = Batch::new(1);
        assert_eq!(receive(&socket, &mut batch), 1);
        let after = crate::clock::Clock::new().read();
        let arrival = after.arrival(batch.packet(0).unwrap().meta.timestamp.unwrap());
        assert!(before.time <= arrival + Duration::from_secs(1) && arrival <= after.now.time);
    }
}

#[test]
fn a_datagram_of_any_size_passes_whole() {
    for (any, longest) in [("127.0.0.1:0", 65_507), ("[::1]:0", 65_527)] {
        let (a, b) = (relay(any), relay(any));
        let mut batch = Batch::new(4);
        for length in [0, 1, 1_500, 2_047, 2_048, 2_049, 9_000, longest] {
            let bytes: Vec<u8> = (0..251).cycle().take(length).collect();
            assert_eq!(send_one(&a, SendHeader::to(b.local_addr()), &bytes), SENT, "{length} over {any}");
            assert_eq!(receive(&b, &mut batch), 1);
            assert!(payload(&mut batch, 0) == bytes, "{length} over {any}");
        }
        let long = vec![0; longest + 1];
        let stats = send_one(&a, SendHeader::to(b.local_addr()), &long);
        assert_eq!(stats, SendStats { too_long: 1, ..SendStats::default() });
        assert_eq!(send_one(&a, SendHeader::to(b.local_addr()), b"still alive"), SENT);
    }
}

#[test]
fn a_closed_port_is_reported_with_its_peer() {
    for (any, kind, code) in [("127.0.0.1:0", 3, 3), ("[::1]:0", 1, 4)] {
        let socket = relay(any);
        let alive = relay(any);
        let dead: Vec<_> = (0..2).map(|_| relay(any).local_addr()).collect();
        for peer in &dead {
            send_one(&socket, SendHeader::to(*peer), b"anyone?");
        }

        let poller = Poller::new().unwrap();
        poller.add(&socket, 5, Interest::READ).unwrap();
        let mut events = Events::with_capacity(1);
        let mut reports = Vec::new();
        while reports.len() < 2 {
            assert_eq!(poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap(), 1);
            assert!(events.iter().next().unwrap().error);
            while let Some(report) = socket.recv_error().unwrap() {
                reports.push(report);
            }
        }
        for (report, peer) in reports.iter().zip(&dead) {
            let icmp = IcmpError { kind, code, data: 0 };
            assert_eq!(*report, PeerError { peer: *peer, icmp, remote: true });
        }
        assert_eq!(poller.wait(&mut events, Some(Duration::ZERO)).unwrap(), 0, "the poller sleeps again");

        // And the socket serves its other peers as before.
        assert_eq!(send_one(&socket, SendHeader::to(alive.local_addr()), b"hello"), SENT);
        let mut batch = Batch::new(1);
        assert_eq!(receive(&alive, &mut batch), 1);
    }
}

#[test]
fn an_error_that_waits_costs_neither_a_datagram_nor_a_receive() {
    let (socket, alive) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    let dead = relay("127.0.0.1:0").local_addr();
    let mut out = SendBatch::new(64);
    for _ in 0..8 {
        assert!(out.push(&socket, SendHeader::to(dead), Payload::Copy(b"anyone?")));
        assert!(out.push(&socket, SendHeader::to(alive.local_addr()), Payload::Copy(b"hello")));
    }
    let mut batch = Batch::new(32);
    let stats = out.flush(&batch);
    assert_eq!(stats.sent + stats.unreachable, 16);
    let mut count = 0;
    while count < 8 {
        count += receive(&alive, &mut batch);
    }
    send_one(&socket, SendHeader::to(dead), b"anyone?");
    assert_eq!(send_one(&alive, SendHeader::to(socket.local_addr()), b"back"), SENT);
    while receive(&socket, &mut batch) == 0 {}
    assert_eq!(payload(&mut batch, 0), b"back");
}

#[test]
fn dont_fragment_concerns_only_its_own_datagram() {
    for (any, kind, code) in [("127.0.0.1:0", 3, 4), ("[::1]:0", 2, 0)] {
        // Loopback takes packets of 65,536 bytes (65,535 on IPv4, which knows no longer ones): the longest payload of
        // IPv6 does not fit with its headers of 48 bytes; on IPv4 it is too long for UDP.
        let (a, b) = (relay(any), relay(any));
        let mut batch = Batch::new(4);
        let to = SendHeader::to(b.local_addr());
        let strict = SendHeader { dont_fragment: true, ..to };
        let long = vec![7; 65_527];
        let mut out = SendBatch::new(8);
        assert!(out.push(&a, strict, Payload::Copy(&long)));
        assert!(out.push(&a, strict, Payload::Copy(b"short, strict")));
        assert!(out.push(&a, to, Payload::Copy(b"plain")));
        let stats = out.flush(&batch);
        assert_eq!((stats.sent, stats.too_long), (2, 1), "{any}");

        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(
                (0..receive(&b, &mut batch)).collect::<Vec<_>>().into_iter().map(|i| payload(&mut batch, i)),
            );
        }
        assert_eq!(seen, [b"short, strict".to_vec(), b"plain".to_vec()]);

        // The refusal is in the error queue like a router's, once.
        let icmp = IcmpError { kind, code, data: if any.starts_with('[') { 65_536 } else { 65_535 } };
        let refusal = PeerError { peer: b.local_addr(), icmp, remote: false };
        assert_eq!(a.recv_error().unwrap(), Some(refusal));
        assert_eq!(a.recv_error().unwrap(), None);
        if a.local_addr().is_ipv6() {
            assert_eq!(send_one(&a, to, &long), SENT, "without DONT-FRAGMENT it is sent in pieces");
            assert_eq!(receive(&b, &mut batch), 1);
            assert_eq!(payload(&mut batch, 0).len(), long.len());
        }
        assert_eq!(a.recv_error().unwrap(), None);
    }
}

#[test]
fn destinations_that_cannot_be_sent_to_are_counted_and_survived() {
    let (a, b) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    let mut out = SendBatch::new(8);
    for text in ["127.0.0.1:0", "255.255.255.255:9", "[::1]:9"] {
        assert!(out.push(&a, SendHeader::to(addr(text)), Payload::Copy(b"x")));
    }
    assert!(out.push(&a, SendHeader::to(b.local_addr()), Payload::Copy(b"y")));
    let mut batch = Batch::new(1);
    let stats = out.flush(&batch);
    assert_eq!(stats.sent, 1, "{stats:?}");
    assert_eq!(stats.refused + stats.unreachable, 3, "{stats:?}");
    assert_eq!(receive(&b, &mut batch), 1);
}

#[test]
fn a_full_batch_takes_no_more() {
    let a = relay("127.0.0.1:0");
    let mut out = SendBatch::new(2);
    let to = SendHeader::to(a.local_addr());
    assert!(out.push(&a, to, Payload::Copy(b"1")));
    assert!(out.push(&a, to, Payload::Copy(b"2")));
    assert!(out.is_full());
    assert!(!out.push(&a, to, Payload::Copy(b"3")));
    assert_eq!(out.flush(&Batch::new(1)).sent, 2);
}

#[test]
fn a_socket_dropped_before_the_flush_still_sends() {
    let b = relay("127.0.0.1:0");
    let a = relay("127.0.0.1:0");
    let from = a.local_addr();
    let mut out = SendBatch::new(2);
    assert!(out.push(&a, SendHeader::to(b.local_addr()), Payload::Copy(b"bye")));
    drop(a);
    let mut batch = Batch::new(1);
    assert_eq!(out.flush(&batch).sent, 1);
    assert_eq!(receive(&b, &mut batch), 1);
    assert_eq!(batch.packet(0).unwrap().meta.source, from);
}

#[test]
fn lost_datagrams_are_counted_by_the_kernel() {
    let options = UdpOptions { receive_buffer: Some(1), ..UdpOptions::default() };
    let server = UdpSocket::bind_listener(addr("127.0.0.1:0"), &options).unwrap();
    let client = relay("127.0.0.1:0");
    let mut out = SendBatch::new(1000);
    for _ in 0..1000 {
        out.push(&client, SendHeader::to(server.local_addr()), Payload::Copy(&[0; 500]));
    }
    let mut batch = Batch::new(64);
    assert_eq!(out.flush(&batch).sent, 1000);
    let mut received = receive(&server, &mut batch);
    loop {
        let count = server.recv_batch(&mut batch).unwrap();
        if count == 0 {
            break;
        }
        received += count;
    }
    // The counter travels with the first datagram that comes after the loss.
    assert_eq!(send_one(&client, SendHeader::to(server.local_addr()), b"x"), SENT);
    assert_eq!(receive(&server, &mut batch), 1);
    assert_eq!(batch.overflow().map(|lost| lost as usize), Some(1000 - received));
}

#[test]
fn ports_are_shared_only_where_asked_for() {
    let shared = UdpOptions { reuse_port: true, ..UdpOptions::default() };
    let first = UdpSocket::bind_listener(addr("127.0.0.1:0"), &shared).unwrap();
    let at = first.local_addr();
    UdpSocket::bind_listener(at, &shared).unwrap();
    assert_eq!(UdpSocket::bind_relay(at, &shared).unwrap_err().kind(), ErrorKind::AddrInUse);
    let relayed = relay("127.0.0.1:0");
    let again = UdpSocket::bind_relay(relayed.local_addr(), &UdpOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    let elsewhere = UdpSocket::bind_relay(addr("192.0.2.1:0"), &UdpOptions::default());
    assert_eq!(elsewhere.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
}

#[test]
fn buffers_are_as_large_as_asked() {
    let options =
        UdpOptions { receive_buffer: Some(100_000), send_buffer: Some(50_000), ..UdpOptions::default() };
    let socket = UdpSocket::bind_listener(addr("127.0.0.1:0"), &options).unwrap();
    assert_eq!(socket.receive_buffer().unwrap(), 200_000, "Linux doubles what is asked for");
}
