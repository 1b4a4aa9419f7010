//! Connections of those who watch: few at a time, and none that is silent for long.
//!
//! Whoever reaches a listener of the control plane can open connections and say nothing. Beyond a number no more are
//! accepted until one ends, and one that moves no byte for a while is ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// Prometheus asks more often, and opens a new connection where it does not.
const SILENCE: Duration = Duration::from_secs(75);

/// A listener with bounds.
#[derive(Debug)]
pub(super) struct Bounded<L> {
    listener: L,
    room: Arc<Semaphore>,
    silence: Duration,
}

impl<L: Listener> Bounded<L> {
    pub(super) fn new(listener: L) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(CONNECTIONS)), silence: SILENCE }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let Ok(place) = Arc::clone(&self.room).acquire_owned().await else {
            // Nobody closes the semaphore.
            return std::future::pending().await;
        };
        let (stream, from) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            patience: self.silence,
            silence: Box::pin(sleep(self.silence)),
            _place: place,
        };
        (connection, from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it is silent for too long.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    /// The socket below.
    pub(super) const fn socket(&self) -> &S {
        &self.stream
    }

    /// Hands on what the socket says. As long as it says nothing, the time runs.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
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
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn listener(silence: Duration) -> Bounded<TcpListener> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Bounded { silence, ..Bounded::new(listener) }
    }

    #[tokio::test]
    async fn what_is_said_comes_through() {
        let mut listener = listener(SILENCE).await;
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut served, _) = Listener::accept(&mut listener).await;
        client.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        served.read_exact(&mut heard).await.unwrap();
        served.write_all(&heard).await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
    }

    #[tokio::test]
    async fn a_silent_connection_ends() {
        let mut listener = listener(Duration::from_millis(1)).await;
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut served, _) = Listener::accept(&mut listener).await;
        assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_full_house_waits_until_somebody_leaves() {
        let mut listener = listener(SILENCE).await;
        let at = listener.local_addr().unwrap();
        let mut served = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(TcpStream::connect(at).await.unwrap());
            served.push(Listener::accept(&mut listener).await);
        }
        clients.push(TcpStream::connect(at).await.unwrap());
        let mut next = Box::pin(Listener::accept(&mut listener));
        assert!(std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await.is_pending());
        served.pop();
        next.await;
    }
}
