//! Several workers: clients land on any of them, and what one names may lie with another.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use tern::route::Transport;
use tern::wire::stun::{AttributeType, Method};

use crate::client::{Client, Wire, peer, receive};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4002;
/// So many clients that not all of them can be with the same worker.
const CLIENTS: usize = 16;

fn relay() -> Relay {
    let mut setup = Setup::new(&[Transport::Udp, Transport::Tcp]);
    setup.workers = 2;
    setup.start()
}

#[test]
fn all_workers_serve() {
    let relay = relay();
    let mut workers = HashSet::new();
    for _ in 0..CLIENTS {
        let mut client = Client::udp(relay.v4(Transport::Udp));
        let answer = client.allocate_with(17, |writer| {
            writer.even_port(true);
        });
        workers.insert(answer.message().reservation_token().unwrap().unwrap()[0]);
    }
    assert_eq!(workers, HashSet::from([0, 1]));
}

#[test]
fn a_reservation_is_redeemed_through_any_worker() {
    let relay = relay();
    let mut owners = Vec::new();
    for _ in 0..CLIENTS {
        let mut first = Client::udp(relay.v4(Transport::Udp));
        let answer = first.allocate_with(17, |writer| {
            writer.even_port(true);
        });
        let token = answer.message().reservation_token().unwrap().unwrap();
        let mut second = Client::udp(relay.v4(Transport::Udp));
        let next = second.allocate_with(17, |writer| {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        });
        assert_eq!(next.relayed().port(), answer.relayed().port() + 1);
        // Media of the second flow finds its worker, whichever the kernel gives it to.
        let peer = peer(V4);
        second.bind(CHANNEL, peer.local_addr().unwrap());
        second.send_channel(CHANNEL, b"over");
        let (data, from) = receive(&peer);
        assert_eq!(data, b"over");
        peer.send_to(b"back", from).unwrap();
        second.expect_channel(CHANNEL, b"back");
        owners.push((first, second));
    }
}

#[test]
fn a_client_moves_through_any_worker() {
    let relay = relay();
    for _ in 0..CLIENTS {
        let mut here = Client::udp(relay.v4(Transport::Udp));
        let answer = here.allocate_with(17, |writer| {
            writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
        });
        let ticket = answer.message().mobility_ticket().unwrap().to_vec();
        let peer = peer(V4);
        here.bind(CHANNEL, peer.local_addr().unwrap());
        let mut there = Client::udp(relay.v4(Transport::Udp));
        let moved = there.request(Method::REFRESH, |writer| {
            writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
        });
        assert_eq!(moved.code(), None, "moved");
        there.send_channel(CHANNEL, b"from there");
        let (data, from) = receive(&peer);
        assert_eq!((data.as_slice(), from), (&b"from there"[..], answer.relayed()));
        peer.send_to(b"to there", from).unwrap();
        there.expect_channel(CHANNEL, b"to there");
    }
}

#[test]
fn a_client_that_comes_back_finds_its_calls_where_they_were() {
    let relay = relay();
    let (mut calls, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..CLIENTS {
        let mut here = Client::udp(relay.v4(Transport::Udp));
        let mut there = Client::udp(relay.v4(Transport::Udp));
        let answer = here.allocate_with(17, |writer| {
            writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
        });
        let mut ticket = answer.message().mobility_ticket().unwrap().to_vec();
        let peer = peer(V4);
        here.bind(CHANNEL, peer.local_addr().unwrap());
        for client in [&mut there, &mut here] {
            let moved = client.request(Method::REFRESH, |writer| {
                writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
            });
            assert_eq!(moved.code(), None, "moved");
            ticket = moved.message().mobility_ticket().unwrap().to_vec();
            client.send_channel(CHANNEL, b"out");
            let (data, from) = receive(&peer);
            assert_eq!((data.as_slice(), from), (&b"out"[..], answer.relayed()));
            peer.send_to(b"in", from).unwrap();
            client.expect_channel(CHANNEL, b"in");
        }
        calls.push(here);
        empty.push(there);
    }
    // Where the client was meanwhile nobody is, on any worker: the place can be taken by a call of its own.
    for client in &mut empty {
        client.allocate();
    }
    for call in &mut calls {
        assert_eq!(call.refresh(0).code(), None);
    }
    relay
        .wait_for("the ends", |relay| relay.server.counters().value("allocations", "") == empty.len() as u64);
}

#[test]
fn a_data_connection_is_bound_through_any_worker() {
    let relay = relay();
    let mut control = Client::tcp(relay.v4(Transport::Tcp));
    control.allocate_with(6, |_| {});
    control.permit(V4);
    for _ in 0..CLIENTS {
        let listener = TcpListener::bind((V4, 0)).unwrap();
        let answer = control.request(Method::CONNECT, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, listener.local_addr().unwrap());
        });
        let id = answer.message().connection_id().unwrap().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut data = Client::tcp(relay.v4(Transport::Tcp));
        let bound = data.request(Method::CONNECTION_BIND, |writer| {
            writer.u32(AttributeType::CONNECTION_ID, id);
        });
        assert_eq!(bound.code(), None, "bound");
        peer.write_all(b"through").unwrap();
        let Wire::Stream(stream) = &mut data.wire else { panic!("a datagram client") };
        let mut bytes = [0; 7];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"through");
    }
}
