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
#[path = "../../tests/support/skip.rs"]
mod skip;

use std::sync::Arc;

use clap::Parser;
use relay::{PASSWORD, Relay, USER};
use skip::{Missing, need};
use tern::route::Transport;
use tern_loadtest::cli::Cli;
use tern_loadtest::failure::{Exit, Failure};
use tern_loadtest::modes;
use tern_loadtest::outcome::{Measured, Outcome, Steady, Window};
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

/// For a user of the relay, whatever is asked for.
fn plan(line: &str) -> Plan {
    let line = format!("tern-loadtest {line} --user {USER} --password {PASSWORD}");
    Plan::new(&Cli::try_parse_from(line.split_whitespace()).unwrap()).unwrap()
}

fn measured(line: &str) -> Outcome {
    modes::run(&plan(line), &Arc::new(Progress::default())).unwrap()
}

fn window(outcome: &Outcome) -> Window {
    match &outcome.result {
        Measured::Steady(steady) => steady.window.clone(),
        Measured::Soak(soak) => soak.whole.clone(),
        other => panic!("{other:?}"),
    }
}

const SHORT: &str = "--duration 300ms --warm-up 100ms --no-ceiling";

fn steady(relay: &Relay, transport: Transport, more: &str) -> Steady {
    let more = format!("--duration 600ms --warm-up 100ms --no-ceiling {more}");
    until_counted(|| match run("steady", relay, transport, PASSWORD, &more).unwrap().result {
        Measured::Steady(steady) => (!is_idle(&steady.window), steady),
        other => panic!("{other:?}"),
    })
}

/// Measures again what this machine had no time for: a window may pass while others have its processors.
fn until_counted<T>(measure: impl FnMut() -> (bool, T)) -> T {
    let mut tries = std::iter::repeat_with(measure).take(20);
    let found = tries.find_map(|(is_counted, found)| is_counted.then_some(found));
    found.expect("one window of twenty counts something")
}

/// Whether nothing was sent, or in one of the directions nothing came.
fn is_idle(window: &Window) -> bool {
    let flows = [&window.up, &window.down];
    flows.iter().all(|flow| flow.sent == 0) || flows.iter().any(|flow| flow.sent > 0 && flow.received == 0)
}

/// A window in which something was counted.
fn measured_window(line: &str) -> Window {
    until_counted(|| {
        let window = window(&measured(line));
        (!is_idle(&window), window)
    })
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
    let storm =
        until_counted(|| match run("storm", &relay, Transport::Udp, PASSWORD, more).unwrap().result {
            Measured::Storm(storm) => (storm.cycles > 0, storm),
            other => panic!("{other:?}"),
        });
    assert!(storm.failures.is_empty(), "{:?}", storm.failures);
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

#[test]
fn families_and_several_sources_are_all_the_same_to_it() {
    let relay = Relay::with(&[Transport::Udp]);
    let sources = "--source 127.200.92.1 --source 127.200.92.2";
    for more in [sources, "--relay-family v6 --peer-address ::1", "--profile 300x200x4 --echo"] {
        let steady = steady(&relay, Transport::Udp, &format!("--sessions 4 {more}"));
        check(&steady.window.up);
        check(&steady.window.down);
    }
    let at = relay.v6(Transport::Udp);
    for more in ["", "--profile 300x200x4", "--source ::1"] {
        let window = measured_window(&format!("steady --server {at} --sessions 4 {SHORT} {more}"));
        check(&window.up);
        check(&window.down);
    }
}

#[test]
fn the_generators_own_ceiling_is_measured_without_the_server() {
    let relay = Relay::with(&[Transport::Udp]);
    let at = relay.v4(Transport::Udp);
    for more in ["--profile 200x50x4", "--mode permission --threads 2"] {
        let line = format!("steady --server {at} --sessions 4 --duration 200ms --warm-up 0 {more}");
        let Measured::Steady(steady) = measured(&line).result else { panic!("not steady") };
        // How high it is depends on what else this machine does.
        assert!(steady.ceiling.is_some());
    }
    let allocated = relay.server.counters().value("allocated", "");
    // Twice four, and the two that find out first whether the server is there.
    assert!(allocated <= 12, "the reflector needs no allocations: {allocated}");
}

#[test]
fn a_search_ends_where_it_may() {
    let relay = Relay::with(&[Transport::Udp]);
    let at = relay.v4(Transport::Udp);
    let line = format!("knee --server {at} --sessions 4 {SHORT} --from 100 --to 150 --loss 50%");
    let outcome = measured(&line);
    let Measured::Knee(knee) = outcome.result else { panic!("not a knee") };
    assert!(knee.rate > 0.0 && !knee.found, "{knee:?}");
    assert!(outcome.notes.iter().any(|note| note.contains("raise --to")), "{:?}", outcome.notes);
}

#[test]
fn what_is_interrupted_reports_what_it_has() {
    let relay = Relay::with(&[Transport::Udp]);
    let at = relay.v4(Transport::Udp);
    for mode in ["steady", "soak --window 1h"] {
        let line = format!("{mode} --server {at} --sessions 2 --duration 1h --warm-up 0 --no-ceiling");
        let progress = Arc::new(Progress::default());
        let watched = Arc::clone(&progress);
        let cancel = std::thread::spawn(move || {
            // Enough that both directions have had their turns.
            while watched.received.load(std::sync::atomic::Ordering::Relaxed) < 100 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            watched.cancel();
        });
        let outcome = modes::run(&plan(&line), &progress).unwrap();
        cancel.join().unwrap();
        assert!(outcome.notes.iter().any(|note| note.contains("nterrupted")), "{:?}", outcome.notes);
        let window = window(&outcome);
        check(&window.up);
        assert!(window.seconds < 3_000.0);
    }
    relay.wait_for("the end of all allocations", |relay| {
        relay.server.counters().value("allocations", "") == 0
    });
}

#[test]
fn who_is_refused_leaves_nothing_behind() {
    let mut setup = relay::Setup::new(&[Transport::Udp]);
    setup.deny.push("127.200.93.1/32".parse().unwrap());
    let relay = setup.start();
    let more = "--sessions 8 --peer-address 127.200.93.1 --no-ceiling";
    let failure = run("steady", &relay, Transport::Udp, PASSWORD, more).unwrap_err();
    assert!(failure.text.contains("403"), "{failure}");
    relay.wait_for("the end of all allocations", |relay| {
        relay.server.counters().value("allocations", "") == 0
    });
}

/// A network namespace with a cable to this one; gone with the value.
struct Namespace(String);

impl Namespace {
    /// This side of the cable.
    const HERE: &'static str = "10.209.77.1";

    fn new() -> Result<Self, Missing> {
        let name = format!("tlt-{}", std::process::id());
        let missing = |what| Missing(format!("the privilege to make a network namespace with `ip`: {what}"));
        ip(&format!("netns add {name}")).map_err(missing)?;
        let namespace = Self(name);
        let name = &namespace.0;
        for step in [
            format!("link add {name} type veth peer name eth0 netns {name}"),
            format!("addr add {}/30 dev {name}", Self::HERE),
            format!("link set {name} up"),
            format!("-n {name} addr add 10.209.77.2/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            ip(&step).map_err(missing)?;
        }
        Ok(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable's other end goes with it.
        drop(ip(&format!("netns del {}", self.0)));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = std::process::Command::new("ip").args(arguments.split_whitespace()).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said()) }
}

#[test]
fn clients_and_peers_may_be_in_other_namespaces() {
    let namespace = need!(Namespace::new());
    let mut setup = relay::Setup::new(&[Transport::Udp]);
    let here: std::net::IpAddr = Namespace::HERE.parse().unwrap();
    for listener in &mut setup.worker.listeners {
        if listener.address.is_ipv4() {
            listener.address.set_ip(here);
        }
    }
    setup.addresses[0] = tern::engine::RelayAddress { bind: here, external: here };
    let relay = setup.start();
    let (at, name) = (relay.v4(Transport::Udp), &namespace.0);
    let clients = format!("--client-netns {name}");
    let both = format!("--client-netns {name} --peer-netns {name} --profile 300x200x4");
    for more in [clients, both] {
        let window = measured_window(&format!("steady --server {at} --sessions 4 {SHORT} {more}"));
        check(&window.up);
        check(&window.down);
    }
    let line = format!("steady --server {at} --duration 200ms --client-netns {name}");
    let Measured::Steady(steady) = measured(&line).result else { panic!("not steady") };
    assert!(steady.ceiling.is_some());
}
