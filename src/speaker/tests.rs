//! The announcer's thread against a neighbour that speaks by hand, over real sockets.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::announce::bgp::{Export, NeighborSettings, SessionState};
use crate::announce::health::{CheckSettings, Report, State, Verdict};
use crate::announce::policy::{Attributes, Ladder, NextHop};
use crate::wire::bgp::write::OpenSettings;
use crate::wire::bgp::{Asn, Codec, Families, Message, Prefix, Reason, RouterId, decode, frame, write};

const OURS: Asn = Asn(64_512);
const THEIRS: Asn = Asn(64_513);
/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs that a test answers itself; none if the stub does.
type Held = Arc<Mutex<Option<Vec<u32>>>>;

/// Checks that find what a test wants them to find, at once.
struct Stub {
    handle: Handle,
    good: Arc<AtomicBool>,
    held: Held,
}

impl RunChecks for Stub {
    fn run(&mut self, check: CheckId, run: u32, _: Duration) {
        if let Some(held) = self.held.lock().unwrap().as_mut() {
            return held.push(run);
        }
        let verdict = if self.good.load(Ordering::Relaxed) { Verdict::Good } else { Verdict::Bad };
        let _ =
            self.handle.send(Mail::Report { check, run, report: Report::new(verdict, "as the test says") });
    }

    fn replace(&mut self, _: Vec<CheckKind>) {}
}

/// A running announcer with one check.
struct Rig {
    speaker: Speaker,
    good: Arc<AtomicBool>,
    held: Held,
}

impl Rig {
    fn start(settings: Settings) -> Self {
        let mailbox = Handle::new().unwrap();
        let good = Arc::new(AtomicBool::new(true));
        let held = Held::default();
        let stub = Stub { handle: mailbox.0.clone(), good: Arc::clone(&good), held: Arc::clone(&held) };
        let speaker = Speaker::start(settings, mailbox, Box::new(stub), Vec::new()).unwrap();
        Self { speaker, good, held }
    }

    fn view(&self) -> View {
        self.speaker.handle().view().unwrap()
    }

    /// Waits until it is so.
    fn until(&self, what: &str, so: impl Fn(&View) -> bool) -> View {
        for _ in 0..PATIENCE.as_millis() / 5 {
            let view = self.view();
            if so(&view) {
                return view;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("never: {what}\n{:#?}", self.view());
    }

    fn until_failure_says(&self, words: &str) {
        let says = |view: &View| {
            let failure = view.announce.neighbors[0].last_failure.as_ref();
            failure.is_some_and(|failure| failure.words.contains(words))
        };
        self.until(words, says);
    }

    fn handle(&self) -> &Handle {
        self.speaker.handle()
    }
}

fn prefix() -> Prefix {
    "192.0.2.1/32".parse().unwrap()
}

fn rung(med: u32) -> Option<Attributes> {
    // Loopback is no next hop that a neighbour would believe.
    let next_hop = NextHop::Address("192.0.2.9".parse().unwrap());
    Some(Attributes { med: Some(med), next_hop, ..Attributes::default() })
}

/// One neighbour at this address, which is told of one prefix.
fn settings(address: SocketAddr) -> Settings {
    let ladder = Ladder { healthy: rung(10), draining: rung(30), ..Ladder::default() };
    let neighbor = NeighborSettings {
        port: address.port(),
        connect_retry: Duration::from_secs(1),
        exports: vec![Export { prefix: prefix(), ladder }],
        ..NeighborSettings::new("gw", address.ip(), THEIRS)
    };
    let mut settings = Settings::default();
    settings.announce.bgp.asn = OURS;
    settings.announce.bgp.router_id = RouterId(1);
    settings.announce.bgp.neighbors = vec![neighbor];
    settings.announce.linger = Duration::from_millis(20);
    settings.announce.health.hold_up = Duration::ZERO;
    settings.announce.health.hold_down = Duration::ZERO;
    settings.announce.health.checks = vec![CheckSettings {
        name: "stub".into(),
        interval: Duration::from_millis(20),
        fast_interval: Duration::from_millis(10),
        timeout: PATIENCE,
        ..CheckSettings::default()
    }];
    settings.neighbors = vec![NeighborSockets::default()];
    settings.checks = vec![CheckKind::Heartbeat { worker: 0 }];
    settings
}

/// A neighbour at `ip`, on a port of its own.
fn listen(ip: &str) -> (TcpListener, SocketAddr) {
    let ip: IpAddr = ip.parse().unwrap();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What the neighbour has heard.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Open(Asn),
    Announced(Vec<Prefix>, Option<u32>),
    Withdrawn(Vec<Prefix>),
    Notification(Reason),
    Other,
    End,
}

/// The neighbour's end of a connection.
struct Peer {
    stream: TcpStream,
    bytes: Vec<u8>,
    heard: VecDeque<Heard>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, bytes: Vec::new(), heard: VecDeque::new() }
    }

    fn accept(listener: &TcpListener) -> Self {
        Self::new(listener.accept().unwrap().0)
    }

    fn say(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        fill(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Up to a session.
    fn open(&mut self) {
        self.say(|out| {
            let settings = OpenSettings {
                asn: THEIRS,
                hold: 60,
                id: RouterId(2),
                families: Families::BOTH,
                role: None,
                graceful_restart: None,
            };
            write::open(out, &settings);
            write::keepalive(out);
        });
        assert_eq!(self.hear(), Heard::Open(OURS));
    }

    fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::End,
                Ok(length) => self.bytes.extend_from_slice(&buffer[..length]),
                Err(error) => panic!("{error}"),
            }
            while let Some(length) = frame(&self.bytes).unwrap() {
                let message: Vec<u8> = self.bytes.drain(..length).collect();
                self.heard.push_back(understand(&message));
            }
        }
    }

    /// Skips what is of no interest here.
    fn hear_news(&mut self) -> Heard {
        loop {
            let heard = self.hear();
            if heard != Heard::Other {
                return heard;
            }
        }
    }
}

fn understand(message: &[u8]) -> Heard {
    let codec = Codec { four_octet: true, families: Families::BOTH, internal: false };
    match decode(message, &codec).unwrap() {
        Message::Open(open) => Heard::Open(open.asn),
        Message::Update(update) if update.announced().next().is_some() => {
            Heard::Announced(update.announced().collect(), update.med())
        }
        Message::Update(update) if update.withdrawn().next().is_some() => {
            Heard::Withdrawn(update.withdrawn().collect())
        }
        Message::Notification(notification) => Heard::Notification(notification.reason),
        Message::Update(_) | Message::Keepalive | Message::RouteRefresh { .. } => Heard::Other,
    }
}

fn announced(med: u32) -> Heard {
    Heard::Announced(vec![prefix()], Some(med))
}

fn withdrawn() -> Heard {
    Heard::Withdrawn(vec![prefix()])
}

#[test]
fn a_neighbour_hears_what_the_health_and_the_operator_say() {
    let (listener, address) = listen("127.0.77.1");
    let rig = Rig::start(settings(address));
    let mut peer = Peer::accept(&listener);
    peer.open();
    assert_eq!(peer.hear_news(), announced(10));
    let view = rig.until("established", |view| view.announce.neighbors[0].state == SessionState::Established);
    assert_eq!(view.announce.health.state, State::Healthy);

    rig.good.store(false, Ordering::Relaxed);
    assert_eq!(peer.hear_news(), withdrawn());
    rig.good.store(true, Ordering::Relaxed);
    assert_eq!(peer.hear_news(), announced(10));

    rig.handle().drain(true).unwrap();
    assert_eq!(peer.hear_news(), announced(30));
    rig.handle().withdraw(None).unwrap();
    assert_eq!(peer.hear_news(), withdrawn());
    rig.handle().drain(false).unwrap();
    rig.handle().announce(Some(prefix()), false).unwrap();
    assert_eq!(peer.hear_news(), announced(10));
}

#[test]
fn at_the_end_the_withdrawal_comes_before_the_farewell() {
    let (listener, address) = listen("127.0.77.2");
    let mut rig = Rig::start(settings(address));
    let mut peer = Peer::accept(&listener);
    peer.open();
    assert_eq!(peer.hear_news(), announced(10));
    rig.handle().shutdown().unwrap();
    assert_eq!(peer.hear_news(), withdrawn());
    assert_eq!(peer.hear_news(), Heard::Notification(Reason::ADMINISTRATIVE_SHUTDOWN));
    assert_eq!(peer.hear_news(), Heard::End);
    drop(peer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(rig.speaker.ended()).unwrap();
}

#[test]
fn whoever_asks_for_all_checks_gets_what_they_say_now() {
    let (_listener, address) = listen("127.0.77.3");
    let mut settings = settings(address);
    settings.announce.health.checks[0].interval = PATIENCE;
    let rig = Rig::start(settings);
    rig.until("healthy", |view| view.announce.health.state == State::Healthy);
    rig.good.store(false, Ordering::Relaxed);
    rig.handle().check_now().unwrap();
    let view = rig.view();
    let last = view.announce.health.checks[0].last.as_ref().unwrap();
    assert_eq!(last.verdict, Verdict::Bad);
}

#[test]
fn a_run_that_began_before_the_question_is_not_its_answer() {
    let (_listener, address) = listen("127.0.77.61");
    let rig = Rig::start(settings(address));
    rig.until("healthy", |view| view.announce.health.state == State::Healthy);
    *rig.held.lock().unwrap() = Some(Vec::new());
    let held = |place: usize| {
        rig.until("the run", |_| rig.held.lock().unwrap().as_ref().unwrap().len() > place);
        rig.held.lock().unwrap().as_ref().unwrap()[place]
    };
    let report = |run: u32, verdict| {
        let report = Report::new(verdict, "as the test says");
        rig.handle().send(Mail::Report { check: CheckId(0), run, report }).unwrap();
    };
    let early = held(0);
    let (reply, answer) = std::sync::mpsc::sync_channel(1);
    rig.handle().send(Mail::CheckNow(Some(reply))).unwrap();
    report(early, Verdict::Good);
    // The mailbox is read in order: when this is answered, so was all that came before.
    rig.view();
    assert!(answer.try_recv().is_err());
    report(held(1), Verdict::Bad);
    answer.recv_timeout(PATIENCE).unwrap();
    let view = rig.view();
    assert_eq!(view.announce.health.checks[0].last.as_ref().unwrap().verdict, Verdict::Bad);
}

#[test]
fn a_neighbour_that_connects_is_served_and_a_stranger_is_not() {
    let (own, neighbor) = ("127.0.77.4:0".parse().unwrap(), "127.0.77.5:1".parse().unwrap());
    let mut settings = settings(neighbor);
    settings.listen = vec![own];
    settings.announce.bgp.neighbors[0].passive = true;
    let rig = Rig::start(settings);
    let at = rig.speaker.listening()[0];
    let connect = |from: &str| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&at.into()).unwrap();
        TcpStream::from(socket)
    };
    let mut stranger = connect("127.0.77.6");
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(stranger.read(&mut [0; 1]), Ok(0) | Err(_)), "it is closed without a word");
    assert_eq!(rig.view().refused_connections, 1);
    let mut peer = Peer::new(connect("127.0.77.5"));
    peer.open();
    assert_eq!(peer.hear_news(), announced(10));
}

#[test]
fn a_key_that_differs_is_named() {
    let router = crate::net::tcp::TcpListener::bind_peering("127.0.77.7:0".parse().unwrap()).unwrap();
    let address = router.local_addr();
    router.set_key("127.0.0.1".parse().unwrap(), Some(b"theirs")).unwrap();
    let mut settings = settings(address);
    settings.neighbors[0].key = SecretKey::new(b"ours");
    settings.neighbors[0].local_address = Some("127.0.0.1".parse().unwrap());
    let rig = Rig::start(settings);
    rig.until_failure_says("MD5");
}

#[test]
fn a_port_where_nobody_listens_and_an_address_that_is_not_ours_are_named() {
    let (listener, address) = listen("127.0.77.8");
    drop(listener);
    let rig = Rig::start(settings(address));
    rig.until_failure_says("refused");
    let mut other = settings(address);
    other.neighbors[0].local_address = Some("203.0.113.99".parse().unwrap());
    rig.handle().reload(other).unwrap();
    rig.until_failure_says("`local_address` 203.0.113.99 is no address of this machine");
}

#[test]
fn a_reload_listens_elsewhere_and_leaves_the_session_alone() {
    let (listener, address) = listen("127.0.77.9");
    let mut settings = settings(address);
    let rig = Rig::start(settings.clone());
    let mut peer = Peer::accept(&listener);
    peer.open();
    assert_eq!(peer.hear_news(), announced(10));
    rig.handle().withdraw(None).unwrap();
    assert_eq!(peer.hear_news(), withdrawn());
    settings.listen = vec!["127.0.77.10:0".parse().unwrap()];
    settings.announce.bgp.neighbors[0].exports[0].ladder.healthy = rung(11);
    rig.handle().reload(settings).unwrap();
    let view = rig.view();
    assert_eq!(view.announce.neighbors[0].state, SessionState::Established);
    rig.handle().announce(None, false).unwrap();
    assert_eq!(peer.hear_news(), announced(11), "and nothing before the operator's word");
}

#[test]
fn commands_are_run_at_a_change_of_state() {
    let (_listener, address) = listen("127.0.77.11");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("states");
    let mut settings = settings(address);
    let script = format!("echo $TERN_PREVIOUS_STATE $TERN_STATE >> {}", path.display());
    let command = ["/bin/sh", "-c", &script].map(str::to_owned).into();
    settings.hooks = vec![HookSettings { command, timeout: PATIENCE }];
    let rig = Rig::start(settings);
    rig.until("healthy", |_| std::fs::read_to_string(&path).is_ok_and(|text| text.contains("down healthy")));
}

#[test]
fn a_port_without_the_privilege_or_that_is_taken_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.77.12:0").unwrap();
    let settings = Settings { listen: vec![taken.local_addr().unwrap()], ..Settings::default() };
    let mailbox = Handle::new().unwrap();
    let stub = Stub { handle: mailbox.0.clone(), good: Arc::default(), held: Held::default() };
    let fault = Speaker::start(settings, mailbox, Box::new(stub), Vec::new()).unwrap_err().to_string();
    assert!(fault.contains("is there a router on this machine?"), "{fault}");
    let fault = StartFault::listen("0.0.0.0:179".parse().unwrap(), io::ErrorKind::PermissionDenied.into());
    assert!(fault.to_string().contains("CAP_NET_BIND_SERVICE"), "{fault}");
}

#[test]
fn an_announcer_that_is_dropped_ends_its_thread() {
    let (_listener, address) = listen("127.0.77.13");
    let rig = Rig::start(settings(address));
    let handle = rig.handle().clone();
    drop(rig);
    assert_eq!(handle.view(), Err(Silence::Ended));
}

#[test]
fn a_thread_that_hangs_is_not_waited_for_for_ever() {
    let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
    let hung = thread::spawn(move || {
        let _ = released.recv();
    });
    join_within(hung, Duration::from_millis(20));
    drop(release);
}
