//! `tern run`: the relay itself, until a signal ends it.
//!
//! The main thread has the control runtime: signals, the look at certificates, metrics, the development page. The
//! workers have threads of their own and hear of it only when settings change.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::sync::mpsc;

use super::announcing::{self, Announcing};
use super::descriptors;
use super::development::DevelopmentRelay;
use super::exit::{Exit, Failure};
use super::logging::{self, LogControl};
use super::machine;
use super::observed::{bind_metrics, record, record_sink, serve_metrics};
use super::operators::{self, Operators};
use super::pages::{announce, page_addresses, serve_pages};
use super::reload::Reloads;
use super::signals::Signals;
use super::supervisor::Supervisor;
use super::warnings::{log_problems, warn_of_foreign_addresses, warn_of_small_buffers};
use super::watching::Watching;
use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Process, Secrets, Sources};
use crate::control::Recorder;
use crate::control::admin::{Order, Orders};
use crate::engine::auth::FleetKey;
use crate::net::certs::Reload;
use crate::server::{Server, StartError};
use crate::speaker::Settings;
use crate::speaker::checks::EchoPeers;

/// How often certificates and the load are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Run the relay.
///
/// SIGHUP reads the configuration again: what can change without hurting a call takes effect at once, the rest
/// is named. SIGUSR1 runs all health checks at once. SIGTERM and SIGINT end it: what is announced is withdrawn first, and
/// calls are served while the network learns of it; the second signal does not wait.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", required_unless_present = "dev")]
    config: Option<PathBuf>,
    /// A relay for development: free ports, a random secret, a test page, private and loopback peers allowed.
    ///
    /// With --config, the file is laid over the development defaults.
    #[arg(long)]
    dev: bool,
    /// Set one key, as in the file: --set limits.max_allocations=1000
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// With --dev: print one line of JSON with iceServers and the test page instead of text.
    #[arg(long, requires = "dev")]
    json: bool,
    /// With --dev: use the certificate that `tern certs dev DIR` has made.
    #[arg(long, value_name = "DIR", requires = "dev")]
    certs: Option<PathBuf>,
}

impl RunArgs {
    /// What `tern` alone means.
    pub(super) const fn development() -> Self {
        Self { config: None, dev: true, set: Vec::new(), json: false, certs: None }
    }
}

/// What a running relay is made of, besides its workers.
pub(super) struct Relay {
    pub(super) sources: Sources,
    pub(super) config: Config,
    pub(super) process: Process,
    pub(super) log: LogControl,
    /// How many there may be.
    pub(super) descriptors: u64,
    /// What proves clients and operators, as the files had it.
    pub(super) secrets: Secrets,
    /// What operators want of it.
    orders: mpsc::Receiver<Order>,
    pub(super) reloads: Reloads,
    /// Those who ask and tell it.
    pub(super) operators: Operators,
    /// Looks at all of it.
    pub(super) watching: Watching,
    /// Who has started it.
    pub(super) supervisor: Supervisor,
    /// Tells the neighbours how the relay is; before the server, since they must hear of its end before.
    announcing: Option<Announcing>,
    /// Whom the self-test calls.
    pub(super) peers: Option<Arc<EchoPeers>>,
    pub(super) server: Server,
    /// Writes what is left of calls.
    recorder: Option<Recorder>,
    /// With it went what the operator has said: a reload must not announce what was withdrawn.
    has_lost_announcer: bool,
    /// Dead workers that have been told of.
    dead: usize,
    /// Allocations refused for overload that have been told of.
    shed: u64,
}

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut sources = Sources::new(args.config.clone(), args.set.clone());
    let development = if args.dev {
        let development = DevelopmentRelay::prepare(Clock::new().now().unix, args.certs.as_ref())?;
        sources.development = Some(Arc::clone(&development.configuration));
        Some(Arc::new(development))
    } else {
        None
    };
    let Loaded { config, secrets, warnings } = config::load(&sources)?;
    let log = logging::start(&config.log);
    log_problems(&warnings);
    let pages = match &development {
        Some(development) => development.bind_pages()?,
        None => Vec::new(),
    };
    let metrics = bind_metrics(&config)?;
    let records = record_sink(&config)?;
    let admin = operators::bind(&config)?;
    let supervisor = Supervisor::from_environment();
    let peers = announcing::prepare(&config, None, supervisor.wants_calls(&config))?;
    let process = Process { probe: peers.probe(), ..new_process(&pages)? };
    let announced = config.speaker_settings(&secrets.passwords);
    let tokens = secrets.tokens.clone();
    let settings =
        config.settings(secrets.clone(), &process).map_err(|fault| configuration_failure(&fault))?;
    warn_of_foreign_addresses(&config);
    let descriptors = descriptors::raise();
    // Nobody needs all ports of a development relay.
    if !args.dev {
        descriptors::warn_if_short(descriptors, descriptors::needed(&settings));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    runtime.block_on(async {
        // Before the workers start: a signal that comes meanwhile is kept.
        let signals = Signals::listen()?;
        let mut server = Server::start(settings).map_err(|error| start_failure(&error))?;
        tracing::info!(listeners = config.listener.len(), "the relay serves");
        warn_of_small_buffers(&server);
        let recorder = record(&mut server, records)?;
        if let Some(development) = &development {
            announce(development, &config, &pages, args.json)?;
            serve_pages(development, &config, pages)?;
        }
        let operations = operators::operations(&server);
        if announced.is_some() {
            operations.expect();
        }
        let watching = Watching::start(&config, &server, &operations, &admin);
        serve_metrics(&server, watching.watch(), metrics)?;
        let (orders, inbox) = Orders::new();
        let asked = (operations, watching.watch(), orders);
        let operators = operators::serve(admin, &config, tokens, &process.addresses, &server, asked)?;
        let peers = peers.take();
        let announcing = announced
            .map(|settings| Announcing::start(settings, &server, peers.as_ref(), &operators.operations))
            .transpose()?;
        let announcer = announcing.as_ref().map(|_| Arc::clone(&operators.operations));
        supervisor.attend(&config, &server, peers.as_ref(), watching.watch(), announcer)?;
        let relay = Relay {
            sources,
            config,
            process,
            log,
            descriptors,
            secrets,
            orders: inbox,
            reloads: Reloads::default(),
            operators,
            watching,
            supervisor,
            announcing,
            peers,
            server,
            recorder,
            has_lost_announcer: false,
            dead: 0,
            shed: 0,
        };
        relay.live(signals).await
    })
}

impl Relay {
    /// Until a signal ends it, or there is nobody left to serve.
    async fn live(mut self, mut signals: Signals) -> Result<(), Failure> {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            tokio::select! {
                _ = signals.hang_up.recv() => self.reload_as_signalled(),
                Some(order) = self.orders.recv() => self.follow(order),
                () = self.reloads.expired() => {
                    // What went wrong has been told.
                    let _ = self.undo("nobody has confirmed it in time");
                }
                _ = signals.check.recv() => self.check_now(),
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = look.tick() => {
                    self.look_at_certificates();
                    self.look_at_load();
                }
                () = self.server.worker_died() => self.tell_deaths()?,
                error = announcer_died(self.announcing.as_mut()) => {
                    tracing::error!(%error, "the announcer has died and nothing is announced; start the relay again");
                    self.announcing = None;
                    self.has_lost_announcer = true;
                }
            }
        }
        tracing::info!("the relay stops");
        self.supervisor.stopping();
        if let Some(announcing) = self.announcing.take() {
            // Calls go on meanwhile.
            announcing.withdraw(async || signals.hurry().await).await;
        }
        self.server.stop();
        if let Some(recorder) = self.recorder {
            recorder.finish();
        }
        Ok(())
    }

    /// Workers have no heirs: the relay goes on with those it has. Without any it ends, for somebody to start it anew.
    fn tell_deaths(&mut self) -> Result<(), Failure> {
        let dead = self.server.dead_workers();
        for dead in dead.iter().skip(self.dead) {
            tracing::error!(
                worker = dead.worker,
                reason = dead.reason,
                "a worker has died and its calls are lost; withdraw the relay and start it again"
            );
        }
        self.dead = dead.len();
        if self.server.is_serving() {
            return Ok(());
        }
        tracing::error!("no worker is left; the relay ends");
        Err(Failure::silent(Exit::Failed))
    }

    pub(super) fn look_at_certificates(&self) {
        self.operators.look_at_authorities();
        let own = self.operators.certificate().map(|store| store.reload_if_changed());
        for outcome in self.server.reload_certificates().into_iter().chain(own) {
            match outcome {
                Reload::Unchanged => {}
                Reload::Reloaded => tracing::info!("a certificate has changed and is used from now on"),
                Reload::Kept(error) => {
                    tracing::error!(%error, "a certificate has changed and cannot be used; the old one stays");
                }
            }
        }
    }

    /// At most one line per look.
    fn look_at_load(&mut self) {
        let lost = self.log.take_lost();
        if lost > 0 {
            tracing::warn!(lost, "lines of the log were lost: whoever collects it reads too slowly");
        }
        let counters = self.server.counters();
        let shed = counters.value("shed", "");
        let fresh = shed.wrapping_sub(std::mem::replace(&mut self.shed, shed));
        if fresh > 0 {
            tracing::warn!(
                refused = fresh,
                workers = counters.value("overloaded", ""),
                "overloaded: new allocations were refused so that calls stay well; this machine needs more cores or a second relay"
            );
        }
    }

    fn check_now(&self) {
        match &self.announcing {
            Some(announcing) => announcing.check_now(),
            None => tracing::info!("a signal wants checks at once, and there are none: nothing is announced"),
        }
    }

    /// Whoever rotates the file has moved it away.
    pub(super) fn reopen_records(&self) {
        let Some(recorder) = &self.recorder else { return };
        match record_sink(&self.config) {
            Ok(sink) => recorder.redirect(sink),
            Err(failure) => tracing::error!(reason = failure.text, "records go on where they went"),
        }
    }

    /// What the neighbours hear from now on.
    pub(super) fn reload_announcing(&mut self, announced: Option<Settings>) {
        match (&mut self.announcing, announced) {
            (Some(announcing), announced) => {
                announcing.reload(announced, &self.server, self.peers.as_ref(), &self.operators.operations);
            }
            (None, Some(_)) if self.has_lost_announcer => {
                tracing::error!("the announcer has died and nothing is announced; start the relay again");
            }
            (None, Some(settings)) => {
                match Announcing::start(
                    settings,
                    &self.server,
                    self.peers.as_ref(),
                    &self.operators.operations,
                ) {
                    Ok(announcing) => {
                        if self.operators.is_draining() {
                            let handle = announcing.handle().clone();
                            // It waits for the announcer's answer.
                            drop(tokio::task::spawn_blocking(move || handle.drain(true)));
                        }
                        self.announcing = Some(announcing);
                    }
                    Err(failure) => tracing::error!(reason = failure.text, "nothing is announced"),
                }
            }
            (None, None) => {}
        }
    }
}

/// Returns when it has, with the reason.
async fn announcer_died(announcing: Option<&mut Announcing>) -> io::Error {
    match announcing {
        Some(announcing) => match announcing.ended().await {
            Err(error) => error,
            Ok(()) => io::Error::other("it ended without having been told to"),
        },
        None => std::future::pending().await,
    }
}

fn new_process(pages: &[TcpListener]) -> Result<Process, Failure> {
    let mut random = [0u8; 40];
    getrandom::fill(&mut random).context("the system has no random numbers")?;
    let (seed, key) = random.split_at(8);
    Ok(Process {
        nonce_key: FleetKey::derive(key),
        seed: seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte)),
        addresses: machine::all_addresses(),
        protected: page_addresses(pages),
        probe: config::Probe::default(),
    })
}

fn configuration_failure(fault: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Configuration, format!("tern: {fault}"))
}

pub(super) fn start_failure(error: &StartError) -> Failure {
    let exit = if error.is_configuration() { Exit::Configuration } else { Exit::Failed };
    Failure::new(exit, format!("tern: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;
    use crate::server::tests::settings;

    /// A running relay of so many workers, and signals that nobody sends.
    pub(in crate::cli) fn relay(workers: u8) -> (Relay, Signals) {
        let process = new_process(&[]).unwrap();
        let (sources, config) = (Sources::default(), Config::default());
        let server = Server::start(settings(workers)).unwrap();
        let log = LogControl::detached();
        let nobodys = || signal(SignalKind::user_defined2()).unwrap();
        let signals =
            Signals { hang_up: nobodys(), terminate: nobodys(), interrupt: nobodys(), check: nobodys() };
        let (announcing, peers, recorder) = (None, None, None);
        let opened = operators::Opened::default();
        let (orders, inbox) = Orders::new();
        let operations = operators::operations(&server);
        let watching = Watching::start(&config, &server, &operations, &opened);
        let asked = (operations, watching.watch(), orders);
        let operators = operators::serve(opened, &config, Vec::new(), &[], &server, asked).unwrap();
        let relay = Relay {
            sources,
            config,
            process,
            log,
            descriptors: 0,
            secrets: Secrets::default(),
            orders: inbox,
            reloads: Reloads::default(),
            operators,
            watching,
            supervisor: Supervisor::default(),
            announcing,
            peers,
            server,
            recorder,
            has_lost_announcer: false,
            dead: 0,
            shed: 0,
        };
        (relay, signals)
    }

    #[tokio::test]
    async fn the_relay_ends_with_its_last_worker_and_fails() {
        let (relay, signals) = relay(2);
        relay.server.kill(0);
        relay.server.kill(1);
        assert_eq!(relay.live(signals).await.unwrap_err().exit, Exit::Failed);
    }

    #[tokio::test]
    async fn the_relay_outlives_one_of_two_workers() {
        let (mut relay, _signals) = relay(2);
        relay.server.kill(1);
        relay.server.worker_died().await;
        assert!(relay.tell_deaths().is_ok());
        assert_eq!(relay.dead, 1);
        relay.server.kill(0);
        assert!(relay.tell_deaths().is_err());
    }
}
