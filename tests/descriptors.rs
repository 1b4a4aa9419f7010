//! A relay without descriptors left: what cannot be accepted waits, and the worker sleeps meanwhile. In a process of
//! its own, whose limit it lowers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must say so where it stands")]

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use tern::route::Transport;
use tern::wire::stun::{Message, Method};

use client::{Client, Frame};
use relay::Relay;

#[path = "relay/client.rs"]
#[expect(dead_code, clippy::indexing_slicing, clippy::expect_used, reason = "made for other tests as well")]
mod client;
#[path = "relay/relay.rs"]
#[expect(dead_code, reason = "made for other tests as well")]
mod relay;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A worker that does not sleep makes this many turns in a fraction of a millisecond.
const FEW_TURNS: u64 = 200;

#[test]
fn a_peer_that_cannot_be_accepted_waits_and_does_not_keep_the_worker_awake() {
    let relay = Relay::with(&[Transport::Tcp]);
    let mut client = Client::tcp(relay.v4(Transport::Tcp));
    let relayed = client.allocate_with(6, |_| {}).relayed();
    client.permit(V4);
    let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let descriptors = take_all_descriptors();
    peer.connect(&relayed.into()).unwrap();
    relay.wait_for("the shortage", |relay| relay.lost("accept_failed") > 0);
    let turns = || relay.server.counters().value("turns", "");
    let before = turns();
    std::thread::sleep(Duration::from_millis(500));
    let made = turns() - before;
    assert!(made < FEW_TURNS, "{made} turns");
    drop(descriptors);
    let Frame::Stun(bytes) = client.receive() else { panic!("channel data") };
    assert_eq!(Message::parse(&bytes).unwrap().method(), Method::CONNECTION_ATTEMPT);
}

fn take_all_descriptors() -> Vec<File> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).take(256).collect()
}
