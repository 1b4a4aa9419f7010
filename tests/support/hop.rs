//! A hop between two hosts that delays, loses, doubles and re-marks datagrams, in user space: the kernel at hand may have
//! no such queueing discipline, and this one remembers what it did.
//!
//! Whoever sends to [`Hop::at`] is forwarded to the target from a socket of its own, and the target's answers go back to
//! it. One thread, which ends with the hop; in which network namespace it stands is a matter of who starts it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use tern::clock::Clock;
use tern::net::poll::{Events, Interest, Poller, Waker};
use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};
use tern::time::Time;

use crate::dice::{Dice, Gilbert};

/// What happens to datagrams of one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    pub(crate) delay: Duration,
    /// On top of it, by chance less than this.
    pub(crate) jitter: Duration,
    /// Whether jitter lets one overtake another.
    pub(crate) overtaking: bool,
    /// Into the bad state and out of it, per packet of RTP; nothing else is lost.
    pub(crate) loss: Option<(f64, f64)>,
    /// The share of RTP packets that come twice.
    pub(crate) doubled: f64,
    /// The octet that DSCP and ECN become; none leaves them.
    pub(crate) tos: Option<u8>,
}

impl Way {
    /// Only later.
    pub(crate) fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// From whoever sent to the hop, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toward {
    Target,
    Source,
}

/// One datagram that came to the hop.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) toward: Toward,
    pub(crate) bytes: Vec<u8>,
    /// By the kernel's timestamp.
    pub(crate) arrived: Time,
    /// Just before and just after each copy left; none was lost.
    pub(crate) left: Vec<(Time, Time)>,
}

/// A running hop.
pub(crate) struct Hop {
    /// Where it is sent to.
    pub(crate) at: SocketAddr,
    log: Arc<Mutex<Vec<Passed>>>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Hop {
    /// Forwards what comes to `at` to `target`, and back.
    pub(crate) fn start(at: SocketAddr, target: SocketAddr, there: Way, back: Way, seed: u64) -> Self {
        let front = bind(at);
        let at = front.local_addr();
        let (log, stop) = (Arc::<Mutex<Vec<Passed>>>::default(), Arc::<AtomicBool>::default());
        let waker = Waker::new().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&waker, WAKER, Interest::READ).unwrap();
        poller.add(&front, FRONT, Interest::READ).unwrap();
        let ways = [(Toward::Target, there, seed), (Toward::Source, back, !seed)];
        let mut work = Work {
            target,
            poller,
            sockets: vec![front],
            sources: vec![target],
            lanes: ways.map(|(toward, way, seed)| Lane::new(toward, way, seed)),
            waiting: BTreeMap::new(),
            log: Arc::clone(&log),
            batch: Batch::new(32),
        };
        let ended = Arc::clone(&stop);
        let thread = spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                work.turn();
            }
        });
        Self { at, log, stop, waker, thread: Some(thread) }
    }

    /// What has come so far, in the order of arrival.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        let ended = self.thread.take().map(JoinHandle::join);
        // A second panic on the way out of a failing test would hide the first.
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the hop died");
    }
}

const FRONT: u64 = 0;
const WAKER: u64 = u64::MAX;

fn bind(at: SocketAddr) -> UdpSocket {
    let options = UdpOptions { timestamps: true, receive_buffer: Some(1 << 20), ..UdpOptions::default() };
    UdpSocket::bind_listener(at, &options).unwrap()
}

/// The RTP packet that a datagram is, or carries on a channel.
pub(crate) fn rtp(bytes: &[u8]) -> Option<&[u8]> {
    let payload = if matches!(bytes.first()?, 0x40..=0x4f) { bytes.get(4..)? } else { bytes };
    let [first, second, ..] = payload else { return None };
    (payload.len() >= 12 && first >> 6 == 2 && !matches!(second, 192..=223)).then_some(payload)
}

/// One direction's state.
struct Lane {
    toward: Toward,
    way: Way,
    dice: Dice,
    channel: Option<Gilbert>,
    /// When the last one leaves.
    last: Time,
}

impl Lane {
    fn new(toward: Toward, way: Way, seed: u64) -> Self {
        let channel = way.loss.map(|(into, out)| Gilbert::new(into, out));
        Self { toward, way, dice: Dice::new(seed), channel, last: Time::ZERO }
    }

    /// When copies of a datagram that came at `arrived` leave.
    fn times(&mut self, bytes: &[u8], arrived: Time) -> Vec<Time> {
        let media = rtp(bytes).is_some();
        if media && self.channel.as_mut().is_some_and(|channel| channel.loses(&mut self.dice)) {
            return Vec::new();
        }
        let mut time = arrived + self.way.delay + self.dice.duration(self.way.jitter);
        if !self.way.overtaking {
            time = time.max(self.last);
            self.last = time;
        }
        let again = media && self.dice.falls(self.way.doubled);
        vec![time; 1 + usize::from(again)]
    }
}

/// A copy that waits.
struct Copy {
    /// Which socket it leaves by, and where to.
    socket: usize,
    destination: SocketAddr,
    tos: u8,
    /// Its entry in the log.
    entry: usize,
}

struct Work {
    target: SocketAddr,
    poller: Poller,
    /// The front, then one per source.
    sockets: Vec<UdpSocket>,
    /// Whose socket it is, by the same index.
    sources: Vec<SocketAddr>,
    lanes: [Lane; 2],
    /// By time, and in order of arrival where that is the same.
    waiting: BTreeMap<(Time, usize), Copy>,
    log: Arc<Mutex<Vec<Passed>>>,
    batch: Batch,
}

impl Work {
    fn turn(&mut self) {
        self.wait();
        for index in 0..self.sockets.len() {
            self.receive(index);
        }
        self.send_due();
    }

    /// Until something comes or is due. The poller knows whole milliseconds only.
    fn wait(&self) {
        let left = self.waiting.keys().next().map(|(due, _)| due.since(Clock::new().now().time));
        let mut events = Events::with_capacity(16);
        match left {
            Some(left) if left < Duration::from_millis(1) => sleep(left),
            _ => {
                let whole =
                    left.map(|left| Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(0)));
                self.poller.wait(&mut events, whole).unwrap();
            }
        }
    }

    fn receive(&mut self, index: usize) {
        let socket = self.sockets[index].clone();
        while socket.recv_batch(&mut self.batch).unwrap() > 0 {
            let reading = Clock::new().read();
            for slot in 0..self.batch.len() {
                let packet = self.batch.packet(slot).unwrap();
                let arrived = reading.arrival(packet.meta.timestamp.expect("timestamps are on"));
                let bytes = packet.buffer[packet.payload].to_vec();
                let (source, tos) = (packet.meta.source, packet.meta.tos);
                self.pass(index, source, tos, arrived, bytes);
            }
        }
    }

    fn pass(&mut self, index: usize, source: SocketAddr, tos: u8, arrived: Time, bytes: Vec<u8>) {
        let (lane, socket, destination) =
            if index == 0 { (0, self.back(source), self.target) } else { (1, 0, self.sources[index]) };
        let lane = &mut self.lanes[lane];
        let times = lane.times(&bytes, arrived);
        let tos = lane.way.tos.unwrap_or(tos);
        let mut log = self.log.lock().unwrap();
        let entry = log.len();
        log.push(Passed { toward: lane.toward, bytes, arrived, left: Vec::new() });
        for (copy, time) in times.into_iter().enumerate() {
            let order = entry * 2 + copy;
            self.waiting.insert((time, order), Copy { socket, destination, tos, entry });
        }
    }

    /// The socket that stands for `source` before the target.
    fn back(&mut self, source: SocketAddr) -> usize {
        if let Some(index) = self.sources.iter().skip(1).position(|known| *known == source) {
            return index + 1;
        }
        let socket = bind(SocketAddr::new(self.sockets[0].local_addr().ip(), 0));
        self.poller.add(&socket, self.sockets.len() as u64, Interest::READ).unwrap();
        self.sockets.push(socket);
        self.sources.push(source);
        self.sockets.len() - 1
    }

    fn send_due(&mut self) {
        let clock = Clock::new();
        while let Some(first) = self.waiting.first_entry() {
            let before = clock.now().time;
            if first.key().0 > before {
                break;
            }
            let copy = first.remove();
            let mut log = self.log.lock().unwrap();
            let passed = &mut log[copy.entry];
            let header = SendHeader { tos: copy.tos, ..SendHeader::to(copy.destination) };
            let mut out = SendBatch::new(1);
            out.push(&self.sockets[copy.socket], header, Payload::Copy(&passed.bytes));
            out.flush(&self.batch);
            passed.left.push((before, clock.now().time));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket as Plain};

    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn socket() -> Plain {
        let socket = Plain::bind(LOCAL).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn receive(socket: &Plain) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2_000];
        let (count, from) = socket.recv_from(&mut buffer).unwrap();
        (buffer[..count].to_vec(), from)
    }

    fn media(number: u16) -> Vec<u8> {
        let mut bytes = vec![0x80, 111];
        bytes.extend(number.to_be_bytes());
        bytes.resize(20, 0);
        bytes
    }

    #[test]
    fn what_passes_leaves_when_it_should_and_answers_find_back() {
        let (target, one, two) = (socket(), socket(), socket());
        let ms = Duration::from_millis(1);
        let way = Way::delayed;
        let hop = Hop::start(LOCAL, target.local_addr().unwrap(), way(30 * ms), way(5 * ms), 1);
        for (source, text) in [(&one, b"one"), (&two, b"two")] {
            source.send_to(text, hop.at).unwrap();
            let (bytes, from) = receive(&target);
            assert_eq!(bytes, text);
            target.send_to(text, from).unwrap();
            assert_eq!(receive(source), (text.to_vec(), hop.at));
        }
        let passed = hop.passed();
        assert_eq!(passed.len(), 4);
        for datagram in passed {
            let wanted = if datagram.toward == Toward::Target { 30 * ms } else { 5 * ms };
            assert!(datagram.left[0].0.since(datagram.arrived) >= wanted, "{datagram:?}");
        }
    }

    #[test]
    fn only_media_is_lost_and_the_log_says_which() {
        let (target, source) = (socket(), socket());
        let way = Way { loss: Some((0.3, 0.5)), doubled: 0.2, ..Way::default() };
        let hop = Hop::start(LOCAL, target.local_addr().unwrap(), way, Way::default(), 2);
        for number in 0..100 {
            source.send_to(&media(number), hop.at).unwrap();
        }
        source.send_to(b"end", hop.at).unwrap();
        let mut received = Vec::new();
        loop {
            let (bytes, _) = receive(&target);
            if bytes == b"end" {
                break;
            }
            received.push(bytes);
        }
        let passed = hop.passed();
        let logged = passed.iter().filter(|datagram| rtp(&datagram.bytes).is_some());
        let logged: Vec<_> =
            logged.flat_map(|datagram| vec![datagram.bytes.clone(); datagram.left.len()]).collect();
        assert_eq!(logged, received);
        let lost = passed.iter().filter(|datagram| datagram.left.is_empty()).count();
        let doubled = passed.iter().filter(|datagram| datagram.left.len() == 2).count();
        assert!((10..70).contains(&lost) && doubled > 0, "{lost} {doubled}");
    }

    #[test]
    fn jitter_overtakes_only_where_it_may() {
        let (target, source) = (socket(), socket());
        for overtaking in [false, true] {
            let way = Way { jitter: Duration::from_millis(20), overtaking, ..Way::default() };
            let hop = Hop::start(LOCAL, target.local_addr().unwrap(), way, Way::default(), 3);
            let sent: Vec<_> = (0..50).map(media).collect();
            for bytes in &sent {
                source.send_to(bytes, hop.at).unwrap();
            }
            let received: Vec<_> = sent.iter().map(|_| receive(&target).0).collect();
            assert_eq!(received != sent, overtaking);
        }
    }

    #[test]
    fn media_is_known_with_and_without_a_channel() {
        let media = media(1);
        assert_eq!(rtp(&media), Some(&media[..]));
        let framed = [&[0x40, 1, 0, 20][..], &media].concat();
        assert_eq!(rtp(&framed), Some(&media[..]));
        assert_eq!(rtp(&[&[0x80, 200][..], &media].concat()), None);
        assert_eq!(rtp(&[0, 1, 0, 0]), None);
    }
}
