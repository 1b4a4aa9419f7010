//! Bursts of many clients and peers at once: each payload arrives once, whole, in order and by its own way, whatever
//! the relay batches, cuts or merges between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket as Trains};
use tern::route::Transport;
use tern::worker::ListenerSettings;

use crate::client::{Client, Wire, peer, receive, send_indication};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const CHANNEL: u16 = 0x4000;

/// A client and the peer it speaks with.
struct Pair {
    number: u8,
    client: Client,
    peer: UdpSocket,
    relayed: SocketAddr,
    /// On a channel, or in indications.
    channel: bool,
}

impl Pair {
    fn new(number: u8, server: SocketAddr, ip: IpAddr, channel: bool) -> Self {
        let mut client = Client::udp(server);
        let peer = peer(ip);
        let relayed = client.allocate();
        client.permit(ip);
        if channel {
            client.bind(CHANNEL, peer.local_addr().unwrap());
        }
        Self { number, client, peer, relayed, channel }
    }

    fn payload(&self, position: usize, size: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..251u8).cycle().skip(position * 7).take(size).collect();
        bytes
            .iter_mut()
            .zip([self.number, u8::try_from(position).unwrap()])
            .for_each(|(to, from)| *to = from);
        bytes
    }

    fn at(&self) -> SocketAddr {
        self.peer.local_addr().unwrap()
    }

    fn send_to_peer(&mut self, sizes: &[usize]) {
        for (position, size) in sizes.iter().enumerate() {
            let bytes = self.payload(position, *size);
            if self.channel {
                self.client.send_channel(CHANNEL, &bytes);
            } else {
                self.client.send_to(self.at(), &bytes);
            }
        }
    }

    fn send_to_client(&self, sizes: &[usize]) {
        for (position, size) in sizes.iter().enumerate() {
            self.peer.send_to(&self.payload(position, *size), self.relayed).unwrap();
        }
    }

    fn expect_at_peer(&self, sizes: &[usize]) {
        for (position, size) in sizes.iter().enumerate() {
            let (bytes, from) = receive(&self.peer);
            assert!(bytes == self.payload(position, *size), "client {} position {position}", self.number);
            assert_eq!(from, self.relayed);
        }
    }

    fn expect_at_client(&mut self, sizes: &[usize]) {
        for (position, size) in sizes.iter().enumerate() {
            let bytes = self.payload(position, *size);
            if self.channel {
                self.client.expect_channel(CHANNEL, &bytes);
            } else {
                let at = self.at();
                self.client.expect_data(at, &bytes);
            }
        }
    }
}

/// What bursts are like: equal sizes, the last shorter, the last longer, nothing alike, empty ones, and long ones that
/// together exceed what one datagram can be.
const BURSTS: [&[usize]; 7] = [
    &[1200; 8],
    &[1200, 1200, 1200, 700],
    &[700, 700, 1200],
    &[160, 161, 3, 0, 4, 900],
    &[0, 0, 0],
    &[1, 1, 1, 1, 1, 1, 1, 1, 1],
    &[30_000, 30_000, 30_000],
];

fn exchange(relay: &Relay, mut pairs: Vec<Pair>) {
    for _ in 0..3 {
        for sizes in BURSTS {
            // No more on their way than the sockets' usual buffers take.
            for group in pairs.chunks_mut(if sizes[0] > 10_000 { 1 } else { 8 }) {
                group.iter_mut().for_each(|pair| pair.send_to_peer(sizes));
                group.iter().for_each(|pair| pair.expect_at_peer(sizes));
                group.iter().for_each(|pair| pair.send_to_client(sizes));
                group.iter_mut().for_each(|pair| pair.expect_at_client(sizes));
            }
        }
    }
    let count = 3 * BURSTS.iter().map(|sizes| sizes.len()).sum::<usize>() * pairs.len();
    let counters = relay.server.counters();
    assert_eq!(counters.value("packets", "to_peer"), count as u64);
    assert_eq!(counters.value("packets", "from_peer"), count as u64);
    assert_eq!(counters.value("lost", "too_big") + counters.value("lost", "send_failed"), 0);
}

#[test]
fn bursts_on_channels_and_in_indications_pass_unchanged() {
    for ip in [V4, V6] {
        let relay = Relay::with(&[Transport::Udp]);
        let server = if ip == V4 { relay.v4(Transport::Udp) } else { relay.v6(Transport::Udp) };
        let pairs = (0..16).map(|number| Pair::new(number, server, ip, number % 3 != 0)).collect();
        exchange(&relay, pairs);
    }
}

#[test]
fn bursts_through_wildcard_listeners_come_from_the_address_that_was_asked() {
    for (any, asked, ip) in [("0.0.0.0:0", "127.0.0.9", V4), ("[::]:0", "::1", V6)] {
        let mut setup = Setup::new(&[Transport::Udp]);
        setup.worker.listeners = vec![ListenerSettings::new(any.parse().unwrap(), &[Transport::Udp])];
        let relay = setup.start();
        let port = relay.server.addresses()[0].address.port();
        let server = SocketAddr::new(asked.parse().unwrap(), port);
        // The clients' sockets are connected: they take what comes from this address only.
        let pairs = (0..8).map(|number| Pair::new(number, server, ip, number % 2 == 0)).collect();
        exchange(&relay, pairs);
    }
}

/// Sends payloads to one address as the kernel's trains, so that whoever merges finds them merged.
fn send_trains(from: &Trains, to: SocketAddr, payloads: &[Vec<u8>], tos: u8) {
    let mut out = SendBatch::new(64);
    for bytes in payloads {
        assert!(out.push(from, SendHeader { tos, ..SendHeader::to(to) }, Payload::Copy(bytes)));
    }
    let stats = out.flush(&Batch::new(1));
    assert_eq!((stats.sent, stats.coupled), (payloads.len() as u64, payloads.len() as u64));
}

fn payloads(number: usize, lengths: &[usize]) -> Vec<Vec<u8>> {
    let bytes = |(position, length): (usize, &usize)| {
        (0..251).cycle().skip(number + position).take(*length).collect()
    };
    lengths.iter().enumerate().map(bytes).collect()
}

/// Both ends send trains until the relay merges them; not a byte of it may show.
fn merged(ip: IpAddr, transport: Transport, channel: bool) {
    let relay = Relay::with(&[Transport::Udp, Transport::Tcp]);
    let server = if ip == V4 { relay.v4(transport) } else { relay.v6(transport) };
    let mut client = if transport == Transport::Udp { Client::udp(server) } else { Client::tcp(server) };
    let peer = Trains::bind_relay(SocketAddr::new(ip, 0), &UdpOptions::default()).unwrap();
    let relayed = client.allocate();
    client.permit(ip);
    if channel {
        client.bind(CHANNEL, peer.local_addr());
    }
    let mut batch = Batch::new(64);
    for round in 0..40 {
        let payloads = payloads(round, if round % 2 == 0 { &[601; 8] } else { &[601, 601, 601, 33] });
        let tos = u8::try_from(round % 4).unwrap();
        send_trains(&peer, relayed, &payloads, tos);
        for bytes in &payloads {
            if channel {
                client.expect_channel(CHANNEL, bytes);
            } else {
                client.expect_data(peer.local_addr(), bytes);
            }
        }
        for bytes in &payloads {
            if channel {
                client.send_channel(CHANNEL, bytes);
            } else {
                client.send_to(peer.local_addr(), bytes);
            }
        }
        let mut seen = Vec::new();
        while seen.len() < payloads.len() {
            wait_and_receive(&peer, &mut batch, &mut seen);
        }
        assert!(seen == payloads, "round {round}");
    }
    let counters = relay.server.counters();
    assert_eq!(counters.value("packets", "from_peer"), 40 * 6);
    assert_eq!(counters.value("packets", "to_peer"), 40 * 6);
    assert!(counters.value("merged", "from_peers") > 0);
}

fn wait_and_receive(socket: &Trains, batch: &mut Batch, seen: &mut Vec<Vec<u8>>) {
    for index in 0..socket.recv_batch(batch).unwrap() {
        let packet = batch.packet(index).unwrap();
        seen.push(packet.buffer[packet.payload].to_vec());
    }
    std::thread::sleep(std::time::Duration::from_millis(1));
}

#[test]
fn merged_datagrams_of_peers_reach_clients_one_by_one() {
    for ip in [V4, V6] {
        for channel in [true, false] {
            merged(ip, Transport::Udp, channel);
        }
    }
    merged(V4, Transport::Tcp, true);
    merged(V4, Transport::Tcp, false);
}

#[test]
fn merged_datagrams_of_clients_are_judged_one_by_one() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let (one, two) = (peer(V4), peer(V4));
    client.allocate();
    client.bind(CHANNEL, one.local_addr().unwrap());
    client.bind(CHANNEL + 1, two.local_addr().unwrap());
    // The same five-tuple as the client's, through a socket that sends trains.
    let Wire::Udp(socket) = &client.wire else { panic!("a stream") };
    let socket = socket.try_clone().unwrap();
    let train = |payloads: &[Vec<u8>]| {
        let total: Vec<u8> = payloads.concat();
        send_segmented(&socket, &total, payloads[0].len());
    };
    let frame = |channel: u16, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        [&channel.to_be_bytes()[..], &length, bytes].concat()
    };
    let mut sent = 0;
    for round in 0..30 {
        // Two peers, a channel that nobody bound, an indication of the same length and a request.
        let bytes = payloads(round, &[200; 4]);
        let indication = send_indication(two.local_addr().unwrap(), &bytes[3][..168]);
        assert_eq!(indication.len(), 204, "as long as the others");
        let frames = [
            frame(CHANNEL, &bytes[0]),
            frame(CHANNEL + 1, &bytes[1]),
            frame(CHANNEL + 2, &bytes[2]),
            indication,
            frame(CHANNEL, b"the last is shorter"),
        ];
        train(&frames);
        sent += 1;
        assert_eq!(receive(&one).0, bytes[0]);
        assert_eq!(receive(&two).0, bytes[1]);
        assert_eq!(receive(&two).0, bytes[3][..168]);
        assert_eq!(receive(&one).0, b"the last is shorter");
    }
    relay.wait_for("the losses", |relay| relay.lost("no_channel") == sent);
    assert!(relay.server.counters().value("merged", "from_clients") > 0);
    assert!(client.receives_nothing());
}

/// One call, cut by the kernel.
fn send_segmented(socket: &UdpSocket, bytes: &[u8], segment: usize) {
    let socket = socket2::SockRef::from(socket);
    let vectors = [std::io::IoSlice::new(bytes)];
    let length = u16::try_from(segment).unwrap().to_ne_bytes();
    let mut control = Vec::new();
    control.extend(18usize.to_ne_bytes());
    control.extend(17i32.to_ne_bytes());
    control.extend(103i32.to_ne_bytes());
    control.extend(length);
    control.resize(24, 0);
    let message = socket2::MsgHdr::new().with_buffers(&vectors).with_control(&control);
    assert_eq!(socket.sendmsg(&message, 0).unwrap(), bytes.len());
}
