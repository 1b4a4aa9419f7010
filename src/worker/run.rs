//! The worker's loop.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::sync::mpsc::Sender;

use super::deadlines::{Deadlines, Reminder};
use super::directory::Directory;
use super::dtls::DtlsLink;
use super::external::Externals;
use super::leases::Leases;
use super::listener::Listener;
use super::mailbox::{Command, Inbox, Mailbox};
use super::overload::{Load, Overload};
use super::owners::Homes;
use super::pace::Pace;
use super::peers::Peer;
use super::queues::Sampling;
use super::relays::Relays;
use super::seen::Outbox;
use super::settings::WorkerSettings;
use super::sources::Sources;
use super::stream::Stream;
use crate::clock::{Clock, Reading};
use crate::engine::{self, ConnectionId, Engine, Input};
use crate::metrics::{Counters, EndedSession, Loss, Note, Path, Pulse, Traffic};
use crate::net::dtls::HalfOpen;
use crate::net::poll::{Event, Events, Interest, Poller};
use crate::net::udp::{Batch, PacketMeta, SendBatch, SendStats};
use crate::route::{Arena, FiveTuple, LinkId, RelayId, Table, place};
use crate::time::{Now, Time};

/// Received datagrams that are held at once, of whichever sockets; their media leaves when there is no room for more,
/// and at the end of the turn.
const BATCH: usize = 64;
/// Datagrams of media that wait to be sent at once: the kernel merges up to 128 into one of those received.
const SENDS: usize = 1024;
/// Events per turn; more wait for the next.
const EVENTS: usize = 256;
/// Messages of other workers per turn.
const TRANSFERS: usize = 256;
/// For a worker that was told to stop and has slow readers.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// Bytes that one read of a stream takes, and the largest datagram a DTLS session may say.
pub(super) const SCRATCH: usize = 64 * 1024 + 1024;

/// What the poller's tokens name: the upper four bits say which kind.
pub(super) mod token {
    pub(in super::super) const WAKER: u64 = 0;
    pub(in super::super) const UDP: u64 = 1 << 60;
    pub(in super::super) const TCP: u64 = 2 << 60;
    pub(in super::super) const RELAY: u64 = 3 << 60;
    pub(in super::super) const LINK: u64 = 4 << 60;
    pub(in super::super) const PEER: u64 = 5 << 60;
    pub(in super::super) const KIND: u64 = 0xf << 60;
}

/// What a worker is made of.
pub(crate) struct Parts {
    /// Its number, from 0.
    pub(crate) index: u8,
    /// Its sockets.
    pub(crate) listeners: Vec<Listener>,
    /// Streams, DTLS, media.
    pub(crate) settings: Arc<WorkerSettings>,
    /// The engine's.
    pub(crate) engine_settings: Arc<engine::Settings>,
    /// What all engines share.
    pub(crate) shared: engine::Shared,
    /// Unpredictable.
    pub(crate) seed: [u8; 32],
    /// Who else serves what.
    pub(crate) directory: Arc<Directory>,
    /// Of all workers, by their numbers.
    pub(crate) mailboxes: Arc<[Mailbox]>,
    /// Its own.
    pub(crate) inbox: Inbox,
    /// Read by control.
    pub(crate) counters: Arc<Counters>,
    /// Answered by the worker.
    pub(crate) pulse: Arc<Pulse>,
    /// What is left of sessions goes there.
    pub(crate) records: Sender<Box<EndedSession>>,
    /// What happens to clients and calls goes there.
    pub(crate) notes: SyncSender<Note>,
}

/// A client's connection or session.
#[derive(Debug)]
pub(super) enum Link {
    Stream(Box<Stream>),
    Dtls(Box<DtlsLink>),
}

/// One worker. Lives on its own thread.
pub(crate) struct Worker {
    pub(super) index: u8,
    pub(super) clock: Clock,
    /// Of the turn's beginning.
    pub(super) now: Now,
    reading: Reading,
    pub(super) poller: Poller,
    pub(super) settings: Arc<WorkerSettings>,
    pub(super) engine_settings: Arc<engine::Settings>,
    pub(super) shared: engine::Shared,
    pub(super) engine: Engine,
    pub(super) table: Table,
    pub(super) externals: Externals,
    pub(super) homes: Homes,
    pub(super) leases: Leases,
    pub(super) listeners: Vec<Listener>,
    pub(super) relays: Relays,
    pub(super) links: Arena<Link>,
    pub(super) sources: Sources,
    pub(super) streams: usize,
    pub(super) dtls: HashMap<FiveTuple, LinkId, RandomState>,
    pub(super) dtls_half_open: HalfOpen<LinkId>,
    pub(super) peers: Arena<Peer>,
    pub(super) connections: HashMap<ConnectionId, u64, RandomState>,
    pub(super) deadlines: Deadlines,
    /// Streams that got something to write during this turn.
    pub(super) dirty: Vec<LinkId>,
    /// Flows that this worker has entered into the directory.
    pub(super) foreign: HashSet<FiveTuple, RandomState>,
    /// What is being handled came from another worker's mailbox.
    pub(super) from_mailbox: bool,
    /// The engine wants the message just handled to go to this worker.
    pub(super) forward: Option<u8>,
    /// Media, edited in place in the batch of this turn.
    pub(super) sends: SendBatch,
    /// Everything else.
    pub(super) copies: SendBatch,
    /// What goes with `copies`.
    pub(super) no_batch: Batch,
    pub(super) scratch: Vec<u8>,
    /// What DTLS sessions say, while `scratch` may be in use.
    pub(super) spoken: Vec<u8>,
    /// A packet on the short cut.
    pub(super) frame: Vec<u8>,
    pub(super) indications: u64,
    pub(super) directory: Arc<Directory>,
    pub(super) mailboxes: Arc<[Mailbox]>,
    inbox: Inbox,
    pub(super) counters: Arc<Counters>,
    pulse: Arc<Pulse>,
    pub(super) records: Sender<Box<EndedSession>>,
    pub(super) notes: SyncSender<Note>,
    pub(super) pace: Pace,
    /// What other workers are to be told of packets.
    pub(super) outbox: Outbox,
    overload: Overload,
    pub(super) sampling: Sampling,
    /// It was told to stop: whoever is here has its say, nobody else.
    stopping: bool,
}

impl Worker {
    /// A worker whose sockets the poller already watches.
    ///
    /// # Errors
    /// The system has no descriptors or memory left.
    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        let Parts { index, listeners, settings, engine_settings, shared, seed, .. } = parts;
        let clock = Clock::new();
        let reading = clock.read();
        let handshakes = settings.dtls.handshakes;
        let mut worker = Self {
            index,
            clock,
            now: reading.now,
            reading,
            poller: Poller::new()?,
            settings,
            engine: Engine::new(Arc::clone(&engine_settings), shared.clone(), index, seed),
            externals: Externals::new(&engine_settings.relay.addresses),
            homes: Homes::new(index),
            leases: Leases::default(),
            engine_settings,
            shared,
            table: Table::new(),
            listeners,
            relays: Relays::default(),
            links: Arena::new(),
            sources: Sources::default(),
            streams: 0,
            dtls: HashMap::default(),
            dtls_half_open: HalfOpen::new(handshakes),
            peers: Arena::new(),
            connections: HashMap::default(),
            deadlines: Deadlines::default(),
            dirty: Vec::new(),
            foreign: HashSet::default(),
            from_mailbox: false,
            forward: None,
            sends: SendBatch::new(SENDS),
            copies: SendBatch::new(BATCH),
            no_batch: Batch::new(1),
            scratch: vec![0; SCRATCH],
            spoken: Vec::new(),
            frame: Vec::new(),
            indications: u64::from_be_bytes(seed_of_indications(&seed)),
            directory: parts.directory,
            outbox: Outbox::new(parts.mailboxes.len()),
            mailboxes: parts.mailboxes,
            inbox: parts.inbox,
            counters: parts.counters,
            pulse: parts.pulse,
            records: parts.records,
            notes: parts.notes,
            pace: Pace::new(),
            overload: Overload::new(reading.now.time),
            sampling: Sampling::default(),
            stopping: false,
        };
        worker.learn_homes();
        worker.watch_listeners()?;
        Ok(worker)
    }

    fn watch_listeners(&mut self) -> io::Result<()> {
        self.poller.add(&self.inbox.waker, token::WAKER, Interest::READ)?;
        for (index, listener) in (0u64..).zip(&mut self.listeners) {
            if let Some(udp) = &listener.udp {
                self.poller.add(udp, token::UDP | index, Interest::READ)?;
            }
            if let Some(tcp) = &listener.tcp {
                listener.tcp_watch.set(&self.poller, tcp, token::TCP | index, Some(Interest::READ))?;
            }
        }
        Ok(())
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// The poller failed, which no client can cause.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut batch = Batch::new(BATCH);
        let mut events = Events::with_capacity(EVENTS);
        let mut stop_at: Option<Time> = None;
        loop {
            let deadline =
                [self.engine.deadline(), self.deadlines.next(), stop_at].into_iter().flatten().min();
            let idle_from = self.clock.now().time;
            let timeout = deadline.map(|at| at.since(idle_from));
            self.poller.wait(&mut events, timeout)?;
            let question = self.pulse.question();
            self.reading = self.clock.read();
            let last = std::mem::replace(&mut self.now, self.reading.now);
            self.weigh(idle_from.since(last.time), self.now.time.since(idle_from));
            for event in events.iter() {
                self.dispatch(event, &mut batch);
            }
            self.flush_media(&mut batch);
            if self.read_mailbox() && stop_at.is_none() {
                stop_at = Some(self.now.time + STOP_GRACE);
                self.stop_listening();
                self.directory.owners().forget(self.index);
                self.finish_clients();
            }
            self.run_timers();
            self.flush_turn();
            self.counters.turns.add(1);
            self.pulse.answer(question);
            if stop_at.is_some_and(|at| self.now.time >= at || self.links.len() == 0) {
                return Ok(());
            }
        }
    }

    /// How much there was to do: `busy` in the turn before, then `idle`.
    fn weigh(&mut self, busy: Duration, idle: Duration) {
        self.counters.busy.add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX));
        self.overload.waited(idle);
        if !self.overload.is_due(self.now.time) {
            return;
        }
        let load = Load {
            media: self.counters.passed(Path::ToPeer).wrapping_add(self.counters.passed(Path::FromPeer)),
            received: self
                .counters
                .passed(Path::FromClient)
                .wrapping_add(self.counters.passed(Path::FromPeer)),
            dropped: self.counters.lost(Loss::ReceiveOverflow),
        };
        self.sample_queues();
        self.leases.sweep(self.now.time);
        self.counters.leases.set(self.leases.len() as u64);
        let overloaded = self.overload.judge(self.settings.overload, self.now.time, load);
        self.engine.set_overloaded(overloaded);
        self.counters.overloaded.set(overloaded.into());
    }

    fn dispatch(&mut self, event: Event, batch: &mut Batch) {
        let key = event.token & !token::KIND;
        match event.token & token::KIND {
            // Which listener, and which of its sockets.
            token::UDP => self.listener_ready(place(key), place(key >> 32), batch),
            token::RELAY => {
                if let Some(relay) = self.relays.at(place(key)) {
                    self.relay_ready(relay, event, batch);
                }
            }
            token::TCP => self.accept_clients(place(key)),
            token::LINK => self.stream_ready(LinkId(key), event),
            token::PEER => self.peer_ready(key, event),
            _ => self.inbox.waker.drain(),
        }
        self.flush_copies();
    }

    /// Nobody comes in from here on. The UDP sockets stay open for the last words of DTLS sessions.
    fn stop_listening(&mut self) {
        self.stopping = true;
        for listener in &mut self.listeners {
            listener.tcp = None;
            for udp in listener.sockets() {
                // It fails only for a socket that is not watched.
                drop(self.poller.remove(udp));
            }
        }
    }

    /// Whether the worker was told to stop.
    fn read_mailbox(&mut self) -> bool {
        let mut stop = false;
        while let Ok(command) = self.inbox.commands.try_recv() {
            match command {
                Command::Reload { worker, engine } => self.reload(worker, engine),
                Command::Adopt { listener, socket } => self.adopt_socket(listener, socket),
                // Whoever asks may have given up.
                Command::Sessions { from, reply } => drop(reply.try_send(self.page(from))),
                Command::Session { relay, reply } => drop(reply.try_send(self.detail(relay).map(Box::new))),
                Command::Calls { from, reply } => drop(reply.try_send(self.call_page(from))),
                Command::Call { relay, reply } => drop(reply.try_send(self.call_detail(relay).map(Box::new))),
                Command::End { relay, reply } => drop(reply.try_send(self.end_call(relay))),
                Command::Stop => stop = true,
                #[cfg(any(test, debug_assertions))]
                Command::Hang(duration) => std::thread::sleep(duration),
                #[cfg(test)]
                Command::Panic => panic!("on purpose"),
                #[cfg(test)]
                Command::Expire(peer) => {
                    for relay in self.relays.ids().collect::<Vec<_>>() {
                        self.change_route(&crate::route::Delta::RemovePermission { relay, peer });
                    }
                }
            }
        }
        let (messages, bytes) = self.inbox.waiting();
        self.counters.mailbox_messages.set(messages as u64);
        self.counters.mailbox_bytes.set(bytes as u64);
        for _ in 0..TRANSFERS {
            let Some(transfer) = self.inbox.next_transfer() else { return stop };
            // Whoever came to a worker that ends may ask another relay.
            if !self.stopping {
                self.take_over(transfer);
            }
        }
        // There may be more: come back at once, after the sockets had their turn.
        self.inbox.waker.wake();
        stop
    }

    fn reload(&mut self, settings: Arc<WorkerSettings>, engine: Arc<engine::Settings>) {
        self.externals = Externals::new(&engine.relay.addresses);
        self.engine.reload(Arc::clone(&engine));
        self.engine_settings = engine;
        self.change_quality(settings.quality.as_ref());
        self.settings = settings;
        self.learn_homes();
        self.share_bandwidth();
        self.act();
    }

    fn run_timers(&mut self) {
        if self.engine.deadline().is_some_and(|at| at <= self.now.time) {
            self.feed(Input::Timer);
        }
        while let Some(reminder) = self.deadlines.pop(self.now.time) {
            match reminder {
                Reminder::Link(key) => self.link_due(LinkId(key)),
                Reminder::Peer(key) => self.peer_due(key),
                Reminder::Pipe(key) => self.pipe_due(key),
                Reminder::Listener(index) => self.watch_listener_again(index),
                Reminder::Relay(key) => self.watch_relay(RelayId(key), Interest::READ),
                Reminder::Quality(key) => self.quality_due(RelayId(key)),
                Reminder::Seen(worker) => self.flush_seen(worker),
                Reminder::Sums(worker) => self.flush_sums(worker),
            }
        }
    }

    /// What was queued during the turn goes out now.
    fn flush_turn(&mut self) {
        self.flush_copies();
        while let Some(link) = self.dirty.pop() {
            self.flush_link(link);
        }
        self.flush_copies();
        self.counters.connections.set(self.streams as u64);
        self.counters.dtls_sessions.set(self.dtls.len() as u64);
        self.counters.peer_connections.set(self.peers.len() as u64);
    }

    pub(super) fn flush_copies(&mut self) {
        if !self.copies.is_empty() {
            let stats = self.copies.flush(&self.no_batch);
            self.count_sends(stats);
        }
    }

    pub(super) fn count_sends(&self, stats: SendStats) {
        self.counters.batch(Traffic::Sent, stats.calls, stats.sent, stats.coupled);
        let lost = [
            (Loss::SendBufferFull, stats.full),
            (Loss::TooBig, stats.too_long),
            (Loss::Unreachable, stats.unreachable),
            (Loss::SendFailed, stats.refused),
        ];
        for (loss, count) in lost.into_iter().filter(|(_, count)| *count > 0) {
            self.counters.lose_many(loss, count);
        }
    }

    /// Tells the engine, and does what follows from it.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        self.act();
    }

    /// When the kernel had received it, or where it does not say, when the turn began.
    pub(super) fn arrival(&self, meta: &PacketMeta) -> Time {
        meta.timestamp.map_or(self.now.time, |timestamp| self.reading.arrival(timestamp))
    }

    /// The relay's token for the poller.
    pub(super) const fn relay_token(relay: RelayId) -> u64 {
        token::RELAY | (relay.0 & 0xffff_ffff)
    }
}

fn seed_of_indications(seed: &[u8; 32]) -> [u8; 8] {
    // The engine keeps its seed secret: only a digest of it may be seen in transaction identifiers.
    use sha2::Digest;
    let digest = sha2::Sha256::digest(seed);
    let mut first = [0; 8];
    first.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    first
}
