//! Merged datagrams: each is found again, as if it had come by itself.

use super::*;

/// Sends everything in one flush, and returns each datagram as the receiver finds it, and how many messages they were.
fn found(from: &UdpSocket, to: &UdpSocket, sent: &[(u8, Vec<u8>)]) -> (Vec<(u8, Vec<u8>)>, usize) {
    let (mut batch, mut out) = (Batch::new(64), SendBatch::new(1024));
    for (tos, bytes) in sent {
        let header = SendHeader { tos: *tos, ttl: Some(33), ..SendHeader::to(to.local_addr()) };
        assert!(out.push(from, header, Payload::Copy(bytes)));
    }
    assert_eq!(out.flush(&batch).sent, sent.len() as u64);
    let (mut found, mut messages) = (Vec::new(), 0);
    while found.len() < sent.len() {
        wait_for(to);
        batch.clear();
        for index in to.recv_more(&mut batch, 64).unwrap() {
            let packet = batch.packet(index).unwrap();
            assert_eq!((packet.meta.source, packet.meta.ttl), (from.local_addr(), 33));
            assert_eq!(packet.segments().count(), packet.datagrams());
            found.extend(packet.segments().map(|range| (packet.meta.tos, packet.buffer[range].to_vec())));
            messages += 1;
        }
    }
    (found, messages)
}

fn burst(tos: u8, lengths: &[usize]) -> Vec<(u8, Vec<u8>)> {
    let bytes = |(position, length): (u8, &usize)| {
        let bytes = (0..=u8::MAX).cycle().skip(usize::from(position) * 5).take(*length);
        (tos, bytes.collect())
    };
    (0..).zip(lengths).map(bytes).collect()
}

#[test]
fn merged_datagrams_are_found_one_by_one() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (from, to) = (relay(any), listener(any));
        to.set_merging(true).unwrap();
        for (lengths, expected) in [
            (&[1200; 8][..], 1),
            (&[1200, 1200, 1200, 1], 1),
            (&[1200, 1200, 1201], 2),
            (&[7], 1),
            (&[0, 0, 5, 5, 0], 4),
            (&[1; 64], 1),
            (&[1212; 54], 1),
            (&[30_000, 30_000, 30_000], 2),
            (&[65_000], 1),
        ] {
            let sent = burst(0, lengths);
            let (found, messages) = found(&from, &to, &sent);
            assert!(found == sent, "{any} {lengths:?}");
            assert_eq!(messages, expected, "{any} {lengths:?}");
        }
        let mut marked = burst(0, &[500, 500]);
        marked.extend(burst(3, &[500, 500]));
        marked.extend(burst(1, &[500]));
        assert_eq!(found(&from, &to, &marked), (marked.clone(), 3), "ECN marks are not merged");
    }
}

#[test]
fn payloads_are_framed_where_they_lie() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (from, middle, to) = (relay(any), relay(any), relay(any));
        middle.set_merging(true).unwrap();
        let (mut batch, mut out) = (Batch::new(4), SendBatch::new(64));
        for (_, bytes) in burst(0, &[1201; 9]) {
            assert!(out.push(&from, SendHeader::to(middle.local_addr()), Payload::Copy(&bytes)));
        }
        out.flush(&batch);
        assert_eq!(receive(&middle, &mut batch), 1);
        let packet = batch.packet(0).unwrap();
        assert_eq!((packet.datagrams(), packet.segment), (9, Some(1201)));
        for (padding, range) in packet.segments().enumerate() {
            let framed = Payload::Framed { header: b"HEAD", index: 0, range, padding: padding / 3 };
            assert!(out.push(&middle, SendHeader::to(to.local_addr()), framed));
        }
        let stats = out.flush(&batch);
        assert_eq!((stats.sent, stats.calls), (9, 1));
        let mut seen = Vec::new();
        while seen.len() < 9 {
            let range = 0..receive(&to, &mut batch);
            seen.extend(range.map(|index| payload(&mut batch, index)));
        }
        for (position, ((_, bytes), seen)) in burst(0, &[1201; 9]).into_iter().zip(seen).enumerate() {
            let expected = [&b"HEAD"[..], &bytes, &[0; 3][..position / 3]].concat();
            assert!(seen == expected, "{position}");
        }
    }
}

/// Bursts, until something is merged or there were `most`; how many.
fn bursts_until_merged(from: &UdpSocket, to: &UdpSocket, most: usize) -> Option<usize> {
    let mut batch = Batch::new(64);
    (0..most).find(|_| {
        let mut out = SendBatch::new(64);
        for (_, bytes) in burst(0, &[900; 8]) {
            assert!(out.push(from, SendHeader::to(to.local_addr()), Payload::Copy(&bytes)));
        }
        assert_eq!(out.flush(&batch).sent, 8);
        receive_usual(to, &mut batch, 8)
    })
}

/// Receives so many datagrams; whether some came merged.
fn receive_usual(to: &UdpSocket, batch: &mut Batch, count: usize) -> bool {
    let (mut received, mut merged) = (0, false);
    while received < count {
        wait_for(to);
        batch.clear();
        for index in to.recv_usual(batch).unwrap() {
            let packet = batch.packet(index).unwrap();
            received += packet.datagrams();
            merged |= packet.segment.is_some();
        }
    }
    merged
}

#[test]
fn a_socket_merges_while_its_datagrams_come_in_runs() {
    let (from, listener, relayed) = (relay("127.0.0.1:0"), listener("127.0.0.1:0"), relay("127.0.0.1:0"));
    let mut batch = Batch::new(64);
    assert!(bursts_until_merged(&from, &listener, 10).is_some());
    assert!(bursts_until_merged(&from, &relayed, 10).is_none(), "it is for good, so it takes longer");
    assert!(bursts_until_merged(&from, &relayed, 100).is_some());
    for _ in 0..500 {
        for to in [&listener, &relayed] {
            assert_eq!(send_one(&from, SendHeader::to(to.local_addr()), b"alone"), SENT);
            receive_usual(to, &mut batch, 1);
        }
    }
    assert_eq!(bursts_until_merged(&from, &relayed, 1), Some(0));
    assert!(bursts_until_merged(&from, &listener, 1).is_none());
    assert!(bursts_until_merged(&from, &listener, 30).is_some());
}
