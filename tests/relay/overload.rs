//! A worker that is too busy takes no new calls.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tern::route::Transport;

use crate::client::{Client, peer, receive};
use crate::relay::{Relay, Setup};

const CHANNEL: u16 = 0x4005;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 200, 95, 1);

/// Ends the flood, also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_busy_worker_keeps_its_calls_and_takes_no_new_ones() {
    let mut setup = Setup::new(&[Transport::Udp]);
    // One percent is what a call or two take.
    setup.worker.overload.busy = 1;
    let relay = setup.start();
    let overloaded = |relay: &Relay| relay.server.counters().value("overloaded", "");
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let relayed = client.allocate();
    let sink = peer(relayed.ip());
    client.bind(CHANNEL, sink.local_addr().unwrap());
    let over = AtomicBool::new(false);
    let mut other = Client::udp(relay.v4(Transport::Udp));
    thread::scope(|scope| {
        let _end = End(&over);
        scope.spawn(|| {
            // The channel permits every port of its peer's address.
            let source = peer(STRANGER.into());
            while !over.load(Ordering::Relaxed) {
                for _ in 0..100 {
                    // It has to be looked at, and goes nowhere.
                    source.send_to(&[0; 100], relayed).unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        relay.wait_for("the overload", |relay| overloaded(relay) == 1);
        let refused = other.request(tern::wire::stun::Method::ALLOCATE, |writer| {
            writer.requested_transport(17);
        });
        assert_eq!(refused.code(), Some(508));
        assert_eq!(client.refresh(600).code(), None);
        client.send_channel(CHANNEL, b"on");
        assert_eq!(receive(&sink).0, b"on");
    });
    relay.wait_for("the end of it", |relay| {
        // A turn closes the window.
        sink.send_to(b"on", relayed).unwrap();
        overloaded(relay) == 0
    });
    other.allocate();
    assert_eq!(relay.server.counters().value("shed", ""), 1);
    assert!(relay.server.counters().value("lost", "peer_not_permitted") > 0);
}
