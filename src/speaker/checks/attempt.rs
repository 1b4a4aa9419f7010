//! One run of a self-test: a call, or several from different ports until one meets the worker.

use std::net::SocketAddr;
use std::time::Duration;

use super::SelfTest;
use super::call::{Call, Progress};
use super::fault::Fault;
use super::selftest::{Ground, earlier, patience};
use crate::announce::health::{Report, Verdict};
use crate::client::{Broken, Carrier, Route};
use crate::net::poll::Interest;
use crate::time::{Now, Time};

/// Ports that are tried in one run for each worker there is: with so many, one in a million runs misses its worker.
const TRIES_PER_WORKER: usize = 14;
/// A part of a run's patience that one port gets as long as it is not known where it leads.
const SHARE: u32 = 3;
/// A part of a run's patience after which what was not answered is sent again over datagrams.
const RESENDS: u32 = 6;

/// How a run goes.
#[derive(Debug)]
pub(super) enum Outcome {
    /// On.
    Going,
    /// It has its result.
    Over(Report),
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Attempt {
    test: SelfTest,
    server: SocketAddr,
    token: u64,
    began: Time,
    /// Of the run.
    deadline: Time,
    patience: Duration,
    /// What the operator has given the check, of which the patience is a part.
    timeout: Duration,
    /// Of this port.
    until: Time,
    resend: Time,
    carrier: Option<Carrier>,
    interest: Interest,
    call: Call,
    /// The port was met before and leads to the worker.
    known: bool,
    /// It leads to another one, if anybody knows to which.
    astray: Option<Option<u8>>,
    tries: usize,
}

impl Attempt {
    /// Begins to call.
    pub(super) fn begin(
        ground: &mut Ground,
        now: Now,
        test: SelfTest,
        token: u64,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let server = ground.server(&test)?;
        let call = Call::new(ground.caller(now.unix), None, false);
        let patience = patience(timeout);
        let deadline = now.time + patience;
        let mut attempt = Self {
            test,
            server,
            token,
            began: now.time,
            deadline,
            patience,
            timeout,
            until: deadline,
            resend: deadline,
            carrier: None,
            interest: Interest::READ,
            call,
            known: false,
            astray: None,
            tries: 0,
        };
        attempt.dial(ground, now)?;
        Ok(attempt)
    }

    /// When [`Attempt::expire`] is due.
    pub(super) fn deadline(&self) -> Time {
        let carrier = self.carrier.as_ref().and_then(Carrier::deadline);
        earlier(self.deadline.min(self.until).min(self.resend), carrier)
    }

    /// Something has come, or can be sent.
    pub(super) fn ready(&mut self, ground: &mut Ground, now: Now) -> Outcome {
        let result = self.receive(ground, now);
        self.judge(ground, result)
    }

    /// The deadline has come.
    pub(super) fn expire(&mut self, ground: &mut Ground, now: Now) -> Outcome {
        let result = self.wait_on(ground, now);
        self.judge(ground, result)
    }

    /// It is over, however it went.
    pub(super) fn close(mut self, ground: &mut Ground, now: Time) {
        self.hang_up(ground, now);
    }

    fn hang_up(&mut self, ground: &mut Ground, now: Time) {
        let Some(mut carrier) = self.carrier.take() else { return };
        if self.call.has_allocation() {
            // If this is lost, the next call from this port ends what is left.
            self.call.release();
            drop(carrier.send(&mut ground.tools, now, self.call.waiting()));
        }
        carrier.close(&mut ground.tools, now);
    }

    /// From the port that leads to the worker, if it is known; else from any.
    fn dial(&mut self, ground: &mut Ground, now: Now) -> Result<(), Fault> {
        let before = self.carrier.as_ref().map_or(0, Carrier::port);
        self.hang_up(ground, now.time);
        if let Some(Some(worker)) = self.astray.take() {
            // Whoever looks for that one need not.
            ground.met.entry((self.server, self.test.transport, worker)).or_insert(before);
        }
        self.tries += 1;
        let key = self.key();
        let known = ground.met.get(&key).copied();
        let mut open = |port| {
            // From the relay's own address.
            let ip = self.server.ip();
            let local = SocketAddr::new(ip, port);
            let route = Route { transport: self.test.transport, local, server: self.server, name: ip.into() };
            Carrier::open(&ground.tools, route, now.time, self.patience)
        };
        let mut carrier = match known.map(&mut open) {
            Some(Ok(carrier)) => carrier,
            // Somebody else has the port now.
            Some(Err(_)) | None => open(0).map_err(|broken| self.broken(&broken))?,
        };
        if (ground.context.is_proxy)(self.test.listener, self.test.address) {
            carrier.introduce();
        }
        self.known = known == Some(carrier.port());
        if !self.known {
            ground.met.remove(&key);
        }
        let until =
            if self.known || !ground.is_shared() { self.deadline } else { now.time + self.patience / SHARE };
        self.until = until.min(self.deadline);
        let challenge = ground.challenges.get(&self.server).cloned();
        self.call = Call::new(ground.caller(now.unix), challenge, carrier.is_stream());
        self.interest = carrier.interest();
        ground
            .poller
            .add(&carrier, self.token, self.interest)
            .map_err(|error| Fault::bad(format!("the socket cannot be watched: {error}")))?;
        self.carrier = Some(carrier);
        self.send(ground, now.time)
    }

    fn receive(&mut self, ground: &mut Ground, now: Now) -> Result<Option<Report>, Fault> {
        let Some(carrier) = &mut self.carrier else { return Ok(None) };
        let mut frames = Vec::new();
        let received = carrier.receive(&mut ground.tools, now.time, &mut frames);
        for frame in frames {
            match self.call.receive(&frame)? {
                Progress::Waiting => {}
                Progress::Send => self.send(ground, now.time)?,
                Progress::Allocated(relayed) => self.allocated(ground, now, relayed)?,
                Progress::Over if self.astray.is_some() => {
                    self.search(ground, now)?;
                    return Ok(None);
                }
                Progress::Over => return Ok(Some(self.good(now.time))),
            }
        }
        received.map_err(|broken| self.broken(&broken))?;
        self.watch(ground);
        Ok(None)
    }

    fn allocated(&mut self, ground: &mut Ground, now: Now, relayed: SocketAddr) -> Result<(), Fault> {
        if let Some(challenge) = self.call.challenge() {
            ground.challenges.insert(self.server, challenge.clone());
        }
        let Some((bind, peer)) = ground.context.peers.beside(relayed.ip()) else {
            return Err(Fault::bad(format!("the relayed address {relayed} is none of relay.addresses")));
        };
        let owner = (ground.context.owner)(SocketAddr::new(bind, relayed.port()));
        let port = self.carrier.as_ref().map_or(0, Carrier::port);
        if owner == Some(self.test.worker) || owner.is_none() && !ground.is_shared() {
            self.known = true;
            self.until = self.deadline;
            ground.met.insert(self.key(), port);
            self.call.bind(peer);
        } else {
            self.astray = Some(owner);
            if ground.met.get(&self.key()) == Some(&port) {
                ground.met.remove(&self.key());
            }
            self.call.release();
        }
        self.send(ground, now.time)
    }

    /// Another port.
    fn search(&mut self, ground: &mut Ground, now: Now) -> Result<(), Fault> {
        let most = TRIES_PER_WORKER * ground.context.workers.len();
        if self.tries >= most || now.time >= self.deadline {
            return Err(Fault::bad(format!("none of {} source ports led to this worker", self.tries)));
        }
        self.dial(ground, now)
    }

    fn wait_on(&mut self, ground: &mut Ground, now: Now) -> Result<Option<Report>, Fault> {
        if now.time >= self.deadline {
            let (waited, all) = (self.patience, self.timeout);
            let missing = format!("{} within {waited:?} of the check's {all:?}", self.call.missing());
            if self.known || !ground.is_shared() {
                return Err(Fault::bad(missing));
            }
            return Err(Fault::bad(format!(
                "{missing}; none of {} source ports led to this worker so far",
                self.tries
            )));
        }
        if now.time >= self.until {
            self.search(ground, now)?;
            return Ok(None);
        }
        if let Some(carrier) =
            self.carrier.as_mut().filter(|one| one.deadline().is_some_and(|at| at <= now.time))
        {
            let expired = carrier.expire(&mut ground.tools, now.time);
            expired.map_err(|broken| self.broken(&broken))?;
        }
        if now.time >= self.resend {
            self.send(ground, now.time)?;
        }
        Ok(None)
    }

    fn send(&mut self, ground: &mut Ground, now: Time) -> Result<(), Fault> {
        let Some(carrier) = &mut self.carrier else { return Ok(()) };
        let sent = carrier.send(&mut ground.tools, now, self.call.waiting());
        let is_stream = carrier.is_stream();
        sent.map_err(|broken| self.broken(&broken))?;
        // Streams send again by themselves.
        self.resend = if is_stream { self.deadline } else { now + self.patience / RESENDS };
        self.watch(ground);
        Ok(())
    }

    fn watch(&mut self, ground: &Ground) {
        let Some(carrier) = &self.carrier else { return };
        let interest = carrier.interest();
        if interest != self.interest && ground.poller.modify(carrier, self.token, interest).is_ok() {
            self.interest = interest;
        }
    }

    fn judge(&self, ground: &mut Ground, result: Result<Option<Report>, Fault>) -> Outcome {
        match result {
            Ok(None) => Outcome::Going,
            Ok(Some(report)) => Outcome::Over(report),
            Err(fault) => {
                // A relay that asks for something else by now says so with the next call.
                ground.challenges.remove(&self.server);
                Outcome::Over(fault.report())
            }
        }
    }

    fn good(&self, now: Time) -> Report {
        let took = now.since(self.began).as_secs_f64() * 1_000.0;
        Report::new(Verdict::Good, format!("a call took {took:.1} ms"))
    }

    fn broken(&self, broken: &Broken) -> Fault {
        Fault::of_carrier(self.server.ip(), broken)
    }

    const fn key(&self) -> (SocketAddr, crate::route::Transport, u8) {
        (self.server, self.test.transport, self.test.worker)
    }
}
