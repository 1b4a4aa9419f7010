//! The announcer of `tern run`: what it needs of the relay, and its life beside it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;

use super::exit::{Exit, Failure};
use crate::config::{Config, Probe};
use crate::control::admin::AnnouncerOperations;
use crate::server::Server;
use crate::speaker::checks::{Checks, EchoPeers, NextPeers, SharedContext};
use crate::speaker::{Handle, Mail, Settings, Speaker, StartFault};

/// For all that is not waiting on purpose when the announcer ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// The peers that the self-test's calls go to, as a configuration wants them. Those that there are stay as they are until
/// [`PreparedPeers::take`]; whoever drops this instead has changed nothing.
pub(super) struct PreparedPeers {
    peers: Option<Arc<EchoPeers>>,
    next: Option<NextPeers>,
}

/// Opens what there is to open; nothing if there are no such calls among the checks, and no `others`. The server's settings
/// have to admit them: see [`PreparedPeers::probe`].
pub(super) fn prepare(
    config: &Config,
    peers: Option<&Arc<EchoPeers>>,
    others: bool,
) -> Result<PreparedPeers, Failure> {
    if !config.wants_self_test() && !others {
        return Ok(PreparedPeers { peers: peers.cloned(), next: None });
    }
    let addresses = config.relay_addresses();
    let open = || match peers {
        Some(peers) => {
            let next = Some(peers.prepare(&addresses)?);
            Ok(PreparedPeers { peers: Some(Arc::clone(peers)), next })
        }
        None => Ok(PreparedPeers { peers: Some(Arc::new(EchoPeers::open(&addresses)?)), next: None }),
    };
    let opened: io::Result<_> = open();
    Ok(opened.context("cannot open the peers of the self-test: are relay.addresses of this machine?")?)
}

impl PreparedPeers {
    /// What the server has to know of them.
    pub(super) fn probe(&self) -> Probe {
        let Some(peers) = &self.peers else { return Probe::default() };
        let addresses = self.next.as_ref().map_or_else(|| peers.addresses(), NextPeers::addresses);
        Probe { secret: Some(peers.secret()), peers: addresses }
    }

    /// These are the peers from now on.
    pub(super) fn take(self) -> Option<Arc<EchoPeers>> {
        if let (Some(peers), Some(next)) = (&self.peers, self.next) {
            peers.follow(next);
        }
        self.peers
    }
}

/// A running announcer.
pub(super) struct Announcing {
    speaker: Speaker,
    /// What its checks look at.
    context: SharedContext,
    linger: Duration,
}

impl Announcing {
    /// Starts it beside a server that runs.
    pub(super) fn start(
        settings: Settings,
        server: &Server,
        peers: Option<&Arc<EchoPeers>>,
        operations: &AnnouncerOperations,
    ) -> Result<Self, Failure> {
        let announced = settings.announce.clone();
        let start = || -> Result<Self, StartFault> {
            let context = check_context(server, peers)?;
            let mailbox = Handle::new()?;
            let handle = mailbox.0.clone();
            let report = Arc::new(move |check, run, report| {
                // A mailbox that is full has no room for good news: the check counts as failed then.
                let _ = handle.send(Mail::Report { check, run, report });
            });
            let context = Arc::new(ArcSwap::from_pointee(context));
            let checks = Checks::start(settings.checks.clone(), &context, report)?;
            let linger = settings.announce.linger;
            let speaker = Speaker::start(settings, mailbox, Box::new(checks), server.hearts())?;
            Ok(Self { speaker, context, linger })
        };
        let started = start().map_err(|fault| start_failure(&fault))?;
        operations.set(Some((started.handle().clone(), announced)));
        Ok(started)
    }

    pub(super) const fn handle(&self) -> &Handle {
        self.speaker.handle()
    }

    /// Goes on with other settings, beside a server that has been reloaded. Without any it says nothing any more.
    pub(super) fn reload(
        &mut self,
        settings: Option<Settings>,
        server: &Server,
        peers: Option<&Arc<EchoPeers>>,
        operations: &AnnouncerOperations,
    ) {
        operations.set(settings.as_ref().map(|settings| (self.handle().clone(), settings.announce.clone())));
        match check_context(server, peers) {
            Ok(context) => self.context.store(Arc::new(context)),
            Err(error) => tracing::error!(%error, "checks go on with what they looked at before"),
        }
        let settings = settings.unwrap_or_default();
        self.linger = settings.announce.linger;
        if let Err(silence) = self.handle().reload(settings) {
            tracing::error!(%silence, "the announcer goes on with the configuration it has");
        }
    }

    /// Runs all checks at once, and does not wait for them.
    pub(super) fn check_now(&self) {
        match self.handle().begin_check() {
            Ok(()) => tracing::info!("all checks run at once, as a signal wants it"),
            Err(silence) => tracing::error!(%silence, "the checks do not run at once"),
        }
    }

    /// Returns when it has ended without having been told to. To be awaited until then.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        self.speaker.ended().await
    }

    /// Withdraws everything, and returns when the neighbours know, and have had time to act on it. At `hurry`
    /// it does not wait any more.
    pub(super) async fn withdraw(mut self, mut hurry: impl AsyncFnMut()) {
        let wait = self.linger + PATIENCE;
        let handle = self.handle().clone();
        let shut_down = || {
            if let Err(silence) = handle.shutdown() {
                tracing::debug!(%silence, "the announcer is not told to end");
            }
        };
        shut_down();
        let late = tokio::time::sleep(wait);
        tokio::pin!(late);
        let mut is_hurried = false;
        loop {
            tokio::select! {
                ended = self.speaker.ended() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the announcer has died; the neighbours see its connections end");
                    }
                    return;
                }
                () = hurry(), if !is_hurried => {
                    is_hurried = true;
                    shut_down();
                }
                () = &mut late => {
                    tracing::warn!("the announcer does not end; the neighbours see its connections end");
                    // Its thread is left to the end of the process.
                    std::mem::forget(self);
                    return;
                }
            }
        }
    }
}

/// Without peers no calls are made: there are none among the checks.
fn check_context(
    server: &Server,
    peers: Option<&Arc<EchoPeers>>,
) -> io::Result<crate::speaker::checks::Context> {
    let peers = match peers {
        Some(peers) => Arc::clone(peers),
        None => Arc::new(EchoPeers::open(&[])?),
    };
    Ok(server.check_context(peers))
}

fn start_failure(fault: &StartFault) -> Failure {
    let exit = match fault {
        StartFault::Listen { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
            Exit::Configuration
        }
        StartFault::Listen { .. } | StartFault::Resources(_) => Exit::Failed,
    };
    Failure::new(exit, format!("tern: {fault}"))
}
