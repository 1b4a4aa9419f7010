//! The thread of test calls, "tern-selftest": all calls that are under way, and the peers that they call.
//!
//! Which worker serves a call is decided by the kernel, from both ends' addresses and ports. The relayed address that the
//! call gets tells which one it was; so source ports are tried until the wanted worker is met, and that port is kept for
//! the next call. A worker that hangs is therefore known by its number: its port leads to it and nobody answers there.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use slab::Slab;

use super::attempt::{Attempt, Outcome};
use super::call::Caller;
use super::context::{Context, SharedContext};
use super::echo::Peer;
use super::fault::Fault;
use super::{OnReport, Order, SelfTest};
use crate::announce::CheckId;
use crate::announce::health::Report;
use crate::client::{Challenge, Login, Tools};
use crate::clock::Clock;
use crate::engine::auth::{PROBE_USER, issue};
use crate::net::poll::{Events, Interest, Poller, Waker};
use crate::net::tls::TlsConnector;
use crate::route::Transport;
use crate::time::{Now, Time, UnixTime};

const WAKER: u64 = 0;
const PEER: u64 = 1 << 60;
const CALL: u64 = 2 << 60;
const KIND: u64 = 0xf << 60;
const EVENTS: usize = 256;
/// How long a credential holds. A call takes a second at most.
const CREDENTIAL: u64 = 300;

/// What all calls of the thread have in common.
pub(super) struct Ground {
    pub(super) context: Arc<Context>,
    pub(super) tools: Tools,
    pub(super) poller: Poller,
    /// Which source port leads to which worker.
    pub(super) met: HashMap<(SocketAddr, Transport, u8), u16>,
    /// What each relay address asked for last: then the next call need not be challenged.
    pub(super) challenges: HashMap<SocketAddr, Challenge>,
    numbers: u64,
    seed: [u8; 4],
}

/// One run of a check.
struct Run {
    check: CheckId,
    run: u32,
    attempt: Attempt,
}

/// The thread's state.
pub(super) struct Tester {
    ground: Ground,
    context: SharedContext,
    runs: Slab<Run>,
    peers: Vec<Arc<Peer>>,
    orders: Receiver<Order<SelfTest>>,
    waker: Waker,
    report: OnReport,
    clock: Clock,
}

impl Tester {
    pub(super) fn new(
        context: SharedContext,
        orders: Receiver<Order<SelfTest>>,
        waker: Waker,
        report: OnReport,
    ) -> io::Result<Self> {
        let mut seed = [0; 4];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let poller = Poller::new()?;
        poller.add(&waker, WAKER, Interest::READ)?;
        let ground = Ground {
            context: context.load_full(),
            tools: Tools::new(TlsConnector::trusting_all().map_err(io::Error::other)?)?,
            poller,
            met: HashMap::new(),
            challenges: HashMap::new(),
            numbers: 0,
            seed,
        };
        let clock = Clock::new();
        let mut tester =
            Self { ground, context, runs: Slab::new(), peers: Vec::new(), orders, waker, report, clock };
        tester.watch_peers()?;
        Ok(tester)
    }

    /// Until nobody orders any more.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let deadline = self.runs.iter().map(|(_, run)| run.attempt.deadline()).min();
            let now = self.clock.now().time;
            // Without a poller there is no self-test; that nobody reports any more takes the relay down.
            if self.ground.poller.wait(&mut events, deadline.map(|at| at.since(now))).is_err() {
                return;
            }
            let now = self.clock.now();
            for event in events.iter() {
                let place = usize::try_from(event.token & !KIND).unwrap_or(usize::MAX);
                match event.token & KIND {
                    PEER => self.answer(place),
                    CALL => self.advance(now, place, Attempt::ready),
                    _ => self.waker.drain(),
                }
            }
            if self.take_orders(now).is_err() {
                return;
            }
            self.expire(now);
        }
    }

    fn take_orders(&mut self, now: Now) -> Result<(), ()> {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Run { check, run, what, timeout }) => self.begin(now, check, run, what, timeout),
                Ok(Order::Forget) => self.give_up(now, |_| true),
                Err(TryRecvError::Disconnected) => return Err(()),
                Err(TryRecvError::Empty) => return Ok(()),
            }
        }
    }

    fn begin(&mut self, now: Now, check: CheckId, run: u32, test: SelfTest, timeout: Duration) {
        // Nobody waits for an earlier run of this check any more.
        self.give_up(now, |other| other.check == check);
        self.follow();
        let place = self.runs.vacant_key();
        let token = CALL | u64::try_from(place).unwrap_or(0);
        match Attempt::begin(&mut self.ground, now, test, token, timeout) {
            Ok(attempt) => drop(self.runs.insert(Run { check, run, attempt })),
            Err(fault) => (self.report)(check, run, fault.report()),
        }
    }

    /// The relay was reloaded, and may have other peers.
    fn follow(&mut self) {
        let latest = self.context.load();
        if !Arc::ptr_eq(&latest, &self.ground.context) {
            self.ground.context = Arc::clone(&latest);
            // Without its peer a call says that its payload does not come back.
            drop(self.watch_peers());
        }
    }

    fn give_up(&mut self, now: Now, which: impl Fn(&Run) -> bool) {
        let given_up = |(place, run): (usize, &Run)| which(run).then_some(place);
        for place in self.runs.iter().filter_map(given_up).collect::<Vec<_>>() {
            self.runs.remove(place).attempt.close(&mut self.ground, now.time);
        }
    }

    fn expire(&mut self, now: Now) {
        let due = |(place, run): (usize, &Run)| (run.attempt.deadline() <= now.time).then_some(place);
        for place in self.runs.iter().filter_map(due).collect::<Vec<_>>() {
            self.advance(now, place, Attempt::expire);
        }
    }

    fn advance(
        &mut self,
        now: Now,
        place: usize,
        step: impl FnOnce(&mut Attempt, &mut Ground, Now) -> Outcome,
    ) {
        // What was told of a call that is over concerns nobody.
        let Some(run) = self.runs.get_mut(place) else { return };
        match step(&mut run.attempt, &mut self.ground, now) {
            Outcome::Going => {}
            Outcome::Over(report) => self.end(now, place, report),
        }
    }

    fn end(&mut self, now: Now, place: usize, report: Report) {
        let run = self.runs.remove(place);
        run.attempt.close(&mut self.ground, now.time);
        (self.report)(run.check, run.run, report);
    }

    fn answer(&self, place: usize) {
        if let Some(peer) = self.peers.get(place) {
            self.ground.context.peers.answer(peer);
        }
    }

    fn watch_peers(&mut self) -> io::Result<()> {
        for peer in self.peers.drain(..) {
            drop(self.ground.poller.remove(&peer.socket));
        }
        self.peers = self.ground.context.peers.all();
        for (place, peer) in (0u64..).zip(&self.peers) {
            self.ground.poller.add(&peer.socket, PEER | place, Interest::READ)?;
        }
        Ok(())
    }
}

impl Ground {
    /// A caller that nobody was before.
    pub(super) fn caller(&mut self, now: UnixTime) -> Caller {
        self.numbers += 1;
        let peers = &self.context.peers;
        let credential = issue(&peers.secret(), PROBE_USER, UnixTime(now.0.saturating_add(CREDENTIAL)));
        let (payload, echo) = peers.payload(self.numbers);
        let mut transaction = [0; 12];
        let (seed, number) = transaction.split_at_mut(4);
        seed.copy_from_slice(&self.seed);
        // The last four are the call's own.
        let [.., n0, n1, n2, n3] = self.numbers.to_be_bytes();
        if let Some(room) = number.first_chunk_mut() {
            *room = [n0, n1, n2, n3];
        }
        let login = Login { username: credential.username, password: credential.password };
        Caller { login, payload, echo, transaction }
    }

    /// Where `test` is to call.
    pub(super) fn server(&self, test: &SelfTest) -> Result<SocketAddr, Fault> {
        let of = |(listener, transport, _): &&(_, _, SocketAddr)| {
            *listener == test.listener && *transport == test.transport
        };
        let bound = self.context.addresses.iter().find(of);
        let (_, _, address) =
            bound.ok_or_else(|| Fault::bad("this listener does not run; start the relay again"))?;
        Ok(SocketAddr::new(test.address, address.port()))
    }

    /// Whether more than one worker may be met.
    pub(super) fn is_shared(&self) -> bool {
        self.context.workers.len() > 1
    }
}

/// So much of a check's time is a call's own: its reason is to be heard before nobody listens any more.
pub(super) fn patience(timeout: Duration) -> Duration {
    timeout * 9 / 10
}

/// Whichever comes first.
pub(super) fn earlier(one: Time, other: Option<Time>) -> Time {
    other.map_or(one, |other| other.min(one))
}
