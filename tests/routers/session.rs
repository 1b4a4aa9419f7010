//! How sessions begin and end, with each router: who connects, both at once, keys, timers, wrong numbers, and the end of
//! either side.

use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Lab, PREFIX_V4, PREFIX_V6};
use crate::process::wait_for;
use crate::relay::{FAREWELL, RELAY_ASN, Relay, Setup};
use crate::router::{self, Kind, LIMIT, Router};
use crate::skip::Missing;
use crate::with_each_router;

with_each_router! {
    a_passive_relay_is_connected_to: waits;
    of_two_connections_at_once_one_stays_where_the_relay_has_the_lower_identifier: collides_low;
    of_two_connections_at_once_one_stays_where_the_relay_has_the_higher_identifier: collides_high;
    a_router_that_falls_silent_is_given_up_after_the_hold_time: gives_up;
    the_lower_hold_time_holds_and_is_kept_by_keepalives: keeps_alive;
    an_unexpected_asn_is_named: names_an_asn;
    a_router_that_restarts_is_told_again: survives_restarts;
    a_relay_that_stops_withdraws_and_says_why: says_farewell;
    a_relay_that_is_killed_is_forgotten_and_comes_back: is_killed;
}

fn start_both<'a>(lab: &'a Lab, kind: Kind, setup: &Setup) -> Result<(Router<'a>, Relay<'a>), Missing> {
    let router = Router::start(lab, kind, router::Setup::of(vec![setup.peer()]))?;
    Ok((router, Relay::start(lab, setup)))
}

fn waits(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, relay) = start_both(&lab, kind, &Setup { listens: true, passive: true, ..Setup::at(0) })?;
    router.wait_for_route(PREFIX_V4, |route| route.med == Some(10_200));
    router.wait_for_route(PREFIX_V6, |route| route.med == Some(10_200));
    let neighbor = relay.report()["neighbors"][0].clone();
    let local = neighbor["local"].as_str().unwrap_or_default();
    assert!(local.ends_with(":179"), "{neighbor:#}");
    Ok(())
}

fn collides_low(kind: Kind) -> Result<(), Missing> {
    collides(kind, "1.1.1.1")
}

fn collides_high(kind: Kind) -> Result<(), Missing> {
    collides(kind, "223.1.1.1")
}

/// Both ends connect while nothing passes between them. Then both are stopped, and their kernels complete both
/// connections: when they go on, each finds its own connection made, and another one come in.
fn collides(kind: Kind, id: &'static str) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    lab.silence(0);
    // An attempt lasts as long as the hold time. The kernel asks again 15 and 31 s after it began; with less time one that is
    // seven seconds old when the network is back would end unanswered.
    let setup = Setup { listens: true, id: Some(id), hold: 90, ..Setup::at(0) };
    let (router, relay) = start_both(&lab, kind, &setup)?;
    let connects = |host: &crate::host::Host| host.connections("syn-sent", 179) > 0;
    let both = || connects(&lab.router) && connects(&lab.relays[0]);
    // An attempt may be given up between the look and the stop: then once more.
    let caught = wait_for(LIMIT, || {
        if !both() {
            return None;
        }
        router.signal("STOP");
        relay.signal("STOP");
        if both() {
            return Some(());
        }
        router.signal("CONT");
        relay.signal("CONT");
        None
    });
    caught.expect("both connect");
    lab.restore(0);
    let met = wait_for(LIMIT, || (lab.router.connections("established", 179) == 2).then_some(()));
    relay.signal("CONT");
    router.signal("CONT");
    assert!(met.is_some(), "the connections did not meet");

    router.wait_for_route(PREFIX_V4, |route| route.med == Some(10_200));
    router.wait_for_route(PREFIX_V6, |route| route.med == Some(10_200));
    let neighbor = relay.wait_for_neighbor("established", |router| router["state"] == "established");
    let single = wait_for(LIMIT, || (lab.router.connections("established", 179) == 1).then_some(()));
    assert!(single.is_some(), "two connections stay: {neighbor:#}");
    // It stays: no end takes the other for a stranger afterwards.
    let before = neighbor["established"].clone();
    sleep(Duration::from_secs(2));
    let neighbor = relay.report()["neighbors"][0].clone();
    assert_eq!(
        (&neighbor["state"], &neighbor["established"]),
        (&"established".into(), &before),
        "{neighbor:#}"
    );
    Ok(())
}

fn gives_up(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, relay) = start_both(&lab, kind, &Setup { hold: 3, ..Setup::at(0) })?;
    router.wait_for_route(PREFIX_V4, |_| true);
    router.signal("STOP");
    let neighbor = relay.wait_for_neighbor("given up", |router| router["state"] != "established");
    router.signal("CONT");
    let last = &neighbor["last_notification"];
    assert_eq!((&last["direction"], &last["code"]), (&"sent".into(), &4.into()), "{neighbor:#}");
    assert!(last["words"].as_str().unwrap().to_lowercase().contains("hold"), "{neighbor:#}");
    relay.wait_for_neighbor("established again", |router| router["established"] == 2);
    router.wait_for_route(PREFIX_V4, |_| true);
    Ok(())
}

fn keeps_alive(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let setup = Setup { hold: 90, ..Setup::at(0) };
    let mut peer = setup.peer();
    peer.hold = 3;
    let router = Router::start(&lab, kind, router::Setup::of(vec![peer]))?;
    let relay = Relay::start(&lab, &setup);
    router.wait_for_route(PREFIX_V4, |_| true);
    sleep(Duration::from_secs(5));
    let neighbor = relay.report()["neighbors"][0].clone();
    assert_eq!(neighbor["hold_time_seconds"], 3, "{neighbor:#}");
    assert_eq!(neighbor["keepalive_seconds"], 1, "{neighbor:#}");
    assert_eq!(neighbor["established"], 1, "{neighbor:#}");
    assert!(router.is_established(setup.address()));
    // Then the relay falls silent.
    relay.signal("STOP");
    router.wait_until_gone(PREFIX_V4);
    relay.signal("CONT");
    router.wait_for_route(PREFIX_V4, |_| true);
    Ok(())
}

fn names_an_asn(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let setup = Setup::at(0);
    let mut peer = setup.peer();
    peer.asn = RELAY_ASN + 1;
    let mut router = Router::start(&lab, kind, router::Setup::of(vec![peer]))?;
    let relay = Relay::start(&lab, &setup);
    let neighbor = relay.wait_for_neighbor("told that its ASN is wrong", |router| {
        router["last_notification"]["code"] == 2 && router["last_notification"]["subcode"] == 2
    });
    assert_eq!(neighbor["last_notification"]["direction"], "received", "{neighbor:#}");
    assert_eq!(router.routes(PREFIX_V4), []);

    // And the other way round.
    router.stop("KILL");
    router.setup_mut().asn = 64_999;
    router.setup_mut().peers[0].asn = RELAY_ASN;
    router.start_again();
    let neighbor = relay.wait_for_neighbor("aware of the other's ASN", |router| {
        router["last_failure"].as_str().is_some_and(|text| text.contains("64999"))
    });
    let failure = neighbor["last_failure"].as_str().unwrap();
    assert!(failure.contains("64512"), "{neighbor:#}");
    assert_eq!(router.routes(PREFIX_V4), []);
    Ok(())
}

fn survives_restarts(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (mut router, relay) = start_both(&lab, kind, &Setup::at(0))?;
    for (signal, sessions) in [("TERM", 2), ("KILL", 3)] {
        router.wait_for_route(PREFIX_V4, |_| true);
        router.stop(signal);
        relay.wait_for_neighbor("without a session", |router| router["state"] != "established");
        router.start_again();
        let neighbor = relay.wait_for_neighbor("established", |router| router["state"] == "established");
        assert_eq!(neighbor["established"], sessions, "{neighbor:#}");
        router.wait_for_route(PREFIX_V4, |route| route.med == Some(10_200));
        router.wait_for_route(PREFIX_V6, |route| route.med == Some(10_200));
    }
    Ok(())
}

fn says_farewell(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let setup = Setup { announce: "linger = \"3s\"".into(), ..Setup::at(0) };
    let (router, mut relay) = start_both(&lab, kind, &setup)?;
    router.wait_for_route(PREFIX_V4, |_| true);
    router.wait_for_route(PREFIX_V6, |_| true);
    relay.signal("TERM");
    // First the routes, while the session stands and the relay serves.
    router.wait_until_gone(PREFIX_V4);
    router.wait_until_gone(PREFIX_V6);
    assert!(
        router.is_established(setup.address()),
        "the session ended with the withdrawal:\n{}",
        relay.output()
    );
    let status = relay.wait_for_end();
    assert!(status.success(), "{status}\n{}", relay.output());
    router.wait_for_session(setup.address(), false);
    // As RFC 9003 has it, where the router shows it.
    match kind {
        Kind::Bird | Kind::Frr => router.wait_for_words(FAREWELL),
        Kind::Gobgp | Kind::Exabgp => {}
    }
    Ok(())
}

fn is_killed(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, mut relay) = start_both(&lab, kind, &Setup::at(0))?;
    router.wait_for_route(PREFIX_V4, |_| true);
    relay.stop("KILL");
    router.wait_until_gone(PREFIX_V4);
    router.wait_until_gone(PREFIX_V6);
    relay.start_again();
    router.wait_for_route(PREFIX_V4, |route| route.med == Some(10_200));
    Ok(())
}
