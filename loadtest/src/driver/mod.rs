//! The threads that own all sockets, and what modes do with them.
//!
//! A [`Fleet`] talks to its generator threads through two bounded queues: commands, woken by an eventfd, and replies.
//! Nothing is shared between the threads but the counters of [`Progress`].

mod handle;
mod link;
mod meter;
pub(crate) mod netns;
mod peer;
mod poller;
mod reflector;
mod schedule;
mod slot;
mod tally;
mod thread;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use handle::{Command, Reply, Thread};
use link::Security;
use meter::Meter;
use reflector::Reflector;
use tally::Tally;
pub use tally::Times;
use thread::Share;

use crate::client::Wish;
use crate::clock::{self, Nanos};
use crate::failure::{Exit, Failure};
use crate::outcome::{Count, Generator, ServerCpu, Setup, Tick, Window};
use crate::plan::{Carriage, Load, Pairing, Plan, Sides, Target, Transport};
use crate::profile::Profile;
use crate::progress::Progress;

/// Sockets of this process that are not sessions'.
const OTHER_DESCRIPTORS: u64 = 64;

/// Moments of a window that plots show.
const TICKS: u32 = 60;

/// The shortest of them.
const SHORTEST_TICK: Duration = Duration::from_millis(250);

/// Time for all threads to hear of a window before it begins.
const NOTICE: Duration = Duration::from_millis(20);

/// Sessions on one server, each with an allocation that is kept alive until they are closed. Media flows only while
/// it is measured. There may be several fleets at a time, of several servers.
#[derive(Debug)]
pub struct Fleet {
    threads: Vec<Thread>,
    progress: Arc<Progress>,
    pid: Option<u32>,
    sessions: usize,
    /// Instead of a server; they end after the threads.
    reflectors: Vec<Reflector>,
}

/// What a window is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// What each flow sends.
    pub profile: Profile,
    /// How long media flows before it is counted.
    pub warm_up: Duration,
    /// How long it is counted.
    pub duration: Duration,
}

/// What came of a storm.
#[derive(Clone, Debug)]
pub struct Cycles {
    /// How long it was counted.
    pub seconds: f64,
    /// How long each cycle took.
    pub times: Times,
    /// Requests sent, retransmissions included.
    pub requests: u64,
    /// Of them, those sent again.
    pub retransmissions: u64,
    /// Cycles that failed.
    pub failures: Vec<Count>,
    /// What the server spent, per cycle.
    pub cpu: Option<ServerCpu>,
    /// What this program spent.
    pub generator: Generator,
    /// How it went over time.
    pub ticks: Vec<Tick>,
    /// Why the first that failed has failed.
    pub first_fault: Option<Failure>,
}

/// What a window is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Media,
    Storm,
}

/// A window, as threads are told.
#[derive(Clone, Copy, Debug)]
struct Job {
    work: Work,
    profile: Profile,
    begin: Nanos,
    count_from: Nanos,
    until: Nanos,
    tick: u64,
}

/// How a thread's sessions were opened.
#[derive(Clone, Debug)]
struct Opened {
    sessions: usize,
    nanos: u64,
    latency: Times,
    requests: u64,
    retransmissions: u64,
    software: Option<String>,
    first_fault: Option<Failure>,
}

impl Opened {
    fn new() -> Self {
        Self {
            sessions: 0,
            nanos: 0,
            latency: Times::new(3),
            requests: 0,
            retransmissions: 0,
            software: None,
            first_fault: None,
        }
    }
}

impl Measurement {
    /// The window that the command line asks for.
    #[must_use]
    pub const fn of(load: &Load) -> Self {
        Self { profile: load.profile, warm_up: load.warm_up, duration: load.duration }
    }
}

impl Fleet {
    /// Opens the plan's sessions on a server, and returns when all can carry media.
    ///
    /// # Errors
    /// One sentence about the first session that the server did not serve.
    pub fn open(plan: &Plan, target: &Target, progress: &Arc<Progress>) -> Result<(Self, Setup), Failure> {
        let sessions = plan.load.sessions;
        progress.begin(format!("opening {sessions} sessions on {}", target.name), plan.load.ramp);
        progress.sessions_wanted.store(sessions as u64, Ordering::Relaxed);
        let fleet = Self::start(plan, target, progress, sessions, Work::Media, Vec::new())?;
        let setup = fleet.await_opened(plan.load.ramp)?;
        Ok((fleet, setup))
    }

    /// Starts the threads of a storm: `in_flight` sessions that are opened only to be closed again.
    ///
    /// # Errors
    /// When this machine gives no threads or sockets.
    pub fn prepare_storm(plan: &Plan, target: &Target, progress: &Arc<Progress>) -> Result<Self, Failure> {
        let mut plan = plan.clone();
        plan.load.pairing = Pairing::Peer;
        plan.load.threads = plan.load.threads.min(plan.load.in_flight);
        Self::start(&plan, target, progress, plan.load.in_flight, Work::Storm, Vec::new())
    }

    /// Sessions without a server: a bare reflector for each thread returns what clients and peers send. All is in the
    /// clients' network namespace.
    ///
    /// # Errors
    /// When this machine gives no threads or sockets.
    pub fn mirrored(plan: &Plan, target: &Target, progress: &Arc<Progress>) -> Result<Self, Failure> {
        let mut plan = plan.clone();
        let here = plan.sides.client_netns.clone();
        plan.sides = Sides { client_netns: here.clone(), peer_netns: here.clone(), ..Sides::default() };
        let local: IpAddr =
            if target.address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let start = || {
            let one = || Reflector::start(SocketAddr::new(local, 0));
            let all: std::io::Result<Vec<_>> = std::iter::repeat_with(one).take(plan.load.threads).collect();
            all.map_err(|error| Failure::machine("the reflector", &error))
        };
        let reflectors = netns::within(here.as_deref(), start)?;
        let target = Target { pid: None, ..target.clone() };
        let sessions = plan.load.sessions;
        let fleet = Self::start(&plan, &target, progress, sessions, Work::Media, reflectors)?;
        fleet.await_opened(Duration::ZERO)?;
        Ok(fleet)
    }

    fn start(
        plan: &Plan,
        target: &Target,
        progress: &Arc<Progress>,
        sessions: usize,
        work: Work,
        reflectors: Vec<Reflector>,
    ) -> Result<Self, Failure> {
        check_descriptors(sessions as u64)?;
        let wish = Arc::new(Wish {
            credentials: target.credentials.clone(),
            channel: plan.load.carriage == Carriage::Channel,
            relay_v6: plan.sides.relay_v6,
            reliable: target.transport.is_stream(),
        });
        let is_secure = matches!(target.transport, Transport::Tls | Transport::Dtls);
        let security = is_secure.then(|| Security::new(&plan.trust)).transpose()?;
        let shares = shares(sessions, plan.load.threads);
        let threads = shares.len();
        let mut fleet = Self {
            threads: Vec::new(),
            progress: Arc::clone(progress),
            pid: target.pid,
            sessions,
            reflectors,
        };
        for (number, sessions) in shares.into_iter().enumerate() {
            let mirror = fleet.reflectors.get(number).map(|reflector| reflector.address);
            let share = Share {
                target: Target { address: mirror.unwrap_or(target.address), ..target.clone() },
                mirrored: mirror.is_some(),
                load: plan.load.clone(),
                sides: plan.sides.clone(),
                wish: Arc::clone(&wish),
                security: security.clone(),
                sessions,
                work,
                number,
                threads,
                progress: Arc::clone(progress),
                seed: seed()?,
            };
            fleet.threads.push(Thread::start(share)?);
        }
        Ok(fleet)
    }

    /// How many sessions it has.
    #[must_use]
    pub const fn sessions(&self) -> usize {
        self.sessions
    }

    fn await_opened(&self, ramp: Duration) -> Result<Setup, Failure> {
        let mut all = Opened::new();
        for thread in &self.threads {
            let Reply::Opened(opened) = thread.reply(ramp, &self.progress)? else { return Err(confused()) };
            all.sessions += opened.sessions;
            all.nanos = all.nanos.max(opened.nanos);
            all.latency.add(&opened.latency);
            all.retransmissions += opened.retransmissions;
            all.software = all.software.or(opened.software);
        }
        Ok(Setup {
            sessions: all.sessions,
            seconds: all.nanos as f64 / 1e9,
            latency: all.latency.latency(),
            retransmissions: all.retransmissions,
            software: all.software,
        })
    }

    /// Lets media flow and counts it: warm-up, window, and the time it takes for the last packets to arrive. Ends
    /// early, with what there is, when the progress is cancelled.
    ///
    /// # Errors
    /// When the server or this machine gives up on the sessions.
    pub fn measure(&mut self, measurement: Measurement) -> Result<Window, Failure> {
        let done = self.work(Work::Media, measurement)?;
        let received = done.tally.up.received + done.tally.down.received;
        let mut window = done.tally.window(done.seconds, done.tick);
        window.cpu = done.meter.cpu(received);
        done.meter.annotate(&mut window.ticks);
        Ok(window)
    }

    /// Opens and closes sessions, as many as the plan has in flight, for as long as the measurement says.
    ///
    /// # Errors
    /// When this machine gives up.
    pub fn storm(&mut self, measurement: Measurement) -> Result<Cycles, Failure> {
        let done = self.work(Work::Storm, measurement)?;
        let cpu = done.meter.cpu(done.cycles.count());
        let mut window = done.tally.window(done.seconds, done.tick);
        done.meter.annotate(&mut window.ticks);
        Ok(Cycles {
            seconds: done.seconds,
            times: done.cycles,
            requests: done.requests.0,
            retransmissions: done.requests.1,
            failures: window.failures,
            cpu,
            generator: window.generator,
            ticks: window.ticks,
            first_fault: done.first_fault,
        })
    }

    fn work(&mut self, work: Work, measurement: Measurement) -> Result<Done, Failure> {
        let begin = clock::now().after(NOTICE);
        let count_from = begin.after(measurement.warm_up);
        let tick = (measurement.duration / TICKS).max(SHORTEST_TICK);
        let job = Job {
            work,
            profile: measurement.profile,
            begin,
            count_from,
            until: count_from.after(measurement.duration),
            tick: u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX),
        };
        for thread in &self.threads {
            thread.tell(Command::Start(job))?;
        }
        let meter = Meter::watch(self.pid, &job, &self.progress);
        let mut done = Done {
            tally: Tally::new(),
            cycles: Times::new(3),
            requests: (0, 0),
            first_fault: None,
            seconds: meter.seconds(),
            tick: tick.as_secs_f64(),
            meter,
        };
        for thread in &self.threads {
            let Reply::Done { tally, cycles, requests, first_fault } =
                thread.reply(Duration::ZERO, &self.progress)?
            else {
                return Err(confused());
            };
            done.tally.add(&tally);
            done.cycles.add(&cycles);
            done.requests.0 += requests.0;
            done.requests.1 += requests.1;
            done.first_fault = done.first_fault.or(first_fault);
        }
        Ok(done)
    }

    /// Deletes the allocations and closes all sockets.
    ///
    /// # Errors
    /// When a thread has died.
    pub fn close(mut self) -> Result<(), Failure> {
        self.progress.begin("closing the sessions", Duration::ZERO);
        for thread in &self.threads {
            thread.tell(Command::Close)?;
        }
        for thread in &mut self.threads {
            let Reply::Closed = thread.reply(Duration::ZERO, &self.progress)? else { return Err(confused()) };
            thread.join();
        }
        Ok(())
    }
}

/// The threads of a run that fails have allocations, too, which they give back before it is told.
impl Drop for Fleet {
    fn drop(&mut self) {
        for thread in &self.threads {
            thread.dismiss();
        }
        for thread in &mut self.threads {
            thread.await_end();
        }
    }
}

/// What all threads have counted.
struct Done {
    tally: Tally,
    cycles: Times,
    requests: (u64, u64),
    first_fault: Option<Failure>,
    seconds: f64,
    tick: f64,
    meter: Meter,
}

/// Sessions per thread: even numbers, so that pairs stay together, as far as that goes.
fn shares(sessions: usize, threads: usize) -> Vec<usize> {
    let pairs = sessions / 2;
    let mut shares: Vec<usize> =
        (0..threads).map(|number| 2 * (pairs / threads + usize::from(number < pairs % threads))).collect();
    if let Some(last) = shares.last_mut() {
        *last += sessions % 2;
    }
    shares.retain(|share| *share > 0);
    shares
}

fn seed() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::machine("random numbers", &error))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Raises the limit of open files as far as may be, and says when that is not far enough.
fn check_descriptors(sessions: u64) -> Result<(), Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current }.unwrap_or(u64::MAX);
    if sessions + OTHER_DESCRIPTORS <= limit {
        return Ok(());
    }
    Err(Failure::machine(
        &format!("{sessions} sessions need as many sockets, and this process may have {limit} open files"),
        &"raise the limit with ulimit -n, or lower --sessions",
    ))
}

fn confused() -> Failure {
    Failure::new(Exit::Failed, "a generator thread has ended without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stay_on_one_thread() {
        assert_eq!(shares(10, 3), [4, 4, 2]);
        assert_eq!(shares(11, 2), [6, 5]);
        assert_eq!(shares(1, 1), [1]);
        assert_eq!(shares(3, 3), [2, 1]);
        assert_eq!(shares(1000, 2), [500, 500]);
    }
}
