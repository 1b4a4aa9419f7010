//! The relay as a whole: binds the listeners, starts the workers, swaps their settings, stops them.
//!
//! Called by the command line and by tests, on any thread. Prints and logs nothing: what went wrong is in the errors
//! and reports.

mod bind;
mod calls;
mod crew;
mod journal;
mod ports;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::clock::Clock;
use crate::engine;
use crate::metrics::{
    self, Counters, EndedSession, Heart, Journal, LiveSession, Note, Pulse, SessionDetail, SessionId, Totals,
};
use crate::net::certs::{CertStore, Reload};
use crate::net::dtls::DtlsAcceptor;
use crate::net::tls::TlsAcceptor;
use crate::route::{ListenerId, Transport};
use crate::speaker::checks::{self, EchoPeers};
use crate::worker::{
    Certificate, Command, Directory, Inbox, Listener, ListenerSettings, Mailbox, Parts, WorkerSettings,
};

use bind::Bound;
pub(crate) use bind::refuse;
pub use bind::{LISTENER_BUFFER, ListenerBuffers};
pub use calls::Calls;
pub use crew::DeadWorker;
use crew::{Deaths, Running};
pub use ports::port_families;

/// More would not fit the byte that names a worker in tokens, with room to spare.
const WORKERS_MAX: u8 = 64;
/// Records that wait to be written.
const RECORDS: usize = 4096;
/// A worker that was told to stop has this long; then it is left to the end of the process.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// All that a relay is started from. `config` fills it; tests write it by hand.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Worker threads, 1 to 64.
    pub workers: u8,
    /// Listeners, streams, media.
    pub worker: WorkerSettings,
    /// What the engines are told; its listeners are those of `worker`, in the same order.
    pub engine: Arc<engine::Settings>,
}

/// Why the relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(String),
    /// A listener's socket could not be had.
    #[error("cannot listen on {address} ({transport}): {remedy}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What for: UDP or TCP.
        transport: &'static str,
        /// What is wrong and what to do.
        remedy: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A certificate or key could not be used.
    #[error("{0}")]
    Certificate(String),
    /// The system refused a thread, a descriptor, memory or randomness.
    #[error("cannot start a worker: {0}; see the limits of processes and open files (ulimit -u, ulimit -n)")]
    Resources(#[source] io::Error),
}

impl StartError {
    /// Whether the configuration has to change (exit code 78) rather than the machine (exit code 1).
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Certificate(_) => true,
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrNotAvailable,
            Self::Resources(_) => false,
        }
    }
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadReport {
    /// Settings that hold from now on.
    pub applied: Vec<String>,
    /// Settings that were left as they are until the relay is started again.
    pub needs_restart: Vec<String>,
}

/// One socket that clients can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// The listener it belongs to.
    pub listener: ListenerId,
    /// What is spoken there.
    pub transport: Transport,
    /// Where, with the port that the system has chosen if it was asked to.
    pub address: SocketAddr,
}

/// A running relay.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    addresses: Vec<BoundAddress>,
    buffers: Vec<ListenerBuffers>,
    certificates: Vec<Arc<CertStore>>,
    workers: Vec<Running>,
    deaths: Arc<Deaths>,
    records: Option<Receiver<Box<EndedSession>>>,
    shared: engine::Shared,
    directory: Arc<Directory>,
    journal: Journal,
    /// The engine's settings, as of the last reload.
    engine_settings: Arc<Mutex<Arc<engine::Settings>>>,
}

impl Server {
    /// Binds every listener, then starts the workers. When this returns clients are served.
    ///
    /// # Errors
    /// What could not be had, and what to do about it. Nothing runs then.
    pub fn start(settings: ServerSettings) -> Result<Self, StartError> {
        check(&settings)?;
        let certificates = load_certificates(&settings.worker.listeners)?;
        let bound =
            bind::bind_all(&settings.worker.listeners, settings.workers, settings.worker.quality.is_some())?;
        let addresses = addresses(&settings.worker.listeners, &bound);
        let (sender, records) = channel(RECORDS);
        let (journal, notes) = Journal::new();
        journal::keep_collecting(&journal).map_err(StartError::Resources)?;
        let mut server = Self {
            deaths: Deaths::new(),
            records: Some(records),
            certificates: certificates.values().map(Arc::clone).collect(),
            engine_settings: Arc::new(Mutex::new(Arc::clone(&settings.engine))),
            settings,
            addresses,
            buffers: bind::buffers(&bound),
            workers: Vec::new(),
            shared: engine::Shared::new(),
            directory: Arc::default(),
            journal,
        };
        match server.start_workers(bound, &certificates, &sender, &notes) {
            Ok(()) => Ok(server),
            Err(error) => {
                server.stop();
                Err(error)
            }
        }
    }

    fn start_workers(
        &mut self,
        bound: Vec<Bound>,
        certificates: &HashMap<Certificate, Arc<CertStore>>,
        records: &Sender<Box<EndedSession>>,
        notes: &SyncSender<Note>,
    ) -> Result<(), StartError> {
        let (mailboxes, inboxes): (Vec<Mailbox>, Vec<Inbox>) = (0..self.settings.workers)
            .map(|_| Mailbox::new())
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartError::Resources)?
            .into_iter()
            .unzip();
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        let cookie_key = random()?;
        let mut bound = bound;
        for (index, inbox) in (0u8..).zip(inboxes) {
            let listeners = self.take_listeners(&mut bound, certificates, cookie_key)?;
            let (counters, pulse) = (Arc::<Counters>::default(), Arc::<Pulse>::default());
            let parts = Parts {
                index,
                listeners,
                settings: Arc::new(self.settings.worker.clone()),
                engine_settings: Arc::clone(&self.settings.engine),
                shared: self.shared.clone(),
                seed: random()?,
                directory: Arc::clone(&self.directory),
                mailboxes: Arc::clone(&mailboxes),
                inbox,
                counters: Arc::clone(&counters),
                pulse: Arc::clone(&pulse),
                records: records.clone(),
                notes: notes.clone(),
            };
            let mailbox = mailboxes.get(usize::from(index)).cloned();
            let mailbox = mailbox.ok_or_else(|| StartError::Settings("no such worker".to_owned()))?;
            let heart = Heart::new(index, pulse, mailbox.waker().clone());
            self.workers.push(Running::start(parts, mailbox, counters, heart, Arc::clone(&self.deaths))?);
        }
        Ok(())
    }

    /// One worker's share of the sockets.
    fn take_listeners(
        &self,
        bound: &mut [Bound],
        certificates: &HashMap<Certificate, Arc<CertStore>>,
        cookie_key: [u8; 32],
    ) -> Result<Vec<Listener>, StartError> {
        let mut listeners = Vec::new();
        for ((id, settings), bound) in (0u16..).zip(&self.settings.worker.listeners).zip(bound) {
            let store = settings.certificate.as_ref().and_then(|certificate| certificates.get(certificate));
            let tls = store
                .filter(|_| settings.speaks(Transport::Tls))
                .map(|store| TlsAcceptor::new(Arc::clone(store)))
                .transpose()
                .map_err(|error| StartError::Certificate(error.to_string()))?;
            let handshake = self.settings.worker.dtls.handshake;
            let dtls = store
                .filter(|_| settings.speaks(Transport::Dtls))
                .map(|store| DtlsAcceptor::new(Arc::clone(store), cookie_key, handshake, Clock::new()))
                .transpose()
                .map_err(|error| StartError::Certificate(error.to_string()))?;
            let (udp, tcp) = (bound.udp.pop(), bound.tcp.pop());
            listeners.push(Listener::new(ListenerId(id), settings.clone(), udp, tcp, tls, dtls));
        }
        Ok(listeners)
    }

    /// Where clients reach the relay, one entry per listener and transport.
    #[must_use]
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// What the checks of this relay's health look at. `peers` are those that its settings admit. After a reload ask again.
    #[must_use]
    pub fn check_context(&self, peers: Arc<EchoPeers>) -> checks::Context {
        let directory = Arc::clone(&self.directory);
        let listeners = self.settings.worker.listeners.clone();
        let is_proxy = move |listener: ListenerId, source| {
            let settings = listeners.get(usize::from(listener.0));
            settings.is_some_and(|settings| settings.expects_proxy_header(source))
        };
        checks::Context {
            hearts: self.hearts(),
            workers: self.metrics(),
            certificates: self.certificates.clone(),
            addresses: self.addresses.iter().map(|at| (at.listener, at.transport, at.address)).collect(),
            settings: Arc::clone(&self.settings.engine),
            shared: self.shared.clone(),
            owner: Arc::new(move |at| directory.owner_of(at)),
            is_proxy: Arc::new(is_proxy),
            peers,
        }
    }

    /// Ports and quotas of all workers.
    #[must_use]
    pub fn shared(&self) -> engine::Shared {
        self.shared.clone()
    }

    /// The buffers of the UDP listeners.
    #[must_use]
    pub fn buffers(&self) -> &[ListenerBuffers] {
        &self.buffers
    }

    /// The settings that it runs with.
    #[must_use]
    pub const fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Whether every worker runs. One that does not is dead for good: withdraw the relay and start it again.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.workers.iter().all(Running::is_alive)
    }

    /// Whether any worker runs.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.workers.iter().any(Running::is_alive)
    }

    /// The workers that have died, in the order of their deaths, and of what. Their calls are lost; nobody takes their
    /// place.
    #[must_use]
    pub fn dead_workers(&self) -> Vec<DeadWorker> {
        self.deaths.list()
    }

    /// Returns when a worker has died since it returned last.
    pub async fn worker_died(&self) {
        self.deaths.next().await;
    }

    /// What all workers have counted so far.
    #[must_use]
    pub fn counters(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(&worker.counters);
        }
        totals
    }

    /// Every worker's counters, for [`metrics::Exposition`].
    #[must_use]
    pub fn metrics(&self) -> Vec<metrics::Source> {
        self.workers.iter().map(Running::source).collect()
    }

    /// Every worker's heart, in the order of their numbers: whether it still turns, for checks and for BFD.
    #[must_use]
    pub fn hearts(&self) -> Vec<Heart> {
        self.workers.iter().map(|worker| worker.heart.clone()).collect()
    }

    /// Has workers hang for a while, for tests of what notices it; false if there is no such worker or it does not listen.
    /// Not in a release.
    #[cfg(any(test, debug_assertions))]
    pub fn hang(&self) -> impl Fn(u8, Duration) -> bool + Clone + Send + Sync + 'static {
        let mailboxes: Arc<[Mailbox]> = self.workers.iter().map(|worker| worker.mailbox.clone()).collect();
        move |worker, duration| {
            let mailbox = mailboxes.get(usize::from(worker));
            mailbox.is_some_and(|mailbox| mailbox.command(Command::Hang(duration)))
        }
    }

    /// The sessions that run, of all workers. Waits for the workers' answers, some milliseconds as a rule; what a worker
    /// does not answer within a second is missing.
    #[must_use]
    pub fn sessions(&self) -> Vec<LiveSession> {
        self.workers.iter().flat_map(Running::sessions).collect()
    }

    /// One of them, with its history. Waits likewise.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionDetail> {
        self.workers.get(usize::from(id.worker))?.session(id.relay)
    }

    /// Where the records of sessions that have ended come out; none if somebody has it already. It holds some thousands;
    /// while it is full, more are dropped and counted.
    pub fn take_records(&mut self) -> Option<Receiver<Box<EndedSession>>> {
        self.records.take()
    }

    /// Goes on with other settings; calls are untouched. Sockets and threads stay as they are: if the new settings name
    /// other listeners, in whatever way that needs other sockets, or another number of workers, nothing is changed and the
    /// report says so.
    pub fn reload(&mut self, settings: ServerSettings) -> ReloadReport {
        let mut report = ReloadReport::default();
        // Engines that count otherwise would hand messages over to workers that are not there, or keep them from those
        // that are.
        if [settings.workers, settings.engine.workers].iter().any(|count| *count != self.settings.workers) {
            report.needs_restart.push("workers".to_owned());
        }
        if !same_sockets(&settings.worker.listeners, &self.settings.worker.listeners)
            || settings.engine.listeners.len() != settings.worker.listeners.len()
        {
            report.needs_restart.push("listeners".to_owned());
        }
        if !report.needs_restart.is_empty() {
            return report;
        }
        let worker = Arc::new(settings.worker.clone());
        for running in &self.workers {
            let command =
                Command::Reload { worker: Arc::clone(&worker), engine: Arc::clone(&settings.engine) };
            if !running.mailbox.command(command) {
                report.needs_restart.push("a worker does not answer".to_owned());
            }
        }
        if settings.worker != self.settings.worker {
            report.applied.push("streams, dtls and media".to_owned());
        }
        report.applied.push("credentials, limits, relay addresses and peers".to_owned());
        *self.engine_settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&settings.engine);
        self.settings = ServerSettings { workers: self.settings.workers, ..settings };
        report
    }

    /// Looks whether certificate files have changed, and takes what can be used. What is worth a line is returned.
    pub fn reload_certificates(&self) -> Vec<Reload> {
        let looked = self.certificates.iter().map(|store| store.reload_if_changed());
        looked.filter(|outcome| *outcome != Reload::Unchanged).collect()
    }

    /// The certificates in use, for a look at their dates.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<CertStore>] {
        &self.certificates
    }

    /// Ends every call and lets nobody in any more. [`Server::stop`] waits until everybody has heard.
    pub fn begin_stop(&self) {
        for worker in &self.workers {
            // A dead worker needs no telling.
            worker.mailbox.command(Command::Stop);
        }
    }

    /// Ends every call, writes what is queued, closes every socket. Returns when that is done; a second call does nothing.
    pub fn stop(&mut self) {
        self.begin_stop();
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        for worker in &mut self.workers {
            let Some(thread) = worker.thread.take() else { continue };
            while !thread.is_finished() && waited < STOP_PATIENCE {
                thread::sleep(step);
                waited += step;
            }
            if thread.is_finished() {
                // One that panicked has been noted.
                drop(thread.join());
            }
        }
        self.deaths.release();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check(settings: &ServerSettings) -> Result<(), StartError> {
    let fail = |text: String| Err(StartError::Settings(text));
    if settings.workers == 0 || settings.workers > WORKERS_MAX {
        return fail(format!("{} workers; expected 1 to {WORKERS_MAX}", settings.workers));
    }
    if settings.engine.workers != settings.workers {
        return fail("the engine is told another number of workers".to_owned());
    }
    if settings.worker.listeners.is_empty() {
        return fail("no listener: the relay could not be reached".to_owned());
    }
    if settings.engine.listeners.len() != settings.worker.listeners.len() {
        return fail("the engine is told of other listeners".to_owned());
    }
    for listener in &settings.worker.listeners {
        let address = listener.address;
        if listener.transports.is_empty() {
            return fail(format!("listener {address}: no transports"));
        }
        let encrypted = listener.speaks(Transport::Tls) || listener.speaks(Transport::Dtls);
        if encrypted && listener.certificate.is_none() {
            return fail(format!("listener {address}: TLS and DTLS need a certificate"));
        }
    }
    Ok(())
}

/// Each pair of files once, however many listeners use it.
fn load_certificates(
    listeners: &[ListenerSettings],
) -> Result<HashMap<Certificate, Arc<CertStore>>, StartError> {
    let mut stores = HashMap::new();
    for listener in listeners {
        let Some(certificate) = &listener.certificate else { continue };
        if !stores.contains_key(certificate) {
            let store = match certificate {
                Certificate::Files { chain, key } => CertStore::load(chain, key),
                Certificate::Memory { chain, key } => CertStore::from_pem(chain, key),
            };
            stores.insert(
                certificate.clone(),
                store.map_err(|error| StartError::Certificate(error.to_string()))?,
            );
        }
        if let Some(store) = stores.get(certificate).filter(|_| listener.speaks(Transport::Dtls)) {
            store.check_for_dtls().map_err(|error| StartError::Certificate(error.to_string()))?;
        }
    }
    Ok(stores)
}

fn addresses(listeners: &[ListenerSettings], bound: &[Bound]) -> Vec<BoundAddress> {
    let mut addresses = Vec::new();
    for ((id, settings), bound) in (0u16..).zip(listeners).zip(bound) {
        for transport in &settings.transports {
            let address = match transport {
                Transport::Udp | Transport::Dtls => bound.udp.first().map(|udp| udp.local_addr()),
                Transport::Tcp | Transport::Tls => bound.tcp.first().map(|tcp| tcp.local_addr()),
            };
            if let Some(address) = address {
                addresses.push(BoundAddress { listener: ListenerId(id), transport: *transport, address });
            }
        }
    }
    addresses
}

/// What may differ between the two is looked up anew for each connection.
fn same_sockets(new: &[ListenerSettings], old: &[ListenerSettings]) -> bool {
    new.len() == old.len()
        && new.iter().zip(old).all(|(new, old)| {
            new.address == old.address
                && new.transports == old.transports
                && new.certificate == old.certificate
        })
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StartError::Resources(io::Error::other(error.to_string())))?;
    Ok(bytes)
}
