//! The short cut between two workers: what one knows of the other's relay never outlives what is true of it.

use std::net::SocketAddr;
use std::time::Duration;

use tern::engine::limits::Rate;
use tern::quality::Direction;
use tern::route::Transport;
use tern::wire::stun::{AttributeType, Message, Method};
use tern::worker::DscpPolicy;

use crate::client::{Client, Frame};
use crate::relay::{Relay, Setup};
use crate::shortcut::{BACK, End, Marks, THERE, setup, talk};
use crate::tap::{both_have_heard, converse};

fn two_workers(shortcut: bool) -> Setup {
    let mut setup = setup(shortcut);
    setup.workers = 2;
    setup
}

fn shortcuts(relay: &Relay) -> u64 {
    relay.server.counters().value("shortcuts", "")
}

/// A client of this worker with an allocation; one with the others is left alone.
fn client_of(relay: &Relay, worker: u8, transport: Transport, v6: bool) -> (End, SocketAddr, Vec<u8>) {
    for _ in 0..64 {
        let mut end = End::new(relay, transport, v6);
        let answer = end.client.allocate_with(17, |writer| {
            writer.even_port(true);
            writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
        });
        if answer.message().reservation_token().unwrap().unwrap()[0] == worker {
            let ticket = answer.message().mobility_ticket().unwrap().to_vec();
            return (end, answer.relayed(), ticket);
        }
    }
    panic!("no client of worker {worker}")
}

/// Two clients over UDP of two workers that have talked until packets of both took the short cut.
struct Pair {
    one: End,
    two: End,
    at_one: SocketAddr,
    at_two: SocketAddr,
    ticket: Vec<u8>,
}

impl Pair {
    fn new(relay: &Relay) -> Self {
        let (one, at_one, _) = client_of(relay, 0, Transport::Udp, false);
        let (two, at_two, ticket) = client_of(relay, 1, Transport::Udp, false);
        let mut pair = Self { one, two, at_one, at_two, ticket };
        pair.one.client.bind(THERE, at_two);
        pair.two.client.bind(BACK, at_one);
        pair.lease(relay);
        pair
    }

    /// Talks until the first client's packets take the short cut.
    fn lease(&mut self, relay: &Relay) {
        for _ in 0..1000 {
            let before = shortcuts(relay);
            self.there(BACK);
            if shortcuts(relay) > before {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no lease");
    }

    /// One packet, which comes as `channel`.
    fn there(&mut self, channel: u16) {
        self.one.client.send_channel(THERE, b"there");
        self.two.client.expect_channel(channel, b"there");
    }

    fn send(&mut self) {
        self.one.client.send_channel(THERE, b"there");
    }
}

#[test]
fn it_differs_in_nothing_from_the_way_through_the_sockets() {
    for (transports, v6) in [
        ([Transport::Udp, Transport::Udp], false),
        ([Transport::Udp, Transport::Udp], true),
        ([Transport::Tcp, Transport::Udp], false),
        ([Transport::Udp, Transport::Tls], false),
    ] {
        let [short, long] = [true, false].map(|shortcut| {
            let relay = two_workers(shortcut).start();
            let (one, at_one, _) = client_of(&relay, 0, transports[0], v6);
            let (two, at_two, _) = client_of(&relay, 1, transports[1], v6);
            let before = relay.server.counters();
            let (mut seen, shortcuts) = talk(&relay, transports[0], [one, two], [at_one, at_two]);
            for (family, label, value) in &mut seen.counted {
                *value -= before.value(family, label);
            }
            assert_eq!(shortcuts > 0, shortcut, "{shortcuts}");
            seen
        });
        assert_eq!(short, long, "{transports:?}");
    }
}

#[test]
fn both_sessions_hear_what_takes_it() {
    let relay = two_workers(true).start();
    let mut pair = Pair::new(&relay);
    let before = shortcuts(&relay);
    converse(&mut pair.one.client, &mut pair.two.client);
    assert!(shortcuts(&relay) > before);
    both_have_heard(&relay.server, [pair.at_one, pair.at_two]);
    assert_eq!(relay.server.counters().value("unheard", ""), 0);
}

#[test]
fn what_nobody_looks_at_is_counted_as_well() {
    for is_heard in [true, false] {
        let mut setup = two_workers(true);
        if !is_heard {
            setup.worker.quality = None;
        }
        let relay = setup.start();
        let mut pair = Pair::new(&relay);
        for _ in 0..100 {
            pair.there(BACK);
        }
        assert!(shortcuts(&relay) > 90, "{}", shortcuts(&relay));
        let rows = || relay.server.calls().rows().rows;
        let traffic = |at: SocketAddr, direction: Direction| {
            let row = rows().into_iter().find(|row| row.info.relayed == at).unwrap();
            (row.traffic[direction].packets, row.traffic[direction].bytes)
        };
        let sent = traffic(pair.at_one, Direction::ClientToPeer);
        relay.wait_for("the sums", |_| traffic(pair.at_two, Direction::PeerToClient) == sent);
    }
}

#[test]
fn nothing_passes_without_a_permission() {
    let relay = two_workers(true).start();
    let (mut one, _, _) = client_of(&relay, 0, Transport::Udp, false);
    let (_two, at_two, _) = client_of(&relay, 1, Transport::Udp, false);
    one.client.bind(THERE, at_two);
    for count in 1..20 {
        one.client.send_channel(THERE, b"unwanted");
        relay.wait_for("the loss", |relay| relay.lost("peer_not_permitted") == count);
    }
    assert_eq!(shortcuts(&relay), 0);
}

#[test]
fn a_new_channel_is_used_from_its_first_packet_on() {
    let relay = two_workers(true).start();
    let (mut one, at_one, _) = client_of(&relay, 0, Transport::Udp, false);
    let (mut two, at_two, _) = client_of(&relay, 1, Transport::Udp, false);
    one.client.bind(THERE, at_two);
    two.client.permit(at_one.ip());
    for _ in 0..50 {
        one.client.send_channel(THERE, b"data");
        two.client.expect_data(at_one, b"data");
    }
    relay.wait_for("the lease", |relay| shortcuts(relay) > 0);
    two.client.bind(BACK, at_one);
    for _ in 0..50 {
        one.client.send_channel(THERE, b"data");
        two.client.expect_channel(BACK, b"data");
    }
}

#[test]
fn a_refresh_changes_nothing() {
    let relay = two_workers(true).start();
    let mut pair = Pair::new(&relay);
    assert_eq!(pair.two.client.refresh(600).code(), None);
    pair.two.client.permit(pair.at_one.ip());
    pair.two.client.bind(BACK, pair.at_one);
    let before = shortcuts(&relay);
    pair.there(BACK);
    assert_eq!(shortcuts(&relay), before + 1);
    assert_eq!(relay.server.counters().value("copied_bytes", ""), 0);
}

#[test]
fn it_ends_with_the_other_allocation() {
    let relay = two_workers(true).start();
    let mut pair = Pair::new(&relay);
    assert_eq!(pair.two.client.refresh(0).code(), None);
    let before = shortcuts(&relay);
    pair.send();
    // The socket is gone: the system says so, as of any other peer.
    let Frame::Stun(bytes) = pair.one.client.receive() else { panic!("channel data") };
    assert!(Message::parse(&bytes).unwrap().icmp().unwrap().is_some());
    assert!(pair.two.client.receives_nothing());
    assert_eq!(shortcuts(&relay), before);
}

#[test]
fn it_ends_with_ones_own_allocation() {
    let relay = two_workers(true).start();
    let mut pair = Pair::new(&relay);
    assert_eq!(pair.one.client.refresh(0).code(), None);
    pair.send();
    relay.wait_for("the loss", |relay| relay.lost("no_allocation") == 1);
    assert!(pair.two.client.receives_nothing());
}

#[test]
fn a_client_that_moves_is_found_where_it_is() {
    let relay = two_workers(true).start();
    let mut pair = Pair::new(&relay);
    let mut there = Client::udp(relay.v4(Transport::Udp));
    let moved = there.request(Method::REFRESH, |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &pair.ticket);
    });
    assert_eq!(moved.code(), None, "moved");
    let before = shortcuts(&relay);
    for _ in 0..50 {
        pair.send();
        there.expect_channel(BACK, b"there");
    }
    relay.wait_for("a new lease", |relay| shortcuts(relay) > before);
    assert!(pair.two.client.receives_nothing());
    there.send_channel(BACK, b"and back");
    pair.one.client.expect_channel(THERE, b"and back");
}

#[test]
fn a_reload_holds_from_the_next_packet_on() {
    let mut setup = two_workers(true);
    let mut relay = setup.start();
    let mut pair = Pair::new(&relay);
    setup.worker.media.dscp = DscpPolicy::Fixed(10);
    reload(&mut relay, &setup, &mut pair);
    let marks: &Marks = &pair.one.send;
    marks.set((0xb9, 9));
    pair.lease(&relay);
    assert_eq!(pair.two.seen.borrow().last(), Some(&((10 << 2) | 1, 7)));
    // Rates are their own worker's: nobody else may let something pass.
    setup.session_rate = Some(Rate::new(1, 0));
    reload(&mut relay, &setup, &mut pair);
    let before = shortcuts(&relay);
    for _ in 0..100 {
        pair.one.client.send_channel(THERE, &[0; 1000]);
    }
    relay.wait_for("the limit", |relay| relay.lost("session_rate") > 0);
    assert_eq!(shortcuts(&relay), before);
}

#[test]
fn a_peer_that_has_come_to_be_denied_is_denied() {
    let mut setup = two_workers(true);
    let mut relay = setup.start();
    let mut pair = Pair::new(&relay);
    let at_two = pair.at_two;
    setup.deny = vec![tern::worker::Prefix { base: at_two.ip(), bits: 32 }];
    reload(&mut relay, &setup, &mut pair);
    let before = relay.server.counters().value("packets", "to_peer");
    pair.one.client.send_to(at_two, b"denied");
    relay.wait_for("the loss", |relay| relay.lost("peer_denied") == 1);
    assert_eq!(relay.server.counters().value("packets", "to_peer"), before);
}

/// When the second request is answered, the mailbox has been read after the first.
fn reload(relay: &mut Relay, setup: &Setup, pair: &mut Pair) {
    assert!(relay.server.reload(setup.settings()).needs_restart.is_empty());
    for _ in 0..2 {
        assert_eq!(pair.one.client.refresh(600).code(), None);
        assert_eq!(pair.two.client.refresh(600).code(), None);
    }
}
