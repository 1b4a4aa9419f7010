//! A generator thread: it owns its sessions, their sockets and a peer, and does nothing that blocks.

mod control;
mod ending;
mod media;
mod window;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use tern::net::poll::Waker;
use tern::net::udp::{Batch, SendBatch};

use super::link::Security;
use super::peer::{self, Peer};
use super::poller::{Poller, Ready};
use super::schedule::Schedule;
use super::slot::Slot;
use super::tally::{Tally, Times};
use super::{Command, Job, Opened, Reply, Work, netns};
use crate::client::{Fault, Wish};
use crate::clock::{self, Nanos};
use crate::failure::Failure;
use crate::plan::{Load, Sides, Target};
use crate::progress::Progress;

const PEER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;

/// The shortest sleep between sends: what is due meanwhile leaves together. Received packets end it.
const NAP: u64 = 50_000;

/// What is still to be sent when a window ends may be late by this part of it: less would take a millisecond for loss,
/// more would take for a rate what was sent in a longer time.
const CATCH_UP: u64 = 50;

/// The longest sleep: the mode may have been cancelled.
const LONGEST_SLEEP: u64 = 100_000_000;

/// Datagrams of clients in one system call: a burst is at most as long.
const TRAIN: usize = 64;

/// Turns that are taken before received packets are looked at.
const TURNS: usize = 128;

/// What the threads of a fleet are started from.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) target: Target,
    pub(super) load: Load,
    pub(super) sides: Sides,
    pub(super) wish: Arc<Wish>,
    /// For TLS and DTLS.
    pub(super) security: Option<Security>,
    /// Sessions of this thread.
    pub(super) sessions: usize,
    /// Whether they are opened at once, or only for a storm.
    pub(super) work: Work,
    /// Whether a reflector stands in for the server: every packet comes back to whoever has sent it.
    pub(super) mirrored: bool,
    /// Number of this thread and of all.
    pub(super) number: usize,
    pub(super) threads: usize,
    pub(super) progress: Arc<Progress>,
    pub(super) seed: u64,
}

/// A window that is being measured.
#[derive(Debug)]
struct Running {
    job: Job,
    schedule: Schedule,
    next_tick: Nanos,
    /// When nothing is waited for any more.
    patience: Nanos,
    counting: bool,
    sending: bool,
    cpu: u64,
    overflow: u32,
    next_departure: Nanos,
}

/// The thread's state.
pub(super) struct Generator {
    share: Share,
    commands: Receiver<Command>,
    replies: SyncSender<Reply>,
    waker: Waker,
    poller: Poller,
    slots: Vec<Slot>,
    peer: Peer,
    peer_address: SocketAddr,
    /// Deadlines of clients; an entry may be out of date.
    timers: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// Sessions whose requests are on their way.
    opening: usize,
    /// The first that was never begun, while the fleet opens.
    next_open: usize,
    began: Nanos,
    opened: Opened,
    is_open: bool,
    running: Option<Running>,
    work: Work,
    tally: Tally,
    cycle: Times,
    /// Who leaves next.
    next_churn: usize,
    /// Sessions that may be begun again, in time.
    returning: BinaryHeap<Reverse<(Nanos, u32)>>,
    overflow: u32,
    out: Vec<u8>,
    frame: Vec<u8>,
    payload: Vec<u8>,
    space: Vec<u8>,
    /// Bursts of clients, on their way out and in.
    trains: SendBatch,
    arrived: Batch,
    closing: bool,
}

/// Runs a thread to its end.
pub(super) fn run(share: Share, commands: Receiver<Command>, replies: &SyncSender<Reply>, waker: Waker) {
    let client_netns = share.sides.client_netns.clone();
    // The peer has a namespace of its own, or stays in this one when only the clients go elsewhere.
    let result = open_peer(&share).and_then(|peer| {
        netns::within(client_netns.as_deref(), || {
            let mut generator = Generator::new(share, peer, commands, replies.clone(), waker)?;
            generator.serve().inspect_err(|_| generator.give_back())
        })
    });
    // Nobody listens when the fleet is gone.
    let _ = replies.send(result.map_or_else(Reply::Died, |()| Reply::Closed));
}

impl Generator {
    fn new(
        share: Share,
        peer: Peer,
        commands: Receiver<Command>,
        replies: SyncSender<Reply>,
        waker: Waker,
    ) -> Result<Self, Failure> {
        let wrong = |error: io::Error| Failure::machine("epoll", &error);
        let poller = Poller::new().map_err(wrong)?;
        poller.add(&waker, WAKER, false).map_err(wrong)?;
        poller.add(&peer.socket, PEER, false).map_err(wrong)?;
        Ok(Self {
            slots: std::iter::repeat_with(Slot::new).take(share.sessions).collect(),
            peer_address: peer.socket.local_addr(),
            peer,
            commands,
            replies,
            waker,
            poller,
            timers: BinaryHeap::new(),
            opening: 0,
            next_open: 0,
            began: clock::now(),
            opened: Opened::new(),
            is_open: false,
            running: None,
            work: share.work,
            tally: Tally::new(),
            cycle: Times::new(3),
            next_churn: 0,
            returning: BinaryHeap::new(),
            overflow: 0,
            out: Vec::with_capacity(2048),
            frame: Vec::with_capacity(70_000),
            payload: vec![0; share.load.profile.size],
            space: vec![0; 70_000],
            trains: SendBatch::new(TRAIN),
            arrived: Batch::new(TRAIN),
            closing: false,
            share,
        })
    }

    fn serve(&mut self) -> Result<(), Failure> {
        let mut ready: Vec<Ready> = Vec::with_capacity(256);
        while !self.is_over() {
            let now = clock::now();
            if self.is_opening() && self.share.progress.is_cancelled() {
                return Err(Failure::interrupted());
            }
            self.open_more(now)?;
            self.send_due(now)?;
            self.run_timers(clock::now())?;
            self.advance(clock::now());
            let nanos = if self.is_over() { 0 } else { self.sleep(clock::now()) };
            self.poller.wait(nanos, &mut ready).map_err(|error| Failure::machine("epoll", &error))?;
            for event in &ready {
                match event.token {
                    WAKER => self.obey(),
                    // What is wrong with the peer keeps no session from being given back.
                    PEER => {
                        let received = self.receive_at_peer();
                        received.or_else(|failure| if self.closing { Ok(()) } else { Err(failure) })?;
                    }
                    token => {
                        self.receive_at_client(usize::try_from(token).unwrap_or(usize::MAX), event.writable)?
                    }
                }
            }
        }
        Ok(())
    }

    /// The thread gives up: the server is asked for nothing more but to delete what it holds, and the answers are waited
    /// for, as long as requests are sent again.
    fn give_back(&mut self) {
        self.share.progress.begin("giving back the allocations", Duration::ZERO);
        self.close();
        // The first failure is told, not this.
        drop(self.serve());
    }

    /// Nanoseconds until something is to be done.
    fn sleep(&self, now: Nanos) -> u64 {
        let mut until = now.plus(LONGEST_SLEEP);
        if let Some(Reverse((deadline, _))) = self.timers.peek() {
            until = until.min(*deadline);
        }
        if let Some(Reverse((deadline, _))) = self.returning.peek() {
            until = until.min((*deadline).max(now.plus(NAP)));
        }
        if let Some(running) = &self.running {
            until = until.min(running.next_event(now.plus(NAP)));
        }
        if self.wants_to_open() {
            until = until.min(now.plus(1_000_000));
        }
        until.since(now)
    }

    /// Looks into the mailbox.
    fn obey(&mut self) {
        self.waker.drain();
        loop {
            match self.commands.try_recv() {
                // Who gives up begins nothing.
                Ok(Command::Start(_)) if self.closing => {}
                Ok(Command::Start(job)) => self.start(job),
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => {
                    self.close();
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// The thread's own time on a processor, in nanoseconds.
    fn cpu() -> u64 {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(spent.tv_nsec).unwrap_or(0)
    }

    fn source(&self, slot: usize) -> Option<IpAddr> {
        let sources = &self.share.sides.sources;
        if sources.is_empty() {
            return None;
        }
        sources.get((slot * self.share.threads + self.share.number) % sources.len()).copied()
    }

    fn failure(&self, fault: &Fault) -> Failure {
        fault.failure(&self.share.target, self.share.progress.sessions_ready.load(Ordering::Relaxed))
    }
}

impl Running {
    /// Whether all has left that was due in the window, or is so late that it is given up.
    fn is_over(&self, now: Nanos) -> bool {
        let (until, span) = (self.job.until, self.job.until.since(self.job.count_from));
        let has_left = self.job.work == Work::Storm || self.schedule.due() >= until;
        now >= until && (has_left || now >= until.plus(span / CATCH_UP))
    }

    /// When the next thing is to be done; sends not before `nap`.
    fn next_event(&self, nap: Nanos) -> Nanos {
        let mut until = self.next_tick.min(self.patience).min(self.next_departure.max(nap));
        if !self.counting {
            until = until.min(self.job.count_from);
        }
        if self.sending {
            until = until.min(self.schedule.due().max(nap)).min(self.job.until);
        }
        until
    }
}

fn open_peer(share: &Share) -> Result<Peer, Failure> {
    let here = share.sides.peer_netns.as_deref();
    netns::within(here, || {
        let address = peer::address(&share.sides, &share.target)?;
        Peer::open(address).map_err(|error| {
            let what = format!("the peer cannot use {address}; give another --peer-address or --peer-netns");
            Failure::machine(&what, &error)
        })
    })
}
