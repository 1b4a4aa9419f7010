//! What operators ask of a running relay, and tell it: JSON over HTTP on a local socket.
//!
//! The socket ([`socket`]) can be opened by the relay's own user, by root, and by one group; the credentials of
//! whoever connects are looked at once more with every request ([`access`]). `GET` reads ([`Report`]), `POST` changes;
//! every change is a line of the log that says who asked. Runs on the control runtime; what it asks for is answered by
//! [`Operations`], which may wait for another thread and so never runs on the runtime's own.

mod access;
mod announcer;
#[cfg(any(test, debug_assertions))]
mod debug;
mod report;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

pub use access::{Access, Caller};
pub use announcer::{AnnouncerOperations, Hang};
pub use report::{
    Alert, AlertList, AlertSeverity, Attributes, Basis, BfdReport, BfdSession, Capacity, Cell, Check, Drain,
    DscpClass, Event, EventKind, EventPage, EventSeverity, Health, HeatMap, HeatRow, LegQuality, Neighbor,
    NeighborBfd, Notification, QualityReport, QualitySummary, Rates, Received, Report, Resource, Role, Room,
    Route, RpkiCache, SessionsByTransport, Status, Transition,
};
pub use socket::{AdminSocket, SocketFault};

use crate::control::connections::Bounded;
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
}

/// Serves the socket until the future is dropped.
///
/// # Errors
///
/// A socket that cannot be used.
pub fn serve_admin(
    socket: AdminSocket,
    access: Access,
    operations: Arc<dyn Operations>,
) -> io::Result<impl Future<Output = ()> + Send> {
    let listener = Bounded::new(tokio::net::UnixListener::from_std(socket.listener()?)?);
    let router = routes::router(access, operations).into_make_service_with_connect_info::<Caller>();
    let server = axum::serve(listener, router);
    Ok(async move {
        // It has no end and no error of its own. The socket's file goes with it.
        drop(server.await);
        drop(socket);
    })
}
