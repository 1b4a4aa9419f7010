//! Trains: what leaves as one message arrives as if each datagram had been sent by itself.

use std::os::fd::AsFd;

use super::*;
use crate::net::sys::option;

/// What a receiver sees of a datagram.
type Seen = (SocketAddr, u8, u8, Vec<u8>);

/// Sends everything from one socket, all at once or one by one, and returns what each receiver sees.
fn seen(sent: &[(SendHeader, Vec<u8>)], from: &UdpSocket, to: &[UdpSocket], at_once: bool) -> Vec<Vec<Seen>> {
    let mut batch = Batch::new(64);
    let mut out = SendBatch::new(1024);
    let mut stats = SendStats::default();
    for (header, bytes) in sent {
        assert!(out.push(from, *header, Payload::Copy(bytes)));
        if !at_once {
            stats.add(out.flush(&batch));
        }
    }
    stats.add(out.flush(&batch));
    assert_eq!((stats.sent, stats.coupled > 0), (sent.len() as u64, at_once), "{stats:?}");
    let expected = |socket: &UdpSocket| {
        sent.iter().filter(|(header, _)| header.destination == socket.local_addr()).count()
    };
    let receive_all = |socket: &UdpSocket| {
        let mut seen = Vec::new();
        while seen.len() < expected(socket) {
            for index in 0..receive(socket, &mut batch) {
                let meta = batch.packet(index).unwrap().meta;
                seen.push((meta.source, meta.tos, meta.ttl, payload(&mut batch, index)));
            }
        }
        seen
    };
    to.iter().map(receive_all).collect()
}

fn lengths(lengths: &[usize]) -> Vec<Vec<u8>> {
    let bytes = |(position, length): (u8, &usize)| {
        (0..=u8::MAX).cycle().skip(usize::from(position) * 3).take(*length).collect()
    };
    (0..).zip(lengths).map(bytes).collect()
}

fn coupled(socket: &UdpSocket, header: SendHeader, payloads: &[Vec<u8>]) -> SendStats {
    let mut out = SendBatch::new(1024);
    for bytes in payloads {
        assert!(out.push(socket, header, Payload::Copy(bytes)));
    }
    out.flush(&Batch::new(1))
}

#[test]
fn trains_arrive_like_single_datagrams() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (from, to) = (relay(any), [listener(any), listener(any)]);
        let same = |sent: &[(SendHeader, Vec<u8>)]| {
            let one_by_one = seen(sent, &from, &to, false);
            assert!(seen(sent, &from, &to, true) == one_by_one, "{any}");
        };
        for sizes in [
            &[1200; 8][..],
            &[1200, 1200, 700, 700, 9],
            &[5, 6, 7, 7, 6, 6, 6],
            &[0, 0, 3, 3, 0, 3, 0],
            &[1; 130],
            &[30_000, 30_000, 30_000],
        ] {
            let to = |position| SendHeader::to(to[usize::from(position == 4)].local_addr());
            let sent = lengths(sizes).into_iter().enumerate();
            let sent: Vec<_> =
                sent.map(|(at, bytes)| (SendHeader { ttl: Some(17), ..to(at) }, bytes)).collect();
            same(&sent);
        }
        let marked = [(0, 64), (1, 64), (1, 64), (1, 9), (0xb8, 9), (0xb8, 9)].into_iter();
        let header = |(tos, ttl)| SendHeader { tos, ttl: Some(ttl), ..SendHeader::to(to[0].local_addr()) };
        same(&marked.map(header).zip(lengths(&[160; 6])).collect::<Vec<_>>());
    }
}

#[test]
fn only_neighbours_of_one_flow_are_coupled() {
    let (a, b) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    let to = SendHeader::to(b.local_addr());
    let train = SendStats { sent: 9, coupled: 9, calls: 1, ..SendStats::default() };
    assert_eq!(coupled(&a, to, &lengths(&[100, 100, 100, 100, 100, 100, 100, 100, 7])), train);
    assert_eq!(
        coupled(&a, to, &lengths(&[7, 100, 100, 7, 7])).coupled,
        3,
        "7, then two and their end, then 7"
    );
    assert_eq!(coupled(&a, to, &lengths(&[1; 130])).coupled, 130, "trains of 64, 64 and 2");
    assert_eq!(coupled(&a, to, &lengths(&[1; 65])).coupled, 64);
    assert_eq!(coupled(&a, to, &lengths(&[30_000; 3])).coupled, 2, "no more than an IP packet takes");
    assert_eq!(coupled(&a, to, &lengths(&[0, 0, 0])).coupled, 0);
    let strict = SendHeader { dont_fragment: true, ..to };
    assert_eq!(
        coupled(&a, strict, &lengths(&[9, 9, 9])),
        SendStats { sent: 3, calls: 1, ..SendStats::default() }
    );

    let others = [
        SendHeader { tos: 2, ..to },
        SendHeader { ttl: Some(3), ..to },
        SendHeader { source: Some(b.local_addr().ip()), ..to },
        SendHeader::to(a.local_addr()),
        strict,
    ];
    for other in others {
        let mut out = SendBatch::new(8);
        for header in [to, other, to] {
            assert!(out.push(&a, header, Payload::Copy(b"x")));
        }
        let stats = out.flush(&Batch::new(1));
        assert_eq!((stats.sent, stats.coupled), (3, 0), "{other:?}");
    }
    let mut out = SendBatch::new(8);
    for socket in [&a, &b, &a] {
        assert!(out.push(socket, to, Payload::Copy(b"x")));
    }
    let stats = out.flush(&Batch::new(1));
    assert_eq!((stats.sent, stats.coupled, stats.calls), (3, 0, 3));
}

#[test]
fn a_wildcard_sockets_trains_come_from_the_address_that_was_asked() {
    for (any, client) in [("0.0.0.0:0", "127.0.0.1:0"), ("[::]:0", "[::1]:0")] {
        let (server, client) = (listener(any), relay(client));
        let source = if client.local_addr().is_ipv4() { "127.0.0.77" } else { "::1" };
        let source: IpAddr = source.parse().unwrap();
        let header = SendHeader { source: Some(source), ..SendHeader::to(client.local_addr()) };
        assert_eq!(coupled(&server, header, &lengths(&[50; 5])).coupled, 5);
        let mut batch = Batch::new(8);
        let mut count = 0;
        while count < 5 {
            for index in 0..receive(&client, &mut batch) {
                assert_eq!(batch.packet(index).unwrap().meta.source.ip(), source);
                count += 1;
            }
        }
    }
}

#[test]
fn a_refused_train_goes_in_pieces_and_is_remembered() {
    // Without checksums the kernel cuts nothing.
    let (a, b) = (relay("127.0.0.1:0"), relay("127.0.0.1:0"));
    option::set(a.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    let sizes = [100, 100, 100, 40, 8, 8];
    let stats = refused_and_received(&a, &b, &sizes);
    assert_eq!((stats.0.coupled, stats.1.coupled), (0, 0), "{stats:?}");
    assert!(stats.1.calls < stats.0.calls, "{stats:?}");
}

#[test]
fn what_must_be_fragmented_goes_by_itself() {
    let (a, b) = (relay("[::1]:0"), relay("[::1]:0"));
    option::set(a.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MTU, 1280).unwrap();
    let stats = refused_and_received(&a, &b, &[1300, 1300, 1300, 40, 8, 8]);
    assert_eq!((stats.0.coupled, stats.1.coupled), (2, 2), "{stats:?}");
    assert!(stats.1.calls < stats.0.calls, "{stats:?}");
}

/// Sends the same twice; all of it arrives.
fn refused_and_received(a: &UdpSocket, b: &UdpSocket, sizes: &[usize]) -> (SendStats, SendStats) {
    let mut out = SendBatch::new(64);
    let mut batch = Batch::new(64);
    let mut send = || {
        for bytes in lengths(sizes) {
            assert!(out.push(a, SendHeader::to(b.local_addr()), Payload::Copy(&bytes)));
        }
        let stats = out.flush(&Batch::new(1));
        assert_eq!(stats.sent, sizes.len() as u64, "{stats:?}");
        let mut seen = Vec::new();
        while seen.len() < sizes.len() {
            let range = 0..receive(b, &mut batch);
            seen.extend(range.map(|index| payload(&mut batch, index)));
        }
        assert!(seen == lengths(sizes));
        stats
    };
    (send(), send())
}

#[test]
fn an_error_of_an_earlier_datagram_costs_no_train() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (relay(any), relay(any));
        let dead = relay(any).local_addr();
        let mut batch = Batch::new(64);
        for _ in 0..3 {
            let mut out = SendBatch::new(64);
            assert!(out.push(&a, SendHeader::to(dead), Payload::Copy(b"anyone?")));
            for bytes in lengths(&[300; 8]) {
                assert!(out.push(&a, SendHeader::to(b.local_addr()), Payload::Copy(&bytes)));
            }
            let stats = out.flush(&Batch::new(1));
            assert_eq!((stats.sent, stats.coupled), (9, 8), "{stats:?}");
            let mut count = 0;
            while count < 8 {
                count += receive(&b, &mut batch);
            }
        }
    }
}
