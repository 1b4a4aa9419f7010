//! Bursts of many clients and peers at once: each payload arrives once, whole, in order and by its own way, whatever
//! the relay batches, cuts or merges between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tern::route::Transport;
use tern::worker::ListenerSettings;

use crate::client::{Client, peer, receive};
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
