//! Two relays behind one anycast address and a router that spreads flows over both. Clients begin new flows all the time;
//! one relay leaves.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::lab::{ANYCAST_V4, Lab};
use crate::relay::{PORT, Relay, Setup};
use crate::router::{self, Kind, Router};
use crate::skip::{Missing, need};

/// What a flow waits for its answer: a loaded machine is slow, a lost packet never comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// New flows of both relays before and after.
const CALM: Duration = Duration::from_secs(1);

/// The new flows of one client.
#[derive(Debug, Default)]
struct Flows {
    begun: u32,
    lost: Vec<u32>,
}

/// One Binding request after another, each from a new port, until told to stop.
fn begin_flows(stop: &AtomicBool) -> Flows {
    let target = SocketAddr::from((ANYCAST_V4, PORT));
    let mut flows = Flows::default();
    while !stop.load(Ordering::Relaxed) {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // RFC 8489 section 5: type, length, magic cookie, transaction ID.
        let mut request = [0_u8; 20];
        request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        request[16..].copy_from_slice(&flows.begun.to_be_bytes());
        socket.send_to(&request, target).unwrap();
        let mut answer = [0; 1500];
        let good = socket.recv_from(&mut answer).is_ok_and(|(_, from)| {
            from == target && answer[..2] == [1, 1] && answer[8..20] == request[8..20]
        });
        if !good {
            flows.lost.push(flows.begun);
        }
        flows.begun += 1;
    }
    flows
}

/// One of two relays leaves in the way of `leave`, while clients begin flows; none of those is lost.
fn loses_nothing(leave: impl FnOnce(&mut Relay<'_>) + Send) -> Result<(), Missing> {
    let lab = Lab::new(2)?;
    let setups = [0, 1].map(|place| Setup { announce: "linger = \"2s\"".into(), ..Setup::at(place) });
    let _router =
        Router::start(&lab, Kind::Bird, router::Setup::of(setups.iter().map(Setup::peer).collect()))?;
    let mut relays = setups.each_ref().map(|setup| Relay::start(&lab, setup));
    let ways = || lab.router.output("ip route show 198.18.88.1").matches("via 10.88.").count();
    let wait_for_ways = |count| crate::process::wait_for(router::LIMIT, || (ways() == count).then_some(()));
    wait_for_ways(2).expect("two ways in the router's kernel");

    let stop = AtomicBool::new(false);
    let flows = lab.clients.within(|| {
        scope(|threads| {
            let clients: Vec<_> = (0..4).map(|_| threads.spawn(|| begin_flows(&stop))).collect();
            sleep(CALM);
            leave(&mut relays[0]);
            let left = wait_for_ways(1);
            sleep(CALM);
            stop.store(true, Ordering::Relaxed);
            let flows: Vec<Flows> = clients.into_iter().map(|client| client.join().unwrap()).collect();
            left.expect("one way in the router's kernel");
            flows
        })
    });
    let begun: u32 = flows.iter().map(|flows| flows.begun).sum();
    println!("{begun} flows: {flows:?}");
    assert!(begun >= 100, "too few flows to say anything: {flows:?}");
    assert!(flows.iter().all(|flows| flows.lost.is_empty()), "{flows:?}");
    Ok(())
}

#[test]
fn a_drain_loses_no_packet_of_a_new_flow() {
    need!(loses_nothing(|relay| {
        relay.operate(&["drain"]);
    }));
}

#[test]
fn a_withdrawal_loses_no_packet_of_a_new_flow() {
    need!(loses_nothing(|relay| {
        relay.operate(&["bgp", "withdraw"]);
    }));
}

#[test]
fn an_end_by_sigterm_loses_no_packet_of_a_new_flow() {
    need!(loses_nothing(|relay| {
        assert!(relay.stop("TERM").success());
    }));
}
