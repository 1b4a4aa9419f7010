//! A packet's way: its pure part, which is a lookup and a header, and all of it through a relay in this process and
//! real sockets on the loopback interface.
//!
//! The sockets' figures include the kernel and both ends, which cost more than the relay; they are there to be
//! compared with one another. What the relay alone costs is measured by `tern-loadtest`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on must say so where it stands"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sessions::{HEADROOM, Sessions};
use tern::route::Transport;

#[path = "support/calls.rs"]
mod calls;
#[path = "../tests/relay/client.rs"]
#[allow(dead_code, reason = "shared with the tests of a whole relay")]
mod client;
#[path = "../tests/relay/relay.rs"]
#[allow(dead_code, reason = "shared with the tests of a whole relay")]
mod relay;
#[path = "support/sessions.rs"]
mod sessions;
#[path = "support/streams.rs"]
mod streams;

const CHANNEL: u16 = 0x4000;
/// Voice, and a piece of a video frame.
const SIZES: [u16; 2] = [160, 1200];
/// Packets on their way at once: one, and what a batch holds.
const BURSTS: [u64; 2] = [1, 32];

/// Lookup and header, among a thousand sessions.
fn pure(criterion: &mut Criterion) {
    let mut sessions = Sessions::new(1_000);
    let mut group = criterion.benchmark_group("datapath/pure");
    for size in SIZES {
        let length = size.to_be_bytes();
        let mut packet = vec![7; 4 + usize::from(size)];
        packet[..4].copy_from_slice(&[0x40, 0x00, length[0], length[1]]);
        let mut buffer = vec![7; HEADROOM + usize::from(size)];
        group.bench_function(BenchmarkId::new("channel to peer", size), |bencher| {
            bencher.iter(|| {
                let session = sessions.next();
                black_box(sessions.to_peer(&session, black_box(&packet)))
            });
        });
        group.bench_function(BenchmarkId::new("peer to channel", size), |bencher| {
            bencher.iter(|| {
                let session = sessions.next();
                black_box(sessions.to_client(&session, black_box(&mut buffer)))
            });
        });
    }
    group.finish();
}

/// Listening to a packet, of one stream and among two thousand: those of a thousand sessions. And the same with all that
/// a session does beside it.
fn listening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("datapath/pure");
    for count in [1, 2_000] {
        let mut streams = streams::Streams::new(count);
        group.bench_function(BenchmarkId::new("hear a packet", count), |bencher| {
            bencher.iter(|| black_box(streams.hear()));
        });
    }
    for count in [1, 1_000] {
        let mut calls = calls::Calls::new(count);
        group.bench_function(BenchmarkId::new("show a packet to its session", count), |bencher| {
            bencher.iter(|| calls.see());
        });
    }
    group.finish();
}

/// Through a relay with one worker that listens to media, or does not, and back out of it.
fn sockets(criterion: &mut Criterion) {
    for listening in [true, false] {
        let mut setup = relay::Setup::new(&[Transport::Udp]);
        if !listening {
            setup.worker.quality = None;
        }
        relayed(criterion, &setup.start(), if listening { "sockets" } else { "sockets, unheard" });
    }
}

fn relayed(criterion: &mut Criterion, relay: &relay::Relay, name: &str) {
    let mut client = client::Client::udp(relay.v4(Transport::Udp));
    let peer = client::peer(IpAddr::V4(Ipv4Addr::LOCALHOST));
    peer.connect(client.allocate()).unwrap();
    client.permit(IpAddr::V4(Ipv4Addr::LOCALHOST));
    client.bind(CHANNEL, peer.local_addr().unwrap());
    let client::Wire::Udp(client) = &client.wire else { return };

    let mut group = criterion.benchmark_group(format!("datapath/{name}"));
    for size in SIZES {
        let length = size.to_be_bytes();
        let mut payload = vec![7; usize::from(size)];
        payload[..2].copy_from_slice(&[0x80, 111]);
        let framed = [&[0x40, 0x00, length[0], length[1]], payload.as_slice()].concat();
        for burst in BURSTS {
            let name = format!("{size} bytes, {burst} at once");
            group.throughput(Throughput::Elements(burst));
            group.bench_function(BenchmarkId::new("channel to peer", &name), |bencher| {
                let mut packet = framed.clone();
                bencher.iter(|| exchange(client, &peer, &mut packet, payload.len(), burst));
            });
            group.bench_function(BenchmarkId::new("peer to channel", &name), |bencher| {
                let mut packet = payload.clone();
                bencher.iter(|| exchange(&peer, client, &mut packet, framed.len(), burst));
            });
        }
    }
    group.finish();
}

/// Sends `burst` packets of voice and waits for all of them at the other end.
fn exchange(from: &UdpSocket, to: &UdpSocket, packet: &mut [u8], expected: usize, burst: u64) {
    let mut buffer = [0; 2048];
    for _ in 0..burst {
        count_up(packet);
        from.send(packet).unwrap();
    }
    for _ in 0..burst {
        assert_eq!(to.recv(&mut buffer).expect("a packet"), expected);
    }
}

/// The next packet of its stream, whatever lies before RTP's header.
fn count_up(packet: &mut [u8]) {
    let start = if packet[0] == 0x40 { 4 } else { 0 };
    let sequence = u16::from_be_bytes([packet[start + 2], packet[start + 3]]).wrapping_add(1);
    packet[start + 2..start + 4].copy_from_slice(&sequence.to_be_bytes());
    let timestamp = (u32::from(sequence) * 960).to_be_bytes();
    packet[start + 4..start + 8].copy_from_slice(&timestamp);
}

criterion_group!(benches, pure, listening, sockets);
criterion_main!(benches);
