//! Checks of the relay's own health, against relays whose faults are known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use tern::announce::CheckId;
use tern::announce::health::{Report, Verdict};
use tern::engine::limits::Quotas;
use tern::route::{ListenerId, Transport};
use tern::speaker::RunChecks;
use tern::speaker::checks::{CheckKind, Checks, EchoPeers, SelfTest, SharedContext};

use crate::client::Client;
use crate::relay::{Relay, Setup};

const ALL: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];
/// What a check may take where it is to succeed: the machine may be busy.
const GENEROUS: Duration = Duration::from_secs(60);
/// And where it is to fail.
const SHORT: Duration = Duration::from_secs(2);

/// A relay and its checks.
struct Rig {
    relay: Relay,
    checks: Checks,
    context: SharedContext,
    kinds: Vec<CheckKind>,
    reports: Receiver<(CheckId, u32, Report)>,
    runs: u32,
}

impl Rig {
    fn new(mut setup: Setup, kinds: Vec<CheckKind>) -> Self {
        let echo = Arc::new(EchoPeers::open(&setup.addresses).unwrap());
        setup.echo = Some(Arc::clone(&echo));
        let relay = setup.start();
        let (sender, reports) = sync_channel(1_000);
        let report = move |check, run, report| sender.send((check, run, report)).unwrap();
        let context = Arc::new(ArcSwap::from_pointee(relay.server.check_context(echo)));
        let checks = Checks::start(kinds.clone(), &context, Arc::new(report)).unwrap();
        Self { relay, checks, context, kinds, reports, runs: 0 }
    }

    /// Runs some at once.
    fn run(&mut self, which: &[usize], timeout: Duration) -> HashMap<usize, Report> {
        self.runs += 1;
        for check in which {
            self.checks.run(CheckId(u16::try_from(*check).unwrap()), self.runs, timeout);
        }
        let mut found = HashMap::new();
        while found.len() < which.len() {
            let (check, run, report) = self.reports.recv_timeout(GENEROUS * 2).expect("a report");
            assert_eq!(run, self.runs);
            assert!(found.insert(usize::from(check.0), report).is_none(), "two reports of one run");
        }
        found
    }

    fn run_all(&mut self, timeout: Duration) -> HashMap<usize, Report> {
        let all: Vec<usize> = (0..self.kinds.len()).collect();
        self.run(&all, timeout)
    }

    fn run_one(&mut self, check: usize, timeout: Duration) -> Report {
        self.run(&[check], timeout).remove(&check).unwrap()
    }

    fn assert_all_good(&mut self) {
        for (check, report) in self.run_all(GENEROUS) {
            assert_eq!(report.verdict, Verdict::Good, "{:?}: {}", self.kinds[check], report.detail);
        }
    }
}

fn calls(setup: &Setup) -> Vec<CheckKind> {
    let listeners = setup.worker.listeners.iter();
    let listeners = listeners.map(|one| (one.address.ip(), one.transports.as_slice()));
    SelfTest::all(listeners, &[], setup.workers).into_iter().map(CheckKind::SelfTest).collect()
}

fn call(address: &str) -> CheckKind {
    let address: IpAddr = address.parse().unwrap();
    CheckKind::SelfTest(SelfTest { listener: ListenerId(0), transport: Transport::Udp, address, worker: 0 })
}

fn command(argv: &[&str]) -> CheckKind {
    CheckKind::Command { argv: argv.iter().map(|&one| one.to_owned()).collect() }
}

#[test]
fn every_worker_is_called_over_every_transport() {
    let mut setup = Setup::new(&ALL);
    setup.workers = 3;
    // Nothing that an operator may forbid or limit keeps a call away.
    setup.deny = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    setup.quotas = Quotas { per_user: Some(1), total: None };
    let kinds = calls(&setup);
    assert_eq!(kinds.len(), 2 * 4 * 3);
    let mut rig = Rig::new(setup, kinds);
    for _ in 0..3 {
        rig.assert_all_good();
    }
    let counters = rig.relay.server.counters();
    assert!(counters.value("self_test_allocated", "") >= 3 * 24);
    // No call leaves anything behind, nor is it one that anybody should hear of.
    for family in ["allocated", "allocations", "released"] {
        assert_eq!(counters.value(family, ""), 0, "{family}");
    }
    rig.relay.wait_for("the end of all calls", |relay| {
        relay.server.counters().value("self_test_allocations", "") == 0
    });
    rig.relay.wait_for("the end of all connections", |relay| {
        relay.server.counters().value("connections", "") == 0
    });
    assert!(rig.relay.server.sessions().is_empty());
    assert!(rig.relay.server.take_records().unwrap().try_recv().is_err());
    // Ports that were found are kept: far fewer calls than a search takes.
    let before = rig.relay.server.counters().value("self_test_allocated", "");
    rig.assert_all_good();
    assert_eq!(rig.relay.server.counters().value("self_test_allocated", "") - before, 24);
}

/// As an anycast address is served: it stands on loopback, beside others, and the listener takes what comes for any.
#[test]
fn a_wildcard_listener_is_called_on_the_announced_address() {
    let mut setup = Setup::new(&ALL);
    setup.workers = 2;
    setup.worker.listeners.truncate(1);
    setup.worker.listeners[0].address = "0.0.0.0:0".parse().unwrap();
    let announced = ["127.77.0.5/32".parse().unwrap(), "127.77.1.0/24".parse().unwrap()];
    let wildcard = [(setup.worker.listeners[0].address.ip(), ALL.as_slice())];
    let tests = SelfTest::all(wildcard, &announced, setup.workers);
    assert!(tests.len() == 8 && tests.iter().all(|test| test.address == IpAddr::from([127, 77, 0, 5])));
    let mut rig = Rig::new(setup, tests.into_iter().map(CheckKind::SelfTest).collect());
    rig.assert_all_good();
    rig.assert_all_good();
}

#[test]
fn a_relay_that_is_among_its_own_proxies_introduces_itself() {
    let mut setup = Setup::new(&ALL);
    for listener in &mut setup.worker.listeners {
        listener.proxy_sources = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    }
    let kinds = calls(&setup);
    let mut rig = Rig::new(setup, kinds);
    rig.assert_all_good();
    assert_eq!(rig.relay.lost("proxy_header"), 0);
}

#[test]
fn a_worker_that_hangs_is_found_and_no_other() {
    let mut setup = Setup::new(&[Transport::Udp, Transport::Tcp]);
    setup.workers = 2;
    setup.worker.listeners.truncate(1);
    let mut kinds = calls(&setup);
    kinds.extend([0, 1].map(|worker| CheckKind::Heartbeat { worker }));
    let is_of = |kind: &CheckKind, wanted: u8| match kind {
        CheckKind::SelfTest(test) => test.worker == wanted,
        CheckKind::Heartbeat { worker } => *worker == wanted,
        _ => false,
    };
    let mut rig = Rig::new(setup, kinds);
    rig.assert_all_good();
    let hang = rig.relay.server.hang();
    assert!(hang(1, Duration::from_secs(12)));
    // Its mailbox is read before it hangs.
    std::thread::sleep(Duration::from_millis(100));
    let (dead, alive): (Vec<usize>, Vec<usize>) =
        (0..rig.kinds.len()).partition(|at| is_of(&rig.kinds[*at], 1));
    for (check, report) in rig.run(&dead, SHORT) {
        assert_eq!(report.verdict, Verdict::Bad, "{:?}: {}", rig.kinds[check], report.detail);
        let told = if matches!(rig.kinds[check], CheckKind::Heartbeat { .. }) {
            "worker 1 hangs: no turn within 2s"
        } else {
            "no answer to Allocate within 1.8s of the check's 2s"
        };
        assert!(report.detail.starts_with(told), "{}", report.detail);
    }
    for (check, report) in rig.run(&alive, GENEROUS) {
        assert_eq!(report.verdict, Verdict::Good, "{:?}: {}", rig.kinds[check], report.detail);
    }
    // It turns again, and finds what was asked meanwhile: calls that nobody ended.
    rig.assert_all_good();
}

#[test]
fn a_full_relay_is_poor() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.quotas = Quotas { per_user: None, total: Some(1) };
    let kinds = calls(&setup);
    let mut rig = Rig::new(setup, kinds);
    assert_eq!(rig.run_one(0, GENEROUS).verdict, Verdict::Good);
    let mut client = Client::udp(rig.relay.v4(Transport::Udp));
    client.allocate();
    let report = rig.run_one(0, GENEROUS);
    assert_eq!(
        (report.verdict, &*report.detail),
        (Verdict::Poor, "Allocate answered 508: there is no room for another call")
    );
    client.refresh(0);
    assert_eq!(rig.run_one(0, GENEROUS).verdict, Verdict::Good);
}

#[test]
fn what_keeps_a_call_away_is_told_with_its_remedy() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.listeners.truncate(1);
    let unknown = SelfTest {
        listener: ListenerId(9),
        transport: Transport::Udp,
        address: IpAddr::from([127, 0, 0, 1]),
        worker: 0,
    };
    let mut rig = Rig::new(
        setup,
        vec![call("192.0.2.77"), call("2001:db8::77"), call("127.0.0.9"), CheckKind::SelfTest(unknown)],
    );
    for (check, told) in [
        (0, "192.0.2.77 is not an address of this machine; add it: ip address add 192.0.2.77/32 dev lo"),
        (1, "2001:db8::77 is not an address of this machine; add it: ip address add 2001:db8::77/128 dev lo"),
        (2, "port unreachable: nobody listens there"),
        (3, "this listener does not run; start the relay again"),
    ] {
        let report = rig.run_one(check, GENEROUS);
        assert_eq!((report.verdict, &*report.detail), (Verdict::Bad, told));
    }
}

#[test]
fn a_dead_worker_is_told() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.workers = 2;
    setup.worker.listeners.truncate(1);
    let mut kinds = calls(&setup);
    kinds.push(CheckKind::Heartbeat { worker: 7 });
    let mut rig = Rig::new(setup, kinds);
    rig.assert_good_but(2);
    // Nobody serves any more.
    rig.relay.server.stop();
    for (check, report) in rig.run_all(SHORT) {
        assert_eq!(report.verdict, Verdict::Bad, "{:?}: {}", rig.kinds[check], report.detail);
    }
}

impl Rig {
    fn assert_good_but(&mut self, bad: usize) {
        for (check, report) in self.run_all(GENEROUS) {
            let wanted = if check == bad { Verdict::Bad } else { Verdict::Good };
            assert_eq!(report.verdict, wanted, "{:?}: {}", self.kinds[check], report.detail);
        }
    }
}

#[test]
fn a_command_is_judged_by_its_exit_code_and_says_why() {
    let kinds = vec![
        command(&["sh", "-c", "echo '  fine  '; echo more"]),
        command(&["sh", "-c", "echo >&2; echo too hot >&2; exit 3"]),
        command(&["sh", "-c", "kill -9 $$"]),
        command(&["/nonexistent/program"]),
        command(&["sh", "-c", "head -c 300000 /dev/zero"]),
        // No shell looks at it.
        command(&["echo", "$HOME;exit 1"]),
    ];
    let mut rig = Rig::new(Setup::new(&[Transport::Udp]), kinds);
    let found = rig.run_all(GENEROUS);
    let told = |check: usize| (found[&check].verdict, &*found[&check].detail);
    assert_eq!(told(0), (Verdict::Good, "fine"));
    assert_eq!(told(1), (Verdict::Bad, "exit code 3: too hot"));
    assert_eq!(told(2), (Verdict::Bad, "ended by signal 9"));
    assert!(
        told(3).0 == Verdict::Bad && told(3).1.starts_with("cannot run /nonexistent/program: "),
        "{:?}",
        told(3)
    );
    assert_eq!(told(4), (Verdict::Good, ""));
    assert_eq!(told(5), (Verdict::Good, "$HOME;exit 1"));
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let (pids, late) = (folder.path().join("pids"), folder.path().join("late"));
    let script = format!("sleep 300 & echo $$ $! > {}; wait; touch {}", pids.display(), late.display());
    let mut rig =
        Rig::new(Setup::new(&[Transport::Udp]), vec![command(&["sh", "-c", &script]), command(&["true"])]);
    rig.checks.run(CheckId(0), 1, Duration::from_secs(3));
    // Meanwhile others run.
    rig.checks.run(CheckId(1), 1, GENEROUS);
    let (check, _, report) = rig.reports.recv_timeout(GENEROUS).unwrap();
    assert_eq!((check, report.verdict), (CheckId(1), Verdict::Good));
    let (check, _, report) = rig.reports.recv_timeout(GENEROUS).unwrap();
    assert_eq!((check, report.verdict), (CheckId(0), Verdict::Bad));
    assert_eq!(&*report.detail, "it did not end within 3s and was killed");
    let pids = std::fs::read_to_string(&pids).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        let gone = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            status.map_or(true, |status| status.contains(") Z ") || !status.contains("(s"))
        };
        rig.relay.wait_for("its end", |_| gone());
    }
    assert!(!late.exists());
}

#[test]
fn a_run_that_is_asked_for_again_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        format!("test -e {0} && exit 0; touch {0}; sleep 300", folder.path().join("first").display());
    let mut rig = Rig::new(Setup::new(&[Transport::Udp]), vec![command(&["sh", "-c", &script])]);
    rig.checks.run(CheckId(0), 1, GENEROUS);
    let first = folder.path().join("first");
    rig.relay.wait_for("the first run", |_| first.exists());
    rig.runs = 1;
    assert_eq!(rig.run_one(0, GENEROUS).verdict, Verdict::Good);
    assert_eq!(rig.reports.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn figures_of_a_quiet_relay_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stay-away");
    let mut setup = Setup::new(&[Transport::Udp, Transport::Dtls]);
    setup.quotas.total = Some(100);
    let file_check = |present| CheckKind::File { path: file.clone(), present };
    let mut rig = Rig::new(
        setup,
        vec![
            file_check(false),
            CheckKind::QueueLoss { percent: 1 },
            CheckKind::Busy { percent: 100 },
            CheckKind::Packets { per_second: 1_000_000 },
            CheckKind::Ports { percent: 90 },
            CheckKind::Quota { percent: 90 },
            CheckKind::Certificate { days: 10 },
            CheckKind::Clock { step: Duration::from_secs(5) },
            CheckKind::Quality { score: 310, percent: 50, calls: 1 },
        ],
    );
    rig.assert_all_good();
    std::thread::sleep(Duration::from_millis(20));
    rig.assert_all_good();
    std::fs::write(&file, "").unwrap();
    let report = rig.run_one(0, GENEROUS);
    assert_eq!(
        (report.verdict, &*report.detail),
        (Verdict::Bad, format!("{} is there", file.display()).as_str())
    );
    // A reload that asks for more than there is.
    let kinds =
        vec![file_check(true), CheckKind::Ports { percent: 100 }, CheckKind::Certificate { days: u16::MAX }];
    let client = {
        let mut client = Client::udp(rig.relay.v4(Transport::Udp));
        client.allocate();
        client
    };
    let echo = Arc::new(EchoPeers::open(&[]).unwrap());
    rig.context.store(Arc::new(rig.relay.server.check_context(echo)));
    rig.checks.replace(kinds.clone());
    rig.kinds = kinds;
    let found = rig.run_all(GENEROUS);
    assert_eq!(found[&0].verdict, Verdict::Good);
    assert_eq!(
        (found[&1].verdict, &*found[&1].detail),
        (Verdict::Bad, "40000 of 40001 relayed ports are free")
    );
    // A development certificate ends in the year 4096.
    assert_eq!(found[&2].verdict, Verdict::Good);
    drop(client);
}
