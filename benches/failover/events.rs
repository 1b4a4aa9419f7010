//! What happens to a relay, and how it is put right again before the next time.

use std::time::Duration;

use crate::anchor::Announcer;
use crate::lab::{ANYCAST_V4, Lab, PREFIX_V4, relay_v4};
use crate::relay::{Relay, Setup};
use crate::router::{self, Kind, Router};
use crate::skip::Missing;
use crate::watch::{Change, Watch};

/// One line of the table.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    /// What its worst time is held against, in milliseconds.
    pub(crate) limit: Option<u64>,
    pub(crate) measure: fn(usize) -> Result<Vec<Duration>, Missing>,
}

const MED: u32 = 10_200;
/// The MED of a relay that drains.
const DRAINING: u32 = 40_800;

/// A failed self-test is noticed after `interval` + (`fall` - 1) × `fast_interval` at the latest: 200 + 100 ms here.
const NOTICED: u64 = 300;

/// The limits are for a router that is as fast as BIRD. FRR takes some 70 ms from a message to the kernel by itself, as the
/// anchor shows; only where BFD leaves room for that, it is held against one.
pub(crate) const EVENTS: &[Event] = &[
    Event { name: "relay, BIRD: self-test fails", limit: Some(NOTICED + 100), measure: self_test },
    Event { name: "relay, BIRD: tern drain", limit: Some(200), measure: drain },
    Event { name: "relay, BIRD: MED changed by a reload", limit: None, measure: reload },
    Event {
        name: "relay, BIRD: SIGTERM",
        limit: Some(100),
        measure: |count| ends(Kind::Bird, "TERM", count),
    },
    Event {
        name: "relay, BIRD: SIGKILL",
        limit: Some(100),
        measure: |count| ends(Kind::Bird, "KILL", count),
    },
    Event {
        name: "relay, BIRD: SIGSTOP, BFD 100 ms x 3",
        limit: Some(500),
        measure: |count| stops(Kind::Bird, count),
    },
    Event {
        name: "relay, BIRD: worker hangs, BFD 100 ms x 3",
        limit: None,
        measure: |count| hangs(Some(100), count),
    },
    Event { name: "relay, BIRD: worker hangs, no BFD", limit: None, measure: |count| hangs(None, count) },
    Event { name: "relay, FRR: SIGTERM", limit: None, measure: |count| ends(Kind::Frr, "TERM", count) },
    Event { name: "relay, FRR: SIGKILL", limit: None, measure: |count| ends(Kind::Frr, "KILL", count) },
    Event {
        name: "relay, FRR: SIGSTOP, BFD 100 ms x 3",
        limit: Some(500),
        measure: |count| stops(Kind::Frr, count),
    },
    Event { name: "anchor BIRD, BIRD: route withdrawn", limit: None, measure: anchor_withdraws },
    Event { name: "anchor BIRD, BIRD: MED changed by a reload", limit: None, measure: anchor_reloads },
    Event {
        name: "anchor BIRD, BIRD: SIGTERM",
        limit: None,
        measure: |count| anchor_ends(Kind::Bird, "TERM", count),
    },
    Event {
        name: "anchor BIRD, BIRD: SIGKILL",
        limit: None,
        measure: |count| anchor_ends(Kind::Bird, "KILL", count),
    },
    Event {
        name: "anchor BIRD, BIRD: SIGSTOP, BFD 100 ms x 3",
        limit: None,
        measure: |count| anchor_stops(Kind::Bird, count),
    },
    Event {
        name: "anchor BIRD, FRR: SIGTERM",
        limit: None,
        measure: |count| anchor_ends(Kind::Frr, "TERM", count),
    },
    Event {
        name: "anchor BIRD, FRR: SIGKILL",
        limit: None,
        measure: |count| anchor_ends(Kind::Frr, "KILL", count),
    },
    Event {
        name: "anchor BIRD, FRR: SIGSTOP, BFD 100 ms x 3",
        limit: None,
        measure: |count| anchor_stops(Kind::Frr, count),
    },
];

/// A relay and its router; `setup` is refined by each event.
fn with_relay(
    kind: Kind,
    setup: &Setup,
    measure: impl FnOnce(&Lab, &Router<'_>, Relay<'_>, &Watch) -> Vec<Duration>,
) -> Result<Vec<Duration>, Missing> {
    let lab = Lab::new(1)?;
    let router = Router::start(&lab, kind, router::Setup::of(vec![setup.peer()]))?;
    let relay = Relay::start(&lab, setup);
    let watch = Watch::start(&lab.router);
    Ok(measure(&lab, &router, relay, &watch))
}

/// Waits until all has been as it should be for a while: BFD begins at a slow pace, and an end that was stopped may only
/// then find that the other had given it up.
fn settle(router: &Router<'_>, bfd: bool) {
    let good = || {
        let route = router.routes(PREFIX_V4).iter().any(|route| route.med == Some(MED));
        route && (!bfd || router.is_bfd_up(relay_v4(0)))
    };
    let wanted = if bfd { 20 } else { 3 };
    let mut streak = 0;
    for _ in 0..600 {
        streak = if good() { streak + 1 } else { 0 };
        if streak > wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the relay is not announced:\n{}", router.output());
}

fn with_bfd() -> Setup {
    Setup { bfd: Some(100), hold: 90, workers: 2, ..Setup::at(0) }
}

fn self_test(count: usize) -> Result<Vec<Duration>, Missing> {
    with_relay(Kind::Bird, &Setup::at(0), |lab, router, _relay, watch| {
        let once = |_| {
            settle(router, false);
            let host = &lab.relays[0];
            let time =
                watch.time(Change::Gone, || host.sh(&format!("ip addr del {ANYCAST_V4}/32 dev lo")).unwrap());
            host.sh(&format!("ip addr add {ANYCAST_V4}/32 dev lo")).unwrap();
            time
        };
        (0..count).map(once).collect()
    })
}

fn drain(count: usize) -> Result<Vec<Duration>, Missing> {
    with_relay(Kind::Bird, &Setup::at(0), |_, router, relay, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Med(DRAINING), || drop(relay.operate(&["drain"])));
            relay.operate(&["undrain"]);
            time
        };
        (0..count).map(once).collect()
    })
}

fn reload(count: usize) -> Result<Vec<Duration>, Missing> {
    let plain = Setup::at(0);
    let other = Setup { announce: "[announce.healthy]\nmed = 77".into(), ..Setup::at(0) };
    with_relay(Kind::Bird, &plain, |_, router, relay, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Med(77), || relay.reload(&other));
            relay.reload(&plain);
            time
        };
        (0..count).map(once).collect()
    })
}

fn ends(kind: Kind, signal: &str, count: usize) -> Result<Vec<Duration>, Missing> {
    with_relay(kind, &Setup::at(0), |_, router, mut relay, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Gone, || relay.signal(signal));
            relay.wait_for_end();
            relay.start_again();
            time
        };
        (0..count).map(once).collect()
    })
}

fn stops(kind: Kind, count: usize) -> Result<Vec<Duration>, Missing> {
    with_relay(kind, &with_bfd(), |_, router, mut relay, watch| {
        let once = |_| {
            settle(router, true);
            let time = watch.time(Change::Gone, || relay.signal("STOP"));
            renew(&mut relay);
            time
        };
        (0..count).map(once).collect()
    })
}

/// A relay waits longer and longer before it talks again to a neighbour that it loses again and again; a new one does not.
fn renew(relay: &mut Relay<'_>) {
    relay.stop("KILL");
    relay.start_again();
}

fn hangs(bfd: Option<u16>, count: usize) -> Result<Vec<Duration>, Missing> {
    if !cfg!(debug_assertions) {
        return Err(Missing("the debug hook that hangs workers (--profile dev)".into()));
    }
    with_relay(Kind::Bird, &Setup { bfd, ..with_bfd() }, |_, router, mut relay, watch| {
        let once = |_| {
            settle(router, bfd.is_some());
            let hang = || drop(relay.post("/v1/debug/hang", r#"{"worker": 1, "milliseconds": 3000}"#));
            let time = watch.time(Change::Gone, hang);
            renew(&mut relay);
            time
        };
        (0..count).map(once).collect()
    })
}

/// BIRD in the relay's place.
fn with_anchor(
    kind: Kind,
    bfd: bool,
    measure: impl FnOnce(&Lab, &Router<'_>, crate::router::Bird, &Watch) -> Vec<Duration>,
) -> Result<Vec<Duration>, Missing> {
    let lab = Lab::new(1)?;
    let peer = Announcer::peer(30, bfd.then_some(100));
    let router = Router::start(&lab, kind, router::Setup::of(vec![peer]))?;
    let bird = Announcer { med: MED, prepend: false }.start(&lab.relays[0], lab.folder())?;
    let watch = Watch::start(&lab.router);
    Ok(measure(&lab, &router, bird, &watch))
}

fn anchor_withdraws(count: usize) -> Result<Vec<Duration>, Missing> {
    with_anchor(Kind::Bird, false, |_, router, bird, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Gone, || drop(bird.ask("disable s4")));
            bird.ask("enable s4");
            time
        };
        (0..count).map(once).collect()
    })
}

fn anchor_reloads(count: usize) -> Result<Vec<Duration>, Missing> {
    let reload = |lab: &Lab, bird: &crate::router::Bird, med| {
        let file = lab.folder().join("announcer.conf");
        std::fs::write(file, Announcer { med, prepend: false }.configuration()).unwrap();
        bird.ask("configure");
    };
    with_anchor(Kind::Bird, false, |lab, router, bird, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Med(77), || reload(lab, &bird, 77));
            reload(lab, &bird, MED);
            time
        };
        (0..count).map(once).collect()
    })
}

fn anchor_ends(kind: Kind, signal: &str, count: usize) -> Result<Vec<Duration>, Missing> {
    with_anchor(kind, false, |lab, router, mut bird, watch| {
        let once = |_| {
            settle(router, false);
            let time = watch.time(Change::Gone, || bird.signal(signal));
            bird.wait_for_end();
            bird = Announcer { med: MED, prepend: false }.start(&lab.relays[0], lab.folder()).unwrap();
            time
        };
        (0..count).map(once).collect()
    })
}

fn anchor_stops(kind: Kind, count: usize) -> Result<Vec<Duration>, Missing> {
    with_anchor(kind, true, |_, router, bird, watch| {
        let once = |_| {
            settle(router, true);
            let time = watch.time(Change::Gone, || bird.signal("STOP"));
            bird.signal("CONT");
            time
        };
        (0..count).map(once).collect()
    })
}
