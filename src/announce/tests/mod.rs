//! Announcers in virtual time against a router: what neighbours hear when.

mod fleet;
mod lab;
mod router;

use std::time::Duration;

use lab::{LATENCY, Lab, MS, SECOND, check, ladder, plain, prefix};

use super::health::{FailBack, OnDown, State, Verdict};
use super::policy::Ladder;
use super::settings::{Doubt, RpkiSettings};
use super::{Input, Level, NeighborId, Settings};
use crate::wire::bgp::{Asn, Community};

fn one() -> Settings {
    plain(vec![check("a")])
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = one();
    change(&mut settings);
    settings
}

#[test]
fn nothing_is_announced_before_the_checks_have_passed() {
    let mut lab = Lab::new(vec![one()]);
    lab.say(0, 0, None);
    lab.run(60 * SECOND);
    assert_eq!((lab.router.med(0), lab.router.updates), (None, 0));
    lab.say(0, 0, Some(Verdict::Good));
    lab.run(5 * SECOND);
    assert_eq!((lab.router.med(0), lab.router.updates), (Some(10_200), 1));
}

#[test]
fn a_failed_check_withdraws_within_its_fall_time() {
    let mut lab = Lab::healthy(one());
    lab.say(0, 0, Some(Verdict::Bad));
    let took = lab.run_until(5 * SECOND, |lab| lab.router.med(0).is_none());
    assert!(took <= SECOND + 200 * MS + 2 * MS + LATENCY, "{took:?}");
    let relay = &lab.relays[0];
    assert_eq!((relay.changes[0].previous, relay.changes[0].state), (State::Healthy, State::Down));
    assert!(relay.changes[0].prefixes.is_empty());
    let why = &relay.announcer.view(lab.now).routes[0].why;
    let expected = ["the relay is down", "`a` has failed: said so", "failed checks weigh 100, down from 100"];
    assert_eq!(why, &expected);
    let alerts: Vec<_> =
        relay.log.iter().filter(|event| event.level == Level::Warn).map(|event| event.text).collect();
    assert_eq!(alerts, ["check failed", "relay is down"]);
}

#[test]
fn the_log_tells_the_chain_from_the_check_to_the_prefix() {
    let mut lab = Lab::healthy(one());
    lab.say(0, 0, Some(Verdict::Bad));
    lab.run(5 * SECOND);
    let log: Vec<String> = lab.relays[0].log.iter().map(ToString::to_string).collect();
    let expected = [
        "check failed check=a detail=said so",
        "relay is down state=down previous=healthy reason=`a` has failed: said so; failed checks weigh 100, down from 100",
        "prefix is to be withdrawn neighbor=gw-a prefix=192.0.2.1/32 reason=the relay is down",
    ];
    assert_eq!(log, expected);
}

#[test]
fn nothing_is_sent_while_nothing_changes() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::CheckNow);
    lab.tell(0, Input::Drain(false));
    lab.tell(0, Input::Announce { prefix: None, force: false });
    lab.tell(0, Input::Others(Some(3)));
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(Duration::from_secs(3600));
    assert_eq!(lab.router.updates, 1);
    assert_eq!(lab.relays[0].changes, []);
}

#[test]
fn draining_is_heard_at_once_with_graceful_shutdown() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Drain(true));
    let took = lab.run_until(SECOND, |lab| lab.router.med(0) == Some(40_800));
    assert_eq!(took, LATENCY);
    let communities: Vec<Community> =
        lab.router.routes(0).flat_map(|route| route.2.communities.clone()).collect();
    assert_eq!(communities, [Community::GRACEFUL_SHUTDOWN]);
    lab.tell(0, Input::Drain(false));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(10_200));
    assert_eq!(lab.relays[0].changes[0].prefixes, [prefix("192.0.2.1/32")]);
}

#[test]
fn every_state_has_its_attributes() {
    let mut settings = plain(vec![check("a")]);
    settings.health.on_down = OnDown::LastResort;
    let mut lab = Lab::healthy(settings);
    lab.tell(0, Input::Takeover(true));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(0));
    lab.tell(0, Input::Takeover(false));
    lab.say(0, 0, Some(Verdict::Poor));
    lab.run(5 * SECOND);
    assert_eq!(lab.router.med(0), Some(20_400));
    lab.say(0, 0, Some(Verdict::Bad));
    lab.run(5 * SECOND);
    assert_eq!(lab.router.med(0), Some(61_200));
    lab.tell(0, Input::Others(Some(1)));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None, "another relay is healthy");
    lab.tell(0, Input::Others(Some(0)));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(61_200));
}

#[test]
fn each_neighbour_hears_its_own_ladder() {
    let settings = with(|settings| {
        let mut other = settings.bgp.neighbors[0].clone();
        other.name = "gw-b".into();
        other.address = "10.0.0.9".parse().unwrap();
        other.exports[0].ladder = Ladder { degraded: None, ..ladder() };
        settings.bgp.neighbors.push(other);
    });
    let mut lab = Lab::healthy(settings);
    assert_eq!(lab.router.routes(0).count(), 2);
    lab.say(0, 0, Some(Verdict::Poor));
    lab.run(5 * SECOND);
    let told: Vec<_> = lab.router.routes(0).map(|route| (route.0, route.2.med)).collect();
    assert_eq!(told, [(NeighborId(0), Some(20_400))]);
}

#[test]
fn the_operators_hold_outlives_health_reload_and_reconnection() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Withdraw(None));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
    lab.tell(
        0,
        Input::Reload(Box::new(with(|settings| {
            settings.bgp.neighbors[0].exports[0].ladder.healthy = ladder().takeover
        }))),
    );
    lab.run(60 * SECOND);
    lab.restart_router();
    lab.tell(0, Input::Drain(true));
    lab.tell(0, Input::Drain(false));
    lab.run(300 * SECOND);
    assert_eq!((lab.router.med(0), lab.router.updates), (None, 2));
    let why = &lab.relays[0].announcer.view(lab.now).routes[0].why[0];
    assert!(why.starts_with("withdrawn by the operator at 2023-11-14T22:13:30Z until"), "{why}");
    lab.tell(0, Input::Announce { prefix: None, force: false });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(0));
}

#[test]
fn a_hold_on_one_prefix_leaves_the_others() {
    let second = prefix("198.51.100.0/24");
    let settings = with(|settings| {
        let mut export = settings.bgp.neighbors[0].exports[0].clone();
        export.prefix = second;
        settings.bgp.neighbors[0].exports.push(export);
    });
    let mut lab = Lab::healthy(settings);
    lab.tell(0, Input::Withdraw(Some(second)));
    lab.tell(0, Input::Withdraw(Some(prefix("203.0.113.0/24"))));
    lab.run(LATENCY);
    let told: Vec<_> = lab.router.routes(0).map(|route| *route.1).collect();
    assert_eq!(told, [prefix("192.0.2.1/32")]);
    assert!(lab.relays[0].log.iter().any(|event| event.text.contains("not configured")));
}

#[test]
fn force_announces_a_relay_that_is_down_until_the_operator_takes_it_back() {
    let mut lab = Lab::healthy(one());
    lab.say(0, 0, Some(Verdict::Bad));
    lab.run(5 * SECOND);
    lab.tell(0, Input::Announce { prefix: None, force: true });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(61_200));
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(5 * SECOND);
    assert_eq!(lab.router.med(0), Some(61_200));
    lab.tell(0, Input::Announce { prefix: None, force: false });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
}

#[test]
fn by_hand_a_relay_comes_back_as_a_standby_and_announce_lets_it_take_its_calls() {
    let mut lab = Lab::healthy(with(|settings| settings.health.fail_back = FailBack::Manual));
    lab.say(0, 0, Some(Verdict::Bad));
    lab.run(5 * SECOND);
    lab.say(0, 0, Some(Verdict::Good));
    lab.run(600 * SECOND);
    assert_eq!(lab.router.med(0), Some(20_400));
    lab.tell(0, Input::Announce { prefix: None, force: false });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(10_200));
}

#[test]
fn shutdown_withdraws_first_lingers_and_then_says_why() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Shutdown);
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
    lab.run(SECOND - 2 * LATENCY);
    assert!(!lab.relays[0].is_stopped && lab.router.notifications.is_empty());
    lab.tell(0, Input::Announce { prefix: None, force: true });
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(2 * LATENCY);
    assert!(lab.relays[0].is_stopped);
    assert_eq!(lab.router.updates, 2, "nothing but the announcement and the withdrawal");
    let said = &lab.router.notifications;
    assert!(
        said.len() == 1 && said[0].contains("Administrative Shutdown") && said[0].contains("maintenance"),
        "{said:?}"
    );
    assert_eq!(lab.relays[0].announcer.deadline(), None);
}

#[test]
fn shutdown_waits_for_nothing_without_a_session_or_when_asked_twice() {
    let mut lab = Lab::new(vec![one()]);
    lab.cut(0, true);
    lab.run(60 * SECOND);
    lab.tell(0, Input::Shutdown);
    assert!(lab.relays[0].is_stopped);

    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Shutdown);
    assert!(!lab.relays[0].is_stopped);
    lab.tell(0, Input::Shutdown);
    assert!(lab.relays[0].is_stopped);
}

fn with_rpki(on_invalid: Doubt, on_unknown: Doubt) -> Settings {
    let caches = vec!["cache:323".to_owned()];
    with(|settings| {
        settings.rpki = Some(RpkiSettings { caches, origin: Asn(64_600), on_invalid, on_unknown })
    })
}

/// What the operator reads of the only prefix: the rule, and what follows.
fn why(lab: &Lab) -> Vec<String> {
    lab.relays[0].announcer.view(lab.now).routes[0].why.clone()
}

fn alerts(lab: &Lab) -> usize {
    lab.relays[0].log.iter().filter(|event| event.level == Level::Warn).count()
}

#[test]
fn an_unknown_origin_is_announced_or_not_as_configured() {
    let mut lab = Lab::healthy(with_rpki(Doubt::Withdraw, Doubt::Announce));
    let known = "RPKI: unknown, no cache has answered; announced all the same, as configured";
    assert_eq!(why(&lab)[1], known);
    lab.tell(0, Input::Reload(Box::new(with_rpki(Doubt::Withdraw, Doubt::Withdraw))));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
    assert_eq!(why(&lab)[0], "RPKI: unknown, no cache has answered");
    assert_eq!(alerts(&lab), 1);
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(10_200));
}

#[test]
fn a_relay_that_starts_waits_for_the_first_answer_of_a_cache_but_not_for_long() {
    let mut lab = Lab::new(vec![with_rpki(Doubt::Withdraw, Doubt::Announce)]);
    lab.run(3 * SECOND - MS);
    assert_eq!(lab.router.updates, 0);
    assert_eq!(why(&lab)[0], "RPKI: waiting for the first answer of a cache");
    assert_eq!(alerts(&lab), 0);
    lab.run(2 * MS);
    assert_eq!(lab.router.med(0), Some(10_200));
}

#[test]
fn an_origin_that_the_rpki_forbids_is_not_announced_and_never_was() {
    let mut lab = Lab::new(vec![with_rpki(Doubt::Withdraw, Doubt::Announce)]);
    lab.run(SECOND);
    lab.answer_rpki(0, 64_999);
    lab.run(60 * SECOND);
    assert_eq!((lab.router.med(0), lab.router.updates), (None, 0));
    let reason =
        "RPKI: invalid, AS64600 may not originate 192.0.2.1/32; what may be: 192.0.2.0/24-32 AS64999";
    assert_eq!(why(&lab)[0], reason);
    assert_eq!(alerts(&lab), 1);

    lab.tell(0, Input::Announce { prefix: None, force: true });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(10_200), "the operator knows better");
    lab.tell(0, Input::Announce { prefix: None, force: false });
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
    lab.tell(0, Input::Reload(Box::new(with_rpki(Doubt::Announce, Doubt::Announce))));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), Some(10_200));
}

#[test]
fn an_origin_that_the_rpki_allows_is_announced_as_soon_as_that_is_known() {
    let mut lab = Lab::new(vec![with_rpki(Doubt::Withdraw, Doubt::Withdraw)]);
    lab.run(SECOND);
    lab.answer_rpki(0, 64_600);
    lab.run(LATENCY);
    assert_eq!((lab.router.med(0), alerts(&lab)), (Some(10_200), 0));
    assert_eq!(why(&lab), ["announced as healthy", "RPKI: valid", "all checks are good (1)"]);
    // What was said before patience has ended is taken back before that as well.
    lab.tell(0, Input::Withdraw(None));
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None);
}

/// The same with another prefix, of which the cache of the lab has no record.
fn and_another_prefix(mut settings: Settings) -> Settings {
    let exports = &mut settings.bgp.neighbors[0].exports;
    exports.push(exports[0].clone());
    exports[1].prefix = prefix("198.51.100.0/24");
    settings
}

fn with_cache(name: &str, mut settings: Settings) -> Settings {
    settings.rpki.as_mut().unwrap().caches = vec![name.to_owned()];
    settings
}

fn told(lab: &Lab) -> Vec<String> {
    lab.router.routes(0).map(|route| route.1.to_string()).collect()
}

/// A relay whose cache allows what it announces.
fn allowed(settings: &Settings) -> Lab {
    let mut lab = Lab::new(vec![settings.clone()]);
    lab.run(SECOND);
    lab.answer_rpki(0, 64_600);
    lab.run(9 * SECOND);
    assert_eq!(told(&lab), ["192.0.2.1/32"]);
    lab
}

#[test]
fn a_prefix_that_a_reload_adds_waits_for_the_cache_and_the_others_stay() {
    let settings = with_rpki(Doubt::Withdraw, Doubt::Announce);
    for answers in [true, false] {
        let mut lab = allowed(&settings);
        lab.tell(0, Input::Reload(Box::new(and_another_prefix(settings.clone()))));
        lab.run(2 * SECOND);
        assert_eq!((told(&lab), lab.router.updates), (vec!["192.0.2.1/32".to_owned()], 1));
        if answers {
            lab.answer_rpki(0, 64_600);
            lab.run(LATENCY);
        } else {
            lab.run(SECOND - MS);
            assert_eq!(told(&lab).len(), 1);
            lab.run(2 * MS);
        }
        assert_eq!((told(&lab).len(), lab.router.updates), (2, 2), "{answers}");
        lab.run(60 * SECOND);
        assert_eq!((told(&lab).len(), lab.router.updates), (2, 2), "{answers}");
    }
}

#[test]
fn what_was_announced_before_there_was_rpki_stays_while_the_cache_is_asked() {
    let strict = with_rpki(Doubt::Withdraw, Doubt::Withdraw);
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Reload(Box::new(and_another_prefix(strict.clone()))));
    lab.run(SECOND);
    assert_eq!((told(&lab), lab.router.updates), (vec!["192.0.2.1/32".to_owned()], 1));
    let said = "RPKI: waiting for the first answer of a cache; announced as before meanwhile";
    assert_eq!(why(&lab)[1], said);
    lab.run(2 * SECOND + 2 * MS);
    assert_eq!((told(&lab).len(), why(&lab)[0].as_str()), (0, "RPKI: unknown, no cache has answered"));

    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Reload(Box::new(strict.clone())));
    lab.say(0, 0, Some(Verdict::Bad));
    lab.tell(0, Input::CheckNow);
    lab.run(SECOND);
    assert_eq!(lab.router.med(0), None, "health does not wait");

    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Reload(Box::new(strict)));
    lab.answer_rpki(0, 64_999);
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None, "an answer that forbids does not wait either");
}

#[test]
fn what_a_cache_has_said_is_used_until_the_one_in_its_place_has_answered_but_not_for_long() {
    let strict = with_rpki(Doubt::Withdraw, Doubt::Withdraw);
    let renamed = with_cache("other:323", strict.clone());
    let mut lab = allowed(&strict);
    lab.tell(0, Input::Reload(Box::new(renamed.clone())));
    lab.run(2 * SECOND);
    assert_eq!(why(&lab)[1], "RPKI: valid");
    lab.answer_rpki(0, 64_600);
    lab.run(60 * SECOND);
    assert_eq!((told(&lab).len(), lab.router.updates), (1, 1));

    lab.tell(0, Input::Reload(Box::new(strict.clone())));
    lab.run(SECOND);
    lab.answer_rpki(0, 64_999);
    lab.run(LATENCY);
    assert_eq!(lab.router.med(0), None, "the new one forbids it");

    let mut lab = allowed(&strict);
    lab.tell(0, Input::Reload(Box::new(renamed)));
    lab.run(3 * SECOND - MS);
    assert_eq!((told(&lab).len(), lab.router.updates), (1, 1));
    lab.run(3 * MS);
    assert_eq!(why(&lab)[0], "RPKI: unknown, no cache has answered");
    assert_eq!(lab.router.med(0), None);
}

#[test]
fn a_reload_takes_new_prefixes_and_attributes_without_ending_the_session() {
    let mut lab = Lab::healthy(one());
    let other = with(|settings| {
        let exports = &mut settings.bgp.neighbors[0].exports;
        exports.push(exports[0].clone());
        exports[0].prefix = prefix("198.51.100.0/24");
        exports[1].ladder.healthy = ladder().takeover;
    });
    lab.tell(0, Input::Reload(Box::new(other)));
    lab.run(LATENCY);
    let told: Vec<_> = lab.router.routes(0).map(|route| (*route.1, route.2.med)).collect();
    assert_eq!(told, [(prefix("192.0.2.1/32"), Some(0)), (prefix("198.51.100.0/24"), Some(10_200))]);
    assert_eq!(lab.router.notifications.len(), 0);
}

/// As `health.enabled = "auto"` has it: without neighbours there are no checks.
fn nobody() -> Settings {
    with(|settings| {
        settings.bgp.neighbors.clear();
        settings.health.checks.clear();
    })
}

#[test]
fn neighbours_that_come_back_hear_nothing_before_the_checks_have_passed_anew() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Reload(Box::new(nobody())));
    lab.run(60 * SECOND);
    let updates = lab.router.updates;
    lab.say(0, 0, Some(Verdict::Bad));
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(60 * SECOND);
    assert_eq!((lab.router.med(0), lab.router.updates), (None, updates));
    assert_eq!(lab.relays[0].announcer.view(lab.now).health.state, State::Down);
    lab.say(0, 0, Some(Verdict::Good));
    lab.run(60 * SECOND);
    assert_eq!(lab.router.med(0), Some(10_200));
}

#[test]
fn what_the_operator_wants_outlives_a_while_without_neighbours() {
    let mut lab = Lab::healthy(one());
    lab.tell(0, Input::Drain(true));
    lab.tell(0, Input::Reload(Box::new(nobody())));
    lab.run(60 * SECOND);
    lab.tell(0, Input::Reload(Box::new(one())));
    lab.run(60 * SECOND);
    assert_eq!(lab.router.med(0), Some(40_800));
    lab.tell(0, Input::Withdraw(None));
    for settings in [nobody(), one()] {
        lab.tell(0, Input::Reload(Box::new(settings)));
        lab.run(60 * SECOND);
    }
    lab.tell(0, Input::Drain(false));
    lab.run(SECOND);
    assert_eq!(lab.router.med(0), None);
}

/// With the defaults for health, besides a check that is as hasty as can be.
#[test]
fn an_hour_of_flapping_at_one_hertz_is_eight_updates() {
    let hasty = super::health::CheckSettings {
        rise: 1,
        fall: 1,
        interval: 100 * MS,
        fast_interval: 100 * MS,
        timeout: 50 * MS,
        ..check("a")
    };
    let mut settings = plain(vec![hasty]);
    settings.health.damping = Some(super::health::Damping::default());
    let mut lab = Lab::healthy(settings);
    for _ in 0..3600 {
        lab.say(0, 0, Some(Verdict::Bad));
        lab.run(500 * MS);
        lab.say(0, 0, Some(Verdict::Good));
        lab.run(500 * MS);
    }
    assert_eq!(lab.router.updates, 8, "the first announcement, and four falls with three returns");
}
