//! Media from one client of the relay to another: it stays within the process, and nothing else is different.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tern::engine::RelayAddress;
use tern::engine::limits::Rate;
use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};
use tern::route::Transport;
use tern::wire::stun::{AttributeType, Message, Method};
use tern::worker::{DscpPolicy, EcnPolicy};

use crate::client::{Client, Datagrams, Frame};
use crate::dtls::{Version, dtls};
use crate::relay::{Relay, Setup};
use crate::tls::tls;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
pub(crate) const THERE: u16 = 0x4003;
pub(crate) const BACK: u16 = 0x4004;
const ALL: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];

/// What the IP header of a client's datagrams says.
pub(crate) type Marks = Rc<Cell<(u8, u8)>>;

/// A client that decides about the IP header of what it sends, and sees that of what it receives.
struct Marked {
    socket: UdpSocket,
    server: SocketAddr,
    send: Marks,
    seen: Rc<RefCell<Vec<(u8, u8)>>>,
}

impl Datagrams for Marked {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut out = SendBatch::new(1);
        let (tos, ttl) = self.send.get();
        let header = SendHeader { tos, ttl: Some(ttl), ..SendHeader::to(self.server) };
        out.push(&self.socket, header, Payload::Copy(bytes));
        assert_eq!(out.flush(&Batch::new(1)).sent, 1);
    }

    fn receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let mut batch = Batch::new(1);
        for _ in 0..patience.as_millis() {
            if self.socket.recv_batch(&mut batch).unwrap() == 1 {
                let packet = batch.packet(0).unwrap();
                self.seen.borrow_mut().push((packet.meta.tos, packet.meta.ttl));
                return Some(packet.buffer[packet.payload].to_vec());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn close(&mut self) {}
}

/// A client, what it marks its packets with, and the marks that it has seen.
pub(crate) struct End {
    pub(crate) client: Client,
    pub(crate) send: Marks,
    pub(crate) seen: Rc<RefCell<Vec<(u8, u8)>>>,
}

impl End {
    pub(crate) fn new(relay: &Relay, transport: Transport, v6: bool) -> Self {
        let at = if v6 { relay.v6(transport) } else { relay.v4(transport) };
        let (send, seen) = (Marks::new(Cell::new((0, 64))), Rc::default());
        let client = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind_listener(SocketAddr::new(at.ip(), 0), &UdpOptions::default());
                let (send, seen) = (Rc::clone(&send), Rc::clone(&seen));
                Client::datagrams(Marked { socket: socket.unwrap(), server: at, send, seen })
            }
            Transport::Tcp => Client::tcp(at),
            Transport::Tls => tls(at),
            Transport::Dtls => dtls(at, Version::V12),
        };
        Self { client, send, seen }
    }
}

pub(crate) fn setup(shortcut: bool) -> Setup {
    let mut setup = Setup::new(&ALL);
    setup.worker.media.shortcut = shortcut;
    setup
}

/// Two clients with an allocation each.
fn pair(relay: &Relay, transports: [Transport; 2], v6: bool) -> ([End; 2], [SocketAddr; 2]) {
    let mut ends = transports.map(|transport| End::new(relay, transport, v6));
    let addresses = [0, 1].map(|index: usize| ends[index].client.allocate());
    (ends, addresses)
}

/// What of a frame is the same each time: a Data indication has an identifier.
fn essence(frame: Frame) -> (Option<SocketAddr>, u16, Vec<u8>) {
    match frame {
        Frame::Channel(channel, data) => (None, channel, data),
        Frame::Stun(bytes) => {
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.method(), Method::DATA);
            (message.xor_peer_address().unwrap(), 0, message.data().unwrap().to_vec())
        }
    }
}

/// Everything that somebody could see of an exchange: what arrives, its marks, what is counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    frames: Vec<(bool, u16, Vec<u8>)>,
    marks: Vec<(u8, u8)>,
    pub(crate) counted: Vec<(&'static str, &'static str, u64)>,
}

fn exchange(shortcut: bool, transports: [Transport; 2], v6: bool) -> Seen {
    let relay = setup(shortcut).start();
    let (ends, addresses) = pair(&relay, transports, v6);
    let (seen, shortcuts) = talk(&relay, transports[0], ends, addresses);
    assert_eq!(shortcuts > 0, shortcut, "{shortcuts}");
    seen
}

/// Everything that may pass between two clients, and some that may not; and how much of it took the short cut.
pub(crate) fn talk(
    relay: &Relay,
    first: Transport,
    [mut one, mut two]: [End; 2],
    [at_one, at_two]: [SocketAddr; 2],
) -> (Seen, u64) {
    let mut frames = Vec::new();
    let settled = |lost: &str, count: u64| relay.wait_for(lost, |relay| relay.lost(lost) == count);
    let mut expect = |end: &mut End, from: SocketAddr| {
        let (peer, channel, data) = essence(end.client.receive());
        frames.push((peer.map(|peer| assert_eq!(peer, from)).is_some(), channel, data));
    };
    one.client.bind(THERE, at_two);
    one.client.send_channel(THERE, b"without a permission");
    settled("peer_not_permitted", 1);
    two.client.permit(at_one.ip());
    one.client.send_channel(THERE, b"as an indication");
    expect(&mut two, at_one);
    two.client.send_to(at_one, b"from an indication");
    expect(&mut one, at_two);
    two.client.bind(BACK, at_one);
    for size in [0, 1, 2, 3, 4, 160, 1200, 8000] {
        one.send.set((0xb8, 64));
        one.client.send_channel(THERE, &vec![1; size]);
        expect(&mut two, at_one);
        two.send.set((0x8b, 4));
        two.client.send_channel(BACK, &vec![2; size]);
        expect(&mut one, at_two);
    }
    // Both relays are a hop.
    if first == Transport::Udp {
        for (ttl, lost) in [(1, 1), (2, 2)] {
            one.send.set((0, ttl));
            one.client.send_channel(THERE, b"tired");
            settled("hop_limit", lost);
        }
        one.send.set((0, 3));
        one.client.send_channel(THERE, b"just so");
        expect(&mut two, at_one);
    }
    let counters = relay.server.counters();
    let counted = counters.iter().filter(|(family, ..)| ["packets", "bytes", "lost"].contains(family));
    let counted = counted.map(|(family, label, _, value)| (family, label, value)).collect();
    let marks = [&one, &two].iter().flat_map(|end| end.seen.borrow().clone()).collect();
    (Seen { frames, marks, counted }, counters.value("shortcuts", ""))
}

#[test]
fn it_differs_in_nothing_from_the_way_through_the_sockets() {
    for v6 in [false, true] {
        let udp = [Transport::Udp; 2];
        assert_eq!(exchange(true, udp, v6), exchange(false, udp, v6));
    }
}

#[test]
fn nor_does_it_for_clients_on_streams_and_sessions() {
    for transports in [
        [Transport::Udp, Transport::Tcp],
        [Transport::Tcp, Transport::Tls],
        [Transport::Tls, Transport::Udp],
        [Transport::Dtls, Transport::Udp],
        [Transport::Dtls, Transport::Dtls],
    ] {
        let mut ways = [true, false].map(|shortcut| exchange(shortcut, transports, false));
        for way in &mut ways {
            // Handshakes and what else a session says differ by themselves.
            way.counted.retain(|(_, label, _)| !label.ends_with("_client"));
        }
        let [short, long] = ways;
        assert_eq!(short, long, "{transports:?}");
    }
}

#[test]
fn the_policy_for_marks_holds_twice() {
    let mut both = Vec::new();
    for shortcut in [true, false] {
        let mut setup = setup(shortcut);
        setup.worker.media.dscp = DscpPolicy::Fixed(10);
        setup.worker.media.ecn = EcnPolicy::Clear;
        let relay = setup.start();
        let ([mut one, mut two], [at_one, at_two]) = pair(&relay, [Transport::Udp; 2], false);
        one.client.bind(THERE, at_two);
        two.client.bind(BACK, at_one);
        one.send.set((0xbb, 9));
        one.client.send_channel(THERE, b"marked");
        two.client.expect_channel(BACK, b"marked");
        both.push(two.seen.borrow().last().copied());
    }
    assert_eq!(both, [Some((10 << 2, 7)); 2]);
}

#[test]
fn a_client_is_known_by_its_outside_address_only() {
    let outside: IpAddr = "203.0.113.78".parse().unwrap();
    for shortcut in [true, false] {
        let mut setup = setup(shortcut);
        setup.addresses = vec![RelayAddress { bind: V4, external: outside }];
        let relay = setup.start();
        let ([mut one, mut two], [at_one, at_two]) = pair(&relay, [Transport::Udp; 2], false);
        one.client.bind(THERE, at_two);
        // A permission for the address that sockets are bound to is none for whom the world sees elsewhere.
        two.client.permit(V4);
        one.client.send_channel(THERE, b"unknown");
        relay.wait_for("the loss", |relay| relay.lost("peer_not_permitted") == 1);
        two.client.permit(outside);
        one.client.send_channel(THERE, b"known");
        two.client.expect_data(at_one, b"known");
        // Whoever names the inner address reaches the same socket, and is seen as before.
        one.client.bind(BACK, SocketAddr::new(V4, at_two.port()));
        one.client.send_channel(BACK, b"known");
        two.client.expect_data(at_one, b"known");
        assert_eq!(relay.server.counters().value("shortcuts", "") > 0, shortcut);
    }
}

#[test]
fn it_ends_with_the_other_allocation() {
    let relay = setup(true).start();
    let ([mut one, mut two], [at_one, at_two]) = pair(&relay, [Transport::Udp; 2], false);
    one.client.bind(THERE, at_two);
    two.client.bind(BACK, at_one);
    one.client.send_channel(THERE, b"here");
    two.client.expect_channel(BACK, b"here");
    assert_eq!(two.client.refresh(0).code(), None);
    // The socket is gone: the system says so, as of any other peer.
    one.client.send_channel(THERE, b"nobody");
    let Frame::Stun(bytes) = one.client.receive() else { panic!("channel data") };
    assert!(Message::parse(&bytes).unwrap().icmp().unwrap().is_some());
    assert!(two.client.receives_nothing());
}

#[test]
fn a_client_that_moves_takes_it_along() {
    let relay = setup(true).start();
    let mut one = Client::udp(relay.v4(Transport::Udp));
    let at_one = one.allocate();
    let mut two = Client::udp(relay.v4(Transport::Udp));
    let answer = two.allocate_with(17, |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    let ticket = answer.message().mobility_ticket().unwrap().to_vec();
    one.bind(THERE, answer.relayed());
    two.bind(BACK, at_one);
    one.send_channel(THERE, b"here");
    two.expect_channel(BACK, b"here");
    let mut there = Client::udp(relay.v4(Transport::Udp));
    let moved = there.request(Method::REFRESH, |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    });
    assert_eq!(moved.code(), None, "moved");
    one.send_channel(THERE, b"there");
    there.expect_channel(BACK, b"there");
    there.send_channel(BACK, b"and back");
    one.expect_channel(THERE, b"and back");
    let counters = relay.server.counters();
    assert_eq!((counters.value("shortcuts", ""), counters.value("copied_bytes", "")), (3, 0));
}

#[test]
fn a_relay_may_be_its_own_peer() {
    for shortcut in [true, false] {
        let relay = setup(shortcut).start();
        let mut end = End::new(&relay, Transport::Udp, true);
        let at = end.client.allocate();
        end.client.permit(V6);
        end.client.send_to(at, b"me");
        end.client.expect_data(at, b"me");
        end.client.bind(THERE, at);
        end.client.send_channel(THERE, b"me");
        end.client.expect_channel(THERE, b"me");
    }
}

#[test]
fn rates_hold_on_both_sides() {
    let mut setup = setup(true);
    setup.session_rate = Some(Rate::new(1, 0));
    let relay = setup.start();
    let ([mut one, mut two], [at_one, at_two]) = pair(&relay, [Transport::Udp; 2], false);
    one.client.bind(THERE, at_two);
    two.client.bind(BACK, at_one);
    for _ in 0..100 {
        one.client.send_channel(THERE, &[0; 1000]);
        std::thread::sleep(Duration::from_micros(200));
    }
    let value = |relay: &Relay, family, label| relay.server.counters().value(family, label);
    relay.wait_for("the rest", |relay| {
        relay.lost("session_rate") + value(relay, "packets", "from_peer") == 100
    });
    assert!(relay.lost("session_rate") > 0 && value(&relay, "shortcuts", "") > 0);
}

#[test]
fn a_reload_ends_it_and_brings_it_back() {
    let mut setup = setup(true);
    let mut relay = setup.start();
    let ([mut one, mut two], [at_one, at_two]) = pair(&relay, [Transport::Udp; 2], false);
    one.client.bind(THERE, at_two);
    two.client.bind(BACK, at_one);
    let mut shortcuts = 0;
    for wanted in [true, false, true] {
        setup.worker.media.shortcut = wanted;
        assert!(relay.server.reload(setup.settings()).needs_restart.is_empty());
        // When the second is answered, the worker has read its mailbox after the first.
        assert_eq!(one.client.refresh(600).code(), None);
        assert_eq!(one.client.refresh(600).code(), None);
        one.client.send_channel(THERE, b"on");
        two.client.expect_channel(BACK, b"on");
        shortcuts += u64::from(wanted);
        assert_eq!(relay.server.counters().value("shortcuts", ""), shortcuts);
    }
}
