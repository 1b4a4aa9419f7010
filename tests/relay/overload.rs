//! A worker that is too busy takes no new calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tern::route::Transport;

use crate::client::{Client, peer, receive};
use crate::relay::{Relay, Setup};

const CHANNEL: u16 = 0x4005;

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
            let source = peer(relayed.ip());
            while !over.load(Ordering::Relaxed) {
                for _ in 0..100 {
                    // Nobody permits it, but it has to be looked at.
                    source.send_to(&[0; 100], relayed).unwrap();
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        // Where the source gets no time, the worker has none to spend either, and is free again.
        let refused = loop {
            relay.wait_for("the overload", |relay| overloaded(relay) == 1);
            let answer = other.request(tern::wire::stun::Method::ALLOCATE, |writer| {
                writer.requested_transport(17);
            });
            if let Some(code) = answer.code() {
                break code;
            }
            assert_eq!(other.refresh(0).code(), None);
        };
        assert_eq!(refused, 508);
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
}
