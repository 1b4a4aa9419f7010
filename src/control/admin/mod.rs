//! What operators ask of a running relay, and tell it: JSON over HTTP, on a local socket and, where the configuration
//! says so, by TCP.
//!
//! The socket ([`socket`]) can be opened by the relay's own user, by root, and by two groups; by TCP somebody shows a token
//! or a certificate ([`remote`], [`gate`]). A viewer reads, an operator also changes; every change is in the audit log
//! ([`changes`]). Runs on the control runtime; what it asks for is answered by [`Operations`], which may wait for another
//! thread and so never runs on the runtime's own.

mod access;
mod announcer;
mod answer;
mod audit;
mod browsers;
mod caller;
mod changes;
#[cfg(any(test, debug_assertions))]
mod debug;
mod explain;
mod failures;
mod gate;
mod login;
mod openapi;
mod operations;
mod orders;
mod probes;
mod remote;
mod replays;
mod report;
mod routes;
mod sessions;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod watched;

use std::io;
use std::sync::Arc;

pub use access::{Access, Client, Holder, Token};
pub use announcer::{AnnouncerOperations, Hang};
pub use answer::{ErrorReport, ErrorText};
pub use audit::AuditEntry;
pub use caller::{Caller, LocalPeer, Peer, RemotePeer, Shown};
pub use explain::ExplainQuery;
pub use openapi::openapi_text;
pub use operations::{CredentialWish, DrainWish, LogWish, ReloadWish, VerifyWish};
pub use orders::{Order, Orders, ReloadOrder, Reply};
pub use probes::Readiness;
pub(crate) use probes::any_beats;
pub use remote::{Tls, TlsFault};
pub use report::*;
pub use routes::{AuditLog, Desk, Me};
pub use sessions::{Calls, EndedCall, FamilyWord, OrderWord, SessionQuery, SortWord, TransportWord};
pub use socket::{AdminSocket, SocketFault, SocketFile};
pub use watched::EventQuery;

use remote::RemoteListener;

use crate::control::connections::Bounded;
use crate::control::watch::{Sources, Watch, WatchSettings};
use crate::metrics::Heart;
use crate::wire::bgp::Prefix;

/// What a relay can be asked and told. Each call may wait for the thread that knows, for a second or so.
pub trait Operations: Send + Sync + 'static {
    /// How it stands.
    ///
    /// # Errors
    /// Why there is no answer.
    fn report(&self) -> Result<Report, Refusal>;

    /// Takes no new calls from here on, or takes them again. When it returns, what is announced has been decided anew.
    ///
    /// # Errors
    /// Why nothing was changed.
    fn drain(&self, on: bool) -> Result<(), Refusal>;

    /// Lifts a withdrawal of one prefix or of all; with `force` announces it although the relay would not.
    ///
    /// # Errors
    /// Why nothing was changed.
    fn announce(&self, prefix: Option<Prefix>, force: bool) -> Result<(), Refusal>;

    /// Withdraws one prefix or all, until somebody announces them again.
    ///
    /// # Errors
    /// Why nothing was changed.
    fn withdraw(&self, prefix: Option<Prefix>) -> Result<(), Refusal>;

    /// Runs every check at once, and waits for what they say.
    ///
    /// # Errors
    /// Why they did not run.
    fn check_now(&self) -> Result<(), Refusal>;

    /// Makes a worker do nothing for a while.
    ///
    /// # Errors
    /// No such worker.
    #[cfg(any(test, debug_assertions))]
    fn hang(&self, worker: u8, time: std::time::Duration) -> Result<(), Refusal>;
}

/// Why an operator does not get what he asks for. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It makes no sense for this relay.
    #[error("{0}")]
    Pointless(String),
    /// What it names is not there.
    #[error("{0}")]
    Unknown(String),
    /// Not now.
    #[error("{0}")]
    Busy(String),
    /// What was said with it does not fit.
    #[error("{0}")]
    Wrong(String),
}

/// What the API is made of.
pub struct Parts {
    /// Who is let in.
    pub access: Access,
    /// The announcer.
    pub operations: Arc<dyn Operations>,
    /// Those of the workers, for `/livez`.
    pub hearts: Vec<Heart>,
    /// The calls.
    pub calls: Arc<dyn Calls>,
    /// What the process itself is asked for.
    pub orders: Orders,
    /// How the relay is and was.
    pub watch: Arc<Watch>,
}

impl Parts {
    /// Of a relay without workers that takes every call.
    #[must_use]
    pub fn new(access: Access, operations: Arc<dyn Operations>) -> Self {
        Self {
            access,
            operations,
            hearts: Vec::new(),
            calls: Arc::new(sessions::NoCalls),
            orders: Orders::to_nobody(),
            watch: watch_of_nothing(),
        }
    }
}

/// A watch that has nothing to look at.
fn watch_of_nothing() -> Arc<Watch> {
    let sources = Sources {
        workers: Vec::new(),
        certificates: Vec::new(),
        room: Arc::new(Default::default),
        announcer: Arc::new(Default::default),
        calls: Arc::new(Vec::new),
        leaving_dscp: Arc::new(|_| None),
    };
    Watch::new(sources, WatchSettings::default())
}

/// Serves the socket until the future is dropped.
///
/// # Errors
///
/// A socket that cannot be used.
pub fn serve_admin(socket: AdminSocket, desk: &Desk) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let listener = Bounded::new(tokio::net::UnixListener::from_std(socket.listener()?)?);
    let serving = listener.serve(desk.router(), |stream| Peer::Local(LocalPeer::of(stream)));
    Ok(async move {
        // Its file goes with it.
        let _socket = socket;
        serving.await;
    })
}

/// Serves whoever comes by TCP until the future is dropped; with `tls` encrypted.
///
/// # Errors
///
/// A listener that cannot be used.
pub fn serve_remote(
    listener: std::net::TcpListener,
    tls: Option<Arc<Tls>>,
    desk: &Desk,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let listener = Bounded::new(RemoteListener::new(listener, tls)?);
    Ok(listener.serve(desk.router(), |stream| Peer::Remote(stream.peer())))
}
