//! TCP MD5 with each router: the same key at both ends, and what is seen when it is not.

use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Lab, PREFIX_V4};
use crate::relay::{Relay, Setup};
use crate::router::{self, Kind, Router};
use crate::skip::Missing;
use crate::with_each_router;

with_each_router! {
    a_shared_key_lets_the_relay_connect: connects;
    a_shared_key_lets_the_router_connect: is_connected_to;
    a_wrong_key_keeps_both_apart_and_is_named: is_wrong;
    a_key_that_only_the_relay_has_keeps_both_apart_and_is_named: is_ours;
    a_key_that_only_the_router_has_keeps_both_apart: is_theirs;
}

const KEY: &str = "osprey-over-the-estuary-42!";

fn connects(kind: Kind) -> Result<(), Missing> {
    opens(kind, &Setup { key: Some(KEY), ..Setup::at(0) })
}

fn is_connected_to(kind: Kind) -> Result<(), Missing> {
    opens(kind, &Setup { key: Some(KEY), listens: true, passive: true, ..Setup::at(0) })
}

fn opens(kind: Kind, setup: &Setup) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let router = Router::start(&lab, kind, router::Setup::of(vec![setup.peer()]))?;
    let _relay = Relay::start(&lab, setup);
    router.wait_for_route(PREFIX_V4, |route| route.med == Some(10_200));
    Ok(())
}

fn is_wrong(kind: Kind) -> Result<(), Missing> {
    stay_apart(kind, Some(KEY), Some("another"))
}

fn is_ours(kind: Kind) -> Result<(), Missing> {
    stay_apart(kind, Some(KEY), None)
}

fn is_theirs(kind: Kind) -> Result<(), Missing> {
    stay_apart(kind, None, Some(KEY))
}

/// The kernel drops what is signed wrongly and says so to nobody. With the right key the session opens after all.
fn stay_apart(kind: Kind, ours: Option<&'static str>, theirs: Option<&'static str>) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let mut setup = Setup { key: ours, ..Setup::at(0) };
    let mut peer = setup.peer();
    peer.key = theirs.map(str::to_owned);
    let router = Router::start(&lab, kind, router::Setup::of(vec![peer]))?;
    let relay = Relay::start(&lab, &setup);
    if ours.is_some() {
        relay.wait_for_neighbor("suspicious of the key", |router| {
            router["last_failure"].as_str().is_some_and(|text| text.contains("password"))
        });
    } else {
        relay.wait_for("not healthy", |report| report["health"]["state"] == "healthy");
        sleep(Duration::from_secs(3));
    }
    assert!(!router.is_established(setup.address()));
    assert_eq!(router.routes(PREFIX_V4), []);
    setup.key = theirs.map(|key| if key == KEY { KEY } else { "another" });
    relay.reload(&setup);
    router.wait_for_route(PREFIX_V4, |_| true);
    Ok(())
}
