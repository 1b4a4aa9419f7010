//! What each router learns of a relay: its prefixes with the attributes of its state, in both families, and nothing more.

use crate::lab::{Lab, PREFIX_V4, PREFIX_V6, relay_v4, relay_v6};
use crate::relay::{RELAY_ASN, Relay, Setup};
use crate::router::{self, Kind, Route, Router};
use crate::skip::Missing;
use crate::with_each_router;

with_each_router! {
    the_prefixes_are_announced_with_the_med_of_a_healthy_relay: announces;
    a_reload_changes_med_and_prepends_within_the_session: changes_by_reload;
    a_drained_relay_is_announced_as_such_and_comes_back: drains;
    what_the_operator_withdraws_stays_withdrawn: withdraws;
    a_failed_check_withdraws_within_the_session: fails;
    a_session_over_ipv6_carries_ipv6: speaks_ipv6;
}

/// A lab with one relay whose prefixes the router has.
fn stage<'a>(lab: &'a Lab, kind: Kind, setup: &Setup) -> Result<(Router<'a>, Relay<'a>), Missing> {
    let router = Router::start(lab, kind, router::Setup::of(vec![setup.peer()]))?;
    let relay = Relay::start(lab, setup);
    router.wait_for_route(PREFIX_V6, |_| true);
    if !setup.over_v6 {
        router.wait_for_route(PREFIX_V4, |_| true);
    }
    Ok((router, relay))
}

fn is_plain(route: &Route, med: u32) -> bool {
    route.med == Some(med)
        && route.path == [RELAY_ASN]
        && route.communities.is_empty()
        && route.large.is_empty()
}

fn announces(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, relay) = stage(&lab, kind, &Setup::at(0))?;
    for (prefix, next_hop) in [(PREFIX_V4, relay_v4(0).to_string()), (PREFIX_V6, relay_v6(0).to_string())] {
        let route = router.wait_for_route(prefix, |route| is_plain(route, 10_200));
        assert_eq!(route.next_hop, next_hop);
        assert_eq!(router.routes(prefix).len(), 1);
    }
    let neighbor = relay.wait_for_neighbor("established", |router| router["state"] == "established");
    assert_eq!(neighbor["announced"], 2, "{neighbor:#}");
    assert_eq!(neighbor["hold_time_seconds"], 9, "{neighbor:#}");
    Ok(())
}

/// How often a session was established.
fn sessions(relay: &Relay<'_>) -> u64 {
    relay.report()["neighbors"][0]["established"].as_u64().expect("a number")
}

fn changes_by_reload(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let mut setup = Setup::at(0);
    let (router, relay) = stage(&lab, kind, &setup)?;
    setup.announce = "[announce.healthy]\nmed = 77\nprepend = 2\nlarge_communities = [\"64500:1:2\"]".into();
    relay.reload(&setup);
    for prefix in [PREFIX_V4, PREFIX_V6] {
        let route = router.wait_for_route(prefix, |route| route.med == Some(77));
        assert_eq!(route.path, [RELAY_ASN; 3]);
        assert!(route.large.iter().eq(["64500:1:2"]), "{route:?}");
    }
    assert_eq!(sessions(&relay), 1);
    Ok(())
}

fn drains(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, relay) = stage(&lab, kind, &Setup::at(0))?;
    relay.operate(&["drain"]);
    for prefix in [PREFIX_V4, PREFIX_V6] {
        let route = router.wait_for_route(prefix, |route| route.med == Some(40_800));
        assert!(route.communities.iter().eq(["65535:0"]), "{route:?}");
    }
    assert_eq!(relay.report()["health"]["state"], "draining");
    relay.operate(&["undrain"]);
    router.wait_for_route(PREFIX_V4, |route| is_plain(route, 10_200));
    router.wait_for_route(PREFIX_V6, |route| is_plain(route, 10_200));
    assert_eq!(sessions(&relay), 1);
    Ok(())
}

fn withdraws(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let mut setup = Setup::at(0);
    let (router, relay) = stage(&lab, kind, &setup)?;
    relay.operate(&["bgp", "withdraw", PREFIX_V4]);
    router.wait_until_gone(PREFIX_V4);
    assert!(!router.routes(PREFIX_V6).is_empty(), "only the one was withdrawn");
    // A reload brings the other's new MED, and with it would have brought the one back.
    setup.announce = "[announce.healthy]\nmed = 77".into();
    relay.reload(&setup);
    router.wait_for_route(PREFIX_V6, |route| route.med == Some(77));
    assert_eq!(router.routes(PREFIX_V4), []);
    relay.operate(&["bgp", "announce", PREFIX_V4]);
    router.wait_for_route(PREFIX_V4, |route| route.med == Some(77));
    relay.operate(&["bgp", "withdraw"]);
    router.wait_until_gone(PREFIX_V4);
    router.wait_until_gone(PREFIX_V6);
    assert_eq!(sessions(&relay), 1);
    Ok(())
}

fn fails(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let (router, relay) = stage(&lab, kind, &Setup::at(0))?;
    relay.set_sick(true);
    router.wait_until_gone(PREFIX_V4);
    router.wait_until_gone(PREFIX_V6);
    let health = relay.report()["health"].clone();
    assert_eq!(health["state"], "down");
    assert!(health["reasons"].to_string().contains("switch"), "{health:#}");
    relay.set_sick(false);
    router.wait_for_route(PREFIX_V4, |route| is_plain(route, 10_200));
    router.wait_for_route(PREFIX_V6, |route| is_plain(route, 10_200));
    assert_eq!(sessions(&relay), 1);
    Ok(())
}

fn speaks_ipv6(kind: Kind) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let setup = Setup { over_v6: true, ..Setup::at(0) };
    let (router, relay) = stage(&lab, kind, &setup)?;
    let route = router.wait_for_route(PREFIX_V6, |route| is_plain(route, 10_200));
    assert_eq!(route.next_hop, relay_v6(0).to_string());
    relay.operate(&["bgp", "withdraw"]);
    router.wait_until_gone(PREFIX_V6);
    Ok(())
}
