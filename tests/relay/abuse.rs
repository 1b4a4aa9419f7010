//! Bad input: counted, and survived.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tern::route::Transport;

use crate::client::{Client, connect, peer, receive};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4003;

/// A small generator of unlike bytes; the same in every run.
fn noise(seed: u64) -> impl FnMut() -> u8 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    }
}

#[test]
fn a_flood_of_noise_is_counted_and_a_client_served_meanwhile() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    let mut noise_maker = Client::udp(relay.v4(Transport::Udp));
    let mut byte = noise(7);
    for round in 0..4_000 {
        let length = usize::from(byte()) % 64;
        let bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
        noise_maker.send_bytes(&bytes);
        if round % 500 == 0 {
            client.send_channel(CHANNEL, b"served");
            assert_eq!(receive(&peer).0, b"served");
        }
    }
    relay.wait_for("counts", |relay| {
        relay.lost("unknown_protocol") > 0
            && relay.lost("malformed_channel_data") > 0
            && relay.lost("not_spoken") > 0
            && relay.server.counters().value("dropped", "malformed") > 0
    });
    assert!(relay.server.is_healthy());
}

#[test]
fn truncated_and_bent_messages_of_a_client_change_nothing() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    let send = crate::client::send_indication(peer.local_addr().unwrap(), b"payload");
    for cut in 1..send.len() {
        client.send_bytes(&send[..cut]);
    }
    for at in 0..8 {
        let mut bent = send.clone();
        bent[at] ^= 0xff;
        client.send_bytes(&bent);
    }
    for bytes in [&[0x40][..], &[0x40, 3], &[0x40, 3, 0], &[0x40, 3, 0, 9, 1]] {
        client.send_bytes(bytes);
    }
    relay.wait_for("the channel data", |relay| relay.lost("malformed_channel_data") >= 4);
    client.send_channel(CHANNEL, b"the end");
    assert_eq!(receive(&peer).0, b"the end");
    assert!(relay.lost("malformed_send") >= u64::try_from(send.len()).unwrap() - 20);
}

#[test]
fn streams_of_noise_are_closed() {
    let mut setup = Setup::new(&[Transport::Tcp]);
    setup.worker.streams.first_message = Duration::from_millis(300);
    let relay = setup.start();
    let mut byte = noise(11);
    for _ in 0..200 {
        let mut stream = connect(relay.v4(Transport::Tcp));
        let bytes: Vec<u8> = (0..256).map(|_| byte()).collect();
        drop(stream.write_all(&bytes));
    }
    relay.wait_for("no connections", |relay| {
        relay.lost("misframed") > 0 && relay.server.counters().value("connections", "") == 0
    });
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    client.allocate();
    assert!(relay.server.is_healthy());
}
