//! The announcer's hands: sockets of BGP and RTR, the checks, BFD, and the operator's commands, each on threads that
//! carry no packet of a call.
//!
//! | file | what it owns | thread |
//! |---|---|---|
//! | [`settings`] | what only the drivers must know | |
//! | [`handle`] | questions and wishes of operators, by a bounded mailbox | any |
//! | `driver`, `waiting`, `journal` | the announcer, its clock, its log | tern-announcer |
//! | `tcp`, `connection`, `listening`, `signatures` | connections to routers and caches | tern-announcer |
//! | `hooks` | the operator's commands at a change of state | tern-hooks |
//! | [`bfd`] | sessions of BFD, fed by the workers' hearts | tern-bfd |
//! | [`checks`] | what is looked at to know the relay's health | |
//!
//! What is announced is decided by [`crate::announce`], a pure state machine; here is nothing but its contact with the
//! world. Nothing waits for the control plane, and no worker waits for anything here. If the announcer's thread dies, the
//! kernel closes its connections, and the neighbours forget what they were told.

pub mod bfd;
pub mod checks;
mod connection;
mod driver;
pub mod handle;
mod hooks;
mod journal;
mod listening;
pub mod settings;
mod signatures;
mod tcp;
#[cfg(test)]
mod tests;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

pub use handle::{Handle, Inbox, Mail, Silence, View};
pub use settings::{BfdSettings, HookSettings, NeighborSockets, SecretKey, Settings};

use crate::announce::CheckId;
use crate::metrics::Heart;
use checks::CheckKind;
use driver::Driver;

/// For the announcer's thread to end; longer than it waits for those of its own.
const PATIENCE: Duration = Duration::from_secs(6);
/// Between two looks whether a thread has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Whoever runs the checks. What they find goes to the mailbox ([`Mail::Report`]).
pub trait RunChecks: Send {
    /// Runs one. A run of the same check that is under way is given up. Never waits.
    fn run(&mut self, check: CheckId, run: u32, timeout: Duration);

    /// Goes on with other checks. Never waits.
    fn replace(&mut self, kinds: Vec<CheckKind>);
}

/// Why nothing is announced.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// A socket for neighbours could not be had.
    #[error("cannot listen for BGP neighbours on {address}: {remedy}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What is wrong and what to do.
        remedy: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused a thread or a descriptor.
    #[error(
        "cannot start the announcer: {0}; see the limits of processes and open files (ulimit -u, ulimit -n)"
    )]
    Resources(#[from] io::Error),
}

impl StartFault {
    fn listen(address: SocketAddr, source: io::Error) -> Self {
        let port = address.port();
        #[expect(clippy::wildcard_enum_match_arm, reason = "the system has many words, and a remedy for few")]
        let remedy = match source.kind() {
            io::ErrorKind::PermissionDenied => format!(
                "port {port} needs a privilege: give the process CAP_NET_BIND_SERVICE, or leave `bgp.listen` out, so that \
                 only this relay connects"
            ),
            io::ErrorKind::AddrInUse => {
                format!("another program has port {port}: is there a router on this machine?")
            }
            io::ErrorKind::AddrNotAvailable => format!("{} is no address of this machine", address.ip()),
            _ => source.to_string(),
        };
        Self::Listen { address, remedy, source }
    }
}

/// The running announcer.
#[derive(Debug)]
pub struct Speaker {
    handle: Handle,
    listening: Vec<SocketAddr>,
    ended: oneshot::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    /// Starts the announcer's thread. `mailbox` is what [`Handle::new`] has made: whoever runs the checks has a handle
    /// already. The hearts are those of all workers, for BFD.
    ///
    /// # Errors
    /// What could not be had, and what to do about it. Nothing runs then.
    pub fn start(
        settings: Settings,
        mailbox: (Handle, Inbox),
        checks: Box<dyn RunChecks>,
        hearts: Vec<Heart>,
    ) -> Result<Self, StartFault> {
        let handle = mailbox.0.clone();
        let driver = Driver::new(settings, mailbox, checks, hearts)?;
        let listening = driver.listening();
        let (tell, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("tern-announcer".to_owned());
        // Whoever started it may be gone.
        let thread = thread.spawn(move || drop(tell.send(driver.run())))?;
        Ok(Self { handle, listening, ended, thread: Some(thread) })
    }

    /// The way to it.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where neighbours come in, with the ports as the system has chosen them.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Returns when the thread has ended: after [`Handle::shutdown`], when all has been said. To be awaited once.
    ///
    /// # Errors
    /// It has died of something else.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    }
}

/// The sessions end without lingering.
impl Drop for Speaker {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Once to withdraw, once more for not to linger.
        for _ in 0..2 {
            // One that has ended need not be told.
            let _ = self.handle.shutdown();
        }
        // One that panicked was told of by `ended`.
        join_within(thread, PATIENCE);
    }
}

/// Waits for the end of a thread. One that hangs is left to the end of the process.
fn join_within(thread: JoinHandle<()>, patience: Duration) {
    let looks = patience.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if thread.is_finished() {
            drop(thread.join());
            return;
        }
        thread::sleep(LOOK);
    }
    let name = thread.thread().name().unwrap_or_default();
    tracing::warn!(name, "a thread does not end and is left behind");
}
