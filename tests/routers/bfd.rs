//! BFD with the routers that know it, and a worker that hangs: what takes the route away, and what must not.

use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Lab, PREFIX_V4};
use crate::relay::{Relay, Setup};
use crate::router::{self, Kind, LIMIT, Router};
use crate::skip::{Missing, need};

/// Both ends in milliseconds; the session falls after three times as much.
const INTERVAL: u16 = 100;
/// Longer than anything here waits for: what is seen at all is not the hold timer's work.
const HOLD: u16 = 90;
const _: () = assert!(LIMIT.as_secs() < HOLD as u64);

fn stage<'a>(lab: &'a Lab, kind: Kind, over_v6: bool) -> Result<(Setup, Router<'a>, Relay<'a>), Missing> {
    let setup = Setup { bfd: Some(INTERVAL), hold: HOLD, workers: 2, over_v6, ..Setup::at(0) };
    let router = Router::start(lab, kind, router::Setup::of(vec![setup.peer()]))?;
    let relay = Relay::start(lab, &setup);
    router.wait_for_bfd(setup.address(), true);
    router.wait_for_session(setup.address(), true);
    Ok((setup, router, relay))
}

fn of_relay(relay: &Relay<'_>) -> serde_json::Value {
    relay.report()["neighbors"][0]["bfd"].clone()
}

fn falls_when_stopped(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (setup, router, relay) = stage(&lab, kind, false)?;
    router.wait_for_route(PREFIX_V4, |_| true);
    // It begins at a slow pace (RFC 5880 section 6.8.3).
    relay.wait_for_neighbor("at its pace", |router| router["bfd"]["detection_microseconds"] == 300_000);
    relay.signal("STOP");
    router.wait_until_gone(PREFIX_V4);
    relay.signal("CONT");
    router.wait_for_bfd(setup.address(), true);
    router.wait_for_route(PREFIX_V4, |_| true);
    Ok(())
}

fn falls_when_a_worker_hangs(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (setup, router, relay) = stage(&lab, kind, false)?;
    router.wait_for_route(PREFIX_V4, |_| true);
    relay.post("/v1/debug/hang", r#"{"worker": 1, "milliseconds": 3000}"#);
    router.wait_for_bfd(setup.address(), false);
    router.wait_until_gone(PREFIX_V4);
    router.wait_for_bfd(setup.address(), true);
    router.wait_for_route(PREFIX_V4, |_| true);
    Ok(())
}

fn outlives_a_stalled_control_plane(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (setup, router, relay) = stage(&lab, kind, false)?;
    router.wait_for_route(PREFIX_V4, |_| true);
    relay.wait_for_neighbor("up", |router| router["bfd"]["state"] == "up");
    let flaps = of_relay(&relay)["flaps"].clone();
    relay.post("/v1/debug/stall", r#"{"milliseconds": 3000}"#);
    sleep(Duration::from_millis(500));
    assert!(router.is_bfd_up(setup.address()));
    assert_eq!(of_relay(&relay)["flaps"], flaps);
    assert_eq!(relay.report()["neighbors"][0]["established"], 1);
    assert!(!router.routes(PREFIX_V4).is_empty());
    Ok(())
}

fn runs_over_ipv6(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (setup, router, relay) = stage(&lab, kind, true)?;
    relay.wait_for_neighbor("up", |router| router["bfd"]["state"] == "up");
    relay.signal("STOP");
    router.wait_for_bfd(setup.address(), false);
    relay.signal("CONT");
    Ok(())
}

macro_rules! with_bfd {
    ($($name:ident: $scenario:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn bird() {
                need!($scenario(Kind::Bird));
            }

            #[test]
            fn frr() {
                need!($scenario(Kind::Frr));
            }
        }
    )*};
}

with_bfd! {
    a_stopped_relay_loses_its_routes_long_before_the_hold_time: falls_when_stopped;
    a_hung_worker_takes_bfd_down_and_back_up: falls_when_a_worker_hangs;
    a_stalled_control_plane_does_not: outlives_a_stalled_control_plane;
    bfd_runs_over_ipv6: runs_over_ipv6;
}

/// Without BFD, the relay itself says so.
#[test]
fn a_hung_worker_is_withdrawn_by_bgp_alone() {
    fn scenario() -> Result<(), Missing> {
        let lab = Lab::new(1)?;
        let setup = Setup { hold: HOLD, workers: 2, ..Setup::at(0) };
        let router = Router::start(&lab, Kind::Bird, router::Setup::of(vec![setup.peer()]))?;
        let relay = Relay::start(&lab, &setup);
        router.wait_for_route(PREFIX_V4, |_| true);
        relay.post("/v1/debug/hang", r#"{"worker": 0, "milliseconds": 3000}"#);
        router.wait_until_gone(PREFIX_V4);
        assert!(router.is_established(setup.address()));
        router.wait_for_route(PREFIX_V4, |_| true);
        assert_eq!(relay.report()["neighbors"][0]["established"], 1);
        Ok(())
    }
    need!(scenario());
}
