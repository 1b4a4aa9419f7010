//! Two threads of BFD on one machine, each with an address of loopback for itself.

use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::metrics::Pulse;
use crate::wire::bfd::{Packet, State};

/// Long enough for the slowest machine, and never waited for to its end.
const LIMIT: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(2);

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while !holds() {
        assert!(waited < LIMIT, "never: {what}");
        thread::sleep(STEP);
        waited += STEP;
    }
}

fn neighbor(local: &str, address: &str) -> Neighbor {
    let interval = Duration::from_millis(100);
    let way = BfdSettings { transmit: interval, receive: interval, multiplier: 10, multihop: false };
    Neighbor { address: address.parse().unwrap(), local: Some(local.parse().unwrap()), way }
}

fn settings(neighbors: &[Option<Neighbor>]) -> Settings {
    let heartbeat_timeout = Duration::from_millis(500);
    Settings { neighbors: neighbors.to_vec(), heartbeat_timeout, generation: 7 }
}

/// A thread of BFD with a worker that can be hung.
struct End {
    bfd: Option<Bfd>,
    hangs: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl End {
    fn start(settings: Settings) -> Self {
        let pulse = Arc::<Pulse>::default();
        let heart = Heart::new(0, Arc::clone(&pulse), Waker::new().unwrap());
        let (hangs, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (hanging, ending) = (Arc::clone(&hangs), Arc::clone(&ends));
        thread::spawn(move || {
            while !ending.load(Ordering::Relaxed) {
                if !hanging.load(Ordering::Relaxed) {
                    pulse.answer(pulse.question());
                }
                thread::sleep(STEP);
            }
        });
        let notices = Arc::<Mutex<Vec<Notice>>>::default();
        let (told, refused) = (Arc::clone(&notices), AtomicBool::new(false));
        let report = move |notice| {
            // Each notice must survive a full mailbox.
            let takes = refused.fetch_not(Ordering::Relaxed);
            if takes {
                told.lock().unwrap().push(notice);
            }
            takes
        };
        let bfd = Bfd::start(settings, vec![heart], Box::new(report)).unwrap();
        Self { bfd: Some(bfd), hangs, ends, notices }
    }

    fn view(&self, place: usize) -> View {
        self.bfd.as_ref().unwrap().view()[place].clone().unwrap()
    }

    fn is_up(&self) -> bool {
        self.view(0).session.state == State::Up
    }

    fn news(&self) -> Vec<News> {
        self.notices.lock().unwrap().iter().map(|notice| notice.news.clone()).collect()
    }

    fn has_said(&self, part: &str) -> bool {
        self.news().iter().any(|news| format!("{news:?}").contains(part))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.bfd.take());
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn pair(one: &str, other: &str) -> [End; 2] {
    let ends = [(one, other), (other, one)];
    let ends = ends.map(|(local, address)| End::start(settings(&[Some(neighbor(local, address))])));
    wait_for("both are up", || ends.iter().all(End::is_up));
    ends
}

#[test]
fn two_ends_come_up_and_say_so_and_an_operators_stop_is_no_failure() {
    let [one, mut other] = pair("127.84.1.1", "127.84.1.2");
    wait_for("it is said", || one.news() == [News::Up]);
    assert_eq!(one.notices.lock().unwrap()[0].generation, 7);
    other.bfd.take().unwrap().stop();
    wait_for("one has seen it", || one.view(0).session.remote_state == State::AdminDown);
    assert_eq!(one.view(0).session.state, State::Down);
    let stopped = News::Stopped("the neighbor's operator has taken the session down".to_owned());
    wait_for("that is said", || one.news() == [News::Up, stopped.clone()]);
}

#[test]
fn a_worker_that_hangs_takes_the_session_down_and_one_that_answers_again_brings_it_back() {
    let [one, other] = pair("127.84.2.1", "127.84.2.2");
    one.hangs.store(true, Ordering::Relaxed);
    wait_for("both say why", || {
        one.has_said("data path does not answer") && other.has_said("forwarding plane reset")
    });
    assert!(!one.view(0).session.healthy && other.view(0).session.healthy);
    let again = settings(&[Some(neighbor("127.84.2.1", "127.84.2.2"))]);
    assert!(one.bfd.as_ref().unwrap().reload(Settings { generation: 8, ..again }));
    wait_for("it is said of the new number too", || {
        let notices = one.notices.lock().unwrap();
        notices.iter().any(|notice| notice.generation == 8 && matches!(notice.news, News::Down(_)))
    });
    one.hangs.store(false, Ordering::Relaxed);
    wait_for("both are up again", || one.is_up() && other.is_up());
}

/// A neighbour whose every packet the test writes.
struct Scripted {
    socket: UdpSocket,
    to: &'static str,
}

impl Scripted {
    fn new(from: &str, to: &'static str) -> Self {
        let socket = UdpSocket::bind((from, 3784)).unwrap();
        socket.set_ttl(255).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, to }
    }

    fn hear(&self) -> Packet {
        let mut bytes = [0; 100];
        let length = self.socket.recv(&mut bytes).unwrap();
        Packet::parse(&bytes[..length]).unwrap()
    }

    fn say(&self, state: State, yours: u32) {
        let interval = 100_000;
        let (transmit, receive) = (interval, interval);
        let packet = Packet { state, multiplier: 3, mine: 5, yours, transmit, receive, ..Packet::default() };
        self.socket.send_to(&packet.encode(), self.to).unwrap();
    }
}

#[test]
fn silence_is_noticed_and_told() {
    let neighbor_end = Scripted::new("127.84.3.2", "127.84.3.1:3784");
    let end = End::start(settings(&[Some(neighbor("127.84.3.1", "127.84.3.2"))]));
    let ours = neighbor_end.hear().mine;
    wait_for("its data path is known", || end.view(0).session.healthy);
    neighbor_end.say(State::Init, ours);
    wait_for("it is up", || neighbor_end.hear().state == State::Up);
    wait_for("it is down", || end.has_said("nothing was heard for 300 ms"));
    let last = std::iter::repeat_with(|| neighbor_end.hear()).find(|packet| packet.state == State::Down);
    assert_eq!(last.unwrap().diagnostic.code(), 1);
}

#[test]
fn what_has_travelled_or_is_no_packet_or_comes_from_elsewhere_is_not_taken() {
    let end = End::start(settings(&[Some(neighbor("127.84.4.1", "127.84.4.2"))]));
    wait_for("there is a view", || end.bfd.as_ref().unwrap().view().len() == 1);
    let packet = Packet { multiplier: 3, mine: 5, state: State::Down, receive: 1, ..Packet::default() };
    let send = |from: &str, ttl: u32, bytes: &[u8]| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.set_ttl(ttl).unwrap();
        socket.send_to(bytes, "127.84.4.1:3784").unwrap();
    };
    send("127.84.4.2", 254, &packet.encode());
    send("127.84.4.2", 255, &packet.encode()[..23]);
    send("127.84.4.3", 255, &packet.encode());
    wait_for("two are refused", || end.view(0).refused == 2);
    assert_eq!(end.view(0).session.counts.received, 0);
    send("127.84.4.2", 255, &packet.encode());
    wait_for("one is taken", || end.view(0).session.counts.received == 1);
}

#[test]
fn packets_leave_with_hop_limit_255_from_the_ports_of_the_rfc() {
    use crate::net::udp::{Batch, UdpOptions, UdpSocket};
    let options = UdpOptions::default();
    let socket = UdpSocket::bind_listener("127.84.5.2:3784".parse().unwrap(), &options).unwrap();
    let _end = End::start(settings(&[Some(neighbor("127.84.5.1", "127.84.5.2"))]));
    let mut batch = Batch::new(4);
    wait_for("a packet comes", || socket.recv_batch(&mut batch).unwrap() > 0);
    let meta = batch.packet(0).unwrap().meta;
    assert_eq!((meta.ttl, meta.tos), (255, 0xC0));
    assert_eq!(meta.source.ip(), "127.84.5.1".parse::<IpAddr>().unwrap());
    assert!(meta.source.port() >= 49_152);
}

#[test]
fn a_reload_keeps_the_sessions_that_stay_and_says_how_they_are_under_their_new_numbers() {
    let [one, other] = pair("127.84.6.1", "127.84.6.2");
    wait_for("it is said", || one.news() == [News::Up]);
    let before = one.view(0).session;
    let neighbors = [None, Some(neighbor("127.84.6.1", "127.84.6.2"))];
    let settings = Settings { generation: 8, ..settings(&neighbors) };
    assert!(one.bfd.as_ref().unwrap().reload(settings));
    wait_for("it is said again", || one.news().len() == 2);
    let expected = Notice { generation: 8, neighbor: NeighborId(1), news: News::Up };
    assert_eq!(one.notices.lock().unwrap()[1], expected);
    wait_for("it is shown at its place", || one.bfd.as_ref().unwrap().view().len() == 2);
    let after = one.view(1).session;
    assert_eq!((after.discriminator, after.counts.downs), (before.discriminator, 0));
    assert!(other.is_up());
}

#[test]
fn a_port_that_is_taken_is_named_with_the_remedy_and_tried_again() {
    let taken = UdpSocket::bind("127.84.7.1:3784").unwrap();
    let end = End::start(settings(&[Some(neighbor("127.84.7.1", "127.84.7.2"))]));
    wait_for("it is said", || end.has_said("UDP 127.84.7.1:3784 is taken: end the other BFD daemon"));
    wait_for("it is shown", || end.view(0).problem.is_some());
    drop(taken);
    wait_for("it is had after all", || end.view(0).problem.is_none());
}
