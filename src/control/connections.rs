//! Connections of those who watch: few at a time, none that is silent for long, and none that keeps others out.
//!
//! Whoever reaches a listener of the control plane can open connections and say nothing, or speak so slowly that it comes
//! to the same. A request's head, and a handshake before it, must be there within seconds; a connection that moves
//! no byte for a while is ended. Where there is no room, a newcomer takes the place of one that has not said who it is, the oldest of
//! the source that has the most of them: whoever floods shuts out himself.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// Of one source, of those that have not said who they are.
const STRANGERS: usize = 16;
/// Until a request's head is there, the handshake included; between two requests, too.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 * 1024;
/// Without a byte, while a request is answered.
const SILENCE: Duration = Duration::from_secs(75);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A network of one owner.
    Network(IpAddr),
    /// A user of this machine, if the kernel knows him.
    User(Option<u32>),
}

/// What can say where it comes from.
pub(super) trait Sourced {
    fn source(&self) -> Source;
}

impl Source {
    /// Whoever has one IPv6 address has 2^64 of them.
    pub(super) fn of(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

impl Sourced for TcpStream {
    fn source(&self) -> Source {
        // Without an address it has ended already.
        self.peer_addr().map_or(Source::User(None), |address| Source::of(address.ip()))
    }
}

impl Sourced for UnixStream {
    fn source(&self) -> Source {
        Source::User(self.peer_cred().ok().map(|credentials| credentials.uid()))
    }
}

/// A listener with bounds.
#[derive(Debug)]
pub(super) struct Bounded<L> {
    listener: L,
    house: Arc<House>,
    head: Duration,
    silence: Duration,
}

/// Who has a connection, in the order of their coming.
#[derive(Debug, Default)]
struct House {
    guests: Mutex<Vec<Guest>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Guest {
    number: u64,
    source: Source,
    admission: Admission,
    /// Dropped when the connection is to end.
    _end: oneshot::Sender<Infallible>,
}

/// Told of a connection when somebody has said who he is.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission(Arc<AtomicBool>);

impl Admission {
    /// From now on no stranger takes its place.
    pub(super) fn grant(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_granted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl House {
    fn enter(self: &Arc<Self>, source: Source) -> Place {
        let (end, ended) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let admission = Admission::default();
        let mut guests = self.guests();
        let strangers = guests.iter().filter(|guest| guest.is_stranger() && guest.source == source);
        let leaves = if strangers.count() >= STRANGERS {
            guests.iter().position(|guest| guest.is_stranger() && guest.source == source)
        } else if guests.len() >= CONNECTIONS {
            most_crowded(&guests, Guest::is_stranger).or_else(|| most_crowded(&guests, |_| true))
        } else {
            None
        };
        leaves.map(|place| guests.remove(place));
        guests.push(Guest { number, source, admission: admission.clone(), _end: end });
        Place { house: Arc::clone(self), number, admission, ended }
    }

    fn guests(&self) -> MutexGuard<'_, Vec<Guest>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest of those that are `meant`, of the source that has the most of them.
fn most_crowded(guests: &[Guest], meant: impl Fn(&Guest) -> bool) -> Option<usize> {
    let of_source = |source| guests.iter().filter(|guest| guest.source == source && meant(guest)).count();
    let candidates = guests.iter().enumerate().filter(|(_, guest)| meant(guest));
    // The last of equal ones is taken; seen from behind that is the oldest.
    candidates.rev().max_by_key(|(_, guest)| of_source(guest.source)).map(|(place, _)| place)
}

impl Guest {
    fn is_stranger(&self) -> bool {
        !self.admission.is_granted()
    }
}

/// A connection's place among the others.
#[derive(Debug)]
struct Place {
    house: Arc<House>,
    number: u64,
    admission: Admission,
    /// Resolves when the place is another's.
    ended: oneshot::Receiver<Infallible>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.guests().retain(|guest| guest.number != self.number);
    }
}

impl<L: Listener<Io: Sourced>> Bounded<L> {
    pub(super) fn new(listener: L) -> Self {
        Self { listener, house: Arc::default(), head: HEAD, silence: SILENCE }
    }

    async fn accept(&mut self) -> Connection<L::Io> {
        let (stream, _) = self.listener.accept().await;
        let place = self.house.enter(stream.source());
        Connection { stream, patience: self.silence, silence: Box::pin(sleep(self.silence)), place }
    }

    /// Serves whoever comes until the future is dropped. `introduce` says of a connection what requests are told of it.
    pub(super) async fn serve<P>(mut self, router: Router, introduce: impl Fn(&L::Io) -> P)
    where
        P: Clone + Send + Sync + 'static,
    {
        let mut protocol = http1::Builder::new();
        protocol.timer(TokioTimer::new()).header_read_timeout(self.head).max_buf_size(HEAD_MAX);
        loop {
            let connection = self.accept().await;
            let (peer, admission) = (introduce(&connection.stream), connection.place.admission.clone());
            let router = router.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer.clone()));
                request.extensions_mut().insert(admission.clone());
                let answering: <Router as Service<Request>>::Future = router.clone().call(request);
                async move { answering.await as Result<Response, Infallible> }
            });
            let serving = protocol.serve_connection(TokioIo::new(connection), service);
            // How a connection ends concerns nobody but its client.
            tokio::spawn(async move { drop(serving.await) });
        }
    }
}

/// A connection that ends when it is silent for too long, or when its place is wanted.
#[derive(Debug)]
struct Connection<S> {
    stream: S,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    place: Place,
}

impl<S> Connection<S> {
    /// Hands on what the socket says, unless it is to end. As long as it says nothing, the time runs.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        // Asked again while it is flushed and closed, and what has ended must not be polled again.
        if self.place.ended.is_terminated() || Pin::new(&mut self.place.ended).poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if outcome.is_ready() {
            self.silence.set(sleep(self.patience));
            return outcome;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has always done so; only TLS may wait, for its client.
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if outcome.is_ready() { outcome } else { self.watch(cx, outcome) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        if outcome.is_ready() { outcome } else { self.watch(cx, outcome) }
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
