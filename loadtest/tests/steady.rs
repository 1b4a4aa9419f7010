//! The load test against a relay in this process: what is counted, never how long it took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must say so where it stands"
)]
#![allow(clippy::wildcard_enum_match_arm, reason = "what else a run may bring is of no interest here")]

#[path = "../../tests/relay/relay.rs"]
#[allow(dead_code, reason = "shared with the relay's own tests, which need more of it")]
mod relay;

use std::sync::Arc;

use clap::Parser;
use relay::{PASSWORD, Relay, USER};
use tern::route::Transport;
use tern_loadtest::cli::Cli;
use tern_loadtest::failure::{Exit, Failure};
use tern_loadtest::modes;
use tern_loadtest::outcome::{Measured, Outcome, Steady};
use tern_loadtest::plan::Plan;
use tern_loadtest::progress::Progress;

fn run(
    mode: &str,
    relay: &Relay,
    transport: Transport,
    password: &str,
    more: &str,
) -> Result<Outcome, Failure> {
    let at = relay.v4(transport);
    let line = format!("tern-loadtest {mode} --server {at} --user {USER} --password {password} {more}");
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    modes::run(&Plan::new(&cli)?, &Arc::new(Progress::default()))
}

fn steady(relay: &Relay, transport: Transport, more: &str) -> Steady {
    let more = format!("--duration 600ms --warm-up 100ms {more}");
    match run("steady", relay, transport, PASSWORD, &more).unwrap().result {
        Measured::Steady(steady) => steady,
        other => panic!("{other:?}"),
    }
}

/// Something was sent, and what came was right. Losses are left to the machine that the test runs on.
fn check(flow: &tern_loadtest::outcome::Flow) {
    assert!(flow.sent > 0 && flow.received > 0, "{flow:?}");
    assert!(flow.received <= flow.sent);
    assert_eq!((flow.corrupted, flow.duplicated), (0, 0));
    assert_eq!(flow.lost, flow.sent - flow.received);
    assert_eq!(flow.latency.count, flow.received);
}

#[test]
fn media_flows_both_ways_over_every_transport() {
    for (transport, name) in [
        (Transport::Udp, "udp"),
        (Transport::Tcp, "tcp"),
        (Transport::Tls, "tls --insecure"),
        (Transport::Dtls, "dtls --insecure"),
    ] {
        let relay = Relay::with(&[transport]);
        let steady = steady(&relay, transport, &format!("--sessions 4 --transport {name}"));
        assert_eq!(steady.setup.sessions, 4);
        check(&steady.window.up);
        check(&steady.window.down);
        relay.wait_for("the end of all allocations", |relay| {
            relay.server.counters().value("allocations", "") == 0
        });
    }
}

#[test]
fn indications_echoes_pairs_and_bursts_are_counted_alike() {
    let relay = Relay::with(&[Transport::Udp]);
    for more in ["--mode permission", "--echo", "--profile 1200x200x4", "--threads 2 --churn 20"] {
        let steady = steady(&relay, Transport::Udp, &format!("--sessions 4 {more}"));
        check(&steady.window.up);
        check(&steady.window.down);
    }
    let pairs = steady(&relay, Transport::Udp, "--sessions 4 --relay-to-relay");
    check(&pairs.window.up);
    assert_eq!(pairs.window.down.sent, 0);
}

#[test]
fn one_direction_is_one_direction() {
    let relay = Relay::with(&[Transport::Udp]);
    let up = steady(&relay, Transport::Udp, "--sessions 2 --direction up");
    check(&up.window.up);
    assert_eq!((up.window.down.sent, up.window.down.received), (0, 0));
    let down = steady(&relay, Transport::Udp, "--sessions 2 --direction down");
    check(&down.window.down);
    assert_eq!((down.window.up.sent, down.window.up.received), (0, 0));
}

#[test]
fn a_storm_completes_whole_cycles_and_leaves_nothing() {
    let relay = Relay::with(&[Transport::Udp]);
    let more = "--in-flight 8 --duration 500ms --warm-up 100ms";
    let Measured::Storm(storm) = run("storm", &relay, Transport::Udp, PASSWORD, more).unwrap().result else {
        panic!("not a storm");
    };
    assert!(storm.cycles > 0 && storm.failures.is_empty(), "{:?}", storm.failures);
    assert!(storm.requests >= storm.cycles * 4);
    relay.wait_for("the end of all allocations", |relay| {
        relay.server.counters().value("allocations", "") == 0
    });
}

#[test]
fn a_wrong_password_is_one_sentence() {
    let relay = Relay::with(&[Transport::Udp]);
    let failure = run("steady", &relay, Transport::Udp, "wrong", "--sessions 2").unwrap_err();
    assert_eq!(failure.exit, Exit::Refused);
    assert!(failure.text.contains("401") && failure.text.contains("--password"), "{failure}");
}
