//! The loop of the thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::line::Line;
use super::sockets::Receivers;
use super::watch::Watch;
use super::{Inbox, Mail, Neighbor, Notice, Report, Settings, Views};
use crate::announce::NeighborId;
use crate::announce::bfd::{Input, Session};
use crate::clock::Clock;
use crate::engine::Random;
use crate::metrics::Heart;
use crate::net::poll::{Events, Interest, Poller, Waker};
use crate::net::udp::{Batch, SendBatch, UdpSocket};
use crate::time::{Now, Time};
use crate::wire::bfd::Packet;

const WAKER: u64 = 0;
const SOCKET: u64 = 1;

/// Datagrams of a socket that are read before the timers are looked at: no flood keeps this end from sending.
const BATCH: usize = 32;
/// After a socket could not be had.
const SOCKET_RETRY: Duration = Duration::from_secs(5);
/// After the announcer had no room for a notice.
const REPORT_RETRY: Duration = Duration::from_millis(5);
/// Between two pictures for operators.
const BETWEEN_VIEWS: Duration = Duration::from_millis(50);

/// Everything that the thread owns.
pub(super) struct Driver {
    clock: Clock,
    random: Random,
    poller: Poller,
    waker: Waker,
    report: Report,
    views: Arc<ArcSwap<Views>>,
    settings: Settings,
    watch: Watch,
    healthy: bool,
    lines: Vec<Line>,
    receivers: Receivers,
    received: Batch,
    outgoing: SendBatch,
    /// When to try again to open the sockets that are missing.
    retry: Option<Time>,
    shown: Time,
}

impl Driver {
    pub(super) fn new(
        settings: Settings,
        hearts: Vec<Heart>,
        report: Report,
        waker: Waker,
        views: Arc<ArcSwap<Views>>,
    ) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let clock = Clock::new();
        let poller = Poller::new()?;
        poller.add(&waker, WAKER, Interest::READ)?;
        let now = clock.now();
        let mut driver = Self {
            watch: Watch::new(now.time, hearts, settings.heartbeat_timeout),
            settings: Settings { neighbors: Vec::new(), ..settings },
            clock,
            random: Random::new(seed),
            poller,
            waker,
            report,
            views,
            healthy: false,
            lines: Vec::new(),
            receivers: Receivers::default(),
            received: Batch::new(BATCH),
            outgoing: SendBatch::new(1024),
            retry: None,
            shown: Time::ZERO,
        };
        driver.reload(now, settings);
        driver.show(now.time);
        Ok(driver)
    }

    pub(super) fn run(mut self, inbox: &Inbox) {
        let mut events = Events::with_capacity(16);
        loop {
            let now = self.clock.now();
            let timeout = self.deadline(now.time).since(now.time);
            if self.poller.wait(&mut events, Some(timeout)).is_err() {
                return;
            }
            self.waker.drain();
            let now = self.clock.now();
            // What waits is read before a timer is judged: a packet that came in time is not late because this thread is.
            self.receive(now);
            let goes_on = self.read_mail(now, inbox);
            self.turn(now);
            if !goes_on {
                return;
            }
        }
    }

    fn deadline(&self, now: Time) -> Time {
        let sessions = self.lines.iter().filter_map(|line| line.session.deadline());
        let report = self.lines.iter().any(Line::owes_report);
        let report = report.then(|| now + REPORT_RETRY);
        sessions.chain(self.retry).chain(report).chain([self.watch.deadline()]).min().unwrap_or(Time::MAX)
    }

    fn receive(&mut self, now: Now) {
        for socket in self.receivers.iter() {
            read(socket, &mut self.received, &mut self.lines, now);
        }
    }

    fn read_mail(&mut self, now: Now, inbox: &Inbox) -> bool {
        while let Ok(mail) = inbox.try_recv() {
            match mail {
                Mail::Reload(settings) => self.reload(now, settings),
                Mail::Stop => {
                    self.lines.iter_mut().for_each(|line| line.session.handle(now, Input::Stop));
                    return false;
                }
            }
        }
        true
    }

    /// Timers, hearts, and everything that follows.
    fn turn(&mut self, now: Now) {
        let healthy = self.watch.look(now.time);
        let input = if healthy == self.healthy { Input::Tick } else { Input::Healthy(healthy) };
        self.healthy = healthy;
        let mut has_changed = false;
        for line in &mut self.lines {
            line.session.handle(now, input);
            has_changed |= line.act(&mut self.outgoing);
        }
        self.outgoing.flush(&self.received);
        self.received.clear();
        if self.retry.is_some_and(|retry| retry <= now.time) {
            self.open(now);
        }
        // Whoever is told of a change finds it there.
        if has_changed || now.time.since(self.shown) >= BETWEEN_VIEWS {
            self.show(now.time);
        }
        for line in &mut self.lines {
            line.report(|neighbor, news| {
                (self.report)(Notice { generation: self.settings.generation, neighbor, news })
            });
        }
    }

    fn show(&mut self, now: Time) {
        self.shown = now;
        let mut views: Views = self.settings.neighbors.iter().map(|_| None).collect();
        for line in &self.lines {
            if let Some(place) = views.get_mut(usize::from(line.id.0)) {
                *place = Some(line.view());
            }
        }
        self.views.store(Arc::new(views));
    }

    /// Sessions of neighbours that stay go on; of those that go, the neighbour is told.
    fn reload(&mut self, now: Now, settings: Settings) {
        let mut before = std::mem::take(&mut self.lines);
        let wanted = (0..).map(NeighborId).zip(&settings.neighbors);
        for (id, neighbor) in wanted.filter_map(|(id, neighbor)| Some((id, (*neighbor)?))) {
            let known = before.iter().position(|line| line.neighbor.is_same(&neighbor));
            let line = match known {
                Some(place) => {
                    let mut line = before.swap_remove(place);
                    line.renumber(now, id, neighbor);
                    line
                }
                None => self.begin(now, id, neighbor),
            };
            self.lines.push(line);
        }
        for mut line in before {
            line.session.handle(now, Input::Stop);
            line.act(&mut self.outgoing);
        }
        self.watch.set_timeout(settings.heartbeat_timeout);
        self.settings = settings;
        self.open(now);
    }

    fn begin(&mut self, now: Now, id: NeighborId, neighbor: Neighbor) -> Line {
        let is_free = |number: u32| self.lines.iter().all(|line| line.session.discriminator() != number);
        let mut discriminator = self.random.next_u32();
        while discriminator == 0 || !is_free(discriminator) {
            discriminator = self.random.next_u32();
        }
        let seed = u64::from_ne_bytes(self.random.bytes());
        let mut session = Session::new(now, neighbor.timers(), discriminator, seed);
        session.handle(now, Input::Healthy(self.healthy));
        Line::new(id, neighbor, session)
    }

    /// Opens the sockets that are missing and closes those that nobody needs.
    fn open(&mut self, now: Now) {
        let neighbors: Vec<Neighbor> = self.lines.iter().map(|line| line.neighbor).collect();
        let listens: Vec<SocketAddr> =
            neighbors.iter().map(|neighbor| neighbor.listens(neighbors.iter())).collect();
        self.receivers.retain(&listens);
        let mut is_complete = true;
        for (line, address) in self.lines.iter_mut().zip(listens) {
            line.open(|| u16::from_ne_bytes(self.random.bytes()));
            match self.receivers.open(address, &self.poller, SOCKET) {
                Ok(()) if line.has_sender() => line.settle(),
                Ok(()) => is_complete = false,
                Err(error) => {
                    line.complain(address, &error);
                    is_complete = false;
                }
            }
        }
        self.retry = (!is_complete).then(|| now.time + SOCKET_RETRY);
    }
}

/// What waits in one socket, to its sessions.
fn read(socket: &UdpSocket, batch: &mut Batch, lines: &mut [Line], now: Now) {
    let port = socket.local_addr().port();
    // Errors of this kind concern what was sent before, and there is nothing to do about them.
    let count = socket.recv_batch(batch).unwrap_or(0);
    for index in 0..count {
        let Some(received) = batch.packet(index) else { continue };
        let packet = received.buffer.get(received.payload).and_then(|bytes| Packet::parse(bytes).ok());
        let yours = packet.as_ref().map_or(0, |packet| packet.yours);
        let is_candidate = |line: &Line| line.is_between(&received.meta, port);
        let is_named = |line: &Line| line.session.discriminator() == yours && is_candidate(line);
        let place = lines.iter().position(is_named).or_else(|| lines.iter().position(is_candidate));
        if let Some(line) = place.and_then(|place| lines.get_mut(place)) {
            line.receive(now, &received.meta, packet.as_ref());
        }
    }
    batch.clear();
}
