//! What keeps sessions in bounds: a neighbour that announces too much, roles, hops, and one another. With BIRD.

use serde_json::Value;

use crate::lab::{Lab, PREFIX_V4, PREFIX_V6};
use crate::relay::{RELAY_ASN, Relay, Setup};
use crate::router::{self, Kind, Peer, ROUTER_ASN, Router};
use crate::skip::{Missing, need};

/// A router with further lines of its own, which announces some prefixes, and a relay.
fn with_bird(
    setup: &Setup,
    further: &'static str,
    exports: &[&'static str],
    then: impl FnOnce(&Router<'_>, &Relay<'_>),
) -> Result<(), Missing> {
    let lab = Lab::new(1)?;
    let peer = Peer { further, ..setup.peer() };
    let exports = exports.to_vec();
    let router = Router::start(&lab, Kind::Bird, router::Setup { exports, ..router::Setup::of(vec![peer]) })?;
    let relay = Relay::start(&lab, setup);
    then(&router, &relay);
    Ok(())
}

fn is_established(neighbor: &Value) -> bool {
    neighbor["state"] == "established"
}

#[test]
fn what_a_router_announces_is_counted_and_not_installed() {
    need!(with_bird(&Setup::at(0), "", &["203.0.113.0/24", "192.0.2.0/24"], |router, relay| {
        router.wait_for_route(PREFIX_V4, |_| true);
        relay.wait_for_neighbor("told of two prefixes", |router| router["received"]["ipv4"] == 2);
        assert!(!relay.host().output("ip route").contains("203.0.113.0"));
    }));
}

#[test]
fn a_router_that_announces_too_much_is_cut_off_and_told_so() {
    let setup = Setup { neighbor: "max_prefixes = 1".into(), ..Setup::at(0) };
    need!(with_bird(&setup, "", &["203.0.113.0/24", "192.0.2.0/24"], |router, relay| {
        let neighbor = relay.wait_for_neighbor("cut off", |router| {
            router["last_notification"]["code"] == 6 && router["last_notification"]["subcode"] == 1
        });
        assert_eq!(neighbor["last_notification"]["direction"], "sent", "{neighbor:#}");
        router.wait_until_gone(PREFIX_V4);
        router.wait_for_words("Maximum number of prefixes reached");
    }));
}

#[test]
fn roles_that_fit_make_a_session() {
    let setup = Setup { neighbor: "role = \"customer\"\nrole_strict = true".into(), ..Setup::at(0) };
    need!(with_bird(&setup, "local role provider;", &[], |router, relay| {
        router.wait_for_route(PREFIX_V4, |_| true);
        relay.wait_for_neighbor("established", is_established);
    }));
}

#[test]
fn roles_that_do_not_fit_are_named() {
    let setup = Setup { neighbor: "role = \"customer\"".into(), ..Setup::at(0) };
    need!(with_bird(&setup, "local role customer;", &[], |router, relay| {
        let neighbor = relay.wait_for_neighbor("refused", |router| {
            router["last_notification"]["code"] == 2 && router["last_notification"]["subcode"] == 11
        });
        assert!(neighbor["last_notification"]["words"].to_string().contains("Role Mismatch"), "{neighbor:#}");
        assert_eq!(router.routes(PREFIX_V4), []);
    }));
}

/// RFC 5082.
#[test]
fn hops_are_checked_at_both_ends() {
    let setup = Setup { neighbor: "gtsm = 1".into(), ..Setup::at(0) };
    need!(with_bird(&setup, "ttl security on;", &[], |router, _| {
        router.wait_for_route(PREFIX_V4, |_| true);
    }));
}

/// As a cloud's router has them: two interfaces, two sessions with each relay.
#[test]
fn one_of_two_sessions_ends_without_the_other() {
    fn scenario() -> Result<(), Missing> {
        let lab = Lab::new(1)?;
        let (first, second) = (Setup::at(0), Setup { over_v6: true, ..Setup::at(0) });
        let also = |shutdown: bool| {
            let address = second.router();
            let section = format!(
                "\n[[bgp.neighbor]]\nname = \"second\"\naddress = \"{address}\"\nasn = {ROUTER_ASN}\n\
                 families = [\"ipv6\"]\nconnect_retry = \"1s\"\nprefixes = [\"{PREFIX_V6}\"]\n\
                 shutdown = {shutdown}\n"
            );
            Setup { neighbor: section, ..first.clone() }
        };
        let peers = vec![first.peer(), second.peer()];
        let router = Router::start(&lab, Kind::Bird, router::Setup::of(peers))?;
        let relay = Relay::start(&lab, &also(false));
        router.wait_for_session(first.address(), true);
        router.wait_for_session(second.address(), true);
        crate::process::wait_for(router::LIMIT, || (router.routes(PREFIX_V6).len() == 2).then_some(()))
            .expect("two ways");
        relay.reload(&also(true));
        router.wait_for_session(second.address(), false);
        crate::process::wait_for(router::LIMIT, || (router.routes(PREFIX_V6).len() == 1).then_some(()))
            .expect("one way");
        assert!(router.routes(PREFIX_V4).iter().any(|route| route.path == [RELAY_ASN]));
        assert_eq!(relay.report()["neighbors"][0]["established"], 1);
        Ok(())
    }
    need!(scenario());
}
